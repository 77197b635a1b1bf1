"""What somebody can do to the world: a scenario at a moment of its own, a person or a test at the control listener.

Each is a name under `do` with its arguments. A group's nodes are meant by their place in the order of launch, from 0:
`which: 1` is the second one of those with which the scenario began; or by `age`, among those that have joined; or
by the `id` of its instance.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol

from pydantic import Field, TypeAdapter, ValidationError

from eks_simulator.fields import Count, Duration, Part
from eks_simulator.world.account_actions import AccountAction
from eks_simulator.world.cluster_actions import ClusterAction
from eks_simulator.world.trouble import Kind, WorldFault

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from eks_simulator.cloud.cloud import Cloud
    from eks_simulator.cloud.model import Instance
    from eks_simulator.kube.store import Store
    from eks_simulator.world.pods import Object


class Registered(Protocol):
    """Nodes, which register with the API server."""

    def register(self, instance: Instance) -> None:
        """Let the kubelet of an instance register its node again."""


class Acted(Protocol):
    """What actions need of the world."""

    store: Store
    cloud: Cloud

    @property
    def nodes(self) -> Registered:
        """The nodes of the cluster."""

    def begin(self, fault: WorldFault) -> None:
        """Let a world fault strike from now on."""

    def mend(self, kind: Kind | None, victim: str | None) -> None:
        """End world faults."""

    def original(self, group: str, which: int) -> Instance:
        """Return one of the instances with which the scenario began; `ValueError` when it is gone or never was."""

    def joined(self, group: str | None) -> Sequence[Instance]:
        """Return the living instances (of one group) that have a node, in the order of launch."""

    def not_ready(self, nodes: Iterable[str], seconds: float) -> None:
        """Let nodes be not Ready for a while, and their pods with them."""


class Mend(Part):
    """End the world faults of a kind, group or pod; without any, all of them."""

    do: Literal["mend"]
    kind: Kind | None = None
    group: str | None = None
    pod: str | None = None

    def perform(self, world: Acted) -> None:
        """Do it now."""
        world.mend(self.kind, self.group or self.pod)


class Break(WorldFault):
    """Let a world fault strike from now on."""

    do: Literal["break"]

    def perform(self, world: Acted) -> None:
        """Do it now."""
        world.begin(self)


class ScaleDeployment(Part):
    """Set a Deployment's replicas, as GitOps does; annotations stay as they are."""

    do: Literal["scale_deployment"]
    name: str
    namespace: str = "default"
    replicas: Count

    def perform(self, world: Acted) -> None:
        """Do it now."""

        def scale(deployment: Object) -> None:
            deployment["spec"]["replicas"] = self.replicas

        world.store.mutate("deployments", self.namespace, self.name, scale)


class UpdateGroup(Part):
    """Change an Auto Scaling group; `fields` are those of UpdateAutoScalingGroup."""

    do: Literal["update_group"]
    group: str
    fields: dict[str, Any]

    def perform(self, world: Acted) -> None:
        """Do it now."""
        world.cloud.update_group(self.group, **self.fields)


Age = Literal["oldest", "newest"]


class _OnNode(Part):
    group: str
    which: Count = 0
    age: Age | None = None
    id: str | None = None

    def instance(self, world: Acted) -> Instance:
        """Return the instance that is meant; `ValueError` where there is none."""
        if self.id is not None:
            return _by_id(world.cloud, self.group, self.id)
        if self.age is None:
            return world.original(self.group, self.which)
        return _by_age(world.joined(self.group), self.age, self.group)


def _by_id(cloud: Cloud, group: str, instance_id: str) -> Instance:
    found = cloud.group(group).instances.get(instance_id)
    if found is None:
        raise ValueError(f"group {group} has no instance {instance_id}")
    return found


def _by_age(joined: Sequence[Instance], age: Age, group: str | None) -> Instance:
    if not joined:
        raise ValueError(f"group {group} has no node")
    return joined[0 if age == "oldest" else -1]


class TerminateInstance(_OnNode):
    """End an instance in EC2, behind its group's back; with `spot` it is AWS that takes it."""

    do: Literal["terminate_instance"]
    spot: bool = False

    def perform(self, world: Acted) -> None:
        """Do it now."""
        instance = self.instance(world)
        (world.cloud.spot_loss if self.spot else world.cloud.terminate_from_outside)(instance.id)


class TerminateInGroup(_OnNode):
    """End an instance through its group; with `decrement` nothing is launched in its place."""

    do: Literal["terminate_in_group"]
    decrement: bool = True

    def perform(self, world: Acted) -> None:
        """Do it now."""
        world.cloud.terminate_in_group(self.instance(world).id, decrement=self.decrement)


class DeleteNode(_OnNode):
    """Delete the Node object; its instance runs on."""

    do: Literal["delete_node"]

    def perform(self, world: Acted) -> None:
        """Do it now."""
        world.store.delete("nodes", None, self.instance(world).dns)


class RebootInstance(_OnNode):
    """Reboot an instance: its kubelet registers again where its Node object was deleted. One that ended cannot be."""

    do: Literal["reboot_instance"]

    def perform(self, world: Acted) -> None:
        """Do it now."""
        instance = self.instance(world)
        if not instance.alive:
            raise ValueError(f"instance {instance.id} is {instance.state} (IncorrectInstanceState)")
        world.nodes.register(instance)


