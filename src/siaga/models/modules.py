"""A torch module as a whole: its weights on disk as safetensors, whether they are finite, and its compiled form."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from siaga.errors import BundleError, DataError
from siaga.files import write_whole
from siaga.models.feed import Rows

Net = Callable[[Rows], Tensor]


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


def first_broken(module: nn.Module) -> str | None:
    """Return the name of the first weights that are not finite, if there are any."""
    return next((name for name, each in module.state_dict().items() if not each.isfinite().all()), None)


@contextmanager
def statistics_kept(module: nn.Module) -> Iterator[None]:
    """Leave the running statistics of batch norms as they are, whatever a module that learns is asked meanwhile."""
    norms = [each for each in module.modules() if isinstance(each, nn.modules.batchnorm._BatchNorm)]
    tracking = [each for each in norms if each.track_running_stats]
    try:
        for each in tracking:
            each.track_running_stats = False
        yield
    finally:
        for each in tracking:
            each.track_running_stats = True


def compiled(module: nn.Module) -> Net:
    """Return a net that is compiled when it is first asked, and then raises DataError where that cannot be done."""
    from torch._dynamo.exc import TorchDynamoException

    net: Net = torch.compile(module)

    def answer(inputs: Rows) -> Tensor:
        try:
            return net(inputs)
        except TorchDynamoException as error:
            reason = str(error).strip().split("\n", 1)[0]
            raise DataError(f"The net cannot be compiled: {reason}. Set model.training.compile = false.") from error

    return answer
