"""Websockets against a server on loopback: what is lost is mended, what is refused is said, and nothing hangs."""

import logging
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from queue import SimpleQueue
from threading import Event as Flag
from threading import Thread

import pytest
from websockets.sync.server import ServerConnection

from siaga.errors import DataError
from siaga.sources.endpoints import JETSTREAMS, TOKEN, find_endpoint
from siaga.sources.listening import Event, Mended, listen
from siaga.sources.sockets import MESSAGE_BYTES, Lost, Pace, Target, World
from tests.loopback import certificate
from tests.streaming import Server, path_of, streaming

QUICK = Pace(open_s=2.0, tick_s=0.02, wait_s=0.02, longest_wait_s=0.05)


def target(server: Server, **options: object) -> Target:
    return Target("the stream", server.url, **options)  # type: ignore[arg-type]  # The options of Target.


def until(events: Iterator[Event], wanted: int) -> list[Event]:
    """Return all events up to so many that are messages or news."""
    return list(islice((event for event in events if event is not None), wanted))


def wait(connection: ServerConnection) -> None:
    """Say nothing until the client goes."""
    connection.recv()


def test_messages_arrive_as_bytes_whatever_they_hold() -> None:
    sent: list[str | bytes] = ["teks", b"\xff\x00", "{broken", "", "🌊"]

    def handler(connection: ServerConnection) -> None:
        for message in sent:
            connection.send(message)
        connection.send(b"\xc3(", text=True)  # A frame of text that is no UTF-8.
        connection.send(["ha", "lf"])
        connection.recv()

    with streaming(handler) as server:
        events = listen(target(server), pace=QUICK)
        assert until(events, 7) == [b"teks", b"\xff\x00", b"{broken", b"", "🌊".encode(), b"\xc3(", b"half"]
        events.close()


def test_a_connection_that_ends_is_made_anew_and_both_are_told() -> None:
    def handler(connection: ServerConnection) -> None:
        connection.send("a")
        connection.close(1012, "restart")

    with streaming(handler) as server:
        events = listen(target(server), pace=QUICK)
        first, lost, mended, second = until(events, 4)
        events.close()
    assert (first, second) == (b"a", b"a")
    assert lost == Lost("the server closed it (1012 'restart')", was_open=True)
    assert isinstance(mended, Mended)
    assert 0.01 < mended.seconds < 5
    assert len(server.paths) == 2


def test_the_address_is_asked_for_anew_at_each_connection() -> None:
    paths = iter(["/subscribe?cursor=1", "/subscribe?cursor=2"])

    def handler(connection: ServerConnection) -> None:
        connection.send(path_of(connection))

    with streaming(handler) as server:
        events = listen(Target("x", lambda: server.url(next(paths))), pace=QUICK)
        assert [event for event in until(events, 4) if isinstance(event, bytes)] == [
            b"/subscribe?cursor=1",
            b"/subscribe?cursor=2",
        ]
        events.close()


def test_waits_double_up_to_the_longest_are_jittered_and_begin_anew_after_a_steady_connection() -> None:
    now, slept, go = [0.0], [0.0], SimpleQueue[None]()

    def sleep(seconds: float) -> None:
        now[0] += seconds
        slept[0] += seconds

    def handler(connection: ServerConnection) -> None:
        connection.send("a")
        go.get(timeout=5)

    pace = Pace(tick_s=0.02, wait_s=1.0, longest_wait_s=8.0, steady_s=10.0, idle_s=None)
    world = World(clock=lambda: now[0], sleep=sleep, chance=lambda: 0.5)
    lasting = iter([0.0, 0.0, 0.0, 0.0, 0.0, 20.0, 0.0])
    waits: list[float] = []
    with streaming(handler) as server:
        events = listen(target(server), pace=pace, world=world)
        for event in events:
            match event:
                case bytes() if len(waits) == 7:
                    break
                case bytes():
                    now[0] += next(lasting)
                    go.put(None)
                case Lost():
                    slept[0] = 0.0
                case Mended():
                    waits.append(round(slept[0], 6))
        go.put(None)
        events.close()
    assert waits == [0.75, 1.5, 3.0, 6.0, 6.0, 0.75, 1.5]


