"""What the demo says at its end, from the simulator's log and the journal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

from rollout.demo import journal_promises
from rollout.demo.journal_promises import Judged
from rollout.journal import read_journal

if TYPE_CHECKING:
    from rollout.demo.simulator_process import SimulatorProcess


def judged(world: SimulatorProcess, *, refused: bool) -> tuple[list[str], bool]:
    """Return what to print, and whether everything holds.

    `refused`: a second rollout was, while the first was active.
    """
    promises = sorted([*_of_the_world(world), *_of_the_journal(world, refused=refused)], key=lambda one: one.number)
    report = world.get("/report")
    restored = all(field["restored"] or field["drift"] for field in report["baseline"])
    holds = restored and not report["jobs"]["killed_by_us"] and all(one.kept for one in promises)
    return [*_promises(promises), *report["summary"]], holds


def _of_the_world(world: SimulatorProcess) -> Iterator[Judged]:
    for found in world.get("/promises"):
        yield Judged(found["number"], found["text"], found["checks"], tuple(found["violations"]))


def _of_the_journal(world: SimulatorProcess, *, refused: bool) -> Iterator[Judged]:
    changes = world.get("/log?actor=client:")
    with closing(read_journal(world.database)) as journal:
        rollouts = journal.summaries()
        yield journal_promises.fenced(journal, changes)
        yield journal_promises.one_at_a_time(rollouts, refused=refused)
        for one in rollouts:
            yield journal_promises.written_first(journal, one.id, changes)


def _promises(promises: list[Judged]) -> Iterator[str]:
    yield "promises, by the simulator's own log and the journal:"
    for one in promises:
        checks = "1 check" if one.checks == 1 else f"{one.checks} checks"
        yield f"  {'held' if one.kept else 'BROKEN':<6}  {checks:>10}  {one.number:>2}. {one.text}"
        yield from (f"            {violation}" for violation in one.violations[:5])
