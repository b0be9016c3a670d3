"""Downloads: one URL, the URLs of a table, an official archive. Nothing else in Siaga fetches what users ask for.

A download of a table fills a folder with the images, the table of the rows whose image arrived, and the failures. It
can be killed at any moment; called again, it fetches only what is missing, and tries what failed once more.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import msgspec

from siaga.errors import DataError, did_you_mean
from siaga.files import sweep, write_whole
from siaga.schema import Columns
from siaga.sources.archives import ARCHIVES, PATIENT, fetch_archive
from siaga.sources.arrivals import JOURNAL, Arrivals, open_arrivals
from siaga.sources.fetching import Web
from siaga.sources.reading import Reading, with_columns
from siaga.sources.rows import Reject, Row, read_rows
from siaga.sources.values import Fault, as_word
from siaga.sources.waiting import fetch_all

POSTS, FAILURES = "posts.jsonl", "failures.jsonl"
URLS = Columns(image="url")
_IMAGE = "image"


@dataclass(frozen=True)
class Downloaded:
    """What became of a table's rows, each of which either arrived or failed; `reasons` counts the kinds of failure."""

    rows: int
    arrived: int
    failed: int
    reasons: dict[str, int]
    posts: Path
    failures: Path


def download_url(url: str, *, web: Web | None = None) -> bytes:
    """Return what a URL of the web holds, at most 10 MB. Raises DataError with the reason when it does not arrive."""
    [fetched] = fetch_all([url], Web() if web is None else web)
    if fetched.fault is not None:
        raise DataError(f"{url[:200]!r} cannot be fetched. {fetched.fault}")
    return fetched.content


def download_archive(name: str, out: Path, *, web: Web | None = None) -> Path:
    """Fetch an official archive (mnist, cifar100) into a folder; return the folder that `source.train` names.

    Raises DataError for an unknown name, and as `siaga.sources.archives` says.
    """
    if name not in ARCHIVES:
        raise DataError(f"There is no archive {name!r}.{did_you_mean(name, ARCHIVES)} Known: {', '.join(ARCHIVES)}.")
    return fetch_archive(ARCHIVES[name], out, Web(PATIENT) if web is None else web)


def download_table(
    table: Path, out: Path, *, columns: Columns = URLS, all_rows: bool = False, web: Web | None = None
) -> Downloaded:
    """Fetch the images that a table's `columns.image` names by URL into the folder `out`.

    `posts.jsonl` gets the rows whose image arrived, with every column they had and the image's path as `image` (a
    column of that name before is called `image_given`); with `all_rows` also the others, without image.
    `failures.jsonl` gets line, id, URL and reason of each row whose image did not arrive. Raises DataError for a
    table that cannot be read or lacks the column, and for a folder that holds something else.
    """
    web = Web() if web is None else web
    reading = Reading(columns=columns, labels=None)
    _check_table(table, out)
    urls = _urls(table, reading)
    with open_arrivals(out) as arrivals:
        faults = _fetch(urls, arrivals, web)
        sweep(out)
        with write_whole(out / POSTS) as posts, write_whole(out / FAILURES) as failures:
            tables = _Tables(reading, posts, failures, all_rows=all_rows)
            for row in _rows(table, reading, tables.reject):
                tables.add(row, arrivals, faults)
        if not tables.reasons:
            (out / FAILURES).unlink()
    failed = tables.reasons.total()
    rows = tables.arrived + failed
    return Downloaded(rows, tables.arrived, failed, dict(tables.reasons.most_common()), out / POSTS, out / FAILURES)


def _check_table(table: Path, out: Path) -> None:
    if not table.is_file():
        hint = did_you_mean(str(table), ARCHIVES)
        raise DataError(f"There is no table {table}.{hint} Give a file; a pipe cannot be read twice.")
    if table.resolve() in [(out / name).resolve() for name in (POSTS, FAILURES, JOURNAL)]:
        raise DataError(f"{table} would be replaced by what arrives. Choose another --out.")


def _rows(table: Path, reading: Reading, reject: Reject) -> Iterator[Row]:
    rows = read_rows(table, wanted=None, reject=reject)
    repeated = [name for name, count in Counter(rows.columns or ()).items() if count > 1]
    if repeated:
        raise DataError(f"{table} has several columns {repeated[0]!r}. Rename all but one.")
    return with_columns(rows, reading, str(table))


def _urls(table: Path, reading: Reading) -> list[str]:
    """Return every URL of a table once, in its order."""
    urls: dict[str, None] = {}
    for row in _rows(table, reading, _pass_over):
        with suppress(Fault):
            if (url := as_word(row.values.get(reading.column("image")))) is not None:
                urls[url] = None
    return list(urls)


def _pass_over(line: int, reason: str, raw: bytes) -> None:
    """Let a row be that cannot be read; it is noted when the table is read again."""


def _fetch(urls: list[str], arrivals: Arrivals, web: Web) -> dict[str, str]:
    """Fetch what has not arrived; return the reason for each URL that still has not."""
    missing = [url for url in urls if arrivals.file(url) is None]
    faults = {}
    for done, fetched in enumerate(fetch_all(missing, web), start=len(urls) - len(missing) + 1):
        try:
            if fetched.fault is not None:
                raise Fault(fetched.fault)
            arrivals.add(fetched.url, fetched.content)
        except Fault as fault:
            faults[fetched.url] = str(fault)
        web.hear(done, len(urls))
    return faults


class _Tables:
    """The table of what arrived and the table of what did not, while they are written; every row counts in one."""

    def __init__(self, reading: Reading, posts: IO[bytes], failures: IO[bytes], *, all_rows: bool) -> None:
        self._id, self._url = reading.column("id"), reading.column("image")
        self._posts, self._failures, self._all_rows = posts, failures, all_rows
        self.arrived = 0
        self.reasons: Counter[str] = Counter()

    def add(self, row: Row, arrivals: Arrivals, faults: Mapping[str, str]) -> None:
        """Write a row with its image to the one table, or the reason why it has none to the other."""
        file = None
        try:
            url = as_word(row.values.get(self._url))
            if url is None:
                raise Fault("No URL: the cell is blank.")
            file = arrivals.file(url)
            if file is None:
                raise Fault(faults.get(url, "Changed: the table was another one when its URLs were read."))
            self.arrived += 1
        except Fault as fault:
            self._fail(row, str(fault))
        if file is not None or self._all_rows:
            self._posts.write(_as_line(_with_image(row.values, file)))

    def reject(self, line: int, reason: str, raw: bytes) -> None:
        """Note a row that cannot be read at all."""
        self._fail(Row(line, {}, raw), reason)

    def _fail(self, row: Row, reason: str) -> None:
        self.reasons[reason.partition(":")[0]] += 1
        known = {"id": row.values.get(self._id), "url": row.values.get(self._url)}
        self._failures.write(_as_line({"line": row.line, **known, "reason": reason}))


def _with_image(values: Mapping[str, Any], file: str | None) -> dict[str, Any]:  # Any: whatever a table holds.
    """Return a row's values with the image's path; an earlier column of that name is kept under another one."""
    kept = f"{_IMAGE}_given"
    while kept in values:
        kept += "_"
    return {**{kept if name == _IMAGE else name: value for name, value in values.items()}, _IMAGE: file}


def _as_line(values: Mapping[str, Any]) -> bytes:  # Any: as above.
    """Return a line of JSON in ASCII: times as ISO 8601, no number as null, other bytes as base64."""
    return json.dumps(msgspec.json.decode(msgspec.json.encode(values))).encode() + b"\n"
