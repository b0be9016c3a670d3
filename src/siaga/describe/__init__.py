"""The data doctor: what is in this data, split by split, and what is wrong with it."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

from siaga.describe.findings import findings
from siaga.describe.measures import Facts, charts, measure, verbatim
from siaga.describe.summary import summary
from siaga.errors import ImageError
from siaga.features.duplicates import duplicate_facts, find_duplicates, fingerprints
from siaga.files import write_text
from siaga.pages import data_url, render
from siaga.post import Post
from siaga.quarantine import Quarantine

_EXAMPLES = 3  # Of each class in each split.
_ALL_EXAMPLES = 120


@dataclass(frozen=True)
class Example:
    """A post to show. `image` is a small JPEG or PNG, or None where the post has none or it cannot be read."""

    split: str
    label: str | None
    id: str
    text: str | None
    image: bytes | None


@dataclass(frozen=True)
class Description:
    """What `describe` found; all of it but the examples is JSON. `findings` says what is wrong and what to do.

    `read` counts what the files held beside posts: `set aside` by reason, and `noted` by kind.
    """

    findings: list[str]
    splits: dict[str, Facts]
    charts: Facts
    duplicates: Facts
    examples: list[Example]
    read: Facts = field(default_factory=dict)

    @property
    def summary(self) -> list[str]:
        """What was counted, in a few lines of plain text."""
        return summary(self.splits, self.charts)

    def to_dict(self) -> dict[str, Any]:  # Any: JSON.
        """Return everything for JSON; an example's picture becomes whether there is one."""
        examples = [{**asdict(example), "image": example.image is not None} for example in self.examples]
        return {**asdict(self), "examples": examples}


def describe(
    posts: Mapping[str, Iterable[Post]], *, seed: int = 0, quarantine: Quarantine | None = None
) -> Description:
    """Describe posts by split (`posts`, or `train`, `validation`, `test`; and `unlabelled`) as a source gives them.

    Best before `build_dataset`, which leaves out some of what is to be found: copies across splits, broken images.
    `quarantine` is the one that the source filled while it was read, where that is to be told as well.
    """
    found = {name: list(given) for name, given in posts.items()}
    every = [post for given in found.values() for post in given]
    names = [name for name, given in found.items() for _ in given]
    prints = fingerprints(every)
    duplicates = find_duplicates(prints)
    splits: dict[str, Facts] = {}
    start = 0
    for name, given in found.items():
        rows = slice(start, start + len(given))
        groups = Counter(duplicates.exact[rows].tolist())
        splits[name] = {**measure(given, prints[rows]), "repeats": len(given) - len(groups)}
        start += len(given)
    facts = duplicate_facts(every, names, duplicates)
    for pair in facts["across"]:
        pair["verbatim"] = verbatim(*(found[name] for name in pair["splits"]))
    read = {} if quarantine is None else _read(quarantine)
    return Description(findings(splits, facts, read), splits, charts(found), facts, _examples(found, seed), read)


def write_page(description: Description, path: Path) -> None:
    """Write one self-contained HTML page."""
    write_text(path, render("describe.html", d=description, picture=data_url))


def _read(quarantine: Quarantine) -> Facts:
    counts = {"set aside": quarantine.counts, "noted": +quarantine.noted}
    return {name: dict(found.most_common()) for name, found in counts.items() if found}


def _examples(posts: Mapping[str, Sequence[Post]], seed: int) -> list[Example]:
    """Return some posts of each class and split; which ones depends on seed and ids, not on their order."""

    def rank(post: Post) -> tuple[bytes, str]:
        return blake2b(f"{seed}:{post.id}".encode("utf-8", "surrogatepass"), digest_size=8).digest(), post.id

    classes = sorted({(post.label is None, post.label or "") for given in posts.values() for post in given})
    count = max(1, min(_EXAMPLES, _ALL_EXAMPLES // max(1, len(classes) * len(posts))))
    return [
        Example(split, post.label, post.id, post.text, _thumbnail(post))
        for is_missing, label in classes
        for split, given in posts.items()
        for post in sorted((p for p in given if p.label == (None if is_missing else label)), key=rank)[:count]
    ]


def _thumbnail(post: Post) -> bytes | None:
    if post.image is None:
        return None
    from siaga.features.images import thumbnail

    try:
        return thumbnail(post.image)
    except ImageError:
        return None
