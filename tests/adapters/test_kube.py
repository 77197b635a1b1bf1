"""Kubernetes through its port: what is read, what each mutating verb changes, and that each is sent once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from rollout.adapters import Edge, kube_api, kube_records
from rollout.adapters.kube import KubeCluster
from rollout.budget import Requirement
from rollout.codec import checkpoint_text
from rollout.errors import Blocked, Denied, Gone, Refused, Retry, Unknown
from rollout.machine import Phase
from rollout.observation import (
    REPLICAS_BEFORE,
    ROLLOUT_ID,
    SCALE_DOWN_BEFORE_KEY,
    SCALE_DOWN_KEY,
    AttachmentSeen,
    NodeSeen,
    PodSeen,
    Taint,
)
from rollout.phases.cluster_lock import checkpoint
from rollout.plan import Autoscaler
from rollout.ports import Cluster, NodeChange
from tests.adapters.living import Living
from tests.core.build import NOW, record, row

AUTOSCALER = Autoscaler("kube-system", "cluster-autoscaler")
MARK = checkpoint(record(Phase.PLANNED))
OURS = Taint("eks-rollout/replacing", "r-1", "NoSchedule")


@pytest.fixture
def cluster(edge: Edge) -> Cluster:
    return edge.cluster


def pods(cluster: Cluster, begins: str) -> list[PodSeen]:
    return [pod for pod in cluster.pods() if pod.name.startswith(begins) and pod.deleting is None]


def a_node(cluster: Cluster) -> NodeSeen:
    return cluster.nodes()[0]


def change(cluster: Cluster, node: NodeSeen, wanted: NodeChange) -> NodeSeen:
    cluster.change_node(node.name, node.uid, node.instance_id or "", wanted)
    return next(one for one in cluster.nodes() if one.uid == node.uid)


#: What a proxy or a load balancer answers, and an API server that does not know its own paths yet.
NOT_THE_SERVERS = {
    "html-404": {"error": {"status": 404, "code": "", "body": "<html>404 Not Found</html>"}},
    "empty-404": {"error": {"status": 404, "code": "", "body": ""}},
    "html-403": {"error": {"status": 403, "code": "", "body": "<html>403 Forbidden</html>", "applied": True}},
    "html-409": {"error": {"status": 409, "code": "", "body": "<html>409 Conflict</html>", "applied": True}},
    "empty-401": {"error": {"status": 401, "code": "", "body": ""}},
    "nameless-404": {"error": {"status": 404, "code": "NotFound"}},
}


def job_of(pod: PodSeen) -> tuple[str, str]:
    assert pod.owner is not None
    return pod.owner.name, pod.owner.uid


# ---- reads


def test_nodes_are_matched_to_instances_by_their_provider_id(cluster: Cluster, edge: Edge) -> None:
    """Every node of the groups carries the id of one of their instances, and is Ready."""
    instances = {one.id for group in edge.fleet.groups(["workers", "floor"]) for one in group.instances}
    assert {node.instance_id for node in cluster.nodes()} == instances
    assert all(node.usable for node in cluster.nodes())


def test_a_pod_is_seen_with_its_controller_and_what_it_says_of_itself(cluster: Cluster) -> None:
    """Job pods name their Job, mirror pods are told, and a pod that must not be disrupted is pinned."""
    job, bare, mirror = (pods(cluster, begins)[0] for begins in ("long-", "bare", "kube-proxy"))
    assert job.owner is not None
    assert (job.owner.api_version, job.owner.kind, job.owner.name[:5]) == ("batch/v1", "Job", "long-")
    assert (job.owner.group, job.phase) == ("batch", "Running")
    assert (bare.owner, bare.pinned, bare.mirror) == (None, True, False)
    assert mirror.mirror
    assert not job.pinned


def test_the_pods_of_a_node_come_past_the_watch(cluster: Cluster, world: Living) -> None:
    """The fresh list shows exactly the node's pods, at the price of one request."""
    node = a_node(cluster)
    watched = [pod for pod in cluster.pods() if pod.node == node.name]
    before = world.arrived(mutating=False)
    fresh = cluster.pods_on(node.name)
    assert world.arrived(mutating=False) == before + 1
    assert sorted(fresh, key=lambda pod: pod.uid) == sorted(watched, key=lambda pod: pod.uid)
    assert watched


