"""What has come of a world so far, for people and for tests: nodes, Jobs, template versions, baseline, time."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from eks_simulator.judging import summary

if TYPE_CHECKING:
    from eks_simulator.judging.facts import Facts
    from eks_simulator.judging.promises import Judged
    from eks_simulator.world.pods import Object


def report(world: Judged) -> dict[str, Any]:
    """Return the summary as JSON. `seconds` is virtual, from the tool's first change to its last.

    `missed` are the scenario's events that could not happen, with the reason; `summary` has lines for people.
    """
    facts, promises = world.promised.facts, world.promised
    first, last = facts.first, facts.last
    found = {
        "scenario": world.scenario.name,
        "seconds": 0 if first is None or last is None else last - first,
        "nodes": _nodes(facts),
        "jobs": _jobs(world.store.list("jobs")) | {"killed_by_us": sorted(set(promises.jobs_live.killed))},
        "versions": [
            {"template": template, "version": number, "source": source}
            for (template, number), source in sorted(facts.versions.items())
        ],
        "baseline": sorted((asdict(one) for one in promises.baseline.baseline.differences()), key=_by_place),
        "missed": world.missed,
        "expect": world.scenario.expect.model_dump(),
    }
    return found | {"summary": list(summary.lines(found))}


def _by_place(field: dict[str, Any]) -> tuple[str, str]:
    """Sorted, since requests that are sent side by side are applied in any order."""
    return field["object"], field["field"]


def _nodes(facts: Facts) -> dict[str, int]:
    """Living instances by age; `replaced` are the old ones that are gone."""
    living = [one for group in facts.cloud.groups.values() for one in group.living]
    new = sum(map(facts.is_new, living))
    return {"old": len(living) - new, "new": new, "replaced": facts.replaced}


def _jobs(jobs: list[Object]) -> dict[str, Any]:
    states = [_state(job) for job in jobs]
    return {"total": len(jobs), **{state: states.count(state) for state in ("succeeded", "failed", "running")}}


def _state(job: Object) -> str:
    concluded = {one["type"] for one in job.get("status", {}).get("conditions", ()) if one["status"] == "True"}
    if "Complete" in concluded:
        return "succeeded"
    return "failed" if "Failed" in concluded else "running"
