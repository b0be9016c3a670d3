"""Checkpoints of a fit: one safetensors file, whole or absent, with all that the next step depends on.

It holds the net, its average, the best weights so far, the optimizer, and a little JSON; no pickles. It is used only
for the very fit that wrote it: the same settings, seed, labels, ids and first weights.
"""

import json
import logging
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from importlib.metadata import version
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from siaga.files import sweep, write_whole
from siaga.models.classifier import Event, Progress

log = logging.getLogger(__name__)

Tensors = dict[str, Tensor]
_NAME = "fit.safetensors"


@dataclass
class State:
    """Where a fit stands, in JSON: `epoch` epochs are complete, and `step` batches of the next one.

    `told` are the events so far, which a resumed fit tells again.
    """

    epoch: int = 0
    step: int = 0
    learning_rate: float = 0.0
    precision: str = "float32"
    cut: float = 1.0
    stalled: int = 0
    best_loss: float | None = None
    waited: int = 0
    train_loss: float = 0.0
    seconds: float = 0.0
    waited_s: float = 0.0
    scaler: dict[str, Any] = field(default_factory=dict)  # Any: numbers, as torch's scaler gives them.
    told: list[Event] = field(default_factory=list)
    is_finished: bool = False


class Store:
    """The checkpoint of one fit in a folder, or nowhere."""

    def __init__(self, progress: Progress, fingerprint: str, *, is_writer: bool = True) -> None:
        self._path = progress.checkpoints / _NAME if progress.checkpoints else None
        self._every_s, self._fingerprint = progress.every_s, fingerprint
        self._is_writer = is_writer  # Of several processes, one.
        self._last = time.monotonic()
        if self._path is not None and is_writer:
            sweep(self._path.parent)

    def read(self) -> tuple[State, Tensors] | None:
        """Return what was written last, or None when there is nothing that belongs to this fit."""
        if self._path is None or not self._path.exists():
            return None
        try:
            with safe_open(self._path, framework="pt") as stored:
                facts = json.loads(stored.metadata()["siaga"])
                if facts.pop("fingerprint") != self._fingerprint:
                    log.warning("%s is of another fit and is not used.", self._path.name)
                    return None
                return State(**facts), {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 - no dictionary.
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            log.warning("The checkpoint %s cannot be read (%s); the fit begins anew.", self._path.name, error)
            return None

    @property
    def is_due(self) -> bool:
        """Whether there is a place for checkpoints, and the last one is long enough ago."""
        return self._path is not None and self._is_writer and time.monotonic() - self._last >= self._every_s

    def write(self, state: State, tensors: Mapping[str, Tensor]) -> None:
        """Write a checkpoint, if there is a place for it."""
        if self._path is None or not self._is_writer:
            return
        facts = json.dumps({**asdict(state), "fingerprint": self._fingerprint})
        plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
        with write_whole(self._path) as stream:
            stream.write(save(plain, metadata={"siaga": facts}))
        self._last = time.monotonic()


def fingerprint_of(module: nn.Module, settings: str, labels: Tensor, ids: object) -> str:
    """Return the hash of what a fit starts from, and of the programs that go on with it."""
    digest = sha256(f"{version('siaga')}\n{torch.__version__}\n{settings}\n{ids!r}\n".encode("utf-8", "surrogatepass"))
    digest.update(labels.numpy().tobytes())
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(
            name.encode() + tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
        )
    return digest.hexdigest()


def named(prefix: str, tensors: Mapping[str, Tensor]) -> Tensors:
    """Return tensors with a prefix before their names."""
    return {f"{prefix}/{name}": tensor for name, tensor in tensors.items()}


def unnamed(prefix: str, tensors: Mapping[str, Tensor]) -> Tensors:
    """Return the tensors whose names have the prefix, without it."""
    return {name.removeprefix(f"{prefix}/"): each for name, each in tensors.items() if name.startswith(f"{prefix}/")}


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> Tensors:
    """Return the state of an optimizer as tensors named by parameter and key."""
    state = optimizer.state_dict()["state"]
    return {f"{index}/{key}": torch.as_tensor(value) for index, own in state.items() for key, value in own.items()}


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put back what `optimizer_tensors` gave, laid out in memory as it was: rounding may depend on that."""
    parameters = [each for group in optimizer.param_groups for each in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        index, _, key = name.partition("/")
        like = parameters[int(index)]
        is_alike = key != "step" and tensor.shape == like.shape
        state.setdefault(int(index), {})[key] = torch.empty_like(like).copy_(tensor) if is_alike else tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
