"""Endpoints: where open streams of posts are, and how they are asked for.

`bluesky` is Bluesky's Jetstream, which can be asked from a moment on; `mastodon://INSTANCE` is what a Mastodon server
shows to everyone, which cannot. A token stands in the environment, never in an address.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Literal
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

from siaga.errors import DataError
from siaga.sources.sockets import MESSAGE_BYTES

Platform = Literal["bluesky", "mastodon"]
TOKEN = "SIAGA_MASTODON_TOKEN"  # noqa: S105 - The name of a variable, and no secret.
JETSTREAMS = tuple(f"wss://jetstream{n}.us-{coast}.bsky.network" for coast in ("east", "west") for n in (2, 1))
_PATHS: dict[Platform, str] = {"bluesky": "/subscribe", "mastodon": "/api/v1/streaming"}
_OURS = ("cursor", "maxMessageSizeBytes", "compress", "requireHello")
_SECRET = ("access_token", "token")
_HOW = "bluesky, mastodon://INSTANCE, or the wss:// address of a Jetstream or of a Mastodon server"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An open stream. `name` is what the user gave; each of `urls` leads to it."""

    name: str
    platform: Platform
    urls: tuple[str, ...]
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    hints: Mapping[int, str] = field(default_factory=dict)

    @property
    def part(self) -> str:
        """The name under which it is remembered how far the stream was read."""
        return "bluesky" if self.platform == "bluesky" else f"mastodon {urlsplit(self.urls[0]).netloc}"

    def asked(self, *, cursor: int | None = None, rank: int = 0) -> str:
        """Return the address to ask: one of `urls`, from the `cursor` on (microseconds since 1970)."""
        url = self.urls[rank % len(self.urls)]
        return url if cursor is None else f"{url}&cursor={cursor}"


def find_endpoint(source: str, environment: Mapping[str, str] | None = None) -> Endpoint:
    """Return the endpoint that a user means. Raises DataError for none, for a secret in it, and for an open line.

    `ws://` is for this very machine only. Where `wss://` leads is told by its path; `bluesky+wss://HOST` and
    `mastodon+wss://HOST` say it themselves.
    """
    if source == "bluesky":
        return Endpoint(source, "bluesky", tuple(_jetstream(urlsplit(host)) for host in JETSTREAMS))
    if source == "mastodon":
        raise DataError("--from mastodon needs a server: mastodon://mastodon.social, for instance.")
    parts = _split(source)
    platform, parts = _platform(parts, source)
    _check_line(parts, source)
    if platform == "bluesky":
        return Endpoint(source, platform, (_jetstream(parts),))
    return _mastodon(parts, source, os.environ if environment is None else environment)


def _split(source: str) -> SplitResult:
    """Return the parts of an address that holds nothing odd."""
    try:
        parts = urlsplit(source)
        port, host = parts.port, parts.hostname or ""
    except ValueError as error:
        raise DataError(f"--from {source[:200]!r} is no address: {error}.") from None
    if "@" in parts.netloc or any(name in _SECRET for name, _ in parse_qsl(parts.query)):
        raise DataError(f"--from holds a secret, which others on this machine can see. Put it into {TOKEN} instead.")
    is_plain = source.isascii() and source.isprintable() and " " not in source and not parts.fragment
    is_host = 0 < len(host) < 254 and (":" in host or all(0 < len(label) < 64 for label in host.split(".")))
    if not is_plain or not is_host or port == 0:
        raise DataError(f"--from {source[:200]!r} is no address. Give {_HOW}.")
    return parts


def _platform(parts: SplitResult, source: str) -> tuple[Platform, SplitResult]:
    """Return what kind of stream an address leads to, and the address with a scheme of websockets."""
    match parts.scheme.split("+"):
        case ["mastodon"]:
            return "mastodon", parts._replace(scheme="wss")
        case ["mastodon", "wss" | "ws" as scheme]:
            return "mastodon", parts._replace(scheme=scheme)
        case ["bluesky", "wss" | "ws" as scheme]:
            return "bluesky", parts._replace(scheme=scheme)
        case ["wss" | "ws"] if parts.path.rstrip("/").endswith("/subscribe"):
            return "bluesky", parts
        case ["wss" | "ws"] if parts.path.rstrip("/").endswith("/api/v1/streaming"):
            return "mastodon", parts
        case _:
            raise DataError(f"--from {source[:200]!r} is no open stream that is known. Give {_HOW}.")


def _check_line(parts: SplitResult, source: str) -> None:
    """Raise DataError for a line that anyone on the way can read, unless it stays on this machine."""
    if parts.scheme == "ws" and not _is_loopback(parts.hostname or ""):
        raise DataError(f"--from {source[:200]!r} is not encrypted. Use wss://; ws:// is for this machine only.")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _jetstream(parts: SplitResult) -> str:
    """Return the address of a Jetstream; posts are asked for where the user does not say what."""
    given = [(name, value) for name, value in parse_qsl(parts.query) if name not in _OURS]
    if not any(name == "wantedCollections" for name, _ in given):
        given.append(("wantedCollections", "app.bsky.feed.post"))
    return _with(parts, "bluesky", [*given, ("maxMessageSizeBytes", str(MESSAGE_BYTES))])


def _mastodon(parts: SplitResult, source: str, environment: Mapping[str, str]) -> Endpoint:
    given = parse_qsl(parts.query)
    if not any(name == "stream" for name, _ in given):
        given.append(("stream", "public"))
    token = environment.get(TOKEN, "").strip()
    if not (token.isascii() and token.isprintable() and " " not in token):
        raise DataError(f"{TOKEN} holds a space, a line's end or another odd character. Set it to the bare token.")
    how = f"an access token of {parts.hostname} (Preferences, Development, a new application with the scope read)"
    wrong = f"{TOKEN} is not a token of that server, or not any more: set it to {how}."
    hint = wrong if token else f"It wants to know who asks: set {TOKEN} to {how}."
    other = "Is it a Mastodon server? Some have their stream on another host: mastodon://streaming.INSTANCE."
    return Endpoint(
        name=source,
        platform="mastodon",
        urls=(_with(parts, "mastodon", given),),
        headers={"Authorization": f"Bearer {token}"} if token else {},
        hints={401: hint, 403: hint, 404: other},
    )


def _with(parts: SplitResult, platform: Platform, query: list[tuple[str, str]]) -> str:
    path = parts.path if parts.path not in ("", "/") else _PATHS[platform]
    return parts._replace(path=path, query=urlencode(query, safe=":.*")).geturl()