def test_a_message_of_more_than_a_megabyte_ends_the_connection_as_unreadable() -> None:
    def handler(connection: ServerConnection) -> None:
        connection.send("x" * MESSAGE_BYTES)
        connection.send("x" * (MESSAGE_BYTES + 1))
        connection.recv()

    with streaming(handler) as server:
        events = listen(target(server), pace=QUICK)
        whole, lost = until(events, 2)
        events.close()
    assert whole == b"x" * MESSAGE_BYTES
    assert lost == Lost("it sent more than 1,000,000 bytes (1009)", was_open=True, is_unreadable=True)


def test_bytes_that_are_no_frame_end_the_connection_as_unreadable() -> None:
    def handler(connection: ServerConnection) -> None:
        connection.socket.sendall(b"\xff" * 40)
        connection.recv()

    with streaming(handler) as server:
        events = listen(target(server), pace=QUICK)
        [lost] = until(events, 1)
        events.close()
    assert lost == Lost("it sent what no websocket may (1002)", was_open=True, is_unreadable=True)


def test_a_server_that_breaks_off_without_a_word_is_asked_again() -> None:
    def handler(connection: ServerConnection) -> None:
        connection.send("a")
        connection.socket.shutdown(socket.SHUT_RDWR)

    with streaming(handler) as server:
        events = listen(target(server), pace=QUICK)
        assert until(events, 2) == [b"a", Lost("it broke off", was_open=True)]
        events.close()


def test_silence_is_reported_at_every_tick_and_given_up_after_a_while() -> None:
    with streaming(wait) as server:
        events = listen(target(server), pace=replace(QUICK, idle_s=0.2))
        heard: list[Event] = []
        while not heard or heard[-1] is None:
            heard.append(next(events))
        events.close()
    assert heard[-1] == Lost("it was silent for 0.2 s", was_open=True)
    assert len(heard) > 5


def test_a_peer_that_answers_no_ping_is_given_up() -> None:
    gone = Flag()

    def handler(connection: ServerConnection) -> None:
        connection.recv_flow_control.acquire()  # From now on it reads nothing.
        connection.socket.settimeout(None)
        gone.wait(5)
        connection.recv_flow_control.release()

    with streaming(handler) as server:
        events = listen(target(server), pace=replace(QUICK, ping_s=0.2, idle_s=None))
        [lost] = until(events, 1)
        gone.set()
        events.close()
    assert lost == Lost("it answered no ping within 0.2 s", was_open=True)


