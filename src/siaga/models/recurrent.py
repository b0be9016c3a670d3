"""A recurrent net over words: embeddings, stacked LSTM or GRU layers over packed sequences, and pooling."""

from collections.abc import Sequence
from pathlib import Path
from typing import assert_never

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from siaga.errors import BundleError
from siaga.features.tokens import Vocabulary
from siaga.models.tokens import PADDING, cleaned_texts, read_texts
from siaga.models.towers import Readings
from siaga.post import Modality, Post
from siaga.schema.nets import Recurrent


class RecurrentTower:
    """Reads the words of texts by a vocabulary of the training posts; see `siaga.models.towers.Tower`."""

    modality: Modality = "text"

    def __init__(self, spec: Recurrent) -> None:
        self._spec = spec
        self._words = Vocabulary(min_posts=spec.min_posts, most=spec.max_words, max_tokens=spec.max_tokens)

    def prepare(self, posts: Sequence[Post]) -> None:
        """Learn the vocabulary."""
        self._words.learn([text for text in cleaned_texts(posts, self._spec.cleaning) if text])

    def read(self, posts: Sequence[Post]) -> Readings:
        """Return the words of the posts that have text."""
        return read_texts(posts, cleaning=self._spec.cleaning, numbers=self._words.numbers)

    def build(self, readings: Readings) -> tuple[nn.Module, int]:  # noqa: ARG002 - nothing depends on them.
        """Return layers with random weights."""
        return self.rebuild()

    def rebuild(self) -> tuple[nn.Module, int]:
        """Return layers with random weights."""
        layers = RecurrentLayers(self._spec, n_words=len(self._words))
        return layers, layers.width

    def save(self, folder: Path, layers: nn.Module) -> None:  # noqa: ARG002 - part of the protocol.
        """Write the vocabulary."""
        self._words.save(folder / "words.json")

    def load(self, folder: Path) -> None:
        """Read the vocabulary."""
        try:
            self._words.load(folder / "words.json")
        except (OSError, ValueError, TypeError) as error:
            raise BundleError(f"{folder / 'words.json'} is not a vocabulary: {error}. Copy it again.") from None


class RecurrentLayers(nn.Module):
    """Takes words (n, longest) int64, PADDING where a text has ended; gives features (n, width).

    What stands after a text's end is never read, so that the company of a post changes nothing (S. Hochreiter and
    J. Schmidhuber 1997; K. Cho et al. 2014).
    """

    def __init__(self, spec: Recurrent, *, n_words: int) -> None:
        super().__init__()
        self._pooling = spec.pooling
        self.width = spec.hidden * (2 if spec.bidirectional else 1)
        self.embedding = nn.Embedding(n_words, spec.embedding)
        kind = nn.LSTM if spec.cell == "lstm" else nn.GRU
        # One by one, as cuDNN drops between layers by a random state of its own, which no seed sets.
        self.cells = nn.ModuleList(
            kind(width, spec.hidden, bidirectional=spec.bidirectional, batch_first=True)
            for width in (spec.embedding, *[self.width] * (spec.layers - 1))
        )
        self.dropout = nn.Dropout(spec.dropout)

    def forward(self, words: Tensor) -> Tensor:
        """Return what is left of a text: the last state, or the mean or the maximum over its words."""
        return self.with_positions(words)[0]

    def with_positions(self, words: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return what is left of a text, and of each word; see `siaga.models.towers.Positioned`."""
        mask = words != PADDING
        embedded = self.dropout(self.embedding(words.clamp(min=0)))
        packed = pack_padded_sequence(embedded, mask.sum(1).cpu(), batch_first=True, enforce_sorted=False)
        with torch.autocast("cpu", enabled=False):  # Where an LSTM knows no half precision.
            output, state = self._through(packed)
        hidden, _ = pad_packed_sequence(output, batch_first=True, total_length=words.shape[1])
        if self._pooling == "last":
            last = state[0] if isinstance(state, tuple) else state  # Of an LSTM, without its cell state.
            features = torch.cat(list(last), dim=1)
        else:
            features = self._pooled(hidden, mask.unsqueeze(-1))
        return self.dropout(features), hidden, mask

    def layers_upwards(self) -> list[nn.Module]:
        """Return the embedding and each layer of cells."""
        return [self.embedding, *self.cells]

    def _through(self, words: PackedSequence) -> tuple[PackedSequence, Tensor | tuple[Tensor, Tensor]]:
        """Return what the uppermost layer gives of each word, and its last state in each direction."""
        output, state = self.cells[0](words)
        for layer in self.cells[1:]:
            output, state = layer(output._replace(data=self.dropout(output.data)))
        return output, state

    def _pooled(self, hidden: Tensor, mask: Tensor) -> Tensor:
        match self._pooling:
            case "mean":
                return hidden.mul(mask).sum(1) / mask.sum(1)
            case "max":
                return hidden.masked_fill(~mask, -torch.inf).amax(1)
            case "last":
                raise RuntimeError("the last state is not pooled")
            case _:
                assert_never(self._pooling)
