"""Encoders of pairs (CLIP, SigLIP): one of their two towers, and the features that any text encoder gives of tokens."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from siaga.post import Modality


class Half(nn.Module):
    """The text tower or the image tower of an encoder of pairs, with its projection into the space of both.

    It is called as the tower is. `config` is that of the pair; `padded_to` is the length to which its texts were
    padded when it was trained, where the padding is read as well.
    """

    def __init__(self, pair: Any, modality: Modality) -> None:  # Any: transformers has no types.
        super().__init__()
        self.config = pair.config
        self.tower = pair.text_model if modality == "text" else pair.vision_model
        projection = getattr(pair, "text_projection" if modality == "text" else "visual_projection", None)
        self.projection = projection if isinstance(projection, nn.Module) else nn.Identity()
        reads_padding = modality == "text" and str(pair.config.model_type).startswith("siglip")
        self.padded_to = int(self.tower.config.max_position_embeddings) if reads_padding else None

    @property
    def device(self) -> torch.device:
        """The device that it is on."""
        return next(self.parameters()).device

    def forward(self, **inputs: Any) -> SimpleNamespace:  # Any: as above.
        """Return `last_hidden_state`, (n, positions, width), and `pooler_output`, (n, width of the projection)."""
        output = self.tower(**inputs)
        pooled = output.pooler_output
        projected = None if pooled is None else self.projection(pooled)
        return SimpleNamespace(last_hidden_state=output.last_hidden_state, pooler_output=projected)


def is_pair(config: Mapping[str, object]) -> bool:
    """Whether a `config.json` is that of an encoder of pairs."""
    return all(isinstance(config.get(name), dict) for name in ("text_config", "vision_config"))


def text_features(
    encoder: Any,  # Any: as above.
    tokens: Tensor,
    there: Tensor,
    *,
    padding: int,
    is_first: bool,
) -> tuple[Tensor, Tensor]:
    """Return pooled features, (n, width), and those of each token, (n, longest, another width).

    `tokens` (n, longest) int64 are `padding` where there is none; `there` is (n, longest), boolean. Half of a pair
    pools as it was trained to; of any other encoder it is the mean over a text's tokens, or the first.
    """
    longest = tokens.shape[1]
    if isinstance(encoder, Half) and encoder.padded_to:
        whole = nn.functional.pad(tokens, (0, max(0, encoder.padded_to - longest)), value=padding)
        output = encoder(input_ids=whole)
        return output.pooler_output, output.last_hidden_state[:, :longest]
    output = encoder(input_ids=tokens, attention_mask=there.long())
    hidden: Tensor = output.last_hidden_state
    if isinstance(encoder, Half):
        return output.pooler_output, hidden
    if is_first:
        return hidden[:, 0], hidden
    weights = there.unsqueeze(-1).to(hidden.dtype)
    return (hidden * weights).sum(1) / weights.sum(1).clamp(min=1), hidden
