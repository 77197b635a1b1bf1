"""The promises hold for a rollout done right, and each is broken by the one thing that breaks it."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest

from eks_simulator.clock import iso
from eks_simulator.cloud.errors import AwsError
from eks_simulator.judging import promises
from eks_simulator.kube.errors import ApiError
from eks_simulator.world.world import World
from tests.simulator.worlds import NEW, OLD, Client, condition, node_names, passes, pods_of, shipped, violations, world

JOB: dict[str, Any] = {"name": "job", "runtime": "30m", "start": -60}
WEB: dict[str, Any] = {"name": "web", "replicas": 2}


@pytest.fixture
def quiet() -> World:
    """Two replicas of a Deployment, no Job."""
    return world(workloads={"deployments": [WEB]})


@pytest.fixture
def busy() -> World:
    """A Job of half an hour on the first node."""
    return world(workloads={"jobs": [JOB]}, expect={"drain_deadline": "10m"})


def job_node(client: Client) -> Any:
    """The instance that runs the Job."""
    (pod,) = pods_of(client.world, "job-0")
    return next(one for one in client.group.living if one.dns == pod["spec"]["nodeName"])


def test_a_rollout_done_right_keeps_all_promises_and_checks_each(quiet: World) -> None:
    """Every promise was put to the test, none was broken, and the report counts two nodes replaced."""
    Client(quiet).rollout()
    assert violations(quiet) == {}
    assert all(promise.as_json()["checks"] > 0 for promise in promises.check(quiet))
    found = promises.report(quiet)
    assert found["nodes"] == {"old": 0, "new": 2, "replaced": 2}
    assert [one["field"] for one in found["baseline"] if not one["restored"]] == []
    assert found["versions"] == [{"template": Client(quiet).template, "version": 2, "source": 1}]


def test_a_node_whose_instance_has_ended_need_not_be_as_it_was(quiet: World) -> None:
    """It stands there for a while with what we wrote on it, and is removed; one that lives must be as it was."""
    client = Client(quiet)
    client.surge()
    going, stays = client.old()
    client.drain(going)
    with client.acting("TerminateInstanceInAutoScalingGroup"):
        quiet.cloud.terminate_in_group(going.id, decrement=True)
    changed = {one["object"] for one in promises.report(quiet)["baseline"]}
    assert f"node/{going.dns}" not in changed
    assert going.dns in node_names(quiet)
    assert f"node/{stays.dns}" in changed


def test_a_promise_without_a_check_is_broken(quiet: World) -> None:
    """Nothing was done, so nothing was promised and kept."""
    assert set(violations(quiet)) == {1, 2, 3, 4, 5, 6, 10, 12, 13, 14}
    assert violations(quiet)[1] == ["never put to the test: 0 checks"]


def test_deleting_a_running_jobs_pod_before_the_deadline_breaks_promise_1(busy: World) -> None:
    """The sentence names pod and Job, and the report the Job."""
    client = Client(busy)
    client.surge()
    client.delete_pod(pods_of(busy, "job-0")[0])
    (broken,) = violations(busy)[1]
    assert "of Job default/job-0 was killed, and the deadline is 2026-01-05T08:1" in broken
    assert promises.report(busy)["jobs"]["killed_by_us"] == ["default/job-0"]


def test_before_old_nodes_are_closed_there_is_no_deadline_to_wait_for(busy: World) -> None:
    """A Job's pod that is killed before READY's end is a violation at any time."""
    passes(busy, 1500)
    Client(busy).delete_pod(pods_of(busy, "job-0")[0])
    assert "no old node was closed yet" in violations(busy)[1][0]


def test_after_the_deadline_a_kill_is_kept_but_named(busy: World) -> None:
    """It is no violation, and stands in the report."""
    client = Client(busy)
    client.surge()
    passes(busy, 600)
    client.delete_pod(pods_of(busy, "job-0")[0])
    assert 1 not in violations(busy)
    assert promises.report(busy)["jobs"]["killed_by_us"] == ["default/job-0"]


def test_a_kill_on_a_node_that_was_forced() -> None:
    """Before the deadline it is kept there, from the moment on that the marker tells; anywhere else it is broken."""
    jobs = world(workloads={"jobs": [JOB | {"count": 2}]}, expect={"drain_deadline": "10m"})
    client = Client(jobs)
    client.surge()
    first, second = pods_of(jobs, "job-0")[0], pods_of(jobs, "job-1")[0]
    here, there = (next(one for one in client.old() if one.dns == pod["spec"]["nodeName"]) for pod in (first, second))
    assert here is not there
    client.force(here, iso(jobs.clock.now + 3600))
    client.delete_pod(second)
    assert len(violations(jobs)[1]) == 1
    client.force(there, iso(jobs.clock.now))
    client.delete_pod(first)
    assert len(violations(jobs)[1]) == 2


def test_a_forced_node_may_lose_its_job(busy: World) -> None:
    """It is no violation, and stands in the report."""
    client = Client(busy)
    client.surge()
    client.force(job_node(client), iso(busy.clock.now))
    client.delete_pod(pods_of(busy, "job-0")[0])
    assert 1 not in violations(busy)
    assert promises.report(busy)["jobs"]["killed_by_us"] == ["default/job-0"]


def test_a_kill_while_it_is_paused_breaks_promise_1(busy: World) -> None:
    """After the deadline too, and so does the end of an instance; once it is resumed neither does."""
    client = Client(busy)
    client.surge()
    client.pause(stands=True)
    passes(busy, 600)
    client.delete_pod(pods_of(busy, "job-0")[0])
    (broken,) = violations(busy)[1]
    assert broken.endswith("of Job default/job-0 was killed, and the rollout is paused")
    with client.acting("TerminateInstanceInAutoScalingGroup"):
        busy.cloud.terminate_in_group(client.old()[0].id, decrement=True)
    assert "was ended while the rollout was paused" in violations(busy)[1][1]
    client.pause(stands=False)
    with client.acting("TerminateInstanceInAutoScalingGroup"):
        busy.cloud.terminate_in_group(client.old()[0].id, decrement=True)
    assert len([one for one in violations(busy)[1] if "paused" in one]) == 2


def test_finished_and_unprotected_pods_may_be_deleted(busy: World) -> None:
    """Neither the pod of a Job that has succeeded nor, where that is set, of another namespace's Job is protected."""
    elsewhere = world(workloads={"jobs": [JOB]}, protected={"namespaces": ["prod"]}, settings={"unprotected": "evict"})
    passes(busy, 2000)
    for one in (busy, elsewhere):
        Client(one).delete_pod(pods_of(one, "job-0")[0])
        assert 1 not in violations(one)


