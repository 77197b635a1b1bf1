"""Kubernetes objects as our own slim records."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, get_args

from rollout.adapters.kube_pins import LONGEST, pin
from rollout.adapters.understanding import flag, number, objects, text, texts
from rollout.formats.codec import checkpoint_of
from rollout.model.budget import BudgetSeen, Operator, Requirement
from rollout.model.observation import (
    REPLICAS_BEFORE,
    ROLLOUT_ID,
    SCALE_DOWN_BEFORE_KEY,
    SCALE_DOWN_KEY,
    AttachmentSeen,
    AutoscalerSeen,
    MarkerSeen,
    NodeSeen,
    Owner,
    PodSeen,
    Taint,
    Toleration,
)
from rollout.model.plan import duration
from rollout.ports import JobSeen

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rollout.model.preflight_observation import Right

#: Where the marker says whose it is and what there is to restore. A later runner reads that; the rest is for people.
ROLLOUT_ID_IN_MARKER, RECORD_IN_MARKER = "rollout-id", "record"
#: Where one asks what one may do.
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
# A pod that the kubelet runs from a file; the API server only mirrors it.
_MIRROR = "kubernetes.io/config.mirror"
# Taints of a node that is not Ready: the API server lets every pod tolerate them for five minutes.
_OF_EVERY_POD = {"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"}
#: Where else a node may name its instance: eksctl's label, and the host's name where EC2 names hosts by resource.
_INSTANCE_LABELS = ("alpha.eksctl.io/instance-id", "kubernetes.io/hostname")
#: Where the kubelet notes what storage drivers call the node, as JSON; those of AWS call it by its instance.
_CSI, _AWS_DRIVERS = "csi.volume.kubernetes.io/nodeid", ("ebs.csi.aws.com", "efs.csi.aws.com", "fsx.csi.aws.com")
_INSTANCE = re.compile(r"i-(?:[0-9a-f]{8}|[0-9a-f]{17})")
#: How EC2 names hosts by their private IPv4 address.
_IP_NAME = re.compile(r"ip-(\d+-\d+-\d+-\d+)\.")
# How a label selector may say what it takes.
_OPERATORS: dict[str, Operator] = {one: one for one in get_args(Operator)}
# How a toleration may say that it takes one value, or any; other operators compare it.
_SIMPLE = {None, "", "Equal", "Exists"}
# What every node has, and how an amount says that it is not none: "0" and "0Mi" are.
_USUAL, _SOME = {"cpu", "memory", "pods", "ephemeral-storage", "storage"}, re.compile("[1-9]")
# A quantity: a number, perhaps with an exponent, and a unit.
_QUANTITY = re.compile(r"(\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)([A-Za-z]*)")
_UNITS = {"": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9} | {unit: 1000.0 ** (n + 1) for n, unit in enumerate("kMGTPE")}
_UNITS |= {f"{unit}i": 1024.0 ** (n + 1) for n, unit in enumerate("KMGTPE")}
# Where Kubernetes cuts off what is larger.
_LARGEST = 2.0**63
# Volumes of a pod that something else must attach to its node.
_CLAIMS = {"persistentVolumeClaim", "ephemeral"}
# Who attaches volumes that stay in one zone: EBS's driver, and what was in its place in older clusters.
_ZONAL = {"ebs.csi.aws.com", "kubernetes.io/aws-ebs"}
# No moment is taken for an earlier or a later one. Go, in which Kubernetes is written, has years that Python has not.
_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
_BEYOND = re.compile("(?:0000|(?P<late>[1-9][0-9]{4,}))-")
# A number of replicas, as we note it.
_REPLICAS = re.compile("[0-9]{1,10}")
#: What the autoscaler's charts and manifests call it, in front of it "aws-" at times, and the labels that say so.
_AUTOSCALER, _APP_LABELS = "cluster-autoscaler", ("k8s-app", "app.kubernetes.io/name", "app")


def instance_of(node: Mapping[str, Any]) -> str | None:
    """Return the EC2 instance that a node runs on, by its providerID (aws:///ZONE/i-…); None if it is not one."""
    provider, _, rest = (node["spec"].get("providerID") or "").partition("://")
    instance_id = rest.rpartition("/")[2]
    return instance_id if provider == "aws" and instance_id.startswith("i-") else None


def _claims(raw: Mapping[str, Any]) -> dict[str, str]:
    """Return the instances that a node names elsewhere than in its providerID, each with the place."""
    metadata = raw["metadata"]
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    places = {
        "name": metadata["name"].partition(".")[0],
        **{f"label {label}": labels.get(label, "").partition(".")[0] for label in _INSTANCE_LABELS},
        **{f"annotation {_CSI}": id_ for id_ in _csi_ids(annotations.get(_CSI, ""))},
    }
    return {said: place for place, said in places.items() if _INSTANCE.fullmatch(said)}


def _csi_ids(text: str) -> list[str]:
    """Return the ids that storage drivers gave a node; those of AWS's are its instance's."""
    try:
        drivers = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return []
    return [str(drivers[name]) for name in _AWS_DRIVERS if name in drivers] if isinstance(drivers, dict) else []


def _doubt(raw: Mapping[str, Any], instance_id: str | None, claims: Mapping[str, str]) -> str:
    """Say how a node contradicts its own providerID; "" if it does not."""
    for said, place in claims.items():
        if said != instance_id:
            return f"its providerID names {instance_id or 'no instance'}, its {place} names {said}"
    addresses = raw.get("status", {}).get("addresses") or ()
    # In a cluster of IPv6 a node shows no other address, and its host's name may still be of IPv4.
    own = sorted(one["address"] for one in addresses if one.get("type") == "InternalIP" and "." in one["address"])
    named = _IP_NAME.match(raw["metadata"]["name"])
    address = named[1].replace("-", ".") if named else ""
    if named and own and address not in own:
        return f"its name says {address}, its own addresses are {', '.join(own)}"
    return ""


def node(raw: Mapping[str, Any]) -> NodeSeen:
    """Return a node."""
    metadata, spec = raw["metadata"], raw["spec"]
    annotations = texts(metadata.get("annotations"))
    ready = _condition(raw, "Ready")
    instance_id = instance_of(raw)
    claims = _claims(raw)
    return NodeSeen(
        name=text(metadata["name"]),
        uid=text(metadata["uid"]),
        instance_id=instance_id,
        ready=ready.get("status") == "True",
        unschedulable=flag(spec.get("unschedulable") or False),
        taints=tuple(_taint(one) for one in objects(spec.get("taints"))),
        labels=texts(metadata.get("labels")),
        scale_down_disabled=annotations.get(SCALE_DOWN_KEY),
        scale_down_before=annotations.get(SCALE_DOWN_BEFORE_KEY),
        turned=_told(ready.get("lastTransitionTime")),
        claims=frozenset(claims) - {instance_id},
        offers=_devices(size := (raw.get("status") or {}).get("allocatable")),
        room=_amounts(size) if size else None,
        doubt=_doubt(raw, instance_id, claims),
    )


def _condition(raw: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    conditions = objects((raw.get("status") or {}).get("conditions"))
    return next((one for one in conditions if one["type"] == kind), {})


def _taint(raw: Mapping[str, Any]) -> Taint:
    return Taint(text(raw["key"]), str(raw.get("value") or ""), text(raw["effect"]))


def pod(raw: Mapping[str, Any]) -> PodSeen:
    """Return a pod."""
    metadata = raw["metadata"]
    annotations = texts(metadata.get("annotations"))
    ready = _condition(raw, "Ready")
    pinned, until = pin(annotations, _told((raw.get("status") or {}).get("startTime")))
    return PodSeen(
        namespace=text(metadata["namespace"]),
        name=text(metadata["name"]),
        uid=text(metadata["uid"]),
        node=text(node) if (node := raw["spec"].get("nodeName")) else None,
        phase=text((raw.get("status") or {}).get("phase") or "Pending"),
        owner=_owner(objects(metadata.get("ownerReferences"))),
        labels=texts(metadata.get("labels")),
        mirror=_MIRROR in annotations,
        pinned=pinned,
        deleting=_moment(metadata.get("deletionTimestamp")),
        tolerations=_tolerations(objects(raw["spec"].get("tolerations"))),
        created=_told(metadata.get("creationTimestamp")),
        finalizers=tuple(text(one) for one in metadata.get("finalizers") or ()),
        ready=ready.get("status") == "True",
        turned=_told(ready.get("lastTransitionTime")),
        restarts=text(raw["spec"].get("restartPolicy") or "Always"),
        nominated=text(name) if (name := (raw.get("status") or {}).get("nominatedNodeName")) else "",
        claims=sum(bool(one.keys() & _CLAIMS) for one in objects(raw["spec"].get("volumes"))),
        stopped=_stopped(raw),
        pinned_until=until,
        wants=_wants(raw["spec"]),
        needs=_needs(raw["spec"]),
        asks=_asks(raw["spec"]),
        ends=_ends(raw),
    )


def job(raw: Mapping[str, Any]) -> JobSeen:
    """Return a Job of batch/v1."""
    metadata, status = raw["metadata"], raw.get("status") or {}
    owner = _owner(objects(metadata.get("ownerReferences")))
    return JobSeen(
        uid=text(metadata["uid"]),
        namespace=text(metadata["namespace"]),
        name=text(metadata["name"]),
        owner=f"{owner.full_kind}/{owner.name}" if owner else "",
        started=_told(status.get("startTime")),
        completed=_told(status.get("completionTime")),
        ends=_ends(raw),
    )


def _ends(raw: Mapping[str, Any]) -> datetime | None:
    """Return when what began is ended by its activeDeadlineSeconds: for ever has many numbers there, up to int64."""
    begun, seconds = _told((raw.get("status") or {}).get("startTime")), raw["spec"].get("activeDeadlineSeconds")
    counts = isinstance(seconds, int) and not isinstance(seconds, bool) and seconds >= 0
    return begun + duration(seconds) if begun and counts else None


def _needs(spec: Mapping[str, Any]) -> frozenset[str]:
    """Return the devices that a pod asks for; who asks has a limit too, and who has one asks."""
    containers = (spec, *objects(spec.get("containers")), *objects(spec.get("initContainers")))
    asked = (one.get("resources") or {} for one in containers)
    return frozenset().union(*(_devices(one.get("limits")) for one in asked))


def _asks(spec: Mapping[str, Any]) -> tuple[float, float]:
    """Return for what the scheduler looks: CPU, memory."""
    return _asked(spec, "cpu"), _asked(spec, "memory")


def _asked(spec: Mapping[str, Any], what: str) -> float:
    """Return what a pod asks for at its peak: sidecars begin before what prepares it, and run on (KEP-753)."""
    sidecars, peak = 0.0, 0.0
    for one in objects(spec.get("initContainers")):
        if one.get("restartPolicy") == "Always":
            sidecars += _requested(one, what)
        else:
            peak = max(peak, sidecars + _requested(one, what))
    together = sidecars + sum(_requested(one, what) for one in objects(spec.get("containers")))
    # What a pod says itself is in place of what its containers say; its runtime class comes on top of either.
    own = what in ((spec.get("resources") or {}).get("requests") or {})
    return (_requested(spec, what) if own else max(peak, together)) + _amount((spec.get("overhead") or {}).get(what))


def _requested(one: Mapping[str, Any], what: str) -> float:
    return _amount(((one.get("resources") or {}).get("requests") or {}).get(what))


def _amounts(quantities: Mapping[str, Any]) -> tuple[float, float]:
    return _amount(quantities.get("cpu")), _amount(quantities.get("memory"))


def _amount(said: object) -> float:
    """Return a quantity of Kubernetes as a number; one that is none counts as nothing."""
    return _quantity(str(said or "0"))


@lru_cache(maxsize=1000)  # thousands of pods ask for the same few
def _quantity(said: str) -> float:
    found = _QUANTITY.fullmatch(said)
    return min(float(found[1]) * _UNITS.get(found[2], 0.0), _LARGEST) if found else 0.0


def _devices(quantities: Mapping[str, Any] | None) -> frozenset[str]:
    """Return what there is more than none of, but for what every node has."""
    found = (name for name, amount in (quantities or {}).items() if _SOME.search(str(amount)))
    return frozenset(name for name in found if name not in _USUAL and not name.startswith("attachable-volumes-"))


def _wants(spec: Mapping[str, Any]) -> tuple[tuple[Requirement, ...], ...]:
    """Return what a pod asks of its node's labels; how it compares numbers, or names nodes, is left out."""
    selector = texts(spec.get("nodeSelector"))
    equal = tuple(Requirement(label, "In", frozenset({value})) for label, value in selector.items())
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    terms = [objects(term.get("matchExpressions")) for term in objects(required.get("nodeSelectorTerms"))]
    known = ((_requirement(one) for one in term if one["operator"] in _OPERATORS) for term in terms)
    return tuple((*equal, *term) for term in known) if terms else (equal,) * bool(equal)


def _stopped(raw: Mapping[str, Any]) -> bool:
    """Tell whether a pod finished once its end was asked for: by its last container, or else by how it ended.

    Both moments are told in whole seconds.
    """
    metadata, status = raw["metadata"], raw.get("status") or {}
    if not metadata.get("deletionTimestamp") or status.get("phase") not in {"Succeeded", "Failed"}:
        return False
    states = (one.get("state") or {} for one in objects(status.get("containerStatuses")))
    ends = [moment for state in states if (moment := _told((state.get("terminated") or {}).get("finishedAt")))]
    gone, grace = _moment(metadata["deletionTimestamp"]), int(metadata.get("deletionGracePeriodSeconds") or 0)
    if gone is None or not ends:
        return bool(status["phase"] == "Failed")
    return max(ends) >= gone - timedelta(seconds=max(0, min(grace, LONGEST)))


def attachment(raw: Mapping[str, Any]) -> AttachmentSeen | None:
    """Return a volume that is attached to a node, None where it is not yet; one out of a pod's own spec has no name."""
    spec = raw["spec"]
    if not (raw.get("status") or {}).get("attached"):
        return None
    volume = spec["source"].get("persistentVolumeName") or raw["metadata"]["name"]
    return AttachmentSeen(text(spec["nodeName"]), text(volume), zonal=spec.get("attacher") in _ZONAL)


def budget(raw: Mapping[str, Any]) -> BudgetSeen:
    """Return a disruption budget; one that nobody has looked at yet counts no pods."""
    metadata, status = raw["metadata"], raw.get("status") or {}
    selector = raw["spec"].get("selector")
    return BudgetSeen(
        namespace=text(metadata["namespace"]),
        name=text(metadata["name"]),
        selector=None if selector is None else _selector(selector),
        expected=number(status.get("expectedPods") or 0),
        healthy=number(status.get("currentHealthy") or 0),
        desired=number(status.get("desiredHealthy") or 0),
        allowed=number(status.get("disruptionsAllowed") or 0),
    )


def _selector(raw: Mapping[str, Any]) -> tuple[Requirement, ...]:
    equal = (Requirement(label, "In", frozenset({value})) for label, value in texts(raw.get("matchLabels")).items())
    return (*equal, *(_requirement(one) for one in objects(raw.get("matchExpressions"))))


def _requirement(raw: Mapping[str, Any]) -> Requirement:
    values = raw.get("values") or []
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ValueError("these are no values of a label")
    return Requirement(text(raw["key"]), _OPERATORS[raw["operator"]], frozenset(values))


def _moment(said: object) -> datetime | None:
    """Return a moment; one without a zone cannot be compared, and to one at the end of time nothing can be added."""
    if not said:
        return None
    try:
        moment = datetime.fromisoformat(text(said))
    except ValueError:
        if not (year := _BEYOND.match(text(said))):
            raise
        return _LAST if year["late"] else _FIRST
    if moment.tzinfo is None:
        raise ValueError(f"{said} has no zone")
    return min(max(moment, _FIRST), _LAST)


def _told(said: object) -> datetime | None:
    """Return a moment that only informs: one that makes no sense is one that was not told."""
    try:
        return _moment(said)
    except ValueError:
        return None


def _tolerations(found: Iterable[Mapping[str, Any]]) -> tuple[Toleration, ...]:
    """Return them without those that the API server gives every pod: 20,000 pods would hold 40,000 of them."""
    return tuple(
        Toleration(
            str(one.get("key") or ""),
            one.get("operator") == "Exists",
            str(one.get("value") or ""),
            str(one.get("effect") or ""),
            "" if one.get("operator") in _SIMPLE else str(one.get("operator")),
        )
        for one in found
        if one.get("key") not in _OF_EVERY_POD
    )


def _owner(references: Iterable[Mapping[str, Any]]) -> Owner | None:
    owner = next((one for one in references if one.get("controller")), None)
    return Owner(*(text(owner[part]) for part in ("apiVersion", "kind", "name", "uid"))) if owner else None


def autoscaler(raw: Mapping[str, Any]) -> AutoscalerSeen:
    """Return what a Deployment says of itself as cluster-autoscaler's."""
    annotations = texts(raw["metadata"].get("annotations"))
    before = annotations.get(REPLICAS_BEFORE, "")
    return AutoscalerSeen(
        replicas=number(raw["spec"].get("replicas", 1)),
        replicas_before=int(before) if _REPLICAS.fullmatch(before) else None,
        rollout_id=annotations.get(ROLLOUT_ID),
    )


def marker(raw: Mapping[str, Any]) -> MarkerSeen:
    """Return what the marker says."""
    data, metadata = texts(raw.get("data")), raw["metadata"]
    held_by = (metadata.get("finalizers") or ()) if metadata.get("deletionTimestamp") else ()
    checkpoint = checkpoint_of(data.get(RECORD_IN_MARKER, ""))
    return MarkerSeen(data.get(ROLLOUT_ID_IN_MARKER, ""), text(metadata["uid"]), checkpoint, tuple(map(text, held_by)))


def review(right: Right) -> dict[str, Any]:
    """Return the SelfSubjectAccessReview that asks for a right."""
    if right.resource.startswith("/"):
        return _asking({"nonResourceAttributes": {"verb": right.verb, "path": right.resource}})
    resource, _, subresource = right.resource.partition("/")
    attributes = {
        "verb": right.verb,
        "group": right.group,
        "resource": resource,
        "subresource": subresource,
        "namespace": right.namespace,
        "name": right.name,
    }
    return _asking({"resourceAttributes": {key: value for key, value in attributes.items() if value}})


def _asking(spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": spec}


def is_autoscaler(raw: Mapping[str, Any]) -> bool:
    """Tell whether a Deployment looks like cluster-autoscaler, by its labels, its pods' labels or its images."""
    template = raw["spec"].get("template") or {}
    labels = [texts(one.get("labels")) for one in (raw["metadata"], template.get("metadata") or {})]
    named = any(one.get(key, "").endswith(_AUTOSCALER) for one in labels for key in _APP_LABELS)
    images = [str(one.get("image") or "") for one in objects((template.get("spec") or {}).get("containers"))]
    return named or any(_AUTOSCALER in image.rpartition("/")[2] for image in images)
