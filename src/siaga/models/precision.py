"""The precision of training: half where this device gains from it, measured once and kept in the cache."""

import json
import logging
import platform
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from hashlib import sha256

import torch
from torch import Tensor, nn

from siaga.features.cache import cache_root
from siaga.files import write_text

log = logging.getLogger(__name__)

WORTH = 1.15  # So much faster a precision must be, to be worth its rounding.
_DTYPES = {"float32": None, "bfloat16": torch.bfloat16, "float16": torch.float16}
_ROUNDS = 5


@dataclass(frozen=True)
class Choice:
    """A precision, how many times as fast as float32 it is here, and why it was chosen."""

    precision: str
    speedup: float
    reason: str


def autocast(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """Return a context in which a net computes in this precision; its weights stay float32."""
    dtype = _DTYPES[precision]
    return nullcontext() if dtype is None else torch.autocast(device.type, dtype=dtype)


def choose_precision(device: torch.device) -> Choice:
    """Return the fastest precision of a small convolutional net on this device, float32 unless it gains enough.

    The measurement is kept by device, torch and number of threads, so that a fit that is repeated is the same.
    """
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else _processor()
    key = sha256(f"{name} {torch.__version__} {torch.get_num_threads()}".encode()).hexdigest()[:16]
    path = cache_root() / f"precision-{key}.json"
    try:
        return Choice(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        choice = _measured(device)
    try:
        write_text(path, json.dumps(vars(choice)))
    except OSError as error:
        log.warning("%s cannot be written (%s); the precision will be measured again.", path, error)
    return choice


def _measured(device: torch.device) -> Choice:
    rivals = ["bfloat16", "float16"] if device.type == "cuda" else ["bfloat16"]
    seconds = {name: _seconds(name, device) for name in ("float32", *rivals)}
    best = min(rivals, key=lambda name: seconds[name])
    speedup = round(seconds["float32"] / seconds[best], 2)
    if speedup < WORTH:
        return Choice("float32", speedup, f"{best} is {speedup:.2f} times as fast here, which is not worth it")
    return Choice(best, speedup, f"{best} is {speedup:.2f} times as fast as float32 here")


def _seconds(precision: str, device: torch.device) -> float:
    """Return the seconds of one step of a small convolutional net: the fastest of a few rounds."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(0)
        layers = [nn.Conv2d(64, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(), nn.Conv2d(64, 64, 3, padding=1)]
        net = nn.Sequential(*layers, nn.BatchNorm2d(64), nn.ReLU()).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # Which torch's types lack.
        inputs = torch.rand(64, 64, 16, 16, device=device).contiguous(memory_format=torch.channels_last)
    return min(_step(net, inputs, precision, device) for _ in range(_ROUNDS + 1))


def _step(net: nn.Module, inputs: Tensor, precision: str, device: torch.device) -> float:
    began = time.perf_counter()
    with autocast(precision, device):
        loss = net(inputs).float().square().mean()
    loss.backward()
    net.zero_grad()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - began


def _processor() -> str:
    return f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()} {platform.node()}"
