"""What was found becomes a plan, or every reason against one."""

from __future__ import annotations

from collections.abc import Sequence

from rollout.errors import Refusal
from rollout.plan import NodeGroup, Plan, Source
from rollout.preflight.refusals import refusals
from rollout.preflight.survey import Request, Survey
from rollout.seen import GroupSeen, TemplateSeen


def make_plan(found: Survey, request: Request) -> Plan | tuple[Refusal, ...]:
    """Return the first half of the plan, or every reason against it at once."""
    against = refusals(found, request)
    if against:
        return against
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
    known = {template.id: template for template in templates}
    sources = (Source(use, known[use.template_id].resolve(use.reference)) for use in group.uses)
    return NodeGroup(group.name, tuple(sources))
