"""Kubernetes objects as our own slim records."""

from __future__ import annotations

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
# How a pod says that it must not be disrupted (Karpenter's and cluster-autoscaler's documentation).
_PINS = {"karpenter.sh/do-not-disrupt": "true", "cluster-autoscaler.kubernetes.io/safe-to-evict": "false"}


def instance_of(node: Mapping[str, Any]) -> str | None:
    """Return the EC2 instance that a node runs on, by its providerID (aws:///ZONE/i-…); None if it is not one."""
    provider, _, rest = node["spec"].get("providerID", "").partition("://")
    instance_id = rest.rpartition("/")[2]
    return instance_id if provider == "aws" and instance_id.startswith("i-") else None


def node(raw: Mapping[str, Any]) -> NodeSeen:
    """Return a node."""
    metadata, spec = raw["metadata"], raw["spec"]
    annotations = metadata.get("annotations") or {}
    conditions = raw.get("status", {}).get("conditions") or ()
    ready: Mapping[str, Any] = next((one for one in conditions if one["type"] == "Ready"), {})
    return NodeSeen(
        name=metadata["name"],
        uid=metadata["uid"],
        instance_id=instance_of(raw),
        ready=ready.get("status") == "True",
        unschedulable=spec.get("unschedulable", False),
        taints=tuple(Taint(one["key"], one.get("value", ""), one["effect"]) for one in spec.get("taints") or ()),
        labels=metadata.get("labels") or {},
        held=annotations.get(SCALE_DOWN_DISABLED),
        held_before=annotations.get(HELD_BEFORE),
        turned=_moment(ready.get("lastTransitionTime")),
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
