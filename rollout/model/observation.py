"""What was seen of the world at one tick: slim records of our own, frozen, made by the adapters.

Nothing here was ever promised: it was true when it was read. Fields named as AWS and Kubernetes name them.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Self

from rollout.model.budget import BudgetSeen, Requirement
from rollout.model.checkpoint import Checkpoint
from rollout.model.plan import Sizes, TemplateUse

#: Annotation that keeps cluster-autoscaler away from a node (its FAQ, "How can I prevent Cluster Autoscaler from
#: scaling down a particular node?").
SCALE_DOWN_KEY = "cluster-autoscaler.kubernetes.io/scale-down-disabled"
#: Our own note beside it: the value that was there before ("" for none). Its presence says that the hold is ours.
SCALE_DOWN_BEFORE_KEY = "eks-rollout/scale-down-disabled-before"
#: How taints begin, and end, that go when a node is fit for work: those of Kubernetes and the cloud's controller, and
#: by convention those of the agents that a node waits for (Cilium, the EBS and EFS drivers).
NOT_YET, NO_AGENT_YET = ("node.kubernetes.io/", "node.cloudprovider.kubernetes.io/"), "/agent-not-ready"
#: Taint of cluster-autoscaler on a node that it is about to end.
TO_BE_DELETED = "ToBeDeletedByClusterAutoscaler"
#: How EKS labels nodes that run on no instance of this account: "fargate", "hybrid".
COMPUTE_TYPE = "eks.amazonaws.com/compute-type"
#: On the autoscaler's Deployment: the replicas to give back, and the rollout that took them.
REPLICAS_BEFORE = "eks-rollout/replicas-before"
ROLLOUT_ID = "eks-rollout/rollout-id"
# A whole number in the value of a taint, which has at most 63 characters.
_WHOLE = re.compile("-?[0-9]{1,63}")


@dataclass(frozen=True, slots=True)
class InstanceSeen:
    """An instance as its Auto Scaling group lists it. `version`: the template version it was launched from."""

    id: str
    lifecycle: str
    healthy: bool
    zone: str
    template_id: str | None
    version: int | None
    protected: bool

    @property
    def living(self) -> bool:
        """It counts for desired: Pending, InService, or its root volume is being replaced, waits of hooks included.

        Not Terminating, Terminated, Detaching, Detached, EnteringStandby, Standby.
        """
        return self.lifecycle.startswith(("Pending", "InService", "ReplacingRootVolume", "RootVolumeReplaced"))

    @property
    def standing_by(self) -> bool:
        """Put aside by a person: it runs on, but counts as no capacity."""
        return self.lifecycle in {"EnteringStandby", "Standby"}

    @property
    def retained(self) -> bool:
        """A termination hook was abandoned, and the group's policy retains the instance then: it runs on.

        It counts as no capacity, and stays until somebody terminates it (InstanceLifecyclePolicy, RetentionTriggers).
        """
        return self.lifecycle == "Terminating:Retained"

    @property
    def in_service(self) -> bool:
        """InService, the only state in which AWS accepts protection."""
        return self.lifecycle == "InService"


@dataclass(frozen=True, slots=True)
class GroupSeen:
    """An Auto Scaling group. `uses`: every template that it names, its own first; empty without a launch template.

    `nodegroup`: the EKS managed node group that owns it, None for a self-managed group. `mixed`: it has a
    MixedInstancesPolicy, and names its templates there. `gone`: it is deleted, or is being deleted with its instances.
    """

    name: str
    sizes: Sizes
    uses: tuple[TemplateUse, ...]
    protect_new: bool
    capacity_rebalance: bool
    suspended: frozenset[str]
    zones: tuple[str, ...]
    instances: tuple[InstanceSeen, ...]
    nodegroup: str | None = None
    mixed: bool = False
    gone: bool = False

    @classmethod
    def deleted(cls, name: str) -> Self:
        """Return the group of that name that AWS does not list any more."""
        nothing: frozenset[str] = frozenset()
        return cls(name, Sizes(0, 0, 0), (), False, False, nothing, (), (), gone=True)  # noqa: FBT003 - flags of nothing

    @property
    def living(self) -> tuple[InstanceSeen, ...]:
        """The instances that are not on their way out."""
        return tuple(instance for instance in self.instances if instance.living)

    @property
    def in_standby(self) -> tuple[str, ...]:
        """The ids of the instances that somebody put aside."""
        return tuple(instance.id for instance in self.instances if instance.standing_by)

    def use(self, slot: str) -> TemplateUse | None:
        """Return what the group names at that place, None if nothing."""
        return next((use for use in self.uses if use.slot == slot), None)


@dataclass(frozen=True, slots=True)
class VersionSeen:
    """A version of a launch template. `volumes`: by device name, the GiB that it asks for, where it says so."""

    number: int
    image_id: str | None
    description: str
    instance_type: str | None = None
    volumes: Mapping[str, int] = field(default_factory=dict)

    @property
    def made_by(self) -> str | None:
        """Return the id of the rollout that made it, as its description ends, None for anybody else's."""
        found = re.search(r"(?:^|\()rollout (\S+?)(?: from [0-9]+| back to [0-9]+)?\)?$", self.description)
        return found[1] if found else None


