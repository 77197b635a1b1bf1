"""The way back from a rollout, through the real command line: halted, dead or running."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Worlds
from tests.e2e.proving import broken
from tests.e2e.simulated import Result, Simulated, finish, says

WORLDS = Path(__file__).parent / "worlds"
ABORT = ("abort", "--config", "rollout.yaml")
BACK = "aborted: the groups run what they ran before ami-00000000000000bbb"


def is_back(world: Simulated, relaunched: int | None = 0) -> None:
    """Assert every promise, that only instances of before live, and that all that was changed is as it was.

    What an early abort never came to is not put to the test. `relaunched`: old nodes that had gone; None: some.
    """
    untried = {"0 checks", "never put to the test: 0 checks"}
    assert {number: told for number, told in broken(world).items() if not untried & {*told}} == {}
    report = world.get("/report")
    assert report["missed"] == []
    assert report["nodes"] | {"replaced": 0} == {"old": 4, "new": 0, "replaced": 0}
    assert report["nodes"]["replaced"] == relaunched or (relaunched is None and report["nodes"]["replaced"] > 0)
    assert report["jobs"]["killed_by_us"] == []
    assert [one for one in report["baseline"] if not one["restored"]] == []


def status(world: Simulated) -> dict[str, Any]:
    """What `rollout status` says to programs."""
    found: dict[str, Any] = json.loads(world.rollout("status", "--config", "rollout.yaml", "--json").out)
    return found


@pytest.mark.parametrize(
    ("scenario", "phase"),
    [("bad-image", "READY"), pytest.param("no-capacity", "SURGE", marks=pytest.mark.exhaustive)],
)
def test_a_halted_rollout_goes_back(scenario: str, phase: str, world: Worlds) -> None:
    """The halt names the way back; typed again it says that it was aborted, and so does the start, with 1."""
    simulated = world(str(WORLDS / f"{scenario}.yaml"))
    halted = simulated.start("--key", "build-7")
    assert halted.code == 1, halted
    assert f"  or back to what was before: rollout abort {halted.rollout_id} --config " in halted.out, halted
    assert status(simulated)["phase"] == phase
    aborted = simulated.rollout(*ABORT)
    assert aborted.code == 0, aborted
    assert BACK in aborted.out.splitlines()[-1], aborted
    is_back(simulated)
    assert {name: status(simulated)[name] for name in ("phase", "direction")} == {
        "phase": "ABORTED",
        "direction": "back",
    }
    report = json.loads(simulated.rollout("report", "--config", "rollout.yaml", "--json").out)
    [asked] = report["commands"]  # nobody gave a resume; it was asked for in the simulated world's time
    assert (asked["kind"], asked["at"] <= asked["obeyed"]) == ("abort", True), asked
    [halt] = report["halts"]
    assert halt["begin"] <= asked["at"] <= halt["end"], report
    assert halt["ended_by"] == asked["by"]
    assert simulated.rollout(*ABORT, halted.rollout_id).code == 0
    again = simulated.start("--key", "build-7")
    assert (again.code, "was aborted" in again.out) == (1, True), again
    assert simulated.rollout("audit", "verify", "--config", "rollout.yaml").code == 0


def test_a_persons_protection_outlives_an_abort(world: Worlds) -> None:
    """One old instance was protected before the rollout, and is so after it; the other one is not."""
    simulated = world(str(WORLDS / "protected-abort.yaml"))
    assert simulated.start().code == 1
    aborted = simulated.rollout(*ABORT)
    assert aborted.code == 0, aborted
    is_back(simulated)


def _gives_up(world: Simulated) -> None:
    settings = world.directory / "rollout.yaml"
    settings.write_text(f"{settings.read_text()}\non_not_ready: abort\n")


def test_a_rollout_whose_nodes_are_never_ready_goes_back_by_itself(world: Worlds) -> None:
    """Where that is set; who started it has not got what it wanted."""
    simulated = world(str(WORLDS / "bad-image.yaml"))
    _gives_up(simulated)
    ended = simulated.start()
    assert ended.code == 1, ended
    assert "halted (NodesNotReady)" in ended.out, ended
    assert "aborted by the setting on_not_ready: what was there before stays" in ended.out, ended
    assert BACK in ended.out.splitlines()[-1], ended
    is_back(simulated)


def test_only_nodes_that_are_not_ready_are_given_up(world: Worlds) -> None:
    """Where AWS has no capacity the rollout halts: some may come."""
    simulated = world(str(WORLDS / "no-capacity.yaml"))
    _gives_up(simulated)
    halted = simulated.start()
    assert halted.code == 1, halted
    assert (status(simulated)["phase"], status(simulated)["direction"]) == ("SURGE", "forward"), halted


def hanging(world: Simulated, operation: str, number: int) -> Any:
    """Start a rollout, and return when a request of its own hangs before it is applied."""
    world.post("/faults", {"match": {"operation": operation, "nth": number}, "hang": {"when": "before"}})
    runner = world.spawn(*world.start_arguments)
    world.get("/hung")
    return runner


def killed(world: Simulated, operation: str, number: int) -> None:
    """Start a rollout, kill it while that request hangs, and let the request go."""
    runner = hanging(world, operation, number)
    runner.kill()
    finish(runner)
    world.release()


#: A request of each phase: its operation and number, and how many old nodes are gone by then.
REQUESTS = {
    "PLANNED": ("POST configmaps", 1, 0),
    "AUTOSCALER_OFF": ("PATCH deployments", 1, 0),
    "LAUNCH_TEMPLATE": ("UpdateAutoScalingGroup", 1, 0),
    "SURGE": ("UpdateAutoScalingGroup", 3, 0),
    "DRAIN": ("TerminateInstanceInAutoScalingGroup", 3, 2),
}


@pytest.mark.parametrize(
    "phase", [one if one == "DRAIN" else pytest.param(one, marks=pytest.mark.exhaustive) for one in REQUESTS]
)
def test_a_dead_rollout_goes_back(phase: str, world: Worlds) -> None:
    """Killed in the middle of a request: another process settles it and goes back, with the old nodes that are gone."""
    simulated = world("proof-plain")
    operation, number, gone = REQUESTS[phase]
    killed(simulated, operation, number)
    assert status(simulated)["phase"] == phase
    aborted = simulated.rollout(*ABORT)
    assert aborted.code == 0, aborted
    assert BACK in aborted.out.splitlines()[-1], aborted
    is_back(simulated, gone)


@pytest.mark.exhaustive
def test_an_abort_goes_back_past_a_template_that_somebody_deleted(world: Worlds) -> None:
    """The halt says so within two minutes, and the command that it names works."""
    simulated = world("proof-plain")
    killed(simulated, "CreateLaunchTemplateVersion", 1)
    simulated.post("/world", {"do": "delete_template", "template": "workers"})
    halted = simulated.resume()
    assert (halted.code, "halted (LaunchTemplateNotFound): somebody has deleted" in halted.out) == (1, True), halted
    assert "no instance that ends is replaced" in halted.out, halted
    aborted = simulated.rollout(*ABORT)
    assert (aborted.code, BACK in aborted.out.splitlines()[-1]) == (0, True), aborted
    assert "left as it is: workers launches workers $Latest, whose launch template somebody has deleted" in aborted.out


def test_an_abort_goes_on_with_another_version_from_before(world: Worlds) -> None:
    """Where the one that the group launched is deleted, a person gives it one with that image."""
    simulated = world("proof-plain")
    killed(simulated, "TerminateInstanceInAutoScalingGroup", 1)
    simulated.post("/world", {"do": "set_default", "template": "workers", "version": "2"})
    simulated.post("/world", {"do": "delete_version", "template": "workers", "version": "1"})
    halted = simulated.rollout(*ABORT)
    told = "halted (SourceVersionDeleted): workers is to launch workers 1, which somebody has deleted"
    assert (halted.code, told in halted.out) == (1, True), halted
    assert "cluster-autoscaler is at 0" in halted.out, halted
    simulated.post("/world", {"do": "new_version", "template": "workers", "image": "ami-00000000000000aaa"})
    simulated.post(
        "/world",
        {
            "do": "update_group",
            "group": "workers",
            "fields": {"LaunchTemplate": {"LaunchTemplateName": "workers", "Version": "$Latest"}},
        },
    )
    resumed = simulated.resume()
    assert (resumed.code, BACK in resumed.out.splitlines()[-1]) == (0, True), resumed
    assert "left as it is: workers launches workers $Latest" in resumed.out, resumed


def test_a_running_rollout_turns_round(world: Worlds) -> None:
    """Who runs it obeys and ends with 1; who asked follows, and ends with 0."""
    simulated = world("proof-plain")
    runner = hanging(simulated, "TerminateInstanceInAutoScalingGroup", 1)
    asking = simulated.spawn(*ABORT)
    says(asking, "is asked to go back; that stays so, also if this process ends before it does")
    says(asking, "it is followed from here")
    simulated.release()
    ran, asked = finish(runner), finish(asking)
    assert (ran.code, asked.code) == (1, 0), f"{ran}\n{asked}"
    assert BACK in ran.out
    assert BACK in asked.out
    is_back(simulated, None)


def test_an_abort_that_cannot_go_on_stays_asked_for(world: Worlds) -> None:
    """It says so; a resume that turns round ends with 0, as one that goes on with a way back."""
    simulated = world("proof-plain")
    killed(simulated, "TerminateInstanceInAutoScalingGroup", 1)
    text = (simulated.directory / "rollout.yaml").read_text()
    (simulated.directory / "gone.yaml").write_text(text.replace("/kubeconfig", "/gone"))
    cut_off = simulated.rollout("abort", "--config", "gone.yaml", "--keep-jobs")
    rollout_id = status(simulated)["id"]
    assert (cut_off.code, f"rollout {rollout_id} is asked to go back; that stays so" in cut_off.out) == (2, True), (
        cut_off
    )
    assert (status(simulated)["phase"], status(simulated)["direction"]) == ("DRAIN", "forward")
    resumed = simulated.resume()
    assert (resumed.code, BACK in resumed.out) == (0, True), resumed
    is_back(simulated)


def test_an_abort_that_is_stopped_before_it_goes_on_stays_asked_for(world: Worlds) -> None:
    """Exit 75: it says what it changed, and the command that it names turns round and ends with 0."""
    simulated = world("proof-plain")
    killed(simulated, "TerminateInstanceInAutoScalingGroup", 1)
    simulated.post("/faults", {"match": {"operation": "GET configmaps", "nth": 1}, "hang": {"when": "before"}})
    asking = simulated.spawn(*ABORT)
    simulated.get("/hung")
    asking.terminate()
    simulated.release()
    stopped = finish(asking)
    rollout_id = status(simulated)["id"]
    said, command = stopped.err.splitlines()[-2:]
    before = f"rollout: interrupted before rollout {rollout_id} was continued: "
    assert (stopped.code, said) == (75, f"{before}nothing was changed, and it is still asked to go back"), stopped
    assert command.startswith(f"  next: rollout resume {rollout_id} --config ")
    assert simulated.resume().code == 0


@pytest.mark.exhaustive
def test_the_journal_of_a_way_back_is_rebuilt(world: Worlds) -> None:
    """Killed as a new node is terminated, its journal lost: the marker knows that the rollout goes back."""
    simulated = world("proof-plain")
    killed(simulated, "TerminateInstanceInAutoScalingGroup", 1)
    fault = {"match": {"operation": "TerminateInstanceInAutoScalingGroup", "nth": 2}, "hang": {"when": "after"}}
    simulated.post("/faults", fault)
    simulated.kill_at(simulated.spawn(*ABORT))
    assert (status(simulated)["phase"], status(simulated)["direction"]) == ("DRAIN", "back")
    late = simulated.rollout(*ABORT, "--keep-jobs")
    assert (late.code, "goes back already, as it was asked for first" in late.err) == (2, True), late
    journal = Path(simulated.database.removeprefix("sqlite:///"))
    for file in journal.parent.glob(f"{journal.name}*"):
        file.unlink()
    before = max(one["seq"] for one in simulated.get("/log?actor=client:"))
    rebuilt = simulated.rollout("doctor", "--config", "rollout.yaml", "--rebuild")
    assert rebuilt.code == 0, rebuilt
    assert status(simulated)["direction"] == "back"
    resumed = simulated.resume()
    assert resumed.code == 0, resumed
    assert BACK in resumed.out
    assert broken(simulated, since=before) == {}
    assert simulated.get("/report")["nodes"]["new"] == 0
    assert [one for one in simulated.get("/report")["baseline"] if not one["restored"]] == []


def refused(world: Simulated, *more: str) -> Result:
    """Ask for an abort that cannot be."""
    result = world.rollout(*ABORT, *more)
    assert result.code == 2, result
    return result


def test_what_is_done_is_not_aborted(world: Worlds) -> None:
    """It says that a rollout with the old image leads back, and with which time a deadline is none."""
    simulated = world("proof-plain")
    assert "gone" not in refused(simulated, "--deadline", "soon").err
    done = simulated.start()
    assert done.code == 0, done
    told = refused(simulated, done.rollout_id)
    assert f"rollout {done.rollout_id} is done: there is nothing to abort" in told.err
    assert told.err.endswith(" --ami AMI\n")
    assert "no rollout is unfinished" in refused(simulated).err
