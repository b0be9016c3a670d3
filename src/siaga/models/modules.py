"""A torch module's weights on disk, as safetensors."""

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import nn

from siaga.errors import BundleError
from siaga.files import write_whole


def save_module(path: Path, module: nn.Module) -> None:
    """Write a module's weights and buffers."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in module.state_dict().items()}
    with write_whole(path) as stream:
        stream.write(save(tensors))


def load_module(path: Path, module: nn.Module) -> None:
    """Fill a module of the same shape, and make it ready to answer. Raises BundleError when they do not match."""
    try:
        module.load_state_dict(load(path.read_bytes()))
    except (OSError, SafetensorError, RuntimeError) as error:
        reason = str(error).strip().split("\n", 1)[0]
        raise BundleError(
            f"{path} does not hold the weights of this model: {reason}. Train or copy it again."
        ) from None
    module.eval()
