"""Collecting from servers on loopback: what comes is kept once, and neither kills nor lost connections change that."""

import json
import multiprocessing
import random
import re
import resource
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from itertools import islice
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import urlsplit

import pytest
from websockets.sync.server import ServerConnection

from siaga.errors import DataError
from siaga.schema import Columns
from siaga.serving.store.rows import Offset
from siaga.serving.stream.collect import Choice, Collected, Collector, collect
from siaga.serving.stream.collection import open_collection, state_path
from siaga.serving.stream.messages import Attempt, Messages
from siaga.serving.stream.sample import DailySample, Held
from siaga.serving.stream.social import SocialInput, open_social
from siaga.serving.stream.tracks import open_track
from siaga.sources.download import download_table
from siaga.sources.endpoints import Endpoint
from siaga.sources.fetching import Web
from siaga.sources.items import ItemReader
from siaga.sources.sockets import MESSAGE_BYTES, Pace
from siaga.sources.wanted import Wanted
from tests.loopback import Loopback, reply, serving
from tests.made import picture
from tests.streaming import START_US, Jetstream, Server, collect_in_a_child, deletion, post, streaming, toot

QUICK = Pace(open_s=2.0, tick_s=0.02, wait_s=0.02, longest_wait_s=0.05)
HOUR, DAY = 3_600_000_000, 86_400_000_000


def ended(events: Sequence[bytes]) -> list[bytes]:
    """Return events and, after the last one, that by which `until_the_end` knows the end."""
    return [*events, deletion(json.loads(events[-1])["time_us"] + 1, "end")]


def jetstream(server: Server) -> str:
    return server.url("", "bluesky+ws")


def input_of(source: str, *, cursor: int | None = None, **options: Any) -> SocialInput:  # Any: what open_social takes.
    read = {} if cursor is None else {"bluesky": Offset("bluesky", str(cursor))}
    stream = open_social(source, read=read, **options)
    stream.pace = QUICK
    return stream


def once(part: str, position: str) -> int:
    return 1


def taken(stream: SocialInput, count: int, attempt: Attempt = once) -> list[Messages]:
    """Return messages until there are so many lines."""
    found: list[Messages] = []
    for messages in stream.messages(attempt):
        if messages is not None:
            found.append(messages)
        if sum(len(messages.lines) for messages in found) >= count:
            break
    stream.close()
    return found


def lines_of(found: Sequence[Messages]) -> list[bytes]:
    return [line for messages in found for line in messages.lines]


def until_the_end(
    source: str, out: Path, choice: Choice, *, pace: Pace = QUICK, hear: Callable[[Collected], None] | None = None
) -> Collected:
    """Collect until the post "end" is deleted."""
    ended = Event()

    def tell(done: Collected) -> None:
        if done.counts["delete"]:
            ended.set()
        if hear is not None:
            hear(done)

    with open_collection(out, per_day=choice.per_day, seed=choice.seed) as collection:
        stream = open_social(source, read=collection.offsets(source))
        stream.pace = pace
        collector = Collector(stream, ItemReader(), collection, choice, quarantine=out.with_name("faults"))
        return collector.run(is_stopped=ended.is_set, tell=tell)


def ids_in(path: Path) -> list[str]:
    return [json.loads(line)["id"].rpartition("/")[2] for line in path.read_text().splitlines()]


def test_a_stream_that_breaks_again_and_again_gives_every_message_once() -> None:
    events = [post(number) for number in range(40)]
    with streaming(Jetstream(events, each=9)) as server:
        found = taken(input_of(jetstream(server)), 40)
        cursors = server.cursors()
    assert lines_of(found) == events
    assert [position for messages in found for position in messages.positions] == [
        str(START_US + number * 1_000_000) for number in range(40)
    ]
    # After nine messages, the eighth second; five seconds before that it is taken up.
    assert cursors[:3] == [None, START_US + 3_000_000, START_US + 7_000_000]
    assert found[-1].end == Offset("bluesky", str(START_US + 39_000_000))
    assert found[-1].time_ms == (START_US + 39_000_000) // 1000


