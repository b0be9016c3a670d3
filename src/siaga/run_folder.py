"""Run folders: filled aside, and in their place only when everything in them is complete."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from siaga.errors import DataError
from siaga.files import make_folder

RECORDS = frozenset({"recipe.toml", "bundle", "report.json", "report.html", "metrics.jsonl", "predictions.parquet"})
MORE_RECORDS = frozenset({"pseudo_labels.jsonl", "quarantine.jsonl"})
_PARTIAL = ".partial"


@contextmanager
def fill_run(out: Path, *, overwrite: bool) -> Iterator[Path]:
    """Give a folder to fill; it becomes `out` when the block ends, and vanishes when it raises.

    Only a whole earlier run with nothing foreign in it is ever replaced, and only with `overwrite`. Raises DataError,
    before the block for anything else that stands at `out`, and after it when another run got there first.
    """
    check_run(out, overwrite=overwrite)
    final = out.resolve()
    _sweep(final)
    partial = final.with_name(f".{final.name}.{os.getpid()}{_PARTIAL}")
    make_folder(partial)
    try:
        yield partial
        check_run(out, overwrite=overwrite)
        if final.exists():
            shutil.rmtree(final)
        partial.rename(final)
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


def check_no_run(out: Path) -> None:
    """Raise DataError when `out` holds a run, whose own report would be lost."""
    if (out / "recipe.toml").exists():
        raise DataError(f"{out} holds a run, with a report of its own. Choose another --out.")


def folder_name(event: str) -> str:
    """Return an event's name as a folder can bear it: one that could lead elsewhere is changed, and told apart."""
    plain = re.sub(r"[^\w -]+", "_", event)[:80]
    return event if plain == event else f"{plain}-{sha256(event.encode()).hexdigest()[:8]}"


def _sweep(out: Path) -> None:
    """Remove what killed trainings left beside `out`; a folder whose process is alive stays."""
    for stale in out.parent.glob(f".{out.name}.*{_PARTIAL}"):
        owner = stale.name.removeprefix(f".{out.name}.").removesuffix(_PARTIAL)
        if owner.isdigit() and not _is_alive(int(owner)):
            shutil.rmtree(stale, ignore_errors=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
