"""The world acts by itself as AWS, Kubernetes and their controllers do."""

from __future__ import annotations

from typing import Any

import pytest

from eks_simulator.judging import promises
from eks_simulator.kube.errors import ApiError
from eks_simulator.kube.eviction import DeleteOptions, evict, fall_behind
from eks_simulator.world.pods import is_ready, key, tolerated
from eks_simulator.world.world import World
from tests.simulator.worlds import Client, condition, node_names, passes, phases, pods_of, shipped, world

HOUR = 3600


def jobs(**over: Any) -> dict[str, Any]:
    """Workloads of Jobs named job-0, …."""
    return {"jobs": [{"name": "job", "runtime": "10m", "start": -60} | over]}


def job(world: World, name: str = "job-0") -> dict[str, Any]:
    """The status of a Job."""
    found = world.store.get("jobs", "default", name)
    assert found is not None
    return dict(found["status"])


def conditions(status: dict[str, Any]) -> list[str]:
    """The types of a Job's conditions."""
    return [one["type"] for one in status.get("conditions", [])]


def grown(**over: Any) -> World:
    """A world in which the group has just been asked for a third instance."""
    one = world(**over)
    one.cloud.set_desired("g", 3)
    return one


def taint(world: World, node: str, effect: str) -> None:
    """Put a taint on a node."""
    world.store.mutate("nodes", None, node, lambda one: one["spec"].update(taints=[{"key": "k", "effect": effect}]))


# -- nodes


def test_two_worlds_of_one_scenario_have_the_same_history() -> None:
    """Every change at the same moment, for two hours."""
    first, second = shipped("plain"), shipped("plain")
    for one in (first, second):
        passes(one, 2 * HOUR)
    assert first.log.changes == second.log.changes
    assert len(first.log.changes) > 200


def test_a_new_instance_joins_not_ready_and_tainted_and_becomes_ready() -> None:
    """Its node names it by providerID, carries the group's label, and is born with the not-ready taint."""
    one = grown()
    passes(one, 20)
    assert len(node_names(one)) == 2
    seen: list[tuple[str, Any]] = []
    one.store.on("nodes", lambda _event, node, _previous: seen.append((condition(node), node["spec"].get("taints"))))
    passes(one, 300)
    not_ready = [{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}]
    assert seen == [("False", not_ready), ("True", not_ready), ("True", None)]
    instance = list(one.cloud.groups["g"].instances.values())[2]
    node = one.store.get("nodes", None, instance.dns)
    assert node is not None
    assert node["spec"]["providerID"] == f"aws:///{instance.zone}/{instance.id}"
    assert node["metadata"]["labels"]["nodegroup"] == "g"
    assert node["metadata"]["labels"]["topology.kubernetes.io/zone"] == instance.zone


def test_when_an_instance_goes_its_node_is_missed_then_removed_then_its_pods_are() -> None:
    """The node first turns Unknown; a Job that ran there starts again, and the dead attempt counts as failed."""
    one = world(workloads=jobs())
    (pod,) = pods_of(one, "job-0")
    victim = next(each for each in one.cloud.instances.values() if each.dns == pod["spec"]["nodeName"])
    one.cloud.terminate_from_outside(victim.id)
    passes(one, 55)
    node = one.store.get("nodes", None, victim.dns)
    assert node is not None
    assert condition(node) == "Unknown"
    passes(one, 75)
    assert one.store.get("nodes", None, victim.dns) is None
    passes(one, 120)
    assert pods_of(one, "job-0")[0]["metadata"]["name"] != pod["metadata"]["name"]
    assert job(one)["failed"] == 1
    passes(one, 900)
    assert conditions(job(one)) == ["Complete"]


def test_a_pod_on_a_dead_node_neither_ends_nor_goes() -> None:
    """Nobody is left to say what became of it."""
    one = world(workloads=jobs(runtime="2m"))
    (pod,) = pods_of(one, "job-0")
    victim = next(each for each in one.cloud.instances.values() if each.dns == pod["spec"]["nodeName"])
    one.cloud.terminate_from_outside(victim.id)
    one.store.delete("pods", "default", pod["metadata"]["name"])
    passes(one, 59)
    stuck = one.store.get("pods", "default", pod["metadata"]["name"])
    assert stuck is not None
    assert stuck["status"]["phase"] == "Running"


