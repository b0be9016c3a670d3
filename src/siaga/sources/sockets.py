"""One websocket, as a client: the only place in Siaga that opens one, and what can be said of how it ended.

There are no proxies, no compression, and no redirect to another host; a message is at most a megabyte. Nothing here
blocks for longer than a moment, so that a request to stop is heard.
"""

import logging
import random
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib.metadata import version
from queue import Empty, SimpleQueue
from threading import Event as Flag
from threading import Thread
from typing import TYPE_CHECKING, NamedTuple, NoReturn
from urllib.parse import urlsplit

from siaga.errors import DataError
from siaga.extras import require

if TYPE_CHECKING:
    from websockets.exceptions import ConnectionClosed
    from websockets.http11 import Response
    from websockets.sync.client import ClientConnection

log = logging.getLogger(__name__)
MESSAGE_BYTES = 1_000_000
_PASSING = (408, 425, 429)  # With those from 500 on: the statuses after which asking again may help.
_LONGEST_REQUESTED_S = 300.0
_UNREADABLE = (1002, 1003, 1007, 1009)  # Codes with which we close: broken frames, foreign data, too large a message.


@dataclass(frozen=True)
class Target:
    """Which stream is asked for. `url` is called at every connection; `hints` say what to do about a status."""

    name: str
    url: Callable[[], str]
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    hints: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Pace:
    """How long things may take, in seconds; those written here are what users get.

    A peer that answers no ping within `ping_s`, or sends nothing for `idle_s`, is given up. Between two connections
    `wait_s` is waited, twice as long each time up to `longest_wait_s`, and a random part of it less, at most half; one
    that lasted `steady_s` lets it begin anew. A stream that never opened is given up after `first_tries`.
    """

    open_s: float = 10.0
    ping_s: float = 20.0
    idle_s: float | None = 60.0
    tick_s: float = 0.25
    wait_s: float = 1.0
    longest_wait_s: float = 60.0
    steady_s: float = 10.0
    first_tries: int = 4


@dataclass(frozen=True)
class World:
    """Time, chance and trust. Only a test passes others than the real ones."""

    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = random.random
    tls: ssl.SSLContext | None = None


class Lost(NamedTuple):
    """A connection is gone, or was none. `is_unreadable`: because of what the server sent, and not of the way here."""

    reason: str
    was_open: bool
    is_unreadable: bool = False
    asked_to_wait_s: float = 0.0


class LostError(Exception):
    """How a connection ends; `lost` says why."""

    def __init__(self, lost: Lost) -> None:
        super().__init__(lost.reason)
        self.lost = lost


class Connection:
    """One connection, from before it is open to its end.

    `last_sign` is the clock when the last message came, or it opened; `was_steady` whether it lasted, once it is lost.
    """

    def __init__(self, target: Target, pace: Pace, world: World) -> None:
        self._target, self._pace, self._world = target, pace, world
        self._exceptions = require("websockets.exceptions", extra="stream")
        self._opening = _Opening(target, pace, world.tls)
        self._open: ClientConnection | None = None
        self._opened_at = 0.0
        self.last_sign: float | None = None
        self.was_steady = False

    def opened(self) -> Iterator[None]:
        """Yield None until the connection is open; raises LostError and DataError."""
        try:
            while (connection := self._opening.wait(self._pace.tick_s)) is None:
                yield None
        except (OSError, EOFError, ValueError, self._exceptions.InvalidHandshake) as error:
            refusal = next((e for e in (error, error.__cause__) if isinstance(e, self._exceptions.InvalidStatus)), None)
            if refusal is not None:  # As a cause: of not following a redirect.
                raise LostError(_refused(refusal.response, self._target)) from None
            if not isinstance(error, (OSError, EOFError, self._exceptions.InvalidHandshake)):
                raise
            raise LostError(_not_opened(error, self._target)) from None
        self._open = connection
        self._opened_at = self.last_sign = self._world.clock()

    def messages(self) -> Iterator[bytes | None]:
        """Yield messages, and None while there are none; ends by raising LostError."""
        if self._open is None:
            return
        while True:
            try:
                message = self._open.recv(timeout=self._pace.tick_s, decode=False)
            except TimeoutError:
                self._check_silence()
                yield None
            except self._exceptions.ConnectionClosed as error:
                self._end(_closed(error, self._pace))
            else:
                self.last_sign = self._world.clock()
                yield message

    def _check_silence(self) -> None:
        idle_s = self._pace.idle_s
        if idle_s is not None and self.last_sign is not None and self._world.clock() - self.last_sign > idle_s:
            self._end(Lost(f"it was silent for {idle_s:g} s", was_open=True))

    def _end(self, lost: Lost) -> NoReturn:
        self.was_steady = self._world.clock() - self._opened_at >= self._pace.steady_s
        raise LostError(lost)

    def close(self) -> None:
        """Close what is open or on its way."""
        self._opening.abandon()
        if self._open is not None:
            self._open.close()


