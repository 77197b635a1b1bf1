"""Maintenance windows through the real command line: a begin that waits for one, and one that closes in mid-drain."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.e2e.conftest import Worlds
from tests.e2e.proving import broken
from tests.e2e.simulated import Simulated

#: The simulator's first moment is a Monday, 08:00 UTC.
_SCENARIO = """
base: proof-plain
description: a rollout that has maintenance windows
workloads:
  jobs:
    - {{name: epoch, namespace: demo, runtime: 240m, start: 0}}
    - {{name: report, namespace: demo, count: 3, runtime: 4m..5m, start: 0}}
settings: {{windows: {windows}}}
expect: {{drain_deadline: {drain}, max_duration: 300m, replaced: 4, killed_jobs: 1}}
"""


def moment(text: str) -> datetime:
    """A moment of the simulator's first day."""
    return datetime.fromisoformat(f"2026-01-05T{text}").replace(tzinfo=UTC)


def begun(world: Worlds, folder: Path, windows: list[str], drain: str) -> Simulated:
    """Begin a world with these windows, in which a Job runs for four hours."""
    scenario = folder / "windows.yaml"
    scenario.write_text(_SCENARIO.format(windows=json.dumps(windows), drain=drain), encoding="utf-8")
    return world(str(scenario))


def history(world: Simulated) -> list[dict[str, Any]]:
    """The rollout's events."""
    told = world.rollout("events", "--config", "rollout.yaml", "--json")
    return [json.loads(line) for line in told.out.splitlines()]


def at(event: dict[str, Any]) -> datetime:
    """When an event was written."""
    return datetime.fromisoformat(event["at"])


def test_a_begin_waits_for_its_window(world: Worlds, tmp_path: Path) -> None:
    """`plan` counts from the opening; nothing is changed before it; then it runs as any other."""
    simulated = begun(world, tmp_path, ["Mon 08:20-16:00 Europe/London"], "10m")
    planned = simulated.rollout("plan", "--config", "rollout.yaml", *simulated.start_arguments[3:])
    assert (planned.code, "it begins at 2026-01-05T08:20:00Z, in a maintenance window" in planned.out) == (0, True), (
        planned
    )
    ran = simulated.start()
    assert ran.code == 0, ran
    told = history(simulated)
    effects = [at(one) for one in told if one["kind"] == "effect"]
    assert moment("08:20:00") <= min(effects) < moment("08:21:00")
    assert broken(simulated) == {}


def test_it_closes_in_mid_drain(world: Worlds, tmp_path: Path) -> None:
    """`plan` refuses it; a Job past its deadline lives until 15 minutes after the next opening; nothing else begins."""
    simulated = begun(world, tmp_path, ["Mon 08:00-08:40 UTC", "Mon 09:10-16:00 UTC"], "40m")
    refused = simulated.rollout("plan", "--config", "rollout.yaml", *simulated.start_arguments[3:])
    assert (refused.code, "after its maintenance window closes (2026-01-05T08:40:00Z)" in refused.err) == (2, True), (
        refused
    )
    ran = simulated.start()
    assert ran.code == 0, ran
    told = json.loads(simulated.rollout("status", "--config", "rollout.yaml", "--json").out)
    assert told["drain_deadline"].startswith("2026-01-05T09:25:00")
    (killed,) = told["killed_jobs"]
    assert moment("09:25:00") <= datetime.fromisoformat(killed["at"]) < moment("09:27:00")
    effects = [at(one) for one in history(simulated) if one["kind"] == "effect"]
    assert [one for one in effects if moment("08:41:00") <= one < moment("09:10:00")] == []
    assert broken(simulated) == {}