@dataclass(frozen=True, slots=True)
class TemplateSeen:
    """A launch template with all its versions, newest first; `tags`: the template's own."""

    id: str
    name: str
    default: int
    latest: int
    versions: tuple[VersionSeen, ...]
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def gone(self) -> bool:
        """Somebody deleted it, though the plan names it: one that exists has a version."""
        return not self.versions

    def resolve(self, reference: str) -> int:
        """Return the number that "$Latest", "$Default" or a number as text means now."""
        named = {"$Latest": self.latest, "$Default": self.default}
        return named[reference] if reference in named else int(reference)

    def described(self, description: str) -> VersionSeen | None:
        """Return the version with exactly this description, None if there is none."""
        return next((version for version in self.versions if version.description == description), None)


@dataclass(frozen=True, slots=True)
class RefreshSeen:
    """An instance refresh that is active on a group; `status` as AWS names it."""

    id: str
    status: str

    @property
    def ends(self) -> bool:
        """Somebody has cancelled it, and it replaces nothing more."""
        return self.status == "Cancelling"

    @property
    def label(self) -> str:
        """Id and status in words."""
        return f"{self.id}, {self.status}"


@dataclass(frozen=True, slots=True)
class ImageSeen:
    """An AMI. `state`: "available" when instances can be launched from it.

    `created`: None if AWS does not say.
    `root_device`: its name such as /dev/xvda; `root_gib`: the size of its snapshot; empty and None if AWS does not say.
    """

    id: str
    name: str
    state: str
    architecture: str = ""
    root_device: str = ""
    root_gib: int | None = None
    created: datetime | None = None


@dataclass(frozen=True, slots=True)
class Taint:
    """A taint of a node; `effect`: NoSchedule, PreferNoSchedule or NoExecute."""

    key: str
    value: str
    effect: str


#: What a cordon is to the scheduler: a pod that tolerates it is bound to a cordoned node.
CORDON = Taint("node.kubernetes.io/unschedulable", "", "NoSchedule")


@dataclass(frozen=True, slots=True)
class Toleration:
    """A toleration of a pod; an empty key or effect means any (core/v1 `ToleratesTaint`).

    `compares`: its operator, if that is neither Equal nor Exists: Gt and Lt compare whole numbers.
    """

    key: str
    exists: bool
    value: str
    effect: str
    compares: str = ""

    def fits(self, taint: Taint) -> bool:
        """Tell whether it tolerates this taint."""
        if self.effect not in {"", taint.effect} or self.key not in {"", taint.key}:
            return False
        if self.compares:
            return self._may_fit(taint.value)
        return self.exists or (self.key != "" and self.value == taint.value)

    def _may_fit(self, value: str) -> bool:
        """Compare a taint's value. Where we do not know how, it may tolerate: else its pods would never leave."""
        if self.compares not in {"Gt", "Lt"} or not all(map(_WHOLE.fullmatch, (value, self.value))):
            return True
        return int(value) > int(self.value) if self.compares == "Gt" else int(value) < int(self.value)


