"""Real `siaga` processes that start at once: forked from one that has imported everything, so that many can be killed.

    python -m tests.zygote

reads from stdin lines of JSON, `{"arguments": [...], "log": FILE}`; for each it prints the number of the process that
it started, and its exit code (minus the signal that killed it) once it has ended. A third key, `prepare`, is a list
[module, function, arguments]: what the new process calls before it becomes `siaga`. Words behind the command are the
modules that are imported.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Self

Prepare = tuple[str, str, dict[str, object]]
HEAVY = (
    *("kornia.augmentation", "matplotlib.figure", "torch._dynamo"),
    *("siaga.models.net", "siaga.models.self_training", "siaga.models.fusion", "siaga.workflow"),
)


class Zygote:
    """A parent of processes, one at a time."""

    def __init__(self, folder: Path, *, modules: Sequence[str] = HEAVY) -> None:
        self._folder, self._count = folder, 0
        environment = {**os.environ, "SIAGA_LOG": "INFO"}
        self._parent = subprocess.Popen(
            [sys.executable, "-m", "tests.zygote", *modules],
            cwd=Path(__file__).parents[1],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._child = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.kill()
        self._parent.communicate()

    @property
    def child(self) -> int:
        """The number of the process that runs; 0 for none."""
        return self._child

    def start(self, *arguments: object, prepare: Prepare | None = None) -> None:
        """Start `siaga` with these arguments."""
        self._count += 1
        log = self._folder / f"{self._count}.log"
        assert self._parent.stdin is not None
        asked = {"arguments": [str(each) for each in arguments], "log": str(log), "prepare": prepare}
        self._parent.stdin.write(json.dumps(asked) + "\n")
        self._parent.stdin.flush()
        self._child = self._number()

    def send(self, signal_: signal.Signals) -> None:
        """Send a signal, even if the process has ended meanwhile: its parent still holds its number."""
        os.kill(self._child, signal_)

    def wait(self) -> tuple[int, str]:
        """Wait for the end; return the exit code, and what was written to stdout and stderr."""
        assert self._parent.stdin is not None
        self._parent.stdin.write("\n")
        self._parent.stdin.flush()
        code = self._number()
        self._child = 0
        return code, self.said()

    def said(self) -> str:
        """Return what the process wrote so far."""
        log = self._folder / f"{self._count}.log"
        return log.read_text() if log.exists() else ""

    def run(self, *arguments: object) -> tuple[int, str]:
        """Start `siaga`, and wait for its end."""
        self.start(*arguments)
        return self.wait()

    def kill(self) -> None:
        """Kill what runs, if something does."""
        if self._child:
            self.send(signal.SIGKILL)
            self.wait()

    def _number(self) -> int:
        assert self._parent.stdout is not None
        return int(self._parent.stdout.readline())


def _serve() -> None:
    for module in sys.argv[1:]:
        import_module(module)
    for line in sys.stdin:
        asked = json.loads(line)
        child = os.fork()
        if not child:
            _become_siaga(asked["arguments"], Path(asked["log"]), asked["prepare"])
        _say(child)
        sys.stdin.readline()
        _say(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    os._exit(0)  # There is nothing to clean up, and it would take a second.


def _become_siaga(arguments: list[str], log: Path, prepare: Prepare | None) -> None:
    from siaga.cli.main import main

    stream = os.open(log, os.O_WRONLY | os.O_CREAT)
    for descriptor in (1, 2):
        os.dup2(stream, descriptor)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    if prepare is not None:
        module, function, given = prepare
        getattr(import_module(module), function)(**given)
    sys.argv = ["siaga", *arguments]
    code = 0
    try:
        main()
    except SystemExit as done:
        code = done.code if isinstance(done.code, int) else int(done.code is not None)
    sys.stdout.flush()
    os._exit(code)


def _say(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    _serve()
