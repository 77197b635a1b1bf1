"""One node that somebody skips, or forces, through the real command line: while it runs, after a crash, halted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.e2e.conftest import Worlds
from tests.e2e.outlived import outlived
from tests.e2e.proving import broken
from tests.e2e.simulated import Process, Result, Simulated, finish


def longer(world: Worlds, tmp_path: Path) -> Simulated:
    """The world of those tests in which a Job outlives the drain."""
    return outlived(world, tmp_path, "240m")


def command(world: Simulated, verb: str, *more: str) -> Result:
    """Type a command on this world."""
    return world.rollout(verb, "--config", "rollout.yaml", *more)


def told(world: Simulated) -> dict[str, Any]:
    """What `rollout status` says to programs."""
    found: dict[str, Any] = json.loads(command(world, "status", "--json").out)
    return found


def in_drain(world: Simulated) -> Process:
    """Start a rollout, and return when its first terminate hangs before it is applied."""
    world.post("/faults", {"match": {"operation": "TerminateInstanceInAutoScalingGroup"}, "hang": {"when": "before"}})
    runner = world.spawn(*world.start_arguments)
    world.get("/hung")
    return runner


def with_the_job(world: Simulated) -> dict[str, Any]:
    """The node that waits for the long Job."""
    return next(one for one in told(world)["nodes"] if "pod demo/epoch" in one["waits_for"])


def test_a_node_is_skipped_in_mid_run(world: Worlds, tmp_path: Path) -> None:
    """It stays, open to pods, with its Job; the rollout ends and says so, and a later one replaces it."""
    simulated = longer(world, tmp_path)
    runner = in_drain(simulated)
    node = with_the_job(simulated)
    skipped = command(simulated, "skip", "--node", node["name"], "--reason", "its disk is looked at")
    assert (skipped.code, " stays: rollout " in skipped.out, "run by" in skipped.out) == (0, True, True), skipped
    again = command(simulated, "skip", "--node", node["instance"])
    assert (again.code, " is skipped already, since " in again.out) == (0, True), again
    refused = command(simulated, "force", "--node", node["name"], "--yes")
    assert (refused.code, ": it stays; it was not forced" in refused.err) == (2, True), refused
    unknown = command(simulated, "skip", "--node", "no-such-node")
    assert (unknown.code, f"it has: {told(simulated)['nodes'][0]['name']}" in unknown.err) == (2, True), unknown
    simulated.release()
    ran = finish(runner)
    assert ran.code == 0, ran
    assert f"every old node is gone but {node['name']}, which stays" in ran.out, ran
    assert ": its disk is looked at, it stays" in ran.out, ran
    assert [one["stage"] for one in told(simulated)["nodes"]].count("KEPT") == 1
    assert simulated.get("/report")["jobs"]["killed_by_us"] == []
    assert broken(simulated) == {}
    asked = json.loads(command(simulated, "report", "--json").out)["commands"]
    assert [(one["kind"], one["reason"], bool(one["obeyed"])) for one in asked] == [
        ("skip", "its disk is looked at", True)
    ]
    late = command(simulated, "skip", ran.rollout_id, "--node", node["name"])
    assert (late.code, "has ended (DONE); it was not skipped" in late.err) == (2, True), late
    next_one = simulated.start()
    assert next_one.code == 0, next_one
    assert node["instance"] in [one["instance"] for one in told(simulated)["nodes"] if one["stage"] == "GONE"]


def test_a_node_is_forced_in_mid_run(world: Worlds, tmp_path: Path) -> None:
    """Nobody asked: refused, with the pods. With --yes its Job is killed long before the deadline, by whom and why."""
    simulated = longer(world, tmp_path)
    early = in_drain(simulated)
    node = with_the_job(simulated)
    nobody = command(simulated, "force", "--node", node["name"])
    assert (nobody.code, "was not forced" in nobody.err, "--yes" in nobody.err) == (2, True, True), nobody
    assert "pod demo/epoch-" in nobody.out, nobody
    assert ", protected" in nobody.out, nobody
    forced = command(simulated, "force", "--node", node["name"], "--reason", "its rack burns", "--yes")
    assert (forced.code, " goes now: forced by " in forced.out) == (0, True), forced
    simulated.kill_at(early)
    ran = simulated.start()
    assert ran.code == 0, ran
    assert "goes now, with its Jobs: forced by " in ran.out, ran
    (lost,) = told(simulated)["killed_jobs"]
    assert (lost["node"], lost["forced_by"].endswith(": its rack burns")) == (node["name"], True)
    assert simulated.get("/report")["jobs"]["killed_by_us"] == ["demo/epoch-0"]
    assert broken(simulated) == {}
    assert simulated.rollout("audit", "verify", "--config", "rollout.yaml").code == 0
    (asked,) = json.loads(command(simulated, "report", "--json").out)["commands"]
    assert (asked["kind"], bool(asked["obeyed"])) == ("force", True)
    assert "forced by" in command(simulated, "report", "--markdown").out


def test_where_it_makes_no_sense(world: Worlds) -> None:
    """Before DRAIN nothing goes; in RESTORE nothing stays any more; a node that is gone is gone."""
    simulated = world("proof-plain")
    simulated.post("/faults", {"match": {"operation": "SuspendProcesses"}, "hang": {"when": "before"}})
    runner = simulated.spawn(*simulated.start_arguments)
    simulated.get("/hung")
    name = told(simulated)["nodes"][0]["name"]
    early = command(simulated, "force", "--node", name, "--yes")
    assert (early.code, "no node goes before DRAIN; it was not forced" in early.err) == (2, True), early
    simulated.kill_at(runner)
    simulated.post("/faults", {"match": {"operation": "ResumeProcesses"}, "hang": {"when": "before"}})
    runner = simulated.spawn(*simulated.start_arguments)
    simulated.get("/hung")
    for verb, done in (("skip", "skipped"), ("force", "forced")):
        late = command(simulated, verb, "--node", name)
        assert (late.code, f"restores what it found; it was not {done}" in late.err) == (2, True), late
    simulated.release()
    assert finish(runner).code == 0
