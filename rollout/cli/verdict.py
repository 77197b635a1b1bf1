"""What the demo says at its end, from the simulator's log and the journal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

from rollout.cli import evidence, screen, text
from rollout.cli.evidence import Judged

if TYPE_CHECKING:
    from rollout.cli.world import World


def say(world: World, *, refused: bool) -> bool:
    """Print the verdict and return whether everything holds.

    `refused`: a second rollout was, while the first was active.
    """
    promises = sorted([*_of_the_world(world), *_of_the_journal(world, refused)], key=lambda one: one.number)
    report = world.get("/report")
    by = "promises, by the simulator's own log and the journal:"
    for line in (*_promises(promises, by), *report["summary"]):
        screen.say(line)
    restored = all(field["restored"] or field["drift"] for field in report["baseline"])
    return restored and not report["jobs"]["killed_by_us"] and all(one.kept for one in promises)


def _of_the_world(world: World) -> Iterator[Judged]:
    for found in world.get("/promises"):
        yield Judged(found["number"], found["text"], found["checks"], tuple(found["violations"]))


def _of_the_journal(world: World, refused: bool) -> Iterator[Judged]:  # noqa: FBT001  as `say` got it
    from rollout.journal import read_journal

    changes = world.get("/log?actor=client:")
    with closing(read_journal(world.database)) as journal:
        rollouts = journal.summaries()
        yield evidence.fenced(journal, changes)
        yield evidence.one_at_a_time(rollouts, refused=refused)
        for one in rollouts:
            yield evidence.written_first(journal, one.id, changes)


def _promises(promises: list[Judged], head: str) -> Iterator[str]:
    yield head
    for one in promises:
        checks = text.count(one.checks, "check")
        yield f"  {'held' if one.kept else 'BROKEN':<6}  {checks:>10}  {one.number:>2}. {one.text}"
        yield from (f"            {violation}" for violation in one.violations[:5])
