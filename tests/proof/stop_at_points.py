"""A child that goes as many points as it is told and then stops itself with SIGSTOP; and our end of it.

It never stops with a transaction open: a process that waits for that one's locks would wait in real time.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from tests.e2e.simulated import PATIENCE, Result
from tests.proof.crash_points import Trail, watch
from tests.proof.world import Child, ProofWorld

#: So many points that no run has them.
ALL = 1_000_000
# Seconds between two looks whether a child stands still.
_LOOK = 0.005


def install(trail: str, pace: str) -> None:
    """Go on only as far as the file `pace` says."""
    watch(_Paced(Path(trail), Path(pace)))


class _Paced(Trail):
    def __init__(self, trail: Path, pace: Path) -> None:
        super().__init__(trail, "", signal.SIGSTOP)
        self._pace = pace
        self._told, self._left = _read(pace)

    def reach(self, when: str, what: str, kind: str, name: str) -> None:
        super().reach(when, what, kind, name)
        with self._lock:
            self._left -= 1
            if self._left <= 0 and (when, what) != ("before", "commit"):
                self._stand_still()

    def _stand_still(self) -> None:
        os.kill(os.getpid(), signal.SIGSTOP)
        told = self._told
        while told == self._told:  # the signal is another thread's to take, and may strike a moment later
            time.sleep(_LOOK)
            told, self._left = _read(self._pace)
        self._told = told


def _read(pace: Path) -> tuple[int, int]:
    serial, points = pace.read_text().split()
    return int(serial), int(points)


class Paced:
    """One run of the command line that goes as far as it is told. `result`: how it ended, None while it lives."""

    def __init__(self, world: ProofWorld, name: str, points: int) -> None:
        self._world = world
        self._pace = world.directory / f"{name}.pace"
        self._serial = 0
        self._tell(points)
        trail = str(world.directory / f"{name}.points")
        self.child: Child = world.fork(
            world.start_arguments, ("tests.proof.stop_at_points:install", {"trail": trail, "pace": str(self._pace)})
        )
        self.result: Result | None = None
        self.rest()

    def go(self, points: int) -> None:
        """Go on for so many points; return when it stands still again, or has ended."""
        self.go_on(points)
        self.rest()

    def go_on(self, points: int) -> None:
        """Go on for so many points, and return at once."""
        self._tell(points)
        os.kill(self.child.pid, signal.SIGCONT)

    def rest(self) -> None:
        """Return when it stands still or has ended; then time does not wait for it."""
        for _ in range(int(PATIENCE / _LOOK)):
            code = self._world.forkserver.wait(self.child.pid, _LOOK)
            if code is not None:
                self.result = self.child.result(code)
                return
            if _state(self.child.pid) == "T":
                self._world.absent()
                return
        self.kill()
        raise AssertionError(f"neither stands still nor ends: {self.result}")

    def kill(self) -> None:
        """Kill it with SIGKILL."""
        os.kill(self.child.pid, signal.SIGKILL)
        self.result = self.child.finish()

    def _tell(self, points: int) -> None:
        self._serial += 1
        new = self._pace.with_suffix(".new")
        new.write_text(f"{self._serial} {points}")
        new.replace(self._pace)


def _state(pid: int) -> str:
    # Its name, in brackets, may hold anything: the state is the first letter after them (proc(5)).
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