def test_a_stream_that_cannot_be_reached_is_said_after_some_tries() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    tries = []

    def url() -> str:
        tries.append(1)
        return f"ws://127.0.0.1:{port}/"

    with pytest.raises(DataError, match=r"^x cannot be reached: Connection refused\. Check the address and the"):
        until(listen(Target("x", url), pace=QUICK), 9)
    assert len(tries) == 4


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\n\r\n", b"SSH-2.0-x\r\n", b"\x00" * 100, b"H" * 100_000])
def test_what_is_no_websocket_is_said(said: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def answer() -> None:
            for _ in range(2):
                connection, _ = listener.accept()
                with connection:
                    connection.recv(4096)
                    connection.sendall(said)

        thread = Thread(target=answer)
        thread.start()
        with pytest.raises(DataError, match=r"^x (cannot be reached|refuses with status 200)"):
            until(listen(Target("x", lambda: f"ws://127.0.0.1:{port}/"), pace=replace(QUICK, first_tries=2)), 9)
        while thread.is_alive():
            socket.create_connection(("127.0.0.1", port)).close()
            thread.join(0.05)


def test_a_busy_server_is_asked_again_not_before_it_says() -> None:
    busy = [(503, {}), (429, {"Retry-After": "1"}), (500, {"Retry-After": "soon"})]
    with streaming(lambda connection: connection.send("a"), refuse=busy) as server:
        began = time.monotonic()
        events = listen(target(server), pace=QUICK)
        heard = until(events, 4)
        events.close()
    assert time.monotonic() - began > 1.0
    assert heard == [
        Lost("the server answers with status 503", was_open=False),
        Lost("the server answers with status 429", was_open=False, asked_to_wait_s=1.0),
        Lost("the server answers with status 500", was_open=False),
        b"a",
    ]


@pytest.mark.parametrize(
    ("status", "headers", "said"),
    [
        (401, {}, "x refuses with status 401. Set it."),
        (403, {}, "x refuses with status 403. Check the address."),
        (404, {}, "x refuses with status 404. Check the address."),
        (302, {"Location": "wss://b.example/s"}, "x sends on to 'wss://b.example/s', which is not followed. Give that"),
        (301, {"Location": "ws://127.0.0.2:9/s"}, "x sends on to 'ws://127.0.0.2:9/s', which is not followed."),
    ],
)
def test_a_refusal_ends_it_with_what_to_do(status: int, headers: dict[str, str], said: str) -> None:
    with streaming(lambda connection: None, refuse=[(status, headers)]) as server:
        with pytest.raises(DataError, match=f"^{said.replace('.', '[.]')}"):
            until(listen(Target("x", server.url, hints={401: "Set it."}), pace=QUICK), 1)
        assert len(server.paths) == 1


def test_a_certificate_must_hold(tmp_path: Path) -> None:
    _, context = certificate(tmp_path, "a.example")
    with streaming(lambda connection: None, tls=context) as server:
        with pytest.raises(DataError, match=r"^The certificate of x does not hold: self-signed certificate\. Check"):
            until(listen(Target("x", lambda: server.url(scheme="wss")), pace=QUICK), 1)
        assert server.paths == []


def test_closing_the_iterator_closes_the_connection_at_once() -> None:
    ended = Flag()

    def handler(connection: ServerConnection) -> None:
        connection.send("a")
        for _ in connection:
            pass
        ended.set()

    with streaming(handler) as server:
        events = listen(target(server), pace=QUICK)
        assert until(events, 1) == [b"a"]
        began = time.monotonic()
        events.close()
        assert ended.wait(2)
    assert time.monotonic() - began < 1.5


def test_a_connection_that_opened_unnoticed_is_closed_too() -> None:
    ended = Flag()

    def handler(connection: ServerConnection) -> None:
        for _ in connection:
            pass
        ended.set()

    with streaming(handler) as server:
        events = listen(target(server), pace=replace(QUICK, tick_s=0.0))
        assert next(events) is None
        while not server.paths:
            time.sleep(0.01)
        time.sleep(0.1)
        events.close()
        assert ended.wait(2)


def test_a_stop_while_a_connection_is_on_its_way_does_not_wait_for_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:  # Takes connections, and never answers.
        port = listener.getsockname()[1]
        events = listen(Target("x", lambda: f"ws://127.0.0.1:{port}/"), pace=replace(QUICK, open_s=0.5))
        began = time.monotonic()
        assert next(events) is None
        events.close()
        assert time.monotonic() - began < 0.3
        assert isinstance(
            until(listen(Target("x", lambda: f"ws://127.0.0.1:{port}/"), pace=replace(QUICK, open_s=0.1)), 1)[0], Lost
        )


def test_no_proxy_of_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "ALL_PROXY", "ws_proxy", "wss_proxy", "socks_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with streaming(lambda connection: connection.send("a")) as server:
        events = listen(target(server), pace=QUICK)
        assert until(events, 1) == [b"a"]
        events.close()


def test_a_token_is_sent_and_shown_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with streaming(lambda connection: connection.send("a"), refuse=[(503, {})]) as server:
        endpoint = find_endpoint(f"mastodon+ws://127.0.0.1:{server.port}", {TOKEN: "geheim\n"})
        whom = Target(endpoint.name, endpoint.asked, endpoint.headers, endpoint.hints)
        events = listen(whom, pace=QUICK)
        assert until(events, 2)[1] == b"a"
        events.close()
    assert [headers["Authorization"] for headers in server.headers] == ["Bearer geheim"] * 2
    assert server.paths == ["/api/v1/streaming?stream=public"] * 2
    assert "Trying again" in caplog.text
    assert "geheim" not in caplog.text + repr(endpoint) + repr(whom) + endpoint.name


def test_bluesky_is_four_hosts_that_are_asked_for_posts() -> None:
    endpoint = find_endpoint("bluesky")
    assert (endpoint.name, endpoint.part, endpoint.headers) == ("bluesky", "bluesky", {})
    assert JETSTREAMS[0] == "wss://jetstream2.us-east.bsky.network"
    asked = "/subscribe?wantedCollections=app.bsky.feed.post&maxMessageSizeBytes=1000000"
    assert [endpoint.asked(rank=i) for i in range(5)] == [host + asked for host in (*JETSTREAMS, JETSTREAMS[0])]
    assert endpoint.asked(cursor=17) == f"{JETSTREAMS[0]}{asked}&cursor=17"


@pytest.mark.parametrize(
    ("source", "url"),
    [
        (
            "bluesky+wss://jet.example",
            "wss://jet.example/subscribe?wantedCollections=app.bsky.feed.post&maxMessageSizeBytes=1000000",
        ),
        (
            "wss://jet.example/x/subscribe?wantedCollections=app.bsky.feed.*&cursor=9&compress=true",
            "wss://jet.example/x/subscribe?wantedCollections=app.bsky.feed.*&maxMessageSizeBytes=1000000",
        ),
        (
            "ws://[::1]:6008/subscribe",
            "ws://[::1]:6008/subscribe?wantedCollections=app.bsky.feed.post&maxMessageSizeBytes=1000000",
        ),
        ("mastodon://a.example", "wss://a.example/api/v1/streaming?stream=public"),
        ("mastodon://a.example?stream=public:local", "wss://a.example/api/v1/streaming?stream=public:local"),
        (
            "mastodon://a.example?stream=hashtag&tag=banjir",
            "wss://a.example/api/v1/streaming?stream=hashtag&tag=banjir",
        ),
        ("wss://a.example/api/v1/streaming", "wss://a.example/api/v1/streaming?stream=public"),
        ("mastodon+ws://localhost:4000", "ws://localhost:4000/api/v1/streaming?stream=public"),
    ],
)
def test_an_address_says_what_is_asked(source: str, url: str) -> None:
    assert find_endpoint(source, {}).asked() == url


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("mastodon", "--from mastodon needs a server: mastodon://mastodon.social, for instance."),
        ("ws://a.example/subscribe", "--from 'ws://a.example/subscribe' is not encrypted. Use wss://;"),
        ("mastodon+ws://10.0.0.1", "--from 'mastodon+ws://10.0.0.1' is not encrypted."),
        ("bluesky+ws://127.0.0.1.evil.example", "--from 'bluesky+ws://127.0.0.1.evil.example' is not encrypted."),
        (
            "mastodon://geheim@a.example",
            f"--from holds a secret, which others on this machine can see. Put it into {TOKEN}",
        ),
        ("mastodon://a.example?access_token=geheim", "--from holds a secret"),
        ("wss://a.example", "--from 'wss://a.example' is no open stream that is known. Give bluesky,"),
        ("twitter+wss://a.example", "--from 'twitter+wss://a.example' is no open stream that is known."),
        ("bluesky+https://a.example", "--from 'bluesky+https://a.example' is no open stream that is known."),
        ("mastodon://", "--from 'mastodon://' is no address."),
        ("mastodon://a.example:0", "--from 'mastodon://a.example:0' is no address."),
        ("mastodon://a.example:99999", "--from 'mastodon://a.example:99999' is no address: Port out of range 0-65535."),
        ("mastodon://bücher.example", "--from 'mastodon://bücher.example' is no address."),
        ("mastodon://a.example/x y", "--from 'mastodon://a.example/x y' is no address."),
        ("mastodon://a..example", "--from 'mastodon://a..example' is no address."),
        (f"mastodon://{'a' * 64}.example", "--from 'mastodon://aaaa"),
        ("mastodon://[::1", "--from 'mastodon://[::1' is no address: Invalid IPv6 URL."),
    ],
)
def test_other_addresses_are_refused_and_secrets_not_repeated(source: str, said: str) -> None:
    with pytest.raises(DataError) as error:
        find_endpoint(source, {})
    assert str(error.value).startswith(said)
    assert "geheim" not in str(error.value)


@pytest.mark.parametrize("token", ["ge heim", "ge\r\nheim", "gehëim", "ge\x00heim"])
def test_a_token_that_no_header_may_hold_is_refused_and_not_repeated(token: str) -> None:
    with pytest.raises(DataError, match=rf"^{TOKEN} holds a space, a line's end or another odd character\.") as error:
        find_endpoint("mastodon://a.example", {TOKEN: token})
    assert "heim" not in str(error.value)


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({}, f"wants to know who asks: set {TOKEN} to an access token of a.example"),
        ({TOKEN: "x"}, f"{TOKEN} is not a token of"),
    ],
)
def test_a_server_that_wants_a_token_is_explained(environment: dict[str, str], said: str) -> None:
    hints = find_endpoint("mastodon://a.example", environment).hints
    assert said in hints[401]
    assert hints[401] == hints[403]
    assert "another host" in hints[404]
