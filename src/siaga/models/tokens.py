"""Texts as what a net reads: rows of token numbers, padded to the longest of a batch and no further."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from siaga.features.text import clean_text
from siaga.models.towers import Readings
from siaga.post import Post
from siaga.schema.texts import Cleaning

PADDING = -1  # No token has this number, so that a row tells its own length.


class Tokens:
    """The tokens of n texts; `lengths` is (n,)."""

    def __init__(self, numbers: Sequence[Sequence[int]]) -> None:
        self.lengths = torch.tensor([len(row) for row in numbers], dtype=torch.int64)
        self._starts = torch.cumsum(self.lengths, 0) - self.lengths
        self._numbers = torch.tensor([number for row in numbers for number in row], dtype=torch.int64)

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, rows: Tensor, /) -> Tensor:
        """Return (m, longest) int64 of these rows, filled up with PADDING."""
        lengths = self.lengths[rows, None]
        columns = torch.arange(int(lengths.max()) if len(rows) else 0)
        places = self._starts[rows, None] + columns
        inside = columns < lengths
        return torch.where(inside, self._numbers[places.clamp(max=len(self._numbers) - 1)], PADDING)


def read_texts(
    posts: Sequence[Post], *, cleaning: Cleaning, numbers: Callable[[Sequence[str]], list[list[int]]]
) -> Readings:
    """Return the tokens of posts whose text, once cleaned, is not empty."""
    cleaned = cleaned_texts(posts, cleaning)
    seen = np.array([bool(text) for text in cleaned], dtype=np.bool_)
    return Readings(Tokens(numbers([text for text in cleaned if text])), seen, {})


def cleaned_texts(posts: Sequence[Post], cleaning: Cleaning) -> list[str]:
    """Return each post's cleaned text; empty where there is none."""
    texts = [clean_text(post.text, cleaning) if post.text is not None else "" for post in posts]
    return [text.encode(errors="replace").decode() for text in texts]  # A lone surrogate has no token.
