"""The one way to observe: what every phase looks at, and what else the one that asks needs.

What a phase needs is data: no phase asks the outside itself. Requests do not grow with the number of nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from rollout.model.observation import GroupSeen, NodeSeen, Observation, TemplateSeen
from rollout.model.record import Record
from rollout.ports import AutoScaling, Kubernetes
from rollout.stages.knowing import whereabouts

#: Returns the templates of a look that is not older than so many seconds; None where there was none.
Known = Callable[[float], tuple[TemplateSeen, ...] | None]


def nothing_known(_seconds: float) -> None:
    """Who looks only once has not looked before."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What a phase looks at, apart from groups, marker, autoscaler and nodes. All functions here are pure."""

    #: For how many seconds a look at templates is good enough, None where none is needed. One that somebody deleted is
    #: seen as one without versions.
    templates: Callable[[Record, tuple[GroupSeen, ...]], float | None] | None = None
    pods: bool = False
    #: Whether budgets are read now.
    budgets: Callable[[Record], bool] | None = None
    #: Whether a watch that says nothing at the moment is not good enough: something may be ended by what is seen.
    young: Callable[[Record], bool] | None = None
    #: The nodes whose pods are listed past the watch.
    fresh: Callable[[Record, tuple[NodeSeen, ...]], Iterable[str]] | None = None
    #: The groups of which AWS is asked why launches fail.
    troubles: Callable[[Observation, Record], Iterable[str]] | None = None
    #: The groups of which AWS is asked whether an instance refresh is active.
    refreshes: Callable[[Observation, Record], Iterable[str]] | None = None
    #: Whether it is asked which volumes are attached to nodes.
    attachments: Callable[[Observation, Record], bool] | None = None
    #: Whether it is asked which instances live that have no Node, or that no group lists.
    whereabouts: bool = False


def observe_needs(
    needs: Needs,
    record: Record,
    kubernetes: Kubernetes,
    autoscaling: AutoScaling,
    groups: tuple[GroupSeen, ...] | None = None,
    known: Known = nothing_known,
) -> Observation:
    """Read what is needed. `groups`: those of a look before, where they are young enough to wait by.

    `known`: returns the templates of a look that is not older than so many seconds, None where there was none.
    """
    groups = groups or _groups(record, autoscaling)
    within = needs.templates(record, groups) if needs.templates else None
    found = () if within is None else known(within) or _templates(record, groups, autoscaling)
    seen = replace(_first(needs, record, kubernetes), groups=groups, templates=found)
    troubled = needs.troubles(seen, record) if needs.troubles else ()
    refreshed = needs.refreshes(seen, record) if needs.refreshes else ()
    attached = needs.attachments is not None and needs.attachments(seen, record)
    return replace(
        whereabouts(seen, autoscaling) if needs.whereabouts else seen,
        troubles={name: text for name in troubled if (text := autoscaling.trouble(name))},
        refreshes={name: one for name in refreshed if (one := autoscaling.active_instance_refresh(name))},
        attachments=kubernetes.attachments() if attached else None,
    )


def renew_groups(needs: Needs, seen: Observation, record: Record, autoscaling: AutoScaling) -> Observation:
    """Return a look with the groups as they are now, and what depends on them."""
    seen = replace(seen, groups=_groups(record, autoscaling), elsewhere=frozenset(), ended=frozenset())
    return whereabouts(seen, autoscaling) if needs.whereabouts else seen


def _first(needs: Needs, record: Record, kubernetes: Kubernetes) -> Observation:
    """Read what does not depend on what is seen. Nodes, pods, marker and autoscaler come from the watches.

    Before a watch is read it is made sure that the API server is there: a watch alone would not tell for minutes.
    """
    settings = record.plan.settings
    kubernetes.in_touch()
    kubernetes.follow(settings.autoscaler)
    young = needs.young is not None and needs.young(record)
    marker = kubernetes.marker(young=young)
    replicas = kubernetes.autoscaler(settings.autoscaler, young=young) if settings.autoscaler else None
    budgets = kubernetes.budgets() if needs.budgets and needs.budgets(record) else None
    nodes = kubernetes.nodes(young=young)
    return Observation(
        autoscaler=replicas,
        marker=marker,
        fresh={name: kubernetes.pods_on(name) for name in needs.fresh(record, nodes)} if needs.fresh else {},
        nodes=nodes,
        pods=kubernetes.pods(young=young) if needs.pods else (),
        budgets=budgets,
    )


def _groups(record: Record, autoscaling: AutoScaling) -> tuple[GroupSeen, ...]:
    """Return the plan's groups; one that somebody deleted is seen as one that is gone."""
    names = [group.name for group in record.plan.groups]
    groups = {group.name: group for group in autoscaling.groups(names)}
    return tuple(groups.get(name, GroupSeen.deleted(name)) for name in names)


def _templates(record: Record, groups: tuple[GroupSeen, ...], autoscaling: AutoScaling) -> tuple[TemplateSeen, ...]:
    """Describe the templates of the plan, and those that a person gave groups in their place.

    After an abort also those of which instances still run: what has our image goes.
    """
    planned = {source.use.template_id for group in record.plan.groups for source in group.sources}
    named = planned.union(use.template_id for group in groups for use in group.uses)
    if record.plan.goes_back:
        named.update(one.template_id for group in groups for one in group.living if one.template_id)
    templates = autoscaling.templates(sorted(named))
    gone = sorted(named - {template.id for template in templates})
    return (*templates, *(TemplateSeen(one, name="", default=0, latest=0, versions=()) for one in gone))
