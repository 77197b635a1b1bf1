"""More time for Jobs, through the real command line: while it runs, after it halted, from another folder."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

from tests.e2e.conftest import Worlds
from tests.e2e.outlived import outlived
from tests.e2e.proving import broken
from tests.e2e.simulated import Result, Simulated, finish


def longer(world: Worlds, tmp_path: Path) -> Simulated:
    """The world of these tests."""
    return outlived(world, tmp_path, "60m")


def deadline(world: Simulated) -> datetime:
    """The drain deadline that `rollout status` tells programs."""
    told = json.loads(world.rollout("status", "--config", "rollout.yaml", "--json").out)["drain_deadline"]
    return datetime.fromisoformat(told)


def extend(world: Simulated, *more: str) -> Result:
    """Ask for 20 minutes more."""
    return world.rollout("extend", "--config", "rollout.yaml", "--by", "20m", *more)


def test_a_running_rollout_follows(world: Worlds, tmp_path: Path) -> None:
    """No Job is killed, every promise is kept, and the history and `status` say who asked and why."""
    simulated = longer(world, tmp_path)
    simulated.post(
        "/faults", {"match": {"operation": "TerminateInstanceInAutoScalingGroup"}, "hang": {"when": "before"}}
    )
    runner = simulated.spawn(*simulated.start_arguments)
    simulated.get("/hung")
    before = deadline(simulated)
    asked = extend(simulated, "--reason", "the last epoch")
    assert asked.code == 0, asked
    assert deadline(simulated) == before + timedelta(minutes=20)
    assert "asked for by" in simulated.rollout("status", "--config", "rollout.yaml").out
    assert "run by" in asked.out, asked
    simulated.release()
    ran = finish(runner)
    assert ran.code == 0, ran
    assert "the drain deadline is " in ran.out
    assert ": the last epoch" in ran.out
    assert broken(simulated) == {}
    assert simulated.get("/report")["jobs"]["killed_by_us"] == []
    assert simulated.rollout("audit", "verify", "--config", "rollout.yaml").code == 0


def test_a_halted_one_goes_on(world: Worlds, tmp_path: Path) -> None:
    """Halted at the deadline because its Jobs must not be killed: what is asked for then counts from then."""
    simulated = longer(world, tmp_path)
    configuration = simulated.directory / "rollout.yaml"
    configuration.write_text(
        configuration.read_text(encoding="utf-8") + "\ndrain: {on_deadline: halt}\n", encoding="utf-8"
    )
    halted = simulated.start()
    assert halted.code == 1, halted
    asked = extend(simulated)
    assert asked.code == 0, asked
    assert f"  next: rollout resume {halted.rollout_id} --config " in asked.out, asked
    resumed = simulated.resume()
    assert resumed.code == 0, resumed
    assert broken(simulated) == {}
    assert simulated.get("/report")["jobs"]["killed_by_us"] == []


def test_where_there_is_nothing_to_move(world: Worlds) -> None:
    """Before DRAIN, after the end, and without a time: what is true, and what to type."""
    simulated = world("proof-plain")
    simulated.post("/faults", {"match": {"operation": "SuspendProcesses"}, "hang": {"when": "before"}})
    runner = simulated.spawn(*simulated.start_arguments)
    simulated.get("/hung")
    early = extend(simulated)
    assert (early.code, early.out) == (2, ""), early
    assert "from the begin of DRAIN on, and nothing ends one before; no drain deadline was moved" in early.err
    assert " --by 20m" in early.err
    simulated.release()
    done = finish(runner)
    assert done.code == 0, done
    late = extend(simulated, done.rollout_id)
    assert (late.code, "has ended (DONE); no drain deadline was moved" in late.err) == (2, True), late
    assert simulated.rollout("extend", "--config", "rollout.yaml").code == 2
    assert extend(simulated).code == 2