@pytest.mark.parametrize("setting", ["protect", "refuse", "evict"])
@pytest.mark.parametrize("workloads", [{"jobs": [JOB]}, {"pods": [{"name": "job"}]}], ids=["Job", "bare pod"])
def test_what_nobody_replaces_is_protected_outside_of_the_selection_too(
    workloads: dict[str, Any], setting: str
) -> None:
    """To kill a Job's pod or a bare one breaks promise 1 in any namespace, unless the settings let it go."""
    there = world(workloads=workloads, protected={"namespaces": ["prod"]}, settings={"unprotected": setting})
    passes(there, 60)
    (victim,) = [pod for pod in there.store.list("pods") if pod["metadata"]["name"].startswith("job-0")]
    Client(there).delete_pod(victim)
    broken = any("job-0" in line for line in violations(there).get(1, ()))
    assert broken == (setting != "evict")


WORKFLOW = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "name": "w", "uid": "u", "controller": True}
EXECUTOR = {"apiVersion": "v1", "kind": "Pod", "name": "driver", "uid": "u", "controller": True}
REPLICA = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "u", "controller": True}


@pytest.mark.parametrize(
    ("kind", "restarts", "labels", "kept"),
    [
        pytest.param("tekton.dev/v1 TaskRun", "Never", {}, False, id="it runs to its end"),
        pytest.param("argoproj.io/v1alpha1 Workflow", "Always", {}, False, id="a kind that a preset knows"),
        pytest.param("core.strimzi.io/v1 StrimziPodSet", "Always", {}, True, id="a service of an operator"),
        pytest.param("ray.io/v1 RayCluster", "Always", {"ray.io/cluster": "one"}, False, id="of a RayCluster"),
        pytest.param("ray.io/v1 RayCluster", "Never", {"ray.io/serve": "true"}, True, id="of a RayService"),
        pytest.param("ray.io/v1 RayCluster", "Always", {"ray.io/originated-from-crd": "RayService"}, True,
                     id="by the other label"),
    ],
)  # fmt: skip
def test_what_runs_to_its_end_is_protected_whoever_controls_it(
    kind: str,
    restarts: str,
    labels: dict[str, str],
    kept: bool,  # noqa: FBT001 - a column of the table
) -> None:
    """To kill it breaks promise 1 though nobody named it."""
    api, _, name = kind.partition(" ")
    there = world(protected={"namespaces": ["prod"]})
    passes(there, 60)
    owner = {"apiVersion": api, "kind": name, "name": "one", "uid": "u", "controller": True}
    on = there.store.list("nodes")[0]["metadata"]["name"]
    spec = {"nodeName": on, "containers": [{"name": "main"}], "restartPolicy": restarts}
    named = {"name": "busy", "namespace": "default", "ownerReferences": [owner], "labels": labels}
    made = there.store.create("pods", {"metadata": named, "spec": spec, "status": {"phase": "Running"}})
    Client(there).delete_pod(made)
    assert (1 not in violations(there)) == kept


