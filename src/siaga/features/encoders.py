"""Pretrained encoders: encoded texts or images in, one float32 row each out, on the device that there is."""

from collections.abc import Sequence
from inspect import signature
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from siaga.errors import DataError, ImageError
from siaga.extras import require
from siaga.features.tokens import PretrainedTokenizer
from siaga.features.weights import LOCAL, loading, quiet, read_config
from siaga.post import Modality, Picture

Row = NDArray[np.float32]


class Reader(Protocol):
    """Turns contents (UTF-8 texts, or pictures) into rows; what cannot be read gives the reason instead."""

    def rows(self, contents: Sequence[Any]) -> list[Row | str]:  # Any: bytes of texts, or a picture; never both.
        """Return for each content a row, (width,) float32, or why it cannot be read."""
        ...


class StaticReader:
    """Static token embeddings in model2vec form: the mean of a text's tokens."""

    def __init__(self, folder: Path, *, max_tokens: int) -> None:
        model2vec = require("model2vec", extra="deep")
        with loading(folder):
            self._model = model2vec.StaticModel.from_pretrained(folder)
        self._max_tokens = max_tokens

    def rows(self, contents: Sequence[bytes]) -> list[Row | str]:
        """Return the rows of UTF-8 texts."""
        texts = [content.decode() for content in contents]
        if not texts:
            return []
        return list(
            self._model.encode(texts, max_length=self._max_tokens, use_multiprocessing=False).astype(np.float32)
        )


class TextReader:
    """A transformer over tokens; pooled by the mean over a text's tokens, or its first token."""

    def __init__(self, folder: Path, *, pooling: str, max_tokens: int, batch_size: int) -> None:
        self._tokenizer = PretrainedTokenizer(folder, max_tokens=max_tokens)
        self._model = _at_rest(load_encoder(folder, "text")[0])
        self._first = pooling == "first"
        self._batch_size = batch_size

    def rows(self, contents: Sequence[bytes]) -> list[Row | str]:
        """Return the rows of UTF-8 texts; texts of like length share a batch, padded to its longest."""
        if not contents:
            return []
        texts = [content.decode() for content in contents]
        tokens = self._tokenizer.numbers(texts)
        order = sorted(range(len(tokens)), key=lambda i: -len(tokens[i]))
        rows: dict[int, Row] = {}
        for start in range(0, len(order), self._batch_size):
            part = order[start : start + self._batch_size]
            rows |= zip(part, self._pooled([tokens[i] for i in part]), strict=True)
        return [rows[i] for i in range(len(contents))]

    def _pooled(self, tokens: Sequence[Sequence[int]]) -> Row:
        """Return (texts, width) of one batch, whose longest text comes first."""
        import torch

        from siaga.features.halves import text_features

        padding = self._tokenizer.padding
        ids = torch.full((len(tokens), max(len(tokens[0]), 1)), padding)
        there = torch.zeros_like(ids, dtype=torch.bool)
        for i, text in enumerate(tokens):
            ids[i, : len(text)] = torch.tensor(text)
            there[i, : len(text)] = True
        ids, there = ids.to(self._model.device), there.to(self._model.device)
        with torch.inference_mode():
            pooled, _ = text_features(self._model, ids, there, padding=padding, is_first=self._first)
        return np.asarray(pooled.cpu().numpy(), dtype=np.float32)


class ImageReader:
    """A vision transformer or a convolutional net, with its own preprocessing; pooled by its pooler or the mean."""

    def __init__(self, folder: Path, *, image_size: int | None, batch_size: int, grey: bool = False) -> None:
        transformers = require("transformers", extra="deep")
        import torch
        from PIL import Image

        sizes = _sizes(image_settings(folder), image_size)
        with loading(folder), quiet():
            load = transformers.AutoImageProcessor.from_pretrained
            self._processor = load(folder, backend="pil", **sizes, **LOCAL)
        model, self._has_pooler = load_encoder(folder, "image")
        self._model = _at_rest(model)
        self._model.to(memory_format=torch.channels_last)  # Twice as fast for a convolutional net on a CPU.
        self._batch_size, self._grey = batch_size, grey
        with loading(folder):  # What is wrong with its settings shows as soon as a picture is read.
            self._side = max(int(value) for value in dict(self._processor.size).values() if value)
            self._pooled(self._pixels(Image.new("RGB", (self._side, self._side)))[None])

    def rows(self, contents: Sequence[Picture]) -> list[Row | str]:
        """Return the rows of pictures; one is decoded and reduced at a time."""
        rows: list[Row | str] = []
        for start in range(0, len(contents), self._batch_size):
            read = [self._read(content) for content in contents[start : start + self._batch_size]]
            inputs = [pixels for pixels in read if not isinstance(pixels, str)]
            pooled = iter(self._pooled(np.stack(inputs)) if inputs else ())
            rows += [pixels if isinstance(pixels, str) else next(pooled) for pixels in read]
        return rows

    def _read(self, content: Picture) -> Row | str:
        from siaga.features.images import open_image

        try:
            image = open_image(content, side=self._side)
        except ImageError as error:
            return str(error)
        return self._pixels(image.convert("L").convert("RGB") if self._grey else image)

    def _pixels(self, image: Any) -> Row:  # Any: a Pillow image, which is imported where it is made.
        """Return (3, height, width) as the encoder wants them."""
        pixels: Row = self._processor(image, return_tensors="np")["pixel_values"][0]
        return pixels

    def _pooled(self, pixels: Row) -> Row:
        import torch

        with torch.inference_mode():
            inputs = torch.from_numpy(pixels).to(self._model.device, memory_format=torch.channels_last)
            output = self._model(pixel_values=inputs, **interpolation(self._model, inputs.shape[-1]))
            pooled = getattr(output, "pooler_output", None) if self._has_pooler else None
            if pooled is None:
                hidden = output.last_hidden_state  # (images, positions, width) or (images, width, height, width).
                pooled = hidden.mean(1) if hidden.ndim == 3 else hidden.mean((2, 3))
        return np.asarray(pooled.flatten(1).cpu().numpy(), dtype=np.float32)


