"""One HTTP request: the only place in Siaga that opens a connection to fetch something.

A name is resolved once, every answer is checked, and one of these very addresses is dialled. Bytes are counted and
time is taken as they arrive. There are no cookies, no proxies, no passwords, and nothing is unpacked.
"""

import http.client
import io
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http import HTTPStatus
from importlib.metadata import version
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Protocol

from siaga.sources.addresses import Url, public_address
from siaga.sources.limits import Limits, Timer
from siaga.sources.values import Fault

PIECE = 1 << 16
_HEAD_BYTES = 1 << 18  # What a reply may take on top of its content: headers, and the marks of chunks.
_DIALLED = 4  # Addresses of one name that are tried, of those that were checked.
_REDIRECTS = (301, 302, 303, 307, 308)


class Network(Protocol):
    """How names are resolved and addresses reached. Only a test passes another one than the Internet."""

    def addresses(self, host: str, *, timeout_s: float) -> Sequence[str]:
        """Return every IP address of a name. Raises OSError."""
        ...

    def connect(self, address: str, port: int, *, timeout_s: float) -> socket.socket:
        """Return a connection to an IP address. Raises OSError."""
        ...

    def secure(self, connection: socket.socket, host: str) -> ssl.SSLSocket:
        """Return the connection under TLS with a certificate that is valid for `host`. Raises OSError."""
        ...


class Internet:
    """The real network. Certificates are checked as the system does, unless `tls` says how."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = ssl.create_default_context() if tls is None else tls

    def addresses(self, host: str, *, timeout_s: float) -> Sequence[str]:
        """Return every IP address of a name; the system's resolver knows no time limit, so it is waited for apart."""
        answers: SimpleQueue[list[str] | OSError] = SimpleQueue()
        Thread(target=lambda: answers.put(_resolved(host)), daemon=True).start()
        try:
            answer = answers.get(timeout=timeout_s)
        except Empty:
            raise TimeoutError from None
        if isinstance(answer, OSError):
            raise answer
        return answer

    def connect(self, address: str, port: int, *, timeout_s: float) -> socket.socket:
        """Return a connection to an IP address."""
        return socket.create_connection((address, port), timeout=timeout_s)

    def secure(self, connection: socket.socket, host: str) -> ssl.SSLSocket:
        """Return the connection under TLS; the certificate must be valid for `host`."""
        return self._tls.wrap_socket(connection, server_hostname=host)


def _silent(done: int, total: int) -> None:
    """Hear how much is done, and tell nobody."""


@dataclass(frozen=True)
class Web:
    """How the web is asked: within which limits, over which network, and who hears how much is done of how much."""

    limits: Limits = field(default_factory=Limits)
    network: Network = field(default_factory=Internet)
    hear: Callable[[int, int], None] = _silent


@dataclass(frozen=True)
class Reply:
    """What a server answers. `pieces` yields the content as it arrives, and raises Fault when it breaks a limit."""

    url: Url
    status: int
    headers: Message
    pieces: Iterator[bytes]

    @property
    def destination(self) -> Url | None:
        """Where a redirect leads; None when the reply is none. Raises Fault for a place that may not be asked."""
        location = self.headers.get("Location")
        if self.status not in _REDIRECTS or location is None:
            return None
        return self.url.joined(location.strip().encode("latin-1", "replace").decode("utf-8", "replace"))

    def fault(self) -> Fault:
        """Return what is said of a reply whose status is not the wanted one."""
        known = {status.value: f" ({status.phrase})" for status in HTTPStatus}
        return Fault(f"Status {self.status}: the server answers so{known.get(self.status, '')}.")


@contextmanager
def opened(url: Url, *, web: Web, timer: Timer, start: int = 0) -> Iterator[Reply]:
    """Give a server's reply to one GET from the byte `start` on; no redirect is followed.

    Raises Fault, here and from the reply's pieces, for whatever goes wrong: an address that is not public, a
    connection that fails, a certificate that does not hold, a reply that is not HTTP, too large, too slow or packed.
    """
    limits = web.limits
    with _faults(timer):
        connection = _connection(url, web.network, timer)
    with closing(connection):
        with _faults(timer):
            connection.settimeout(timer.left())
            connection.sendall(_request(url, start))
            wire: Any = _Wire(connection, timer, limits.bytes)  # Any: of a socket, HTTPResponse only wants its file.
            response = http.client.HTTPResponse(wire, method="GET")
            response.begin()
        _check_plain(response.headers)
        yield Reply(url, response.status, response.headers, _pieces(response, timer, limits.bytes))


