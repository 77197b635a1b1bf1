"""A simulated world and a journal of its own, and the command line on them in children of a forkserver."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from rollout.adapters.clock import SimulatedClock
from tests.e2e.simulated import PATIENCE, Result, Simulated, environment
from tests.proof.cases import Case
from tests.proof.crash_points import Point, passed
from tests.proof.engines import Engine
from tests.proof.forkserver import Forkserver

#: A call that changes a child before the command line begins: (module:function, its keyword arguments).
Prepared = tuple[str, dict[str, Any]]


class ProofWorld(Simulated):
    """A running simulator, and the command line on it; `url`: its journal's.

    `kept`: whether its files are left behind, for a person who wants to look into them.
    """

    def __init__(self, directory: Path, forkserver: Forkserver, url: str) -> None:
        super().__init__(directory)
        self.forkserver = forkserver
        self.url = url
        self.kept = False
        self._runs = 0

    @property
    def database(self) -> str:
        return self.url

    @property
    def start_arguments(self) -> tuple[str, ...]:
        return (*super().start_arguments, "--database", self.url, "--key", "proof")

    def prepare(self, case: Case) -> None:
        """Change the scenario's world as the case says."""
        if case.fault:
            self.post("/faults", case.fault)
        if case.pool:
            configuration = self.directory / "rollout.yaml"
            one_by_one = configuration.read_text()
            assert "parallel: 1\n" in one_by_one
            configuration.write_text(one_by_one.replace("parallel: 1\n", ""))

    def fork(self, arguments: Sequence[str], *prepared: Prepared) -> Child:
        """Start the command line in a child, after the calls in `prepared`, and return at once."""
        self._runs += 1
        name = f"run-{self._runs}"
        around = environment(self.directory, self.environment)
        pid = self.forkserver.fork(
            "tests.proof.child:command", self.directory, name, around, arguments=list(arguments), prepared=prepared
        )
        return Child(self, pid, name)

    @property
    def abort_arguments(self) -> tuple[str, ...]:
        """The plain `rollout abort` on this world."""
        return ("abort", "--config", "rollout.yaml", "--database", self.url)

    def watched(self, at: str = "", number: int = signal.SIGKILL, arguments: Sequence[str] = ()) -> Child:
        """Start the command line in a child that writes down the points it passes, and stops itself at `at`.

        `arguments`: those of `rollout start` without any.
        """
        trail = str(self.directory / f"run-{self._runs + 1}.points")
        watching = {"path": trail, "at": at, "number": number}
        return self.fork(arguments or self.start_arguments, ("tests.proof.crash_points:install", watching))

    def absent(self) -> None:
        """Let time pass without those that are registered now, until they speak again."""
        for client in self.get("/clients"):
            self.post(f"/clients/{client}/absent")

    def pass_time(self, seconds: float) -> None:
        """Let simulated time pass, which stands still while nobody sleeps."""
        clock = SimulatedClock(self._control, "patience", "/j.db")
        clock.wait(clock.now() + timedelta(seconds=seconds))
        clock.close()


class Child:
    """One run of the command line in a process of its own."""

    def __init__(self, world: ProofWorld, pid: int, name: str) -> None:
        self._world = world
        self._name = name
        self.pid = pid

    def finish(self) -> Result:
        """Wait for it to end by itself, or at its point; one that is stuck is killed and shown."""
        code = self._world.forkserver.wait(self.pid, PATIENCE)
        if code is None:
            os.kill(self.pid, signal.SIGKILL)
            self._world.forkserver.wait(self.pid, PATIENCE)
            raise AssertionError(f"stuck after {PATIENCE} s\n{self.result(-signal.SIGKILL)}")
        return self.result(code)

    def said(self) -> str:
        """Return what it has printed so far."""
        return (self._world.directory / f"{self._name}.out").read_text()

    def points(self) -> tuple[Point, ...]:
        """Return the points that it has passed."""
        return passed(self._world.directory / f"{self._name}.points")

    def result(self, code: int) -> Result:
        """Return how it ended: its exit code, and what it said."""
        out, err = ((self._world.directory / f"{self._name}.{suffix}").read_text() for suffix in ("out", "err"))
        return Result(code, out, err)


@contextmanager
def proof_world(case: Case, engine: Engine, forkserver: Forkserver, folder: Path) -> Iterator[ProofWorld]:
    """Run a case's simulator inside the block, with an empty journal; one that fails leaves its files."""
    directory = folder / f"world-{secrets.token_hex(4)}"
    directory.mkdir()
    url = engine.journal(directory)
    pid = forkserver.fork(
        *("tests.proof.child:simulator", directory, "simulator", environment(directory, {})),
        ready=True,
        scenario=case.scenario,
        directory=str(directory),
    )
    try:
        world = ProofWorld(directory, forkserver, url)
        world.prepare(case)
        yield world
        if not world.kept:
            shutil.rmtree(directory)
    finally:
        os.kill(pid, signal.SIGKILL)
        forkserver.wait(pid, PATIENCE)
        engine.forget(url)
