"""What the demo says at its end, from the simulator's log and the journal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

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
    for line in (*_promises(promises, by), *_summary(report), *_baseline(report["baseline"])):
        screen.say(line)
    restored = all(field["restored"] or field["drift"] for field in report["baseline"])
    return restored and not report["jobs"]["killed_by_us"] and all(one.kept for one in promises)


def of_a_cluster(promises: list[dict[str, Any]], report: dict[str, Any]) -> Iterator[str]:
    """Return the verdict on what a real cluster's objects showed, and what they could not show."""
    judged = [one for one in _judged(promises) if one.checks]
    if not judged:
        yield "nothing was changed by a rollout: there is nothing to judge"
        return
    yield from _promises(judged, "promises, by the API server's own objects:")
    yield from _summary(report)
    yield from _baseline(report["baseline"])
    untried = (f"{one.number}. {one.text}: never put to the test" for one in _judged(promises) if not one.checks)
    yield from (f"not judged: {one}" for one in (*untried, *report["not_judged"]))


def _of_the_world(world: World) -> Iterator[Judged]:
    yield from _judged(world.get("/promises"))


def _judged(promises: list[dict[str, Any]]) -> Iterator[Judged]:
    for found in promises:
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


def _summary(report: dict[str, Any]) -> Iterator[str]:
    nodes, jobs = report["nodes"], report["jobs"]
    killed = jobs["killed_by_us"]
    yield f"nodes replaced: {nodes['replaced']}, still old: {nodes['old']}"
    yield f"Jobs killed: {len(killed)}{''.join(f', {job}' for job in killed)}; succeeded: {jobs['succeeded']}"
    versions = (f"{one['template']} version {one['version']} from {one['source']}" for one in report["versions"])
    yield f"template versions made: {', '.join(versions)}"


def _baseline(fields: list[dict[str, Any]]) -> Iterator[str]:
    yield f"baseline, {text.count(len(fields), 'field')} that the rollout changed:"
    for field in sorted(fields, key=lambda field: str(field["object"])):
        name = field["field"].removeprefix("metadata.annotations.")
        yield f"  {_state(field):<9}  {field['object']} {name}: {_value(field)}"


def _state(field: dict[str, Any]) -> str:
    if field["before"] == field["now"]:
        return "as it was"
    if field["restored"]:
        return "as meant"
    return "drift" if field["drift"] else "DIFFERS"


def _value(field: dict[str, Any]) -> str:
    if field["before"] == field["now"]:
        return _shown(field["now"])
    return f"{_shown(field['before'])} → {_shown(field['now'])}, {field['why']}"


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
