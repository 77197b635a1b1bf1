"""Every reason against a rollout, one function each; each says in its docstring when, and in its answer what to do.

A reason is only looked for where everything was read that it is drawn from: what was refused to us is a reason itself,
and nothing is concluded from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rollout.errors import Refusal
from rollout.preflight.refusals import cluster, groups, images, protection, rights, templates
from rollout.preflight.survey import Request, Survey

Reason = Callable[[Survey, Request], Iterator[Refusal]]

#: Each reason, in the order in which they are told → the fields of the survey that it is drawn from.
REASONS: dict[Reason, tuple[str, ...]] = {
    rights.unread: (),
    rights.denied: (),
    rights.lacking: ("lacking",),
    cluster.marked: ("marker",),
    cluster.no_autoscaler: ("autoscaler",),
    cluster.held_autoscaler: ("autoscaler",),
    cluster.unfinished: ("groups",),
    cluster.strangers: ("groups",),
    cluster.unmatched: ("groups",),
    cluster.contradictory: ("groups",),
    cluster.of_another_cluster: ("groups", "scouted"),
    cluster.selected_otherwise: ("groups",),
    cluster.our_own_node: ("groups",),
    protection.unserved: (),
    protection.indirect: (),
    protection.unnamed: ("groups",),
    groups.missing: ("groups",),
    groups.managed: ("groups",),
    groups.of_a_service: ("groups", "scouted"),
    groups.suspended: ("groups",),
    groups.no_template: ("groups", "scouted"),
    groups.refreshing: ("groups", "refreshes"),
    groups.warm_pool: ("groups", "scouted"),
    groups.weighted: ("groups", "scouted"),
    groups.other_units: ("groups", "scouted"),
    groups.mixed_on_demand: ("groups", "scouted"),
    groups.image_in_override: ("groups", "scouted"),
    groups.not_wanted: ("groups",),
    groups.standby: ("groups",),
    groups.left_by_a_rollout: ("groups", "templates"),
    templates.missing: ("groups", "scouted", "templates"),
    templates.several_versions: ("groups", "scouted", "templates"),
    templates.shared: ("groups", "scouted", "templates"),
    images.missing: ("image",),
    images.not_available: ("image",),
    images.unknown_type: ("groups", "scouted", "templates", "architectures"),
    images.another_architecture: ("image", "groups", "scouted", "templates", "architectures"),
    images.small_root: ("image", "groups", "scouted", "templates"),
}


def refusals(found: Survey, request: Request) -> tuple[Refusal, ...]:
    """Return every reason at once, each once."""
    looked_for = (reason for reason, needs in REASONS.items() if found.unread.keys().isdisjoint(needs))
    return tuple(dict.fromkeys(refusal for reason in looked_for for refusal in reason(found, request)))