def test_a_cordon_shows_as_a_taint_too() -> None:
    """The node lifecycle controller adds it and takes it off again, and leaves other taints alone."""
    one = world()
    name = node_names(one)[0]
    taint(one, name, "NoSchedule")
    for on, keys in ((True, ["k", "node.kubernetes.io/unschedulable"]), (False, ["k"])):
        one.do({"do": "cordon", "group": "g", "on": on})
        passes(one, 1)
        node = one.store.get("nodes", None, name)
        assert node is not None
        assert [each["key"] for each in node["spec"]["taints"]] == keys


def test_a_noexecute_taint_drives_pods_out() -> None:
    """Those that do not tolerate it are deleted; a DaemonSet's pod stays."""
    one = world(workloads={"deployments": [{"name": "web"}], "daemonsets": [{"name": "agent"}]})
    name = pods_of(one, "web")[0]["spec"]["nodeName"]
    taint(one, name, "NoExecute")
    passes(one, 60)
    assert [pod["metadata"]["name"][:5] for pod in one.store.pods_on(name)] == ["agent"]
    assert phases(one, "web") == ["Running"]


def test_a_node_that_a_person_made_is_not_ready_and_takes_no_pods() -> None:
    """Without provider id and status it is in nobody's way, also under an instance's name; the judge goes on."""
    one = world(workloads=jobs(count=2))
    client = Client(one)
    client.mark()
    first, second = client.old()
    one.store.delete("nodes", None, first.dns)
    for name in (first.dns, "mine"):
        one.store.create("nodes", {"metadata": {"name": name}})
        one.do({"do": "not_ready", "lasts": 60})
    client.taint(second, "NoSchedule")
    passes(one, HOUR)
    assert not one.store.pods_on("mine")
    assert promises.check(one)


def test_a_deleted_node_object_takes_its_pods_with_it() -> None:
    """PodGC removes them, and their controller makes others."""
    one = world(workloads={"deployments": [{"name": "web", "replicas": 2}]})
    first = node_names(one)[0]
    one.do({"do": "delete_node", "group": "g", "which": 0})
    passes(one, 120)
    assert one.store.pods_on(first) == []
    assert phases(one, "web") == ["Running", "Running"]


def test_a_kubelet_registers_again_only_when_its_instance_is_rebooted() -> None:
    """Until then nothing tells of the instance; then there is another Node object of the same name and instance."""
    one = world()
    first = node_names(one)[0]
    before = one.store.get("nodes", None, first)
    assert before is not None
    one.do({"do": "delete_node", "group": "g", "which": 0})
    passes(one, 600)
    assert one.store.get("nodes", None, first) is None
    one.do({"do": "reboot_instance", "group": "g", "which": 0})
    one.do({"do": "reboot_instance", "group": "g", "which": 1})
    after = one.store.get("nodes", None, first)
    assert after is not None
    assert after["spec"]["providerID"] == before["spec"]["providerID"]
    assert after["metadata"]["uid"] != before["metadata"]["uid"]


# -- what goes wrong


@pytest.mark.parametrize(("kind", "nodes"), [("never_joins", 2), ("never_ready", 3)])
def test_a_launch_that_goes_wrong_goes_on_when_it_is_mended(kind: str, nodes: int) -> None:
    """Only the next launch is struck; `mend` lets it go on as if it had been slow."""
    one = grown(world_faults=[{"kind": kind, "group": "g"}])
    passes(one, HOUR)
    assert len(node_names(one)) == nodes
    assert sum(condition(node) == "True" for node in one.store.list("nodes")) == 2
    one.cloud.set_desired("g", 4)
    passes(one, 300)
    assert sum(condition(node) == "True" for node in one.store.list("nodes")) == 3
    one.do({"do": "mend", "kind": kind})
    passes(one, 60)
    assert sum(condition(node) == "True" for node in one.store.list("nodes")) == 4


