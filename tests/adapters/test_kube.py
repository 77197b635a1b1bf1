"""Kubernetes through its port: what is read, what each mutating verb changes, and that each is sent once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from eks_simulator import faults
from rollout.adapters import Edge, cache, connect, kube_api, kube_records
from rollout.adapters.kube import ApiKubernetes
from rollout.errors import Blocked, Denied, Gone, Refused, Retry, Unknown
from rollout.formats.codec import checkpoint_text
from rollout.model.budget import Requirement
from rollout.model.machine import Phase
from rollout.model.observation import (
    REPLICAS_BEFORE,
    ROLLOUT_ID,
    SCALE_DOWN_BEFORE_KEY,
    SCALE_DOWN_KEY,
    AttachmentSeen,
    NodeSeen,
    PodSeen,
    Taint,
)
from rollout.model.plan import Autoscaler
from rollout.phases.cluster_lock import checkpoint
from rollout.ports import Kubernetes, NodeChange, ends_of
from tests.adapters.living import Living
from tests.core.build import NOW, record, row

AUTOSCALER = Autoscaler("kube-system", "cluster-autoscaler")
MARK = checkpoint(record(Phase.PLANNED))
OURS = Taint("eks-rollout/replacing", "r-1", "NoSchedule")


@pytest.fixture
def kubernetes(edge: Edge) -> Kubernetes:
    return edge.kubernetes


def pods(kubernetes: Kubernetes, begins: str) -> list[PodSeen]:
    return [pod for pod in kubernetes.pods() if pod.name.startswith(begins) and pod.deleting is None]


def a_node(kubernetes: Kubernetes) -> NodeSeen:
    return kubernetes.nodes()[0]


def change(kubernetes: Kubernetes, node: NodeSeen, wanted: NodeChange) -> NodeSeen:
    kubernetes.change_node(node.name, node.uid, node.instance_id or "", wanted)
    return next(one for one in kubernetes.nodes() if one.uid == node.uid)


#: For as long nobody reaches the API server; shorter than nodes' leases live.
AWAY = {"match": {"service": "kube"}, "lasts": "39s", "error": {"status": 503, "code": "ServiceUnavailable"}}
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


def test_nodes_are_matched_to_instances_by_their_provider_id(kubernetes: Kubernetes, edge: Edge) -> None:
    """Every node of the groups carries the id of one of their instances, and is Ready."""
    instances = {one.id for group in edge.autoscaling.groups(["workers", "floor"]) for one in group.instances}
    assert {node.instance_id for node in kubernetes.nodes()} == instances
    assert all(node.usable for node in kubernetes.nodes())


def test_a_pod_is_seen_with_its_controller_and_what_it_says_of_itself(kubernetes: Kubernetes) -> None:
    """Job pods name their Job, mirror pods are told, and a pod that must not be disrupted is pinned."""
    job, bare, mirror = (pods(kubernetes, begins)[0] for begins in ("long-", "bare", "kube-proxy"))
    assert job.owner is not None
    assert (job.owner.api_version, job.owner.kind, job.owner.name[:5]) == ("batch/v1", "Job", "long-")
    assert (job.owner.group, job.phase) == ("batch", "Running")
    assert (bare.owner, bare.pinned, bare.mirror) == (None, True, False)
    assert mirror.mirror
    assert not job.pinned


def test_the_pods_of_a_node_come_past_the_watch(kubernetes: Kubernetes, world: Living) -> None:
    """The fresh list shows exactly the node's pods, at the price of one request."""
    node = a_node(kubernetes)
    watched = [pod for pod in kubernetes.pods() if pod.node == node.name]
    before = world.arrived(mutating=False)
    fresh = kubernetes.pods_on(node.name)
    assert world.arrived(mutating=False) == before + 1
    assert sorted(fresh, key=lambda pod: pod.uid) == sorted(watched, key=lambda pod: pod.uid)
    assert watched


def test_watched_records_cost_no_requests(kubernetes: Kubernetes, world: Living) -> None:
    """Nodes and pods are read from the watches."""
    before = world.arrived(mutating=False)
    assert kubernetes.nodes()
    assert kubernetes.pods()
    assert world.arrived(mutating=False) == before