@dataclass(frozen=True, slots=True)
class NodeSeen:
    """A Kubernetes node. `instance_id` comes from its providerID, None if that is not one of AWS.

    `turned`: since when it has been Ready, or not been so; None if it does not say.
    `claims`: other instances that its name, labels or annotations name; `doubt`: in words, how it contradicts its own
    providerID, "" if it does not.
    `scale_down_disabled`: the value of the scale-down-disabled annotation; `scale_down_before`: our note beside it;
    both None if absent.
    `offers`: the devices and the like that pods may ask of it; CPU, memory and storage are not among them.
    `room`: CPUs, and bytes of memory, for all its pods together; None if it does not say.
    """

    name: str
    uid: str
    instance_id: str | None
    ready: bool
    unschedulable: bool
    taints: tuple[Taint, ...]
    labels: Mapping[str, str]
    scale_down_disabled: str | None = None
    scale_down_before: str | None = None
    turned: datetime | None = None
    claims: frozenset[str] = frozenset()
    doubt: str = ""
    offers: frozenset[str] = frozenset()
    room: tuple[float, float] | None = None

    @property
    def instances(self) -> frozenset[str]:
        """All instances that it may run on: the pods on it hold each of them."""
        return self.claims | {self.instance_id} if self.instance_id else self.claims

    @property
    def annotations_before(self) -> dict[str, str | None]:
        """Its annotations as they were before ours: what others had written there is theirs, None was not there."""
        return {SCALE_DOWN_KEY: self.scale_down_before or None, SCALE_DOWN_BEFORE_KEY: None}

    @property
    def placed(self) -> bool:
        """It says on which instance it runs, or EKS says that it runs on none of this account."""
        return self.instance_id is not None or COMPUTE_TYPE in self.labels

    def tainted(self, key: str) -> str | None:
        """Return the effect of the taint with that key, None if the node does not carry it."""
        return next((taint.effect for taint in self.taints if taint.key == key), None)

    @property
    def usable(self) -> bool:
        """Ready, schedulable and without a taint that waits for something: new pods can start here."""
        keys = [taint.key for taint in self.taints]
        blocked = any(key.startswith(NOT_YET) or key.endswith(NO_AGENT_YET) for key in keys)
        return self.ready and not self.unschedulable and not blocked and not self.going

    @property
    def going(self) -> bool:
        """Cluster-autoscaler is about to end it."""
        return self.tainted(TO_BE_DELETED) is not None

    @property
    def barriers(self) -> tuple[Taint, ...]:
        """The taints that keep pods out which do not tolerate them."""
        return tuple(taint for taint in self.taints if taint.effect in {"NoSchedule", "NoExecute"})


@dataclass(frozen=True, slots=True)
class Owner:
    """The controller of a pod. A kind alone says little: Volcano's `Job` is not the `Job` of batch/v1."""

    api_version: str
    kind: str
    name: str
    uid: str

    @property
    def group(self) -> str:
        """The API group, such as `batch`; "" for the core group."""
        return self.api_version.rpartition("/")[0]

    @property
    def is_job(self) -> bool:
        """It is a Job of batch/v1: of no other can the API for Jobs be asked."""
        return (self.group, self.kind) == ("batch", "Job")

    @property
    def full_kind(self) -> str:
        """The kind, with its group where the kind alone does not say which one it is."""
        return self.kind if self.group in {"", "apps"} or self.is_job else f"{self.kind}.{self.group}"


@dataclass(frozen=True, slots=True)
class PodSeen:
    """A pod. `owner`: its controller, None for a bare pod; `labels`: the pod's own.

    `deleting`: the instant at which its grace period ends (deletionTimestamp), None if nobody deletes it.
    `pinned`: it says itself that it must not be disrupted (karpenter's or cluster-autoscaler's annotation);
    `pinned_until`: until when, None for as long as it is there.
    `wants`: what its node's labels must be (nodeSelector, required affinity): one of these terms; empty for anything.
    `needs`: the devices and the like that it asks of its node, CPU, memory and storage aside; `asks`: CPUs, and bytes
    of memory.
    `tolerations`: but for those that every pod has, of nodes that are not Ready. `created`: None if it does not say.
    `finalizers`: what must let go of it before it is gone.
    `ready`: its condition Ready is true; `turned`: since when it has been so, or not; None if it does not say.
    `restarts`: its restartPolicy; what is not Always runs to its end.
    `nominated`: the node for which the scheduler has chosen it, before it is bound; "" if none.
    `claims`: how many volumes it claims that may be attached to its node.
    `stopped`: it finished once somebody had asked for its end; many programs end with 0 when they are told to.
    `ends`: when Kubernetes ends it by its own activeDeadlineSeconds; None where it has none, or has not begun.
    """

    namespace: str
    name: str
    uid: str
    node: str | None
    phase: str
    owner: Owner | None
    labels: Mapping[str, str]
    mirror: bool = False
    pinned: bool = False
    deleting: datetime | None = None
    tolerations: tuple[Toleration, ...] = ()
    created: datetime | None = None
    finalizers: tuple[str, ...] = ()
    ready: bool = True
    turned: datetime | None = None
    restarts: str = "Always"
    nominated: str = ""
    claims: int = 0
    stopped: bool = False
    pinned_until: datetime | None = None
    wants: tuple[tuple[Requirement, ...], ...] = ()
    needs: frozenset[str] = frozenset()
    asks: tuple[float, float] = (0.0, 0.0)
    ends: datetime | None = None

    def pins(self, now: datetime | None) -> bool:
        """Tell whether it still says itself that it must stay; `now`: None where it is enough that it has said so."""
        return self.pinned and (self.pinned_until is None or now is None or now < self.pinned_until)

    def ends_by(self, jobs: Mapping[str, datetime]) -> datetime | None:
        """Return when its own or its Job's activeDeadlineSeconds ends it; `jobs`: by uid, when those end."""
        ends = (self.ends, jobs.get(self.owner.uid) if self.owner else None)
        return min((end for end in ends if end), default=None)

    def tolerates(self, taint: Taint) -> bool:
        """Tell whether the scheduler may bind it to a node with this taint."""
        return any(toleration.fits(taint) for toleration in self.tolerations)

    @property
    def stays_with_node(self) -> bool:
        """A mirror pod or a DaemonSet's: it belongs to its node, and is moved nowhere."""
        return self.mirror or (self.owner is not None and self.owner.kind == "DaemonSet")

    @property
    def finished(self) -> bool:
        """Succeeded or Failed: it will never run again."""
        return self.phase in {"Succeeded", "Failed"}

    @property
    def label(self) -> str:
        """The pod in words, with its namespace and controller."""
        owner = f" of {self.owner.kind} {self.owner.name}" if self.owner else ""
        return f"pod {self.namespace}/{self.name}{owner}"


