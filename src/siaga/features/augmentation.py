"""Augmentation of training batches with kornia: each picture is changed anew, on the device that it is on."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from siaga.extras import require
from siaga.schema.training import Augmentation

SHOWN = 16  # Pictures of a batch that is shown.


@dataclass(frozen=True)
class Mix:
    """Rows that were mixed with other rows of their batch: `partner` (n,) int64, and each one's own `share` (n,)."""

    partner: Tensor
    share: Tensor


class Augment:
    """Changes pictures as the settings say, by torch's own random state."""

    def __init__(self, settings: Augmentation) -> None:
        self._settings = settings
        self._changes: Any = None  # Any: kornia's types need its import.
        self._mixers: Any = None

    def __call__(self, pictures: Tensor) -> tuple[Tensor, Mix | None]:
        """Return changed pictures (n, channels, height, width), float32 in 0…1, and how they were mixed if they were.

        Takes uint8 in 0…255, or float32 in 0…1.
        """
        pictures = pictures.float() / 255 if pictures.dtype == torch.uint8 else pictures
        _, channels, height, width = pictures.shape
        if self._changes is None:
            self._changes = _changes(self._settings, channels=channels, height=height, width=width)
            self._mixers = _mixers()
        changed = self._changes(pictures).clamp(0, 1) if len(self._changes) else pictures
        return self._mixed(changed)

    def _mixed(self, pictures: Tensor) -> tuple[Tensor, Mix | None]:
        draw = float(torch.rand(()))
        if draw >= self._settings.cutmix + self._settings.mixup:
            return pictures, None
        name = "cutmix" if draw < self._settings.cutmix else "mixup"
        rows = torch.arange(len(pictures), device=pictures.device)
        mixed, found = self._mixers[name](pictures, rows)
        # A row of kornia's is the row itself, its partner, and a share: with CutMix its own, with MixUp the partner's.
        found = found.reshape(len(pictures), 3)
        return mixed, Mix(found[:, 1].long(), found[:, 2] if name == "cutmix" else 1 - found[:, 2])


def build_augmentation(settings: Augmentation) -> Augment | None:
    """Return what changes a batch, or None where the settings turn everything off. Raises MissingExtra."""
    if settings == Augmentation():
        return None
    require("kornia", extra="deep")
    return Augment(settings)


def shown_batch(pictures: Tensor, mix: Mix | None, labels: Tensor, names: Sequence[str]) -> dict[str, object]:
    """Return the first pictures of a batch as base64 PNG, with their labels, mixed ones as "cat .7 + dog .3"."""
    from PIL import Image

    images = []
    for picture in pictures[:SHOWN].float().cpu():
        values = (picture if picture.max() <= 1 else picture / 255).mul(255).round().to(torch.uint8)
        array = values.permute(1, 2, 0).numpy()
        stream = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(array if array.shape[2] == 3 else array[:, :, 0])).save(stream, "PNG")
        images.append(base64.b64encode(stream.getvalue()).decode())
    return {"step": "augmented", "images": images, "labels": _labels(len(images), mix, labels, names)}


def _labels(count: int, mix: Mix | None, labels: Tensor, names: Sequence[str]) -> list[str]:
    own = [_name(int(label), names) for label in labels[:count]]
    if mix is None:
        return own
    partners = [_name(int(labels[row]), names) for row in mix.partner[:count]]
    shares = mix.share[:count].tolist()
    return [
        a if a == b or share > 0.995 else f"{a} {share:.2f} + {b} {1 - share:.2f}"
        for a, b, share in zip(own, partners, shares, strict=True)
    ]


def _name(label: int, names: Sequence[str]) -> str:
    return names[label] if label < len(names) else str(label)


def _changes(settings: Augmentation, *, channels: int, height: int, width: int) -> Any:  # Any: as above.
    import kornia.augmentation as K  # noqa: N812 - its usual name.

    chosen: list[Any] = []
    if settings.crop:
        # A border is reflected, so it is narrower than the picture.
        padding = _border(settings.crop, width), _border(settings.crop, height)
        chosen.append(K.RandomCrop((height, width), padding=padding, padding_mode="reflect", p=1.0))
    if settings.flip:
        chosen.append(K.RandomHorizontalFlip(p=0.5))
    if settings.rotate or settings.shift or settings.zoom:
        shift = (settings.shift, settings.shift) if settings.shift else None
        zoom = (1 - settings.zoom, 1 + settings.zoom) if settings.zoom else None
        chosen.append(K.RandomAffine(settings.rotate, translate=shift, scale=zoom, padding_mode="border", p=1.0))
    if settings.warp:
        chosen.append(K.RandomPerspective(min(1.0, 2 * settings.warp), p=1.0))
    if settings.light:
        span = (1 - settings.light, 1 + settings.light)
        chosen += [K.RandomBrightness(span, p=1.0), K.RandomContrast(span, p=1.0)]
    if settings.colour and channels == 3:
        span = (1 - settings.colour, 1 + settings.colour)
        hue = settings.colour / 5
        chosen += [K.RandomSaturation(span, p=1.0), K.RandomHue((-hue, hue), p=1.0)]
    if settings.cutout:
        area = settings.cutout**2
        chosen.append(K.RandomErasing(scale=(area, area), ratio=(1.0, 1.0), value=0.5, p=1.0))
    return K.AugmentationSequential(*chosen, data_keys=["input"])


def _border(share: float, side: int) -> int:
    return min(max(1, round(share * side)), side - 1)


def _mixers() -> dict[str, Any]:  # Any: as above.
    import kornia.augmentation as K  # noqa: N812 - its usual name.

    keys = ["input", "class"]
    cutmix = K.RandomCutMixV2(p=1.0, data_keys=keys, use_correct_lambda=True)
    return {"cutmix": cutmix, "mixup": K.RandomMixUpV2(p=1.0, data_keys=keys)}
