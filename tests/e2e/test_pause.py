"""A rollout that somebody pauses, through the real command line: while it runs, after a crash, past its deadline."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Worlds
from tests.e2e.outlived import outlived
from tests.e2e.proving import broken
from tests.e2e.simulated import Process, Result, Simulated, finish, says


def longer(world: Worlds, tmp_path: Path) -> Simulated:
    """The world of those tests in which an hour passes."""
    return outlived(world, tmp_path, "240m")


def command(world: Simulated, verb: str, *more: str) -> Result:
    """Type a command on this world."""
    return world.rollout(verb, "--config", "rollout.yaml", *more)


def told(world: Simulated) -> dict[str, Any]:
    """What `rollout status` says to programs."""
    found: dict[str, Any] = json.loads(command(world, "status", "--json").out)
    return found


def hanging(world: Simulated, operation: str) -> Process:
    """Start a rollout, and return when its first request of that kind hangs before it is applied."""
    world.post("/faults", {"match": {"operation": operation}, "hang": {"when": "before"}})
    runner = world.spawn(*world.start_arguments)
    world.get("/hung")
    return runner


@pytest.mark.parametrize("then", ["extend", pytest.param("--kill-now", marks=pytest.mark.exhaustive)])
def test_the_deadline_passes_while_it_is_paused(world: Worlds, tmp_path: Path, then: str) -> None:
    """Nothing is ended; the process waits for an hour; a retry lifts nothing, and a resume asks first."""
    simulated = longer(world, tmp_path)
    runner = hanging(simulated, "TerminateInstanceInAutoScalingGroup")
    paused = command(simulated, "pause", "--reason", "an incident")
    assert paused.code == 0, paused
    assert "is paused: nothing is changed until: rollout resume " in paused.out, paused
    again = command(simulated, "pause", "--reason", "another one")
    assert (again.code, "is paused already, since " in again.out, ": an incident\n" in again.out) == (0, True, True)
    simulated.release()
    ran = finish(runner)
    assert ran.code == 1, ran
    assert ": an incident\n  now: " in ran.out, ran
    assert f"  next: rollout resume {ran.rollout_id} --config " in ran.out.splitlines()[-1], ran
    assert told(simulated)["paused"]["reason"] == "an incident"
    gone = [one["instance"] for one in told(simulated)["nodes"] if one["stage"] == "GONE"]
    retry = simulated.start()
    assert retry.code == 1, retry
    assert [one["instance"] for one in told(simulated)["nodes"] if one["stage"] == "GONE"] == gone
    asked = simulated.resume()
    assert asked.code == 2, asked
    assert "Jobs that still run on old nodes would be killed; it stays paused" in asked.err, asked
    assert f"rollout extend --config {simulated.directory}/rollout.yaml --by 1h {ran.rollout_id}; then: " in asked.err
    assert "--kill-now" in asked.err
    if then == "extend":
        assert command(simulated, "extend", "--by", "20m").code == 0
    resumed = simulated.resume(*([then] if then.startswith("-") else []))
    assert resumed.code == 0, resumed
    assert "is no longer paused" in resumed.out, resumed
    assert broken(simulated) == {}
    assert simulated.get("/report")["jobs"]["killed_by_us"] == []
    assert simulated.rollout("audit", "verify", "--config", "rollout.yaml").code == 0
    told_of = [one["kind"] for one in json.loads(command(simulated, "report", "--json").out)["commands"]]
    assert [one for one in told_of if one != "extend"] == ["pause", "resume"]


def test_after_a_crash_it_is_paused_and_a_person_resumes_it(world: Worlds) -> None:
    """Paused before it died: the next process waits; resumed from elsewhere that process goes on, and is followed."""
    simulated = world("proof-plain")
    runner = hanging(simulated, "SuspendProcesses")
    assert command(simulated, "pause").code == 0
    simulated.kill_at(runner)
    lines = command(simulated, "status").out
    assert "  paused since " in lines
    assert "(paused)" in command(simulated, "list").out
    assert "paused since " in command(simulated, "why").out
    assert "paused since " in command(simulated, "doctor").out
    page = json.loads(command(simulated, "report", "--json").out)
    assert (page["standing"], "paused since " in page["headline"]) == ("paused", True)
    follow = command(simulated, "events", "--follow")
    assert (follow.code, "is paused, and nobody runs it" in follow.err) == (1, True), follow
    simulated.post("/faults", {"match": {"operation": "PATCH configmaps"}, "hang": {"when": "before"}})
    retry = simulated.spawn(*simulated.start_arguments)
    simulated.get("/hung")
    person = simulated.spawn("resume", "--config", "rollout.yaml")
    says(person, "is being run by")
    simulated.release()
    ended = [finish(one) for one in (retry, person)]
    assert [one.code for one in ended] == [0, 0], ended
    assert "no longer paused, by " in ended[0].out, ended[0]
    assert broken(simulated) == {}


def test_a_retry_of_a_resume_lifts_no_later_pause(world: Worlds, tmp_path: Path) -> None:
    """`--once`: a build that was started again stays paused; another build, or a person, resumes it."""
    simulated = longer(world, tmp_path)
    simulated.kill_at(hanging(simulated, "SuspendProcesses"))
    simulated.post("/faults", {"match": {"operation": "SuspendProcesses"}, "hang": {"when": "before"}})
    build = simulated.spawn("resume", "--config", "rollout.yaml", "--once", "build-7")
    simulated.get("/hung")
    assert command(simulated, "pause").code == 0
    simulated.kill_at(build)
    retry = simulated.resume("--once", "build-7")
    assert retry.code == 1, retry
    assert "stays paused: this command was given before (--once build-7)" in retry.out, retry
    resumed = simulated.resume("--once", "build-8")
    assert resumed.code == 0, resumed
    assert broken(simulated) == {}


def test_an_abort_waits_for_the_end_of_the_pause(world: Worlds, tmp_path: Path) -> None:
    """It says so; who resumes it has asked for the way back with it."""
    simulated = longer(world, tmp_path)
    runner = hanging(simulated, "SuspendProcesses")
    assert command(simulated, "pause").code == 0
    simulated.kill_at(runner)
    abort = command(simulated, "abort")
    assert abort.code == 1, abort
    assert ": it goes back once somebody resumes it: rollout resume " in abort.out, abort
    assert told(simulated)["phase"] == "SURGE"
    resumed = simulated.resume()
    assert resumed.code == 0, resumed
    assert told(simulated)["phase"] == "ABORTED"


def test_an_abort_of_a_halted_rollout_that_is_paused_names_the_resume(world: Worlds) -> None:
    """Where the halt itself names only the abort, which is asked for now."""
    simulated = world("proof-plain")
    simulated.kill_at(hanging(simulated, "CreateLaunchTemplateVersion"))
    simulated.post("/world", {"do": "delete_template", "template": "workers"})
    halted = simulated.resume()
    assert "halted (LaunchTemplateNotFound)" in halted.out, halted
    assert command(simulated, "pause").code == 0
    abort = command(simulated, "abort")
    assert (abort.code, abort.out.splitlines()[-1].startswith("  next: rollout resume ")) == (1, True), abort
    resumed = simulated.resume()
    assert resumed.code == 0, resumed
    assert told(simulated)["phase"] == "ABORTED"


def test_where_it_makes_no_sense(world: Worlds) -> None:
    """In RESTORE, and after the end: what is true, and that it was not paused."""
    simulated = world("proof-plain")
    runner = hanging(simulated, "ResumeProcesses")
    late = command(simulated, "pause")
    assert (late.code, "restores what it found; it was not paused" in late.err) == (2, True), late
    simulated.release()
    done = finish(runner)
    assert done.code == 0, done
    over = command(simulated, "pause", done.rollout_id)
    assert (over.code, "has ended (DONE); it was not paused" in over.err) == (2, True), over
    assert command(simulated, "pause").code == 2