def test_watched_records_cost_no_requests(cluster: Cluster, world: Living) -> None:
    """Nodes and pods are read from the watches."""
    before = world.arrived(mutating=False)
    assert cluster.nodes()
    assert cluster.pods()
    assert world.arrived(mutating=False) == before


def test_what_does_not_exist_is_none(cluster: Cluster) -> None:
    """No Deployment, no marker: None, not an error."""
    assert cluster.autoscaler(Autoscaler("kube-system", "nowhere")) is None
    assert cluster.marker() is None


@pytest.mark.parametrize("fault", [{"drop": {"when": "before"}}, {"error": {"status": 503, "code": "Busy"}}], ids=str)
def test_a_read_is_repeated(cluster: Cluster, world: Living, fault: dict[str, Any]) -> None:
    """One lost reply of a read, or one server error, is not even noticed."""
    world.fault(fault, operation="GET deployments", times=1)
    assert cluster.autoscaler(AUTOSCALER) is not None


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"error": {"status": 500, "code": "InternalError"}}, Retry),
        ({"error": {"status": 429, "code": "TooManyRequests"}}, Retry),
        ({"garble": {}}, Retry),
        ({"error": {"status": 403, "code": "Forbidden"}}, Refused),
    ],
    ids=str,
)
def test_a_read_that_fails_says_whether_it_may_succeed_later(
    cluster: Cluster, world: Living, fault: dict[str, Any], kind: type[Exception]
) -> None:
    """What passes is `Retry`; missing rights are `Refused`."""
    world.fault(fault, operation="GET deployments")
    with pytest.raises(kind):
        cluster.autoscaler(AUTOSCALER)