def test_a_fault_ends_by_itself_at_its_time() -> None:
    """It needs no `mend`."""
    one = grown(world_faults=[{"kind": "shortage", "group": "g", "until": "30m"}])
    passes(one, 1790)
    assert len(node_names(one)) == 2
    passes(one, 400)
    assert len(node_names(one)) == 3


def test_a_fault_can_begin_later_and_strikes_only_its_own() -> None:
    """A pod that is stuck stays until `mend`; another goes."""
    one = world(workloads={"pods": [{"name": "stuck"}, {"name": "loose"}]})
    one.do({"do": "break", "kind": "stuck_pod", "pod": "default/stuck"})
    for name in ("stuck-0", "loose-0"):
        one.store.delete("pods", "default", name)
    passes(one, HOUR)
    assert [pod["metadata"]["name"] for pod in one.store.list("pods")] == ["stuck-0"]
    one.do({"do": "mend", "pod": "default/stuck"})
    passes(one, 1)
    assert one.store.list("pods") == []


def test_an_instance_that_went_while_its_node_was_held_up_never_joins() -> None:
    """`mend` does not bring back the dead."""
    one = grown(world_faults=[{"kind": "never_joins", "group": "g"}])
    passes(one, 300)
    one.cloud.terminate_from_outside(list(one.cloud.groups["g"].instances)[2])
    one.do({"do": "mend"})
    passes(one, 10)
    assert len(node_names(one)) == 2


# -- Jobs


def test_a_job_runs_for_its_runtime_and_completes() -> None:
    """Its pod carries the labels and the owner of a real one, and stays, Succeeded, without the tracking finalizer."""
    one = world(workloads=jobs())
    (pod,) = pods_of(one, "job-0")
    assert pod["metadata"]["finalizers"] == ["batch.kubernetes.io/job-tracking"]
    assert pod["metadata"]["labels"]["batch.kubernetes.io/job-name"] == "job-0"
    assert pod["metadata"]["ownerReferences"][0]["kind"] == "Job"
    assert pod["metadata"]["ownerReferences"][0]["controller"] is True
    assert job(one)["active"] == 1
    passes(one, 600)
    (pod,) = pods_of(one, "job-0")
    assert pod["status"]["phase"] == "Succeeded"
    assert "finalizers" not in pod["metadata"]
    assert (job(one)["active"], job(one)["succeeded"], conditions(job(one))) == (0, 1, ["Complete"])


@pytest.mark.parametrize("runtime", ["14d", "90000.25s", 0.00001])
def test_a_job_may_run_for_a_fortnight_or_an_instant(runtime: object) -> None:
    """A duration of any length that the scenario may have reaches the kubelet as it was written."""
    small = world(workloads=jobs(runtime=runtime))
    passes(small, 13 * 24 * HOUR if runtime == "14d" else 26 * HOUR)
    assert phases(small, "job") == ["Running" if runtime == "14d" else "Succeeded"]
    passes(small, 2 * 24 * HOUR)
    assert phases(small, "job") == ["Succeeded"]


def test_a_failing_job_is_tried_again_until_it_succeeds() -> None:
    """The first attempts fail as the scenario says."""
    one = world(workloads=jobs(failures=2))
    passes(one, HOUR)
    assert phases(one, "job-0") == ["Failed", "Failed", "Succeeded"]
    assert (job(one)["failed"], job(one)["succeeded"]) == (2, 1)


def test_a_job_gives_up_beyond_its_backoff_limit() -> None:
    """One more failure than allowed, and it has Failed."""
    one = world(workloads=jobs(failures=9, backoff_limit=1))
    passes(one, HOUR)
    assert phases(one, "job-0") == ["Failed", "Failed"]
    assert conditions(job(one)) == ["Failed"]
    counted = {"total": 1, "succeeded": 0, "failed": 1, "running": 0, "killed_by_us": []}
    assert promises.report(one)["jobs"] == counted


