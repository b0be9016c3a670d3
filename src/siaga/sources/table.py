"""Tables as posts: every row becomes a post or a line of the quarantine, and none is lost on the way."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, ParamSpec, TypeVar

from siaga.errors import DataError, did_you_mean
from siaga.post import Post
from siaga.quarantine import RAW_CHARACTERS, Quarantine
from siaga.schema import TableSource
from siaga.sources.lines import COMPRESSED, display_name
from siaga.sources.reading import PARTS, Reading, named_paths, with_columns
from siaga.sources.rows import FORMATS, Row, read_rows, table_format
from siaga.sources.values import Fault, as_image, as_label, as_place, as_string, as_time, as_word

log = logging.getLogger(__name__)
REMEMBERED_IDS = 1_000_000
KEPT_WITHOUT = "Kept without"  # So begins a reason that concerns a part of a row whose post is kept.

Arguments = ParamSpec("Arguments")
Value = TypeVar("Value")


def read_tables(spec: TableSource, *, quarantine: Quarantine) -> dict[str, Iterator[Post]]:
    """Return the posts of each file that the source names; files of one name get ids that tell them apart."""
    files = named_paths(spec)
    if spec.image_root is not None and not spec.image_root.is_dir():
        raise DataError(f"{spec.image_root} is not a folder of images. Set source.image_root, or leave it out.")
    stems = [_stem(path) for path in files.values()]
    posts = {}
    for (key, path), stem in zip(files.items(), stems, strict=True):
        reading = Reading(
            columns=spec.columns,
            labels=None if key == "unlabelled" else spec.labels,
            where=spec.where,
            image_root=spec.image_root,
            name=stem if stems.count(stem) == 1 else f"{key}/{stem}",
        )
        posts[key] = read_table(path, reading, quarantine=quarantine)
    return posts


def read_table(path: Path | Literal["-"], reading: Reading, *, quarantine: Quarantine) -> Iterator[Post]:
    """Yield the posts of a table as they are asked for.

    A row that cannot be used goes to `quarantine`. So does a part of a row (its time, place or image) whose post is
    kept without it; such a reason begins with "Kept without". Rows outside `where` are passed over in silence.
    An id that was there before is rejected; ids beyond REMEMBERED_IDS are not compared, so that memory stays flat.
    Raises DataError at once for a path that is no table, and with the first posts for what `read_rows` and
    `with_columns` refuse.
    """
    if not isinstance(path, str):
        _check_path(path)
    return _Table(path, reading, quarantine).posts()


class _Table:
    """What the reading of one table has to remember."""

    def __init__(self, path: Path | Literal["-"], reading: Reading, quarantine: Quarantine) -> None:
        self._path, self._reading, self._quarantine = path, reading, quarantine
        self._file = display_name(path)
        self._name = reading.name or ("stdin" if isinstance(path, str) else _stem(path))
        self._root = (reading.image_root or (Path() if isinstance(path, str) else path.parent)).resolve()
        self._columns = tuple(reading.column(part) for part in PARTS)
        self._ids: set[int] = set()

    def posts(self) -> Iterator[Post]:
        """Yield the posts in the table's order."""
        rows = read_rows(self._path, wanted=self._reading.wanted, reject=self._reject)
        is_filtered = bool(self._reading.where)
        for row in with_columns(rows, self._reading, self._file):
            try:
                post = None if is_filtered and not self._is_chosen(row) else self._post(row)
            except Fault as fault:
                self._reject(row.line, str(fault), row.raw)
            else:
                if post is not None:
                    yield post

    def _is_chosen(self, row: Row) -> bool:
        return all((as_word(row.values.get(name)) or "") in values for name, values in self._reading.where.items())

    def _post(self, row: Row) -> Post:
        # Arguments are evaluated in this order: first what rejects the row, then its id, then what only lessens it.
        id_, text, image, label, time, event, language, lon, lat = map(row.values.get, self._columns)
        reading = self._reading
        return Post(
            text=as_string(text),
            label=as_label(label, reading.labels) if reading.labels is not None else None,
            event=as_word(event),
            language=as_word(language),
            fields={name: text for name in reading.columns.fields if (text := as_string(row.values.get(name)))},
            id=self._id(as_word(id_), row.line),
            image=self._kept(row, "image", as_image, image, self._root) if image is not None else None,
            time=self._kept(row, "time", as_time, time) if time is not None else None,
            place=self._kept(row, "place", as_place, lon, lat) if lon is not None or lat is not None else None,
        )

    def _id(self, given: str | None, line: int) -> str:
        if given is None:
            return f"{self._name}:{line}"
        key = hash(given)
        if key in self._ids:
            raise Fault(f"Repeated id: {given[:80]!r} stands in an earlier row.")
        if len(self._ids) < REMEMBERED_IDS:
            self._ids.add(key)
            if len(self._ids) == REMEMBERED_IDS:
                log.warning("%s: ids after the first %d are not compared with each other.", self._file, REMEMBERED_IDS)
        return given

    def _kept(
        self, row: Row, part: str, read: Callable[Arguments, Value], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Value | None:
        try:
            return read(*args, **kwargs)
        except Fault as fault:
            self._reject(row.line, f"{KEPT_WITHOUT} {part}: {fault}", row.raw)
            return None

    def _reject(self, line: int, reason: str, raw: bytes) -> None:
        shown = raw[: 4 * RAW_CHARACTERS].decode("utf-8", "replace")
        self._quarantine.add(self._file, line, reason, shown)


def _check_path(path: Path) -> None:
    if path.is_dir():
        raise DataError(f"{path} is a folder, not a table. Name a file in it, or set source.kind to 'folder'.")
    if not path.exists():
        folder = path.parent
        if not folder.is_dir():
            raise DataError(f"{path} does not exist, nor does the folder {folder}. Check the path.")
        siblings = [sibling.name for sibling in folder.iterdir()]
        raise DataError(f"{path} does not exist. Check the path.{did_you_mean(path.name, siblings)}")
    table_format(path)


def _stem(path: Path) -> str:
    while path.suffix.lower() in (*FORMATS, *COMPRESSED):
        path = path.with_suffix("")
    return path.name
