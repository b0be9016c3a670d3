"""Posts in splits: random, grouped, by time, by event or as given, with no post on both sides of a line.

Nothing here depends on the order in which the posts come (but that the first of two posts with one id stays): posts
are sorted by their content, and chance is a hash of seed and content.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from siaga.dataset.pool import Pool, gather
from siaga.dataset.selection import LEFT_OUT, select_posts
from siaga.dataset.splits import Rows, choose_parts
from siaga.errors import DataError, did_you_mean
from siaga.features.duplicates import duplicate_facts
from siaga.post import MODALITIES, Post
from siaga.schema import Selection, SplitSpec

__all__ = ["SPLITS", "Dataset", "build_dataset", "gather", "list_events"]

log = logging.getLogger(__name__)
SPLITS = ("train", "validation", "test", "unlabelled")
LISTED = 50
_EVERYTHING = Selection()

Facts = dict[str, Any]  # Any: JSON.


@dataclass(frozen=True)
class Dataset:
    """Posts in splits. `train`, `validation` and `test` are labelled, `unlabelled` is not; `validation` may be empty.

    `facts` is for the report, as JSON: `hash` of the data, `splits` (counts), `missing_classes` by split,
    `duplicates`, `changes` (what was moved or left out, and why), and `notes`: the same as sentences.
    """

    train: list[Post]
    validation: list[Post]
    test: list[Post]
    unlabelled: list[Post]
    classes: list[str]
    facts: Facts

    def splits(self) -> dict[str, list[Post]]:
        """Return the posts by the name of their split: train, validation, test, unlabelled."""
        return {"train": self.train, "validation": self.validation, "test": self.test, "unlabelled": self.unlabelled}


def build_dataset(
    pool: Pool,
    *,
    split: SplitSpec,
    selection: Selection = _EVERYTHING,
    classes: Sequence[str] = (),
    seed: int,
) -> Dataset:
    """Put the posts that `gather` found usable into splits; exact duplicates never stand in two splits.

    The selection is made first. Given test and validation posts stay as they are (their duplicates leave the other
    splits); a `random` split honours them too. Raises DataError for what cannot be selected, split or trained on.
    """
    known = _classes(pool, classes)
    select_posts(pool, selection, seed=seed)
    parts = choose_parts(pool, split, seed=seed)
    _check_parts(pool, parts)
    facts = _facts(pool, parts, known)
    for note in facts["notes"]:
        log.warning("%s", note)
    train, validation, test, unlabelled = ([pool.posts[row] for row in sorted(parts[name])] for name in SPLITS)
    return Dataset(train, validation, test, unlabelled, classes=known, facts=facts)


def list_events(posts: Mapping[str, Iterable[Post]]) -> list[str]:
    """Return the events of the labelled posts, sorted; each can be the `held_out` of an event split."""
    labelled = (post for role, found in posts.items() if role != "unlabelled" for post in found)
    return sorted({post.event for post in labelled if post.event is not None and post.label is not None})


def _classes(pool: Pool, classes: Sequence[str]) -> list[str]:
    labels = Counter(pool.labels(range(len(pool.posts))))
    if not labels:
        found = f"None of the {len(pool.posts):,} posts has a label" if pool.posts else "The source has no usable post"
        raise DataError(f"{found}, so there is nothing to learn. Check source.path and source.columns.label.")
    known = list(classes) or sorted(labels)
    if foreign := sorted(set(labels) - set(known)):
        named = ", ".join(f"{label!r} ({labels[label]:,} posts)" for label in foreign[:10])
        hint = did_you_mean(foreign[0], known)
        raise DataError(f"Not among the classes {', '.join(known)}: {named}.{hint} Set classes or source.labels.")
    if len(labels) < 2:
        label, count = labels.popitem()
        raise DataError(f"All {count:,} labelled posts carry the label {label!r}. Two classes are needed.")
    return known


def _check_parts(pool: Pool, parts: Mapping[str, Rows]) -> None:
    sizes = ", ".join(f"{name} {len(parts[name]):,}" for name in SPLITS)
    if not parts["test"]:
        together = "posts that repeat a text or a picture stay together"
        raise DataError(f"No post is left to test on ({sizes}). Add posts, or raise split.test; {together}.")
    if not parts["train"]:
        raise DataError(f"No post is left to train on ({sizes}). Add posts, or lower split.test and split.validation.")
    if len(labels := set(pool.labels(parts["train"]))) < 2:
        raise DataError(f"All posts that are left to train on carry the label {labels.pop()!r} ({sizes}). Add posts.")


def _facts(pool: Pool, parts: Mapping[str, Rows], classes: Sequence[str]) -> Facts:
    placed = {row: name for name in SPLITS for row in parts[name]}
    splits = [placed.get(row, LEFT_OUT) for row in range(len(pool.posts))]
    counts = {name: _counts(pool, parts[name], classes) for name in SPLITS}
    missing = {
        name: [label for label in classes if not counts[name]["classes"][label]] for name in SPLITS[:3] if parts[name]
    }
    facts: Facts = {
        "hash": pool.hash(),
        "splits": counts,
        "missing_classes": {name: labels for name, labels in missing.items() if labels},
        "duplicates": duplicate_facts(pool.posts, splits, pool.duplicates),
        "changes": [
            {"split": split, "what": what, "posts": len(ids), "ids": sorted(ids)[:LISTED]}
            for (split, what), ids in sorted(pool.changes.items())
        ],
    }
    return {**facts, "notes": _notes(facts)}


def _counts(pool: Pool, rows: Rows, classes: Sequence[str]) -> Facts:
    labels = Counter(pool.labels(rows))
    modalities = Counter(modality for row in rows for modality in pool.posts[row].modalities)
    return {
        "posts": len(rows),
        "classes": {label: labels[label] for label in classes} if labels else {},
        "modalities": {modality: modalities[modality] for modality in MODALITIES},
        "both": sum(len(pool.posts[row].modalities) == len(MODALITIES) for row in rows),
    }


def _notes(facts: Facts) -> list[str]:
    """Return what a person should know before training, one sentence each."""
    notes = [_change(change) for change in facts["changes"]]
    for name, labels in facts["missing_classes"].items():
        notes.append(f"The {name} split has no post of {', '.join(labels)}.")
    if not facts["splits"]["validation"]["posts"]:
        notes.append("There is no validation split: nothing is calibrated, and nothing stops early.")
    if groups := facts["duplicates"]["contradictory"]["groups"]:
        notes.append(f"{_groups(groups)} of equal posts carry different labels; see `siaga describe`.")
    near = sum(pair["near"] for pair in facts["duplicates"]["across"] if pair["splits"] == ["train", "test"])
    if near:
        notes.append(f"{_groups(near)} of near-equal posts stand in both train and test; they stay.")
    return notes


def _groups(count: int) -> str:
    return f"{count:,} group{'s' * (count != 1)}"


def _change(change: Facts) -> str:
    where = "" if change["split"] == "posts" else f" of {change['split']}"
    return f"{change['posts']:,} posts{where} {change['what']}."