def test_what_is_followed_is_read_once(world: Living, kubernetes: Kubernetes) -> None:
    """Marker and Deployment come from watches then, and are gone there when they are gone."""
    with connect(world.config(), "follower") as other:
        follower = other.kubernetes
        follower.follow(AUTOSCALER)
        follower.follow(AUTOSCALER)
        before = world.simulator.requests.tallies["follower"].reads
        assert (follower.marker(), follower.autoscaler(AUTOSCALER)) == (None, kubernetes.autoscaler(AUTOSCALER))
        kubernetes.write_marker(MARK, None)
        found = kubernetes.marker()
        assert found is not None
        assert follower.marker() == found
        kubernetes.delete_marker(found.uid)
        assert follower.marker(young=False) is None
        assert world.simulator.requests.tallies["follower"].reads == before


def test_what_may_not_be_watched_is_read_each_time(world: Living, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's upgrade is refused for a right that is new."""
    denied = ("watch configmaps", "list deployments")
    monkeypatch.setattr(world.simulator, "scenario", world.simulator.scenario.model_copy(update={"denied": denied}))
    with connect(world.config(), "reader") as other:
        other.kubernetes.follow(AUTOSCALER)
        before = world.simulator.requests.tallies["reader"].operations.copy()
        other.kubernetes.marker()
        other.kubernetes.autoscaler(AUTOSCALER)
        asked = world.simulator.requests.tallies["reader"].operations - before
        assert asked == {"kube GET configmaps": 1, "kube GET deployments": 1}


def test_an_api_server_that_was_silent_is_asked(kubernetes: Kubernetes, world: Living) -> None:
    """A watch alone would not tell for minutes that it is away; where it was heard just now nothing is asked."""
    kubernetes.nodes()
    before = world.arrived(mutating=False)
    kubernetes.in_touch()
    assert world.arrived(mutating=False) == before
    world.pass_by(cache.YOUNG + 1)
    kubernetes.in_touch()  # in simulated time a bookmark tells it
    assert kubernetes.silence() >= cache.YOUNG
    assert kubernetes.silence() < 1
    assert world.arrived(mutating=False) == before


def test_an_api_server_that_goes_away_cuts_the_watches(world: Living, kubernetes: Kubernetes) -> None:
    """It is seen at once that nothing can be read, and again when it is back: watches go on by themselves."""
    nodes = kubernetes.nodes()
    world.do(lambda: world.simulator.add_fault(faults.parse(AWAY)))
    world.pass_by(0.1)
    with pytest.raises(Retry, match="503"):
        kubernetes.nodes()
    world.pass_by(40)
    assert kubernetes.nodes() == nodes
    assert kubernetes.silence() >= 40


def test_what_does_not_exist_is_none(kubernetes: Kubernetes) -> None:
    """No Deployment, no marker: None, not an error."""
    assert kubernetes.autoscaler(Autoscaler("kube-system", "nowhere")) is None
    assert kubernetes.marker() is None


@pytest.mark.parametrize("fault", [{"drop": {"when": "before"}}, {"error": {"status": 503, "code": "Busy"}}], ids=str)
def test_a_read_is_repeated(kubernetes: Kubernetes, world: Living, fault: dict[str, Any]) -> None:
    """One lost reply of a read, or one server error, is not even noticed."""
    world.fault(fault, operation="GET deployments", times=1)
    assert kubernetes.autoscaler(AUTOSCALER) is not None


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
    kubernetes: Kubernetes, world: Living, fault: dict[str, Any], kind: type[Exception]
) -> None:
    """What passes is `Retry`; missing rights are `Refused`."""
    world.fault(fault, operation="GET deployments")
    with pytest.raises(kind):
        kubernetes.autoscaler(AUTOSCALER)