@dataclass(frozen=True, slots=True)
class AttachmentSeen:
    """A volume that is attached to a node, by the VolumeAttachment that says so; `zonal`: nowhere but in its zone."""

    node: str
    volume: str
    zonal: bool = True


@dataclass(frozen=True, slots=True)
class AutoscalerSeen:
    """cluster-autoscaler's Deployment; `replicas_before` and `rollout_id` are our annotations, None if absent."""

    replicas: int
    replicas_before: int | None
    rollout_id: str | None


@dataclass(frozen=True, slots=True)
class MarkerSeen:
    """The cluster's marker: whose rollout is at work.

    `checkpoint`: what it keeps of it, None where an earlier version wrote it or somebody spoilt it.
    `held_by`: the finalizers for which it stays though somebody deleted it.
    """

    rollout_id: str
    uid: str
    checkpoint: Checkpoint | None = None
    held_by: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """Whose it is, in words."""
        where = f" (in {self.checkpoint.phase.value}, journal {self.checkpoint.journal})" if self.checkpoint else ""
        return f"rollout {self.rollout_id or 'of an unknown id'}{where}"

    @property
    def journal(self) -> str:
        """The database that it last used, "" if the marker does not say."""
        return self.checkpoint.journal if self.checkpoint else ""


@dataclass(frozen=True, slots=True)
class Unsteady:
    """Why what the cluster says of itself is not to be trusted yet, since when, and when that was last so."""

    why: str
    began: datetime
    last: datetime


