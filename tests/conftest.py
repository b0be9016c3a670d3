"""What every test needs: one thread a process, since the tests share the cores, and a cache of their own."""

import os
import tempfile

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["SIAGA_CACHE"] = tempfile.mkdtemp(prefix="siaga-cache-")
