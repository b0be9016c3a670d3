"""All posts of a source, checked and sorted by content, before they are put into splits."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from json import dumps

from siaga.features.duplicates import Duplicates, Fingerprint, find_duplicates, fingerprints
from siaga.post import Post
from siaga.quarantine import Quarantine

ROLES = ("test", "validation", "train", "posts", "unlabelled")  # Of two posts with one id the first in here stays.


@dataclass(frozen=True)
class Pool:
    """Posts in rows; row by row their role in the source and their fingerprint, and the groups of duplicates.

    `changes` maps (split, what happened) to the ids of posts that were moved, changed or left out.
    """

    posts: list[Post]
    roles: list[str]
    prints: list[Fingerprint]
    duplicates: Duplicates
    changes: dict[tuple[str, str], list[str]] = field(default_factory=lambda: defaultdict(list))

    def rows(self, *roles: str) -> list[int]:
        """Return the rows of these roles, in ascending order."""
        return [row for row, role in enumerate(self.roles) if role in roles]

    def labels(self, rows: Iterable[int]) -> list[str]:
        """Return the labels of labelled rows."""
        return [label for row in rows if (label := self.posts[row].label) is not None]

    def note(self, split: str, what: str, rows: Iterable[int]) -> None:
        """Remember what happened to the posts of these rows."""
        if ids := [self.posts[row].id for row in rows]:
            self.changes[split, what].extend(ids)

    def hash(self) -> str:
        """Return the SHA-256 of all ids, texts, labels and pixels, in hexadecimal; blind to the order of the posts."""
        lines = (
            dumps([post.id, post.text, post.label, print_.pixels.hex() if print_.pixels else None])
            for post, print_ in zip(self.posts, self.prints, strict=True)
        )
        return sha256("\n".join(sorted(lines)).encode()).hexdigest()


def gather(posts: Mapping[str, Iterable[Post]], quarantine: Quarantine) -> Pool:
    """Return the usable posts, sorted by content and then id; the others go to `quarantine`.

    A post whose image cannot be decoded is kept without it. A post without a label is unlabelled, wherever it stood,
    and an unlabelled file's labels are not read.
    """
    found = _distinct(posts, quarantine)
    prints = fingerprints([post for _, post in found])
    usable = [
        (post, role, print_)
        for (role, whole), print_ in zip(found, prints, strict=True)
        if (post := _sound(whole, role, print_, quarantine)) is not None
    ]
    usable.sort(key=lambda entry: (entry[2].content, entry[0].id))
    pool = Pool(
        posts=[post for post, _, _ in usable],
        roles=[role for _, role, _ in usable],
        prints=[print_ for _, _, print_ in usable],
        duplicates=find_duplicates([print_ for _, _, print_ in usable]),
    )
    _sort_out_labels(pool)
    return pool


def _distinct(posts: Mapping[str, Iterable[Post]], quarantine: Quarantine) -> list[tuple[str, Post]]:
    owners: dict[str, str] = {}
    found = []
    for role in ROLES:
        for post in posts.get(role, ()):
            if post.id in owners:
                reason = f"Repeated id: {post.id[:80]!r} stands in {owners[post.id]} already; the first post stays."
                quarantine.add(role, 0, reason, post.text or "")
            else:
                owners[post.id] = role
                found.append((role, post))
    return found


def _sound(post: Post, role: str, print_: Fingerprint, quarantine: Quarantine) -> Post | None:
    if print_.fault is not None:
        quarantine.add(role, 0, f"Kept without image: post {post.id[:80]!r}. {print_.fault}")
        post = post.without_image()
    if not post.modalities:
        quarantine.add(role, 0, f"Neither text nor image: nothing can be learned from post {post.id[:80]!r}.")
        return None
    return post


def _sort_out_labels(pool: Pool) -> None:
    for role in ROLES:
        is_labelled = role != "unlabelled"
        odd = [row for row in pool.rows(role) if (pool.posts[row].label is not None) != is_labelled]
        if is_labelled:
            pool.note(role, "have no label and join the unlabelled posts", odd)
        else:
            pool.note(role, "carry a label that is not read, for the source calls them unlabelled", odd)
        for row in odd:
            pool.posts[row], pool.roles[row] = pool.posts[row].with_label(None), "unlabelled"
