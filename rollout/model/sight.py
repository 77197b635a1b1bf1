"""What was seen of the cluster when a rollout halted: kept with the halt, and told from it. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from rollout.model.machine import Stage
from rollout.model.observation import GroupSeen, Observation
from rollout.model.plan import Sizes
from rollout.model.record import Record

#: Protection of an instance whose own turn to be ended has come does not count.
ENDING = frozenset({Stage.RELEASED, Stage.TERMINATING})


@dataclass(frozen=True, slots=True)
class GroupSight:
    """A group: `sizes`, None where it is deleted; how many instances live, and how many AWS is still ending.

    `in_service`: how many could be protected from scale-in, and `unprotected`: how many of these are not.
    """

    name: str
    sizes: Sizes | None
    living: int = 0
    ending: int = 0
    in_service: int = 0
    unprotected: int = 0


@dataclass(frozen=True, slots=True)
class Sight:
    """What one look showed. `autoscaler`: its replicas, None where there was none to look at.

    `left`: nodes that must go and are there; `tainted`: those of them that carry our taint.
    """

    groups: tuple[GroupSight, ...]
    autoscaler: int | None
    left: int
    tainted: int


def sighted(seen: Observation, record: Record) -> Sight:
    """Return what is kept of a look."""
    ending = {row.instance_id for row in record.nodes if row.stage in ENDING}
    leaving = {row.instance_id for row in record.nodes if row.role == record.plan.leaving}
    left = [one.id for group in seen.groups for one in group.instances if one.id in leaving]
    key = record.plan.settings.taint_key
    return Sight(
        groups=tuple(_group(group, ending) for group in seen.groups),
        autoscaler=seen.autoscaler.replicas if seen.autoscaler else None,
        left=len(left),
        tainted=sum(any(node.tainted(key) for node in seen.nodes_on(one)) for one in left),
    )


def _group(group: GroupSeen, ending: set[str]) -> GroupSight:
    could = [one for one in group.instances if one.in_service and one.id not in ending]
    return GroupSight(
        name=group.name,
        sizes=None if group.gone else group.sizes,
        living=len(group.living),
        ending=sum(one.lifecycle.startswith("Terminating") and not one.retained for one in group.instances),
        in_service=len(could),
        unprotected=sum(not one.protected for one in could),
    )
