"""The cluster: who uses it now, whether it is the groups' cluster, and where this process runs."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from rollout.commands import annotate
from rollout.errors import Blocker
from rollout.model.observation import SCALE_DOWN_BEFORE_KEY, NodeSeen, Observation
from rollout.preflight.blockers.earlier import go_on
from rollout.preflight.survey import Request, Survey

#: Names that one line lists at most.
_NAMED = 5


def marked(found: Survey, request: Request) -> Iterator[Blocker]:
    """Another rollout's marker exists. That rollout is active on the cluster, or it never ended."""
    if found.marker:
        yield Blocker(
            f"{request.cluster} is marked by ConfigMap kube-system/eks-rollout as that of {found.marker.label}",
            go_on(found, found.marker.rollout_id, ""),
        )


def no_autoscaler(found: Survey, request: Request) -> Iterator[Blocker]:
    """The cluster-autoscaler's Deployment does not exist.

    If another Deployment looks like it, by image or labels, the message names it.
    """
    where = request.settings.autoscaler
    if where is None or found.autoscaler:
        return
    hint = "correct `autoscaler` in the configuration; write `autoscaler: none` if the cluster has none"
    like = ""
    if found.lookalikes:
        names = ", ".join(f"{one.namespace}/{one.name}" for one in found.lookalikes[:_NAMED])
        like = f"; by image or labels it may be {names}"
        hint = f"if it is the one that scales this cluster, write `{found.lookalikes[0].setting}` in the configuration"
    yield Blocker(f"the cluster-autoscaler Deployment {where.namespace}/{where.name} does not exist{like}", hint)


def scaled_down_autoscaler(found: Survey, request: Request) -> Iterator[Blocker]:
    """Another rollout still keeps cluster-autoscaler at 0 replicas."""
    where = request.settings.autoscaler
    if where and found.autoscaler and found.autoscaler.rollout_id:
        holder = found.autoscaler.rollout_id
        hint = f"finish that rollout first, {go_on(found, holder, ': rollout doctor')}"
        yield Blocker(f"{where.namespace}/{where.name} is still scaled to 0 by rollout {holder}", hint)


def unfinished(found: Survey, request: Request) -> Iterator[Blocker]:
    """Nodes of the groups have our taint or our annotations. A rollout did not end, or its journal was given up."""
    key = request.settings.taint_key
    listed = {instance.id for group in found.groups for instance in group.instances}
    nodes = [node for node in found.nodes if node.instance_id in listed]
    tainted = [node for node in nodes if node.tainted(key)]
    noted = [node for node in nodes if node.scale_down_before is not None]
    owners = sorted({taint.value for node in tainted for taint in node.taints if taint.key == key and taint.value})
    if tainted:
        hint = _end(found, owners, f"kubectl taint node {_names(tainted)} {key}-")
        yield Blocker(f"our taint {key} is on {_some(tainted)}: an earlier rollout was not ended", hint)
    if noted:
        hint = _end(found, owners, "; ".join(annotate(node.name, node.annotations_before) for node in noted))
        yield Blocker(
            f"our annotation {SCALE_DOWN_BEFORE_KEY} is on {_some(noted)}: an earlier rollout was not ended", hint
        )


def _end(found: Survey, owners: Sequence[str], by_hand: str) -> str:
    """Return how to go on with the first of these rollouts; by hand at once if nothing tells whose it is."""
    known = [*owners, *([found.marker.rollout_id] if found.marker else [])]
    return go_on(found, known[0], f": {by_hand}") if known else by_hand


def _names(nodes: Sequence[NodeSeen]) -> str:
    return " ".join(shlex.quote(node.name) for node in nodes)


def _some(nodes: Sequence[NodeSeen]) -> str:
    return ", ".join(node.name for node in nodes[:_NAMED]) + (", …" if len(nodes) > _NAMED else "")