@pytest.mark.parametrize(
    ("metadata", "settings", "kept"),
    [
        pytest.param({"ownerReferences": [WORKFLOW]}, {"presets": ["argo-workflows"]}, False, id="a preset's kind"),
        pytest.param({"ownerReferences": [WORKFLOW]}, {"presets": ["ray"]}, True, id="another preset's kind"),
        pytest.param({"ownerReferences": [WORKFLOW]}, {}, True, id="no preset"),
        pytest.param({"ownerReferences": [EXECUTOR]}, {"presets": ["spark"]}, False, id="a pod of a pod"),
        pytest.param({"labels": {"spark-role": "driver"}}, {"presets": ["spark"]}, False, id="a preset's label"),
        pytest.param({"labels": {"spark-role": "driver"}}, {}, True, id="a label without its preset"),
        pytest.param({"ownerReferences": [REPLICA], "labels": {"spark-role": "driver"}}, {"presets": ["spark"]}, True,
                     id="a preset's label on a pod that is replaced"),
        pytest.param({"annotations": {"karpenter.sh/do-not-disrupt": "true"}}, {}, False, id="it says so itself"),
        pytest.param({"annotations": {"karpenter.sh/do-not-evict": "true"}}, {}, False, id="by the older name"),
        pytest.param({"annotations": {"karpenter.sh/do-not-disrupt": "1h"}}, {}, False, id="it says so for a while"),
        pytest.param({"annotations": {"karpenter.sh/do-not-disrupt": "50s"}}, {}, True, id="that while is over"),
    ],
)  # fmt: skip
def test_presets_are_judged_as_they_are_told(metadata: dict[str, Any], settings: dict[str, Any], kept: bool) -> None:  # noqa: FBT001 - a column of the table
    """To kill a pod that a preset names breaks promise 1, in every namespace, even with `unprotected: evict`."""
    there = world(protected={"namespaces": ["prod"]}, settings={"unprotected": "evict", "protected": settings})
    passes(there, 60)
    spec = {"nodeName": there.store.list("nodes")[0]["metadata"]["name"], "containers": [{"name": "main"}]}
    named = {"name": "busy", "namespace": "default", **metadata}
    status = {"phase": "Running", "startTime": iso(there.clock.now - 60)}
    made = there.store.create("pods", {"metadata": named, "spec": spec, "status": status})
    Client(there).delete_pod(made)
    assert (1 not in violations(there)) == kept


def test_ending_an_instance_under_a_job_breaks_promises_1_and_2(busy: World) -> None:
    """It kills the pod as surely as a deletion, and the node was not drained."""
    client = Client(busy)
    client.surge()
    client.terminate(job_node(client))
    assert {1, 2} <= set(violations(busy))
    assert "with default/job-0-" in violations(busy)[2][0]


@pytest.mark.parametrize("broken", [set(), {"ignore-uid"}])
def test_a_world_that_ignores_uids_breaks_promise_5(broken: set[str]) -> None:
    """Deleted a second time by its name, another pod would go; the precondition is what prevents it."""
    one = world(workloads={"pods": [{"name": "bare"}]}, broken=broken)
    client = Client(one)
    (pod,) = pods_of(one, "bare-0")
    client.delete_pod(pod)
    one.store.create("pods", {"metadata": {"name": "bare-0"}, "spec": pod["spec"]})
    with nullcontext() if broken else pytest.raises(ApiError):
        client.delete_pod(pod)
    assert (5 in violations(one)) == bool(broken)


@pytest.mark.parametrize("broken", [set(), {"ignore-protection"}])
def test_a_world_that_ignores_protection_breaks_promises_1_and_2(broken: set[str]) -> None:
    """A lower desired is only a number while all are protected; without that AWS ends an instance under its Job."""
    one = world(workloads={"jobs": [{**JOB, "count": 4}]}, broken=broken)
    client = Client(one)
    client.surge()
    with client.acting("SetInstanceProtection"):
        one.cloud.set_protection("g", [instance.id for instance in client.group.living], protected=True)
    client.update(DesiredCapacity=2)
    passes(one, 60)
    found = [text for number in (1, 2) for text in violations(one)[number]]
    assert any("was killed" in text for text in found) == any("on its node" in text for text in found) == bool(broken)


@pytest.mark.parametrize("broken", [set(), {"decrement-twice"}])
def test_a_world_that_lowers_desired_twice_breaks_promise_2(broken: set[str]) -> None:
    """The instance that goes for the second decrement is chosen by AWS: it was not drained."""
    one = world(workloads={"deployments": [{**WEB, "replicas": 12}]}, broken=broken)
    client = Client(one)
    client.surge()
    instance = client.old()[0]
    client.drain(instance)
    client.terminate(instance, floor=False)
    assert any("with default/web" in text for text in violations(one).get(2, [])) == bool(broken)


@pytest.mark.parametrize("broken", [set(), {"ignore-min-size"}])
def test_a_world_that_ignores_min_size_breaks_promise_5(broken: set[str]) -> None:
    """With the floor under it AWS refuses a terminate that is sent twice; without that desired falls for nobody."""
    one = world(workloads={"deployments": [WEB]}, broken=broken)
    client = Client(one)
    client.surge()
    instance = client.old()[0]
    client.drain(instance)
    client.update(MinSize=3)
    for times in range(2):
        refused = times == 1 and not broken
        with (
            pytest.raises(AwsError) if refused else nullcontext(),
            client.acting("TerminateInstanceInAutoScalingGroup"),
        ):
            one.cloud.terminate_in_group(instance.id, decrement=True)
    assert (5 in violations(one)) == bool(broken)


def test_a_shorter_grace_is_no_second_deletion() -> None:
    """A pod that does not go is deleted again with grace 0, and that is one effect."""
    one = world(workloads={"pods": [{"name": "bare", "stop": "10m", "grace": "10m"}]})
    client = Client(one)
    client.delete_pod(pods_of(one, "bare-0")[0])
    client.delete_pod(pods_of(one, "bare-0")[0], grace=0)
    assert pods_of(one, "bare-0") == []
    assert 5 not in violations(one)


