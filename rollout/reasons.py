"""Why a rollout halts or waits, in one word that a program can compare; docs/halts.md has a line for each.

A reason never changes its meaning: alerts match on it. The words beside it in a message may change.
"""

from __future__ import annotations

from enum import StrEnum, unique


@unique
class Reason(StrEnum):
    """One word for each cause, in CamelCase as in the conditions of Kubernetes."""

    # Somebody changed what the rollout had left.
    DRIFT_LAUNCH_TEMPLATE = "DriftLaunchTemplate"
    DRIFT_PROCESSES = "DriftProcesses"
    DRIFT_SIZES = "DriftSizes"
    EFFECT_REVERTED = "EffectReverted"
    AUTOSCALER_SCALED_UP = "AutoscalerScaledUp"
    FOREIGN_TEMPLATE_VERSION = "ForeignTemplateVersion"
    SELECTOR_MISMATCH = "SelectorMismatch"
    # The cluster's marker and this journal do not agree.
    FOREIGN_MARKER = "ForeignMarker"
    MARKER_DELETED = "MarkerDeleted"
    MARKER_GONE = "MarkerGone"
    JOURNAL_OUTDATED = "JournalOutdated"
    # Requests of ours.
    EFFECT_FAILS = "EffectFails"
    EFFECT_NOT_VISIBLE = "EffectNotVisible"
    EFFECT_PENDING = "EffectPending"
    EFFECT_REJECTED = "EffectRejected"
    EFFECT_UNCLEAR = "EffectUnclear"
    LATE_REQUESTS = "LateRequests"
    TAKEOVER_DELAY = "TakeoverDelay"
    # What was observed.
    CLUSTER_NOT_STEADY = "ClusterNotSteady"
    OBSERVATION_DENIED = "ObservationDenied"
    OBSERVATION_UNCONFIRMED = "ObservationUnconfirmed"
    POD_LIST_STALE = "PodListStale"
    PODS_UNKNOWN = "PodsUnknown"
    # Instances and nodes.
    AUTOSCALER_PODS_RUNNING = "AutoscalerPodsRunning"
    INSTANCES_NOT_IN_SERVICE = "InstancesNotInService"
    INSTANCE_IN_STANDBY = "InstanceInStandby"
    INSTANCE_TERMINATING = "InstanceTerminating"
    NODES_NOT_READY = "NodesNotReady"
    OLD_NODES_LEFT = "OldNodesLeft"
    TOO_FEW_NODES = "TooFewNodes"
    TOO_MANY_INSTANCES = "TooManyInstances"
    TURN = "Turn"
    VOLUMES_ATTACHED = "VolumesAttached"
    # Pods.
    EVICTION_FAILS = "EvictionFails"
    EVICTION_REJECTED = "EvictionRejected"
    JOBS_RUNNING = "JobsRunning"
    KUBELET_SILENT = "KubeletSilent"
    POD_COMES_BACK = "PodComesBack"
    POD_DISRUPTION_BUDGET_BLOCKS = "PodDisruptionBudgetBlocks"
    POD_DOES_NOT_END = "PodDoesNotEnd"
    PODS_COMING = "PodsComing"
    PODS_LEAVING = "PodsLeaving"
    REPLICAS_NOT_READY = "ReplicasNotReady"


def tagged(text: str, reason: Reason | str | None) -> str:
    """Return a text with its reason behind it, for people; journals of older versions have none."""
    return f"{text} ({reason})" if reason and text else text