class _Opening:
    """A connection on its way, in a thread of its own: neither asking for a name nor a handshake can be broken off."""

    def __init__(self, target: Target, pace: Pace, tls: ssl.SSLContext | None) -> None:
        self._answers: SimpleQueue[ClientConnection | Exception] = SimpleQueue()
        self._is_abandoned = Flag()
        arguments = (target.url(), target.headers, pace, tls)
        Thread(target=self._run, args=arguments, daemon=True).start()

    def wait(self, seconds: float) -> "ClientConnection | None":
        """Return the connection once it is open; None when it is not, so many seconds later. Raises what it raised."""
        try:
            answer = self._answers.get(timeout=seconds)
        except Empty:
            return None
        if isinstance(answer, Exception):
            raise answer
        return answer

    def abandon(self) -> None:
        """Close the connection, now or when it opens, unless `wait` gave it away."""
        self._is_abandoned.set()
        self._clear()

    def _run(self, url: str, headers: Mapping[str, str], pace: Pace, tls: ssl.SSLContext | None) -> None:
        try:
            self._answers.put(_connected(url, headers, pace, tls))
        except Exception as error:  # noqa: BLE001 - It is raised in the thread that waits.
            self._answers.put(error)
        if self._is_abandoned.is_set():
            self._clear()

    def _clear(self) -> None:
        try:
            answer = self._answers.get_nowait()
        except Empty:
            return
        if not isinstance(answer, Exception):
            answer.close()


def _connected(url: str, headers: Mapping[str, str], pace: Pace, tls: ssl.SSLContext | None) -> "ClientConnection":
    parts = urlsplit(url)
    quiet = logging.Logger(f"{__name__}.frames", logging.INFO)  # At DEBUG, the library would show the token.
    quiet.parent = log
    opening = require("websockets.sync.client", extra="stream").connect(
        url,
        ssl=tls,
        additional_headers=dict(headers),
        user_agent_header=f"siaga/{version('siaga')}",
        compression=None,
        proxy=None,
        address=(parts.hostname, parts.port or {"wss": 443, "ws": 80}[parts.scheme]),  # So no redirect leads elsewhere.
        open_timeout=pace.open_s,
        ping_interval=pace.ping_s,
        ping_timeout=pace.ping_s,
        close_timeout=0.2,  # Nothing of ours is on its way that could be lost.
        max_size=MESSAGE_BYTES,
        logger=quiet,
    )
    connection: ClientConnection = ExitStack().enter_context(opening)  # Closed by who takes it.
    return connection


def _closed(error: "ConnectionClosed", pace: Pace) -> Lost:
    """Return what is said of a connection that is gone."""
    sent, received = error.sent, error.rcvd
    if sent is not None and not error.rcvd_then_sent:
        if sent.code in _UNREADABLE:
            what = f"more than {MESSAGE_BYTES:,} bytes" if sent.code == 1009 else "what no websocket may"
            return Lost(f"it sent {what} ({sent.code})", was_open=True, is_unreadable=True)
        return Lost(f"it answered no ping within {pace.ping_s:g} s", was_open=True)
    if received is not None:
        words = f" {received.reason[:80]!r}" if received.reason else ""
        return Lost(f"the server closed it ({received.code}{words})", was_open=True)
    return Lost("it broke off", was_open=True)


def _not_opened(error: Exception, target: Target) -> Lost:
    """Return what is said of a connection that did not open; raises DataError where waiting does not help."""
    if isinstance(error, ssl.SSLCertVerificationError):
        what = f"The certificate of {target.name} does not hold: {error.verify_message}"
        raise DataError(f"{what}. Check the address, and this machine's clock.")
    if isinstance(error, TimeoutError):
        return Lost("it does not answer", was_open=False)
    if isinstance(error, OSError):
        return Lost(error.strerror or str(error), was_open=False)
    return Lost(f"it does not answer as a websocket does ({type(error).__name__})", was_open=False)


def _refused(response: "Response", target: Target) -> Lost:
    """Return what is said of a status that passes; raises DataError with what to do about any other one."""
    status = response.status_code
    if status >= 500 or status in _PASSING:
        asked = response.headers.get("Retry-After", "")
        wait_s = min(float(asked), _LONGEST_REQUESTED_S) if asked.isascii() and asked.isdigit() else 0.0
        return Lost(f"the server answers with status {status}", was_open=False, asked_to_wait_s=wait_s)
    if 300 <= status < 400:
        where = response.headers.get("Location", "nowhere")[:200]
        raise DataError(f"{target.name} sends on to {where!r}, which is not followed. Give that address.")
    hint = target.hints.get(status, "Check the address.")
    raise DataError(f"{target.name} refuses with status {status}. {hint}")
