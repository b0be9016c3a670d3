"""A collection: posts as JSON lines in a file that grows, and beside it a state that says how far it is true.

The state is written whole, and tells how long the file is for good, how far each input was read, the samples of the
days that are still open, and which posts came lately. A process may be killed at any moment: what it had written
beyond the state is cut off where it will be written again, and kept where it will not.
"""

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from hashlib import blake2b
from pathlib import Path
from typing import IO

import msgspec

from siaga.errors import DataError
from siaga.files import TEMPORARY_SUFFIX, make_folder, write_whole
from siaga.serving.failpoints import reach
from siaga.serving.store.rows import Offset
from siaga.serving.stream.sample import DailySample, Held, Outcome
from siaga.sources.arrivals import append

log = logging.getLogger(__name__)
SUFFIX = ".state"
RECENT = 5_000  # Posts whose return is noticed; an open stream goes back by some seconds, a broker by some batches.
_VERSION = 1
_BYTES_A_SECOND = 50_000  # Of states, at most, so that a large sample does not wear the disk out.
_QUIET_S = 30.0


class _State(msgspec.Struct):
    version: int
    length: int
    per_day: int | None
    seed: int
    offsets: dict[str, dict[str, Offset]]
    recent: list[str]
    days: dict[str, tuple[int, list[Held]]]
    open_from: date | None = None


class _Line(msgspec.Struct):
    id: str


class Collection:
    """The file and the state, for this process alone; `open_collection` gives one."""

    def __init__(self, path: Path, stream: IO[bytes], state: _State) -> None:
        self._path, self._stream, self._state = path, stream, state
        self._sample = None if state.per_day is None else DailySample(state.per_day, seed=state.seed)
        if self._sample is not None:
            self._sample.restore(state.days)
        self._recent = dict.fromkeys(state.recent)
        self._most = RECENT
        self._is_changed = self._is_moved = True
        self._bytes = 0
        self._added = 0
        self._mend()
        self.save()

    @property
    def has_sample(self) -> bool:
        """Whether posts are held until their day is over."""
        return self._sample is not None

    @property
    def kept(self) -> int:
        """How many posts were added to the file for good, and how many the open samples hold."""
        return self._added + (0 if self._sample is None else len(self._sample))

    @property
    def save_within_s(self) -> float:
        """How many seconds after the last time the state should be saved; infinite when it is what it was."""
        if self._is_changed:
            return max(1.0, self._bytes / _BYTES_A_SECOND)
        return _QUIET_S if self._is_moved else float("inf")

    def offsets(self, source: str) -> dict[str, Offset]:
        """Return how far the parts of an input were read, by its name."""
        return dict(self._state.offsets.get(source, {}))

    def add(self, day: date, post: Held) -> Outcome:
        """Add a post to the file, or to the sample of its day. Raises DataError for a disk that is full."""
        key = _key(post.id)
        if key in self._recent:
            return "repeated"
        outcome: Outcome = "kept"
        if self._sample is not None:
            outcome = self._sample.add(day, post)
        else:
            self._append([post])
        self._remember(key)  # Not before, since there may be no room for it.
        self._is_changed = True
        return outcome

    def remove(self, source: str, identity: str) -> None:
        """Take away a post that was deleted, if a sample holds it."""
        if self._sample is not None:
            before = len(self._sample)
            self._sample.remove(source, identity)
            self._is_changed |= len(self._sample) < before

    def advance(self, source: str, offset: Offset | None) -> None:
        """Note how far an input was read, where it is not the broker that knows."""
        if offset is not None:
            self._state.offsets.setdefault(source, {})[offset.part] = offset
            self._is_moved = True

    def is_over(self, day: date) -> bool:
        """Whether no post of a day is to be added any more."""
        return self._state.open_from is not None and day < self._state.open_from

    def begin_days(self, first: date) -> None:
        """Take posts from a day on, unless an earlier process began."""
        if self.has_sample and self._state.open_from is None:
            self._state.open_from = first

    def close_days(self, before: date) -> None:
        """Write the samples of the days before one to the file."""
        if self._sample is None or self.is_over(before):
            return
        if over := [day for day in self._sample.days if day < before]:
            self.save()
        self._state.open_from = before
        for day in over:
            posts = self._sample.posts(day)
            self._append(posts)
            log.info("%s: %d of about %d posts are in %s.", day, len(posts), self._sample.seen(day), self._path)
            self._sample.close(day)
            self._is_changed = True
        if over:
            self.save()

    def save(self) -> None:
        """Make all of it durable. Raises DataError for a disk that is full."""
        if self._is_changed or self._is_moved:
            self._save_as_it_is()

    def finish(self) -> None:
        """Save, then write what the open samples hold, for whoever reads the file now; the next process cuts it off."""
        self.save()
        length, added = self._state.length, self._added
        self._append(self._open_posts())
        self._state.length, self._added = length, added

    def _open_posts(self) -> list[Held]:
        """Return what the open samples hold, day by day."""
        sample = self._sample
        return [] if sample is None else [post for day in sample.days for post in sample.posts(day)]

    def _append(self, posts: list[Held]) -> None:
        content = _written(posts)
        try:
            append(self._stream, content)
        except DataError:
            os.ftruncate(self._stream.fileno(), self._state.length)
            raise
        self._state.length += len(content)
        self._added += len(posts)

    def _save_as_it_is(self) -> None:
        try:
            os.fsync(self._stream.fileno())
        except OSError as error:
            raise DataError(f"{self._path} cannot be written: {error.strerror}. Make room for it.") from None
        self._state.recent = list(self._recent)
        self._state.days = {} if self._sample is None else self._sample.state()
        content = msgspec.json.encode(self._state)
        reach("before_commit")
        with write_whole(state_path(self._path)) as stream:
            stream.write(content)
        reach("after_commit")
        self._bytes, self._is_changed, self._is_moved = len(content), False, False

    def _remember(self, key: str) -> None:
        self._recent[key] = None
        if len(self._recent) > self._most:
            del self._recent[next(iter(self._recent))]

    def _mend(self) -> None:
        """Bring the file to where the state can go on from it. Raises DataError if somebody else changed it."""
        length = self._stream.seek(0, os.SEEK_END)
        if length < self._state.length:
            found = f"{self._path} has {length:,} bytes where {self._state.length:,} were written"
            raise DataError(f"{found}. Put it back as it was, or choose another --to.")
        self._stream.seek(self._state.length)
        tail = self._stream.read()
        if self._sample is not None:
            self._check_tail(tail)
            os.ftruncate(self._stream.fileno(), self._state.length)
            return
        whole = tail[: tail.rfind(b"\n") + 1]
        os.ftruncate(self._stream.fileno(), self._state.length + len(whole))
        self._state.length += len(whole)
        self._learn(whole)

    def _check_tail(self, tail: bytes) -> None:
        """Raise DataError unless what the file has beyond the state is of the samples, which will be written again."""
        if not _written(self._open_posts()).startswith(tail):
            found = f"{self._path} was changed after byte {self._state.length:,}"
            raise DataError(f"{found}, where the posts of open days stand. Choose another --to.")

    def _learn(self, lines: bytes) -> None:
        """Remember the posts of lines that were written after the last state."""
        decode = msgspec.json.Decoder(_Line).decode
        try:
            keys = [_key(decode(line).id) for line in lines.split(b"\n")[:-1]]
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise DataError(f"{self._path} holds lines that are no posts. Choose another --to.") from None
        self._most = RECENT + len(keys)
        self._recent.update(dict.fromkeys(keys))


