"""Downloads from a server on loopback that misbehaves: what arrives is whole, and what does not is listed with why."""

import ast
import csv
import io
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from threading import Event, Lock
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from siaga.errors import DataError
from siaga.quarantine import Quarantine
from siaga.schema import Columns
from siaga.sources import read_posts
from siaga.sources.addresses import Url, parse_url
from siaga.sources.arrivals import open_arrivals
from siaga.sources.download import download_table, download_url
from siaga.sources.fetching import Web, opened
from siaga.sources.limits import Limits, Timer
from siaga.sources.values import Fault
from siaga.sources.waiting import Job, Line
from tests.loopback import PUBLIC, Answer, Asked, Loopback, Server, certificate, in_turn, moved, raw, reply, serving
from tests.made import picture

QUICK = Limits(retry_s=0.0)
SHORT = replace(QUICK, seconds=0.4)
PNG = picture(True, 1)
PACKAGE = Path(__file__).parent.parent / "src" / "siaga"


def web(server: Server, limits: Limits = QUICK, **options: Any) -> Web:  # Any: the options of Loopback.
    return Web(limits=limits, network=Loopback(server.port, **options))


def encoded(form: str) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(stream, form)
    return stream.getvalue()


def write_table(path: Path, urls: list[str], column: str = "url") -> Path:
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", column, "text"])
        writer.writerows([f"r{i}", url, f"=text {i}"] for i, url in enumerate(urls))
    return path


def lines_of(path: Path) -> list[dict[str, Any]]:  # Any: JSON.
    return [json.loads(line) for line in path.read_text().splitlines()]


def images_in(out: Path) -> set[str]:
    """Return the names of all images; each must be whole: it is named after its content."""
    for path in (out / "images").iterdir():
        assert path.stem == sha256(path.read_bytes()).hexdigest()
    return {path.name for path in (out / "images").iterdir()}


def until_closed(connection: socket.socket) -> None:
    with suppress(OSError):
        while connection.recv(4096):
            pass


def forever(head: bytes, piece: bytes, pause_s: float = 0.0) -> Answer:
    def answer(connection: socket.socket, asked: Asked) -> None:
        connection.sendall(head)
        while True:
            connection.sendall(piece)
            time.sleep(pause_s)

    return answer


def silent(connection: socket.socket, asked: Asked) -> None:
    until_closed(connection)


def reset(connection: socket.socket, asked: Asked) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
LIMIT = 300_000
# Each kind of misbehaviour, and how its reason begins.
MISBEHAVING: dict[str, tuple[Answer, str]] = {
    "endless body": (forever(OK + b"\r\n", b"x" * 65536), "Too large: it has more than 300,000 bytes."),
    "endless chunks": (forever(CHUNKED, b"ffff\r\n" + b"x" * 65535 + b"\r\n"), "Too large"),
    "endless tiny chunks": (forever(CHUNKED, b"1\r\nx\r\n" * 10000), "Too large"),
    "endless chunk mark": (forever(CHUNKED, b"0" * 65536), "Not HTTP"),
    "endless trailers": (forever(CHUNKED + b"0\r\n", b"a: b\r\n" * 10000), "Too large"),
    "endless header": (forever(OK + b"X: ", b"x" * 65536), "Not HTTP"),
    "endless headers": (forever(OK, b"a: b\r\n" * 1000), "Not HTTP"),
    "endless continues": (forever(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000), "Too large"),
    "endless status": (forever(b"", b"H" * 65536), "Not HTTP"),
    "said to be too large": (reply(b"", length=LIMIT + 1), "Too large"),
    "slow body": (forever(OK + b"\r\n", b"x", 0.02), "Too slow"),
    "slow headers": (forever(OK, b"X", 0.02), "Too slow"),
    "slow chunks": (forever(CHUNKED, b"1\r\nx\r\n", 0.02), "Too slow"),
    "silence": (silent, "Too slow: it did not arrive within 0.4 s."),
    "closed at once": (lambda connection, asked: None, "Broken off"),
    "reset": (reset, "Broken off"),
    "shorter than said": (reply(PNG, length=len(PNG) + 9), "Broken off: "),
    "longer than said": (reply(PNG, length=len(PNG) - 40), "Not an image: The image is damaged"),
    "broken off in a chunk": (raw(CHUNKED + b"ff\r\nhalf"), "Broken off"),
    "broken off between chunks": (raw(CHUNKED + b"1\r\nx\r\n"), "Broken off"),
    "a chunk of no size": (raw(CHUNKED + b"zz\r\n"), "Broken off"),
    "a chunk of negative size": (raw(CHUNKED + b"-5\r\nhello"), "Broken off"),
    "truncated image": (reply(PNG[:-30]), "Not an image: The image is damaged"),
    "no image": (reply(b"<!doctype html><p>Gone"), "Not an image: The image is not a JPEG, PNG, WebP or GIF"),
    "nothing": (reply(b""), "Not an image: The image is empty"),
    "packed": (reply(b"\x1f\x8b" + bytes(99), headers="Content-Encoding: gzip\r\n"), "Packed"),
    "packed twice": (reply(b"x", headers="Content-Encoding: identity\r\nContent-Encoding: br\r\n"), "Packed"),
    "packed chunks": (raw(OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), "Packed"),
    "not found": (reply(status="404 Not Found"), "Status 404: the server answers so (Not Found)."),
    "server error": (reply(PNG, status="500 Oops"), "Status 500"),
    "no content": (reply(status="204 No Content"), "Status 204"),
    "a part": (reply(PNG, status="206 Partial Content"), "Status 206"),
    "unknown status": (reply(status="799 ?"), "Status 799: the server answers so."),
    "password wanted": (reply(status="401 X", headers="WWW-Authenticate: Basic\r\n"), "Status 401"),
    "moved nowhere": (reply(status="302 Found"), "Status 302"),
    "moved to a file": (moved("file:///etc/passwd"), "Not a URL"),
    "moved to loopback": (moved("http://127.0.0.1/"), "Refused: 127.0.0.1 is not a public address."),
    "moved to metadata": (moved("http://169.254.169.254/latest/meta-data"), "Refused"),
    "moved to a private name": (moved("http://intern.example/"), "Refused: 10.0.0.7 is not a public address."),
    "moved to another port": (moved("http://images.example:6379/"), "Refused"),
    "moved to a user": (moved("http://a:b@images.example/"), "Refused"),
    "moved in a circle": (moved("/x"), "Moved on: more than 3 redirects."),
    "busy for long": (reply(status="429 X", headers="Retry-After: 3600\r\n"), "Status 429"),
    "old HTTP": (raw(b"hello"), "Not HTTP"),
    "new HTTP": (raw(b"HTTP/2 200 OK\r\n\r\n"), "Not HTTP"),
    "another protocol": (raw(b"220 mail.example ESMTP\r\n"), "Not HTTP"),
    "TLS": (raw(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), "Not HTTP"),
}