@dataclass(frozen=True)
class Observation:
    """One observation. Parts that the phase did not look at are empty.

    `fresh`: by node name, the pods listed straight from the API, past the cache.
    `troubles`: by group, what its newest failed scaling activity said. `refreshes`: by group, the active one.
    `budgets`, `attachments`: None where they were not looked at, or may not be.
    `elsewhere`: the instances outside of the groups that nodes name and that live. `ended`: those that a group lists
    still, though EC2 terminates them or has done so. Nobody is asked for either before it matters.
    """

    groups: tuple[GroupSeen, ...] = ()
    nodes: tuple[NodeSeen, ...] = ()
    pods: tuple[PodSeen, ...] = ()
    fresh: Mapping[str, tuple[PodSeen, ...]] = field(default_factory=dict)
    autoscaler: AutoscalerSeen | None = None
    templates: tuple[TemplateSeen, ...] = ()
    marker: MarkerSeen | None = None
    troubles: Mapping[str, str] = field(default_factory=dict)
    refreshes: Mapping[str, RefreshSeen] = field(default_factory=dict)
    unsteady: Unsteady | None = None
    budgets: tuple[BudgetSeen, ...] | None = None
    elsewhere: frozenset[str] = frozenset()
    ended: frozenset[str] = frozenset()
    attachments: tuple[AttachmentSeen, ...] | None = None

    def group(self, name: str) -> GroupSeen:
        """Return the group of that name; KeyError if it was not seen."""
        for group in self.groups:
            if group.name == name:
                return group
        raise KeyError(name)

    def template(self, template_id: str) -> TemplateSeen:
        """Return the template of that id; KeyError if it was not seen."""
        for template in self.templates:
            if template.id == template_id:
                return template
        raise KeyError(template_id)

    def launches(self, template_id: str, number: int) -> str | None:
        """Return the image that is launched from a version; None where it was not seen, or says none."""
        of_template = (one for one in self.templates if one.id == template_id)
        versions = (version for template in of_template for version in template.versions if version.number == number)
        return next((version.image_id for version in versions), None)

    def instance(self, instance_id: str) -> InstanceSeen | None:
        """Return the instance of that id from any group, None if no group lists it."""
        return self._instances.get(instance_id)

    def nodes_on(self, instance_id: str) -> tuple[NodeSeen, ...]:
        """Return all Node objects of this instance, the living one first: a stale one may stand beside it.

        They are matched by providerID; one that says otherwise elsewhere belongs to both instances.
        """
        return self._nodes.get(instance_id, ())

    def node_of(self, instance_id: str) -> NodeSeen | None:
        """Return the living one of an instance's nodes, None if none has joined."""
        return next(iter(self.nodes_on(instance_id)), None)

    def nodes_of(self, group: GroupSeen) -> tuple[NodeSeen, ...]:
        """Return all Node objects of a group's living instances, by their providerID."""
        found = ((instance.id, node) for instance in group.living for node in self.nodes_on(instance.id))
        return tuple(node for instance_id, node in found if node.instance_id == instance_id)

    @cached_property
    def unlisted(self) -> frozenset[str]:
        """The instances that nodes name and that none of the groups lists."""
        return frozenset(node.instance_id for node in self.nodes if node.instance_id) - self._instances.keys()

    @cached_property
    def alone(self) -> frozenset[str]:
        """The instances in service that have no Node: none ever joined, or somebody deleted it."""
        serving = (one.id for group in self.groups for one in group.instances if one.in_service)
        return frozenset(instance_id for instance_id in serving if not self.nodes_on(instance_id))

    def strays(self) -> Iterator[tuple[NodeSeen, str]]:
        """Yield the nodes that may run on another instance than they say, each with the reason.

        A new machine that gets the name of one that is gone uses its Node object again, providerID included. It matters
        where an instance has no node: `elsewhere` is asked for by `whereabouts` then.
        """
        reporting = Counter(node.instance_id for node in self.nodes if node.ready and node.placed)
        lost = self.unlisted - self.elsewhere
        for node in self.nodes:
            if not node.placed:
                yield node, "does not say on which instance it runs (no providerID)"
            elif node.instance_id in lost:
                yield node, f"names {node.instance_id}, which is not known to live"
            elif node.instance_id and node.ready and reporting[node.instance_id] > 1:
                yield node, f"names {node.instance_id}, and so does another node that is Ready"

    def selected_otherwise(self, selector: Mapping[str, str]) -> tuple[str, ...]:
        """Return the names of the nodes on which a selector of labels and the groups disagree; an empty one agrees."""
        living = (self.nodes_on(instance.id)[:1] for group in self.groups for instance in group.living)
        of_groups = {node.name for nodes in living for node in nodes}
        selected = {node.name for node in self.nodes if selector.items() <= node.labels.items()}
        # A node outlives its instance for a moment: that explains it.
        listed = {node.name for id_ in self._instances for node in self.nodes_on(id_)}
        return tuple(sorted((of_groups - selected) | (selected - listed))) if selector else ()

    def pods_on(self, node: str) -> tuple[PodSeen, ...]:
        """Return the pods that are scheduled on a node, as the cache knows them."""
        return self._pods.get(node, ())

    @cached_property
    def _instances(self) -> dict[str, InstanceSeen]:
        return {instance.id: instance for group in self.groups for instance in group.instances}

    @cached_property
    def _nodes(self) -> dict[str, tuple[NodeSeen, ...]]:
        by_instance: defaultdict[str, list[NodeSeen]] = defaultdict(list)
        for node in sorted(self.nodes, key=lambda one: (not one.ready, one.name)):
            for instance_id in node.instances:
                by_instance[instance_id].append(node)
        return {instance_id: tuple(nodes) for instance_id, nodes in by_instance.items()}

    @cached_property
    def _pods(self) -> dict[str, tuple[PodSeen, ...]]:
        by_node: defaultdict[str, list[PodSeen]] = defaultdict(list)
        for pod in self.pods:
            if pod.node:
                by_node[pod.node].append(pod)
        return {node: tuple(pods) for node, pods in by_node.items()}