def test_ending_an_instance_below_the_floor_breaks_promise_3(quiet: World) -> None:
    """A cloud that ignores MinSize lets a careless client take Ready nodes away."""
    quiet.cloud.broken = frozenset({"ignore-min-size"})
    client = Client(quiet)
    client.surge()
    for instance in client.old():
        client.drain(instance)
        client.terminate(instance, floor=False)
    client.drain(client.new()[0])
    client.terminate(client.new()[0], floor=False)
    assert violations(quiet)[2][0].endswith("neither old nor surplus")
    assert "group g was left with 1 serving nodes of 2" in violations(quiet)[3][-1]


def test_cordoning_a_new_node_breaks_promise_3(quiet: World) -> None:
    """A new node that is closed to pods is one node less."""
    client = Client(quiet)
    client.surge()
    for instance in client.old():
        client.drain(instance)
        client.terminate(instance)
    assert 3 not in violations(quiet)
    client.cordon(client.new()[0])
    assert "group g was left with 1 serving nodes of 2" in violations(quiet)[3][0]


@pytest.mark.parametrize(("verb", "broken"), [("DELETE jobs", False), ("POST pods/eviction", True)])
def test_a_job_that_is_deleted_takes_its_pods_from_nodes_that_stay_open(busy: World, verb: str, broken: bool) -> None:  # noqa: FBT001
    """To take a pod itself off such a node is to empty it."""
    client = Client(busy)
    client.surge()
    for instance in client.old():
        client.drain(instance)
        client.terminate(instance)
    (pod,) = pods_of(busy, "job-0")
    assert pod["spec"]["nodeName"] in {one.dns for one in client.new()}
    with client.acting(verb):
        busy.store.delete("pods", pod["metadata"]["namespace"], pod["metadata"]["name"])
    assert (3 in violations(busy)) is broken


@pytest.mark.parametrize(("seconds", "broken"), [(10, False), (25, True)])
def test_a_node_that_has_just_turned_still_serves(quiet: World, seconds: float, broken: bool) -> None:  # noqa: FBT001
    """What was on its way when a new node turned not Ready is no fault of ours; what leaves later is."""
    client = Client(quiet)
    client.surge()
    passes(quiet, 60)
    quiet.not_ready([client.new()[0].dns, client.old()[0].dns], 60)
    passes(quiet, seconds)
    client.cordon(client.old()[1])
    assert (3 in violations(quiet)) is broken


@pytest.mark.parametrize(("seconds", "broken"), [(0, False), (30, True)])
def test_what_ec2_has_ended_serves_until_somebody_says_so(quiet: World, seconds: float, *, broken: bool) -> None:
    """Nobody can know before its node turns; an act long after that could have known."""
    client = Client(quiet)
    client.surge()
    passes(quiet, 60)
    first, last = client.old()
    lost = (client.new()[0], first)
    for instance in lost:
        quiet.do({"do": "terminate_instance", "group": "g", "id": instance.id})
    nodes = [one.dns for one in lost]
    while any(condition(node) == "True" for node in quiet.store.list("nodes") if node["metadata"]["name"] in nodes):
        passes(quiet, 1)
    passes(quiet, seconds)
    client.cordon(last)
    assert (3 in violations(quiet)) is broken


def test_lowering_desired_lets_aws_choose_and_counts_as_our_act(busy: World) -> None:
    """The instance that Auto Scaling ends because we lowered desired is ended by us."""
    client = Client(busy)
    client.surge()
    client.update(DesiredCapacity=2, MinSize=2)
    passes(busy, 60)
    assert len(violations(busy)[2]) >= 1


def test_what_is_not_put_back_breaks_promise_4(quiet: World) -> None:
    """Each field that is left behind is named with what it should be."""
    client = Client(quiet)
    client.surge()
    assert any(
        "asg/g NewInstancesProtectedFromScaleIn: is True, should be False" in one for one in violations(quiet)[4]
    )
    assert any("configmap/kube-system/marker exists" in one for one in violations(quiet)[4])


@pytest.mark.parametrize("kept", [True, False])
def test_protection_that_was_there_before_us_must_stay(quiet: World, *, kept: bool) -> None:
    """A person protected one instance: taken off with ours it breaks promise 4, left on it does not."""
    first = quiet.original("g", 0)
    quiet.do({"do": "protect_instance", "group": "g", "which": 0})
    client = Client(quiet)
    client.surge()
    client.protect(quiet.original("g", 1), on=True)
    client.protect(quiet.original("g", 1), *([] if kept else [first]), on=False)
    assert any(f"instance/{first.id} ProtectedFromScaleIn" in one for one in violations(quiet)[4]) is not kept


def test_protection_that_a_person_takes_off_ours_may_be_either(quiet: World) -> None:
    """We may have put it back before we took it off at the end, or not."""
    client, one = Client(quiet), quiet.original("g", 0)
    client.surge()
    client.protect(one, on=True)
    quiet.do({"do": "protect_instance", "group": "g", "which": 0, "on": False})
    client.update(NewInstancesProtectedFromScaleIn=False)
    assert not any(f"instance/{one.id} ProtectedFromScaleIn" in one_ for one_ in violations(quiet)[4])


def test_what_a_third_party_changed_after_us_is_drift_and_no_violation(quiet: World) -> None:
    """Their MaxSize stays; the report says whose it is."""
    client = Client(quiet)
    client.update(MaxSize=6)
    quiet.do({"do": "update_group", "group": "g", "fields": {"MaxSize": 9}})
    assert 4 not in violations(quiet)
    (found,) = [one for one in promises.report(quiet)["baseline"] if one["field"] == "MaxSize"]
    assert (found["before"], found["now"], found["restored"], found["drift"]) == (4, 9, False, True)
    assert found["why"] == "changed by event update_group"


