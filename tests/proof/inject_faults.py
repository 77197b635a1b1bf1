"""Request faults in a child, one for each effect: put in force where the effect's request is about to leave.

Which effects were disturbed is written down, with what the runner made of it: none is disturbed twice, in any
process, and a test can tell that none was missed.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from rollout.adapters import access, kube_api
from rollout.demo.simulator_process import SimulatorProcess
from rollout.engine import send
from rollout.errors import EdgeError
from rollout.model.effects import Effect

#: Seconds of real time after which an answer that does not come is given up: what hangs here hangs for good.
IMPATIENT = 0.5


@dataclass(frozen=True, slots=True)
class Disturbed:
    """An effect that was disturbed. `came`: what the port raised, "" if nothing."""

    kind: str
    key: str
    came: str


def install(
    path: str, faults: Sequence[dict[str, Any]], kinds: Sequence[str], once: Literal["key", "kind"], *, kill: bool
) -> None:
    """Disturb each effect of these kinds once, or the first of each, by the fault that fits its request.

    `kill`: die right after it. Without `faults` nothing is disturbed here, and `kill` still holds.
    """
    send.call = _Disturbing(Path(path), faults, kinds, once, kill=kill).around(send.call)


def impatient() -> None:
    """Wait for the answer to a mutating request for a moment only."""
    access._WRITE["read_timeout"] = IMPATIENT
    line = kube_api._Line

    def hurried(known: Any, client: Any, timeout: Any, fence: Any, silence: Any, *, mutating: bool) -> kube_api._Line:
        hasty = (timeout[0], IMPATIENT) if mutating else timeout
        return line(known, client, hasty, fence, silence, mutating=mutating)

    kube_api._Line = hurried  # type: ignore[assignment,misc]


def disturbed(path: Path) -> tuple[Disturbed, ...]:
    """Return what was disturbed so far."""
    return tuple(Disturbed(**json.loads(line)) for line in path.read_text().splitlines()) if path.exists() else ()


class _Disturbing:
    def __init__(
        self, path: Path, faults: Sequence[dict[str, Any]], kinds: Sequence[str], once: str, *, kill: bool
    ) -> None:
        self._path = path
        self._faults = faults
        self._kinds = kinds
        self._once = once
        self._kill = kill
        self._world = SimulatorProcess(Path.cwd())
        self._done = {getattr(one, once) for one in disturbed(path)}

    def around(self, call: Callable[..., str | None]) -> Callable[..., str | None]:
        def disturbing(effect: Effect, *ports: Any) -> str | None:
            if effect.kind not in self._kinds or getattr(effect, self._once) in self._done:
                return call(effect, *ports)
            came = ""
            self._begin()
            try:
                return call(effect, *ports)
            except EdgeError as error:
                came = type(error).__name__
                raise
            finally:
                self._end(effect, came)

        return disturbing

    def _begin(self) -> None:
        for fault in self._faults:
            self._world.post("/faults", fault)

    def _end(self, effect: Effect, came: str) -> None:
        if self._faults:
            self._world.delete("/faults")
            if not came:
                return  # it had nothing to send: the world was so already
        self._done.add(getattr(effect, self._once))
        with self._path.open("a") as file:
            file.write(json.dumps(asdict(Disturbed(effect.kind, effect.key, came))) + "\n")
        if self._kill:
            os.kill(os.getpid(), signal.SIGKILL)
