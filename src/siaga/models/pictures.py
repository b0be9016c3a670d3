"""The pictures of posts as what a net reads: decoded at once where they are small, else when they are asked for."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from siaga.errors import ImageError
from siaga.features.images import pixels
from siaga.models.towers import Readings
from siaga.post import Post

IN_MEMORY = 600 << 20  # Bytes of decoded pictures; more are decoded again in every epoch.
_THREADS = 2
_CHUNK = 256  # Pictures that are decoded by one call of a thread.


def read_pictures(posts: Sequence[Post], *, side: int, grey: bool) -> Readings:
    """Decode the pictures of posts as (seen posts, channels, side, side) uint8: the centre square, resized.

    Each is decoded at least once, to find the faults.
    """
    channels = 1 if grey else 3
    present = [i for i, post in enumerate(posts) if post.image is not None]
    is_large = len(present) * channels * side * side > IN_MEMORY
    decoded: list[NDArray[np.uint8]] = []
    seen = np.zeros(len(posts), dtype=np.bool_)
    faults: dict[int, str] = {}
    with ThreadPoolExecutor(_THREADS) as pool:
        chunks = [present[start : start + _CHUNK] for start in range(0, len(present), _CHUNK)]
        for chunk, found in zip(chunks, pool.map(lambda rows: _decode(posts, rows, side, grey), chunks), strict=True):
            for i, fault in zip(chunk, found.faults, strict=True):
                seen[i] = fault is None
                faults |= {i: fault} if fault else {}
            decoded += [] if is_large else [found.pictures]
    if is_large:
        return Readings(_Undecoded([posts[i] for i in np.flatnonzero(seen).tolist()], side, grey), seen, faults)
    stacked = np.concatenate(decoded) if decoded else np.zeros((0, side, side, channels), dtype=np.uint8)
    return Readings(torch.from_numpy(stacked).permute(0, 3, 1, 2), seen, faults)


@dataclass(frozen=True)
class _Decoded:
    """The pictures that could be read, (readable rows, side, side, channels), and each row's fault, if it has one."""

    pictures: NDArray[np.uint8]
    faults: list[str | None]


def _decode(posts: Sequence[Post], rows: Sequence[int], side: int, grey: bool) -> _Decoded:
    read: list[NDArray[np.uint8]] = []
    faults: list[str | None] = []
    for i in rows:
        image = posts[i].image
        try:
            read += [] if image is None else [pixels(image, side, grey=grey)]
            faults.append(None)
        except ImageError as error:
            faults.append(str(error))
    shape = (0, side, side, 1 if grey else 3)
    return _Decoded(np.stack(read) if read else np.zeros(shape, dtype=np.uint8), faults)


class _Undecoded:
    """Pictures that were found readable, decoded when their rows are asked for."""

    def __init__(self, posts: Sequence[Post], side: int, grey: bool) -> None:
        self._posts, self._side, self._grey = posts, side, grey
        self._pool = ThreadPoolExecutor(_THREADS)

    def __len__(self) -> int:
        return len(self._posts)

    def __getitem__(self, rows: Tensor, /) -> Tensor:
        """Return (m, channels, side, side) uint8. Raises ImageError for a file that was changed meanwhile."""
        chosen = rows.tolist()
        parts = [part for part in (chosen[start::_THREADS] for start in range(_THREADS)) if part]
        found = self._pool.map(lambda part: _decode(self._posts, part, self._side, self._grey), parts)
        stacked = np.zeros((len(chosen), self._side, self._side, 1 if self._grey else 3), dtype=np.uint8)
        for start, decoded in enumerate(found):
            if fault := next((fault for fault in decoded.faults if fault), None):
                raise ImageError(f"{fault} It could be read before; leave the images alone while a net learns.")
            stacked[start::_THREADS] = decoded.pictures
        return torch.from_numpy(stacked).permute(0, 3, 1, 2)