def _connection(url: Url, network: Network, timer: Timer) -> socket.socket:
    addresses = _public_addresses(url, network, timer)[:_DIALLED]
    trouble: OSError | None = None
    for rank, address in enumerate(addresses):
        try:
            connection = network.connect(address, url.port, timeout_s=timer.left() / (len(addresses) - rank))
            break
        except OSError as error:
            trouble = error
    else:
        raise Fault(f"Unreachable: {url.host} does not answer ({_words(trouble)}).")
    if url.scheme == "http":
        return connection
    try:
        connection.settimeout(timer.left())
        return network.secure(connection, url.host)
    except BaseException:
        connection.close()
        raise


def _public_addresses(url: Url, network: Network, timer: Timer) -> list[str]:
    """Return the addresses of a host, asked for once. Raises Fault unless every one of them is public."""
    if ":" in url.host or url.host.rpartition(".")[2].isdigit():
        return [public_address(url.host)]
    try:
        answers = network.addresses(url.host, timeout_s=timer.left())
    except socket.gaierror:
        raise Fault(f"Unreachable: the name {url.host} is not known.") from None
    try:
        addresses = list(dict.fromkeys(map(public_address, answers)))
    except Fault as fault:
        raise Fault(f"{fault} So says the name {url.host}.") from None
    if not addresses:
        raise Fault(f"Unreachable: the name {url.host} has no address.")
    return addresses


def _resolved(host: str) -> list[str] | OSError:
    try:
        return [str(answer[4][0]) for answer in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]
    except OSError as error:
        return error


def _request(url: Url, start: int) -> bytes:
    lines = [
        f"GET {url.target} HTTP/1.1",
        f"Host: {url.authority}",
        f"User-Agent: siaga/{version('siaga')}",
        "Accept: */*",
        "Accept-Encoding: identity",
        *([f"Range: bytes={start}-"] if start else []),
        "Connection: close",
    ]
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode("ascii")


class _Wire(io.RawIOBase):
    """What comes over a connection, as a file: the time left is set before every read, and bytes are counted."""

    def __init__(self, connection: socket.socket, timer: Timer, limit: int) -> None:
        self._connection, self._timer, self._limit = connection, timer, limit
        self._arrived = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:  # Any: the writable buffer of io, which has no public type in 3.11.
        """Fill `buffer` with what has arrived; 0 at the end."""
        self._connection.settimeout(self._timer.left())
        count = self._connection.recv_into(buffer)
        self._arrived += count
        if self._arrived > self._limit + _HEAD_BYTES:
            raise _too_large(self._limit)
        return count

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Return the file that HTTPResponse asks a socket for."""
        return io.BufferedReader(self, PIECE)


def _pieces(response: http.client.HTTPResponse, timer: Timer, limit: int) -> Iterator[bytes]:
    expected, arrived = response.length, 0
    if expected is not None and expected > limit:
        raise _too_large(limit)
    while True:
        with _faults(timer):
            piece = response.read1(PIECE)
        if not piece:
            break
        arrived += len(piece)
        if arrived > limit:
            raise _too_large(limit)
        yield piece
    if expected is not None and arrived != expected:
        raise Fault(f"Broken off: {arrived:,} of {expected:,} bytes arrived.")


def _check_plain(headers: Message) -> None:
    """Raise Fault for content that is packed: what it unpacks to could be of any size."""
    for name, plain in (("Content-Encoding", "identity"), ("Transfer-Encoding", "chunked")):
        for value in headers.get_all(name, []):
            if str(value).strip().lower() not in (plain, ""):
                raise Fault(f"Packed: the server sends {name} {str(value)[:80]!r}, though it was asked not to.")


@contextmanager
def _faults(timer: Timer) -> Iterator[None]:
    """Turn what a network raises into a Fault that says it."""
    try:
        yield
    except TimeoutError:
        raise timer.fault() from None
    except ssl.SSLCertVerificationError as error:
        raise Fault(f"Certificate: {error.verify_message}.") from None
    except ssl.SSLError as error:
        raise Fault(f"No TLS: {error.reason or 'the connection was closed'}.") from None
    except http.client.IncompleteRead:
        raise Fault("Broken off: the content ends in the middle of a chunk.") from None
    except OSError as error:  # Also a server that closes without a word, which http.client calls a reset.
        raise Fault(f"Broken off: {_words(error)}.") from None
    except http.client.HTTPException as error:
        raise Fault(f"Not HTTP: {type(error).__name__} {str(error)[:80]!r}.") from None


def _too_large(limit: int) -> Fault:
    return Fault(f"Too large: it has more than {limit:,} bytes.")


def _words(error: OSError | None) -> str:
    return str(error.strerror or error) if error is not None else "no address"
