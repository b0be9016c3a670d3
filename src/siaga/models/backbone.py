"""A pretrained image encoder of transformers as the lower layers of a net that is fine-tuned."""

import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from siaga.errors import BundleError, DataError
from siaga.features.encoders import empty_encoder, interpolation, load_encoder
from siaga.features.weights import read_config
from siaga.files import write_text

_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))  # Mean and deviation of a channel, where none are named.


class Backbone(nn.Module):
    """Takes pictures (n, 1 or 3, side, side), uint8 or float in 0…1; gives pooled features (n, width)."""

    def __init__(
        self, encoder: Any, *, has_pooler: bool, scale: Sequence[Sequence[float]]
    ) -> None:  # Any: transformers has no types.
        super().__init__()
        self.encoder = encoder
        self.has_pooler = has_pooler
        if not has_pooler:  # It would be carried along at random, never asked and never taught.
            self.encoder.pooler = None
        mean, deviation = torch.tensor(scale)
        self.mean: Tensor
        self.deviation: Tensor
        self.register_buffer("mean", mean.view(1, -1, 1, 1))
        self.register_buffer("deviation", deviation.view(1, -1, 1, 1))

    def forward(self, pictures: Tensor) -> Tensor:
        """Return the encoder's pooled output, or the mean over positions where its pooler was never trained."""
        plain = pictures.float() / 255 if pictures.dtype == torch.uint8 else pictures
        scaled = (plain.expand(-1, 3, -1, -1) - self.mean) / self.deviation
        inputs = scaled.contiguous(memory_format=torch.channels_last)
        output = self.encoder(pixel_values=inputs, **interpolation(self.encoder, pictures.shape[-1]))
        pooled = getattr(output, "pooler_output", None) if self.has_pooler else None
        if pooled is None:
            hidden = output.last_hidden_state  # (n, positions, width) or (n, width, height, width).
            pooled = hidden.mean(1) if hidden.ndim == 3 else hidden.mean((2, 3))
        features: Tensor = pooled.flatten(1)
        return features

    @torch.inference_mode()
    def width(self, side: int) -> int:
        """Return how many features it gives of a picture of this side. Raises DataError where it takes none."""
        try:
            return int(self.eval()(torch.zeros(1, 3, side, side)).shape[1])
        except (RuntimeError, ValueError) as error:
            reason = str(error).strip().split("\n", 1)[0]
            what = f"The encoder does not read pictures of {side} × {side} pixels: {reason}"
            raise DataError(f"{what}. Set model.image_size.") from error

    def layers_upwards(self) -> list[nn.Module]:
        """Return the stem, each layer of the longest list of layers, and what comes after it."""
        path = _path_to_layers(self.encoder)
        lower: list[nn.Module] = []
        upper: list[nn.Module] = []
        for holder, inner in itertools.pairwise(path):
            children = list(holder.children())
            at = next(i for i, child in enumerate(children) if child is inner)
            lower += children[:at]
            upper = children[at + 1 :] + upper
        found = [*lower, *path[-1].children(), *upper] if len(path) > 1 else list(self.encoder.children())
        return [layer for layer in found if any(True for _ in layer.parameters())]


class Tuned(nn.Module):
    """A backbone and a head."""

    def __init__(self, backbone: Backbone, head: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head

    def forward(self, pictures: Tensor) -> Tensor:
        """Return logits (n, classes)."""
        found: Tensor = self.head(self.backbone(pictures))
        return found

    def layers_upwards(self) -> list[nn.Module]:
        """Return the layers of the backbone, and the head."""
        return [*self.backbone.layers_upwards(), self.head]


def load_backbone(folder: Path) -> Backbone:
    """Return the pretrained encoder in a folder, ready to learn. Raises DataError when it cannot be used."""
    encoder, has_pooler = load_encoder(folder)
    config = read_config(folder, "preprocessor_config.json")
    scale = [config.get(name) or default for name, default in zip(("image_mean", "image_std"), _IMAGENET, strict=True)]
    return Backbone(encoder, has_pooler=has_pooler, scale=scale)  # type: ignore[arg-type]  # JSON's numbers.


def save_backbone(backbone: Backbone, folder: Path) -> None:
    """Write what is needed to build the backbone again, without its weights, into `folder`."""
    folder.mkdir()
    write_text(folder / "config.json", backbone.encoder.config.to_json_string())
    write_text(folder / "backbone.json", json.dumps({"has_pooler": backbone.has_pooler}))


def rebuild_backbone(folder: Path) -> Backbone:
    """Return what `save_backbone` described; its weights, mean and deviation are still to be loaded."""
    path = folder / "backbone.json"
    try:
        has_pooler = bool(json.loads(path.read_text(encoding="utf-8"))["has_pooler"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BundleError(f"{path} does not describe an encoder: {error}. Train or copy it again.") from None
    return Backbone(empty_encoder(folder), has_pooler=has_pooler, scale=_IMAGENET)


def _path_to_layers(encoder: nn.Module) -> list[nn.Module]:
    """Return the modules from the encoder down to its longest list of layers."""
    path = [encoder]
    longest = max((each for each in encoder.modules() if isinstance(each, nn.ModuleList)), key=len, default=encoder)
    while path[-1] is not longest:
        path.append(next(child for child in path[-1].children() if any(each is longest for each in child.modules())))
    return path