def test_an_evicted_job_pod_counts_as_failed_and_is_replaced() -> None:
    """Its finalizer holds it only until it is counted."""
    one = world(workloads=jobs())
    (pod,) = pods_of(one, "job-0")
    one.store.delete("pods", "default", pod["metadata"]["name"])
    passes(one, 60)
    (other,) = pods_of(one, "job-0")
    assert other["metadata"]["uid"] != pod["metadata"]["uid"]
    assert (job(one)["active"], job(one)["failed"]) == (1, 1)


def test_a_job_pod_whose_kubelet_is_stuck_goes_when_it_is_forced() -> None:
    """It counts as failed as soon as it is deleted, so that then no finalizer holds it, only its kubelet."""
    one = world(workloads=jobs(), world_faults=[{"kind": "stuck_pod", "pod": "default/job"}])
    (pod,) = pods_of(one, "job-0")
    one.store.delete("pods", "default", pod["metadata"]["name"])
    passes(one, HOUR)
    assert pod["metadata"]["name"] in {each["metadata"]["name"] for each in pods_of(one, "job-0")}
    one.store.delete("pods", "default", pod["metadata"]["name"], grace=0)
    assert pod["metadata"]["name"] not in {each["metadata"]["name"] for each in pods_of(one, "job-0")}


def test_an_attempts_runtime_does_not_depend_on_when_it_runs() -> None:
    """The same attempt of the same Job takes as long in a world where it started later."""

    def took(start: int) -> float:
        one = world(workloads=jobs(runtime="5m..50m", start=start))
        moments = [0.0]
        one.store.on("pods", lambda _event, _pod, _previous: moments.append(one.clock.now))
        passes(one, 2 * HOUR)
        return round(moments[-2] - one.scenario.start - start)

    assert took(0) == took(600)


def test_deleting_a_job_in_the_background_takes_its_pods() -> None:
    """They go, finalizer and all."""
    one = world(workloads=jobs())
    one.store.delete("jobs", "default", "job-0", propagation="Background")
    passes(one, 60)
    assert one.store.list("pods") == []


def test_a_job_made_once_more_under_its_name_gets_a_pod_beside_the_old_one() -> None:
    """The name of the old one's pod is taken until its kubelet lets it go: the next is drawn, as a controller does."""
    one = world(workloads=jobs(), world_faults=[{"kind": "stuck_pod", "pod": "default/job"}])
    before = one.store.get("jobs", "default", "job-0")
    assert before is not None
    one.store.delete("jobs", "default", "job-0", propagation="Background")
    passes(one, 20)
    one.store.create("jobs", {"metadata": {"name": "job-0"}, "spec": before["spec"]})
    passes(one, 20)
    names = [pod["metadata"]["name"] for pod in pods_of(one, "job-0")]
    assert len(names) == len(set(names)) == 2


def test_jobs_come_at_their_time_one_after_the_other() -> None:
    """Start and stagger count from the scenario's start."""
    one = world(workloads=jobs(count=3, start="10m", stagger="5m"))
    counts = []
    for _ in range(5):
        counts.append(len(one.store.list("jobs")))
        passes(one, 301)
    assert counts == [0, 0, 1, 2, 3]


# -- Deployments, DaemonSets, mirror pods


def test_a_stateful_set_makes_the_same_pod_again_one_after_the_other() -> None:
    """Of ordinal names; the next begins when all before it are Ready, and a name comes back when its pod is gone."""
    one = world(workloads={"statefulsets": [{"name": "db", "replicas": 3, "startup": "10s", "stop": "5s"}]})

    def names() -> list[str]:
        return sorted(pod["metadata"]["name"] for pod in pods_of(one, "db"))

    assert names() == ["db-0", "db-1", "db-2"]
    made = {pod["metadata"]["name"]: pod["metadata"] for pod in pods_of(one, "db")}
    assert made["db-1"]["labels"]["apps.kubernetes.io/pod-index"] == "1"
    one.store.delete("pods", "default", "db-0")
    one.store.delete("pods", "default", "db-1")
    passes(one, 4)
    assert {pod["metadata"]["uid"] for pod in pods_of(one, "db")} == {meta["uid"] for meta in made.values()}
    passes(one, 4)
    assert names() == ["db-0", "db-2"]
    passes(one, 30)
    found = one.store.get("statefulsets", "default", "db")
    assert found is not None
    assert (names(), found["status"]["readyReplicas"]) == (["db-0", "db-1", "db-2"], 3)
    with one.log.acting("world", "scale", 0):
        one.store.mutate("statefulsets", "default", "db", lambda obj: obj["spec"].update(replicas=1))
    passes(one, 10)
    assert names() == ["db-0"]