@pytest.mark.parametrize("kind", MISBEHAVING)
def test_what_misbehaves_is_listed_with_its_reason_and_the_next_row_arrives(kind: str, tmp_path: Path) -> None:
    answer, reason = MISBEHAVING[kind]
    limits = replace(QUICK, bytes=LIMIT, seconds=0.4 if reason.startswith("Too slow") else 30.0)
    table = write_table(tmp_path / "posts.csv", ["http://bad.example/bad", "http://good.example/good"])
    with serving({"/bad": answer, "/good": reply(PNG), "/x": moved("/x")}) as server:
        asking = web(server, limits, names={"intern.example": [PUBLIC, "10.0.0.7"]})
        done = download_table(table, tmp_path / "out", web=asking)
    [failure] = lines_of(done.failures)
    assert failure.pop("reason").startswith(reason)
    assert failure == {"line": 2, "id": "r0", "url": "http://bad.example/bad"}
    assert (done.rows, done.arrived, done.failed) == (2, 1, 1)
    assert images_in(tmp_path / "out") == {f"{sha256(PNG).hexdigest()}.png"}
    assert {address for address, _ in asking.network.dialled} == {PUBLIC}  # type: ignore[attr-defined]  # A Loopback.


def test_the_limits_are_those_that_are_promised() -> None:
    promised = Limits(bytes=10_000_000, seconds=10.0, idle_s=10.0, redirects=3, in_flight=16, per_host=2)
    assert Limits() == promised


def test_what_arrives_is_a_table_to_train_on_with_every_column_and_files_named_by_content(tmp_path: Path) -> None:
    forms = {"/a.exe": "JPEG", "/b": "PNG", "/..%2f..%2fc.jpg": "GIF", "/d?x=/../y": "WEBP"}
    table = write_table(tmp_path / "posts.csv", [f"http://images.example{path}" for path in forms])
    with serving({path: reply(encoded(form)) for path, form in forms.items()}) as server:
        done = download_table(table, tmp_path / "out", web=web(server))
    assert [row["image"].rpartition(".")[2] for row in lines_of(done.posts)] == ["jpg", "png", "gif", "webp"]
    assert [list(row) for row in lines_of(done.posts)] == [["id", "url", "text", "image"]] * 4
    quarantine = Quarantine()
    posts = list(read_posts(done.posts, quarantine=quarantine))
    assert not quarantine
    contents = [post.image.read_bytes() for post in posts if isinstance(post.image, Path)]
    assert contents == [encoded(form) for form in forms.values()]
    assert [(post.id, post.text) for post in posts] == [(f"r{i}", f"=text {i}") for i in range(4)]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"posts.jsonl", "images", "arrived.jsonl"}
    assert not (tmp_path / "c.jpg").exists()


