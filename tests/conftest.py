"""What every test needs: one thread a process, since the tests share the cores, and a cache of their own."""

import os
import tempfile

from tests.servers import postgres_server, redis_server

__all__ = ["postgres_server", "redis_server"]  # Every test may ask for them.

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["SIAGA_CACHE"] = tempfile.mkdtemp(prefix="siaga-cache-")