def test_a_deployment_keeps_its_replicas_through_one_replica_set() -> None:
    """Evicted pods are replaced, and scaling goes both ways."""
    one = world(workloads={"deployments": [{"name": "web", "replicas": 3}]})
    one.store.delete("pods", "default", pods_of(one, "web")[0]["metadata"]["name"])
    passes(one, 60)
    assert phases(one, "web") == ["Running"] * 3
    (replica_set,) = one.store.list("replicasets")
    assert {pod["metadata"]["ownerReferences"][0]["name"] for pod in pods_of(one, "web")} == {
        replica_set["metadata"]["name"]
    }
    for replicas in (5, 0):
        one.do({"do": "scale_deployment", "name": "web", "replicas": replicas})
        passes(one, 60)
        assert phases(one, "web") == ["Running"] * replicas
        deployment = one.store.get("deployments", "default", "web")
        assert deployment is not None
        assert deployment["status"]["readyReplicas"] == replicas


def test_daemonset_and_mirror_pods_live_on_every_node_and_come_back() -> None:
    """New nodes get theirs, taints or not; a deleted one of a DaemonSet is made again."""
    one = grown(workloads={"daemonsets": [{"name": "agent"}], "mirror_pods": [{"name": "proxy"}]})
    passes(one, 300)
    assert [len(pods_of(one, name)) for name in ("agent", "proxy")] == [3, 3]
    assert all("kubernetes.io/config.mirror" in pod["metadata"]["annotations"] for pod in pods_of(one, "proxy"))
    one.store.delete("pods", "default", pods_of(one, "agent")[0]["metadata"]["name"])
    passes(one, 60)
    assert phases(one, "agent") == ["Running"] * 3


def test_a_budget_can_block_for_a_while() -> None:
    """Until its time it allows nothing, in any state of its pods."""
    budget = {"name": "web", "selector": {"app": "web"}, "max_unavailable": 1, "never_allows_until": "30m"}
    one = world(workloads={"deployments": [{"name": "web", "replicas": 2}], "budgets": [budget]})
    assert one.store.blocked_budgets == {("default", "web")}
    passes(one, 1801)
    assert one.store.blocked_budgets == set()


# -- the scheduler


def test_jobs_spread_over_slots_and_wait_when_there_is_none() -> None:
    """Two nodes with two slots run four; the fifth is Pending, and runs when one is done."""
    one = world(workloads=jobs(count=5, stagger=1, start=-60))
    assert phases(one, "job") == ["Pending"] + ["Running"] * 4
    (waiting,) = [pod for pod in pods_of(one, "job") if pod["status"]["phase"] == "Pending"]
    assert waiting["status"]["conditions"][0]["reason"] == "Unschedulable"
    assert all(sum(p["spec"].get("nodeName") == node for p in pods_of(one, "job")) == 2 for node in node_names(one))
    passes(one, 700)
    assert phases(one, "job").count("Pending") == 0


def test_a_pod_that_tolerates_everything_is_scheduled_onto_a_cordoned_node() -> None:
    """The cordon is a taint to the scheduler (its plugin NodeUnschedulable)."""
    everything = {"name": "agent", "replicas": 1, "tolerations": [{"operator": "Exists"}]}
    one = world(workloads={"deployments": [everything]})
    for which in (0, 1):
        one.do({"do": "cordon", "group": "g", "which": which})
    passes(one, 5)
    (pod,) = pods_of(one, "agent")
    one.store.delete("pods", *key(pod))
    passes(one, 60)
    assert phases(one, "agent") == ["Running"]
    assert pods_of(one, "agent")[0]["metadata"]["uid"] != pod["metadata"]["uid"]


