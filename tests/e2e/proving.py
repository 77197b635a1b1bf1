"""What is asked after every end-to-end run: the promises, and what the tool applied."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

from rollout.demo import journal_promises
from rollout.journal import read_journal
from tests.e2e.simulated import Simulated

Applied = Counter[tuple[str, str, str, str]]


def broken(world: Simulated, database: str | None = None, since: int = 0) -> dict[int, list[str]]:
    """Return the violations of each promise that was not kept; a promise without a check is not kept.

    `database`: the journal's URL, if it is not the one that the simulator's configuration names. `since`: how many
    changes were in the log when the journal was rebuilt, which knows nothing of those.
    """
    found = {one["number"]: one["violations"] for one in world.get("/promises") if one["violations"]}
    journal = read_journal(database or world.database)
    rollouts = journal.summaries()
    changes = [one for one in world.get("/log?actor=client:") if one["seq"] > since]
    judged = [journal_promises.fenced(journal, changes), journal_promises.one_at_a_time(rollouts)]
    judged += [journal_promises.written_first(journal, one.id, changes) for one in rollouts]
    journal.close()
    return found | {one.number: [*one.violations] or ["0 checks"] for one in judged if not one.kept}


def is_proven(world: Simulated) -> None:
    """Assert every promise, that nothing planned in the world was missed, and that it ended as its scenario expects."""
    assert broken(world) == {}
    report = world.get("/report")
    assert report["missed"] == []
    assert report["nodes"]["old"] == 0
    assert report["nodes"]["replaced"] == report["expect"]["replaced"]
    assert len(report["jobs"]["killed_by_us"]) == report["expect"]["killed_jobs"]


def applied(world: Simulated, rollout_id: str) -> Applied:
    """Return what the tool changed, each as (object, field, before, after), with how often; no-ops are not logged.

    What differs between any two runs is made equal: the rollout's id, the moments that Kubernetes notes, under which
    epoch and from which journal the marker was written.
    """
    changes = [one for one in world.get("/log") if one["actor"].startswith("client:")]
    changes = [one for one in changes if one["field"] not in {"data.epoch", "data.journal"}]
    return Counter(
        (one["object"], one["field"], _value(one, "before", rollout_id), _value(one, "after", rollout_id))
        for one in changes
    )


def _value(change: dict[str, Any], side: str, rollout_id: str) -> str:
    text = json.dumps(change[side], sort_keys=True).replace(rollout_id, "ROLLOUT")
    text = re.sub(r'"(epoch|journal)\\":(\\".*?\\"|\w+)', r"\1", text)
    return re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "A MOMENT", text)


def end_state(world: Simulated, rollout_id: str) -> Any:
    """Return the simulator's report without what time alone decides, its lists in an order of their own."""
    report = json.loads(json.dumps(world.get("/report")).replace(rollout_id, "ROLLOUT"))
    report.pop("seconds")
    return {name: sorted(value, key=str) if isinstance(value, list) else value for name, value in report.items()}
