"""The weights of a pretrained encoder: a local folder or a model of the hub, by allow-listed files only."""

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatchcase
from hashlib import sha256
from pathlib import Path

from siaga.errors import DataError
from siaga.extras import require
from siaga.files import file_sha256

# What transformers and model2vec read: JSON, text, safetensors and SentencePiece models; never a pickle, never code.
ALLOWED = (
    *("config.json", "*.safetensors", "*.safetensors.index.json", "modules.json"),
    *("tokenizer*.json", "special_tokens_map.json", "added_tokens.json", "vocab.json", "vocab.txt", "merges.txt"),
    *("*.model", "preprocessor_config.json", "processor_config.json"),
)
LOCAL = {"local_files_only": True, "trust_remote_code": False}  # For whatever transformers loads.


def find_weights(weights: str, *, download: bool = False) -> Path:
    """Return the folder of `weights`: itself if it is one, else the hub's model of that name from the local cache.

    A model that is not there is fetched only when `download` is true. Raises DataError saying what to do.
    """
    folder = Path(weights).expanduser()
    if folder.is_dir():
        if lack := _lacking(folder):
            raise DataError(f"{folder} holds no encoder: {lack} is missing. Set weights to a folder that has it.")
        return folder
    if not _is_hub_name(weights):
        raise DataError(f"The folder of weights {weights} does not exist. Set weights to a folder or a hub model.")
    return _from_hub(weights, download=download)


def weight_files(folder: Path) -> list[Path]:
    """Return the allow-listed files in `folder`, sorted by name."""
    return sorted(
        path for path in folder.iterdir() if path.is_file() and any(fnmatchcase(path.name, name) for name in ALLOWED)
    )


def fingerprint(folder: Path, settings: Mapping[str, object]) -> str:
    """Return the SHA-256 of the weight files' hashes and the settings that change what is computed."""
    content = {
        "files": {path.name: file_sha256(path) for path in weight_files(folder)},
        "settings": dict(settings),
    }
    return sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def copy_weights(source: Path, folder: Path) -> None:
    """Copy the allow-listed files, and nothing else, into the new `folder`."""
    folder.mkdir()
    for path in weight_files(source):
        shutil.copyfile(path, folder / path.name)


def read_config(folder: Path, name: str = "config.json") -> dict[str, object]:
    """Return a JSON object of the weights. Raises DataError when it is not there or not one."""
    try:
        config = json.loads((folder / name).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{folder / name} cannot be read ({error}). Restore the encoder's folder.") from None
    if not isinstance(config, dict):
        raise DataError(f"{folder / name} is not a JSON object. Restore the encoder's folder.")
    return config


@contextmanager
def loading(folder: Path) -> Iterator[None]:
    """Say of which folder a fault is."""
    from huggingface_hub.errors import StrictDataclassError  # Of a setting of the wrong type.
    from safetensors import SafetensorError

    plain = (OSError, ValueError, LookupError, TypeError, RuntimeError, ImportError)
    try:
        yield
    except (*plain, StrictDataclassError, SafetensorError) as error:
        reason = str(error).strip().split("\n", 1)[0]
        raise DataError(f"{folder} cannot be used as an encoder: {reason}. Set weights to another folder.") from error


@contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers from drawing bars and reports while it loads; leave its settings as they were."""
    from transformers.utils import logging as voice

    level, bars = voice.get_verbosity(), voice.is_progress_bar_enabled()
    voice.set_verbosity_error()
    voice.disable_progress_bar()
    try:
        yield
    finally:
        voice.set_verbosity(level)
        if bars:
            voice.enable_progress_bar()


def _lacking(folder: Path) -> str | None:
    if not (folder / "config.json").is_file():
        return "config.json"
    return None if any(folder.glob("*.safetensors")) else "*.safetensors"


def _is_hub_name(weights: str) -> bool:
    """`name` or `owner/name`, as the hub spells them."""
    return re.fullmatch(r"\w[\w.-]*(/\w[\w.-]*)?", weights, re.ASCII) is not None


def _from_hub(name: str, *, download: bool) -> Path:
    hub, errors = require("huggingface_hub", extra="deep"), require("huggingface_hub.errors", extra="deep")
    wanted = {"allow_patterns": list(ALLOWED), "ignore_patterns": ["*/*"]}
    try:
        folder = Path(hub.snapshot_download(name, local_files_only=True, **wanted))
        if not _lacking(folder):
            return folder
    except (errors.LocalEntryNotFoundError, errors.HFValidationError):
        pass
    if not download:
        what = f"The hub model {name!r} is not on this machine, and {name} is no folder."
        raise DataError(f"{what} Set weights to a local folder, or download = true to fetch it.")
    try:
        folder = Path(hub.snapshot_download(name, **wanted))
    except (OSError, ValueError) as error:  # What the hub and its HTTP client raise is of these kinds.
        raise DataError(
            f"The hub model {name!r} cannot be fetched ({error}). Check its name and the network."
        ) from None
    if lack := _lacking(folder):
        raise DataError(f"The hub model {name!r} has no {lack}. Choose a model that is stored as safetensors.")
    return folder
