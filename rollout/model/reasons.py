"""Why a rollout halts, waits, is not begun, or warns: one word for programs, explained in docs/halts.md.

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
    GROUP_DELETED = "GroupDeleted"
    PLAN_MOVED = "PlanMoved"
    SOURCE_VERSION_DELETED = "SourceVersionDeleted"
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
    # What a person asked for.
    PAUSED = "Paused"
    # What the settings say.
    WINDOW_CLOSED = "WindowClosed"
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
    INSTANCE_RETAINED = "InstanceRetained"
    INSTANCE_TERMINATING = "InstanceTerminating"
    NODES_NOT_READY = "NodesNotReady"
    NO_OTHER_NODE = "NoOtherNode"
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
    # What blocks a start (`preflight.blockers`).
    READ_DENIED = "ReadDenied"
    CHANGE_DENIED = "ChangeDenied"
    RIGHTS_MISSING = "RightsMissing"
    MARKER_PRESENT = "MarkerPresent"
    AUTOSCALER_NOT_FOUND = "AutoscalerNotFound"
    AUTOSCALER_SCALED_DOWN = "AutoscalerScaledDown"
    EARLIER_ROLLOUT_UNFINISHED = "EarlierRolloutUnfinished"
    GROUP_NOT_IN_CLUSTER = "GroupNotInCluster"
    INSTANCE_WITHOUT_NODE = "InstanceWithoutNode"
    NODE_INSTANCE_UNCLEAR = "NodeInstanceUnclear"
    GROUP_OF_OTHER_CLUSTER = "GroupOfOtherCluster"
    RUNS_ON_OLD_NODE = "RunsOnOldNode"
    KIND_NOT_SERVED = "KindNotServed"
    KIND_CONTROLS_NO_PODS = "KindControlsNoPods"
    UNPROTECTED_PODS = "UnprotectedPods"
    GROUP_NOT_FOUND = "GroupNotFound"
    MANAGED_NODE_GROUP = "ManagedNodeGroup"
    GROUP_OF_SERVICE = "GroupOfService"
    PROCESSES_SUSPENDED = "ProcessesSuspended"
    NO_LAUNCH_TEMPLATE = "NoLaunchTemplate"
    INSTANCE_REFRESH_RUNNING = "InstanceRefreshRunning"
    WARM_POOL = "WarmPool"
    WEIGHTED_CAPACITY = "WeightedCapacity"
    CAPACITY_NOT_IN_INSTANCES = "CapacityNotInInstances"
    ON_DEMAND_BASE_WITH_SPOT = "OnDemandBaseWithSpot"
    IMAGE_IN_OVERRIDE = "ImageInOverride"
    DESIRED_ZERO_WITH_INSTANCES = "DesiredZeroWithInstances"
    INSTANCES_IN_STANDBY = "InstancesInStandby"
    GROUP_LEFT_BY_ROLLOUT = "GroupLeftByRollout"
    LAUNCH_TEMPLATE_NOT_FOUND = "LaunchTemplateNotFound"
    SEVERAL_TEMPLATE_VERSIONS = "SeveralTemplateVersions"
    LAUNCH_TEMPLATE_SHARED = "LaunchTemplateShared"
    IMAGE_NOT_FOUND = "ImageNotFound"
    IMAGE_NOT_AVAILABLE = "ImageNotAvailable"
    INSTANCE_TYPE_UNKNOWN = "InstanceTypeUnknown"
    ARCHITECTURE_MISMATCH = "ArchitectureMismatch"
    ROOT_VOLUME_TOO_SMALL = "RootVolumeTooSmall"
    # What a start warns of (`preflight.warnings`).
    OPTIONAL_RIGHTS_MISSING = "OptionalRightsMissing"
    KINDS_UNKNOWN = "KindsUnknown"
    KIND_WITHOUT_PODS = "KindWithoutPods"
    NAMESPACE_NOT_FOUND = "NamespaceNotFound"
    AUTOSCALER_IGNORED = "AutoscalerIgnored"
    HEALTH_CHECKS_SUSPENDED = "HealthChecksSuspended"
    LOAD_BALANCER_SUSPENDED = "LoadBalancerSuspended"
    BUDGET_ALLOWS_NO_EVICTION = "BudgetAllowsNoEviction"
    TWO_BUDGETS = "TwoBudgets"
    JOBS_TOLERATE_TAINT = "JobsTolerateTaint"
    PODS_TOLERATE_CORDON = "PodsTolerateCordon"
    DESCHEDULER_EVICTS = "DeschedulerEvicts"
    OTHER_GROUPS_NOT_SCALED = "OtherGroupsNotScaled"
    AUTOSCALER_OFF_TOO_LONG = "AutoscalerOffTooLong"
    WINDOW_MAY_CLOSE = "WindowMayClose"
    INFRASTRUCTURE_CODE = "InfrastructureCode"
    GROUP_RECONCILED = "GroupReconciled"
    CLUSTER_UNIDENTIFIED = "ClusterUnidentified"


def tagged(text: str, reason: Reason | str | None) -> str:
    """Return a text with its reason behind it, for people; journals of older versions have none."""
    return f"{text} ({reason})" if reason and text else text
