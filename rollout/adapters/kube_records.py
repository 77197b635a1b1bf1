"""Kubernetes objects as our own slim records."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rollout.seen import (
    HELD_BEFORE,
    REPLICAS_BEFORE,
    ROLLOUT_ID,
    SCALE_DOWN_DISABLED,
    AutoscalerSeen,
    NodeSeen,
    Owner,
    PodSeen,
    Taint,
    Toleration,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

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
# How a pod says that it must not be disrupted (Karpenter's and cluster-autoscaler's documentation).
_PINS = {"karpenter.sh/do-not-disrupt": "true", "cluster-autoscaler.kubernetes.io/safe-to-evict": "false"}


def instance_of(node: Mapping[str, Any]) -> str | None:
    """Return the EC2 instance that a node runs on, by its providerID (aws:///ZONE/i-…); None if it is not one."""
    provider, _, rest = node["spec"].get("providerID", "").partition("://")
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
    except ValueError:
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
    annotations = metadata.get("annotations") or {}
    instance_id = instance_of(raw)
    claims = _claims(raw)
    conditions = raw.get("status", {}).get("conditions") or ()
    ready: Mapping[str, Any] = next((one for one in conditions if one["type"] == "Ready"), {})
    return NodeSeen(
        name=metadata["name"],
        uid=metadata["uid"],
        instance_id=instance_id,
        ready=ready.get("status") == "True",
        unschedulable=spec.get("unschedulable", False),
        taints=tuple(Taint(one["key"], one.get("value", ""), one["effect"]) for one in spec.get("taints") or ()),
        labels=metadata.get("labels") or {},
        held=annotations.get(SCALE_DOWN_DISABLED),
        held_before=annotations.get(HELD_BEFORE),
        turned=_moment(ready.get("lastTransitionTime")),
        claims=frozenset(claims) - {instance_id},
        doubt=_doubt(raw, instance_id, claims),
    )


def pod(raw: Mapping[str, Any]) -> PodSeen:
    """Return a pod."""
    metadata = raw["metadata"]
    annotations = metadata.get("annotations") or {}
    return PodSeen(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        node=raw["spec"].get("nodeName") or None,
        phase=raw.get("status", {}).get("phase", "Pending"),
        owner=_owner(metadata.get("ownerReferences") or ()),
        labels=metadata.get("labels") or {},
        mirror=_MIRROR in annotations,
        pinned=any(annotations.get(key) == value for key, value in _PINS.items()),
        deleting=_moment(metadata.get("deletionTimestamp")),
        tolerations=_tolerations(raw["spec"].get("tolerations") or ()),
        created=_moment(metadata.get("creationTimestamp")),
    )


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _tolerations(found: Iterable[Mapping[str, Any]]) -> tuple[Toleration, ...]:
    """Return them without those that the API server gives every pod: 20,000 pods would hold 40,000 of them."""
    return tuple(
        Toleration(
            one.get("key") or "", one.get("operator") == "Exists", one.get("value") or "", one.get("effect") or ""
        )
        for one in found
        if one.get("key") not in _OF_EVERY_POD
    )


def _owner(references: Iterable[Mapping[str, Any]]) -> Owner | None:
    owner = next((one for one in references if one.get("controller")), None)
    return Owner(owner["apiVersion"], owner["kind"], owner["name"], owner["uid"]) if owner else None


def autoscaler(raw: Mapping[str, Any]) -> AutoscalerSeen:
    """Return what a Deployment says of itself as cluster-autoscaler's."""
    annotations = raw["metadata"].get("annotations") or {}
    before = annotations.get(REPLICAS_BEFORE, "")
    return AutoscalerSeen(
        replicas=raw["spec"].get("replicas", 1),
        replicas_before=int(before) if before.isdecimal() else None,
        rollout_id=annotations.get(ROLLOUT_ID),
    )
