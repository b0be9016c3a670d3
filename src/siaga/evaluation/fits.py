"""What was heard of the fits: epochs by fit, learning-rate finder, precision, and a batch as the net saw it."""

import io
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from siaga.errors import ImageError

if TYPE_CHECKING:
    from PIL.Image import Image

Event = Mapping[str, Any]  # Any: a value of JSON, here and below.
AUGMENTED_BYTES, MOST_BYTES = 40_000, 5_000  # Of all pictures, and of one that is kept exactly.
SHOWN_SIDE = 88


def fit_name(event: Event) -> str:
    """Return the name of the fit that an event is of, as people read it: "image, round 1"."""
    whole = str(event.get("alternative") or "model")
    parts = [*([whole] if "alternative" in event else []), str(event.get("member") or whole)][-2:]
    parts = list(dict.fromkeys(parts))
    return ", ".join([*parts, *(f"{scope} {event[scope]}" for scope in ("round", "fold") if scope in event)])


def epochs_by_fit(events: Iterable[Event]) -> dict[str, list[Event]]:
    """Return the epochs of each fit by its name, in order; of an epoch that was told twice, the last telling."""
    fits: dict[str, dict[int, Event]] = {}
    for event in events:
        if event.get("step", "epoch") == "epoch" and isinstance(event.get("epoch"), int):
            fits.setdefault(fit_name(event), {})[event["epoch"]] = event
    return {name: [epochs[number] for number in sorted(epochs)] for name, epochs in fits.items()}


def best_epoch(epochs: Sequence[Event], key: str = "validation_loss", *, is_loss: bool = True) -> Event | None:
    """Return the epoch of the lowest `key`, or the highest where it is no loss; None where none has it."""
    told = [epoch for epoch in epochs if epoch.get(key) is not None]
    choose = min if is_loss else max
    return choose(told, key=lambda epoch: epoch[key]) if told else None


def duration(seconds: float) -> str:
    """Return seconds as people say them: "4.2 s", "45 s", "2 min 10 s", "1 h 5 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600:,} h {whole % 3600 // 60} min"


def heard_of_fits(events: Iterable[Event]) -> dict[str, Any]:
    """Return the report's `training`, `finder`, `precision` and `augmented`; cross-fitting is left out of all.

    Of the augmented batches the first is kept: its labels, and its pictures as WebP in base64, 40 kB in all at most.
    """
    kept = [event for event in events if "fold" not in event]
    batches = (event for event in kept if event.get("step") == "augmented")
    return {
        "training": [event for event in kept if event.get("step") == "epoch"],
        "finder": [event for event in kept if event.get("step") == "find"],
        "precision": [event for event in kept if event.get("step") == "precision"],
        "augmented": next((shown for batch in batches if (shown := _shown(batch))["images"]), {}),
    }


def _shown(batch: Event) -> dict[str, Any]:
    """Return an augmented batch with as many of its pictures as the page has room for."""
    images: list[str] = []
    labels: list[str] = []
    left = AUGMENTED_BYTES
    for image, label in zip(batch.get("images") or (), batch.get("labels") or (), strict=False):
        try:
            small = _small(b64decode(str(image)))
        except (ImageError, ValueError):
            continue
        left -= len(small) + len(str(label))
        if left < 0:
            break
        images.append(small)
        labels.append(str(label))
    return {"fit": fit_name(batch), "images": images, "labels": labels}


def _small(content: bytes) -> str:
    """Return a picture as WebP in base64: exact where it is small enough for many to be shown, else reduced."""
    from siaga.features.images import open_image

    picture = open_image(content)
    if max(picture.size) <= SHOWN_SIDE and len(exact := _webp(picture, lossless=True, quality=100)) <= MOST_BYTES:
        return exact
    picture.thumbnail((SHOWN_SIDE, SHOWN_SIDE))
    return _webp(picture, lossless=False, quality=70)


def _webp(picture: "Image", *, lossless: bool, quality: int) -> str:
    stream = io.BytesIO()
    picture.save(stream, "WEBP", lossless=lossless, quality=quality, method=6)
    return b64encode(stream.getvalue()).decode()