@pytest.mark.parametrize(("later", "broken"), [(20, False), (40, True)])
def test_what_a_third_party_changed_a_moment_before_us_may_be_undone(
    quiet: World, later: float, *, broken: bool
) -> None:
    """We may not have seen it: no request of Auto Scaling's asks what is there. After half a minute we must have."""
    client = Client(quiet)
    quiet.do({"do": "update_group", "group": "g", "fields": {"MaxSize": 6}})
    passes(quiet, later)
    client.update(MinSize=1)
    client.update(MaxSize=4)
    client.update(MinSize=2)
    assert any("MaxSize" in one for one in violations(quiet).get(4, [])) == broken


def test_a_group_whose_policy_somebody_took_away_launches_what_the_policy_did(quiet: World) -> None:
    """Its reference comes back in the place where it is now."""
    groups = [
        {"name": "g", "template": "lt", "version": "$Default", "desired": 2, "max": 4, "mixed": {"overrides": []}}
    ]
    one = world(groups=groups)
    client = Client(one)
    found = one.cloud.groups["g"].reference
    own = {"LaunchTemplateId": found.template}
    for version in ("1", "$Default"):
        policy = {"LaunchTemplate": {"LaunchTemplateSpecification": own | {"Version": version}}}
        client.update(MixedInstancesPolicy=policy)
    one.do({"do": "update_group", "group": "g", "fields": {"LaunchTemplate": own | {"Version": "1"}}})
    passes(one, 60)
    client.refer("$Default")
    assert not any("LaunchTemplate" in text for text in violations(one).get(4, []))


@pytest.mark.parametrize(("version", "left", "wanted"), [("1", "1", False), ("1", "2", True), ("$Latest", "2", False)])
def test_a_number_moves_to_our_version_and_a_name_stays(version: str, left: str, *, wanted: bool) -> None:
    """A group that named a number must name ours at the end; $Latest must be $Latest again."""
    groups = [{"name": "g", "template": "lt", "version": version, "desired": 2, "max": 4}]
    one = world(groups=groups)
    client = Client(one)
    client.publish()
    client.refer(left)
    assert (4 not in violations(one)) == wanted


def test_a_rollout_that_goes_back_gives_a_number_back() -> None:
    """The marker says that it was aborted: the number that was found is what is wanted, and a copy is no version."""
    one = world(groups=[{"name": "g", "template": "lt", "version": "1", "desired": 2, "max": 4}])
    client = Client(one)
    client.mark()
    client.publish()
    client.turn_back()
    client.refer("1")
    template = one.cloud.templates[client.template]
    with client.acting():
        one.cloud.templates.create_version(template, {"ImageId": OLD}, "1", "rollout back to 1", None)
    assert not any("LaunchTemplate" in text for text in violations(one)[4])
    assert 6 not in violations(one)
    assert len(promises.report(one)["versions"]) == 1


@pytest.mark.parametrize("back", [False, True])
def test_a_rollout_that_goes_back_ends_new_instances_and_no_old_one(quiet: World, *, back: bool) -> None:
    """What it launched has to go, and what was there before stays."""
    client = Client(quiet)
    client.surge()
    if back:
        client.turn_back()
    with client.acting("TerminateInstanceInAutoScalingGroup"):
        quiet.cloud.terminate_in_group(client.old()[0].id, decrement=True)
    assert any("neither old nor surplus" in one for one in violations(quiet).get(2, [])) is back


def test_a_number_inside_a_mixed_instances_policy_moves_too() -> None:
    """The reference stands deeper, and means the same."""
    one = world(groups=[{"name": "g", "template": "lt", "version": "1", "desired": 2, "max": 4}])
    client = Client(one)
    specification = {"LaunchTemplateId": client.template, "Version": "1"}
    policy = {"LaunchTemplate": {"LaunchTemplateSpecification": specification, "Overrides": [{"InstanceType": "a"}]}}
    one.do({"do": "update_group", "group": "g", "fields": {"MixedInstancesPolicy": policy}})
    template = one.cloud.templates[client.template]
    with client.acting():
        one.cloud.templates.create_version(template, {"ImageId": NEW}, "1", "rollout", None)
    for version in ("2", "1"):
        specification["Version"] = version
        client.update(MixedInstancesPolicy=policy)
    assert len(violations(one)[4]) == 1
    specification["Version"] = "2"
    client.update(MixedInstancesPolicy=policy)
    assert 4 not in violations(one)


OVERRIDES: list[dict[str, Any]] = [
    {"instance_type": "m5.large"},
    {"instance_type": "c5.large", "template": "other", "version": "1"},
    {"instance_type": "r5.large", "template": "third", "version": "$Default"},
]


@pytest.fixture
def mixed() -> World:
    """A group whose policy has overrides with templates of their own, one by a number, one by its $Default."""
    templates = [{"name": name, "versions": [{"image": OLD}]} for name in ("lt", "other", "third")]
    group = {"name": "g", "template": "lt", "desired": 3, "max": 6, "mixed": {"overrides": OVERRIDES}}
    return world(templates=templates, groups=[group])


