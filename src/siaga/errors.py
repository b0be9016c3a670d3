"""What a user can fix: every message says what was found, where, and what to do."""

from collections.abc import Iterable
from difflib import get_close_matches


class SiagaError(Exception):
    """A fault that the user can mend; the command line prints it in one line and exits with 1."""


class RecipeError(SiagaError):
    """The recipe cannot be used; the message lists all of its faults."""


class DataError(SiagaError):
    """The data cannot be read or learned from."""


class ImageError(DataError):
    """An image cannot be decoded within the limits of `siaga.features.images`."""


class BundleError(SiagaError):
    """A bundle is incomplete, changed, or not one."""


class StoreAway(SiagaError):
    """A store cannot be reached or is busy for too long; the same call may succeed later."""


class MissingExtra(SiagaError):
    """A library that this choice needs is not installed."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return " Did you mean 'x'?" for the closest known name, or nothing."""
    close = get_close_matches(name, list(known), n=1)
    return f" Did you mean {close[0]!r}?" if close else ""