class Cordon(_OnNode):
    """Make a node unschedulable, or with `on: false` schedulable."""

    do: Literal["cordon"]
    on: bool = True

    def perform(self, world: Acted) -> None:
        """Do it now."""

        def cordon(node: Object) -> None:
            node["spec"].pop("unschedulable", None)
            if self.on:
                node["spec"]["unschedulable"] = True

        world.store.mutate("nodes", None, self.instance(world).dns, cordon)


class Untaint(_OnNode):
    """Take a taint off a node, by its key."""

    do: Literal["untaint"]
    key: str

    def perform(self, world: Acted) -> None:
        """Do it now."""

        def untaint(node: Object) -> None:
            node["spec"]["taints"] = [one for one in node["spec"].get("taints", ()) if one["key"] != self.key]

        world.store.mutate("nodes", None, self.instance(world).dns, untaint)


class TaintNode(_OnNode):
    """Put a taint on a node."""

    do: Literal["taint"]
    key: str
    value: str = ""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] = "NoSchedule"

    def perform(self, world: Acted) -> None:
        """Do it now."""

        def taint(node: Object) -> None:
            others = [one for one in node["spec"].get("taints", ()) if one["key"] != self.key]
            node["spec"]["taints"] = [*others, {"key": self.key, "value": self.value, "effect": self.effect}]

        world.store.mutate("nodes", None, self.instance(world).dns, taint)


class NotReady(Part):
    """Let nodes be not Ready for a while: one of a group, all of a group, or all of the cluster."""

    do: Literal["not_ready"]
    group: str | None = None
    which: Count | None = None
    age: Age | None = None
    lasts: Duration = 10

    def perform(self, world: Acted) -> None:
        """Do it now."""
        if self.group is not None and self.which is not None:
            found = [world.original(self.group, self.which)]
        else:
            found = list(world.joined(self.group))
            found = [_by_age(found, self.age, self.group)] if self.age else found
        world.not_ready([one.dns for one in found], self.lasts)


class DeletePods(Part):
    """Delete the pods whose names begin so, as kubectl does; with `force` at once."""

    do: Literal["delete_pods"]
    namespace: str = "default"
    prefix: str
    force: bool = False

    def perform(self, world: Acted) -> None:
        """Do it now; `ValueError` where there is none."""
        names = [pod["metadata"]["name"] for pod in world.store.list("pods", self.namespace)]
        found = [name for name in names if name.startswith(self.prefix)]
        if not found:
            raise ValueError(f"no pod {self.namespace}/{self.prefix}…")
        for name in found:
            world.store.delete("pods", self.namespace, name, grace=0 if self.force else None)


class AnnotateNode(_OnNode):
    """Set an annotation of a node, or without `value` remove it."""

    do: Literal["annotate"]
    key: str
    value: str | None = None

    def perform(self, world: Acted) -> None:
        """Do it now."""
        world.store.mutate("nodes", None, self.instance(world).dns, partial(_annotate, self.key, self.value))


class LabelNode(_OnNode):
    """Set a label of a node, or without `value` remove it."""

    do: Literal["label"]
    key: str
    value: str | None = None

    def perform(self, world: Acted) -> None:
        """Do it now."""

        def label(node: Object) -> None:
            others = {name: text for name, text in node["metadata"].get("labels", {}).items() if name != self.key}
            node["metadata"]["labels"] = others | ({} if self.value is None else {self.key: self.value})

        world.store.mutate("nodes", None, self.instance(world).dns, label)


class AnnotateDeployment(Part):
    """Set an annotation of a Deployment, or without `value` remove it."""

    do: Literal["annotate_deployment"]
    name: str
    namespace: str = "default"
    key: str
    value: str | None = None

    def perform(self, world: Acted) -> None:
        """Do it now."""
        world.store.mutate("deployments", self.namespace, self.name, partial(_annotate, self.key, self.value))


def _annotate(key: str, value: str | None, obj: Object) -> None:
    others = {name: text for name, text in obj["metadata"].get("annotations", {}).items() if name != key}
    obj["metadata"]["annotations"] = others | ({} if value is None else {key: value})


class ProtectInstance(_OnNode):
    """Protect an instance from scale-in, or with `on: false` no longer."""

    do: Literal["protect_instance"]
    on: bool = True

    def perform(self, world: Acted) -> None:
        """Do it now."""
        group = world.cloud.group(self.group)
        world.cloud.updates.protect(group, [self.instance(world).id], protected=self.on)


Action = Annotated[
    Mend
    | Break
    | ScaleDeployment
    | UpdateGroup
    | TerminateInstance
    | TerminateInGroup
    | DeleteNode
    | RebootInstance
    | Cordon
    | Untaint
    | TaintNode
    | NotReady
    | DeletePods
    | AnnotateNode
    | LabelNode
    | AnnotateDeployment
    | ProtectInstance
    | AccountAction
    | ClusterAction,
    Field(discriminator="do"),
]

_ACTION: TypeAdapter[Action] = TypeAdapter(Action)


def parse(given: Mapping[str, Any]) -> Action:
    """Return the action that `{do: NAME, …}` describes; `ValueError` says what is wrong with it."""
    try:
        return _ACTION.validate_python(dict(given))
    except ValidationError as error:
        faults = ((".".join(map(str, fault["loc"])), fault["msg"]) for fault in error.errors())
        msg = "; ".join(f"{where or 'action'}: {text}" for where, text in faults)
        raise ValueError(msg) from error
