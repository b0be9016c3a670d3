"""What was read and what was answered, kept in one SQLite file or a PostgreSQL database.

Posts and predictions have keys, so what comes twice is kept once; what was made of some messages, and how far their
input was read, is kept in one transaction.
"""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from siaga.errors import StoreAway
from siaga.extras import require

if TYPE_CHECKING:
    from siaga.serving.store.store import Store

__all__ = ["StoreAway", "open_store"]


def open_store(
    url: str, *, must_exist: bool = False, wait_s: float = 5.0, clock: Callable[[], float] = time.time
) -> "Store":
    """Open a store for this process: a file (`mood.db`, `sqlite:///mood.db`) or `postgresql://user@host/database`.

    A store that is not there is made, unless it `must_exist`; one of an older version of Siaga is brought up to date.
    A call waits up to `wait_s` seconds while others write. Raises DataError for what is no store, cannot become one or
    was made by a newer version, and StoreAway for a server that cannot be reached.
    """
    require("sqlalchemy", extra="stream")
    from siaga.serving.store.store import opened

    return opened(url, must_exist=must_exist, wait_s=wait_s, clock=clock)