def strangers(found: Survey, request: Request) -> Iterator[Blocker]:
    """A group has living instances, and none of them is a node of the cluster, by the nodes' provider ids."""
    nodes = {node.instance_id for node in found.nodes}
    for group in found.groups:
        serving = {instance.id for instance in group.instances if instance.in_service}
        if serving and serving.isdisjoint(nodes):
            hint = "check `groups`, `region`, `cluster` and the kubeconfig: they do not belong together"
            yield Blocker(f"no instance of {group.name} is a node of cluster {request.cluster}", hint)


def unmatched(found: Survey, request: Request) -> Iterator[Blocker]:
    """A living instance has no node, and some node may run on another instance than it says.

    Jobs might run on it. A node that is not Ready and names an instance that is gone will be removed soon, so it
    is no blocker.
    """
    seen = Observation(groups=found.groups, nodes=found.nodes, elsewhere=found.elsewhere)
    strays = [f"{node.name} {why}" for node, why in seen.strays() if node.ready or not node.placed]
    for group in found.groups if strays else ():
        serving = [one.id for one in group.instances if one.in_service]
        alone = [one for one in serving if not seen.nodes_on(one)]
        if alone and alone != serving:  # of a group of which no instance is a node `strangers` tells
            theirs, others = ", ".join(alone[:_NAMED]), ", node ".join(strays[:_NAMED])
            who, match = ("instance", "matches") if len(alone) == 1 else ("instances", "match")
            hint = (
                "kubectl get nodes -o custom-columns=NODE:.metadata.name,ID:.spec.providerID; every node needs the one "
                "of its own instance: where nothing runs that must not end, delete the Node object, reboot the instance"
            )
            yield Blocker(f"{who} {theirs} of {group.name} {match} no node by providerID, and node {others}", hint)


def contradictory(found: Survey, request: Request) -> Iterator[Blocker]:
    """A node of the groups names one instance as its provider, and another one in its name, labels or annotations."""
    for group in found.groups:
        theirs = {instance.id for instance in group.instances}
        for node in found.nodes:
            if node.doubt and theirs & node.instances:
                hint = (
                    f"kubectl get node {node.name} -o yaml; delete the Node object that is wrong, or end its instance"
                )
                yield Blocker(f"it is not clear on which instance of {group.name} {node.name} runs: {node.doubt}", hint)


def of_another_cluster(found: Survey, request: Request) -> Iterator[Blocker]:
    """A group's tags say that it belongs to another cluster."""
    for group in found.ours():
        if group.clusters and request.cluster not in group.clusters:
            hint = "check `groups` and `cluster` in the configuration: they do not belong together"
            theirs = ", ".join(sorted(group.clusters))
            yield Blocker(f"{group.name} is tagged as a group of cluster {theirs}, not {request.cluster}", hint)


def selected_otherwise(found: Survey, request: Request) -> Iterator[Blocker]:
    """The configured selector and the groups name different nodes."""
    selector = request.settings.node_selector
    odd = Observation(groups=found.groups, nodes=found.nodes).selected_otherwise(selector)
    if odd:
        labels = ",".join(f"{name}={value}" for name, value in selector.items())
        more = ", …" if len(odd) > _NAMED else ""
        hint = "correct `node_selector` or `groups` in the configuration, or the nodes' labels"
        yield Blocker(f"the selector {labels} and the groups disagree on {', '.join(odd[:_NAMED])}{more}", hint)


def our_own_node(found: Survey, request: Request) -> Iterator[Blocker]:
    """This process runs in a pod on an old node. The rollout would end itself."""
    on = next((pod.node for pod in found.pods if (pod.namespace, pod.name) == found.own_pod), None)
    instance = next((node.instance_id for node in found.nodes if node.name == on), None)
    for group in found.groups:
        if instance in {one.id for one in group.instances}:
            hint = "run it on a node that is in none of the groups, or outside of the cluster"
            yield Blocker(f"this process runs on {on}, a node of {group.name} that must go", hint)
