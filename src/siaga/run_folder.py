"""Run folders: filled aside, and in their place only when everything in them is complete.

Beside a run that goes on stands a hidden folder of its checkpoints, from which a run that was killed is resumed.
"""

import fcntl
import logging
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from itertools import zip_longest
from pathlib import Path

from siaga.errors import DataError
from siaga.files import make_folder, sync_folder, write_text

log = logging.getLogger(__name__)

RECORDS = frozenset({"recipe.toml", "bundle", "report.json", "report.html", "metrics.jsonl", "predictions.parquet"})
MORE_RECORDS = frozenset({"pseudo_labels.jsonl", "quarantine.jsonl"})
_PARTIAL = ".partial"
_CHECKPOINTS = ".checkpoints"


@contextmanager
def fill_run(out: Path, *, overwrite: bool) -> Iterator[Path]:
    """Give a folder to fill; it becomes `out` when the block ends, and vanishes when it raises.

    Only a whole earlier run with nothing foreign in it is ever replaced, and only with `overwrite`. Raises DataError,
    before the block for anything else that stands at `out`, and after it when another run got there first.
    """
    check_run(out, overwrite=overwrite)
    final = out.resolve()
    _sweep(final)
    partial = _partial(final)
    make_folder(partial)
    try:
        yield partial
        check_run(out, overwrite=overwrite)
        if final.exists():
            shutil.rmtree(final)
        partial.rename(final)
        sync_folder(final.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def check_run(out: Path, *, overwrite: bool) -> None:
    """Raise DataError unless `out` is free for a run, or an earlier run that may be replaced."""
    if out.exists() and not out.is_dir():
        raise DataError(f"{out} is a file. Give a folder with --out.")
    if Path.cwd().is_relative_to(out.resolve()):
        raise DataError(f"{out} is the working folder, or holds it, and is not replaced. Choose another --out.")
    found = {path.name for path in out.iterdir()} if out.is_dir() else set()
    if found and not overwrite:
        raise DataError(f"{out} is not empty. Choose another --out, or replace it with --overwrite.")
    if found and (foreign := sorted(found - RECORDS - MORE_RECORDS)):
        what = f"{out} holds something other than a run ({foreign[0]})"
        raise DataError(f"{what}, and is not replaced. Choose another --out.")
    if found and not found >= RECORDS:
        raise DataError(f"{out} holds no whole run, and is not replaced. Choose another --out.")


def is_whole(out: Path, recipe_toml: str, *, overwrite: bool) -> bool:
    """Whether `out` holds the whole run of this very recipe; with `overwrite`, one that was not about to be replaced.

    A run that was interrupted while it was to replace this one is gone on with instead.
    """
    has_all = out.is_dir() and {path.name for path in out.iterdir()} >= RECORDS
    if not has_all or (out / "recipe.toml").read_text(encoding="utf-8") != recipe_toml:
        return False
    written = [path.stat().st_mtime for path in _checkpoints(out).rglob("*.safetensors")] if overwrite else []
    return max(written, default=0.0) <= (out / "report.json").stat().st_mtime


@contextmanager
def keep_checkpoints(out: Path, recipe_toml: str, *, resume: bool) -> Iterator[Path]:
    """Give the folder of the run's checkpoints; it vanishes when the block ends, and stays when it raises.

    Without `resume` it is empty at first. Raises DataError when another process trains into `out`, and when what was
    interrupted there had another recipe.
    """
    folder = _checkpoints(out)
    with _held(folder, out):
        earlier = _earlier(folder) if resume else None
        if earlier is None:
            _empty(folder)
            write_text(folder / "recipe.toml", recipe_toml)
        elif earlier != recipe_toml:
            change = _first_difference(earlier, recipe_toml)
            what = f"The run that was interrupted at {out} had other settings: {change}"
            raise DataError(f"{what}. Give the same settings, or train anew without --resume.")
        try:
            yield folder
        except BaseException as error:
            if not any(folder.rglob("*.safetensors")):  # There is nothing to resume from.
                _discard(folder, out)
            elif isinstance(error, KeyboardInterrupt):
                log.warning("Interrupted; the same command with --resume goes on from the last checkpoint.")
            raise
        _discard(folder, out)


def check_same_data(checkpoints: Path, data_hash: str) -> None:
    """Note the data of a run, or raise DataError when the run that is resumed had other data."""
    path = checkpoints / "data.txt"
    if not path.exists():
        write_text(path, data_hash)
    elif path.read_text(encoding="utf-8") != data_hash:
        raise DataError("The posts are not those of the run that was interrupted. Train anew without --resume.")


def check_no_run(out: Path) -> None:
    """Raise DataError when `out` holds a run, whose own report would be lost, or is no folder."""
    if out.exists() and not out.is_dir():
        raise DataError(f"{out} cannot be written: it is a file, and no folder. Choose another --out.")
    if (out / "recipe.toml").exists():
        raise DataError(f"{out} holds a run, with a report of its own. Choose another --out.")


def folder_name(event: str) -> str:
    """Return an event's name as a folder can bear it: one that could lead elsewhere is changed, and told apart."""
    plain = re.sub(r"[^\w -]+", "_", event)[:80]
    return event if plain == event else f"{plain}-{sha256(event.encode()).hexdigest()[:8]}"


def _checkpoints(out: Path) -> Path:
    final = out.resolve()
    return final.with_name(f".{final.name}{_CHECKPOINTS}")


@contextmanager
def _held(folder: Path, out: Path) -> Iterator[None]:
    """Make `folder`, and be the only process that uses it."""
    while True:
        make_folder(folder)
        try:
            lock = (folder / "lock").open("w")
        except FileNotFoundError:  # Whoever had it has just discarded it.
            continue
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise DataError(f"Another process trains into {out}. Wait for it, or choose another --out.") from None
            if _is_at(lock.fileno(), folder / "lock"):
                yield
                return


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _discard(folder: Path, out: Path) -> None:
    """Remove a folder that this process holds: at one stroke, so that nobody takes it up half gone."""
    aside = _partial(out.resolve())
    shutil.rmtree(aside, ignore_errors=True)
    with suppress(FileNotFoundError):  # Somebody was faster, and removed it by hand.
        folder.rename(aside)
    shutil.rmtree(aside, ignore_errors=True)


def _partial(final: Path) -> Path:
    return final.with_name(f".{final.name}.{os.getpid()}{_PARTIAL}")


def _earlier(folder: Path) -> str | None:
    path = folder / "recipe.toml"
    return path.read_text(encoding="utf-8") if path.exists() else None


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != "lock":
            path.unlink()


def _first_difference(before: str, now: str) -> str:
    old, new = before.splitlines(), now.splitlines()
    for a, b in zip_longest(old, new, fillvalue="(nothing)"):
        if a != b:
            return f"{a.strip()!r} then, {b.strip()!r} now"
    return "the end of the recipe"


def _sweep(out: Path) -> None:
    """Remove what killed trainings left beside `out`; a folder whose process is alive stays."""
    for stale in out.parent.glob(f".{out.name}.*{_PARTIAL}"):
        owner = stale.name.removeprefix(f".{out.name}.").removesuffix(_PARTIAL)
        if owner.isdigit() and (int(owner) == os.getpid() or not _is_alive(int(owner))):  # A number may come again.
            shutil.rmtree(stale, ignore_errors=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
