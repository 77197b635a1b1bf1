"""A worker in a process of its own, which may be killed at a transaction of its own."""

from __future__ import annotations

import itertools
import os
import signal
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import event

from rollout.journal import open_journal
from tests.fleet.virtual import NOW, VirtualClock, worker


def warm() -> None:
    """Load what a child needs: importing this module has."""


def run(of: dict[str, Any]) -> None:
    """Work to the end of the fleet, from `minutes` on; `kill`: at which event of a connection, and which one."""
    journal = open_journal(of["url"], actor="tester")
    if of["kill"]:
        what, number = of["kill"]
        count = itertools.count(1)

        def die(*_: object) -> None:
            if next(count) == number:
                os.kill(os.getpid(), signal.SIGKILL)

        event.listen(journal.database._engine, str(what), die)
    clock = VirtualClock(NOW + timedelta(minutes=of["minutes"]))
    code = worker(journal, Path(of["folder"]), clock=clock, name=of["name"]).run()
    journal.close()
    os._exit(code)