def make_versions(client: Client) -> None:
    for template in client.cloud.templates:
        with client.acting():
            client.cloud.templates.create_version(template, {"ImageId": NEW}, "1", "rollout", None)


def refer(client: Client, *versions: str) -> None:
    """Write the policy's versions, its own first."""
    ids = [one.id for one in client.cloud.templates]
    named = [{"LaunchTemplateId": one, "Version": version} for one, version in zip(ids, versions, strict=True)]
    given = [{"InstanceType": one["instance_type"]} for one in OVERRIDES]
    for override, own in zip(given[1:], named[1:], strict=True):
        override["LaunchTemplateSpecification"] = own
    client.update(
        MixedInstancesPolicy={"LaunchTemplate": {"LaunchTemplateSpecification": named[0], "Overrides": given}}
    )


def test_each_reference_of_a_policy_is_given_back_in_its_own_way(mixed: World) -> None:
    """$Latest stays, an override's number becomes ours, and the default that an override lives on is moved."""
    client = Client(mixed)
    make_versions(client)
    refer(client, "2", "2", "2")
    assert any("MixedInstancesPolicy" in one for one in violations(mixed)[4])
    refer(client, "$Latest", "2", "$Default")
    assert [one for one in violations(mixed)[4] if "MixedInstancesPolicy" in one] == []
    assert "DefaultVersionNumber: is 1, should be 2" in violations(mixed)[4][0]
    third = next(one for one in mixed.cloud.templates if one.name == "third")
    with client.acting():
        mixed.cloud.templates.set_default(third, "2")
    assert 4 not in violations(mixed)


def test_lost_overrides_break_promise_4(mixed: World) -> None:
    """A policy that is put back without its overrides is not put back."""
    client = Client(mixed)
    policy = {"LaunchTemplateSpecification": {"LaunchTemplateId": client.template, "Version": "$Latest"}}
    client.update(MixedInstancesPolicy={"LaunchTemplate": {**policy, "Overrides": [{"InstanceType": "m5.large"}]}})
    assert any("MixedInstancesPolicy" in one for one in violations(mixed)[4])


@pytest.mark.parametrize("somebody", [True, False])
def test_pinned_is_right_only_where_somebody_moved_latest(quiet: World, *, somebody: bool) -> None:
    """Where $Latest is no longer ours the group stays pinned to ours, and that is drift; otherwise it is forgotten."""
    client = Client(quiet)
    client.publish()
    if somebody:
        quiet.do({"do": "new_version", "template": "lt", "instance_type": "m5.4xlarge"})
    assert (4 in violations(quiet)) != somebody
    found = [one for one in promises.report(quiet)["baseline"] if one["field"] == "LaunchTemplate"]
    assert [one["drift"] for one in found] == [somebody]


@pytest.mark.parametrize("version", ["1", "2"])
def test_on_the_way_back_a_group_stays_pinned_to_what_was_before(quiet: World, version: str) -> None:
    """Where $Latest is somebody's: never to our version."""
    client = Client(quiet)
    client.mark()
    client.publish()
    quiet.do({"do": "new_version", "template": "lt", "instance_type": "m5.4xlarge"})
    client.turn_back()
    if version == "1":
        client.refer(version)
    assert any("LaunchTemplate" in text for text in violations(quiet).get(4, [])) == (version == "2")


def test_pinned_is_right_where_somebody_moved_default() -> None:
    """Their default stays, and the group stays pinned to our version."""
    versions = [{"image": OLD}, {"image": OLD}]
    group = {"name": "g", "template": "lt", "version": "$Default", "desired": 2, "max": 4}
    one = world(templates=[{"name": "lt", "versions": versions}], groups=[group])
    Client(one).publish()
    assert 4 in violations(one)
    one.do({"do": "set_default", "template": "lt", "version": "2"})
    assert 4 not in violations(one)


@pytest.mark.parametrize("uneven", [True, False])
def test_az_rebalance_may_stay_suspended_where_zones_are_uneven(quiet: World, *, uneven: bool) -> None:
    """Resumed, it would end new nodes to even the zones out; in even zones it must be resumed."""
    client = Client(quiet)
    with client.acting("SuspendProcesses"):
        quiet.cloud.suspend("g", ["AZRebalance"])
    if uneven:
        quiet.do({"do": "break", "kind": "subnet_full", "group": "g", "zones": ["eu-west-1a"]})
        quiet.do({"do": "update_group", "group": "g", "fields": {"DesiredCapacity": 4}})
        passes(quiet, 300)
    assert (4 in violations(quiet)) != uneven


def test_a_default_must_be_moved_to_our_version() -> None:
    """A group that lives on $Default is done only when the template's default is ours."""
    one = world(groups=[{"name": "g", "template": "lt", "version": "$Default", "desired": 2, "max": 4}])
    client = Client(one)
    client.publish()
    client.refer("$Default")
    assert "DefaultVersionNumber: is 1, should be 2" in violations(one)[4][0]
    with client.acting():
        one.cloud.templates.set_default(one.cloud.templates[client.template], "2")
    assert 4 not in violations(one)


def test_new_instances_must_end_with_the_groups_own_protection(quiet: World) -> None:
    """Protected while we worked, they must not stay so in a group that protects nobody."""
    client = Client(quiet)
    client.surge()
    client.update(NewInstancesProtectedFromScaleIn=False)
    assert sum("ProtectedFromScaleIn" in one and "instance/" in one for one in violations(quiet)[4]) == 2