# -- nodes that flap


def ready_pods(world: World) -> list[bool]:
    """Whether each pod is Ready."""
    return [is_ready(pod) for pod in world.store.list("pods")]


def test_a_node_that_flaps_takes_the_readiness_of_its_pods_and_gives_it_back() -> None:
    """By group and age; nothing that runs ends."""
    one = world(workloads={"deployments": [{"name": "web", "replicas": 4}]})
    first, last = node_names(one)
    one.do({"do": "not_ready", "group": "g", "age": "newest", "lasts": "30s"})
    assert [condition(node) for node in one.store.list("nodes")] == ["True", "Unknown"]
    assert all(is_ready(pod) == (pod["spec"]["nodeName"] == first) for pod in one.store.list("pods"))
    assert one.store.pods_on(last)
    passes(one, 31)
    assert [condition(node) for node in one.store.list("nodes")] == ["True", "True"]
    assert ready_pods(one) == [True] * 4
    assert all("taints" not in node["spec"] for node in one.store.list("nodes"))


def test_a_node_that_goes_while_it_is_not_ready_stays_gone() -> None:
    """Two flaps of one node end with the later."""
    one = world()
    for lasts in ("60s", "10s"):
        one.do({"do": "not_ready", "group": "g", "which": 0, "lasts": lasts})
    one.do({"do": "delete_node", "group": "g", "age": "oldest"})
    passes(one, 100)
    assert len(node_names(one)) == 1


def test_budgets_say_for_a_while_what_they_said_before_their_pods_turned() -> None:
    """Not Ready and covered by a budget that is met on paper: evicted. Later the budget knows."""
    budget = {"name": "web", "selector": {"app": "web"}, "min_available": 2}
    one = world(workloads={"deployments": [{"name": "web", "replicas": 2}], "budgets": [budget]})
    first, second = pods_of(one, "web")
    with pytest.raises(ApiError):
        evict(one.store, *key(first), DeleteOptions())
    one.do({"do": "not_ready", "lasts": "60s"})
    evict(one.store, *key(first), DeleteOptions())
    passes(one, 25)
    with pytest.raises(ApiError):
        evict(one.store, *key(second), DeleteOptions())


def test_a_budget_that_is_behind_counts_what_it_lets_pass() -> None:
    """The API server itself lowers what is allowed at each eviction."""
    budget = {"name": "web", "selector": {"app": "web"}, "max_unavailable": 1}
    one = world(workloads={"deployments": [{"name": "web", "replicas": 3}], "budgets": [budget]})
    fall_behind(one.store, one.clock.now + 20)
    first, second, _ = pods_of(one, "web")
    evict(one.store, *key(first), DeleteOptions())
    with pytest.raises(ApiError):
        evict(one.store, *key(second), DeleteOptions())


def test_after_an_outage_every_node_is_not_ready_for_some_seconds() -> None:
    """The node lifecycle controller finds all leases old."""
    one = world()
    one.comes_back()
    passes(one, 3)
    assert [condition(node) for node in one.store.list("nodes")] == ["Unknown", "Unknown"]
    passes(one, 10)
    assert [condition(node) for node in one.store.list("nodes")] == ["True", "True"]


@pytest.mark.parametrize("close", ["cordon", "taint"])
def test_a_closed_node_gets_no_pod(close: str) -> None:
    """Cordoned or tainted NoSchedule, it keeps what it has and gets nothing more."""
    one = world(workloads=jobs(count=2, start="1m"))
    first = node_names(one)[0]
    if close == "cordon":
        one.do({"do": "cordon", "group": "g", "which": 0})
    else:
        taint(one, first, "NoSchedule")
    passes(one, 120)
    assert one.store.pods_on(first) == []
    assert phases(one, "job") == ["Running", "Running"]


