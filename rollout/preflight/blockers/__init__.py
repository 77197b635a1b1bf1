"""Every reason against a rollout, one function each; each says in its docstring when, and in its answer what to do.

A reason is only looked for where everything was read that it is drawn from: what was refused to us is a reason itself,
and nothing is concluded from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from rollout.errors import Blocker
from rollout.model.reasons import Reason
from rollout.preflight.blockers import cluster, groups, images, protection, rights, templates
from rollout.preflight.survey import Request, Survey

Look = Callable[[Survey, Request], Iterator[Blocker]]


@dataclass(frozen=True, slots=True)
class Rule:
    """What one function finds, in one word; `needs`: the fields of the survey that it is drawn from."""

    reason: Reason
    needs: tuple[str, ...] = ()


#: Each function, in the order in which their answers are told.
REASONS: dict[Look, Rule] = {
    rights.unread: Rule(Reason.READ_DENIED),
    rights.denied: Rule(Reason.CHANGE_DENIED),
    rights.lacking: Rule(Reason.RIGHTS_MISSING, ("lacking",)),
    cluster.marked: Rule(Reason.MARKER_PRESENT, ("marker",)),
    cluster.no_autoscaler: Rule(Reason.AUTOSCALER_NOT_FOUND, ("autoscaler",)),
    cluster.scaled_down_autoscaler: Rule(Reason.AUTOSCALER_SCALED_DOWN, ("autoscaler",)),
    cluster.unfinished: Rule(Reason.EARLIER_ROLLOUT_UNFINISHED, ("groups",)),
    cluster.strangers: Rule(Reason.GROUP_NOT_IN_CLUSTER, ("groups",)),
    cluster.unmatched: Rule(Reason.INSTANCE_WITHOUT_NODE, ("groups",)),
    cluster.contradictory: Rule(Reason.NODE_INSTANCE_UNCLEAR, ("groups",)),
    cluster.of_another_cluster: Rule(Reason.GROUP_OF_OTHER_CLUSTER, ("groups", "probed")),
    cluster.selected_otherwise: Rule(Reason.SELECTOR_MISMATCH, ("groups",)),
    cluster.our_own_node: Rule(Reason.RUNS_ON_OLD_NODE, ("groups",)),
    protection.unserved: Rule(Reason.KIND_NOT_SERVED),
    protection.indirect: Rule(Reason.KIND_CONTROLS_NO_PODS),
    protection.unnamed: Rule(Reason.UNPROTECTED_PODS, ("groups",)),
    groups.missing: Rule(Reason.GROUP_NOT_FOUND, ("groups",)),
    groups.being_deleted: Rule(Reason.GROUP_DELETED, ("groups",)),
    groups.managed: Rule(Reason.MANAGED_NODE_GROUP, ("groups",)),
    groups.of_a_service: Rule(Reason.GROUP_OF_SERVICE, ("groups", "probed")),
    groups.suspended: Rule(Reason.PROCESSES_SUSPENDED, ("groups",)),
    groups.no_template: Rule(Reason.NO_LAUNCH_TEMPLATE, ("groups", "probed")),
    groups.refreshing: Rule(Reason.INSTANCE_REFRESH_RUNNING, ("groups", "refreshes")),
    groups.warm_pool: Rule(Reason.WARM_POOL, ("groups", "probed")),
    groups.weighted: Rule(Reason.WEIGHTED_CAPACITY, ("groups", "probed")),
    groups.other_units: Rule(Reason.CAPACITY_NOT_IN_INSTANCES, ("groups", "probed")),
    groups.mixed_on_demand: Rule(Reason.ON_DEMAND_BASE_WITH_SPOT, ("groups", "probed")),
    groups.image_in_override: Rule(Reason.IMAGE_IN_OVERRIDE, ("groups", "probed")),
    groups.not_wanted: Rule(Reason.DESIRED_ZERO_WITH_INSTANCES, ("groups",)),
    groups.standby: Rule(Reason.INSTANCES_IN_STANDBY, ("groups",)),
    groups.retained: Rule(Reason.INSTANCE_RETAINED, ("groups",)),
    groups.left_by_a_rollout: Rule(Reason.GROUP_LEFT_BY_ROLLOUT, ("groups", "templates")),
    templates.missing: Rule(Reason.LAUNCH_TEMPLATE_NOT_FOUND, ("groups", "probed", "templates")),
    templates.several_versions: Rule(Reason.SEVERAL_TEMPLATE_VERSIONS, ("groups", "probed", "templates")),
    templates.shared: Rule(Reason.LAUNCH_TEMPLATE_SHARED, ("groups", "probed", "templates")),
    images.missing: Rule(Reason.IMAGE_NOT_FOUND, ("image",)),
    images.not_available: Rule(Reason.IMAGE_NOT_AVAILABLE, ("image",)),
    images.unknown_type: Rule(Reason.INSTANCE_TYPE_UNKNOWN, ("groups", "probed", "templates", "architectures")),
    images.another_architecture: Rule(
        Reason.ARCHITECTURE_MISMATCH, ("image", "groups", "probed", "templates", "architectures")
    ),
    images.small_root: Rule(Reason.ROOT_VOLUME_TOO_SMALL, ("image", "groups", "probed", "templates")),
}


def blockers(found: Survey, request: Request) -> tuple[Blocker, ...]:
    """Return every reason at once, each once."""
    looked_for = ((look, rule) for look, rule in REASONS.items() if found.unread.keys().isdisjoint(rule.needs))
    answers = (replace(one, reason=rule.reason) for look, rule in looked_for for one in look(found, request))
    return tuple(dict.fromkeys(answers))
