"""What `start`, `resume`, `status`, `list` and `events` promise to those who type them, and to Jenkins."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from tests.e2e.conftest import Worlds
from tests.e2e.proving import broken
from tests.e2e.simulated import Simulated, environment

#: A terminate of the drain, while the answer is under way.
IN_DRAIN = {"match": {"operation": "TerminateInstanceInAutoScalingGroup", "nth": 1}, "hang": {"when": "after"}}
OTHER_AMI = "ami-0ffffffffffffffff"


@pytest.mark.exhaustive
def test_a_finished_key_is_said_to_be_done_and_other_uses_of_it_are_refused(world: Worlds) -> None:
    """The same key and image: done already, exit 0, as `resume` says it; with another image: refused, exit 2."""
    simulated = world("short")
    first = simulated.start("--key", "build-7")
    assert first.code == 0, first
    again = simulated.start("--key", "build-7")
    assert (again.code, again.rollout_id) == (0, first.rollout_id), again
    assert "is done already" in again.out
    assert simulated.resume("build-7") == again
    keyless = simulated.start()
    assert (keyless.code, "nothing is to be replaced" in keyless.out) == (0, True), keyless
    other = simulated.rollout("start", "--config", "rollout.yaml", "--ami", OTHER_AMI, "--key", "build-7")
    assert other.code == 2, other
    assert 'the key "build-7" belongs to rollout' in other.err


def test_a_rollout_that_stopped_is_shown_resumed_and_never_begun_twice(world: Worlds) -> None:
    """After a kill: `list` and `status` show it, another image is refused with exit 76, the same command resumes it."""
    simulated = world("proof-plain")
    simulated.post("/faults", IN_DRAIN)
    simulated.kill_at(simulated.spawn(*simulated.start_arguments))
    status = json.loads(simulated.rollout("status", "--config", "rollout.yaml", "--json").out)
    assert status["phase"] == "DRAIN"
    assert status["id"] in simulated.rollout("list", "--config", "rollout.yaml").out
    other = simulated.rollout("start", "--config", "rollout.yaml", "--ami", OTHER_AMI)
    assert other.code == 76, other
    assert f"rollout resume {status['id']}" in other.err
    again = simulated.start()
    assert (again.code, again.rollout_id) == (0, status["id"]), again
    assert broken(simulated) == {}


def changed(simulated: Simulated) -> list[Any]:
    """What clients have changed in this world."""
    return [one for one in simulated.get("/log") if one["actor"].startswith("client:")]


def test_a_plan_says_what_a_start_would_do_and_changes_nothing(world: Worlds) -> None:
    """Nothing is applied and no journal is made; 3 where something would change, 0 where a start has nothing to do."""
    simulated = world("short")
    arguments = ("plan", *simulated.start_arguments[1:], "--detailed-exitcode")
    planned = simulated.rollout(*arguments)
    assert planned.code == 3, planned
    assert [line for line in planned.out.splitlines() if len(line) > 80 and "next: " not in line] == [], planned
    assert planned.out.splitlines()[-1].startswith("  next: rollout start --config "), planned
    assert planned.out.endswith(f" --ami {simulated.ami}\n"), planned
    told = json.loads(simulated.rollout(*arguments[:-1], "--json").out)
    assert (told["changes"], told["refused"], told["images"][0]["id"]) == (True, [], simulated.ami)
    assert all(group["peak"]["desired"] > group["after"]["desired"] for group in told["groups"])
    ends = told["forecast"]["ends"]
    assert ends["p10"] < ends["p50"] < ends["p90"]
    assert any(line.startswith("  extra node-hours") for line in planned.out.splitlines()), planned
    assert (told["room"]["unchecked"], len(told["room"]["addresses"])) == ([], len(told["groups"]))
    simulated.post("/faults", {"match": {"operation": "DescribeSubnets"}, "error": {"status": 403, "code": "No"}})
    unasked = json.loads(simulated.rollout(*arguments[:-1], "--json").out)
    simulated.release()
    assert any("DescribeSubnets: No" in one for one in unasked["warnings"]), unasked
    assert {one["free"] for one in unasked["room"]["addresses"]} == {None}
    assert changed(simulated) == []
    assert not (simulated.directory / "rollout.db").exists()
    done = simulated.start("--key", "build-7")
    assert done.code == 0, done
    nothing = simulated.rollout(*arguments)
    assert (nothing.code, "nothing is to be replaced" in " ".join(nothing.out.split())) == (0, True), nothing
    again = simulated.rollout(*arguments, "--key", "build-7")
    assert (again.code, "is done already" in again.out) == (0, True), again


def test_a_plan_of_what_is_refused_says_so(world: Worlds) -> None:
    """Exit 2 with the reasons of a start; as JSON each has its word, and its next step."""
    simulated = world("short")
    arguments = ("plan", "--config", "rollout.yaml", "--ami", OTHER_AMI)
    refused = simulated.rollout(*arguments)
    assert (refused.code, refused.out) == (2, ""), refused
    assert refused.err == simulated.rollout("start", *arguments[1:]).err
    told = simulated.rollout(*arguments, "--json", "--detailed-exitcode")
    assert told.code == 2, told
    (one,) = json.loads(told.out)["refused"]
    assert one["reason"] == "ImageNotFound"
    assert changed(simulated) == []


def test_a_start_begins_only_what_its_plan_says(world: Worlds) -> None:
    """Refused with the difference where a group has moved, and nothing is changed; begun where only Jobs have."""
    simulated = world("short")
    planned = simulated.rollout("plan", *simulated.start_arguments[1:], "--out", "plan.json", "--json")
    assert planned.code == 0, planned
    assert json.loads(planned.out)["written"] == str(simulated.directory / "plan.json")
    start = ("start", "--config", "rollout.yaml", "--plan", "plan.json", "--key", "build-7")
    group, *_ = json.loads(planned.out)["groups"]
    edit = {"do": "update_group", "group": group["name"]}
    simulated.post("/world", edit | {"fields": {"MaxSize": group["now"]["maximum"] + 1}})
    refused = simulated.rollout(*start)
    assert (refused.code, refused.out) == (2, ""), refused
    assert f"group {group['name']}: MinSize" in refused.err
    assert f"next: look at a new plan, then start with it: rollout plan --config {simulated.directory}" in refused.err
    assert changed(simulated) == []
    simulated.post("/world", edit | {"fields": {"MaxSize": group["now"]["maximum"]}})
    begun = simulated.rollout(*start)
    assert begun.code == 0, begun
    again = simulated.rollout(*start)
    assert (again.code, "is done already" in again.out) == (0, True), again
    keyless = simulated.rollout(*start[:-2])
    assert (keyless.code, "nothing is to be replaced" in keyless.out) == (0, True), keyless
    assert broken(simulated) == {}


@pytest.mark.parametrize(
    ("key", "content"),
    [
        ((), None),
        (("--key", "build-7"), b"{"),
        pytest.param((), b"{", marks=pytest.mark.exhaustive),
        pytest.param((), b"notes", marks=pytest.mark.exhaustive),
        pytest.param(("--key", "build-7"), None, marks=pytest.mark.exhaustive),
        pytest.param(("--key", "build-7"), b"notes", marks=pytest.mark.exhaustive),
    ],
)
def test_a_start_goes_on_without_its_plan(world: Worlds, key: tuple[str, ...], content: bytes | None) -> None:
    """Killed, and its plan lost or damaged: the same command ends the rollout, and says later that it is done."""
    simulated = world("short")
    plan = simulated.directory / "plan.json"
    planned = simulated.rollout("plan", *simulated.start_arguments[1:], "--out", "plan.json")
    assert planned.code == 0, planned
    start = ("start", "--config", "rollout.yaml", "--plan", "plan.json", *key)
    simulated.post("/faults", IN_DRAIN)
    simulated.kill_at(simulated.spawn(*start))
    plan.unlink()
    if content is not None:
        plan.write_bytes(content)
    ended = simulated.rollout(*start)
    assert ended.code == 0, ended
    assert "done: " in ended.out
    again = simulated.rollout(*start)
    if key:
        assert (again.code, "is done already" in again.out) == (0, True), again
    else:  # nothing says which it was
        assert (again.code, "nothing was begun: " in again.err) == (2, True), again
    assert broken(simulated) == {}


def test_a_plan_by_which_nothing_is_to_be_replaced(world: Worlds) -> None:
    """It is written all the same, and what follows is told: a start with it, which ends with 0 and begins nothing."""
    simulated = world("short")
    assert simulated.start().code == 0
    planned = simulated.rollout("plan", *simulated.start_arguments[1:], "--out", "plan.json")
    assert (planned.code, "nothing is to be replaced" in planned.out) == (0, True), planned
    start = f"rollout start --config {simulated.directory}/rollout.yaml --plan {simulated.directory}/plan.json"
    assert f"  next: {start}   (it ends with 0 as long as " in planned.out
    started = simulated.rollout("start", "--config", "rollout.yaml", "--plan", "plan.json")
    assert (started.code, "nothing is to be replaced" in started.out) == (0, True), started


def test_why_says_what_keeps_each_node_and_changes_nothing(world: Worlds) -> None:
    """Of a rollout that was killed in DRAIN: pods with age and deadline, in lines of 80 columns, also for one node."""
    simulated = world("demo")
    simulated.post("/faults", IN_DRAIN)
    simulated.kill_at(simulated.spawn(*simulated.start_arguments))
    before = changed(simulated)
    told = json.loads(simulated.rollout("why", "--config", "rollout.yaml", "--json").out)
    assert (told["not_looked"], told["worker"]["works"]) == (None, False)
    assert told["looked"] > told["journal_written"]
    waiting = [one for one in told["nodes"] if one["waits_reason"] == "JobsRunning"]
    assert waiting, told
    for one in waiting:
        assert (one["until"], one["then"][:9]) == (told["drain_deadline"], "its prote")
        assert all(pod["protected"] and pod["kind"] == "Job" and pod["created"] for pod in one["pods"])
        page = simulated.rollout("why", "--config", "rollout.yaml", "--node", one["name"])
        assert page.code == 0, page
        # Of two Jobs one may have ended between the two looks.
        assert any(f"pod {pod['namespace']}/{pod['pod']} of Job" in page.out for pod in one["pods"]), page
        assert [line for line in page.out.splitlines() if len(line) > 80 and "next: " not in line] == [], page
    assert changed(simulated) == before
    under_way = simulated.rollout("plan", *simulated.start_arguments[1:], "--detailed-exitcode")
    assert under_way.code == 3, under_way
    assert f"a start would continue rollout {told['id']}, in DRAIN" in under_way.out


def test_what_cannot_work_is_refused_before_anything_is_changed(world: Worlds) -> None:
    """An image that does not exist: exit 2 with reason and next step, and nothing was applied."""
    simulated = world("short")
    refused = simulated.rollout("start", "--config", "rollout.yaml", "--ami", OTHER_AMI)
    assert refused.code == 2, refused
    assert f"{OTHER_AMI} does not exist" in refused.err
    assert changed(simulated) == []


@pytest.mark.exhaustive
def test_a_rollout_that_nobody_reads_goes_on(world: Worlds) -> None:
    """Its reader leaves after the first line, and its terminal cannot show an arrow: it is done all the same."""
    simulated = world("proof-plain")
    start = ["env", "PYTHONIOENCODING=ascii", str(simulated.program), *simulated.start_arguments]
    given = environment(simulated.directory, simulated.environment)
    with subprocess.Popen(start, env=given, cwd=simulated.directory, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        rollout_id = process.stdout.readline().strip()
        process.stdout.close()
        assert process.wait() == 0
    status = simulated.rollout("status", rollout_id, "--json", "--config", "rollout.yaml")
    assert json.loads(status.out)["phase"] == "DONE"