def test_a_softly_tainted_node_is_taken_only_when_nothing_else_fits() -> None:
    """PreferNoSchedule is a preference."""
    one = world(workloads=jobs(count=3, start="1m", stagger=1))
    first, second = node_names(one)
    taint(one, first, "PreferNoSchedule")
    passes(one, 120)
    assert [len(one.store.pods_on(name)) for name in (first, second)] == [1, 2]


def test_a_node_selector_and_a_toleration_are_respected() -> None:
    """A pod that asks for labels nobody has waits; one that tolerates a taint goes where it is."""
    one = world(workloads=jobs(node_selector={"nodegroup": "nowhere"}))
    assert phases(one, "job") == ["Pending"]
    for name in node_names(one):
        taint(one, name, "NoSchedule")
    tolerations = [{"key": "k", "operator": "Exists", "effect": "NoSchedule"}]
    pod = {"metadata": {"name": "tough"}, "spec": {"containers": [{"name": "c"}], "tolerations": tolerations}}
    one.store.create("pods", pod)
    passes(one, 60)
    assert phases(one, "tough") == ["Running"]


@pytest.mark.parametrize(
    ("toleration", "fits"),
    [
        ({"operator": "Exists"}, True),
        ({"key": "k", "operator": "Exists"}, True),
        ({"key": "k", "value": "v"}, True),
        ({"key": "k", "value": "v", "effect": "NoSchedule"}, True),
        ({"key": "k", "value": "other"}, False),
        ({"key": "other", "operator": "Exists"}, False),
        ({"key": "k", "operator": "Exists", "effect": "NoExecute"}, False),
        ({"value": "v"}, False),
    ],
)
def test_a_toleration_fits_a_taint_as_the_kubernetes_api_says(toleration: dict[str, str], *, fits: bool) -> None:
    """Key, value and effect must agree, where they are given."""
    assert tolerated({"key": "k", "value": "v", "effect": "NoSchedule"}, [toleration]) == fits


def test_a_node_takes_no_more_pods_than_it_may() -> None:
    """Its number of pods counts, no matter what they request."""
    groups = [{"name": "g", "template": "lt", "desired": 1, "max": 1, "max_pods": 3}]
    one = world(groups=groups, workloads={"deployments": [{"name": "web", "replicas": 5}]})
    assert phases(one, "web") == ["Pending", "Pending", "Running", "Running", "Running"]


# -- the cluster-autoscaler


def scaled(**over: Any) -> World:
    """A world of three nodes with an autoscaler, which itself is a pod on one of them."""
    groups = [{"name": "g", "template": "lt", "min": 2, "desired": 3, "max": 5, "slots": 2}]
    return world(groups=groups, autoscaler={}, **over)


def test_the_autoscaler_ends_idle_nodes_down_to_min_size_protected_or_not() -> None:
    """Three nodes, all protected from scale-in, one needed: two are left, since MinSize is two."""
    one = scaled()
    one.cloud.set_protection("g", list(one.cloud.groups["g"].instances), protected=True)
    passes(one, HOUR)
    assert len(node_names(one)) == 2
    assert one.cloud.groups["g"].desired == 2
    ended = [change for change in one.log.changes if change.after == "Terminating"]
    assert {change.verb for change in ended} == {"cluster-autoscaler"}


def test_scale_down_disabled_holds_the_autoscaler_off() -> None:
    """The annotation on the node is what it respects."""
    one = scaled()
    note = {"cluster-autoscaler.kubernetes.io/scale-down-disabled": "true"}
    for name in node_names(one):
        one.store.mutate("nodes", None, name, lambda node: node["metadata"]["annotations"].update(note))
    passes(one, HOUR)
    assert len(node_names(one)) == 3


def test_the_autoscaler_raises_desired_for_pods_that_find_no_node() -> None:
    """Nine Jobs of a slot each need five nodes of two; then it waits for them and asks for no more."""
    one = scaled(workloads=jobs(count=9, runtime="50m", start="1m"))
    passes(one, 600)
    assert one.cloud.groups["g"].desired == 5
    assert phases(one, "job") == ["Running"] * 9


