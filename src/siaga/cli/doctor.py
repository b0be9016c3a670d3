"""`siaga doctor`: what this machine has, and what is missing for what."""

import platform
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Annotated

import typer

_EXTRAS = {
    "deep": ("torch", "transformers", "safetensors", "tokenizers", "model2vec", "accelerate", "kornia"),
    "boost": ("catboost", "xgboost"),
    "search": ("optuna",),
    "tensorboard": ("tensorboard",),
    "mlflow": ("mlflow", "sqlalchemy", "alembic"),
}


def run(bundle: Annotated[str | None, typer.Argument(help="A bundle to verify as well.")] = None) -> None:
    """Say which parts of Siaga can run here, and how to install the others."""
    typer.echo(
        f"siaga {version('siaga')} on Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    )
    for extra, libraries in _EXTRAS.items():
        missing = [name for name in libraries if find_spec(name) is None]
        state = f"missing {', '.join(missing)}: pip install 'siaga[{extra}]'" if missing else _versions(libraries)
        typer.echo(f"[{extra}] {state}")
    typer.echo(f"device {_device()}")
    if bundle:
        from siaga.bundle import load_bundle

        loaded = load_bundle(bundle)
        typer.echo(f"bundle {loaded.version}: every byte as sealed; classes {', '.join(loaded.classes)}")


def _versions(libraries: tuple[str, ...]) -> str:
    found = []
    for name in libraries:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(name)
    return ", ".join(found)


def _device() -> str:
    if find_spec("torch") is None:
        return "cpu (torch is not installed)"
    import torch

    if torch.cuda.is_available():
        return f"cuda: {torch.cuda.get_device_name()}"
    return f"cpu, {torch.get_num_threads()} threads"