def is_static(folder: Path) -> bool:
    """Whether the weights are static token embeddings in model2vec form: one table of that name."""
    path = folder / "model.safetensors"
    if not path.is_file():  # Many shards: no table of a few megabytes.
        return False
    safetensors = require("safetensors", extra="deep")
    with loading(folder), safetensors.safe_open(path, framework="np") as tensors:
        return "embeddings" in tensors.keys()  # noqa: SIM118 - not a dictionary.


def load_encoder(folder: Path, modality: Modality) -> tuple[Any, bool]:  # Any: transformers has no types.
    """Return an encoder in float32, and whether its pooler was trained (one that was not is filled at random).

    Of an encoder of pairs it is the half that reads this modality.

    Raises DataError when the folder's weights are not those of a model that transformers knows.
    """
    require("transformers", extra="deep")
    import torch
    from transformers import AutoModel

    with loading(folder), quiet(), torch.random.fork_rng():
        model, info = AutoModel.from_pretrained(
            folder, use_safetensors=True, dtype=torch.float32, output_loading_info=True, **LOCAL
        )
        missing = sorted(
            name for name in info["missing_keys"] if not name.endswith(("position_ids", "num_batches_tracked"))
        )
        if lack := [name for name in missing if "pooler" not in name]:
            raise ValueError(f"its weights lack {lack[0]}")
        return _half(model, modality), not missing


def empty_encoder(folder: Path, modality: Modality) -> Any:  # Any: as above.
    """Return the encoder that `config.json` in a folder describes, with weights that are still to be filled."""
    require("transformers", extra="deep")
    import torch
    from transformers import AutoConfig, AutoModel

    with loading(folder), quiet(), torch.random.fork_rng():
        model = AutoModel.from_config(AutoConfig.from_pretrained(folder, **LOCAL), dtype=torch.float32)
        return _half(model, modality)


def _half(model: Any, modality: Modality) -> Any:  # Any: as above.
    """Return a model as it is, or half of it, where it reads pairs. Raises ValueError where it reads something else."""
    from siaga.features.halves import Half, is_pair

    if not is_pair(model.config.to_dict()):
        read, wanted = model.main_input_name, {"text": "input_ids", "image": "pixel_values"}[modality]
        if read != wanted or model.config.is_encoder_decoder:
            raise ValueError(f"a {model.config.model_type} is no encoder of {modality}s alone")
        return model
    if lack := [name for name in ("text_model", "vision_model") if not hasattr(model, name)]:
        raise ValueError(f"it reads pairs of text and image, but has no {lack[0]}")
    return Half(model, modality)


def interpolation(encoder: Any, side: int) -> dict[str, bool]:  # Any: as above.
    """Return what an encoder must be told to read pictures of another side than its own, where that is known of it."""
    from siaga.features.halves import Half

    tower = encoder.tower if isinstance(encoder, Half) else encoder
    own = getattr(tower.config, "image_size", side)
    name = "interpolate_pos_encoding"
    return {name: True} if own != side and name in signature(tower.forward).parameters else {}


def image_side(folder: Path, image_size: int | None) -> int:
    """Return the side in pixels that an image encoder reads, unless `image_size` says another."""
    if image_size is not None:
        return image_size
    config = image_settings(folder)
    is_cropped = config.get("do_center_crop", True)
    for setting in ("crop_size", "size") if is_cropped else ("size",):
        value = config.get(setting)
        sides = [value] if isinstance(value, int) else list(value.values()) if isinstance(value, dict) else []
        if numbers := [int(side) for side in sides if isinstance(side, int) and side > 0]:
            return max(numbers)
    raise DataError(f"{folder} does not say how large its images are. Set model.image_size.")


def image_settings(folder: Path) -> dict[str, object]:
    """Return how an encoder's images are prepared, from its own file or from that of a processor of pairs."""
    name = "preprocessor_config.json"
    if (folder / name).is_file() or not (folder / "processor_config.json").is_file():
        return read_config(folder, name)
    inner = read_config(folder, "processor_config.json").get("image_processor")
    return dict(inner) if isinstance(inner, dict) else read_config(folder, name)


def _at_rest(model: Any) -> Any:  # Any: transformers has no types.
    """Return a model that only reads, on the device that there is."""
    import torch

    return model.eval().requires_grad_(requires_grad=False).to("cuda" if torch.cuda.is_available() else "cpu")


def _sizes(config: dict[str, object], side: int | None) -> dict[str, object]:
    """Return the settings that change an image processor's side, in the form that it uses."""
    if side is None:
        return {}
    size = config.get("size")
    short = isinstance(size, int) or (isinstance(size, dict) and "shortest_edge" in size)
    square = {"height": side, "width": side}
    crop = {"crop_size": square} if "crop_size" in config else {}
    return {"size": {"shortest_edge": side} if short else square, **crop}