def test_each_url_is_fetched_once_and_equal_images_are_one_file(tmp_path: Path) -> None:
    urls = ["http://a.example/1", "http://a.example/2", "http://a.example/1", " http://a.example/1 "]
    table = write_table(tmp_path / "posts.csv", urls)
    with serving({"/1": reply(PNG), "/2": reply(PNG)}) as server:
        done = download_table(table, tmp_path / "out", web=web(server))
        assert sorted(server.paths()) == ["/1", "/2"]
    assert (done.rows, done.arrived) == (4, 4)
    assert len(images_in(tmp_path / "out")) == 1


def test_every_row_of_every_kind_of_table_arrives_or_fails(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [  # Any: JSON.
        {"url": "http://a.example/1", "label": 3, "more": {"deep": [1, None]}},
        {"url": None, "label": 4, "more": {}},
        {"url": "nonsense", "label": 5, "more": {}},
    ]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + "not JSON\n")
    pq.write_table(
        pa.table({"url": ["http://a.example/1", None, "x"], "n": [1.5, float("nan"), 2]}), tmp_path / "t.parquet"
    )
    (tmp_path / "t.tsv").write_text("url\ttext\nhttp://a.example/1\ta\nhttp://a.example/1\nx\ty\n\tz\n")
    with serving({"/1": reply(PNG)}) as server:
        found = {
            name: download_table(tmp_path / name, tmp_path / f"{name}.out", web=web(server))
            for name in ("t.jsonl", "t.parquet", "t.tsv")
        }
    kinds = {
        name: [(row["line"], row["reason"].split(":")[0]) for row in lines_of(d.failures)] for name, d in found.items()
    }
    assert kinds == {
        "t.jsonl": [(2, "No URL"), (3, "Not a URL"), (4, "Not JSON")],
        "t.parquet": [(2, "No URL"), (3, "Not a URL")],
        "t.tsv": [(3, "Ragged row"), (4, "Not a URL"), (5, "No URL")],
    }
    assert {name: (done.rows, done.arrived, done.failed) for name, done in found.items()} == {
        "t.jsonl": (4, 1, 3),
        "t.parquet": (3, 1, 2),
        "t.tsv": (4, 1, 3),
    }
    assert found["t.jsonl"].reasons == {"No URL": 1, "Not a URL": 1, "Not JSON": 1}
    file = f"images/{sha256(PNG).hexdigest()}.png"
    assert lines_of(found["t.jsonl"].posts) == [{**rows[0], "image": file}]
    assert lines_of(found["t.parquet"].posts) == [{"url": "http://a.example/1", "n": 1.5, "image": file}]


def test_all_rows_keeps_those_without_their_image(tmp_path: Path) -> None:
    table = write_table(tmp_path / "posts.csv", ["http://a.example/1", "http://a.example/2", ""])
    with serving({"/1": reply(PNG), "/2": reply(status="404 X")}) as server:
        done = download_table(table, tmp_path / "out", all_rows=True, web=web(server))
    assert (done.rows, done.arrived, done.failed) == (3, 1, 2)
    assert [(row["id"], row["image"] is None) for row in lines_of(done.posts)] == [
        ("r0", False),
        ("r1", True),
        ("r2", True),
    ]


def test_a_column_that_is_called_image_already_is_kept_under_another_name(tmp_path: Path) -> None:
    url = "http://a.example/1"
    (tmp_path / "t.jsonl").write_text(json.dumps({"image": url, "image_given": "x", "guid": 7}) + "\n")
    with serving({"/1": reply(PNG)}) as server:
        columns = Columns(image="image", id="guid")
        done = download_table(tmp_path / "t.jsonl", tmp_path / "out", columns=columns, web=web(server))
    file = f"images/{sha256(PNG).hexdigest()}.png"
    assert lines_of(done.posts) == [{"image_given_": url, "image_given": "x", "guid": 7, "image": file}]


