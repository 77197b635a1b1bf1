"""A worker on a clock of its own, and a scripted program in place of `rollout`."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rollout.fleet import store
from rollout.fleet.model import Fixed, Fleet, FleetPlan, Limits, Member, Request, StopWhen, Wave
from rollout.fleet.worker import Worker
from rollout.journal import SqlJournal
from rollout.journal.lease_row import Holder, Time, simulated_time

NOW = datetime(2026, 1, 5, 8, tzinfo=UTC)
ID = "january"

#: Notes that it ran, and ends with the next code of its member's script: 0 where there is none left.
PROGRAM = """#!/bin/sh
name="${7##*/}"
echo "$name" >> "$FOLDER/ran"
runs=$(grep -c "^$name$" "$FOLDER/ran")
code=$(sed -n "${runs}p" "$FOLDER/$name.codes" 2>/dev/null)
echo "what $name says"
[ "$code" = forever ] && exec sleep 1000
exit ${code:-0}
"""


class VirtualClock:
    """Stands still while something happens, and jumps to the end of a pause in which nothing does.

    `most`: seconds of a jump at most. Workers that share a clock jump by little: a claim must not end under a run.
    """

    def __init__(self, began: datetime = NOW, most: float = 86400.0 * 365) -> None:
        self._now = began
        self._most = timedelta(seconds=most)
        self._woken = threading.Event()

    def now(self) -> datetime:
        return self._now

    def readings(self) -> tuple[float, ...]:
        return ((self._now - NOW).total_seconds(),)

    def pause(self, until: datetime) -> None:
        if self._woken.wait(0.05):
            self._woken.clear()
            self._now += timedelta(seconds=0.1)
        else:
            self._now = max(self._now, min(until, self._now + self._most))

    def wake(self) -> None:
        self._woken.set()


def plan(*names: str, waves: int = 1, limits: Limits | None = None, stop_when: StopWhen | None = None) -> FleetPlan:
    """Members in so many waves, in turns."""
    members = (Fixed(name, 1 + n * waves // len(names), f"{name}.yaml", "ami-1", "eu") for n, name in enumerate(names))
    named = tuple(Wave(f"wave-{number}") for number in range(1, waves + 1))
    return FleetPlan(named, limits or Limits(10), stop_when or StopWhen(halted=1), tuple(members))


def begin(journal: SqlJournal, fixed: FleetPlan, time: Time | None = None) -> None:
    """Write a fleet."""
    with journal.database.writing() as connection:
        assert store.begin(connection, ID, fixed, "ops@desk", time or simulated_time(lambda: NOW))


def script(folder: Path, **codes: list[int | str]) -> list[str]:
    """Write the program, and the codes with which the runs of a member end; return how it is started."""
    program = folder / "program"
    program.write_text(PROGRAM.replace("$FOLDER", str(folder)), "utf-8")
    program.chmod(0o755)
    for name, each in codes.items():
        (folder / f"{name}.codes").write_text("\n".join(map(str, each)) + "\n", "utf-8")
    return [str(program)]


def ran(folder: Path) -> list[str]:
    """The members that the program ran for, in order."""
    return (folder / "ran").read_text("utf-8").split() if (folder / "ran").exists() else []


def worker(
    journal: SqlJournal,
    folder: Path,
    *,
    clock: VirtualClock | None = None,
    name: str = "one",
    slots: int = 2,
    stopping: Callable[[], bool] = lambda: False,
    say: Callable[[str], None] = lambda _line: None,
) -> Worker:
    """A worker whose members are run by the program."""
    on = clock or VirtualClock()
    return Worker(
        journal=journal,
        fleet_id=ID,
        folder=folder,
        slots=slots,
        holder=Holder("host", 7, name),
        actor=f"{name}@host",
        program=[str(folder / "program")],
        clock=on,
        stopping=stopping,
        say=say,
        time=simulated_time(on.now),
    )


def look(journal: SqlJournal) -> tuple[Fleet, dict[str, Member]]:
    """Where the fleet and its members stand."""
    with journal.database.reading() as connection:
        fleet, members, _ = store.load(connection, ID, simulated_time(lambda: NOW))
    return fleet, {one.name: one for one in members}


def told(journal: SqlJournal, kind: str = "") -> list[str]:
    """The texts of its events, of one kind if that is given."""
    with journal.database.reading() as connection:
        return [event.text for event in store.events(connection, ID) if kind in {"", event.kind}]


def ask(journal: SqlJournal, kind: str, member: str = "", wave: int = 0) -> None:
    """Ask for something."""
    with journal.database.writing() as connection:
        store.ask(connection, ID, Request(0, kind, "ops@desk", member, wave), simulated_time(lambda: NOW))
