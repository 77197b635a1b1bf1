"""Third parties and bad luck, through the real command line: what an operator is told, and that every promise holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Worlds
from tests.e2e.proving import broken, is_proven
from tests.e2e.simulated import Result, Simulated, finish

pytestmark = pytest.mark.exhaustive

WORLDS = Path(__file__).with_name("worlds")
WORKER, BATCH = "eks_worker-demo", "eks_batch-demo"


# ---- what ends by itself


@pytest.mark.parametrize(
    ("scenario", "told"),
    [
        pytest.param("terraform", [
            f"left as it is: MaxSize of {WORKER} was 4, stays 9",
            f"left as it is: {WORKER} stays at 2: $Latest of eks_worker_lt-demo is 3 now",
        ], id="Terraform"),
        pytest.param("untainted", ["our taint was gone from ip-10-0-0-5.eu-west-1.compute.internal: it is put back"],
                     id="our taint taken off"),
        pytest.param("marker-deleted", ["somebody deleted the marker on cluster eks-demo: it is created again"],
                     id="the marker deleted"),
        pytest.param("node-deleted", [], id="a node's object deleted"),
        pytest.param("new-node-dies", [], id="new nodes die"),
        pytest.param("capacity-hour", [], id="no capacity for an hour"),
        pytest.param("subnet-full", [], id="full subnets"),
        pytest.param("kube-away", ["cannot observe, trying again: HTTP 503 ServiceUnav", "observes again, after 1"],
                     id="the API server is away"),
        pytest.param("aws-away", ["cannot observe, trying again: ", "observes again, after "], id="AWS is away"),
    ],
)  # fmt: skip
def test_what_the_rollout_copes_with(scenario: str, told: list[str], world: Worlds) -> None:
    """It ends by itself, says each thing exactly once, and keeps the drain deadline that it stored."""
    simulated = world(scenario)
    result = simulated.start()
    assert result.code == 0, result
    assert [text for text in told if result.out.count(text) != 1] == [], result
    assert result.out.count("left as it is") == sum("left as it is" in text for text in told), result
    assert result.out.count("old ones drain until") == 1
    is_proven(simulated)


@pytest.mark.parametrize(
    ("scenario", "told"),
    [
        pytest.param("foreign-suspension", "workers has ScheduledActions suspended: changed by somebody else, left",
                     id="a process, suspended before ours"),
        pytest.param("foreign-flag",
                     "NewInstancesProtectedFromScaleIn of workers was on, stays off: changed by somebody else, left",
                     id="the flag of new instances"),
        pytest.param("foreign-autoscaler-zero",
                     "kube-system/cluster-autoscaler was scaled to 1, now to 0: changed by somebody else, left at 0",
                     id="the autoscaler, stopped before us"),
        pytest.param("standby", "of workers is in Standby, not by us: left, on an old version", id="Standby"),
    ],
)  # fmt: skip
def test_what_others_changed_is_theirs(scenario: str, told: str, world: Worlds) -> None:
    """RESTORE gives back what we changed and nothing else; what stays different is reported once."""
    simulated = world(str(WORLDS / f"{scenario}.yaml"))
    result = simulated.start()
    assert result.code == 0, result
    assert (result.out.count("left as it is: "), told in result.out) == (1, True), result
    assert broken(simulated) == {}


def test_an_instance_that_ended_is_taken_out_of_the_group_that_still_lists_it(world: Worlds) -> None:
    """Its Node was removed with it, and nothing runs there: nobody waits for it, and nobody is told to reboot it."""
    simulated = world(str(WORLDS / "ended-unreplaced.yaml"))
    result = simulated.start()
    assert result.code == 0, result
    assert "PodsUnknown" not in result.out
    assert broken(simulated) == {}


# ---- what arrives late


@pytest.mark.parametrize(
    "operation",
    [
        "TerminateInstanceInAutoScalingGroup",
        "SuspendProcesses",
        "UpdateAutoScalingGroup",
        "SetInstanceProtection",
        "ResumeProcesses",
    ],
)
def test_a_request_that_was_lost_arrives_five_minutes_later(operation: str, world: Worlds) -> None:
    """Nobody is ended twice for it, and it undoes nothing that was restored."""
    simulated = world("proof-plain")
    simulated.post("/faults", {"match": {"operation": operation, "nth": 1}, "late": {"seconds": 300}})
    result = simulated.start()
    assert result.code == 0, result
    is_proven(simulated)


# ---- what a person must see to


def _suspend(group: str) -> dict[str, Any]:
    processes = ["AZRebalance", "AlarmNotification", "ScheduledActions", "InstanceRefresh"]
    return {"do": "processes", "group": group, "processes": processes}


def _pin(version: str) -> dict[str, Any]:
    fields = {"LaunchTemplate": {"LaunchTemplateName": "eks_worker_lt-demo", "Version": version}}
    return {"do": "update_group", "group": WORKER, "fields": fields}


@pytest.mark.parametrize(
    ("scenario", "told", "amends"),
    [
        pytest.param("terraform-unpins", [
            f"drift: {WORKER} launches eks_worker_lt-demo 1, not eks_worker_lt-demo 2",
            f"DesiredCapacity of {BATCH} is 2, not 4",
            f"--auto-scaling-group-name {BATCH} --desired-capacity 4",
        ], [_pin("2"), {"do": "update_group", "group": BATCH, "fields": {"DesiredCapacity": 4}}], id="Terraform"),
        pytest.param("terraform-raises", [f"drift: DesiredCapacity of {WORKER} is 5, not 3"],
                     [{"do": "update_group", "group": WORKER, "fields": {"DesiredCapacity": 3}}],
                     id="Terraform raises desired"),
        pytest.param("processes-resumed", [f"drift: {WORKER} has AZRebalance, AlarmNotification",
                                           "aws autoscaling suspend-processes --region eu-west-1 --auto"],
                     [_suspend(WORKER)], id="our processes resumed"),
        pytest.param("untainted-twice", ["our taint was gone from ip-10-0-0-5", "drift: taint-node of ip-10-0-0-5"],
                     [], id="our taint taken off twice"),
        pytest.param("capacity-never", ["the surge did not come in time", f"2 of {WORKER}",
                                        "We currently do not have sufficient m5.2xlarge capacity"],
                     [{"do": "mend"}], id="no capacity, for ever"),
    ],
)  # fmt: skip
def test_what_halts_the_rollout_until_a_person_has_dealt_with_it(
    scenario: str, told: list[str], amends: list[dict[str, Any]], world: Worlds
) -> None:
    """Exit 1 with the thing, the cause and the next command; when it is put right, `resume` ends the rollout."""
    simulated = world(scenario)
    halted = simulated.start()
    _says(halted, told)
    for one in amends:
        simulated.post("/world", one)
    resumed = simulated.resume()
    assert resumed.code == 0, resumed
    is_proven(simulated)


def _launch(name: str, version: str) -> dict[str, Any]:
    fields = {"LaunchTemplate": {"LaunchTemplateName": name, "Version": version}}
    return {"do": "update_group", "group": "workers", "fields": fields}


@pytest.mark.parametrize(
    ("deleted", "told", "amends", "left"),
    [
        ("template", "(LaunchTemplateNotFound): workers launches workers 2, whose launch template",
         [_launch("other", "1")], "workers launches other 1, not our workers 2"),
        ("version", "(LaunchTemplateNotFound): workers launches workers 2, which somebody has deleted",
         [{"do": "new_version", "template": "workers"}, _launch("workers", "$Latest")],
         "workers launches workers $Latest, which is 3 now, not our 2"),
    ],
)  # fmt: skip
def test_what_a_group_launches_was_deleted_in_mid_run(
    deleted: str, told: str, amends: list[dict[str, Any]], left: str, world: Worlds
) -> None:
    """DRAIN or RESTORE halts; a person gives the group something that exists, and that is left as it is."""
    simulated = world(str(WORLDS / f"{deleted}-deleted.yaml"))
    halted = simulated.start()
    assert (halted.code, told in halted.out) == (1, True), halted
    for one in amends:
        simulated.post("/world", one)
    resumed = simulated.resume()
    assert (resumed.code, f"left as it is: {left}" in resumed.out) == (0, True), resumed
    is_proven(simulated)


def test_nothing_more_leaves_in_drain_once_what_is_launched_was_deleted(world: Worlds) -> None:
    """A person gives the group another version with the image; instances of that one are new, and it stays."""
    simulated = world(str(WORLDS / "version-deleted-drain.yaml"))
    halted = simulated.start()
    _says(halted, [
        "(LaunchTemplateNotFound): workers launches workers 2, which somebody has deleted: no instance can be launched",
        f"""--launch-template-data '{{"ImageId": "{simulated.ami}"}}'""",
    ])  # fmt: skip
    simulated.post("/world", {"do": "new_version", "template": "workers", "image": simulated.ami})
    simulated.post("/world", _launch("workers", "3"))
    resumed = simulated.resume()
    assert (resumed.code, "left as it is: workers launches workers 3, not our 2" in resumed.out) == (0, True), resumed
    assert broken(simulated) == {}
    assert simulated.get("/report")["nodes"] == {"old": 0, "new": 4, "replaced": 4}


def test_an_abort_takes_away_what_a_person_gave_in_place_of_ours(world: Worlds) -> None:
    """Instances of her version have our image: they leave, and what was there before is launched again."""
    simulated = world(str(WORLDS / "version-deleted-drain.yaml"))
    assert simulated.start().code == 1
    simulated.post("/world", {"do": "new_version", "template": "workers", "image": simulated.ami})
    simulated.post("/world", _launch("workers", "3"))
    fault = {"match": {"operation": "TerminateInstanceInAutoScalingGroup", "nth": 2}, "hang": {"when": "before"}}
    simulated.post("/faults", fault)
    simulated.kill_at(simulated.spawn("resume", "--config", "rollout.yaml"))
    assert simulated.get("/report")["nodes"] == {"old": 1, "new": 4, "replaced": 3}
    aborted = simulated.rollout("abort", "--config", "rollout.yaml")
    assert (aborted.code, "RESTORE → ABORTED" in aborted.out) == (0, True), aborted
    assert simulated.get("/report")["nodes"]["new"] == 0, aborted
    assert broken(simulated) == {}


@pytest.mark.parametrize("others", [(), ("workers",)], ids=["one of two", "all"])
@pytest.mark.parametrize(("verb", "ends"), [("resume", "DONE"), ("abort", "ABORTED")])
def test_a_group_that_somebody_deleted_in_mid_run(verb: str, ends: str, others: tuple[str, ...], world: Worlds) -> None:
    """It halts; a resume, or an abort, goes on without it, restores all else, and says what was deleted."""
    simulated = world(str(WORLDS / "group-deleted.yaml"))
    halted = simulated.start()
    told = "halted (GroupDeleted): somebody has deleted Auto Scaling group batch, or is deleting it"
    assert (halted.code, told in halted.out) == (1, True), halted
    for group in others:
        simulated.post("/world", {"do": "delete_group", "group": group})
    went = simulated.rollout(verb)
    if others:
        again = "(GroupDeleted): somebody has deleted Auto Scaling group workers"
        assert (went.code, again in went.out) == (1, True), went
        went = simulated.resume()
    assert (went.code, f"RESTORE → {ends}" in went.out) == (0, True), went
    for group in ("batch", *others):
        assert f"left as it is: {group} was deleted, not by us: nothing of it is restored" in went.out, went
    # Where nothing is left to be drained, not every promise is put to the test.
    assert [text for found in broken(simulated).values() for text in found if "0 checks" not in text] == []


@pytest.mark.parametrize(
    ("operation", "nth", "phase"),
    [
        pytest.param("UpdateAutoScalingGroup", 3, "SURGE", id="SURGE"),
        pytest.param("PATCH nodes", 9, "READY", id="READY"),
        pytest.param("ResumeProcesses", 1, "RESTORE", id="RESTORE"),
    ],
)
def test_a_group_is_deleted_while_a_request_is_under_way(operation: str, nth: int, phase: str, world: Worlds) -> None:
    """In each phase: a halt says so, and a resume ends without it."""
    simulated = world("proof-plain")
    simulated.post("/faults", {"match": {"operation": operation, "nth": nth}, "hang": {"when": "before"}})
    process = simulated.spawn(*simulated.start_arguments)
    simulated.get("/hung")
    assert _status(simulated)["phase"] == phase
    simulated.post("/world", {"do": "delete_group", "group": "batch"})
    simulated.release()
    halted = finish(process)
    assert (halted.code, "halted (GroupDeleted): somebody has deleted Auto" in halted.out) == (1, True), halted
    went = simulated.resume()
    assert (went.code, "RESTORE → DONE" in went.out) == (0, True), went
    assert "left as it is: batch was deleted, not by us: nothing of it is restored" in went.out, went
    assert [text for found in broken(simulated).values() for text in found if "0 checks" not in text] == []


def test_an_instance_refresh_that_began_in_mid_run_is_never_set_loose(world: Worlds) -> None:
    """RESTORE halts with the command that cancels it, and goes on after that: no Job dies by it."""
    simulated = world(str(WORLDS / "refresh-begins.yaml"))
    halted = simulated.start()
    assert halted.code == 1, halted
    assert "halted (InstanceRefreshRunning): an instance refresh is active on workers (" in halted.out
    *_, command = halted.out.splitlines()
    assert "aws autoscaling cancel-instance-refresh --region eu-west-1 --auto-scaling-group-name workers" in command
    simulated.post("/world", {"do": "cancel_refresh", "group": "workers"})
    resumed = simulated.resume()
    assert resumed.code == 0, resumed
    is_proven(simulated)


def test_credentials_that_expire_halt_and_new_ones_go_on(world: Worlds) -> None:
    """Nobody waits for credentials that cannot be renewed from here: a person brings new ones and resumes."""
    simulated = world("credentials-expire")
    _says(simulated.start(), ["DRAIN cannot observe: DescribeAutoScalingGroups: ExpiredToken", "credentials)"])
    again = simulated.resume()
    assert again.code == 1, again
    simulated.release()
    assert simulated.resume().code == 0
    is_proven(simulated)


# ---- at an exact moment


@pytest.mark.parametrize(
    ("operation", "stage"),
    [
        ("POST pods/eviction", "DRAINING"),
        ("SetInstanceProtection", "RELEASED"),
        ("TerminateInstanceInAutoScalingGroup", "TERMINATING"),
    ],
)
def test_an_old_node_that_dies_while_we_work_on_it(operation: str, stage: str, world: Worlds) -> None:
    """In every stage: it is gone once, what AWS launched in its place retires, and the sizes are back."""
    simulated = world("short")
    process = _hang(simulated, operation)
    simulated.get("/hung")
    (victim,) = [node for node in _status(simulated)["nodes"] if node["stage"] == stage]
    which = int(victim["name"].split("-")[2])  # the first of each group is in the first zone, whose number this is
    simulated.post("/world", {"do": "terminate_instance", "group": victim["group"], "which": which})
    simulated.release()
    result = finish(process)
    assert result.code == 0, result
    assert "left as it is" not in result.out, result
    is_proven(simulated)


def test_what_terraform_applies_before_restore_is_left_and_reported(world: Worlds) -> None:
    """Its template version and its desired capacity stay as applied, each with a line; all else is restored."""
    simulated = world("short")
    process = _hang(simulated, "DescribeInstanceRefreshes")  # after the start only RESTORE asks for them
    simulated.get("/hung")
    simulated.post("/world", _pin("1"))
    simulated.post("/world", {"do": "update_group", "group": BATCH, "fields": {"DesiredCapacity": 3}})
    simulated.release()
    result = finish(process)
    assert result.code == 0, result
    assert (
        f"left as it is: {WORKER} launches eks_worker_lt-demo 1, not our 2: changed by somebody else, left"
        in result.out
    )
    assert f"left as it is: DesiredCapacity of {BATCH} was 2, stays 3" in result.out, result
    assert result.out.count("left as it is") == 2, result
    is_proven(simulated)


@pytest.mark.parametrize(
    ("fields", "code", "told"),
    [
        pytest.param({"MaxSize": 4}, 0, "left as it is: MaxSize of batch was 3, stays 4", id="MaxSize"),
        pytest.param({"MaxSize": 4, "DesiredCapacity": 4}, 1,
                     "of batch was 2 at the start and is 4 now, as many as with our surge, but not by us",
                     id="desired"),
    ],
)  # fmt: skip
def test_sizes_that_a_person_set_are_not_ours_because_they_are_equal(
    fields: dict[str, int], code: int, told: str, world: Worlds
) -> None:
    """After the start, before our surge: a MaxSize is left and reported, a desired is for the person to put back."""
    simulated = world("proof-plain")
    process = _hang(simulated, "SuspendProcesses", since="0s")
    simulated.get("/hung")
    simulated.post("/world", {"do": "update_group", "group": "batch", "fields": fields})
    simulated.release()
    result = finish(process)
    assert (result.code, told in result.out) == (code, True), result
    if code:
        simulated.post("/world", {"do": "update_group", "group": "batch", "fields": {"DesiredCapacity": 2}})
        assert simulated.resume().code == 0
    assert broken(simulated) == {}


def _hang(simulated: Simulated, operation: str, since: str = "15m") -> Any:
    """Start, and stand still at the first such request, by default when the drain has been going on for a while."""
    fault = {"match": {"operation": operation, "nth": 1}, "since": since, "hang": {"when": "before"}}
    simulated.post("/faults", fault)
    return simulated.spawn(*simulated.start_arguments)


def _status(simulated: Simulated) -> Any:
    return json.loads(simulated.rollout("status", "--config", "rollout.yaml", "--json").out)


def _says(halted: Result, told: list[str]) -> None:
    assert halted.code == 1, halted
    assert [text for text in told if text not in halted.out] == [], halted
    *_, command, way_back = halted.out.splitlines()
    assert f"rollout resume {halted.rollout_id}" in command, halted
    assert f"rollout abort {halted.rollout_id}" in way_back, halted