def test_messages_that_are_handed_over_together_came_within_a_minute() -> None:
    events = [post(number) for number in (0, 1, 60, 61, 122)]
    with streaming(Jetstream(events)) as server:
        stream = input_of(jetstream(server))
        found = [messages for messages in islice(stream.messages(once), 15) if messages is not None]
        stream.close()
    times = [[int(position) // 1_000_000 - START_US // 1_000_000 for position in part.positions] for part in found]
    assert [second for part in times for second in part] == [0, 1, 60, 61, 122]
    assert all(part[-1] - part[0] <= 60 for part in times)
    assert [part.time_ms for part in found] == [START_US // 1000 + part[-1] * 1000 for part in times]


def test_a_stream_that_is_closed_ends() -> None:
    with streaming(Jetstream([post(0)])) as server:
        stream = input_of(jetstream(server))
        messages = stream.messages(once)
        assert [part.lines for part in islice(messages, 10) if part is not None] == [[post(0)]]
        stream.close()
        assert list(messages) == []


def test_a_stream_goes_on_from_the_cursor_that_was_kept() -> None:
    events = [post(number) for number in range(40)]
    with streaming(Jetstream(events)) as server:
        found = taken(input_of(jetstream(server), cursor=START_US + 30_000_000), 14)
        assert server.cursors() == [START_US + 25_000_000]
    assert lines_of(found) == events[26:]


def test_a_cursor_that_is_none_is_refused() -> None:
    with pytest.raises(DataError, match=r"^'x' is no cursor of bluesky: it counts microseconds since 1970\.$"):
        open_social("bluesky", read={"bluesky": Offset("bluesky", "x")})


def test_a_message_that_is_too_large_is_stepped_over(caplog: pytest.LogCaptureFixture) -> None:
    huge = post(10, "x" * MESSAGE_BYTES)
    events = [*(post(number) for number in range(10)), huge, *(post(number) for number in range(11, 20))]
    with streaming(Jetstream(events)) as server:
        found = taken(input_of(jetstream(server)), 18)
        assert server.cursors() == [None, START_US + 4_000_000, START_US + 10_000_000]
    assert lines_of(found) == [event for event in events if event != huge]
    assert "1 s of it are passed over, since they break the connection." in caplog.text


def test_what_still_breaks_the_connection_is_stepped_over_by_twice_as_much_each_time() -> None:
    huge = [post(0, "x" * MESSAGE_BYTES, time_us=START_US + tenth * 100_000) for tenth in range(1, 25)]
    events = [post(0), *huge, post(60)]
    with streaming(Jetstream(events)) as server:
        assert lines_of(taken(input_of(jetstream(server)), 2)) == [events[0], events[-1]]
        assert server.cursors()[2:] == [START_US + seconds * 1_000_000 for seconds in (1, 2, 4)]


def test_a_second_message_that_is_too_large_is_approached_as_the_first_one_was() -> None:
    huge = {10, 30}
    events = [post(number, "x" * MESSAGE_BYTES if number in huge else "") for number in range(40)]
    with streaming(Jetstream(events)) as server:
        taken(input_of(jetstream(server)), 38)
        assert server.cursors() == [None, *(START_US + seconds * 1_000_000 for seconds in (4, 10, 24, 30))]


def test_a_server_that_only_closes_is_not_stepped_over() -> None:
    with streaming(Jetstream([post(0), post(1)], each=1)) as server:
        stream = input_of(jetstream(server))
        found = [*islice(stream.messages(once), 40)]
        stream.close()
        assert set(server.cursors()[1:]) == {START_US - 5_000_000}
    assert [messages.lines for messages in found if messages is not None] == [[post(0)]]


def test_garbage_is_handed_over_under_a_name_of_its_own_and_holds_nothing_up() -> None:
    garbage = [b"{", b"\xff", b"[]", b'{"time_us": "x"}', b"", b'{"time_us": 99999999999999999}', b"[" * 5000]

    def handler(connection: ServerConnection) -> None:
        for line in [post(0), *garbage, post(1), *garbage]:
            connection.send(line, text=True)
        connection.recv()

    with streaming(handler) as server:
        found = taken(input_of(jetstream(server)), len(garbage) + 2)
        again = taken(input_of(jetstream(server)), len(garbage) + 2)
        assert server.cursors() == [None, None]
    assert lines_of(found) == [post(0), *garbage, post(1)]
    positions = [position for messages in found for position in messages.positions]
    assert positions == [position for messages in again for position in messages.positions]
    assert len(set(positions)) == len(garbage) + 2
    assert all(re.fullmatch("~[0-9a-f]{16}", position) for position in positions[1:-1])
    assert found[-1].end == Offset("bluesky", str(START_US + 1_000_000))


def test_after_a_death_messages_come_one_by_one_until_new_ones_have_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("siaga.serving.stream.social.AT_ONCE", 4)
    events = [post(number) for number in range(30)]
    counted: list[tuple[str, str]] = []

    def attempt(part: str, position: str) -> int:
        counted.append((part, position))
        return 2 if len(counted) == 1 else 1

    with streaming(Jetstream(events)) as server:
        found = taken(input_of(jetstream(server), cursor=START_US + 10_000_000), 24, attempt)
    sizes = [len(messages.lines) for messages in found]
    # From 6 s on: five old ones (6 to 10 s), then four new ones at least, to the end of what was read at once.
    assert sizes[:9] == [1] * 9
    assert max(sizes[12:]) > 1
    assert [messages.deliveries for messages in found[:3]] == [2, 1, 1]
    assert found[0].end == Offset("bluesky", str(START_US + 10_000_000))
    assert found[7].end == Offset("bluesky", str(START_US + 13_000_000))
    assert counted == [("bluesky", messages.positions[0]) for messages in found[: len(counted)]]
    assert lines_of(found) == events[6:]


def test_a_process_that_did_not_die_gets_messages_together() -> None:
    with streaming(Jetstream([post(number) for number in range(30)])) as server:
        found = taken(input_of(jetstream(server), cursor=START_US), 29)
    assert len(found) < 5
    assert {messages.deliveries for messages in found} == {1}


def test_another_host_is_asked_where_one_does_not_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with streaming(Jetstream([post(0)])) as server:
        endpoint = Endpoint("x", "bluesky", (f"ws://127.0.0.1:{port}/?", server.url("/?")))
        track = open_track(endpoint, start=None, now=time.time)
        assert lines_of(taken(SocialInput(endpoint, track, QUICK), 1)) == [post(0)]


def test_what_a_server_does_not_keep_any_more_is_told(caplog: pytest.LogCaptureFixture) -> None:
    with streaming(Jetstream([post(7200), post(7201)])) as server:
        source = jetstream(server)
        taken(input_of(source, cursor=START_US), 2)
    [told] = [record.getMessage() for record in caplog.records if "nothing between" in record.getMessage()]
    start = f"{source} has nothing between 2024-05-01 00:00:00+00:00 and 2024-05-01 02:00:00+00:00"
    assert told.startswith(start)


def test_mastodon_is_followed_by_ids_and_gaps_are_told(caplog: pytest.LogCaptureFixture) -> None:
    now = 1_714_521_600.0
    old, new = (int(now - 90) * 1000) << 16, (int(now) * 1000) << 16
    deleted = json.dumps({"stream": ["public"], "event": "delete", "payload": "17"}).encode()
    connections = []

    def handler(connection: ServerConnection) -> None:
        connections.append(1)
        for line in [toot(new + len(connections)), deleted] if len(connections) < 3 else []:
            connection.send(line, text=True)

    with streaming(handler) as server:
        source = server.url("", "mastodon+ws")
        part = f"mastodon 127.0.0.1:{server.port}"
        stream = open_social(source, read={part: Offset(part, str(old))}, now=lambda: now)
        stream.pace = QUICK
        found = taken(stream, 4)
    assert lines_of(found) == [toot(new + 1), deleted, toot(new + 2), deleted]
    positions = [position for messages in found for position in messages.positions]
    assert [positions[0], positions[2]] == [str(new + 1), str(new + 2)]
    assert positions[1] == positions[3]
    assert positions[1].startswith("~")
    assert (found[-1].part, found[-1].end) == (part, Offset(part, str(new + 2)))
    assert found[-1].time_ms == int(now * 1000)
    assert f"{source}: the posts of up to 90 s are missing; Mastodon does not repeat them." in caplog.messages
    assert f"{source}: the posts of up to 0 s are missing; Mastodon does not repeat them." in caplog.messages


@pytest.mark.parametrize("position", ["abc", "01HXYZ", "5", "9" * 30])
def test_an_id_that_tells_no_time_makes_a_gap_of_unknown_length(
    position: str, caplog: pytest.LogCaptureFixture
) -> None:
    open_social("mastodon://a.example", read={"mastodon a.example": Offset("", position)})
    assert caplog.messages == [
        "mastodon://a.example: the posts of some time are missing; Mastodon does not repeat them."
    ]


def test_wanted_posts_are_appended_as_lines_that_read_as_posts(tmp_path: Path) -> None:
    events = [post(0), post(1, "longsor"), post(2, "#BanjirJakarta", image=True)]
    out = tmp_path / "posts.jsonl"
    with streaming(Jetstream(ended(events))) as server:
        done = until_the_end(jetstream(server), out, Choice(Wanted(["banjir"])))
    assert ids_in(out) == ["r0", "r2"]
    items, _, faults = ItemReader("posts").read_all(out.read_bytes().splitlines())
    assert faults == []
    assert [item.text for item in items] == ["banjir", "#BanjirJakarta"]
    assert items[1].image_url == "https://cdn.bsky.app/img/feed_fullsize/plain/did:plc:abc/bafkrei2@jpeg"
    assert items[1].language == "id"
    assert items[1].time_ms == START_US // 1000 + 2000
    assert (done.messages, done.posts, done.kept, done.repeated, done.dead) == (4, 2, 2, 0, 0)
    assert done.counts == {"none of the words": 1, "delete": 1}


def test_what_cannot_be_read_is_counted_and_written_down(tmp_path: Path) -> None:
    def handler(connection: ServerConnection) -> None:
        for line in (b"{", post(0), b'{"kind": "commit", "time_us": "x"}', deletion(START_US + 1, "end")):
            connection.send(line, text=True)
        connection.recv()

    out = tmp_path / "posts.jsonl"
    with streaming(handler) as server:
        done = until_the_end(jetstream(server), out, Choice())
    assert ids_in(out) == ["r0"]
    assert done.dead == 2
    rows = [json.loads(line) for line in (tmp_path / "faults").read_text().splitlines()]
    assert [row["raw"] for row in rows] == ["{", '{"kind": "commit", "time_us": "x"}']
    assert sum(done.counts[row["reason"].split(":")[0]] for row in rows) >= 2
    assert rows[0]["file"].startswith(f"bluesky+ws://127.0.0.1:{server.port} bluesky ~")


def test_collecting_again_goes_on_where_it_was(tmp_path: Path) -> None:
    out = tmp_path / "posts.jsonl"
    events = ended([post(number) for number in range(30)])
    with streaming(Jetstream(events)) as server:
        source = jetstream(server)
        first = collect(source, out, choice=Choice(limit=12))
        assert ids_in(out) == [f"r{number}" for number in range(12)]
        second = until_the_end(source, out, Choice())
        cursors = server.cursors()
    assert (first.posts, first.kept) == (12, 12)
    assert ids_in(out) == [f"r{number}" for number in range(30)]
    assert second.posts == second.kept == 18
    assert cursors[0] is None


def test_a_stop_is_heard_while_nothing_comes_and_while_the_server_is_away(tmp_path: Path) -> None:
    out, began = tmp_path / "posts.jsonl", time.monotonic()
    with streaming(Jetstream([post(0)])) as server:
        source = jetstream(server)
        collect(source, out, is_stopped=lambda: time.monotonic() - began > 0.6)
    assert 0.6 < time.monotonic() - began < 2.5
    assert ids_in(out) == ["r0"]
    began = time.monotonic()
    collect(source, out, is_stopped=lambda: time.monotonic() - began > 0.3)  # Nobody listens there any more.
    assert time.monotonic() - began < 1.5
    assert ids_in(out) == ["r0"]


def test_a_server_that_cannot_be_reached_is_said_and_what_is_held_stays(tmp_path: Path) -> None:
    out = tmp_path / "posts.jsonl"
    with streaming(Jetstream(ended([post(0)]))) as server:
        source = jetstream(server)
        until_the_end(source, out, Choice(per_day=5))
    with pytest.raises(DataError, match=r"^bluesky\+ws://127\.0\.0\.1:[0-9]+ cannot be reached: Connection refused"):
        until_the_end(source, out, Choice(per_day=5))
    assert ids_in(out) == ["r0"]


def test_posts_of_mastodon_are_collected_as_text(tmp_path: Path) -> None:
    def handler(connection: ServerConnection) -> None:
        for number, text in enumerate(["<b>Banjir</b> &amp; hujan", "longsor"]):
            connection.send(toot(112_000_000_000_000_000 + number, text), text=True)
        connection.recv()

    out = tmp_path / "posts.jsonl"
    with streaming(handler) as server:
        source = server.url("?stream=public:local", "mastodon+ws")
        done = collect(source, out, choice=Choice(Wanted(["banjir"], languages=["in"]), limit=1))
        assert server.paths == ["/api/v1/streaming?stream=public:local"]
    [row] = map(json.loads, out.read_text().splitlines())
    assert (row["id"], row["text"], row["user"]) == ("112000000000000000", "Banjir & hujan", "ana")
    assert done.posts == 1


def test_the_files_beside_it_are_those_that_the_reference_names(tmp_path: Path) -> None:
    reference = (Path(__file__).parents[1] / "docs" / "reference_files.md").read_text()
    about = reference.partition("### A file that `siaga stream` collects")[2]
    files, _, state = about.partition("### posts.jsonl.state")
    with streaming(Jetstream([b'{"time_us": 1, "kind": 1}', post(0, image=True)])) as server:
        collect(jetstream(server), tmp_path / "posts.jsonl", choice=Choice(limit=1))
    listed = re.findall(r"^\| `([^`]+)`", files, re.M)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(listed)
    known = re.findall(r"`(\w+)`", state.partition("###")[0])
    assert list(json.loads(state_path(tmp_path / "posts.jsonl").read_text())) == known
    rows = map(json.loads, (tmp_path / "posts.jsonl.quarantine.jsonl").read_text().splitlines())
    assert [list(row) for row in rows] == [["file", "line", "reason", "raw"]]


def day_of(number: int, hour: int, text: str = "banjir", *, day: int) -> bytes:
    return post(number, text, time_us=START_US + day * DAY + hour * HOUR + number * 1_000)


def sample_of(events: Sequence[bytes], per_day: int, *, seed: int = 0) -> list[str]:
    """Return the ids of the daily samples of events, all at once."""
    sample = DailySample(per_day, seed=seed)
    for line in events:
        event = json.loads(line)
        key, at = event["commit"]["rkey"], event["time_us"]
        day = date.fromordinal(date(2024, 5, 1).toordinal() + (at - START_US) // DAY)
        sample.add(day, Held("bluesky", f"at://did:plc:abc/app.bsky.feed.post/{key}", at, key))
    return [held.line for day in sample.days for held in sample.posts(day)]


def test_the_sample_of_a_day_is_written_when_the_day_is_over(tmp_path: Path) -> None:
    out = tmp_path / "posts.jsonl"
    first = [day_of(number, 12, day=0) for number in range(50)]
    grace = [day_of(50, 23, day=0), post(51, time_us=START_US + DAY + HOUR // 2)]
    next_day = [post(52, time_us=START_US + DAY + HOUR + 1)]
    seen: list[list[str]] = []
    handler = Jetstream([*first, *grace])

    def hear(done: Collected) -> None:
        if done.messages == 52 and not seen:
            seen.append(ids_in(out))
            handler.events += ended(next_day)
            server_can_go_on.set()

    server_can_go_on = Event()

    def waiting(connection: ServerConnection) -> None:
        for event in handler.events[:52]:
            connection.send(event, text=True)
        server_can_go_on.wait(10)
        for event in handler.events[52:]:
            connection.send(event, text=True)
        connection.recv()

    with streaming(waiting) as server:
        done = until_the_end(jetstream(server), out, Choice(per_day=5), hear=hear)
    assert seen == [[]]  # Half an hour after midnight, the day before still takes posts.
    wanted = sample_of([*first, *grace, *next_day], 5)
    assert ids_in(out) == wanted
    assert len(wanted) == 5 + 2
    assert (done.posts, done.kept) == (53, 7)
    assert done.counts["left out of the sample"] > 0


def test_a_sample_that_was_written_at_a_stop_is_taken_back_and_goes_on(tmp_path: Path) -> None:
    events = [day_of(number, 1 + number // 10, day=0) for number in range(100)]
    out, whole = tmp_path / "posts.jsonl", tmp_path / "whole.jsonl"
    with streaming(Jetstream(ended(events))) as server:
        source = jetstream(server)
        for limit in (1, 13, 40):
            collect(source, out, choice=Choice(per_day=10, limit=limit))
            assert len(ids_in(out)) == 10 or limit == 1
        until_the_end(source, out, Choice(per_day=10))
        until_the_end(source, whole, Choice(per_day=10))
    assert out.read_bytes() == whole.read_bytes()
    assert ids_in(out) == sample_of(events, 10)


def test_another_seed_draws_another_sample(tmp_path: Path) -> None:
    events = [day_of(number, 1, day=0) for number in range(100)]
    with streaming(Jetstream(ended(events))) as server:
        until_the_end(jetstream(server), tmp_path / "a.jsonl", Choice(per_day=10, seed=7))
    assert ids_in(tmp_path / "a.jsonl") == sample_of(events, 10, seed=7) != sample_of(events, 10)


def test_posts_that_come_too_late_and_deleted_ones_are_not_in_the_sample(tmp_path: Path) -> None:
    late = [json.loads(day_of(number, 4, day=2)) for number in (0, 3)]
    for event in late:
        event["commit"]["record"]["createdAt"] = "2024-05-01T10:00:00Z"
    without_time = json.loads(day_of(5, 4, day=2))
    del without_time["commit"]["record"]["createdAt"]
    gone = deletion(START_US + 2 * DAY + 4 * HOUR + 7_000, "r2")
    first, second, third = (json.dumps(event).encode() for event in (*late, without_time))
    events = [first, day_of(1, 4, day=2), day_of(2, 4, day=2), second, third, gone]
    out = tmp_path / "posts.jsonl"
    with streaming(Jetstream(ended(events))) as server:
        done = until_the_end(jetstream(server), out, Choice(per_day=9))
    assert ids_in(out) == ["r1", "r5"]
    assert done.counts == {"delete": 2, "too late for its day": 2}


def test_a_post_without_a_time_or_from_the_future_is_of_the_day_on_which_it_came(tmp_path: Path) -> None:
    lines = [
        b'{"id": "a", "text": "x", "time": "2031-01-01"}',
        b'{"id": "b", "text": "x"}',
        b'{"id": "c", "text": "x"}',
    ]
    noon_ms = (START_US + DAY // 2) // 1000
    out = tmp_path / "posts.jsonl"
    stream = Recorded(recorded(lines, time_ms=noon_ms), recorded([], time_ms=noon_ms + DAY // 1000))
    assert collected(stream, out, Choice(per_day=2)).kept == 2
    assert json.loads(state_path(out).read_text())["open_from"] == "2024-05-02"
    assert len(ids_in(out)) == 2


@pytest.mark.parametrize("limit", [1, 7, 20])
def test_a_limit_is_exact(limit: int, tmp_path: Path) -> None:
    events = [post(number, "banjir" if number % 3 else "longsor") for number in range(60)]
    with streaming(Jetstream(events)) as server:
        done = collect(jetstream(server), tmp_path / "p.jsonl", choice=Choice(Wanted(["banjir"]), limit=limit))
    assert done.posts == done.kept == len(ids_in(tmp_path / "p.jsonl")) == limit


def test_a_post_that_another_host_sends_with_another_time_is_kept_once(tmp_path: Path) -> None:
    events = [post(0, key="a"), post(1, key="b"), post(2, key="a")]
    with streaming(Jetstream(ended(events))) as server:
        done = until_the_end(jetstream(server), tmp_path / "p.jsonl", Choice())
    assert ids_in(tmp_path / "p.jsonl") == ["a", "b"]
    assert done.repeated == 1


class Recorded:
    """An input that hands over what it was given, and notes what was acknowledged; it knows no time."""

    name = "recorded"

    def __init__(self, *batches: Messages) -> None:
        self.batches, self.acknowledged = batches, list[Messages]()

    def messages(self, attempt: Attempt) -> Iterator[Messages | None]:
        yield from self.batches

    def acknowledge(self, messages: Messages) -> None:
        self.acknowledged.append(messages)

    def lag(self) -> int | None:
        return None

    def close(self) -> None:
        pass


def recorded(events: Sequence[bytes], **options: Any) -> Messages:  # Any: other parts of Messages.
    return Messages("part", list(events), [str(i) for i in range(len(events))], **options)


def collected(stream: Recorded, out: Path, choice: Choice) -> Collected:
    with open_collection(out, per_day=choice.per_day) as collection:
        beside = out.with_name("faults")
        return Collector(stream, ItemReader(), collection, choice, quarantine=beside).run()


def test_of_an_input_without_arrival_times_no_day_is_over_before_its_end(tmp_path: Path) -> None:
    events = [day_of(number, 1, day=number % 3) for number in range(60)]
    random.Random(1).shuffle(events)
    stream = Recorded(recorded(events[:30]), recorded(events[30:]))
    done = collected(stream, tmp_path / "p.jsonl", Choice(per_day=4))
    assert ids_in(tmp_path / "p.jsonl") == sample_of(events, 4)
    assert (done.messages, done.kept) == (60, 12)


def test_a_message_that_was_delivered_too_often_is_not_read_again(tmp_path: Path) -> None:
    stream = Recorded(recorded([post(0)], deliveries=6), recorded([post(1)], deliveries=5))
    done = collected(stream, tmp_path / "p.jsonl", Choice())
    assert ids_in(tmp_path / "p.jsonl") == ["r1"]
    assert done.counts == {"Poison": 1}
    assert "5 times" in (tmp_path / "faults").read_text()


def test_nothing_is_acknowledged_before_it_is_kept(tmp_path: Path) -> None:
    out = tmp_path / "p.jsonl"

    class Watched(Recorded):
        def acknowledge(self, messages: Messages) -> None:
            super().acknowledge(messages)
            assert json.loads(state_path(out).read_text())["length"] == out.stat().st_size > 0

    stream = Watched(recorded([post(0)]), recorded([post(1)]))
    collected(stream, out, Choice())
    assert stream.acknowledged == list(stream.batches)


def test_a_file_that_was_not_collected_or_is_another_sample_is_left_alone(tmp_path: Path) -> None:
    out = tmp_path / "posts.jsonl"
    out.write_text("mine\n")
    with pytest.raises(DataError, match=r"posts\.jsonl is there already, but no posts\.jsonl\.state: it was not coll"):
        collected(Recorded(), out, Choice())
    assert out.read_text() == "mine\n"
    out.unlink()
    collected(Recorded(recorded([post(0)])), out, Choice())
    with pytest.raises(DataError, match=r"was begun without --per-day\. Go on so, or choose another --to\.$"):
        collected(Recorded(), out, Choice(per_day=5))
    other = tmp_path / "other.jsonl"
    collected(Recorded(recorded([post(0)])), other, Choice(per_day=5))
    with pytest.raises(DataError, match=r"was begun with --per-day 5 --seed 0\. Go on so"):
        collected(Recorded(), other, Choice(per_day=6))


def test_a_file_that_somebody_changed_is_left_alone(tmp_path: Path) -> None:
    out = tmp_path / "posts.jsonl"
    collected(Recorded(recorded([day_of(1, 1, day=0), day_of(2, 1, day=0)])), out, Choice(per_day=5))
    whole = out.read_bytes()
    out.write_bytes(whole + b'{"id": "mine"}\n')
    with pytest.raises(DataError, match=r"posts\.jsonl was changed after byte 0, where the posts of open days stand\."):
        collected(Recorded(), out, Choice(per_day=5))
    assert out.read_bytes() == whole + b'{"id": "mine"}\n'
    out.write_bytes(whole[:-20])  # Torn, as by a kill.
    collected(Recorded(), out, Choice(per_day=5))
    assert out.read_bytes() == whole
    plain = tmp_path / "plain.jsonl"
    collected(Recorded(recorded([post(0), post(1)])), plain, Choice())
    plain.write_bytes(plain.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"plain\.jsonl has \d+ bytes where \d+ were written\. Put it back as it was"):
        collected(Recorded(), plain, Choice())


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"version": 1, "length": "x"}', "\ud800"])
def test_a_state_that_is_damaged_is_said(content: str, tmp_path: Path) -> None:
    out = tmp_path / "posts.jsonl"
    collected(Recorded(recorded([post(0)])), out, Choice())
    state_path(out).write_bytes(content.encode("utf-8", "surrogatepass"))
    with pytest.raises(DataError, match=r"posts\.jsonl\.state cannot be read: .*\. Choose another --to\.$"):
        collected(Recorded(), out, Choice())


def test_a_state_of_a_later_siaga_is_said(tmp_path: Path) -> None:
    out = tmp_path / "posts.jsonl"
    collected(Recorded(recorded([post(0)])), out, Choice())
    state_path(out).write_text(state_path(out).read_text().replace('"version":1', '"version":9'))
    with pytest.raises(DataError, match=r"state has the version 9; this siaga knows 1\. Choose another --to\.$"):
        collected(Recorded(), out, Choice())


def test_lines_beyond_the_state_are_kept_and_their_posts_known(tmp_path: Path) -> None:
    out = tmp_path / "posts.jsonl"
    collected(Recorded(recorded([post(0)])), out, Choice())
    before = state_path(out).read_bytes()
    collected(Recorded(recorded([post(1)])), out, Choice())
    state_path(out).write_bytes(before)  # As if it had been killed before it could save.
    whole = out.read_bytes()
    out.write_bytes(whole + b'{"id":"at:')
    done = collected(Recorded(recorded([post(1), post(2)])), out, Choice())
    assert ids_in(out) == ["r0", "r1", "r2"]
    assert (done.posts, done.repeated) == (1, 1)


class DiedError(BaseException):
    """Stands for the end of a process: nothing of ours catches it."""


def held(number: int) -> Held:
    return Held("bluesky", f"p{number}", number, json.dumps({"id": f"p{number}"}))


@pytest.mark.parametrize("time_to_die", [1, 2])
def test_a_death_while_a_day_is_closed_leaves_what_can_be_gone_on_with(
    time_to_die: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, places = tmp_path / "posts.jsonl", []

    def reach(place: str) -> None:
        places.append(place)
        if places.count("before_commit") == time_to_die:
            raise DiedError

    with open_collection(out, per_day=5) as collection:
        collection.add(date(2024, 5, 1), held(1))
        collection.save()
        collection.add(date(2024, 5, 1), held(2))
        monkeypatch.setattr("siaga.serving.stream.collection.reach", reach)
        with pytest.raises(DiedError):
            collection.close_days(date(2024, 5, 2))
    assert ids_in(out) == [[], ["p1", "p2"]][time_to_die - 1]
    monkeypatch.undo()
    with open_collection(out, per_day=5) as collection:
        assert ids_in(out) == []
        collection.add(date(2024, 5, 1), held(2))
        collection.close_days(date(2024, 5, 2))
    assert ids_in(out) == ["p1", "p2"]


def test_what_a_full_disk_took_half_of_is_taken_back(tmp_path: Path) -> None:
    out = tmp_path / "posts.jsonl"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with open_collection(out, per_day=5) as collection:
        for number in (1, 2, 3):
            collection.add(date(2024, 5, 1), held(number))
        collection.save()
        resource.setrlimit(resource.RLIMIT_FSIZE, (20, hard))
        try:
            with pytest.raises(
                DataError, match=r"posts\.jsonl cannot be written: File too large\. Choose another place"
            ):
                collection.close_days(date(2024, 5, 2))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        collection.finish()
    assert ids_in(out) == ["p1", "p2", "p3"]
    with open_collection(out, per_day=5) as collection:
        collection.finish()
    assert ids_in(out) == ["p1", "p2", "p3"]


def test_two_processes_do_not_fill_one_file(tmp_path: Path) -> None:
    out = tmp_path / "posts.jsonl"
    with open_collection(out), pytest.raises(DataError, match=r"^Another process is collecting into .*posts\.jsonl\."):
        collected(Recorded(), out, Choice())


def test_what_killed_processes_left_half_written_is_swept(tmp_path: Path) -> None:
    stale = tmp_path / ".posts.jsonl.state.0a1b2c3d.siaga-partial"
    others = tmp_path / ".other.jsonl.state.0a1b2c3d.siaga-partial"
    stale.write_text("half")
    others.write_text("half")
    collected(Recorded(), tmp_path / "posts.jsonl", Choice())
    assert not stale.exists()
    assert others.exists()


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "folder.jsonl").mkdir()
    with pytest.raises(DataError, match=r"folder\.jsonl cannot be written: Is a directory\. Choose another place\.$"):
        collected(Recorded(), tmp_path / "folder.jsonl", Choice())


def days_of_posts(days: int, each: int) -> list[bytes]:
    """Return events of some days, 250 ms apart, every fifth without the word that is asked for."""
    return [
        post(
            day * each + i,
            "longsor" if i % 5 == 4 else "banjir",
            time_us=START_US + day * DAY + 20 * HOUR + i * 250_000,
        )
        for day in range(days)
        for i in range(each)
    ]


@contextmanager
def child(*arguments: object) -> Iterator[Any]:  # Any: a process of the fork server, whose class has no public name.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["pytest", "tests.streaming", "siaga.serving.stream.collect", "websockets.sync.client"]
    )
    process = context.Process(target=collect_in_a_child, args=arguments, daemon=True)
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()
        process.close()


def check_whole(out: Path, events: Sequence[bytes], per_day: int | None) -> None:
    """Every line is whole, and the file is what one process would have made that nobody killed."""
    wanted = [event for event in events if b"banjir" in event]
    expected = sample_of(wanted, per_day) if per_day else [json.loads(event)["commit"]["rkey"] for event in wanted]
    assert ids_in(out) == expected


@pytest.mark.parametrize("per_day", [None, 40])
def test_kills_at_any_moment_lose_and_double_nothing(per_day: int | None, tmp_path: Path) -> None:
    events, out, dice, kills = days_of_posts(4, 200), tmp_path / "posts.jsonl", random.Random(1), 0
    sizes = set()
    with streaming(Jetstream(ended(events), pause_s=0.0005)) as server:
        source = jetstream(server)
        while kills < 20:
            with child(source, str(out), per_day, None, None) as process:
                asked = len(server.paths)
                while len(server.paths) == asked:
                    time.sleep(0.002)
                process.join(0.15 * dice.random())
                if process.exitcode == 0:  # It came to the end before; from the beginning once more.
                    check_whole(out, events, per_day)
                    out.unlink()
                    state_path(out).unlink()
                else:
                    process.kill()
                    process.join()
                    assert process.exitcode == -signal.SIGKILL
                    kills += 1
            sizes.add(out.stat().st_size if out.exists() else 0)
        with child(source, str(out), per_day, None, None) as process:
            process.join(30)
            assert process.exitcode == 0
    check_whole(out, events, per_day)
    assert len(sizes) >= (3 if per_day else 6)  # They died at many places.


@pytest.mark.parametrize("place", ["after_read", "after_decode", "before_commit", "after_commit", "before_ack"])
def test_a_death_at_each_named_place_loses_and_doubles_nothing(place: str, tmp_path: Path) -> None:
    events, out, hits = days_of_posts(3, 60), tmp_path / "posts.jsonl", tmp_path / "hits"
    hits.mkdir()
    with streaming(Jetstream(ended(events), pause_s=0.0005)) as server:
        while len(list(hits.iterdir())) < 5:
            with child(jetstream(server), str(out), 10, f"{place}:{hits}:5", None) as process:
                process.join(30)
                if process.exitcode == 0:
                    check_whole(out, events, 10)
                    out.unlink()
                    state_path(out).unlink()
                else:
                    assert process.exitcode == -signal.SIGKILL
        with child(jetstream(server), str(out), 10, None, None) as process:
            process.join(30)
            assert process.exitcode == 0
    check_whole(out, events, 10)


@pytest.mark.parametrize(("per_day", "room"), [(None, 15_000), (40, 12_000)])
def test_a_full_disk_is_said_and_costs_nothing(per_day: int | None, room: int, tmp_path: Path) -> None:
    events, out = days_of_posts(3, 100), tmp_path / "posts.jsonl"
    with streaming(Jetstream(ended(events))) as server:
        with child(jetstream(server), str(out), per_day, None, room) as process:
            process.join(30)
            assert process.exitcode == 3
        with child(jetstream(server), str(out), per_day, None, None) as process:
            process.join(30)
            assert process.exitcode == 0
    check_whole(out, events, per_day)


def test_the_download_finds_the_pictures_of_what_was_collected(tmp_path: Path) -> None:
    out = tmp_path / "posts.jsonl"
    with streaming(Jetstream(ended([post(0, image=True), post(1)]))) as server:
        until_the_end(jetstream(server), out, Choice())
    address = "https://cdn.bsky.app/img/feed_fullsize/plain/did:plc:abc/bafkrei0@jpeg"
    assert address in out.read_text()
    out.write_text(out.read_text().replace("https://", "http://"))  # No certificate is needed here.
    with serving({urlsplit(address).path: reply(picture(True, 1))}) as pictures:
        web = Web(network=Loopback(pictures.port))
        done = download_table(out, tmp_path / "images", columns=Columns(image="image_url"), web=web)
    assert (done.arrived, done.reasons) == (1, {"No URL": 1})
    [row] = map(json.loads, done.posts.read_text().splitlines())
    assert (row["id"], row["text"]) == ("at://did:plc:abc/app.bsky.feed.post/r0", "banjir")
    assert (done.posts.parent / row["image"]).read_bytes() == picture(True, 1)
