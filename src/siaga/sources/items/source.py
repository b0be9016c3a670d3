"""Files of messages as posts: recorded streams, minute by minute or whole, and posts that Siaga wrote itself."""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from siaga.errors import DataError, did_you_mean
from siaga.post import Post
from siaga.quarantine import RAW_CHARACTERS, Quarantine
from siaga.schema import TwitterSource
from siaga.schema.sources import Form
from siaga.sources.items.message import Notice
from siaga.sources.items.reader import ItemReader
from siaga.sources.lines import COMPRESSED, Line, display_name, read_lines
from siaga.sources.reading import named_paths
from siaga.sources.values import Fault, as_label

log = logging.getLogger(__name__)
SUFFIXES = (".json", ".jsonl", ".ndjson")
REMEMBERED_IDS = 1_000_000
_KNOWN = f"{', '.join(SUFFIXES)}, each also with {', '.join(COMPRESSED)} after it"


@dataclass(frozen=True, slots=True)
class MessageReading:
    """How messages become posts. Labels, which only the form "posts" has, are not read where `labels` is None."""

    labels: Mapping[str, str] | None = field(default_factory=dict)
    form: Form = "auto"


def read_message_files(spec: TwitterSource, *, quarantine: Quarantine) -> dict[str, Iterator[Post]]:
    """Return the posts of each file or folder that the source names; of a folder, those of its files by name.

    Raises DataError at once for a path where no such file is.
    """
    posts = {}
    for key, path in named_paths(spec).items():
        reading = MessageReading(None if key == "unlabelled" else spec.labels, spec.form)
        posts[key] = read_messages(path, reading, quarantine=quarantine)
    return posts


def read_messages(path: Path | Literal["-"], reading: MessageReading, *, quarantine: Quarantine) -> Iterator[Post]:
    """Yield the posts of a file, of a folder, or of stdin ("-") as they are asked for.

    A message that cannot be used goes to `quarantine`, and so does one whose id was there before; ids beyond
    REMEMBERED_IDS are not compared, so that memory stays flat. Notices are counted in the log. Raises DataError at once
    for a path where no such file is, and with the first posts where `read_lines` does and for one large JSON list.
    """
    files: list[Path | Literal["-"]] = ["-"] if isinstance(path, str) else [*_files(path)]
    return _Messages(reading, quarantine).posts(files)


def is_message_file(path: Path) -> bool:
    """Return whether a file is named like JSON lines, plain or compressed, and is no quarantine."""
    if path.name.endswith("quarantine.jsonl"):
        return False
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in COMPRESSED:
        suffixes.pop()
    return bool(suffixes) and suffixes[-1] in SUFFIXES


class _Messages:
    """What the reading of some files has to remember."""

    def __init__(self, reading: MessageReading, quarantine: Quarantine) -> None:
        self._reading, self._quarantine = reading, quarantine
        self._ids: set[int] = set()

    def posts(self, files: list[Path | Literal["-"]]) -> Iterator[Post]:
        """Yield the posts of the files in turn."""
        for file in files:
            notices: Counter[str] = Counter()
            yield from self._of(file, notices)
            self._quarantine.noted.update({f"notice: {kind}": count for kind, count in notices.items()})
            if notices:
                log.info("%s: notices: %s.", display_name(file), _in_words(notices))

    def _of(self, file: Path | Literal["-"], notices: Counter[str]) -> Iterator[Post]:
        if isinstance(file, Path) and file.stat().st_size == 0:
            return  # A minute in which nothing came.
        reader = ItemReader(self._reading.form, root=Path() if isinstance(file, str) else file.parent)
        for line in read_lines(file):
            try:
                found = self._read(reader, line)
            except Fault as fault:
                if line.data[:1] == b"[":
                    raise DataError(_one_list(file)) from None
                shown = line.data[: 4 * RAW_CHARACTERS].decode("utf-8", "replace")
                self._quarantine.add(display_name(file), line.number, str(fault), shown)
            else:
                if isinstance(found, Notice):
                    notices[found.kind] += 1
                else:
                    yield found

    def _read(self, reader: ItemReader, line: Line) -> Post | Notice:
        if line.fault is not None:
            raise Fault(line.fault)
        found = reader.read(line.data)
        if isinstance(found, Notice):
            return found
        post, labels = found.post(), self._reading.labels
        post = post.with_label(as_label(post.label, labels) if labels is not None else None)
        self._check_id(post.id)
        self._quarantine.noted["repost"] += found.is_repost
        return post

    def _check_id(self, id_: str) -> None:
        key = hash(id_)
        if key in self._ids:
            raise Fault(f"Repeated id: {id_[:80]!r} stands in an earlier message.")
        if len(self._ids) < REMEMBERED_IDS:
            self._ids.add(key)
            if len(self._ids) == REMEMBERED_IDS:
                log.warning("Ids after the first %d are not compared with each other.", REMEMBERED_IDS)


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file() and is_message_file(file))
        if not files:
            raise DataError(f"{path} holds no file of messages. They are named {_KNOWN}.")
        return files
    if path.is_file():
        if not is_message_file(path):
            raise DataError(f"{path} is not named like a file of messages: {_KNOWN}. For a table set source.kind.")
        return [path]
    siblings = [sibling.name for sibling in path.parent.iterdir()] if path.parent.is_dir() else []
    raise DataError(f"{path} does not exist. Check the path.{did_you_mean(path.name, siblings)}")


def _one_list(file: Path | Literal["-"]) -> str:
    name = display_name(file)
    return f"{name} is one JSON list, or pages of such. Write one object a line: jq -c '.[]' {name}"


def _in_words(notices: Counter[str]) -> str:
    return ", ".join(f"{count:,} {kind}" for kind, count in notices.most_common())