@pytest.mark.parametrize(
    ("header", "fault"),
    [
        ("id,link", "lacks the column 'url'"),
        ("id,url,url", "several columns 'url'"),
        ("url,x,x", "several columns 'x'"),
    ],
)
def test_a_table_without_its_column_or_with_two_is_refused(header: str, fault: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(f"{header}\n1,2,3\n")
    with pytest.raises(DataError, match=fault):
        download_table(tmp_path / "t.csv", tmp_path / "out", web=Web(network=Loopback(1)))
    assert not (tmp_path / "out").exists()


def test_what_failed_is_tried_again_and_what_arrived_is_not(tmp_path: Path) -> None:
    table = write_table(tmp_path / "posts.csv", ["http://a.example/1", "http://a.example/2"])
    answers = {"/1": reply(PNG), "/2": in_turn(reply(status="500 X"), reply(encoded("GIF")))}
    with serving(answers) as server:
        first = download_table(table, tmp_path / "out", web=web(server))
        assert first.failed == 1
        stale = tmp_path / "out" / ".posts.jsonl.0a1b2c3d.siaga-partial"
        stale.write_bytes(b"half")
        second = download_table(table, tmp_path / "out", web=web(server))
        assert not stale.exists()
        assert sorted(server.paths()) == ["/1", "/2", "/2"]
    assert (second.arrived, second.failed) == (2, 0)
    assert len(lines_of(second.posts)) == 2
    assert not second.failures.exists()


def test_an_image_that_was_lost_or_cut_is_fetched_again(tmp_path: Path) -> None:
    table = write_table(tmp_path / "posts.csv", ["http://a.example/1", "http://a.example/2"])
    with serving({"/1": reply(PNG), "/2": reply(encoded("GIF"))}) as server:
        download_table(table, tmp_path / "out", web=web(server))
        [gif, png] = sorted((tmp_path / "out" / "images").iterdir(), key=lambda path: path.suffix)
        gif.unlink()
        png.write_bytes(PNG[:50])
        download_table(table, tmp_path / "out", web=web(server))
    assert images_in(tmp_path / "out") == {gif.name, png.name}


KILLED = """
import sys
from pathlib import Path
from siaga.sources.download import download_table
from siaga.sources.fetching import Web
from tests.loopback import Loopback
table, out, port = sys.argv[1:]
download_table(Path(table), Path(out), web=Web(network=Loopback(int(port))))
"""


def test_a_download_that_is_killed_goes_on_where_it_was_and_nothing_is_half_there(tmp_path: Path) -> None:
    out, count, let_go = tmp_path / "out", 24, Event()
    table = write_table(tmp_path / "posts.csv", [f"http://h{i}.example/{i}" for i in range(count)])
    journal = out / "arrived.jsonl"
    arrived = 0

    def answering(i: int) -> Answer:
        def answer(connection: socket.socket, asked: Asked) -> None:
            if i == 5 and not let_go.is_set():
                until_closed(connection)
            reply(picture(False, i))(connection, asked)

        return answer

    with serving({f"/{i}": answering(i) for i in range(count)}) as server:
        for _ in range(2):
            command = [sys.executable, "-c", KILLED, str(table), str(out), str(server.port)]
            with subprocess.Popen(command, cwd=PACKAGE.parent.parent) as child:
                while not journal.exists() or journal.read_bytes().count(b"\n") <= arrived + 3:
                    assert child.poll() is None
                    time.sleep(0.005)
                os.kill(child.pid, signal.SIGKILL)
            assert not (out / "posts.jsonl").exists()
            whole = [path for path in (out / "images").iterdir() if not path.name.startswith(".")]
            assert all(path.stem == sha256(path.read_bytes()).hexdigest() for path in whole)
            arrived = journal.read_bytes().count(b"\n")
        let_go.set()
        network = Loopback(server.port)
        done = download_table(table, out, web=Web(network=network))
    assert len(network.dialled) == count - arrived
    assert (done.arrived, done.failed) == (count, 0)
    assert len(images_in(out)) == count


def test_a_torn_line_of_the_journal_is_passed_over_and_the_next_one_stands_alone(tmp_path: Path) -> None:
    table = write_table(tmp_path / "posts.csv", ["http://a.example/1", "http://a.example/2"])
    with serving({"/1": reply(PNG), "/2": reply(encoded("GIF"))}) as server:
        download_table(table, tmp_path / "out", web=web(server))
        journal = tmp_path / "out" / "arrived.jsonl"
        first, second = journal.read_bytes().splitlines(keepends=True)
        journal.write_bytes(first + second[:30])
        download_table(table, tmp_path / "out", web=web(server))
        assert len(server.asked) == 3
        download_table(table, tmp_path / "out", web=web(server))
        assert len(server.asked) == 3
    assert journal.read_bytes() == first + second[:30] + b"\n" + second


@pytest.mark.parametrize("file", ["../secret.png", "/etc/passwd", "images/../../secret.png", "posts.jsonl"])
def test_a_journal_leads_to_nothing_but_its_own_images(file: str, tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(PNG)
    (tmp_path / "out").mkdir()
    entry = {"url": "http://a.example/1", "file": file, "bytes": len(PNG)}
    (tmp_path / "out" / "arrived.jsonl").write_text(json.dumps(entry) + "\n[1]\n{}\n")
    with open_arrivals(tmp_path / "out") as arrivals:
        assert arrivals.file("http://a.example/1") is None


def test_nothing_foreign_is_replaced_and_a_folder_is_filled_by_one_process(tmp_path: Path) -> None:
    table = write_table(tmp_path / "posts.csv", ["http://a.example/1"])
    with serving({"/1": reply(PNG)}) as server:
        with pytest.raises(DataError, match="is not empty, and holds no earlier download"):
            download_table(table, tmp_path, web=web(server))
        done = download_table(table, tmp_path / "out", web=web(server))
        with pytest.raises(DataError, match="would be replaced"):
            download_table(done.posts, tmp_path / "out", web=web(server))
        with open_arrivals(tmp_path / "out"), pytest.raises(DataError, match="Another siaga download"):
            download_table(table, tmp_path / "out", web=web(server))
        with pytest.raises(DataError, match="There is no table"):
            download_table(tmp_path / "none.csv", tmp_path / "out", web=web(server))
    assert table.read_text().startswith("id,url,text")


@pytest.mark.parametrize("status", ["429 Too Many Requests", "503 Service Unavailable"])
def test_a_busy_server_is_asked_twice_more_and_no_other_failure_is(status: str) -> None:
    busy = reply(status=status, headers="Retry-After: 0\r\n")
    with serving({"/a": in_turn(busy, busy, reply(PNG)), "/b": busy, "/c": reply(status="500 X")}) as server:
        assert download_url("http://a.example/a", web=web(server)) == PNG
        with pytest.raises(DataError, match=f"Status {status[:3]}"):
            download_url("http://a.example/b", web=web(server))
        with pytest.raises(DataError, match="Status 500"):
            download_url("http://a.example/c", web=web(server))
        assert server.paths() == ["/a"] * 3 + ["/b"] * 3 + ["/c"]


def test_a_server_that_is_busy_for_longer_than_is_waited_is_asked_once() -> None:
    with serving({"/a": reply(status="429 X", headers="Retry-After: 3600\r\n")}) as server:
        with pytest.raises(DataError, match="Status 429"):
            download_url("http://a.example/a", web=web(server, replace(QUICK, patience_s=0.1)))
        assert server.paths() == ["/a"]


def test_the_time_of_a_file_is_that_of_all_its_redirects() -> None:
    def slowly(answer: Answer) -> Answer:
        def after_a_while(connection: socket.socket, asked: Asked) -> None:
            time.sleep(0.25)
            answer(connection, asked)

        return after_a_while

    hops = {f"/{i}": slowly(moved(f"/{i + 1}")) for i in range(3)}
    with serving({**hops, "/3": slowly(reply(PNG))}) as server, pytest.raises(DataError, match="Too slow"):
        download_url("http://a.example/0", web=web(server, replace(QUICK, seconds=0.6)))


def test_a_host_that_stays_busy_is_given_up_and_the_others_are_not(tmp_path: Path) -> None:
    urls = [f"http://busy.example/{i}" for i in range(40)]
    table = write_table(tmp_path / "posts.csv", [*urls, "http://good.example/good"])
    answers = {f"/{i}": reply(status="429 X") for i in range(40)}
    with serving({**answers, "/good": reply(PNG)}) as server:
        done = download_table(table, tmp_path / "out", web=web(server))
        assert len(server.asked) <= 13
    assert (done.arrived, done.reasons) == (1, {"Busy": 40})


def test_three_redirects_are_followed_and_each_name_is_resolved_once_a_hop() -> None:
    answers = {
        "/3": moved("http://b.example/2"),
        "/2": moved("/1", "307 X"),
        "/1": moved("//c.example/0"),
        "/0": reply(PNG),
    }
    with serving({**answers, "/4": moved("http://a.example/3")}) as server:
        asking = web(server)
        assert download_url("http://a.example/3", web=asking) == PNG
        assert asking.network.resolved == ["a.example", "b.example", "b.example", "c.example"]  # type: ignore[attr-defined]  # A Loopback.
        assert [asked.host for asked in server.asked] == ["a.example", "b.example", "b.example", "c.example"]
        with pytest.raises(DataError, match="Moved on: more than 3 redirects"):
            download_url("http://a.example/4", web=asking)


def test_a_name_that_changes_its_mind_is_dialled_where_it_was_first() -> None:
    class Rebinding(Loopback):
        def addresses(self, host: str, *, timeout_s: float) -> list[str]:
            super().addresses(host, timeout_s=timeout_s)
            return [PUBLIC] if len(self.resolved) == 1 else ["127.0.0.1"]

    with serving({"/1": reply(PNG)}) as server:
        network = Rebinding(server.port)
        assert download_url("http://a.example/1", web=Web(network=network)) == PNG
    assert network.resolved == ["a.example"]
    assert network.dialled == [(PUBLIC, 80)]


def test_the_next_address_of_a_name_is_dialled_when_one_does_not_answer() -> None:
    class HalfDead(Loopback):
        def connect(self, address: str, port: int, *, timeout_s: float) -> socket.socket:
            if address == "8.8.8.8":
                raise ConnectionRefusedError(111, "Connection refused")
            return super().connect(address, port, timeout_s=timeout_s)

    with serving({"/1": reply(PNG)}) as server:
        network = HalfDead(server.port, names={"a.example": ["8.8.8.8", PUBLIC], "dead.example": ["8.8.8.8"]})
        assert download_url("http://a.example/1", web=Web(network=network)) == PNG
        with pytest.raises(DataError, match=r"Unreachable: dead.example does not answer \(Connection refused\)"):
            download_url("http://dead.example/1", web=Web(network=network))


def test_a_request_tells_nothing_but_what_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/")
    with serving({"/1?q": reply(PNG, headers="Set-Cookie: a=b\r\n")}) as server:
        for _ in range(2):
            download_url("http://a.example:443/1?q", web=web(server))
        head = server.asked[1].head.splitlines()
    assert [line for line in head if not line.startswith("User-Agent: siaga/")] == [
        "GET /1?q HTTP/1.1",
        "Host: a.example:443",
        "Accept: */*",
        "Accept-Encoding: identity",
        "Connection: close",
        "",
    ]


def test_a_certificate_must_be_valid_for_the_name(tmp_path: Path) -> None:
    paper, context = certificate(tmp_path, "good.example")
    with serving({"/1": reply(PNG), "/2": moved("http://good.example/1")}, tls=context) as server:
        asking = web(server, trusted=paper)
        assert download_url("https://good.example/1", web=asking) == PNG
        with pytest.raises(DataError, match="Refused: a redirect leads from https"):
            download_url("https://good.example/2", web=asking)
        with pytest.raises(DataError, match="Certificate: Hostname mismatch"):
            download_url("https://other.example/1", web=asking)
        with pytest.raises(DataError, match="Certificate: self-signed certificate"):
            download_url("https://good.example/1", web=web(server))
        assert server.paths() == ["/1", "/2"]


def test_a_server_that_speaks_no_tls_or_says_nothing_is_cut() -> None:
    class Plain(Server):
        def _serve(self, connection: socket.socket) -> None:
            with connection:
                connection.sendall(b"garbage, not TLS\r\n" * self.talks)
                until_closed(connection)

        talks = 1

    server = Plain({}, None)
    with pytest.raises(DataError, match="No TLS"):
        download_url("https://a.example/", web=web(server))
    server.talks = 0
    with pytest.raises(DataError, match="Too slow"):
        download_url("https://a.example/", web=web(server, SHORT))
    server.close()


class Crowd:
    """An answer that is given when `wanted` requests are there at once, or no more come; remembers the most."""

    def __init__(self, wanted: int) -> None:
        self._full, self._lock, self._wanted = Event(), Lock(), wanted
        self._now: dict[str, int] = {}
        self.most = 0
        self.most_of_a_host = 0

    def __call__(self, connection: socket.socket, asked: Asked) -> None:
        with self._lock:
            self._now[asked.host] = self._now.get(asked.host, 0) + 1
            self.most = max(self.most, sum(self._now.values()))
            self.most_of_a_host = max(self.most_of_a_host, self._now[asked.host])
            if self.most >= self._wanted:
                self._full.set()
        self._full.wait(5)
        time.sleep(0.05)  # For one too many, if there is one.
        with self._lock:
            self._now[asked.host] -= 1
        reply(PNG)(connection, asked)


def test_sixteen_are_in_flight_and_no_more(tmp_path: Path) -> None:
    table = write_table(tmp_path / "posts.csv", [f"http://h{i}.example/1" for i in range(30)])
    crowd = Crowd(16)
    with serving({"/1": crowd}) as server:
        assert download_table(table, tmp_path / "out", web=web(server)).arrived == 30
    assert crowd.most == 16


def test_two_are_asked_of_a_host_also_when_redirects_lead_there(tmp_path: Path) -> None:
    urls = [*(f"http://h{i}.example/r" for i in range(8)), *(f"http://one.example/1?{i}" for i in range(8))]
    table = write_table(tmp_path / "posts.csv", urls)
    crowd = Crowd(2)
    answers: dict[str, Answer] = {f"/1?{i}": crowd for i in range(8)}
    with serving({**answers, "/1": crowd, "/r": moved("http://one.example/1")}) as server:
        assert download_table(table, tmp_path / "out", web=web(server)).arrived == 16
    assert crowd.most_of_a_host == 2


def job(host: str, number: int = 0) -> Job:
    return Job(f"{host}{number}", Url("http", host, 80, f"/{number}"))


def test_hosts_take_turns_and_a_host_gives_two_at_a_time() -> None:
    line = Line(per_host=2)
    for i in range(3):
        line.add(job("a", i))
    line.add(job("b"))
    taken = [line.take(0.0) for _ in range(4)]
    assert taken == [job("a", 0), job("b"), job("a", 1), None]
    assert line.wait_s(0.0) is None
    line.back(job("a", 0), busy_until=None)
    assert line.take(0.0) == job("a", 2)
    assert not line


def test_a_host_is_held_until_the_moment_that_it_asked_for() -> None:
    line = Line(per_host=2)
    for host in ("a", "a", "b"):
        line.add(job(host))
    assert line.take(0.0) == job("a")
    assert line.back(job("a"), busy_until=7.0) == []
    assert [line.take(1.0), line.take(6.9)] == [job("b"), None]
    assert line.wait_s(3.0) == 4.0
    assert line.take(7.0) == job("a")


def test_a_host_is_given_up_after_ten_busy_answers_in_a_row() -> None:
    line = Line(per_host=2)
    for i in range(20):
        line.add(job("a", i))
        line.add(job("b", i))
    for _ in range(9):
        assert line.back(job("a"), busy_until=0.0) == []
    assert line.back(job("a"), busy_until=None) == []
    for _ in range(9):
        assert line.back(job("a"), busy_until=0.0) == []
    assert line.back(job("a"), busy_until=0.0) == [job("a", i) for i in range(20)]
    assert line.take(0.0) == job("b", 0)


class OneReply:
    """A network whose only server has sent its reply already."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def addresses(self, host: str, *, timeout_s: float) -> list[str]:
        return [PUBLIC]

    def connect(self, address: str, port: int, *, timeout_s: float) -> socket.socket:
        ours, theirs = socket.socketpair()
        with theirs:
            theirs.sendall(self._content)
            theirs.shutdown(socket.SHUT_WR)
            ours.settimeout(timeout_s)
            self._theirs = theirs.dup()  # Kept open, so that our request finds someone to be sent to.
        return ours

    def close(self) -> None:
        self._theirs.close()

    secure = Loopback.secure


HEADS = [b"", b"HTTP/1.1 200 OK\r\n", CHUNKED, b"HTTP/1.1 302 X\r\nLocation: ", OK + b"Content-Length: "]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(HEADS), st.binary(max_size=300))
def test_no_reply_brings_the_fetching_down(head: bytes, rest: bytes) -> None:
    network: Any = OneReply(head + rest)  # Any: it is a Network but for `secure`, which is not asked for.
    url, asking = parse_url("http://a.example/"), Web(limits=QUICK, network=network)
    with suppress(Fault), opened(url, web=asking, timer=Timer(QUICK)) as given_reply:
        assert given_reply.destination is None or given_reply.status == 302
        b"".join(given_reply.pieces)
    network.close()


def test_a_name_that_leads_home_is_refused_by_the_real_network() -> None:
    for home in ("localhost", "127.0.0.1", "::1"):
        url = Url("http", home, 80, "/")
        with pytest.raises(Fault, match=r"^Refused"), opened(url, web=Web(), timer=Timer(Limits())):
            pass


def siaga(*arguments: object, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from siaga.cli.main import main; main()", *map(str, arguments)]
    env = {**os.environ, **environment}
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=60, check=False)


def test_the_command_line_reaches_nothing_on_loopback_whatever_the_environment_says(tmp_path: Path) -> None:
    with serving({"/": reply(PNG)}) as server:
        home = f"127.0.0.1:{server.port}"
        write_table(tmp_path / "t.csv", [f"http://{home}/", "http://127.0.0.1/", "http://localhost/"], column="link")
        proxies = {"http_proxy": f"http://{home}", "HTTP_PROXY": f"http://{home}", "ALL_PROXY": f"http://{home}"}
        done = siaga("download", "t.csv", "--out", "out", "--column", "image=link", cwd=tmp_path, **proxies)
        assert server.asked == []
    assert done.returncode == 1
    assert done.stdout.splitlines()[0] == "3 rows: 0 arrived, 3 failed (3 × Refused)."
    assert done.stderr == "siaga: No image arrived: out/failures.jsonl says why, row by row.\n"
    assert [row["reason"].split(":")[0] for row in lines_of(tmp_path / "out" / "failures.jsonl")] == ["Refused"] * 3


def test_the_command_line_goes_on_from_what_arrived_and_says_what_to_train(tmp_path: Path) -> None:
    table = write_table(tmp_path / "t.csv", ["http://a.example/1", "http://127.0.0.1/"])
    with serving({"/1": reply(PNG)}) as server:
        download_table(table, tmp_path / "out", web=web(server))
    done = siaga("download", "t.csv", "--out", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "2 rows: 1 arrived, 1 failed (1 × Refused).",
        "What failed, and why: out/failures.jsonl. The same command tries it again.",
        "Train on what arrived: siaga train RECIPE --set source.kind=table --set source.path=out/posts.jsonl",
    ]
    counts = json.loads(siaga("download", "t.csv", "--out", "out", "--json", cwd=tmp_path).stdout)
    assert counts == {
        "rows": 2,
        "arrived": 1,
        "failed": 1,
        "reasons": {"Refused": 1},
        "posts": "out/posts.jsonl",
        "failures": "out/failures.jsonl",
    }


def test_the_folder_holds_what_the_reference_says(tmp_path: Path) -> None:
    reference = (PACKAGE.parent.parent / "docs" / "reference_files.md").read_text()
    about = reference.partition("### A folder that `siaga download` fills")[2]
    folder, _, failures = about.partition("### failures.jsonl")
    listed = re.findall(r"^\| `([^`]+)`", folder, re.M)
    table = write_table(tmp_path / "t.csv", ["http://a.example/1", "x"])
    with serving({"/1": reply(PNG)}) as server:
        done = download_table(table, tmp_path / "out", web=web(server))
    assert sorted(path.name + "/" * path.is_dir() for path in (tmp_path / "out").iterdir()) == sorted(listed)
    assert list(lines_of(done.failures)[0]) == re.findall(r"`(\w+)`", failures.partition("###")[0])
    assert (
        list(lines_of(tmp_path / "out" / "arrived.jsonl")[0])
        == re.findall(r"`(\w+)`", folder.partition("journal")[2])[:3]
    )


def test_a_name_that_is_neither_table_nor_archive_gets_a_hint(tmp_path: Path) -> None:
    done = siaga("download", "cifar10", "--out", "out", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("siaga: There is no table cifar10. Did you mean 'cifar100'?")
    assert not (tmp_path / "out").exists()


# What opens a connection, by module; and by name, whatever it is called on.
NETWORK = (
    *("socket", "ssl", "http.client", "http.server", "urllib.request", "urllib3", "requests", "httpx", "aiohttp"),
    *("ftplib", "smtplib", "poplib", "imaplib", "nntplib", "telnetlib", "xmlrpc", "socketserver", "websockets"),
    *("pycurl", "paramiko", "fsspec", "s3fs", "boto3", "gcsfs", "tornado", "twisted", "huggingface_hub"),
    *("redis", "confluent_kafka", "sqlalchemy", "psycopg", "kafka", "aiokafka", "psycopg2", "asyncpg", "pymongo"),
)
CALLS = {"open_connection", "create_connection", "getaddrinfo", "urlopen", "urlretrieve", "fetch_openml", "wrap_socket"}
MAY = {
    "sources/fetching.py": {"socket", "ssl", "http.client", "getaddrinfo", "create_connection", "wrap_socket"},
    "features/weights.py": {"huggingface_hub"},  # Weights of encoders, where a recipe says download = true.
    "sources/sockets.py": {"websockets", "ssl"},  # Open streams, where --from names one.
    "serving/stream/redis_server.py": {"redis"},  # Brokers, where --from or the target of a feed names one.
    "serving/stream/kafka_server.py": {"confluent_kafka"},
    "serving/store": {"sqlalchemy", "psycopg"},  # The database that --to names; every module of that package.
}


def test_nothing_else_in_the_package_opens_a_connection() -> None:
    found = {
        path.relative_to(PACKAGE).as_posix(): used
        for path in PACKAGE.rglob("*.py")
        if (used := network_used(ast.parse(path.read_text())))
    }
    beyond = {name: used - MAY.get(name, set()) - MAY.get(package_of(name), set()) for name, used in found.items()}
    assert {name: used for name, used in beyond.items() if used} == {}
    assert found.keys() | {package_of(name) for name in found} >= MAY.keys()


def package_of(name: str) -> str:
    return name.rpartition("/")[0]


@pytest.mark.parametrize(
    "code",
    [
        *("import socket", "import http.client as x", "from http import client", "from urllib.request import urlopen"),
        *("from urllib import request", "import requests.sessions", "require('httpx', extra='x')", "a.b.urlopen(u)"),
        *("import_module('aiohttp')", "asyncio.open_connection(h, 80)", "__import__('socket')"),
        *("require('websockets.sync.client', extra='x')", "from redis import asyncio", "import sqlalchemy.engine"),
        *("require('confluent_kafka', extra='x').Consumer({})", "from psycopg import connect"),
    ],
)
def test_the_watch_over_connections_sees_them(code: str) -> None:
    assert network_used(ast.parse(code))


def network_used(tree: ast.AST) -> set[str]:
    """Return the modules and functions of the network that a piece of code names."""
    named: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Import():
                named |= {alias.name for alias in node.names}
            case ast.ImportFrom(module=str(module)):
                named |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
            case ast.Call(args=[ast.Constant(value=str(name)), *_]):
                named.add(name)
            case ast.Attribute(attr=name) | ast.Name(id=name) if name in CALLS:
                named.add(name)
    modules = {module for module in NETWORK for name in named if name == module or name.startswith(f"{module}.")}
    return modules | (named & CALLS)
