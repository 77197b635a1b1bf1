"""The command line in children of a warm process: each is a process of its own, and none imports anything once more.

To import all that a rollout needs costs more than many a command does. That the installed command starts by itself is
tested where it is installed, by the demo, and by the plays of Jenkins and Kubernetes.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Self

from tests.proof.forkserver import Forkserver

#: Bytes that a child may print before anybody reads: more than any does.
_ROOM = 1 << 20
#: Seconds within which what was killed has ended.
_SOON = 30.0


_forkservers: list[Forkserver] = []


def _forkserver() -> Forkserver:
    """Return the warm process of this worker: it ends with us."""
    if not _forkservers or _forkservers[-1].closed:
        _forkservers.append(Forkserver())
        atexit.register(_forkservers[-1].close)
    return _forkservers[-1]


class Forked:
    """A running command, spoken to as to a `subprocess.Popen` with pipes for text; it reads nothing."""

    def __init__(self, arguments: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
        self.args = ["rollout", *arguments]
        self.returncode: int | None = None
        self.stdout, out = _pipe()
        self.stderr, err = _pipe()
        self.pid = _forkserver().fork(
            "tests.proof.child:installed",
            folder,
            (_path(out), _path(err)),
            environment,
            arguments=list(arguments),
        )
        os.close(out)
        os.close(err)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        with self.stdout, self.stderr:
            self.wait()

    def poll(self) -> int | None:
        """Return its exit code if it has ended."""
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has ended, and return its exit code."""
        began = time.monotonic()
        while self._ended(_SOON if timeout is None else timeout) is None:
            if timeout is not None and time.monotonic() >= began + timeout:
                raise subprocess.TimeoutExpired(self.args, timeout)
        assert self.returncode is not None
        return self.returncode

    def communicate(self, *, timeout: float | None = None) -> tuple[str, str]:
        """Wait until it has ended, and return what it printed that nobody has read yet."""
        self.wait(timeout)
        with self.stdout, self.stderr:
            return self.stdout.read(), self.stderr.read()

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Tell it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)

    def _ended(self, seconds: float) -> int | None:
        if self.returncode is None:
            self.returncode = _forkserver().wait(self.pid, seconds)
        return self.returncode


@contextmanager
def simulator(scenario: str, directory: Path, environment: Mapping[str, str]) -> Iterator[None]:
    """Run a simulator in a child inside the block, its files in `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    outputs = tuple(str(directory / f"simulator.{name}") for name in ("out", "err"))
    pid = _forkserver().fork(
        *("tests.proof.child:simulator", directory, (outputs[0], outputs[1]), environment),
        ready=True,
        scenario=scenario,
        directory=str(directory),
    )
    try:
        assert (directory / "endpoints.json").exists(), Path(outputs[1]).read_text()
        yield
    finally:
        os.kill(pid, signal.SIGKILL)
        _forkserver().wait(pid, _SOON)


def _pipe() -> tuple[IO[str], int]:
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, _ROOM)
    return os.fdopen(reading, encoding="utf-8"), writing


def _path(descriptor: int) -> str:
    """Return what another process opens to write into our pipe."""
    return f"/proc/{os.getpid()}/fd/{descriptor}"
