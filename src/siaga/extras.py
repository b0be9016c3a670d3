"""The optional libraries: imported at the door, with the one line to install them when absent."""

import warnings
from importlib import import_module
from typing import Any

from siaga.errors import MissingExtra


def require(module: str, *, extra: str) -> Any:  # Any: whatever the library is.
    """Import `module`, or raise MissingExtra naming the pip line that installs it.

    What a library deprecates of its own while it is imported is not for the user to mend, and not told.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.partition(".")[0] != module.partition(".")[0]:
            raise
        what = f"This needs {module}, which is not installed."
        raise MissingExtra(f"{what} Run: pip install 'siaga[{extra}]'") from None