def state_path(path: Path) -> Path:
    """Return where the state of a collection stands."""
    return path.with_name(path.name + SUFFIX)


@contextmanager
def open_collection(path: Path, *, per_day: int | None = None, seed: int = 0) -> Iterator[Collection]:
    """Open the collection of a file, new or begun earlier, for this process alone; `per_day` posts at most of a day.

    Raises DataError for a file that was not collected so, or is being filled, and for another sample than before.
    """
    make_folder(path.parent)
    with _held(path) as stream:
        for stale in path.parent.glob(f".{state_path(path).name}.*{TEMPORARY_SUFFIX}"):
            stale.unlink(missing_ok=True)
        yield Collection(path, stream, _read_state(path, stream, per_day, seed))


@contextmanager
def _held(path: Path) -> Iterator[IO[bytes]]:
    try:
        opened = path.open("ab+", buffering=0)
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror}. Choose another place.") from None
    with opened as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataError(f"Another process is collecting into {path}. Stop it, or choose another --to.") from None
        yield stream


def _read_state(path: Path, stream: IO[bytes], per_day: int | None, seed: int) -> _State:
    file = state_path(path)
    if not file.exists():
        if stream.seek(0, os.SEEK_END):
            raise DataError(f"{path} is there already, but no {file.name}: it was not collected. Choose another --to.")
        return _State(_VERSION, 0, per_day, seed, {}, [], {})
    try:
        state = msgspec.json.decode(file.read_bytes(), type=_State)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{file} cannot be read: {error}. Choose another --to.") from None
    if state.version != _VERSION:
        raise DataError(f"{file} has the version {state.version}; this siaga knows {_VERSION}. Choose another --to.")
    if (state.per_day, state.seed) != (per_day, seed):
        was = "without --per-day" if state.per_day is None else f"with --per-day {state.per_day} --seed {state.seed}"
        raise DataError(f"{path} was begun {was}. Go on so, or choose another --to.")
    return state


def _written(posts: list[Held]) -> bytes:
    return "".join(post.line + "\n" for post in posts).encode()


def _key(identity: str) -> str:
    return blake2b(identity.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