def test_an_autoscaler_without_a_replica_does_nothing() -> None:
    """Scaled to zero it neither looks nor acts."""
    one = scaled()
    one.do({"do": "scale_deployment", "namespace": "kube-system", "name": "cluster-autoscaler", "replicas": 0})
    passes(one, 2 * HOUR)
    assert len(node_names(one)) == 3


# -- what somebody does


def test_events_happen_at_their_time_as_a_third_partys_act() -> None:
    """The log says whose act it was."""
    one = world(events=[{"at": "10m", "do": "update_group", "group": "g", "fields": {"MaxSize": 9}}])
    passes(one, 599)
    assert one.cloud.groups["g"].max_size == 4
    passes(one, 1)
    change = next(change for change in one.log.changes if change.field == "MaxSize")
    assert (change.actor, change.verb, change.after) == ("world", "event update_group", 9)


def test_an_instance_that_dies_by_an_event_is_replaced() -> None:
    """By its place among those that were there at the start; one that is gone is refused by name."""
    one = world()
    one.do({"do": "terminate_instance", "group": "g", "which": 1, "spot": True})
    passes(one, 600)
    assert len(node_names(one)) == 2
    with pytest.raises(ValueError, match="group g has no original instance 1 any more"):
        one.do({"do": "terminate_instance", "group": "g", "which": 1})


def test_an_event_that_comes_too_late_is_remembered_and_harms_nobody() -> None:
    """Its object is gone by then; the report says so."""
    late = {"do": "terminate_instance", "group": "g"}
    one = world(events=[{"at": "5m", **late}, {"at": "20m", **late}])
    passes(one, HOUR)
    assert promises.report(one)["missed"] == [
        "terminate_instance at 2026-01-05T08:20:00Z: group g has no original instance 0 any more"
    ]


def test_an_action_that_is_wrong_is_refused_with_the_reason() -> None:
    """The unknown name and the unknown key are named."""
    one = world()
    with pytest.raises(ValueError, match="explode"):
        one.do({"do": "explode"})
    with pytest.raises(ValueError, match="group h has no node"):
        one.do({"do": "cordon", "group": "h", "age": "newest"})
    with pytest.raises(ValueError, match="unknown key 'grupp'; did you mean 'group'"):
        one.do({"do": "mend", "grupp": "g"})


def test_a_person_taints_a_node() -> None:
    """Its other taints stay; the same key is replaced."""
    one = world()
    for value in ("a", "b"):
        one.do({"do": "taint", "group": "g", "key": "k", "value": value})
    taints = [node["spec"].get("taints") for node in one.store.list("nodes")]
    assert taints == [[{"key": "k", "value": "b", "effect": "NoSchedule"}], None]


def test_an_event_may_follow_what_the_tool_does() -> None:
    """It happens so many seconds after that change of the tool's; changes of others do not count."""
    cordon = {"do": "cordon", "group": "g", "which": 0}
    one = world(events=[{"change": 2, "at": 10, **cordon}])
    client = Client(one)
    client.mark()
    taint(one, node_names(one)[1], "NoSchedule")
    passes(one, 60)
    assert not any(node["spec"].get("unschedulable") for node in one.store.list("nodes"))
    client.cordon(client.old()[1])
    passes(one, 5)
    assert sum("unschedulable" in node["spec"] for node in one.store.list("nodes")) == 1
    passes(one, 10)
    assert sum("unschedulable" in node["spec"] for node in one.store.list("nodes")) == 2


def test_budgets_may_be_made_changed_and_deleted() -> None:
    """In mid-run, by anybody: one that is there gets another bound."""
    one = world()
    for bound in (0, 1):
        one.do({"do": "set_budget", "name": "web", "selector": {"app": "web"}, "max_unavailable": bound})
        assert [each["spec"]["maxUnavailable"] for each in one.store.list("poddisruptionbudgets")] == [bound]
    one.do({"do": "delete_budget", "name": "web"})
    assert not list(one.store.list("poddisruptionbudgets"))