def test_a_long_list_is_read_page_by_page(
    kubernetes: Kubernetes, world: Living, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many pages it takes, every pod comes exactly once."""
    node = kubernetes.pods_on(a_node(kubernetes).name)
    monkeypatch.setattr(kube_api, "_PAGE", 1)
    before = world.arrived(mutating=False)
    assert kubernetes.pods_on(a_node(kubernetes).name) == node
    assert world.arrived(mutating=False) == before + len(node)


def test_a_list_that_expires_is_read_anew(kubernetes: Kubernetes, world: Living) -> None:
    """410 in the middle of a list begins it again; for ever it does not."""
    node = a_node(kubernetes).name
    world.fault({"error": {"status": 410, "code": "Expired"}}, operation="GET pods", times=1)
    assert kubernetes.pods_on(node)
    world.fault({"error": {"status": 410, "code": "Expired"}}, operation="GET pods")
    with pytest.raises(Retry, match="expired"):
        kubernetes.pods_on(node)


# ---- the marker and the autoscaler


def test_the_marker_is_created_once_and_deleted_by_its_uid(kubernetes: Kubernetes) -> None:
    """A second creation is refused, a stranger's uid leaves it, deleting what is gone is a success."""
    kubernetes.write_marker(MARK, None)
    found = kubernetes.marker()
    assert found is not None
    assert (found.rollout_id, found.checkpoint) == (MARK.rollout_id, MARK)
    with pytest.raises(Refused, match="AlreadyExists"):
        kubernetes.write_marker(replace(MARK, rollout_id="r-2"), None)
    kubernetes.delete_marker("another-uid")
    assert kubernetes.marker() == found
    kubernetes.delete_marker(found.uid)
    assert kubernetes.marker() is None
    kubernetes.delete_marker(found.uid)


def test_a_marker_that_a_finalizer_holds_says_so_once_it_is_deleted() -> None:
    """It stays with its deletionTimestamp until the finalizer is off; before the delete a finalizer holds nothing."""
    metadata = {"uid": "u", "finalizers": ["x.io/keep"]}
    assert kube_records.marker({"metadata": metadata}).held_by == ()
    deleted = metadata | {"deletionTimestamp": "2026-01-05T08:00:00Z"}
    assert kube_records.marker({"metadata": deleted}).held_by == ("x.io/keep",)


def test_the_marker_says_what_was_written_last(kubernetes: Kubernetes) -> None:
    """It is written again under its uid; under another uid, or when it is gone, nothing is written."""
    kubernetes.write_marker(MARK, None)
    first = kubernetes.marker()
    assert first is not None
    later = checkpoint(record(drain_deadline=NOW, epoch=3, journal="elsewhere"))
    kubernetes.write_marker(later, first.uid)
    second = kubernetes.marker()
    assert second is not None
    assert (second.uid, second.checkpoint) == (first.uid, later)
    assert second.checkpoint is not None
    assert (second.checkpoint.epoch, second.checkpoint.journal) == (3, "elsewhere")
    with pytest.raises(Retry, match="gone"):
        kubernetes.write_marker(MARK, "another-uid")
    kubernetes.delete_marker(first.uid)
    with pytest.raises(Retry, match="gone"):
        kubernetes.write_marker(MARK, first.uid)


def test_a_marker_of_a_thousand_nodes_fits(kubernetes: Kubernetes) -> None:
    """With names and ids as long as AWS gives them it takes less than a quarter of what a ConfigMap holds."""
    name, uid = "ip-100-100-100-100.ap-southeast-2.compute.internal", "2c1d8f0e-8a51-4b0c-9d3e-5f8a7b6c4d21"
    nodes = tuple(
        row(f"i-0123456789abc{number:04}", name=name, uid=uid, group="batch-workers") for number in range(1000)
    )
    big = checkpoint(record(nodes=nodes))
    assert len(checkpoint_text(big)) < 2**20 / 4
    kubernetes.write_marker(big, None)
    found = kubernetes.marker()
    assert found is not None
    assert found.checkpoint == big
    kubernetes.delete_marker(found.uid)


def test_the_autoscaler_is_stopped_and_noted_in_one_patch(kubernetes: Kubernetes, world: Living) -> None:
    """Replicas and both annotations change together, and go back together."""
    before = world.arrived()
    kubernetes.scale(AUTOSCALER, 0, {REPLICAS_BEFORE: "2", ROLLOUT_ID: "r-1"})
    stopped = kubernetes.autoscaler(AUTOSCALER)
    assert stopped is not None
    assert (stopped.replicas, stopped.replicas_before, stopped.rollout_id) == (0, 2, "r-1")
    kubernetes.scale(AUTOSCALER, 2, {REPLICAS_BEFORE: None, ROLLOUT_ID: None})
    back = kubernetes.autoscaler(AUTOSCALER)
    assert back is not None
    assert (back.replicas, back.replicas_before, back.rollout_id) == (2, None, None)
    assert world.arrived() == before + 2


def test_an_autoscaler_that_is_not_there_is_refused(kubernetes: Kubernetes) -> None:
    """Nothing is created in its place."""
    with pytest.raises(Refused, match="does not exist"):
        kubernetes.scale(Autoscaler("kube-system", "nowhere"), 0, {})


# ---- nodes


def test_only_our_own_keys_of_a_node_change(kubernetes: Kubernetes) -> None:
    """Taints of others stay as they were, ours is put, replaced and taken away; annotations likewise."""
    node = a_node(kubernetes)
    others = Taint("others/taint", "kept", "PreferNoSchedule")
    change(kubernetes, node, NodeChange(taint=others))
    soft = change(kubernetes, node, NodeChange(taint=replace(OURS, effect="PreferNoSchedule")))
    assert set(soft.taints) == {others, replace(OURS, effect="PreferNoSchedule")}
    assert set(change(kubernetes, node, NodeChange(taint=OURS)).taints) == {others, OURS}
    held = change(kubernetes, node, NodeChange(annotations={SCALE_DOWN_KEY: "true", SCALE_DOWN_BEFORE_KEY: ""}))
    assert (held.scale_down_disabled, held.scale_down_before, set(held.taints)) == ("true", "", {others, OURS})
    free = change(kubernetes, node, NodeChange(annotations={SCALE_DOWN_KEY: None, SCALE_DOWN_BEFORE_KEY: None}))
    assert (free.scale_down_disabled, free.scale_down_before) == (None, None)
    assert change(kubernetes, node, NodeChange(untaint=OURS.key)).taints == (others,)
    assert change(kubernetes, node, NodeChange(untaint=others.key)).taints == ()


def test_a_cordon_is_seen(kubernetes: Kubernetes) -> None:
    """The node is unschedulable, and not usable any more."""
    cordoned = change(kubernetes, kubernetes.nodes()[-1], NodeChange(unschedulable=True))
    assert cordoned.unschedulable
    assert not cordoned.usable


def test_a_node_that_is_so_already_costs_no_write(kubernetes: Kubernetes, world: Living) -> None:
    """The same change a second time sends nothing."""
    node = a_node(kubernetes)
    wanted = NodeChange(annotations={SCALE_DOWN_BEFORE_KEY: "x"})
    change(kubernetes, node, wanted)
    before = world.arrived()
    change(kubernetes, node, wanted)
    change(kubernetes, node, NodeChange(untaint="not/there"))
    assert world.arrived() == before


@pytest.mark.parametrize("wrong", ["name", "uid", "instance_id"])
def test_a_node_that_is_another_one_is_left_alone(kubernetes: Kubernetes, world: Living, wrong: str) -> None:
    """Name, uid and instance must all be those that were recorded: nothing is written, and the world is looked at."""
    node = a_node(kubernetes)
    right = {"name": node.name, "uid": node.uid, "instance_id": node.instance_id or ""}
    before = world.arrived()
    with pytest.raises(Retry, match=r"was replaced by another|is gone"):
        kubernetes.change_node(**(right | {wrong: "i-other"}), change=NodeChange(taint=OURS))
    assert world.arrived() == before


def test_a_conflict_is_a_retry(kubernetes: Kubernetes, world: Living) -> None:
    """A write based on an old version was certainly not applied."""
    world.fault({"error": {"status": 409, "code": "Conflict"}}, operation="PATCH nodes")
    with pytest.raises(Retry, match="Conflict"):
        change(kubernetes, a_node(kubernetes), NodeChange(taint=OURS))


# ---- pods


def test_an_evicted_pod_is_on_its_way_out(kubernetes: Kubernetes) -> None:
    """The eviction shows as a deletion with a grace period."""
    victim = pods(kubernetes, "web")[0]
    kubernetes.evict(victim.namespace, victim.name, victim.uid)
    assert next(pod for pod in kubernetes.pods() if pod.uid == victim.uid).deleting is not None
    kubernetes.evict(victim.namespace, victim.name, victim.uid)


@pytest.mark.parametrize("verb", ["evict", "delete_pod"])
def test_a_namesake_of_a_pod_is_left_alone(kubernetes: Kubernetes, verb: str) -> None:
    """Another uid under the same name means that ours is gone, and not by us; the other lives."""
    victim = pods(kubernetes, "web")[0]
    for name in (victim.name, "nowhere"):
        more = () if verb == "evict" else (0,)
        with pytest.raises(Gone):
            getattr(kubernetes, verb)(victim.namespace, name, "another-uid", *more)
    assert victim in kubernetes.pods()


def test_a_budget_that_blocks_is_named(kubernetes: Kubernetes) -> None:
    """The operator learns which pod and which budget; it may be tried again."""
    victim = pods(kubernetes, "kept")[0]
    with pytest.raises(Blocked, match=r"pod demo/kept.*disruption budget never"):
        kubernetes.evict(victim.namespace, victim.name, victim.uid)


def test_budgets_are_read_with_what_they_count(kubernetes: Kubernetes) -> None:
    """Each with its selector; who has a budget is told from who has none."""
    found = {one.name: one for one in kubernetes.budgets() or ()}
    kept, web = pods(kubernetes, "kept")[0], pods(kubernetes, "web")[0]
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


def test_until_when_jobs_may_run_is_read(
    kubernetes: Kubernetes, world: Living, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of those with activeDeadlineSeconds that have begun; where Jobs may not be listed nothing is known."""
    assert ends_of(kubernetes.jobs() or ()) == {}
    job = next(pod.owner for pod in kubernetes.pods() if pod.owner and pod.owner.is_job)
    namespace = next(pod.namespace for pod in kubernetes.pods() if pod.owner == job)
    store = world.simulator.world.store

    def limit(raw: dict[str, Any]) -> None:
        raw["spec"]["activeDeadlineSeconds"] = 3600

    world.do(lambda: store.mutate("jobs", namespace, job.name, limit))
    begun = next(raw["status"]["startTime"] for raw in store.list("jobs") if raw["metadata"]["uid"] == job.uid)
    assert ends_of(kubernetes.jobs() or ()) == {job.uid: datetime.fromisoformat(begun) + timedelta(hours=1)}
    world.fault({"error": {"status": 403, "code": "Forbidden"}}, operation="GET jobs")
    with pytest.raises(Denied):
        kubernetes.jobs()
    monkeypatch.setattr(ApiKubernetes, "_may", lambda _cluster, _right: False)
    assert kubernetes.jobs() is None


def test_how_long_jobs_lasted_is_read(kubernetes: Kubernetes, world: Living) -> None:
    """Whose they are, when they began, and when they were done; one that runs has no end."""
    (first, *_) = kubernetes.jobs() or ()
    assert (first.namespace, first.owner, first.completed) == ("demo", "", None)
    assert first.started is not None
    store = world.simulator.world.store
    owner = {"apiVersion": "batch/v1", "kind": "CronJob", "name": "nightly", "uid": "u", "controller": True}

    def done(raw: dict[str, Any]) -> None:
        raw["metadata"]["ownerReferences"] = [owner]
        raw["status"]["completionTime"] = "2026-01-05T09:00:00Z"

    world.do(lambda: store.mutate("jobs", "demo", first.name, done))
    (after,) = (one for one in kubernetes.jobs() or () if one.uid == first.uid)
    assert after == replace(first, owner="CronJob.batch/nightly", completed=datetime(2026, 1, 5, 9, tzinfo=UTC))


def test_volumes_that_are_attached_are_read(
    kubernetes: Kubernetes, world: Living, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where they may not be read nothing is known, and a 403 of a moment is asked again."""
    assert kubernetes.attachments() == ()
    world.fault({"error": {"status": 403, "code": "Forbidden"}}, operation="GET volumeattachments")
    with pytest.raises(Denied):
        kubernetes.attachments()
    monkeypatch.setattr(ApiKubernetes, "_may", lambda _cluster, _right: False)
    assert kubernetes.attachments() is None


@pytest.mark.parametrize(
    ("source", "status", "seen"),
    [
        ({"persistentVolumeName": "pvc-1"}, {"attached": True}, AttachmentSeen("n", "pvc-1", zonal=False)),
        ({"inlineVolumeSpec": {}}, {"attached": True}, AttachmentSeen("n", "csi-1", zonal=False)),
        ({"persistentVolumeName": "pvc-1"}, {"attached": False}, None),
        ({"persistentVolumeName": "pvc-1"}, None, None),
    ],
)
def test_an_attachment(source: Any, status: Any, seen: AttachmentSeen | None) -> None:
    """One that is not attached yet holds nothing; one of a pod's own spec has no name but its attachment's."""
    raw = {"metadata": {"name": "csi-1"}, "spec": {"nodeName": "n", "source": source}, "status": status}
    assert kube_records.attachment(raw) == seen


@pytest.mark.parametrize(
    ("attacher", "zonal"),
    [("ebs.csi.aws.com", True), ("kubernetes.io/aws-ebs", True), ("csi.trident.netapp.io", False)],
)
def test_a_volume_of_ebs_stays_in_its_zone(attacher: str, *, zonal: bool) -> None:
    """Others can be attached in any."""
    spec = {"attacher": attacher, "nodeName": "n", "source": {"persistentVolumeName": "pvc-1"}}
    raw = {"metadata": {"name": "csi-1"}, "spec": spec, "status": {"attached": True}}
    assert kube_records.attachment(raw) == AttachmentSeen("n", "pvc-1", zonal=zonal)


def test_budgets_that_may_not_be_read_are_unknown(
    kubernetes: Kubernetes, world: Living, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The right is optional; a 403 of a moment, where we have it, is asked again like any other."""
    world.fault({"error": {"status": 403, "code": "Forbidden"}}, operation="GET poddisruptionbudgets")
    with pytest.raises(Denied):
        kubernetes.budgets()
    monkeypatch.setattr(ApiKubernetes, "_may", lambda _cluster, _right: False)
    assert kubernetes.budgets() is None


@pytest.mark.parametrize(
    "error",
    [
        {"status": 429, "code": "", "body": "Too many requests, please try again later."},
        {"status": 429, "code": "TooManyRequests", "message": "try again later", "headers": {"Retry-After": "1"}},
    ],
    ids=["priority and fairness", "the server itself"],
)
def test_throttling_blocks_nothing(kubernetes: Kubernetes, world: Living, error: dict[str, Any]) -> None:
    """Throttling is nobody's no to an eviction: it did not come through, and is sent again."""
    victim = pods(kubernetes, "web")[0]
    world.fault({"error": error}, operation="POST pods/eviction")
    with pytest.raises(Retry) as answered:
        kubernetes.evict(victim.namespace, victim.name, victim.uid)
    assert type(answered.value) is Retry


def test_a_webhooks_429_is_a_no_about_this_pod(kubernetes: Kubernetes, world: Living) -> None:
    """It names no budget, and asks nobody to wait: this pod is blocked, even with the headers of API fairness."""
    victim = pods(kubernetes, "web")[0]
    fair = {"X-Kubernetes-PF-FlowSchema-UID": "f", "X-Kubernetes-PF-PriorityLevel-UID": "p"}
    denied = {"status": 429, "code": "TooManyRequests", "message": "admission webhook denied it", "headers": fair}
    world.fault({"error": denied}, mutating=True)
    said = rf"pod {victim.namespace}/{victim.name}: .*webhook denied it"
    with pytest.raises(Blocked, match=said):
        kubernetes.evict(victim.namespace, victim.name, victim.uid)
    with pytest.raises(Blocked, match=said):
        kubernetes.delete_pod(victim.namespace, victim.name, victim.uid, None)


def test_a_budget_that_is_never_worked_out_is_a_no(kubernetes: Kubernetes, world: Living) -> None:
    """It asks to wait, as who throttles does, and will for ever: its pods have a controller without a scale."""
    victim = next(pod for pod in kubernetes.pods() if pod.owner and pod.owner.is_job and pod.phase == "Running")
    assert victim.owner
    rule = {"selector": {"matchLabels": {"job-name": victim.owner.name}}, "maxUnavailable": 1}
    meta, store = {"name": "odd", "namespace": victim.namespace}, world.simulator.world.store
    world.do(lambda: store.create("poddisruptionbudgets", {"metadata": meta, "spec": rule}))
    with pytest.raises(Blocked, match="The disruption budget odd is still being processed"):
        kubernetes.evict(victim.namespace, victim.name, victim.uid)
    world.do(lambda: store.delete("poddisruptionbudgets", victim.namespace, "odd"))


def test_two_budgets_on_one_pod_need_a_person(kubernetes: Kubernetes) -> None:
    """Kubernetes cannot evict such a pod at all: that blocks this pod, and others go on."""
    victim = pods(kubernetes, "twice")[0]
    with pytest.raises(Blocked, match=r"pod demo/twice.*more than one PodDisruptionBudget"):
        kubernetes.evict(victim.namespace, victim.name, victim.uid)


def test_any_other_server_error_of_an_eviction_is_unknown(kubernetes: Kubernetes, world: Living) -> None:
    """Only the answer about two budgets is certain."""
    world.fault({"error": {"status": 500, "code": "InternalError"}}, mutating=True)
    victim = pods(kubernetes, "web")[0]
    with pytest.raises(Unknown):
        kubernetes.evict(victim.namespace, victim.name, victim.uid)


def test_how_long_to_wait_is_handed_on(kubernetes: Kubernetes, world: Living) -> None:
    """The seconds of Retry-After reach the runner, which waits on its own clock."""
    busy = {"status": 429, "code": "TooManyRequests", "headers": {"Retry-After": "10"}}
    world.fault({"error": busy}, mutating=True)
    with pytest.raises(Retry) as caught:
        kubernetes.delete_job("demo", "nowhere", "x")
    assert caught.value.after == 10


def test_a_pod_is_deleted_with_its_grace_or_at_once(kubernetes: Kubernetes) -> None:
    """Without seconds the pod's own grace period counts; with 0 it is gone."""
    slow, fast = pods(kubernetes, "web")[:2]
    kubernetes.delete_pod(slow.namespace, slow.name, slow.uid, None)
    kubernetes.delete_pod(fast.namespace, fast.name, fast.uid, 0)
    left = {pod.uid: pod for pod in kubernetes.pods()}
    assert left[slow.uid].deleting is not None
    assert fast.uid not in left


def test_a_job_is_deleted_with_its_pods(kubernetes: Kubernetes, world: Living) -> None:
    """Background propagation takes the pods; one that is gone was not ended by us."""
    victim = pods(kubernetes, "long-")[0]
    name, _ = job_of(victim)
    with pytest.raises(Gone):
        kubernetes.delete_job(victim.namespace, name, "another-uid")
    assert victim in kubernetes.pods()
    kubernetes.delete_job(victim.namespace, *job_of(victim))
    world.pass_by(60)
    assert victim not in kubernetes.pods()
    with pytest.raises(Gone):
        kubernetes.delete_job("demo", "nowhere", "x")


# ---- each mutating request is sent once; the marker that one fault leaves behind, `delete_marker` takes away again


def scale(kubernetes: Kubernetes) -> None:
    kubernetes.scale(AUTOSCALER, 2, {REPLICAS_BEFORE: None})


def change_node(kubernetes: Kubernetes) -> None:
    node = a_node(kubernetes)
    value = f"{int(node.scale_down_before or 0) + 1}" if (node.scale_down_before or "0").isdecimal() else "1"
    change(kubernetes, node, NodeChange(annotations={SCALE_DOWN_BEFORE_KEY: value}))


def evict(kubernetes: Kubernetes) -> None:
    victim = pods(kubernetes, "web")[0]
    kubernetes.evict(victim.namespace, victim.name, victim.uid)


def delete_pod(kubernetes: Kubernetes) -> None:
    victim = pods(kubernetes, "web")[0]
    kubernetes.delete_pod(victim.namespace, victim.name, victim.uid, None)


def delete_job(kubernetes: Kubernetes) -> None:
    kubernetes.delete_job("demo", *job_of(pods(kubernetes, "long-")[0]))


def create_marker(kubernetes: Kubernetes) -> None:
    kubernetes.write_marker(MARK, None)


def delete_marker(kubernetes: Kubernetes) -> None:
    found = kubernetes.marker()
    kubernetes.delete_marker(found.uid if found else "gone")


def has_marker(kubernetes: Kubernetes, *, there: bool) -> None:
    """Create or delete the marker, if the test before left it otherwise."""
    found = kubernetes.marker()
    if there and not found:
        create_marker(kubernetes)
    if found and not there:
        kubernetes.delete_marker(found.uid)


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
    kubernetes: Kubernetes, world: Living, verb: Callable[[Kubernetes], None], status: int, code: str
) -> None:
    """The API server's no to one object, where we have the right, blocks that object and says why."""
    world.fault({"error": {"status": status, "code": code, "message": "the webhook says no"}}, mutating=True)
    with pytest.raises(Blocked, match=r"demo/.*the webhook says no"):
        verb(kubernetes)


@pytest.mark.parametrize("verb", [evict, delete_pod, delete_job], ids=lambda verb: verb.__name__)
def test_a_right_that_we_lack_is_not_about_one_object(
    kubernetes: Kubernetes, world: Living, verb: Callable[[Kubernetes], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A 403 without the right is a no to us: it is asked for again, and never followed by a DELETE of the pod."""
    world.fault({"error": {"status": 403, "code": "Forbidden"}}, mutating=True)
    monkeypatch.setattr(ApiKubernetes, "_may", lambda _cluster, _right: False)
    with pytest.raises(Denied, match="403"):
        verb(kubernetes)


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
    kubernetes: Kubernetes, world: Living, verb: Callable[[Kubernetes], None], fault: dict[str, Any]
) -> None:
    """A lost or unreadable reply and a server's error are `Unknown`; the request arrived exactly once."""
    has_marker(kubernetes, there=verb is delete_marker)
    world.fault(fault, mutating=True)
    before = world.arrived()
    with pytest.raises(Unknown):
        verb(kubernetes)
    assert world.arrived() == before + 1


@pytest.mark.parametrize("fault", NOT_THE_SERVERS.values(), ids=NOT_THE_SERVERS)
@pytest.mark.parametrize(
    ("operation", "read"),
    [
        ("GET configmaps", lambda kubernetes: kubernetes.marker()),
        ("GET deployments", lambda kubernetes: kubernetes.autoscaler(AUTOSCALER)),
        ("GET deployments", scale),
        ("GET nodes", change_node),
        ("GET pods", lambda kubernetes: kubernetes.pods_on("x")),
    ],
    ids=["marker", "autoscaler", "before-scaling", "before-a-node-changes", "pods"],
)
def test_only_the_api_server_says_that_a_thing_is_not_there(
    kubernetes: Kubernetes, world: Living, operation: str, read: Callable[[Kubernetes], Any], fault: dict[str, Any]
) -> None:
    """A 404 that is no `Status` about that object may pass: every read may be tried again."""
    world.fault(fault, operation=operation)
    with pytest.raises(Retry):
        read(kubernetes)


@pytest.mark.parametrize("field", ["spec.taints", "spec", "metadata.annotations"])
def test_a_webhook_may_take_a_field_out_again(kubernetes: Kubernetes, world: Living, field: str) -> None:
    """A yes is no more than a yes: the node is as it was in that field, and only there."""
    node = a_node(kubernetes)
    world.fault({"strip": {"field": field}}, service="kube", operation="PATCH nodes")
    after = change(
        kubernetes, node, NodeChange(taint=Taint(field, "", "NoSchedule"), annotations={SCALE_DOWN_BEFORE_KEY: field})
    )
    assert (field in {taint.key for taint in after.taints}) is (field == "metadata.annotations")
    assert (after.scale_down_before == field) is (field != "metadata.annotations")