def test_a_long_list_is_read_page_by_page(cluster: Cluster, world: Living, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many pages it takes, every pod comes exactly once."""
    node = cluster.pods_on(a_node(cluster).name)
    monkeypatch.setattr(kube_api, "_PAGE", 1)
    before = world.arrived(mutating=False)
    assert cluster.pods_on(a_node(cluster).name) == node
    assert world.arrived(mutating=False) == before + len(node)


def test_a_list_that_expires_is_read_anew(cluster: Cluster, world: Living) -> None:
    """410 in the middle of a list begins it again; for ever it does not."""
    node = a_node(cluster).name
    world.fault({"error": {"status": 410, "code": "Expired"}}, operation="GET pods", times=1)
    assert cluster.pods_on(node)
    world.fault({"error": {"status": 410, "code": "Expired"}}, operation="GET pods")
    with pytest.raises(Retry, match="expired"):
        cluster.pods_on(node)


# ---- the marker and the autoscaler


def test_the_marker_is_created_once_and_deleted_by_its_uid(cluster: Cluster) -> None:
    """A second creation is refused, a stranger's uid leaves it, deleting what is gone is a success."""
    cluster.write_marker(MARK, None)
    found = cluster.marker()
    assert found is not None
    assert (found.rollout_id, found.checkpoint) == (MARK.rollout_id, MARK)
    with pytest.raises(Refused, match="AlreadyExists"):
        cluster.write_marker(replace(MARK, rollout_id="r-2"), None)
    cluster.delete_marker("another-uid")
    assert cluster.marker() == found
    cluster.delete_marker(found.uid)
    assert cluster.marker() is None
    cluster.delete_marker(found.uid)


def test_the_marker_says_what_was_written_last(cluster: Cluster) -> None:
    """It is written anew under its uid; under another uid, or when it is gone, nothing is written."""
    cluster.write_marker(MARK, None)
    first = cluster.marker()
    assert first is not None
    later = checkpoint(record(drain_deadline=NOW, epoch=3, journal="elsewhere"))
    cluster.write_marker(later, first.uid)
    second = cluster.marker()
    assert second is not None
    assert (second.uid, second.checkpoint) == (first.uid, later)
    assert second.checkpoint is not None
    assert (second.checkpoint.epoch, second.checkpoint.journal) == (3, "elsewhere")
    with pytest.raises(Retry, match="gone"):
        cluster.write_marker(MARK, "another-uid")
    cluster.delete_marker(first.uid)
    with pytest.raises(Retry, match="gone"):
        cluster.write_marker(MARK, first.uid)


def test_a_marker_of_a_thousand_nodes_fits(cluster: Cluster) -> None:
    """With names and ids as long as AWS gives them it takes less than a quarter of what a ConfigMap holds."""
    name, uid = "ip-100-100-100-100.ap-southeast-2.compute.internal", "2c1d8f0e-8a51-4b0c-9d3e-5f8a7b6c4d21"
    nodes = tuple(
        row(f"i-0123456789abc{number:04}", name=name, uid=uid, group="batch-workers") for number in range(1000)
    )
    big = checkpoint(record(nodes=nodes))
    assert len(checkpoint_text(big)) < 2**20 / 4
    cluster.write_marker(big, None)
    found = cluster.marker()
    assert found is not None
    assert found.checkpoint == big
    cluster.delete_marker(found.uid)


def test_the_autoscaler_is_stopped_and_noted_in_one_patch(cluster: Cluster, world: Living) -> None:
    """Replicas and both annotations change together, and go back together."""
    before = world.arrived()
    cluster.scale(AUTOSCALER, 0, {REPLICAS_BEFORE: "2", ROLLOUT_ID: "r-1"})
    stopped = cluster.autoscaler(AUTOSCALER)
    assert stopped is not None
    assert (stopped.replicas, stopped.replicas_before, stopped.rollout_id) == (0, 2, "r-1")
    cluster.scale(AUTOSCALER, 2, {REPLICAS_BEFORE: None, ROLLOUT_ID: None})
    back = cluster.autoscaler(AUTOSCALER)
    assert back is not None
    assert (back.replicas, back.replicas_before, back.rollout_id) == (2, None, None)
    assert world.arrived() == before + 2


def test_an_autoscaler_that_is_not_there_is_refused(cluster: Cluster) -> None:
    """Nothing is created in its place."""
    with pytest.raises(Refused, match="does not exist"):
        cluster.scale(Autoscaler("kube-system", "nowhere"), 0, {})


# ---- nodes


def test_only_our_own_keys_of_a_node_change(cluster: Cluster) -> None:
    """Taints of others stay as they were, ours is put, replaced and taken away; annotations likewise."""
    node = a_node(cluster)
    others = Taint("others/taint", "kept", "PreferNoSchedule")
    change(cluster, node, NodeChange(taint=others))
    soft = change(cluster, node, NodeChange(taint=replace(OURS, effect="PreferNoSchedule")))
    assert set(soft.taints) == {others, replace(OURS, effect="PreferNoSchedule")}
    assert set(change(cluster, node, NodeChange(taint=OURS)).taints) == {others, OURS}
    held = change(cluster, node, NodeChange(annotations={SCALE_DOWN_KEY: "true", SCALE_DOWN_BEFORE_KEY: ""}))
    assert (held.scale_down_disabled, held.scale_down_before, set(held.taints)) == ("true", "", {others, OURS})
    free = change(cluster, node, NodeChange(annotations={SCALE_DOWN_KEY: None, SCALE_DOWN_BEFORE_KEY: None}))
    assert (free.scale_down_disabled, free.scale_down_before) == (None, None)
    assert change(cluster, node, NodeChange(untaint=OURS.key)).taints == (others,)
    assert change(cluster, node, NodeChange(untaint=others.key)).taints == ()


def test_a_cordon_is_seen(cluster: Cluster) -> None:
    """The node is unschedulable, and not usable any more."""
    cordoned = change(cluster, cluster.nodes()[-1], NodeChange(unschedulable=True))
    assert cordoned.unschedulable
    assert not cordoned.usable


def test_a_node_that_is_so_already_costs_no_write(cluster: Cluster, world: Living) -> None:
    """The same change a second time sends nothing."""
    node = a_node(cluster)
    wanted = NodeChange(annotations={SCALE_DOWN_BEFORE_KEY: "x"})
    change(cluster, node, wanted)
    before = world.arrived()
    change(cluster, node, wanted)
    change(cluster, node, NodeChange(untaint="not/there"))
    assert world.arrived() == before


@pytest.mark.parametrize("wrong", ["name", "uid", "instance_id"])
def test_a_node_that_is_another_one_is_left_alone(cluster: Cluster, world: Living, wrong: str) -> None:
    """Name, uid and instance must all be those that were recorded: nothing is written, and the world is looked at."""
    node = a_node(cluster)
    right = {"name": node.name, "uid": node.uid, "instance_id": node.instance_id or ""}
    before = world.arrived()
    with pytest.raises(Retry, match=r"was replaced by another|is gone"):
        cluster.change_node(**(right | {wrong: "i-other"}), change=NodeChange(taint=OURS))
    assert world.arrived() == before


def test_a_conflict_is_a_retry(cluster: Cluster, world: Living) -> None:
    """A write based on an old version was certainly not applied."""
    world.fault({"error": {"status": 409, "code": "Conflict"}}, operation="PATCH nodes")
    with pytest.raises(Retry, match="Conflict"):
        change(cluster, a_node(cluster), NodeChange(taint=OURS))


# ---- pods


def test_an_evicted_pod_is_on_its_way_out(cluster: Cluster) -> None:
    """The eviction shows as a deletion with a grace period."""
    victim = pods(cluster, "web")[0]
    cluster.evict(victim.namespace, victim.name, victim.uid)
    assert next(pod for pod in cluster.pods() if pod.uid == victim.uid).deleting is not None
    cluster.evict(victim.namespace, victim.name, victim.uid)


@pytest.mark.parametrize("verb", ["evict", "delete_pod"])
def test_a_namesake_of_a_pod_is_left_alone(cluster: Cluster, verb: str) -> None:
    """Another uid under the same name means that ours is gone, and not by us; the other lives."""
    victim = pods(cluster, "web")[0]
    for name in (victim.name, "nowhere"):
        more = () if verb == "evict" else (0,)
        with pytest.raises(Gone):
            getattr(cluster, verb)(victim.namespace, name, "another-uid", *more)
    assert victim in cluster.pods()


def test_a_budget_that_blocks_is_named(cluster: Cluster) -> None:
    """The operator learns which pod and which budget; it may be tried again."""
    victim = pods(cluster, "kept")[0]
    with pytest.raises(Blocked, match=r"pod demo/kept.*disruption budget never"):
        cluster.evict(victim.namespace, victim.name, victim.uid)


def test_budgets_are_read_with_what_they_count(cluster: Cluster) -> None:
    """Each with its selector; who has a budget is told from who has none."""
    found = {one.name: one for one in cluster.budgets() or ()}
    kept, web = pods(cluster, "kept")[0], pods(cluster, "web")[0]
    assert sorted(found) == ["never", "one", "two"]
    assert (found["never"].expected, found["never"].healthy) == (1, 1)
    assert [found["never"].selects(one.namespace, one.labels) for one in (kept, web)] == [True, False]
    assert kept.ready


def test_a_selector_may_say_more_than_what_is_equal() -> None:
    """By expressions, none at all, or one that is empty; what makes no sense is not taken for an empty one."""
    raw: dict[str, Any] = {"metadata": {"namespace": "ns", "name": "b"}, "spec": {}}
    assert kube_records.budget(raw).selector is None
    raw["spec"]["selector"] = {}
    assert kube_records.budget(raw).selector == ()
    expressions: list[dict[str, Any]] = [
        {"key": "app", "operator": "NotIn", "values": ["", "x"]},
        {"key": "tier", "operator": "Exists"},
    ]
    raw["spec"]["selector"] = {"matchExpressions": expressions}
    wanted = (Requirement("app", "NotIn", frozenset({"", "x"})), Requirement("tier", "Exists"))
    assert kube_records.budget(raw).selector == wanted
    senseless_ones: tuple[dict[str, Any], ...] = ({"operator": "Gt"}, {"values": "x"}, {"values": [1]})
    for senseless in senseless_ones:
        raw["spec"]["selector"] = {"matchExpressions": [expressions[0] | senseless]}
        with pytest.raises((LookupError, ValueError)):
            kube_records.budget(raw)


def test_volumes_that_are_attached_are_read(cluster: Cluster, world: Living, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where they may not be read nothing is known, and a 403 of a moment is asked again."""
    assert cluster.attachments() == ()
    world.fault({"error": {"status": 403, "code": "Forbidden"}}, operation="GET volumeattachments")
    with pytest.raises(Denied):
        cluster.attachments()
    monkeypatch.setattr(KubeCluster, "_may", lambda _cluster, _right: False)
    assert cluster.attachments() is None


@pytest.mark.parametrize(
    ("source", "status", "seen"),
    [
        ({"persistentVolumeName": "pvc-1"}, {"attached": True}, AttachmentSeen("n", "pvc-1")),
        ({"inlineVolumeSpec": {}}, {"attached": True}, AttachmentSeen("n", "csi-1")),
        ({"persistentVolumeName": "pvc-1"}, {"attached": False}, None),
        ({"persistentVolumeName": "pvc-1"}, None, None),
    ],
)
def test_an_attachment(source: Any, status: Any, seen: AttachmentSeen | None) -> None:
    """One that is not attached yet holds nothing; one of a pod's own spec has no name but its attachment's."""
    raw = {"metadata": {"name": "csi-1"}, "spec": {"nodeName": "n", "source": source}, "status": status}
    assert kube_records.attachment(raw) == seen


def test_budgets_that_may_not_be_read_are_unknown(
    cluster: Cluster, world: Living, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The right is optional; a 403 of a moment, where we have it, is asked again like any other."""
    world.fault({"error": {"status": 403, "code": "Forbidden"}}, operation="GET poddisruptionbudgets")
    with pytest.raises(Denied):
        cluster.budgets()
    monkeypatch.setattr(KubeCluster, "_may", lambda _cluster, _right: False)
    assert cluster.budgets() is None


@pytest.mark.parametrize(
    "error",
    [
        {"status": 429, "code": "", "body": "Too many requests, please try again later."},
        {"status": 429, "code": "TooManyRequests", "message": "try again later", "headers": {"Retry-After": "1"}},
    ],
    ids=["priority and fairness", "the server itself"],
)
def test_throttling_blocks_nothing(cluster: Cluster, world: Living, error: dict[str, Any]) -> None:
    """Throttling is nobody's no to an eviction: it did not come through, and is sent again."""
    victim = pods(cluster, "web")[0]
    world.fault({"error": error}, operation="POST pods/eviction")
    with pytest.raises(Retry) as answered:
        cluster.evict(victim.namespace, victim.name, victim.uid)
    assert type(answered.value) is Retry


def test_a_webhooks_429_is_a_no_about_this_pod(cluster: Cluster, world: Living) -> None:
    """It names no budget, and asks nobody to wait: this pod is blocked, whatever headers of fairness come with it."""
    victim = pods(cluster, "web")[0]
    fair = {"X-Kubernetes-PF-FlowSchema-UID": "f", "X-Kubernetes-PF-PriorityLevel-UID": "p"}
    denied = {"status": 429, "code": "TooManyRequests", "message": "admission webhook denied it", "headers": fair}
    world.fault({"error": denied}, mutating=True)
    said = rf"pod {victim.namespace}/{victim.name}: .*webhook denied it"
    with pytest.raises(Blocked, match=said):
        cluster.evict(victim.namespace, victim.name, victim.uid)
    with pytest.raises(Blocked, match=said):
        cluster.delete_pod(victim.namespace, victim.name, victim.uid, None)


def test_a_budget_that_is_never_worked_out_is_a_no(cluster: Cluster, world: Living) -> None:
    """It asks to wait, as who throttles does, and will for ever: its pods have a controller without a scale."""
    victim = next(pod for pod in cluster.pods() if pod.owner and pod.owner.is_job and pod.phase == "Running")
    assert victim.owner
    rule = {"selector": {"matchLabels": {"job-name": victim.owner.name}}, "maxUnavailable": 1}
    meta, store = {"name": "odd", "namespace": victim.namespace}, world.simulator.world.store
    world.do(lambda: store.create("poddisruptionbudgets", {"metadata": meta, "spec": rule}))
    with pytest.raises(Blocked, match="The disruption budget odd is still being processed"):
        cluster.evict(victim.namespace, victim.name, victim.uid)
    world.do(lambda: store.delete("poddisruptionbudgets", victim.namespace, "odd"))


def test_two_budgets_on_one_pod_need_a_person(cluster: Cluster) -> None:
    """Kubernetes cannot evict such a pod at all: that blocks this pod, and others go on."""
    victim = pods(cluster, "twice")[0]
    with pytest.raises(Blocked, match=r"pod demo/twice.*more than one PodDisruptionBudget"):
        cluster.evict(victim.namespace, victim.name, victim.uid)


def test_any_other_server_error_of_an_eviction_is_unknown(cluster: Cluster, world: Living) -> None:
    """Only the answer about two budgets is certain."""
    world.fault({"error": {"status": 500, "code": "InternalError"}}, mutating=True)
    victim = pods(cluster, "web")[0]
    with pytest.raises(Unknown):
        cluster.evict(victim.namespace, victim.name, victim.uid)


def test_how_long_to_wait_is_handed_on(cluster: Cluster, world: Living) -> None:
    """The seconds of Retry-After reach the runner, which waits on its own clock."""
    busy = {"status": 429, "code": "TooManyRequests", "headers": {"Retry-After": "10"}}
    world.fault({"error": busy}, mutating=True)
    with pytest.raises(Retry) as caught:
        cluster.delete_job("demo", "nowhere", "x")
    assert caught.value.after == 10


def test_a_pod_is_deleted_with_its_grace_or_at_once(cluster: Cluster) -> None:
    """Without seconds the pod's own grace period counts; with 0 it is gone."""
    slow, fast = pods(cluster, "web")[:2]
    cluster.delete_pod(slow.namespace, slow.name, slow.uid, None)
    cluster.delete_pod(fast.namespace, fast.name, fast.uid, 0)
    left = {pod.uid: pod for pod in cluster.pods()}
    assert left[slow.uid].deleting is not None
    assert fast.uid not in left


def test_a_job_is_deleted_with_its_pods(cluster: Cluster, world: Living) -> None:
    """Background propagation takes the pods; one that is gone was not ended by us."""
    victim = pods(cluster, "long-")[0]
    name, _ = job_of(victim)
    with pytest.raises(Gone):
        cluster.delete_job(victim.namespace, name, "another-uid")
    assert victim in cluster.pods()
    cluster.delete_job(victim.namespace, *job_of(victim))
    world.pass_by(60)
    assert victim not in cluster.pods()
    with pytest.raises(Gone):
        cluster.delete_job("demo", "nowhere", "x")


# ---- each mutating request is sent once; the marker that one fault leaves behind, `delete_marker` takes away again


def scale(cluster: Cluster) -> None:
    cluster.scale(AUTOSCALER, 2, {REPLICAS_BEFORE: None})


def change_node(cluster: Cluster) -> None:
    node = a_node(cluster)
    value = f"{int(node.scale_down_before or 0) + 1}" if (node.scale_down_before or "0").isdecimal() else "1"
    change(cluster, node, NodeChange(annotations={SCALE_DOWN_BEFORE_KEY: value}))


def evict(cluster: Cluster) -> None:
    victim = pods(cluster, "web")[0]
    cluster.evict(victim.namespace, victim.name, victim.uid)


def delete_pod(cluster: Cluster) -> None:
    victim = pods(cluster, "web")[0]
    cluster.delete_pod(victim.namespace, victim.name, victim.uid, None)


def delete_job(cluster: Cluster) -> None:
    cluster.delete_job("demo", *job_of(pods(cluster, "long-")[0]))


def create_marker(cluster: Cluster) -> None:
    cluster.write_marker(MARK, None)


def delete_marker(cluster: Cluster) -> None:
    found = cluster.marker()
    cluster.delete_marker(found.uid if found else "gone")


def has_marker(cluster: Cluster, *, there: bool) -> None:
    """Make it so, whatever the test before left."""
    found = cluster.marker()
    if there and not found:
        create_marker(cluster)
    if found and not there:
        cluster.delete_marker(found.uid)


ADMISSION = {
    "webhook-400": (400, "BadRequest"),
    "webhook-403": (403, "Forbidden"),
    "policy-422": (422, "Invalid"),
    "webhook-405": (405, "MethodNotAllowed"),
    "webhook-418": (418, ""),
    "webhook-451": (451, "Legal"),
}


@pytest.mark.parametrize("verb", [evict, delete_pod], ids=lambda verb: verb.__name__)
@pytest.mark.parametrize(("status", "code"), ADMISSION.values(), ids=ADMISSION)
def test_what_admission_does_not_let_go_concerns_that_object(
    cluster: Cluster, world: Living, verb: Callable[[Cluster], None], status: int, code: str
) -> None:
    """The API server's no to one object, where we have the right, blocks that object and says why."""
    world.fault({"error": {"status": status, "code": code, "message": "the webhook says no"}}, mutating=True)
    with pytest.raises(Blocked, match=r"demo/.*the webhook says no"):
        verb(cluster)


@pytest.mark.parametrize("verb", [evict, delete_pod, delete_job], ids=lambda verb: verb.__name__)
def test_a_right_that_we_lack_is_not_about_one_object(
    cluster: Cluster, world: Living, verb: Callable[[Cluster], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A 403 without the right is a no to us: it is asked for again, and never followed by a DELETE of the pod."""
    world.fault({"error": {"status": 403, "code": "Forbidden"}}, mutating=True)
    monkeypatch.setattr(KubeCluster, "_may", lambda _cluster, _right: False)
    with pytest.raises(Denied, match="403"):
        verb(cluster)


VERBS = (create_marker, scale, change_node, evict, delete_pod, delete_job, delete_marker)


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.__name__)
@pytest.mark.parametrize(
    "fault",
    [
        {"drop": {"when": "before"}},
        {"error": {"status": 500, "code": "InternalError"}},
        {"garble": {}},
        {"error": {"status": 504, "code": "Timeout", "applied": True}},
        {"drop": {"when": "after"}},
        *NOT_THE_SERVERS.values(),
    ],
    ids=["lost", "500", "garbled", "504", "reply-lost", *NOT_THE_SERVERS],
)
def test_what_may_have_been_applied_is_unknown_and_sent_once(
    cluster: Cluster, world: Living, verb: Callable[[Cluster], None], fault: dict[str, Any]
) -> None:
    """A lost or unreadable reply and a server's error are `Unknown`; the request arrived exactly once."""
    has_marker(cluster, there=verb is delete_marker)
    world.fault(fault, mutating=True)
    before = world.arrived()
    with pytest.raises(Unknown):
        verb(cluster)
    assert world.arrived() == before + 1


@pytest.mark.parametrize("fault", NOT_THE_SERVERS.values(), ids=NOT_THE_SERVERS)
@pytest.mark.parametrize(
    ("operation", "read"),
    [
        ("GET configmaps", lambda cluster: cluster.marker()),
        ("GET deployments", lambda cluster: cluster.autoscaler(AUTOSCALER)),
        ("GET deployments", scale),
        ("GET nodes", change_node),
        ("GET pods", lambda cluster: cluster.pods_on("x")),
    ],
    ids=["marker", "autoscaler", "before-scaling", "before-a-node-changes", "pods"],
)
def test_only_the_api_server_says_that_a_thing_is_not_there(
    cluster: Cluster, world: Living, operation: str, read: Callable[[Cluster], Any], fault: dict[str, Any]
) -> None:
    """A 404 that is no `Status` about that object is an answer of a moment, whoever asks."""
    world.fault(fault, operation=operation)
    with pytest.raises(Retry):
        read(cluster)


@pytest.mark.parametrize("field", ["spec.taints", "spec", "metadata.annotations"])
def test_a_webhook_may_take_a_field_out_again(cluster: Cluster, world: Living, field: str) -> None:
    """A yes is no more than a yes: the node is as it was in that field, and only there."""
    node = a_node(cluster)
    world.fault({"strip": {"field": field}}, service="kube", operation="PATCH nodes")
    after = change(
        cluster, node, NodeChange(taint=Taint(field, "", "NoSchedule"), annotations={SCALE_DOWN_BEFORE_KEY: field})
    )
    assert (field in {taint.key for taint in after.taints}) is (field == "metadata.annotations")
    assert (after.scale_down_before == field) is (field != "metadata.annotations")
