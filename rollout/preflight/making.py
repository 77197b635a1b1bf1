"""What was found becomes a plan, or every reason against one."""

from __future__ import annotations

from collections.abc import Sequence

from rollout.errors import Blocker
from rollout.model.observation import GroupSeen, TemplateSeen
from rollout.model.plan import NodeGroup, Plan, Source
from rollout.preflight.blockers import blockers
from rollout.preflight.survey import Request, Survey


def make_plan(found: Survey, request: Request) -> Plan | tuple[Blocker, ...]:
    """Return the first half of the plan, or every reason against it at once."""
    against = blockers(found, request)
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


def up_to_date(found: Survey, ami: str) -> bool:
    """Tell whether every group launches this image and all its instances run it: nothing is to be replaced."""
    images = {(one.id, version.number): version.image_id for one in found.templates for version in one.versions}
    launch = [source.pair for group in found.groups for source in _node_group(group, found.templates).sources]
    run = [(one.template_id or "", one.version or 0) for group in found.groups for one in group.instances]
    return all(images.get(pair) == ami for pair in (*launch, *run))


def _node_group(group: GroupSeen, templates: Sequence[TemplateSeen]) -> NodeGroup:
    known = {template.id: template for template in templates}
    sources = (Source(use, known[use.template_id].resolve(use.reference)) for use in group.uses)
    return NodeGroup(group.name, tuple(sources), group.mixed)
