"""A pretrained text encoder of transformers as the lower layers of a net that is fine-tuned."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from siaga.errors import DataError
from siaga.features.encoders import empty_encoder, is_static, load_encoder
from siaga.features.halves import text_features
from siaga.features.tokens import PretrainedTokenizer
from siaga.features.weights import find_weights, weight_files
from siaga.files import write_text
from siaga.models.backbone import encoder_layers
from siaga.models.tokens import PADDING, read_texts
from siaga.models.towers import Readings
from siaga.post import Modality, Post
from siaga.schema.nets import Encoder


class TextTower:
    """Reads texts by the encoder's own tokenizer; see `siaga.models.towers.Tower`."""

    modality: Modality = "text"

    def __init__(self, spec: Encoder) -> None:
        self._spec = spec
        self._folder: Path | None = None
        self._tokenizer: PretrainedTokenizer | None = None

    def prepare(self, posts: Sequence[Post]) -> None:  # noqa: ARG002 - the tokenizer is learned already.
        """Find the weights. Raises DataError where there are none that can be fine-tuned."""
        folder = find_weights(self._spec.weights, download=self._spec.download)
        if is_static(folder):
            raise DataError(f"{folder} holds static embeddings, which have no layers to tune. Set frozen = true.")
        self._open(folder)

    def read(self, posts: Sequence[Post]) -> Readings:
        """Return the tokens of the posts that have text."""
        return read_texts(posts, cleaning=self._spec.cleaning, numbers=self._numbers)

    def build(self, readings: Readings) -> tuple[nn.Module, int]:  # noqa: ARG002 - nothing depends on them.
        """Return the pretrained encoder."""
        return self._backbone(load_encoder(self._opened, "text")[0])

    def rebuild(self) -> tuple[nn.Module, int]:
        """Return the encoder with weights that are still to be filled."""
        return self._backbone(empty_encoder(self._opened, "text"))

    def save(self, folder: Path, layers: nn.Module) -> None:
        """Write the encoder's configuration and its tokenizer."""
        for path in weight_files(self._opened):
            if path.suffix != ".safetensors" and not path.name.endswith(".index.json"):
                shutil.copyfile(path, folder / path.name)
        encoder: Any = layers.encoder  # Any: transformers has no types.
        write_text(folder / "config.json", encoder.config.to_json_string())

    def load(self, folder: Path) -> None:
        """Read what `save` wrote."""
        self._open(folder)

    def _numbers(self, texts: Sequence[str]) -> list[list[int]]:
        """Return tokens; of a text in which the tokenizer finds none, that of padding."""
        return [row or [self._known.padding] for row in self._known.numbers(texts)]

    def _open(self, folder: Path) -> None:
        self._folder, self._tokenizer = folder, PretrainedTokenizer(folder, max_tokens=self._spec.max_tokens)

    def _backbone(self, encoder: Any) -> tuple[nn.Module, int]:  # Any: as above.
        backbone = TextBackbone(encoder, padding=self._known.padding, is_first=self._spec.pooling == "first")
        return backbone, backbone.width()

    @property
    def _known(self) -> PretrainedTokenizer:
        if self._tokenizer is None:
            raise RuntimeError("a tower reads after it was prepared or loaded")
        return self._tokenizer

    @property
    def _opened(self) -> Path:
        if self._folder is None:
            raise RuntimeError("a tower is built after it was prepared or loaded")
        return self._folder


class TextBackbone(nn.Module):
    """Takes tokens (n, longest) int64, PADDING where a text has ended; gives pooled features (n, width)."""

    def __init__(self, encoder: Any, *, padding: int, is_first: bool) -> None:  # Any: as above.
        super().__init__()
        self.encoder = encoder
        self._padding, self._is_first = padding, is_first
        if getattr(encoder, "pooler", None) is not None:  # It is never asked.
            self.encoder.pooler = None

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the mean over a text's tokens, its first token, or what half of a pair was trained to give."""
        return self.with_positions(tokens)[0]

    def with_positions(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return pooled features and those of each token; see `siaga.models.towers.Positioned`."""
        there = tokens != PADDING
        ids = tokens.masked_fill(~there, self._padding)
        features, hidden = text_features(self.encoder, ids, there, padding=self._padding, is_first=self._is_first)
        return features, hidden, there

    @torch.inference_mode()
    def width(self) -> int:
        """Return how many features it gives."""
        return int(self.eval()(torch.full((1, 1), self._padding)).shape[1])

    def layers_upwards(self) -> list[nn.Module]:
        """Return the embeddings, each layer, and what comes after them."""
        return encoder_layers(self.encoder)
