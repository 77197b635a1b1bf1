"""What is asked for, and everything that is read before the first effect."""

from __future__ import annotations

from dataclasses import dataclass

from rollout.plan import Settings
from rollout.ports import Cluster, Fleet
from rollout.seen import AutoscalerSeen, GroupSeen, ImageSeen, NodeSeen, TemplateSeen


@dataclass(frozen=True, slots=True)
class Request:
    """What the operator asks for."""

    cluster: str
    region: str
    groups: tuple[str, ...]
    ami: str
    description: str
    settings: Settings


@dataclass(frozen=True, slots=True)
class Survey:
    """What was found before the first effect."""

    image: ImageSeen | None
    groups: tuple[GroupSeen, ...]
    templates: tuple[TemplateSeen, ...]
    nodes: tuple[NodeSeen, ...]
    autoscaler: AutoscalerSeen | None


def survey(request: Request, cluster: Cluster, fleet: Fleet) -> Survey:
    """Read what a plan is made from; no effect is sent."""
    groups = fleet.groups(request.groups)
    where = request.settings.autoscaler
    return Survey(
        image=fleet.image(request.ami),
        groups=groups,
        templates=fleet.templates(sorted({group.template_id for group in groups if group.template_id})),
        nodes=cluster.nodes(),
        autoscaler=cluster.autoscaler(where) if where else None,
    )