def test_ending_an_instance_twice_breaks_promise_5(quiet: World) -> None:
    """The second request finds it going, and lowers desired all the same."""
    client = Client(quiet)
    client.surge()
    instance = client.old()[0]
    client.drain(instance)
    for _ in range(2):
        with client.acting("TerminateInstanceInAutoScalingGroup"):
            quiet.cloud.terminate_in_group(instance.id, decrement=True)
    assert violations(quiet)[5] == ["asg/g: desired was lowered for nobody"]
    passes(quiet, 60)
    client.update(MaxSize=5)
    assert "for an instance that was going already" in violations(quiet)[5][0]


@pytest.mark.parametrize("lost", [False, True])
def test_a_pod_of_the_same_name_may_be_evicted_once_its_predecessor_was_lost(*, lost: bool) -> None:
    """Twice in a row is a repetition; if the second one ended without us, the third is another."""
    one = world(workloads={"statefulsets": [{"name": "db", "replicas": 1}]})
    client = Client(one)
    client.delete_pod(pods_of(one, "db-0")[0])
    passes(one, 60)
    if lost:
        one.do({"do": "delete_pods", "namespace": "default", "prefix": "db-0", "force": True})
        passes(one, 60)
    client.delete_pod(pods_of(one, "db-0")[0])
    assert any("once more" in text for text in violations(one).get(5, [])) == (not lost)


def test_a_template_that_somebody_deleted_has_no_default_to_move() -> None:
    """Its version number can never be given back: the rest is judged."""
    group = {"name": "g", "template": "lt", "version": "$Default", "min": 2, "desired": 2, "max": 4}
    one = world(groups=[group])
    client = Client(one)
    client.refer(str(client.publish()))
    one.do({"do": "delete_template", "template": "lt"})
    assert not any("DefaultVersionNumber" in text for text in violations(one).get(4, []))


@pytest.mark.parametrize("drained", [False, True])
def test_a_pod_of_the_same_name_leaves_with_each_node_that_is_drained(*, drained: bool) -> None:
    """What was evicted from an old node may be in the way on a surplus one; on one that serves it is a repetition."""
    one = world(workloads={"statefulsets": [{"name": "db", "replicas": 1}]})
    client = Client(one)
    for last in (False, True):
        pod = pods_of(one, "db-0")[0]
        if drained or not last:
            instance = next(each for each in client.old() if each.dns == pod["spec"]["nodeName"])
            client.cordon(instance)
        client.delete_pod(pod)
        passes(one, 60)
    assert any("once more" in text for text in violations(one).get(5, [])) == (not drained)


def test_an_instance_that_began_to_go_by_itself_a_moment_before_is_no_repetition(quiet: World) -> None:
    """Auto Scaling ends what is too many as soon as its protection is off: we may not have seen that."""
    client = Client(quiet)
    client.surge()
    instance = client.old()[0]
    client.drain(instance)
    quiet.do({"do": "terminate_in_group", "group": "g", "id": instance.id})
    with client.acting("TerminateInstanceInAutoScalingGroup"):
        quiet.cloud.terminate_in_group(instance.id, decrement=True)
    client.update(MaxSize=5)
    assert 5 not in violations(quiet)


def test_a_top_up_after_each_instance_that_goes_is_no_repetition(quiet: World) -> None:
    """Desired goes down with every old instance and up again; raised twice after one it breaks promise 5."""
    client = Client(quiet)
    client.surge()
    for instance in client.old():
        client.drain(instance)
        client.terminate(instance)
        client.update(DesiredCapacity=4)
    assert 5 not in violations(quiet)
    client.update(DesiredCapacity=3)
    client.update(DesiredCapacity=4)
    assert "asg/g DesiredCapacity: 3 became 4 once more" in violations(quiet)[5][-1]


def test_doing_and_undoing_the_same_twice_breaks_promise_5(quiet: World) -> None:
    """Applied, undone by ourselves and applied again is a repetition; undone by somebody else it is not."""
    client = Client(quiet)
    client.update(MaxSize=6)
    quiet.do({"do": "update_group", "group": "g", "fields": {"MaxSize": 4}})
    client.update(MaxSize=6)
    assert 5 not in violations(quiet)
    client.update(MaxSize=4)
    client.update(MaxSize=6)
    assert "asg/g MaxSize: 4 became 6 once more" in violations(quiet)[5][0]


def test_a_second_version_of_one_source_breaks_promise_6(quiet: World) -> None:
    """One version per template and source."""
    client = Client(quiet)
    template = quiet.cloud.templates[client.template]
    for source, count in (("1", 0), ("2", 0), ("1", 1)):
        with client.acting():
            quiet.cloud.templates.create_version(template, {"ImageId": NEW}, source, "x", None)
        assert len(violations(quiet).get(6, [])) == count


def test_a_rollout_that_takes_too_long_or_never_ends_breaks_promise_10(quiet: World) -> None:
    """The time from our first to our last change is bounded, and then nothing of ours is left."""
    client = Client(quiet)
    client.mark()
    passes(quiet, 11000)
    client.update(MaxSize=6)
    late, unfinished = violations(quiet)[10]
    assert "more than 10800 s" in late
    assert "configmap/kube-system/marker is still there" in unfinished


