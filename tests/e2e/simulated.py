"""A simulated EKS in one process and the real command line in others: what every end-to-end test is made of."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from rollout.demo.simulator_process import SimulatorProcess, simulated
from tests.e2e import forked
from tests.e2e.forked import Forked
from tests.postgres import PASSWORD, Server

#: The command as it was installed, beside the interpreter that runs the tests.
ROLLOUT = Path(sys.executable).with_name("rollout")

#: A running command line.
Process = subprocess.Popen[str] | Forked

#: Seconds of real time after which a process that should have ended is taken for stuck.
PATIENCE = 100.0


@dataclass(frozen=True)
class Result:
    """How a run of the command line ended."""

    code: int
    out: str
    err: str

    @property
    def rollout_id(self) -> str:
        """The first line of the output."""
        return self.out.splitlines()[0]

    def __str__(self) -> str:
        return f"exit {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


class Simulated(SimulatorProcess):
    """A running simulator and the command line on it, with nothing of the tester's environment."""

    patience = PATIENCE

    def __init__(self, directory: Path, program: Path = ROLLOUT) -> None:
        super().__init__(directory)
        self.program = program

    def release(self) -> None:
        """Clear all request faults and let go what hangs."""
        self.delete("/faults")

    def spawn(self, *arguments: str) -> Process:
        """Start the command line and return at once; the one that is installed with us comes from a warm process."""
        if self.program == ROLLOUT:
            return Forked(arguments, self.directory, environment(self.directory, self.environment))
        return subprocess.Popen(
            [self.program, *arguments],
            env=environment(self.directory, self.environment),
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def rollout(self, *arguments: str) -> Result:
        """Run the command line to its end."""
        return finish(self.spawn(*arguments))

    @property
    def start_arguments(self) -> tuple[str, ...]:
        """The plain `rollout start` on this world."""
        return ("start", "--config", "rollout.yaml", "--ami", self.ami)

    def start(self, *more: str) -> Result:
        """Run `rollout start` to its end."""
        return self.rollout(*self.start_arguments, *more)

    def resume(self, *more: str) -> Result:
        """Run `rollout resume` to its end."""
        return self.rollout("resume", "--config", "rollout.yaml", *more)

    def kill_at(self, process: Process) -> Any:
        """Wait until a request hangs, kill the process with SIGKILL, let go; return the request that hung."""
        hung = self.get("/hung")
        process.send_signal(signal.SIGKILL)
        finish(process)
        self.release()
        return hung


def says(process: Process, text: str) -> None:
    """Wait until a process has printed a line with this text."""
    _printed(process, process.stdout, text)


def warned(process: Process, text: str) -> None:
    """Wait until a process has printed a line with this text to its error stream."""
    _printed(process, process.stderr, text)


def _printed(process: Process, stream: IO[str] | None, text: str) -> None:
    read = []
    for line in stream or ():
        if text in line:
            return
        read.append(line)
    raise AssertionError(f"it never said {text!r}\n{''.join(read)}\n{finish(process)}")


def empty_database(world: Simulated, postgres: Server) -> str:
    """Make a database whose password this world's processes find in ~/.pgpass; return its URL, without it."""
    name = f"rollout_{secrets.token_hex(4)}"
    postgres.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    passfile = world.directory / ".pgpass"
    passfile.touch(0o600)
    passfile.write_text(f"127.0.0.1:{postgres.port}:*:*:{PASSWORD}\n")
    return postgres.url(name, password=None)


def finish(process: Process) -> Result:
    """Wait for a process to end by itself; a stuck one is killed and shown."""
    try:
        out, err = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"stuck after {PATIENCE} s\n{Result(-9, out, err)}") from None
    return Result(process.wait(), out, err)


def environment(home: Path, more: Mapping[str, str]) -> dict[str, str]:
    """An environment with nothing of ours but what is given, and coverage's own where tests are measured."""
    kept = {name: os.environ[name] for name in os.environ if name.startswith("COVERAGE")}
    return {"PATH": os.defpath, "HOME": str(home), "LANG": "C.UTF-8", **kept, **more}


@contextmanager
def simulator(scenario: str, directory: Path, program: Path = ROLLOUT) -> Iterator[Simulated]:
    """Run a simulator in a process of its own inside the block."""
    around = environment(directory, {})
    warm = program == ROLLOUT
    with (
        forked.simulator(scenario, directory, around)
        if warm
        else simulated(directory, scenario, program=[program], environment=around)
    ):
        yield Simulated(directory, program)
