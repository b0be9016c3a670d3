"""A pretrained image encoder of transformers as the lower layers of a net that is fine-tuned."""

import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from siaga.errors import BundleError, DataError
from siaga.features.encoders import empty_encoder, image_settings, image_side, interpolation, load_encoder
from siaga.features.weights import find_weights, loading
from siaga.files import write_text
from siaga.models.pictures import read_pictures
from siaga.models.towers import Readings
from siaga.post import Modality, Post
from siaga.schema.nets import Encoder

_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))  # Mean and deviation of a channel, where none are named.


class ImageTower:
    """Reads pictures of the side that an encoder wants; see `siaga.models.towers.Tower`."""

    modality: Modality = "image"

    def __init__(self, spec: Encoder) -> None:
        self._spec = spec
        self._folder: Path | None = None
        self._side = 0

    def prepare(self, posts: Sequence[Post]) -> None:  # noqa: ARG002 - the encoder was trained on others.
        """Find the weights and their side. Raises DataError where there are none."""
        self._folder = find_weights(self._spec.weights, download=self._spec.download)
        self._side = image_side(self._folder, self._spec.image_size)

    def read(self, posts: Sequence[Post]) -> Readings:
        """Return the pictures that can be read."""
        return read_pictures(posts, side=self._side, grey=self._spec.grey)

    def build(self, readings: Readings) -> tuple[nn.Module, int]:  # noqa: ARG002 - nothing depends on them.
        """Return the pretrained encoder. Raises DataError where it does not read pictures of this side."""
        backbone = load_backbone(self._opened)
        return backbone, backbone.width(self._side)

    def rebuild(self) -> tuple[nn.Module, int]:
        """Return the encoder with weights that are still to be filled."""
        path = self._opened / "backbone.json"
        try:
            has_pooler = bool(json.loads(path.read_text(encoding="utf-8"))["has_pooler"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BundleError(f"{path} does not describe an encoder: {error}. Train or copy it again.") from None
        backbone = Backbone(empty_encoder(self._opened, "image"), has_pooler=has_pooler, scale=_IMAGENET)
        return backbone, backbone.width(self._side)

    def save(self, folder: Path, layers: nn.Module) -> None:
        """Write the encoder's configuration, whether its pooler is asked, and the side."""
        encoder: Any = layers.encoder  # Any: transformers has no types.
        write_text(folder / "config.json", encoder.config.to_json_string())
        write_text(folder / "backbone.json", json.dumps({"has_pooler": layers.has_pooler, "side": self._side}))

    def load(self, folder: Path) -> None:
        """Read what `save` wrote."""
        self._folder, path = folder, folder / "backbone.json"
        try:
            self._side = int(json.loads(path.read_text(encoding="utf-8"))["side"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BundleError(f"{path} does not describe an encoder: {error}. Train or copy it again.") from None

    @property
    def _opened(self) -> Path:
        if self._folder is None:
            raise RuntimeError("a tower is built after it was prepared or loaded")
        return self._folder


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
        return self.with_positions(pictures)[0]

    def with_positions(self, pictures: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return pooled features and those of each patch; see `siaga.models.towers.Positioned`."""
        plain = pictures.float() / 255 if pictures.dtype == torch.uint8 else pictures
        scaled = (plain.expand(-1, 3, -1, -1) - self.mean) / self.deviation
        inputs = scaled.contiguous(memory_format=torch.channels_last)
        output = self.encoder(pixel_values=inputs, **interpolation(self.encoder, pictures.shape[-1]))
        hidden: Tensor = output.last_hidden_state  # (n, positions, width) or (n, width, height, width).
        positions = hidden if hidden.ndim == 3 else hidden.flatten(2).transpose(1, 2)
        pooled = getattr(output, "pooler_output", None) if self.has_pooler else None
        features: Tensor = positions.mean(1) if pooled is None else pooled.flatten(1)
        return features, positions, torch.ones(positions.shape[:2], dtype=torch.bool, device=positions.device)

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
        return encoder_layers(self.encoder)


def load_backbone(folder: Path) -> Backbone:
    """Return the pretrained encoder in a folder, ready to learn. Raises DataError when it cannot be used."""
    encoder, has_pooler = load_encoder(folder, "image")
    config = image_settings(folder)
    scale = [config.get(name) or default for name, default in zip(("image_mean", "image_std"), _IMAGENET, strict=True)]
    with loading(folder):
        return Backbone(encoder, has_pooler=has_pooler, scale=scale)  # type: ignore[arg-type]  # JSON's numbers.


def encoder_layers(encoder: Any) -> list[nn.Module]:  # Any: as above.
    """Return an encoder's stem, each layer of its longest list of layers, and what comes after it."""
    path = _path_to_layers(encoder)
    lower: list[nn.Module] = []
    upper: list[nn.Module] = []
    for holder, inner in itertools.pairwise(path):
        children = list(holder.children())
        at = next(i for i, child in enumerate(children) if child is inner)
        lower += children[:at]
        upper = children[at + 1 :] + upper
    found = [*lower, *path[-1].children(), *upper] if len(path) > 1 else list(encoder.children())
    return [layer for layer in found if any(True for _ in layer.parameters())]


def _path_to_layers(encoder: nn.Module) -> list[nn.Module]:
    """Return the modules from the encoder down to its longest list of layers."""
    path = [encoder]
    longest = max((each for each in encoder.modules() if isinstance(each, nn.ModuleList)), key=len, default=encoder)
    while path[-1] is not longest:
        path.append(next(child for child in path[-1].children() if any(each is longest for each in child.modules())))
    return path