def test_closing_the_last_open_node_breaks_promise_12(quiet: World) -> None:
    """With all nodes tainted NoSchedule a new Job finds none."""
    client = Client(quiet)
    first, second = client.old()
    client.taint(first, "NoSchedule")
    assert 12 not in violations(quiet)
    client.taint(second, "NoSchedule")
    assert "no node takes new pods after node/" in violations(quiet)[12][0]


def test_what_others_have_closed_already_does_not_break_promise_12(quiet: World) -> None:
    """A person cordons all nodes: what we do to them then takes no place from anybody."""
    client = Client(quiet)
    for which in (0, 1):
        quiet.do({"do": "cordon", "group": client.old()[0].group, "which": which})
    for one in client.old():
        client.taint(one, "NoSchedule")
    assert 12 not in violations(quiet)


def test_changes_of_the_world_are_not_ours(quiet: World) -> None:
    """An instance that dies by itself, and what follows from it, breaks nothing."""
    client = Client(quiet)
    client.rollout()
    quiet.cloud.terminate_from_outside(client.new()[0].id)
    passes(quiet, 600)
    assert violations(quiet) == {}
    assert len(node_names(quiet)) == 2


def test_the_judges_hear_nothing_before_the_first_client() -> None:
    """The warm-up of a whole scenario leaves every promise unchecked."""
    assert all(promise.as_json()["checks"] == 0 for promise in promises.check(shipped("plain")))


SLOW: dict[str, Any] = {**WEB, "startup": "400s"}
BUDGET: dict[str, Any] = {"name": "web", "selector": {"app": "web"}, "max_unavailable": 2}


@pytest.mark.parametrize(
    ("workloads", "seconds", "broken"),
    [
        pytest.param({"deployments": [SLOW]}, 0, True, id="together"),
        pytest.param({"statefulsets": [{**SLOW, "startup": "90s"}]}, 0, True, id="of a StatefulSet"),
        pytest.param({"deployments": [{**SLOW, "startup": "30s"}]}, 60, False, id="the first is Ready elsewhere"),
        pytest.param({"deployments": [SLOW]}, 200, True, id="it is not yet"),
        pytest.param({"deployments": [SLOW]}, 270, False, id="that was waited for long enough"),
        pytest.param({"deployments": [SLOW], "budgets": [BUDGET]}, 0, False, id="their budget says yes"),
        pytest.param({"pods": [{"name": "web", "count": 2}]}, 0, False, id="nobody replaces them"),
    ],
)
def test_to_take_two_replicas_together_breaks_promise_13(
    workloads: dict[str, Any], seconds: float, *, broken: bool
) -> None:
    """Without a budget, and before another pod of their service became Ready."""
    there = world(workloads=workloads)
    client, (first, second) = Client(there), pods_of(there, "web")[:2]
    client.delete_pod(first)
    passes(there, seconds)
    client.delete_pod(second)
    found = violations(there).get(13, [])
    assert bool(found) == broken
    assert not broken or "another replica of web" in found[0]


def test_a_replica_that_is_not_ready_is_no_loss() -> None:
    """It serves nobody; the next one is the first that is taken."""
    there = world(workloads={"deployments": [WEB]})
    first, second = pods_of(there, "web")[:2]
    there.not_ready([first["spec"]["nodeName"]], 100)
    client = Client(there)
    for pod in (first, second):
        client.delete_pod(pod)
    assert 13 not in violations(there)


@pytest.mark.parametrize(
    ("wait", "flap", "broken"),
    [
        pytest.param(300, 0, True, id="its successor is not Ready yet"),
        pytest.param(600, 0, False, id="it is"),
        pytest.param(60, 100, True, id="the other one has just turned not Ready"),
        pytest.param(20, 100, False, id="that could not be seen yet"),
        pytest.param(280, 600, False, id="it was so for long"),
    ],
)
def test_to_take_the_last_ready_replica_breaks_promise_14(wait: float, flap: float, *, broken: bool) -> None:
    """While another was Ready a moment ago, or is on its way."""
    there = world(workloads={"deployments": [SLOW]})
    client, (first, second) = Client(there), pods_of(there, "web")[:2]
    if flap:
        there.not_ready([first["spec"]["nodeName"]], flap)
    else:
        client.delete_pod(first)
    passes(there, wait)
    client.delete_pod(second)
    found = violations(there).get(14, [])
    assert bool(found) == broken
    assert not broken or "was the last Ready one" in found[0]


@pytest.mark.parametrize(("warm_up", "broken"), [("20m", True), ("150m", False)])
def test_a_replica_that_was_starting_before_us_counts(warm_up: str, *, broken: bool) -> None:
    """For promise 14: its model may take an hour to load. One that has not been Ready for hours may never be."""
    there = world(workloads={"deployments": [{**WEB, "startup": "4h"}]}, warm_up=warm_up)
    serving = pods_of(there, "web")[0]

    def begin_to_serve(pod: dict[str, Any]) -> None:
        pod["status"]["conditions"] = [
            {"type": "Ready", "status": "True", "lastTransitionTime": pod["metadata"]["creationTimestamp"]}
        ]

    there.store.mutate("pods", serving["metadata"]["namespace"], serving["metadata"]["name"], begin_to_serve)
    Client(there).delete_pod(serving)
    assert bool(violations(there).get(14)) == broken
