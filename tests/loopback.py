"""A web server on loopback that behaves as each test wants, and a network on which every name leads to it."""

import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock, Thread

import pytest

from siaga.sources.fetching import Internet

PUBLIC = "93.184.215.14"


@dataclass(frozen=True)
class Asked:
    """One request, as the server read it."""

    host: str
    path: str
    head: str


Answer = Callable[[socket.socket, Asked], None]


class Server:
    """Answers each path with the function given for it, one thread a connection, and remembers what was asked."""

    def __init__(self, answers: Mapping[str, Answer], tls: ssl.SSLContext | None) -> None:
        self.answers = dict(answers)
        self.asked: list[Asked] = []
        self._tls, self._lock = tls, Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self._threads = [Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def paths(self) -> list[str]:
        """Return the paths that were asked for, in order."""
        return [asked.path for asked in self.asked]

    def close(self) -> None:
        """Stop, when every connection has ended."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            thread = Thread(target=self._serve, args=(connection,), daemon=True)
            thread.start()
            self._threads.append(thread)

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(10)
        try:
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
            head = b""
            while not head.endswith(b"\r\n\r\n") and (piece := connection.recv(1)):
                head += piece
            if not head.endswith(b"\r\n\r\n"):
                return
            text = head.decode()
            asked = Asked(text.partition("Host: ")[2].partition("\r\n")[0], text.split(" ")[1], text)
            with self._lock:
                self.asked.append(asked)
            self.answers[asked.path](connection, asked)
        except OSError:  # The client has had enough.
            pass
        finally:
            connection.close()


@contextmanager
def serving(answers: Mapping[str, Answer], *, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    server = Server(answers, tls)
    try:
        yield server
    finally:
        server.close()


class Loopback:
    """A network on which names have the addresses that a test says, one public one by default, and all lead here.

    `resolved` and `dialled` remember what was asked of it.
    """

    def __init__(
        self, port: int, *, names: Mapping[str, Sequence[str]] | None = None, trusted: Path | None = None
    ) -> None:
        self.port, self.names = port, names or {}
        self.resolved: list[str] = []
        self.dialled: list[tuple[str, int]] = []
        self._trusted = trusted

    def addresses(self, host: str, *, timeout_s: float) -> Sequence[str]:
        self.resolved.append(host)
        return self.names.get(host, [PUBLIC])

    def connect(self, address: str, port: int, *, timeout_s: float) -> socket.socket:
        self.dialled.append((address, port))
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout_s)

    def secure(self, connection: socket.socket, host: str) -> ssl.SSLSocket:
        tls = None if self._trusted is None else ssl.create_default_context(cafile=self._trusted)
        return Internet(tls).secure(connection, host)


def reply(content: bytes = b"", *, status: str = "200 OK", length: int | None = None, headers: str = "") -> Answer:
    """Return an answer of this content; `length` lies about its size."""
    size = len(content) if length is None else length

    def answer(connection: socket.socket, asked: Asked) -> None:
        connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: {size}\r\n{headers}\r\n".encode() + content)

    return answer


def raw(content: bytes) -> Answer:
    """Return an answer that sends these very bytes."""
    return lambda connection, asked: connection.sendall(content)


def moved(location: str, status: str = "302 Found") -> Answer:
    return reply(status=status, headers=f"Location: {location}\r\n")


def in_turn(*answers: Answer) -> Answer:
    """Return an answer that is another one each time, and then stays the last."""
    left = list(answers)

    def answer(connection: socket.socket, asked: Asked) -> None:
        (left.pop(0) if len(left) > 1 else left[0])(connection, asked)

    return answer


def certificate(folder: Path, name: str) -> tuple[Path, ssl.SSLContext]:
    """Return a certificate for a name that vouches for itself, and a server's context with it."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed, so there is no certificate to test with")
    key, paper = folder / "key.pem", folder / "paper.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    names = ["-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"]
    subprocess.run([*command, *names, "-days", "2", "-keyout", key, "-out", paper], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(paper, key)
    return paper, context
