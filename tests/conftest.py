"""What every test needs: one thread a process, since the tests share the cores, and a cache of their own."""

import os
import tempfile

from tests.browsers import browser
from tests.servers import postgres_server, redis_server
from tests.streaming_fixtures import either_store, postgres_store, sqlite_store, stream_zygote

__all__ = [  # Every test may ask for them.
    "browser",
    "either_store",
    "postgres_server",
    "postgres_store",
    "redis_server",
    "sqlite_store",
    "stream_zygote",
]

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["SIAGA_CACHE"] = tempfile.mkdtemp(prefix="siaga-cache-")
