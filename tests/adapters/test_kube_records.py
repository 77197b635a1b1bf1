"""What a Node object says of the instance that it runs on, and whether it contradicts itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rollout.adapters.kube_records import node, pod
from rollout.model.budget import Requirement
from rollout.model.observation import Taint

ID, OTHER = "i-0aaaaaaaaaaaaaaa1", "i-0bbbbbbbbbbbbbbb2"
CSI = "csi.volume.kubernetes.io/nodeid"


def made(name: str = "ip-10-0-0-1.ec2.internal", **changes: Any) -> Any:
    """A node of `ID`, as Kubernetes gives it."""
    metadata = {"name": name, "uid": "u", "labels": {}, "annotations": {}, **changes.pop("metadata", {})}
    addresses = [{"type": "InternalIP", "address": address} for address in changes.pop("addresses", ["10.0.0.1"])]
    spec = {"providerID": f"aws:///eu-west-1a/{ID}", **changes}
    return node({"metadata": metadata, "spec": spec, "status": {"addresses": addresses}})


@pytest.mark.parametrize(
    ("found", "claims", "says"),
    [
        pytest.param(made(), set(), "", id="plain"),
        pytest.param(made(f"{ID}.ec2.internal"), set(), "", id="named by its instance"),
        pytest.param(made(f"{OTHER}.ec2.internal"), {OTHER}, "its name names", id="named by another"),
        pytest.param(made(metadata={"labels": {"alpha.eksctl.io/instance-id": ID}}), set(), "", id="eksctl's label"),
        pytest.param(made(metadata={"labels": {"alpha.eksctl.io/instance-id": OTHER}}), {OTHER},
                     "its label alpha.eksctl.io/instance-id names", id="another in eksctl's label"),
        pytest.param(made(metadata={"labels": {"kubernetes.io/hostname": f"{OTHER}.x"}}), {OTHER}, "hostname names",
                     id="another in its hostname"),
        pytest.param(made(metadata={"annotations": {CSI: f'{{"ebs.csi.aws.com":"{ID}","s3.csi.aws.com":"ip-1"}}'}}),
                     set(), "", id="the storage driver's name"),
        pytest.param(made(metadata={"annotations": {CSI: f'{{"efs.csi.aws.com":"{OTHER}"}}'}}), {OTHER},
                     f"its annotation {CSI} names", id="another in the storage driver's name"),
        pytest.param(made(metadata={"annotations": {CSI: "spoilt"}}), set(), "", id="an annotation that is no JSON"),
        pytest.param(made(metadata={"annotations": {CSI: "[1]"}}), set(), "", id="an annotation of another form"),
        pytest.param(made(f"{OTHER}.ec2.internal", providerID=""), {OTHER}, "its providerID names no instance",
                     id="no providerID"),
        pytest.param(made("i-am-a-node.example.com"), set(), "", id="a name that only begins so"),
        pytest.param(made(addresses=["10.0.0.7", "10.0.1.7"]), set(),
                     "its name says 10.0.0.1, its own addresses are 10.0.0.7, 10.0.1.7", id="another's address"),
        pytest.param(made(addresses=["10.0.0.1", "10.0.1.7"]), set(), "", id="one address of several"),
        pytest.param(made(addresses=[]), set(), "", id="no addresses yet"),
        pytest.param(made(addresses=["2600:1f14::1"]), set(), "", id="a cluster of IPv6"),
    ],
)  # fmt: skip
def test_a_node_that_contradicts_itself(found: Any, claims: set[str], says: str) -> None:
    """What name, labels, annotations and addresses say is held against the providerID."""
    assert found.claims == claims
    assert says in found.doubt
    assert bool(found.doubt) is bool(says)


@pytest.mark.parametrize(("spec", "restarts"), [({}, "Always"), ({"restartPolicy": "Never"}, "Never")])
def test_a_pod_says_whether_it_runs_to_its_end(spec: dict[str, Any], restarts: str) -> None:
    """By its restartPolicy; Kubernetes fills in Always where nobody said anything."""
    assert pod({"metadata": {"namespace": "ns", "name": "p", "uid": "u"}, "spec": spec}).restarts == restarts


def test_a_pod_says_since_when_it_has_been_ready_or_not() -> None:
    """Where its condition says so; one that has no such condition yet is not Ready."""
    moment = {"type": "Ready", "status": "False", "lastTransitionTime": "2025-06-01T12:00:00Z"}
    metadata = {"namespace": "ns", "name": "p", "uid": "u"}
    there = pod({"metadata": metadata, "spec": {}, "status": {"conditions": [moment]}})
    assert (there.ready, there.turned) == (False, datetime(2025, 6, 1, 12, tzinfo=UTC))
    bare = pod({"metadata": metadata, "spec": {}})
    assert (bare.ready, bare.turned) == (False, None)


def test_a_pod_says_how_many_volumes_it_claims() -> None:
    """Those that something else attaches to its node: not what its kubelet makes for it."""
    volumes = [{"name": "a", "persistentVolumeClaim": {"claimName": "a"}}, {"name": "b", "ephemeral": {}}]
    spec = {"volumes": [*volumes, {"name": "c", "emptyDir": {}}, {"name": "d", "configMap": {"name": "d"}}]}
    raw: Any = {"metadata": {"namespace": "ns", "name": "p", "uid": "u"}, "spec": spec}
    assert pod(raw).claims == 2
    assert pod(raw | {"spec": {}}).claims == 0


@pytest.mark.parametrize(
    ("phase", "finished", "deleted", "stopped"),
    [
        pytest.param("Succeeded", ["11:59:59"], None, False, id="nobody deletes it"),
        pytest.param("Running", [], "12:00:30", False, id="it has not ended"),
        pytest.param("Succeeded", ["11:59:59"], "12:00:30", False, id="it had ended before"),
        pytest.param("Failed", ["11:59:58", "11:59:59"], "12:00:30", False, id="it had failed before"),
        pytest.param("Succeeded", ["11:59:59", "12:00:00"], "12:00:30", True, id="a container ended in that second"),
        pytest.param("Succeeded", ["12:00:20"], "12:00:30", True, id="it ended with 0 as it was told"),
        pytest.param("Failed", [], "12:00:30", True, id="nobody knows when it failed"),
        pytest.param("Succeeded", [], "12:00:30", False, id="nobody knows when it succeeded"),
    ],
)
def test_a_pod_says_whether_it_ended_as_it_was_told(
    phase: str,
    finished: list[str],
    deleted: str | None,
    stopped: bool,  # noqa: FBT001
) -> None:
    """Since Kubernetes 1.27 a program that ends with 0 at SIGTERM has succeeded: only the moments tell."""
    states = [{"state": {"terminated": {"finishedAt": f"2025-06-01T{moment}Z"}}} for moment in finished]
    metadata: dict[str, Any] = {"namespace": "ns", "name": "p", "uid": "u"}
    if deleted:
        metadata |= {"deletionTimestamp": f"2025-06-01T{deleted}Z", "deletionGracePeriodSeconds": 30}
    raw = {"metadata": metadata, "spec": {}, "status": {"phase": phase, "containerStatuses": states}}
    assert pod(raw).stopped is stopped


POOL = Requirement("pool", "In", frozenset({"a"}))
ZONE = Requirement("zone", "NotIn", frozenset({"c"}))
IN_ZONE = {"key": "zone", "operator": "NotIn", "values": ["c"]}


def required(*terms: Any) -> Any:
    """An affinity to nodes with one of these terms."""
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}}


@pytest.mark.parametrize(
    ("spec", "wants"),
    [
        pytest.param({}, (), id="any node"),
        pytest.param({"affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}}}, (),
                     id="what it would like best"),
        pytest.param({"nodeSelector": {"pool": "a"}}, ((POOL,),), id="a selector"),
        pytest.param({"affinity": required({"matchExpressions": [IN_ZONE]})}, ((ZONE,),), id="an affinity"),
        pytest.param({"nodeSelector": {"pool": "a"}, "affinity": required({"matchExpressions": [IN_ZONE]}, {})},
                     ((POOL, ZONE), (POOL,)), id="a selector, and one of two terms"),
        pytest.param({"affinity": required({"matchFields": [{"key": "metadata.name", "operator": "In"}]})}, ((),),
                     id="the node's name is left out"),
        pytest.param({"affinity": required({"matchExpressions": [{"key": "n", "operator": "Gt", "values": ["4"]}]})},
                     ((),), id="numbers are left out"),
    ],
)  # fmt: skip
def test_a_pod_says_what_it_asks_of_its_nodes_labels(spec: dict[str, Any], wants: Any) -> None:
    """By its selector, and what its affinity requires."""
    assert pod({"metadata": {"namespace": "ns", "name": "p", "uid": "u"}, "spec": spec}).wants == wants


@pytest.mark.parametrize(
    ("status", "spec", "ends"),
    [
        (
            {"startTime": "2026-01-05T08:00:00Z"},
            {"activeDeadlineSeconds": 90},
            datetime(2026, 1, 5, 8, 1, 30, tzinfo=UTC),
        ),
        ({"startTime": "2026-01-05T08:00:00Z"}, {}, None),
        ({}, {"activeDeadlineSeconds": 90}, None),
    ],
)
def test_a_pod_says_when_it_is_ended(status: dict[str, Any], spec: dict[str, Any], ends: datetime | None) -> None:
    """By its activeDeadlineSeconds, once it has begun."""
    raw = {"metadata": {"namespace": "ns", "name": "p", "uid": "u"}, "spec": spec, "status": status}
    assert pod(raw).ends == ends


@pytest.mark.parametrize(
    ("limits", "needs"),
    [
        pytest.param(None, set(), id="no limits"),
        pytest.param({"cpu": "4", "memory": "8Gi", "ephemeral-storage": "1Gi"}, set(), id="what every node has"),
        pytest.param({"nvidia.com/gpu": "1", "cpu": 1}, {"nvidia.com/gpu"}, id="a device"),
        pytest.param({"hugepages-2Mi": "64Mi"}, {"hugepages-2Mi"}, id="large pages"),
        pytest.param({"nvidia.com/gpu": 0}, set(), id="none of them"),
    ],
)
@pytest.mark.parametrize("place", ["containers", "initContainers", "resources"])
def test_a_pod_says_which_devices_it_asks_for(place: str, limits: dict[str, Any] | None, needs: set[str]) -> None:
    """By its limits: who asks for a device has one."""
    one = {"limits": limits}
    spec = {place: one if place == "resources" else [{"name": "a"}, {"name": "b", "resources": one}]}
    assert pod({"metadata": {"namespace": "ns", "name": "p", "uid": "u"}, "spec": spec}).needs == needs


@pytest.mark.parametrize(
    ("status", "offers"),
    [
        pytest.param({}, set(), id="it does not say"),
        pytest.param(
            {"allocatable": {"cpu": "4", "pods": "110", "attachable-volumes-aws-ebs": "25"}}, set(), id="usual"
        ),
        pytest.param({"allocatable": {"nvidia.com/gpu": "8", "hugepages-2Mi": "0"}}, {"nvidia.com/gpu"}, id="a device"),
        pytest.param({"capacity": {"nvidia.com/gpu": "1"}, "allocatable": {"nvidia.com/gpu": "0"}}, set(), id="broken"),
    ],
)
def test_a_node_says_which_devices_it_offers(status: dict[str, Any], offers: set[str]) -> None:
    """More than none of them, to be had by pods."""
    raw = {"metadata": {"name": "n", "uid": "u"}, "spec": {}, "status": status}
    assert node(raw).offers == offers


@pytest.mark.parametrize(
    ("said", "amount"),
    [("4", 4), ("3920m", 3.92), ("1.5", 1.5), ("15Gi", 15 * 2**30), ("7244720Ki", 7244720 * 1024), ("2G", 2e9),
     ("1e3", 1000), ("1.", 1), (2, 2), ("much", 0), ("4x", 0), (None, 0)],
)  # fmt: skip
def test_an_amount_is_read_as_kubernetes_writes_it(said: object, amount: float) -> None:
    """Of CPU and of memory; what is none counts as nothing."""
    raw = {"metadata": {"name": "n", "uid": "u"}, "spec": {}, "status": {"allocatable": {"cpu": said, "memory": said}}}
    assert list(node(raw).room or ()) == pytest.approx([amount, amount])


def test_a_pod_asks_for_what_its_containers_ask_for_together() -> None:
    """Unless it says so itself; a node that does not say how large it is has no room that is known."""
    one = {"resources": {"requests": {"cpu": "500m", "memory": "1Ki"}}}
    meta = {"namespace": "ns", "name": "p", "uid": "u"}
    assert pod({"metadata": meta, "spec": {"containers": [one, one, {}]}}).asks == (1.0, 2048.0)
    own = {"requests": {"cpu": "2", "memory": "1"}}
    assert pod({"metadata": meta, "spec": {"containers": [one], "resources": own}}).asks == (2.0, 1.0)
    assert node({"metadata": {"name": "n", "uid": "u"}, "spec": {}}).room is None


def asking(cpu: str, **more: Any) -> dict[str, Any]:
    """A container that asks for so many CPUs, and for as many Gi of memory."""
    return {"resources": {"requests": {"cpu": cpu, "memory": f"{cpu}Gi"}}, **more}


SIDECAR = asking("2", restartPolicy="Always")


@pytest.mark.parametrize(
    ("spec", "cpu", "gib"),
    [
        pytest.param({"containers": [asking("1"), asking("2")]}, 3, 3, id="containers run together"),
        pytest.param({"containers": [asking("1")], "initContainers": [asking("2"), asking("3")]}, 3, 3,
                     id="what prepares it runs alone, one by one"),
        pytest.param({"containers": [asking("4")], "initContainers": [asking("2"), asking("3")]}, 4, 4,
                     id="and is over then"),
        pytest.param({"containers": [asking("1")], "initContainers": [SIDECAR]}, 3, 3, id="a sidecar runs on"),
        pytest.param({"containers": [asking("1")], "initContainers": [SIDECAR, asking("9")]}, 11, 11,
                     id="beside what is prepared after it"),
        pytest.param({"containers": [asking("1")], "initContainers": [asking("9"), SIDECAR]}, 9, 9, id="not before it"),
        pytest.param({"containers": [asking("1")], "initContainers": [SIDECAR, SIDECAR]}, 5, 5, id="two sidecars"),
        pytest.param({"containers": [asking("1")], "overhead": {"cpu": "500m", "memory": "1Gi"}}, 1.5, 2,
                     id="its runtime's share comes on top"),
        pytest.param({"containers": [asking("1")], "resources": {"requests": {"memory": "20Gi"}},
                      "overhead": {"memory": "1Gi"}}, 1, 21, id="it says itself how much memory, and no more"),
        pytest.param({"containers": [asking("1")], "initContainers": [asking("9")],
                      "resources": {"requests": {"cpu": "2", "memory": "3Gi"}}}, 2, 3, id="it says both itself"),
    ],
)  # fmt: skip
def test_a_pod_asks_for_what_the_scheduler_looks_for(spec: dict[str, Any], cpu: float, gib: float) -> None:
    """What runs side by side at its peak, sidecars among it (KEP-753), and the overhead of its runtime class."""
    found = pod({"metadata": {"namespace": "ns", "name": "p", "uid": "u"}, "spec": spec}).asks
    assert found == (cpu, gib * 2**30)


@pytest.mark.parametrize(
    ("operator", "value", "tolerates"),
    [
        pytest.param(None, "950", True, id="none: equal"),
        pytest.param("Equal", "900", False, id="another value"),
        pytest.param("Exists", "", True, id="any value"),
        pytest.param("Gt", "900", True, id="a larger one"),
        pytest.param("Gt", "950", False, id="not that one"),
        pytest.param("Lt", "1000", True, id="a smaller one"),
        pytest.param("Lt", "-3", False, id="not smaller"),
        pytest.param("Gt", "v1.2", True, id="no number: nobody knows"),
        pytest.param("Ge", "900", True, id="an operator that nobody knows yet"),
    ],
)
def test_a_toleration_compares_numbers(operator: str | None, value: str, *, tolerates: bool) -> None:
    """Since Kubernetes 1.35; what we cannot tell may tolerate: no group waits for ever because we are too old."""
    said = {"key": "sla", "value": value, "effect": "NoSchedule"} | ({"operator": operator} if operator else {})
    raw = {"metadata": {"namespace": "ns", "name": "p", "uid": "u"}, "spec": {"tolerations": [said]}}
    assert pod(raw).tolerates(Taint("sla", "950", "NoSchedule")) is tolerates
    assert not pod(raw).tolerates(Taint("other", "950", "NoSchedule"))
    assert not pod(raw).tolerates(Taint("sla", "950", "NoExecute"))


UNSAFE, KARPENTER = "cluster-autoscaler.kubernetes.io/safe-to-evict", "karpenter.sh/do-not-disrupt"
OLDER = "karpenter.sh/do-not-evict"


@pytest.mark.parametrize(
    ("annotations", "minutes"),
    [
        pytest.param({}, 0, id="it says nothing"),
        pytest.param({UNSAFE: "false"}, None, id="cluster-autoscaler's"),
        pytest.param({UNSAFE: "true"}, 0, id="it may be evicted"),
        pytest.param({UNSAFE: "no"}, 0, id="a word that cluster-autoscaler does not know"),
        pytest.param({KARPENTER: "true"}, None, id="Karpenter's"),
        pytest.param({OLDER: "true"}, None, id="as Karpenter called it before v1beta1"),
        pytest.param({KARPENTER: "false"}, 0, id="it may be disrupted"),
        pytest.param({KARPENTER: "4h"}, 240, id="for a span"),
        pytest.param({KARPENTER: "1h30m0.5s"}, 90 + 0.5 / 60, id="for a span in parts"),
        pytest.param({KARPENTER: "60000ms"}, 1, id="milliseconds are no minutes"),
        pytest.param({KARPENTER: "True"}, None, id="a word that Karpenter does not know"),
        pytest.param({KARPENTER: "5m", OLDER: "true"}, None, id="the longer of two"),
        pytest.param({KARPENTER: "5m", OLDER: "10m"}, 10, id="the longer of two spans"),
        pytest.param({KARPENTER: "5m", UNSAFE: "false"}, None, id="cluster-autoscaler's has no end"),
        pytest.param({KARPENTER: "99999999999h"}, 1e9 / 60, id="a span that no calendar has"),
    ],
)
def test_a_pod_says_itself_whether_it_must_stay(annotations: dict[str, str], minutes: float | None) -> None:
    """By annotations, for as long as it is there (None) or for some minutes from its start; 0: it does not."""
    start = datetime(2025, 6, 1, 12, tzinfo=UTC)
    metadata = {"namespace": "ns", "name": "p", "uid": "u", "annotations": annotations}
    found = pod({"metadata": metadata, "spec": {}, "status": {"startTime": "2025-06-01T12:00:00Z"}})
    assert found.pinned is (minutes != 0)
    assert found.pinned_until == (start + timedelta(minutes=minutes) if minutes else None)
    if minutes is not None and "99" not in str(annotations):
        assert found.pins(start) is (minutes > 0)
        assert not found.pins(start + timedelta(minutes=minutes))
    assert found.pins(None) is found.pinned
    waiting = pod({"metadata": metadata, "spec": {}, "status": {}})
    assert (waiting.pinned, waiting.pinned_until) == (found.pinned, None)


@pytest.mark.parametrize(("status", "nominated"), [({}, ""), ({"nominatedNodeName": "o1"}, "o1")])
def test_a_pod_says_which_node_the_scheduler_chose_for_it(status: dict[str, Any], nominated: str) -> None:
    """Before it is bound, where it says so at all."""
    raw = {"metadata": {"namespace": "ns", "name": "p", "uid": "u"}, "spec": {}, "status": status}
    assert pod(raw).nominated == nominated


@pytest.mark.parametrize("said", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00"])
def test_time_can_be_added_to_every_moment(said: str) -> None:
    """What others wrote at the end of time is a moment too: pauses are added to it, and taken from it."""
    spec, status = {"nodeName": "n"}, {"conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": said}]}
    metadata = {"name": "p", "namespace": "d", "uid": "u", "creationTimestamp": said, "deletionTimestamp": said}
    found = pod({"metadata": metadata, "spec": spec, "status": status})
    for moment in (found.created, found.deleting, found.turned):
        assert moment is not None
        assert moment - timedelta(days=365) < moment < moment + timedelta(days=365)
