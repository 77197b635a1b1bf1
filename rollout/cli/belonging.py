"""Whether journal, cluster and configuration belong together: asked before a command takes the cluster."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

from rollout.errors import EdgeError, UserError

if TYPE_CHECKING:
    from rollout.cli.workplace import Workplace
    from rollout.config import Config
    from rollout.journal import SqlJournal
    from rollout.plan import Plan
    from rollout.seen import MarkerSeen


def same_cluster(plan: Plan, config: Config, whose: str, command: str) -> None:
    """Raise `UserError` where the configuration is for another cluster than the plan; `whose`: what is that plan's."""
    if (plan.cluster, plan.region) != (config.cluster, config.region):
        raise UserError(
            f"{whose} on {plan.cluster} in {plan.region}, the configuration is for {config.cluster} in {config.region}",
            hint=f"{command} --config FILE, with that cluster's configuration",
        )


def require(place: Workplace, rollout_id: str) -> None:
    """Raise `UserError` where the journal is a copy from before the marker was last written."""
    from rollout.phases.marking import older

    # Before the journal: a runner that is at work writes there first.
    marker = _marker(place)
    if marker is None or marker.rollout_id != rollout_id:
        return
    record = replace(place.journal.load(rollout_id), epoch=place.journal.epoch(place.cluster))
    if halt := older(marker, record):
        raise UserError(halt.why, hint=halt.hint)


def explain(config: Config, journal: SqlJournal, nothing: UserError) -> NoReturn:
    """Raise what `resume` says where it found `nothing`: the cluster's marker may be that of a journal that is lost."""
    from rollout import doctor
    from rollout.cli import workplace

    with workplace.opened(config, journal) as place:
        marker = _marker(place)
    if marker is None or any(one.id == marker.rollout_id for one in journal.summaries()):
        raise nothing
    finding = doctor.lost(marker, journal.database.where.name)
    raise UserError(finding.what, hint=finding.then) from nothing


def _marker(place: Workplace) -> MarkerSeen | None:
    try:
        return place.edge.cluster.marker()
    except EdgeError:
        return None  # while nobody answers the runner waits, and looks at the marker before it does anything
