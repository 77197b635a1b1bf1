"""One frozen record for each kind of mutating call on AWS or Kubernetes.

An effect's `key` is `kind:target:occasion` and unique in a rollout: the journal saves the effect under it before a
request leaves. `landed` asks the world, not the reply: True, it shows; False, it certainly does not; None, wait.
`occasion` tells apart what is rightly done more than once to the same target: the rollout's round, a stage's round.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from rollout.mark import Mark
from rollout.plan import Sizes, TemplateUse
from rollout.seen import AutoscalerSeen, GroupSeen, NodeSeen, PodSeen, Seen

Landed = bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """What all effects share. `serial`: never beside another effect, because its order matters."""

    occasion: str = ""

    @property
    def target(self) -> str:
        """The thing that is changed, as operators name it."""
        raise NotImplementedError

    @property
    def key(self) -> str:
        """`kind:target:occasion`, unique in a rollout."""
        return f"{self.kind}:{self.target}:{self.occasion}"  # type: ignore[attr-defined]

    @property
    def serial(self) -> bool:
        """Absolute values may be written side by side; what is not absolute may not."""
        return False

    def landed(self, seen: Seen) -> Landed:
        """Tell whether the world shows this effect."""
        raise NotImplementedError


# ---- Kubernetes: the cluster as a whole ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateMarker(Base):
    """Create the cluster's marker; creation is the compare-and-set.

    `mark`: None only in what an earlier version saved: that is looked for, never sent.
    """

    kind: Literal["create-marker"] = "create-marker"
    rollout_id: str
    mark: Mark | None = field(repr=False, hash=False)

    @property
    def target(self) -> str:
        return "marker"

    def landed(self, seen: Seen) -> Landed:
        return seen.marker is not None and seen.marker.rollout_id == self.rollout_id


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateMarker(Base):
    """Let the cluster's marker of this uid say what the journal says now."""

    kind: Literal["update-marker"] = "update-marker"
    uid: str
    mark: Mark = field(repr=False, hash=False)

    @property
    def target(self) -> str:
        return "marker"

    def landed(self, seen: Seen) -> Landed:
        return seen.marker is not None and seen.marker.mark == self.mark


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteMarker(Base):
    """Delete the cluster's marker of this uid."""

    kind: Literal["delete-marker"] = "delete-marker"
    uid: str

    @property
    def target(self) -> str:
        return "marker"

    def landed(self, seen: Seen) -> Landed:
        return seen.marker is None or seen.marker.uid != self.uid


