"""Which addresses of the web may be asked: strict URLs of http and https, and only what is publicly routable.

Every odd spelling is refused rather than understood, for two programs understand it in two ways.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import quote, urljoin

from siaga.sources.values import Fault

URL_CHARACTERS = 8_000
PORTS = {"http": 80, "https": 443}

_NAT64 = IPv6Network("64:ff9b::/96")
_GLOBAL = IPv6Network("2000::/3")
# What the registries of the IANA set apart; the table is ours, since that of `ipaddress` changes with Python.
_SPECIAL_V4 = tuple(
    map(
        IPv4Network,
        (
            *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
            *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15"),
            *("198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
            "168.63.129.16/32",  # Public by its number, but the metadata service of every machine in Azure.
        ),
    )
)
_SPECIAL_V6 = tuple(
    map(IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20"))
)  # Teredo and other assignments, documentation (twice), 6to4, AS112.

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"(?:{_LABEL}\.)+[a-z](?:[a-z0-9-]{{0,61}}[a-z0-9])")  # The last label is no number.
_URL = re.compile(r"(https?)://([^/?#]*)([^#]*)(?:#.*)?", re.IGNORECASE | re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f\x7f\\]")
_KEPT_IN_TARGET = "!$%&'()*+,/:;=?@[]~"


@dataclass(frozen=True, slots=True)
class Url:
    """One address of the web. `host` is a lower-case name, or an address in its canonical form; `target` is ASCII."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """The host as a request names it: an IPv6 address in brackets, a port that is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"

    def joined(self, location: str) -> "Url":
        """Return where a redirect leads. Raises Fault for what may not be asked, and for the way from https to http."""
        _check_characters(location)
        try:
            joined = urljoin(str(self), location)
        except ValueError as error:
            raise Fault(f"Not a URL: a redirect leads to {location[:200]!r} ({error}).") from None
        there = parse_url(joined)
        if (self.scheme, there.scheme) == ("https", "http"):
            raise Fault(f"Refused: a redirect leads from https to {str(there)[:200]!r}, which is open to anyone.")
        return there


def parse_url(text: str) -> Url:
    """Return a URL whose host is a plain name or a public address. Raises Fault for everything else."""
    _check_characters(text)
    match = _URL.fullmatch(text)
    if match is None:
        raise Fault(f"Not a URL: {text[:200]!r} does not begin with http:// or https://.")
    scheme, authority, rest = match[1].lower(), match[2], match[3]
    host, port = _split(authority)
    if port not in ("", "80", "443"):
        raise Fault(f"Refused: {authority[:200]!r} names the port {port[:20]!r}; only 80 and 443 are asked.")
    target = rest if rest.startswith("/") else f"/{rest}"
    return Url(
        scheme=scheme,
        host=_checked_host(host, is_bracketed=authority.startswith("[")),
        port=int(port) if port else PORTS[scheme],
        target=quote(target, safe=_KEPT_IN_TARGET, errors="replace"),
    )


def public_address(text: str) -> str:
    """Return an IP address in its canonical form. Raises Fault unless it is a single host that is publicly routable."""
    try:
        address = ip_address(text)
    except ValueError:
        raise Fault(f"Refused: {text[:80]!r} is not an IP address.") from None
    if not _is_public(address):
        raise Fault(f"Refused: {text[:80]} is not a public address.")
    return str(address)


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv6Address):
        if address in _NAT64:  # What a network without IPv4 calls an IPv4 address.
            return _is_public(IPv4Address(int(address) & 0xFFFFFFFF))
        is_plain = address.scope_id is None and address in _GLOBAL
        return is_plain and not any(address in network for network in _SPECIAL_V6)
    return not any(address in network for network in _SPECIAL_V4)


def _check_characters(text: str) -> None:
    if len(text) > URL_CHARACTERS:
        raise Fault(f"Not a URL: it has {len(text):,} characters; {URL_CHARACTERS:,} at most.")
    if found := _CONTROL.search(text):
        raise Fault(f"Refused: {text[:200]!r} holds {found[0]!r}, which no URL may.")


def _split(authority: str) -> tuple[str, str]:
    """Return host and port, "" where none is named. Raises Fault for a user, a password, or a bracket out of place."""
    if "@" in authority:
        raise Fault(f"Refused: {authority[:200]!r} names a user. Take away what stands before the @.")
    if authority.startswith("["):
        host, bracket, rest = authority[1:].partition("]")
        if bracket and (rest == "" or rest.startswith(":")):
            return host, rest[1:]
        raise Fault(f"Refused: {authority[:200]!r} is no host.")
    host, _, port = authority.partition(":")
    return host, port


def _checked_host(host: str, *, is_bracketed: bool) -> str:
    if is_bracketed:
        if ":" not in host:
            raise Fault(f"Refused: '[{host[:200]}]' is not an IPv6 address.")
        return public_address(host)
    if not host.isascii():
        raise Fault(f"Refused: {host[:200]!r} is not ASCII. Write the name as its xn-- form.")
    name = host.lower()
    if len(name) <= 253 and _NAME.fullmatch(name):
        return name
    if re.fullmatch(r"\d+\.\d+\.\d+\.\d+", name, re.ASCII):
        return public_address(name)
    raise Fault(f"Refused: {host[:200]!r} is neither a whole name nor a plainly written address.")
