"""What was found becomes a plan, or every reason against one."""

from __future__ import annotations

from collections.abc import Sequence

from rollout.errors import Refusal
from rollout.plan import NodeGroup, Plan
from rollout.preflight.survey import Request, Survey
from rollout.seen import GroupSeen, NodeSeen, TemplateSeen


def make_plan(found: Survey, request: Request) -> Plan | tuple[Refusal, ...]:
    """Return the first half of the plan, or every reason against it at once."""
    refusals = (*_image(found, request), *_groups(found, request), *_autoscaler(found, request))
    if refusals:
        return refusals
    replicas = found.autoscaler.replicas if found.autoscaler else None
    groups = tuple(_node_group(group, found.templates) for group in found.groups)
    return Plan(
        cluster=request.cluster,
        region=request.region,
        ami=request.ami,
        description=request.description,
        settings=request.settings,
        groups=groups,
        autoscaler_replicas=replicas,
    )


def _node_group(group: GroupSeen, templates: Sequence[TemplateSeen]) -> NodeGroup:
    template = next(template for template in templates if template.id == group.template_id)
    return NodeGroup(group.name, template.id, template.name, group.reference, template.resolve(group.reference))


def _image(found: Survey, request: Request) -> list[Refusal]:
    if found.image is None:
        hint = "check the id, the region, and that the image is shared with this account (aws ec2 describe-images)"
        return [Refusal(f"{request.ami} does not exist in {request.region}, or this account cannot see it", hint)]
    if found.image.state != "available":
        hint = "wait until it is available, then start again"
        return [Refusal(f"{request.ami} is {found.image.state}, not available", hint)]
    return []


def _groups(found: Survey, request: Request) -> list[Refusal]:
    refusals = []
    known = {group.name for group in found.groups}
    for name in request.groups:
        if name not in known:
            hint = "correct `groups` in the configuration (aws autoscaling describe-auto-scaling-groups lists them)"
            refusals.append(Refusal(f"Auto Scaling group {name} does not exist in {request.region}", hint))
    for group in found.groups:
        refusals += _group(group, found, request)
    return refusals


def _group(group: GroupSeen, found: Survey, request: Request) -> list[Refusal]:
    if group.nodegroup:
        hint = f"use: aws eks update-nodegroup-version --nodegroup-name {group.nodegroup}"
        return [Refusal(f"{group.name} belongs to the EKS managed node group {group.nodegroup}", hint)]
    if group.mixed or group.template_id is None:
        hint = "give it a launch template of its own; rollout does not replace such groups yet"
        what = "a MixedInstancesPolicy" if group.mixed else "no launch template"
        return [Refusal(f"{group.name} uses {what}", hint)]
    strangers = _strangers(group, found.nodes)
    if strangers:
        hint = "check `groups`, `cluster` and the kubeconfig: they do not belong together"
        return [Refusal(f"no instance of {group.name} is a node of cluster {request.cluster}", hint)]
    return []


def _strangers(group: GroupSeen, nodes: Sequence[NodeSeen]) -> bool:
    """Tell whether a group has instances at work and not one of them is a node of this cluster."""
    serving = {instance.id for instance in group.instances if instance.in_service}
    return bool(serving) and serving.isdisjoint(node.instance_id for node in nodes)


def _autoscaler(found: Survey, request: Request) -> list[Refusal]:
    where = request.settings.autoscaler
    if where is None:
        return []
    name = f"{where.namespace}/{where.name}"
    if found.autoscaler is None:
        hint = "correct `autoscaler` in the configuration; write `autoscaler: none` if the cluster has none"
        return [Refusal(f"the cluster-autoscaler Deployment {name} does not exist", hint)]
    if found.autoscaler.rollout_id:
        hint = f"finish that rollout first: rollout resume {found.autoscaler.rollout_id}"
        return [Refusal(f"{name} is still held by rollout {found.autoscaler.rollout_id}", hint)]
    return []
