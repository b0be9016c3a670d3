"""Open streams on loopback: a websocket server that behaves as each test wants, and a Jetstream of made-up posts."""

import json
import logging
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from http import HTTPStatus
from threading import Event, Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

Handler = Callable[[ServerConnection], None]
QUIET = logging.Logger("server", logging.CRITICAL)
START_US = 1_714_521_600_000_000  # 2024-05-01, midnight in UTC.


class Server:
    """What a test knows of a server: its port, every path that was asked for, and the headers of each request."""

    def __init__(self) -> None:
        self.port = 0
        self.paths: list[str] = []
        self.headers: list[dict[str, str]] = []

    def url(self, path: str = "/subscribe", scheme: str = "ws") -> str:
        return f"{scheme}://127.0.0.1:{self.port}{path}"

    def cursors(self) -> list[int | None]:
        """Return the cursor of each request."""
        return [cursor_of(path) for path in self.paths]


@contextmanager
def streaming(
    handler: Handler, *, refuse: Sequence[tuple[int, dict[str, str]]] = (), tls: ssl.SSLContext | None = None
) -> Iterator[Server]:
    """Serve; the first requests are refused with these statuses and headers, one after the other."""
    server, refusals = Server(), list(refuse)

    def note(connection: ServerConnection, request: Request) -> Response | None:
        server.paths.append(request.path)
        server.headers.append(dict(request.headers.raw_items()))
        if not refusals:
            return None
        status, headers = refusals.pop(0)
        response = connection.respond(HTTPStatus(status), "no\n")
        response.headers.update(headers)
        return response

    def safely(connection: ServerConnection) -> None:
        with suppress(ConnectionClosed):  # The client has had enough.
            handler(connection)

    options: dict[str, Any] = {"compression": None, "close_timeout": 0.5, "logger": QUIET, "ssl": tls}
    with serve(safely, "127.0.0.1", 0, process_request=note, **options) as listener:
        server.port = listener.socket.getsockname()[1]
        thread = Thread(target=listener.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            listener.shutdown()
            thread.join()


def cursor_of(path: str) -> int | None:
    given = parse_qs(urlsplit(path).query).get("cursor")
    return None if given is None else int(given[0])


def path_of(connection: ServerConnection) -> str:
    assert connection.request is not None
    return connection.request.path


class Jetstream:
    """A handler that knows cursors: it sends what is later than the cursor, then waits for `more`, or for the end.

    `each` says how many messages a connection gets before it is closed; `pause_s` is waited after each message.
    """

    def __init__(self, events: Sequence[bytes], *, each: int | None = None, pause_s: float = 0.0) -> None:
        self.events, self.each, self.pause_s = list(events), each, pause_s
        self.ended = Event()

    def __call__(self, connection: ServerConnection) -> None:
        cursor = cursor_of(path_of(connection)) or 0
        left = [event for event in self.events if json.loads(event)["time_us"] > cursor]
        for event in left[: self.each]:
            connection.send(event, text=True)
            if self.pause_s:
                time.sleep(self.pause_s)
        if self.each is None or len(left) <= self.each:
            self.wait(connection)

    def wait(self, connection: ServerConnection) -> None:
        """Stay until the client goes."""
        for _ in connection:
            pass


def post(
    number: int, text: str = "banjir", *, time_us: int | None = None, image: bool = False, key: str | None = None
) -> bytes:
    """Return the event of a new post: one a second from START_US on, unless its time is given."""
    at = START_US + number * 1_000_000 if time_us is None else time_us
    picture = {"$type": "blob", "ref": {"$link": f"bafkrei{number}"}, "mimeType": "image/jpeg", "size": 1000}
    record = {
        "$type": "app.bsky.feed.post",
        "createdAt": datetime.fromtimestamp(at / 1_000_000, UTC).isoformat().replace("+00:00", "Z"),
        "langs": ["id"],
        "text": text,
        **({"embed": {"$type": "app.bsky.embed.images", "images": [{"alt": "", "image": picture}]}} if image else {}),
    }
    return event(at, {"operation": "create", "rkey": key or f"r{number}", "record": record, "cid": f"bafyrei{number}"})


def deletion(time_us: int, key: str) -> bytes:
    return event(time_us, {"operation": "delete", "rkey": key})


def event(time_us: int, commit: dict[str, Any]) -> bytes:
    whole = {"rev": "3kabc", "collection": "app.bsky.feed.post", **commit}
    return json.dumps({"did": "did:plc:abc", "time_us": time_us, "kind": "commit", "commit": whole}).encode()


def toot(identity: int, text: str = "banjir") -> bytes:
    """Return what a Mastodon server sends of a new post."""
    status: dict[str, Any] = {
        "id": str(identity),
        "created_at": "2024-05-01T12:00:00.000Z",
        "language": "id",
        "content": f"<p>{text}</p>",
        "uri": f"https://a.example/{identity}",
        "account": {"acct": "ana"},
        "media_attachments": [],
        "tags": [],
        "reblog": None,
    }
    return json.dumps({"stream": ["public"], "event": "update", "payload": json.dumps(status)}).encode()


def collect_in_a_child(url: str, out: str, per_day: int | None, failpoint: str | None, file_bytes: int | None) -> None:
    """Collect from a Jetstream on loopback until it deletes the post "end", with clocks that run fifty times as fast.

    Ends with 3 when a DataError said that there is no room.
    """
    import os
    import resource
    import signal
    import sys
    from pathlib import Path

    from siaga.errors import DataError
    from siaga.serving.failpoints import VARIABLE
    from siaga.serving.stream.collect import Choice, Collected, Collector
    from siaga.serving.stream.collection import open_collection
    from siaga.serving.stream.social import open_social
    from siaga.sources.items import ItemReader
    from siaga.sources.sockets import World
    from siaga.sources.wanted import Wanted

    logging.disable(logging.WARNING)
    if failpoint is not None:
        os.environ[VARIABLE] = failpoint
    if file_bytes is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))

    def clock() -> float:
        return time.monotonic() * 50

    ended = Event()

    def tell(done: Collected) -> None:
        if done.counts["delete"]:
            ended.set()

    try:
        with open_collection(Path(out), per_day=per_day) as collection:
            source = open_social(url, read=collection.offsets(url))
            source.world = World(clock=clock)
            choice = Choice(Wanted(["banjir"]), per_day=per_day)
            beside = Path(out + ".quarantine.jsonl")
            collector = Collector(source, ItemReader("bluesky"), collection, choice, quarantine=beside, clock=clock)
            collector.run(is_stopped=ended.is_set, tell=tell)
    except DataError as error:
        sys.exit(3 if "make room" in str(error) else 4)
