"""URLs of brokers: scheme://[USER:PASSWORD@]HOST[:PORT][,HOST…]/NAME?group=siaga&option=value."""

from collections.abc import Collection
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

from siaga.errors import DataError, did_you_mean

GROUP = "siaga"
_HOW = "Write SCHEME://USER:PASSWORD@HOST:PORT/NAME?group=GROUP, with %40 for @, %2F for / and %23 for # in a password."


@dataclass(frozen=True, slots=True)
class BrokerUrl:
    """What a broker's URL says. `stream` is the name of the stream or topic; `options` are those beside the group."""

    scheme: str
    hosts: tuple[tuple[str, int], ...]
    stream: str
    group: str = GROUP
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    options: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def server(self) -> str:
        """Where the broker is: HOST:PORT, several apart by commas."""
        return ",".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in self.hosts)

    @property
    def name(self) -> str:
        """The URL without password and other options, the same however it was spelled."""
        database = f"&db={self.options['db']}" if "db" in self.options else ""
        return f"{self.scheme}://{self.server}/{self.stream}?group={self.group}{database}"


def read_url(url: str, *, port: int, options: Collection[str] | None = None) -> BrokerUrl:
    """Return what a URL says; `port` is that of hosts without one, `options` the known ones (None: any).

    Raises DataError, whose message never shows the password, for a URL that lacks something or says too much.
    """
    try:
        parts = urlsplit(url)
        pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
        who, at, where = parts.netloc.rpartition("@")
        hosts = tuple(_host(host, port) for host in where.split(","))
    except ValueError:  # Its words are not shown, since they may hold a part of the password.
        raise DataError(f"{url.partition(':')[0]}://… cannot be read. {_HOW}") from None
    user, _, password = who.partition(":")
    given = dict(pairs)
    read = BrokerUrl(
        scheme=parts.scheme,
        hosts=hosts,
        stream=unquote(parts.path.strip("/")),
        group=given.pop("group", GROUP),
        user=unquote(user) or None,
        password=unquote(password) if at and password else None,
        options=given,
    )
    _check(read, options)
    return read


def _host(host: str, port: int) -> tuple[str, int]:
    parts = urlsplit(f"//{host}")
    if parts.hostname is None:
        raise ValueError("it names no host")
    return parts.hostname, port if parts.port is None else parts.port


def _check(url: BrokerUrl, options: Collection[str] | None) -> None:
    if not url.stream or "/" in url.stream:
        raise DataError(f"{url.scheme}://{url.server} needs one name behind it: {url.scheme}://{url.server}/posts.")
    if not url.group:
        raise DataError(f"{url.name} names no group. Leave ?group= out ({GROUP!r} is the default), or give a name.")
    for option in url.options:
        if options is not None and option not in options:
            hint = did_you_mean(option, ["group", *options])
            raise DataError(f"{url.name} has an option {option!r}.{hint} Known: group, {', '.join(options)}.")
