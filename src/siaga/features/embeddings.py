"""Pooled embeddings of posts by a frozen encoder, computed once: kept on disk by content and weights."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from siaga.errors import DataError, ImageError
from siaga.features.cache import Cache
from siaga.features.encoders import ImageReader, Reader, Row, StaticReader, TextReader, is_static
from siaga.features.images import content_hash, read_image
from siaga.features.text import clean_text
from siaga.features.weights import fingerprint
from siaga.post import Pixels, Post
from siaga.schema import Encoder

log = logging.getLogger(__name__)

_VERSION = 1  # To be raised when the same weights and settings come to give other rows.
_BATCHES_AT_ONCE = 8
_LOG_EVERY_S = 10.0


@dataclass(frozen=True)
class Embedded:
    """The rows of the posts that could be read.

    `rows` is (seen posts, width) float32, `seen` (n,) is true for each of its posts; `faults[i]` says why post i,
    which has an image, could not be read.
    """

    rows: NDArray[np.float32]
    seen: NDArray[np.bool_]
    faults: Mapping[int, str]


class Embeddings:
    """One encoder's embeddings; the encoder itself is loaded when the cache lacks a row, not before."""

    def __init__(self, spec: Encoder, folder: Path) -> None:
        self.folder = folder
        self._spec = spec
        self._static = spec.modality == "text" and is_static(folder)
        # Static embeddings are as fast as the cache would be.
        self._cache = None if self._static else Cache(fingerprint(folder, self._settings()))

    def embed(self, posts: Sequence[Post], *, progress: Callable[[Mapping[str, object]], None]) -> Embedded:
        """Return the embeddings of all posts that have this encoder's modality and can be read.

        Raises DataError when the encoder gives numbers that are not finite.
        """
        rows: dict[int, Row] = {}
        faults: dict[int, str] = {}
        pace = _Pace(len(posts), f"{self._spec.modality}s")
        for indices in self._chunks(len(posts)):
            for i, row in self._read(posts, indices).items():
                if isinstance(row, str):
                    faults[i] = row
                else:
                    rows[i] = row
            progress({"step": "embed", "done": indices.stop, "total": len(posts)})
            pace.tell(indices.stop)
        seen = np.array([i in rows for i in range(len(posts))], dtype=np.bool_)
        stacked = np.stack([rows[i] for i in sorted(rows)]) if rows else np.zeros((0, 0), dtype=np.float32)
        return Embedded(stacked, seen, faults)

    def _settings(self) -> dict[str, object]:
        own = ("image_size", "grey") if self._spec.modality == "image" else ("pooling", "max_tokens")
        return {"version": _VERSION, "modality": self._spec.modality} | {
            name: getattr(self._spec, name) for name in own
        }

    def _chunks(self, n_posts: int) -> Iterator[range]:
        size = self._spec.batch_size * _BATCHES_AT_ONCE
        return (range(start, min(start + size, n_posts)) for start in range(0, n_posts, size))

    def _read(self, posts: Sequence[Post], indices: range) -> dict[int, Row | str]:
        """Return a row, or why there is none, for each of these posts that has the modality."""
        answers: dict[int, Row | str] = {}
        contents: dict[int, bytes | Pixels] = {}
        for i in indices:
            try:
                content = self._content(posts[i])
            except ImageError as error:
                answers[i] = str(error)
            else:
                contents |= {i: content} if content else {}
        keys = {i: content_hash(content) for i, content in contents.items()}
        by_key = self._rows({keys[i]: content for i, content in contents.items()})
        return answers | {i: _named(by_key[key], posts[i]) for i, key in keys.items()}

    def _content(self, post: Post) -> bytes | Pixels | None:
        if self._spec.modality == "image":
            image = post.image
            return image if image is None or isinstance(image, Pixels) else read_image(image)
        return clean_text(post.text or "", self._spec.cleaning).encode("utf-8", errors="replace")

    def _rows(self, contents: Mapping[bytes, bytes | Pixels]) -> dict[bytes, Row | str]:
        """Return the rows of contents by key: from the cache, or computed and then put there."""
        known = self._cache.get(list(contents)) if self._cache else {}
        fresh = {key: content for key, content in contents.items() if key not in known}
        computed = dict(zip(fresh, self._reader.rows(list(fresh.values())), strict=True)) if fresh else {}
        good = {key: row for key, row in computed.items() if not isinstance(row, str)}
        if not all(np.isfinite(row).all() for row in good.values()):
            raise DataError(f"The encoder in {self.folder} gives numbers that are not finite. Restore its weights.")
        if self._cache:
            self._cache.put(good)
        return {**known, **computed}

    @cached_property
    def _reader(self) -> Reader:
        spec = self._spec
        if spec.modality == "image":
            return ImageReader(self.folder, image_size=spec.image_size, grey=spec.grey, batch_size=spec.batch_size)
        if self._static:
            return StaticReader(self.folder, max_tokens=spec.max_tokens)
        return TextReader(self.folder, pooling=spec.pooling, max_tokens=spec.max_tokens, batch_size=spec.batch_size)


def _named(row: Row | str, post: Post) -> Row | str:
    """Return a row as it is, and a reason with the name of the file that it is about."""
    if isinstance(row, str) and isinstance(post.image, Path):
        return row.replace("The image", str(post.image), 1)
    return row


class _Pace:
    """Logs how far a long embedding is, every ten seconds."""

    def __init__(self, total: int, what: str) -> None:
        self._total, self._what = total, what
        self._began = self._told = time.monotonic()

    def tell(self, done: int) -> None:
        now = time.monotonic()
        if now - self._told >= _LOG_EVERY_S:
            self._told = now
            rate = done / (now - self._began)
            log.info("embedding %s of %s %s, %.0f/s", f"{done:,}", f"{self._total:,}", self._what, rate)
