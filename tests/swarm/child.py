"""How a run of the command line differs in the swarm: it waits for nothing in real time, but for its operator."""

from __future__ import annotations

import gc
import time
from pathlib import Path
from types import SimpleNamespace

import botocore.endpoint
import urllib3.util.retry

from tests.proof import crash_points, journal_faults  # noqa: F401  loaded while the forkserver warms up
from tests.proof.crash_points import Trail, watch

#: Seconds of real time between two looks whether the operator has typed.
_LOOK = 0.005


def hurried() -> None:
    """Collect no garbage; ask again at once where a client of AWS or Kubernetes would sleep by this machine's clock."""
    gc.disable()
    at_once = SimpleNamespace(sleep=lambda _seconds: None)
    botocore.endpoint.time = at_once
    vars(urllib3.util.retry)["time"] = at_once


def operated(path: str, at: int, door: str) -> None:
    """Let the operator type something at a point. The file `door` exists from then on, until it has been typed.

    No simulated time passes before that.
    """
    watch(_Operated(Path(path), at, Path(door)))


class _Operated(Trail):
    def __init__(self, path: Path, at: int, door: Path) -> None:
        super().__init__(path, "", 0)
        self._at, self._door, self._waited = at, door, False

    def reach(self, when: str, what: str, kind: str, name: str) -> None:
        super().reach(when, what, kind, name)
        with self._lock:  # with a transaction open the operator's command would wait for its locks
            waits = not self._waited and self._passed >= self._at and (when, what) != ("before", "commit")
            self._waited = self._waited or waits
        if waits:
            self._door.touch()
            while self._door.exists():
                time.sleep(_LOOK)
