"""A world in which a Job runs for 14 minutes, where the drain may last for 3."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.conftest import Worlds
from tests.e2e.simulated import Simulated

_SCENARIO = """
base: proof-plain
description: a Job outlives the drain deadline
workloads:
  jobs:
    - {{name: epoch, namespace: demo, runtime: 14m, start: 0}}
    - {{name: report, namespace: demo, count: 3, runtime: 4m..5m, start: 0}}
expect: {{drain_deadline: 3m, max_duration: {most}, replaced: 4}}
"""


def outlived(world: Worlds, folder: Path, most: str) -> Simulated:
    """Begin that world; `most`: how long the rollout may take, with all that people do in it."""
    scenario = folder / "longer.yaml"
    scenario.write_text(_SCENARIO.format(most=most), encoding="utf-8")
    return world(str(scenario))
