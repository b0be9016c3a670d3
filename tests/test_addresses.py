"""Only what is publicly routable may be asked, however it is spelled and whatever a name resolves to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siaga.sources.addresses import parse_url, public_address
from siaga.sources.fetching import Web, opened
from siaga.sources.limits import Limits, Timer
from siaga.sources.values import Fault
from tests.loopback import PUBLIC, Loopback

PRIVATE = (
    *("0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.100.100.200", "100.127.255.254"),  # noqa: S104 - nothing is bound.
    *("127.0.0.1", "127.1.2.3", "169.254.0.1", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.1"),
    *("192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.0.1", "198.18.0.1", "198.19.255.255", "198.51.100.7"),
    *("203.0.113.9", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255", "168.63.129.16"),
    *("::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1", "::ffff:0:7f00:1"),
    *("64:ff9b::7f00:1", "64:ff9b::10.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::808:808", "100::1"),
    *("2001::1", "2001:0:53aa:64c:0:fbfe:80ff:fffe", "2001:10::1", "2001:20::1", "2001:db8::1", "3fff::1"),
    *("2002:7f00:1::", "2002:a00:1::1", "2002:808:808::1", "2620:4f:8000::1", "fc00::1", "fd00:ec2::254"),
    *("fd20:ce::254", "fe80::1", "fe80::1%eth0", "febf::1", "fec0::1", "ff02::1", "ff0e::1", "4000::1", "5f00::1"),
)
HOSTILE = (
    *("http://127.0.0.1/", "http://127.1/", "http://127.0.1/", "http://2130706433/", "http://0x7f000001/"),
    *("http://0x7f.1/", "http://0x7f.0x0.0x0.0x1/", "http://0177.0.0.1/", "http://017700000001/", "http://0/"),
    *("http://127.0.0.1./", "http://127.0.0.01/", "http://00127.0.0.1/", "http://127.000.000.001/"),
    *("http://1.2.3.4.5/", "http://256.1.1.1/", "http://8.8.8.8./", "http://8.8.8/", "http://8.8.8.0x8/"),
    *(
        "http://8.8.8.8.0x/",
        "http://１２７.０.０.１/",
        "http://127。0。0。1/",
        "http://①②⑦.0.0.1/",
        "http://ⓛocalhost/",
    ),
    *("http://localhost/", "http://localhost./", "http://LOCALHOST/", "http://intranet/", "http://images.example./"),
    *("http://images..example/", "http://.example/", "http://-a.example/", "http://a-.example/", "http:///x"),
    *("http://%31%32%37.0.0.1/", "http://127%2e0.0.1/", "http://images.example%00.org/", "http://images.example%2f/"),
    *("http://user@images.example/", "http://user:word@images.example/", "http://@images.example/"),
    *("http://images.example@127.0.0.1/", "http://images.example\\@127.0.0.1/", "http://127.0.0.1\\.images.example/"),
    *("http://images.example:22/", "http://images.example:8080/", "http://images.example:080/", "http://a.example:٨٠/"),
    *("http://images.example:80:80/", "http://images.example:-80/", "http://images.example: 80/"),
    *("http://[::1]/", "http://[::ffff:127.0.0.1]/", "http://[::ffff:7f00:1]/", "http://[0:0:0:0:0:0:0:1]/"),
    *("http://[fe80::1%25eth0]/", "http://[fe80::1%eth0]/", "http://[2606:4700::1%25lo]/", "http://[64:ff9b::7f00:1]/"),
    *("http://[127.0.0.1]/", "http://[v1.x]/", "http://[::1/", "http://::1/", "http://[2606:4700::1]x/", "http://[]/"),
    *("http://bücher.example/", "http://images .example/", "http://images\t.example/", "http://images\n.example/"),
    *("http://images.example\r\nHost: 127.0.0.1/", "http://images.example/\r\nX: y", "http://images.example/\x00"),
    *(
        "ftp://images.example/",
        "file:///etc/passwd",
        "//images.example/",
        "images.example/a.jpg",
        "http:images.example",
    ),
    *("https:/images.example/", "javascript:alert(1)", "data:image/png;base64,AA", "gopher://images.example/", ""),
    *(" http://images.example/", "http://169.254.169.254/latest/meta-data/", "http://100.100.100.200/"),
    *(f"http://{'a' * 64}.example/", f"http://{'a.' * 130}example/", f"http://images.example/{'x' * 8000}"),
)
GOOD = {
    "http://images.example": ("http", "images.example", 80, "/"),
    "HTTPS://Images.Example/A%20b?c=d#e": ("https", "images.example", 443, "/A%20b?c=d"),
    "https://images.example?q=1": ("https", "images.example", 443, "/?q=1"),
    "http://images.example:443/": ("http", "images.example", 443, "/"),
    "http://a_b.xn--bcher-kva.example:/ü ü": ("http", "a_b.xn--bcher-kva.example", 80, "/%C3%BC%20%C3%BC"),
    "http://8.8.8.8/x": ("http", "8.8.8.8", 80, "/x"),
    "http://[2606:4700:0::1111]/x": ("http", "2606:4700::1111", 80, "/x"),
    'http://images.example/@x:y"<>': ("http", "images.example", 80, "/@x:y%22%3C%3E"),
}


def open_it(url: str, network: Loopback) -> None:
    with opened(parse_url(url), web=Web(network=network), timer=Timer(Limits())):
        pass


def test_the_tables_are_long_enough_to_mean_something() -> None:
    assert len(set(PRIVATE)) == len(PRIVATE) >= 50
    assert len(set(HOSTILE)) == len(HOSTILE) >= 60


@pytest.mark.parametrize("url", HOSTILE)
def test_a_hostile_spelling_is_refused_and_nothing_is_resolved_or_dialled(url: str) -> None:
    network = Loopback(1)
    with pytest.raises(Fault):
        open_it(url, network)
    assert (network.resolved, network.dialled) == ([], [])


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://user:word@images.example/", "names a user. Take away what stands before the @."),
        ("http://bücher.example/", "is not ASCII. Write the name as its xn-- form."),
        ("http://images.example:8080/", "names the port '8080'; only 80 and 443 are asked."),
        ("http://127.1/", "is neither a whole name nor a plainly written address."),
        ("ftp://images.example/", "does not begin with http:// or https://."),
    ],
)
def test_a_refusal_says_what_to_do(url: str, reason: str) -> None:
    with pytest.raises(Fault) as fault:
        parse_url(url)
    assert str(fault.value).endswith(reason)


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_is_not_public_is_refused_from_every_name(address: str) -> None:
    network = Loopback(1, names={"images.example": [address]})
    with pytest.raises(Fault, match="is not a public address"):
        public_address(address)
    with pytest.raises(Fault, match=r"^Refused: .* So says the name images.example.$"):
        open_it("http://images.example/", network)
    assert network.dialled == []


@pytest.mark.parametrize("address", PRIVATE)
def test_one_answer_that_is_not_public_spoils_the_others_wherever_it_stands(address: str) -> None:
    for answers in ([PUBLIC, address], [address, PUBLIC], [PUBLIC] * 9 + [address]):
        network = Loopback(1, names={"images.example": answers})
        with pytest.raises(Fault, match=r"^Refused"):
            open_it("https://images.example/", network)
        assert network.dialled == []


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "1.1.1.1", "223.255.255.255", "2606:4700:4700::1111", "64:ff9b::808:808"]
)
def test_a_public_address_is_let_through_as_it_is(address: str) -> None:
    assert public_address(address) == address


@pytest.mark.parametrize("url", GOOD)
def test_a_good_url_is_read_into_its_parts(url: str) -> None:
    read = parse_url(url)
    assert (read.scheme, read.host, read.port, read.target) == GOOD[url]
    assert parse_url(str(read)) == read


@given(st.text(max_size=40), st.sampled_from(["http://", "https://", "http://images.example/", ""]))
def test_no_text_brings_the_parser_down_or_gives_a_host_that_is_odd(text: str, start: str) -> None:
    try:
        url = parse_url(start + text)
    except Fault:
        return
    assert url.host.isascii()
    assert url.port in (80, 443)
    assert url.target.isascii()
    assert not set(url.target) & set(" \r\n\t\0")
    assert parse_url(str(url)) == url


@pytest.mark.parametrize(
    ("location", "there"),
    [
        ("/b", "http://images.example/b"),
        ("b?c", "http://images.example/a/b?c"),
        ("//other.example/x", "http://other.example/x"),
        ("https://other.example", "https://other.example/"),
    ],
)
def test_a_redirect_is_followed_from_where_it_stands(location: str, there: str) -> None:
    assert str(parse_url("http://images.example/a/x").joined(location)) == there


@pytest.mark.parametrize(
    "location",
    [
        *("file:///etc/passwd", "//127.0.0.1/", "http://[::1]/", "ftp://images.example/", "http://a.example:22/"),
        *("\\\\127.0.0.1\\x", "http://u@images.example/", "/\x00", "/a\tb", "http://[/", "gopher://x.example/"),
    ],
)
def test_a_redirect_leads_to_nothing_that_could_not_be_asked_directly(location: str) -> None:
    with pytest.raises(Fault):
        parse_url("http://images.example/a").joined(location)


def test_a_redirect_does_not_lead_from_https_to_http() -> None:
    with pytest.raises(Fault, match=r"^Refused: a redirect leads from https"):
        parse_url("https://images.example/").joined("http://images.example/")
