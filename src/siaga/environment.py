"""What the figures of a run depend on besides its data: versions, and the machine in words."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version

_LIBRARIES = (
    *("numpy", "scikit-learn", "torch", "kornia", "transformers", "model2vec"),
    *("numba", "tomotopy"),
    *("catboost", "xgboost", "xgboost-cpu"),
)


def environment() -> dict[str, str]:
    """Return what the figures of a run depend on besides the data: versions, machine in words, cores."""
    versions = {name: found for name in ("siaga", *_LIBRARIES) if (found := _version(name))}
    machine = f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}"
    return {"python": platform.python_version(), **versions, "machine": machine}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