@dataclass(frozen=True, slots=True, kw_only=True)
class StopAutoscaler(Base):
    """Scale cluster-autoscaler to 0 and note its replicas and the rollout in annotations, in one PATCH."""

    kind: Literal["stop-autoscaler"] = "stop-autoscaler"
    namespace: str
    name: str
    rollout_id: str
    replicas_before: int

    @property
    def target(self) -> str:
        return f"{self.namespace}/{self.name}"

    def landed(self, seen: Seen) -> Landed:
        return _autoscaler(seen, lambda a: a.replicas == 0 and a.rollout_id == self.rollout_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class StartAutoscaler(Base):
    """Give cluster-autoscaler its replicas back and remove our annotations, in one PATCH."""

    kind: Literal["start-autoscaler"] = "start-autoscaler"
    namespace: str
    name: str
    rollout_id: str
    replicas: int

    @property
    def target(self) -> str:
        return f"{self.namespace}/{self.name}"

    def landed(self, seen: Seen) -> Landed:
        return _autoscaler(seen, lambda a: a.rollout_id is None)


# ---- Kubernetes: nodes and pods -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class OnNode(Base):
    """An effect on one node. It is still that node only with this uid and instance (names are used again)."""

    node: str
    uid: str
    instance_id: str

    @property
    def target(self) -> str:
        return self.node

    def shows(self, node: NodeSeen) -> bool:
        """Tell whether the node carries this effect."""
        raise NotImplementedError

    def landed(self, seen: Seen) -> Landed:
        node = seen.node_of(self.instance_id)
        # A node that is gone carries nothing any more: nothing is left to send.
        return True if node is None or node.uid != self.uid else self.shows(node)


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldNode(OnNode):
    """Set scale-down-disabled to "true" and note the value that was there in an annotation of ours."""

    kind: Literal["hold-node"] = "hold-node"
    before: str | None

    def shows(self, node: NodeSeen) -> bool:
        return node.held == "true" and node.held_before is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnholdNode(OnNode):
    """Give scale-down-disabled its old value back (None: remove it) and remove our note."""

    kind: Literal["unhold-node"] = "unhold-node"
    restore: str | None

    def shows(self, node: NodeSeen) -> bool:
        return node.held_before is None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaintNode(OnNode):
    """Put our taint on a node, or change its effect; `value` is the rollout's id."""

    kind: Literal["taint-node"] = "taint-node"
    taint_key: str
    value: str
    effect: str

    @property
    def target(self) -> str:
        return f"{self.node}={self.effect}"

    def shows(self, node: NodeSeen) -> bool:
        return node.tainted(self.taint_key) == self.effect


@dataclass(frozen=True, slots=True, kw_only=True)
class UntaintNode(OnNode):
    """Remove our taint from a node."""

    kind: Literal["untaint-node"] = "untaint-node"
    taint_key: str

    def shows(self, node: NodeSeen) -> bool:
        return node.tainted(self.taint_key) is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cordon(OnNode):
    """Mark a node unschedulable."""

    kind: Literal["cordon"] = "cordon"

    def shows(self, node: NodeSeen) -> bool:
        return node.unschedulable


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncordon(OnNode):
    """Make a node that we cordoned schedulable again."""

    kind: Literal["uncordon"] = "uncordon"

    def shows(self, node: NodeSeen) -> bool:
        return not node.unschedulable


@dataclass(frozen=True, slots=True, kw_only=True)
class OnPod(Base):
    """An effect on one pod; `kills`: the Job (or other protected controller) that loses it, for the ledger."""

    namespace: str
    name: str
    uid: str
    node: str
    kills: str | None = None

    @property
    def target(self) -> str:
        # The uid alone is unique: a StatefulSet's next pod has the same name.
        return f"{self.namespace}/{self.name}/{self.uid}"

    def _pod(self, seen: Seen) -> PodSeen | None:
        pods = seen.fresh.get(self.node, seen.pods)
        return next((pod for pod in pods if pod.uid == self.uid), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evict(OnPod):
    """Evict a pod through policy/v1, with its uid as the precondition; budgets may refuse it."""

    kind: Literal["evict"] = "evict"

    def landed(self, seen: Seen) -> Landed:
        pod = self._pod(seen)
        return pod is None or pod.finished or pod.deleting is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletePod(OnPod):
    """Delete a pod past any budget, after the drain deadline; `grace` in seconds, None for the pod's own, 0 at once."""

    kind: Literal["delete-pod"] = "delete-pod"
    grace: int | None

    def landed(self, seen: Seen) -> Landed:
        pod = self._pod(seen)
        return pod is None or (self.grace is None and pod.deleting is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteJob(Base):
    """Delete a Job with its pods (Background), after the drain deadline and only where the settings say so."""

    kind: Literal["delete-job"] = "delete-job"
    namespace: str
    name: str
    pod_uid: str
    node: str
    kills: str

    @property
    def target(self) -> str:
        return f"{self.namespace}/{self.name}/{self.pod_uid}"

    def landed(self, seen: Seen) -> Landed:
        pods = seen.fresh.get(self.node, seen.pods)
        pod = next((pod for pod in pods if pod.uid == self.pod_uid), None)
        return pod is None or pod.finished or pod.deleting is not None


# ---- AWS: launch templates ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateVersion(Base):
    """Make a version of a template from `source_version` with the new AMI.

    `token`: ClientToken; `description` carries the rollout's id, by which the version is found again.
    """

    kind: Literal["create-version"] = "create-version"
    template_id: str
    source_version: int
    ami: str
    description: str
    token: str

    @property
    def target(self) -> str:
        return f"{self.template_id}/{self.source_version}"

    def landed(self, seen: Seen) -> Landed:
        return seen.template(self.template_id).described(self.description) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class SetDefaultVersion(Base):
    """Move a template's $Default to a version."""

    kind: Literal["set-default-version"] = "set-default-version"
    template_id: str
    before: int
    number: int

    @property
    def target(self) -> str:
        return self.template_id

    def landed(self, seen: Seen) -> Landed:
        return seen.template(self.template_id).default == self.number


# ---- AWS: Auto Scaling groups ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class OnGroup(Base):
    """An effect on one Auto Scaling group."""

    group: str

    @property
    def target(self) -> str:
        return self.group

    def shows(self, group: GroupSeen) -> Landed:
        """Tell whether the group shows this effect."""
        raise NotImplementedError

    def landed(self, seen: Seen) -> Landed:
        return self.shows(seen.group(self.group))


@dataclass(frozen=True, slots=True, kw_only=True)
class SetReference(OnGroup):
    """Let a group launch other versions of its templates, all in one update; `before`: the same uses until then."""

    kind: Literal["set-reference"] = "set-reference"
    before: tuple[TemplateUse, ...]
    uses: tuple[TemplateUse, ...]

    def shows(self, group: GroupSeen) -> Landed:
        return all(use in group.uses for use in self.uses)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resize(OnGroup):
    """Write sizes, and the flag by which new instances are born protected, in one update.

    Only what differs from `before` is written; `protect_new` None leaves the flag as it is.
    """

    kind: Literal["resize"] = "resize"
    before: Sizes
    sizes: Sizes
    protect_new: bool | None = None

    @property
    def serial(self) -> bool:
        return True

    def changed(self, name: Literal["minimum", "desired", "maximum"]) -> int | None:
        """Return the field's new value, None where it stays as it was."""
        value: int = getattr(self.sizes, name)
        return None if value == getattr(self.before, name) else value

    def shows(self, group: GroupSeen) -> Landed:
        now = group.sizes
        sized = (
            self.changed("minimum") in {None, now.minimum}
            and self.changed("desired") in {None, now.desired}
            and self.changed("maximum") in {None, now.maximum}
        )
        return sized and self.protect_new in {None, group.protect_new}


@dataclass(frozen=True, slots=True, kw_only=True)
class SetCapacityRebalance(OnGroup):
    """Switch a group's proactive replacement of spot instances."""

    kind: Literal["set-capacity-rebalance"] = "set-capacity-rebalance"
    enabled: bool

    def shows(self, group: GroupSeen) -> Landed:
        return group.capacity_rebalance == self.enabled


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspend(OnGroup):
    """Suspend scaling processes of a group: the difference only."""

    kind: Literal["suspend"] = "suspend"
    processes: tuple[str, ...]

    def shows(self, group: GroupSeen) -> Landed:
        return group.suspended.issuperset(self.processes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume(OnGroup):
    """Resume the scaling processes of a group that we suspended, by name: without names AWS resumes all."""

    kind: Literal["resume"] = "resume"
    processes: tuple[str, ...]

    def shows(self, group: GroupSeen) -> Landed:
        return group.suspended.isdisjoint(self.processes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Protect(OnGroup):
    """Set or clear scale-in protection of up to 50 instances (AWS's limit for one call)."""

    kind: Literal["protect"] = "protect"
    instance_ids: tuple[str, ...]
    protected: bool

    @property
    def target(self) -> str:
        verb = "on" if self.protected else "off"
        more = f"+{len(self.instance_ids) - 1}" if len(self.instance_ids) > 1 else ""
        return f"{self.group}/{self.instance_ids[0]}{more}={verb}"

    def shows(self, group: GroupSeen) -> Landed:
        wanted = set(self.instance_ids)
        return all(i.protected == self.protected for i in group.instances if i.id in wanted and i.in_service)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminate(OnGroup):
    """Scale in exactly this instance: TerminateInstanceInAutoScalingGroup with decrement.

    `desired_before`: the desired capacity at which it may be sent; MinSize stands one below it.
    """

    kind: Literal["terminate"] = "terminate"
    instance_id: str
    desired_before: int

    @property
    def target(self) -> str:
        return f"{self.group}/{self.instance_id}"

    @property
    def serial(self) -> bool:
        return True

    def shows(self, group: GroupSeen) -> Landed:
        instance = next((i for i in group.instances if i.id == self.instance_id), None)
        leaving = instance is None or not instance.living
        if leaving and group.sizes.desired == self.desired_before - 1:
            return True
        if group.sizes.desired == self.desired_before and (instance is None or not leaving):
            # Still there; or gone altogether without a decrement, so by itself: our call was not applied.
            return False
        # Half of it shows: AWS is at it, or the instance went by itself while our call was under way.
        return None


def _autoscaler(seen: Seen, shows: Callable[[AutoscalerSeen], bool]) -> Landed:
    return seen.autoscaler is not None and shows(seen.autoscaler)


Effect = (
    CreateMarker
    | UpdateMarker
    | DeleteMarker
    | StopAutoscaler
    | StartAutoscaler
    | HoldNode
    | UnholdNode
    | TaintNode
    | UntaintNode
    | Cordon
    | Uncordon
    | Evict
    | DeletePod
    | DeleteJob
    | CreateVersion
    | SetDefaultVersion
    | SetReference
    | Resize
    | SetCapacityRebalance
    | Suspend
    | Resume
    | Protect
    | Terminate
)
