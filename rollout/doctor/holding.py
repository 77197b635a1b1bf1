"""What keeps each node that must go: as the journal says, or as a look at the cluster shows. Pure.

The words are those that the phases and stages answer with. Nothing is decided here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from rollout.model.budget import BudgetSeen
from rollout.model.decision import StageDecision
from rollout.model.machine import DRAINING, step, terminal
from rollout.model.observation import Observation, PodSeen
from rollout.model.plan import Node
from rollout.model.reasons import Reason
from rollout.model.record import EffectRow, Record
from rollout.phases import drain
from rollout.stages import draining
from rollout.stages.node_view import NodeView

#: What only the process that runs the rollout knows: since when it looks, and after whom.
_OF_THE_RUNNER = (Reason.TAKEOVER_DELAY, Reason.CLUSTER_NOT_STEADY)
#: Reasons that are those of pods which must leave.
_OF_PODS = (*draining.BY_WEIGHT, Reason.REPLICAS_NOT_READY)
#: For what it is waited until the blocked deadline.
_UNTIL_BLOCKED = (
    Reason.EVICTION_FAILS,
    Reason.EVICTION_REJECTED,
    Reason.INSTANCE_IN_STANDBY,
    Reason.INSTANCE_RETAINED,
    Reason.KUBELET_SILENT,
    Reason.NO_OTHER_NODE,
    Reason.POD_COMES_BACK,
    Reason.POD_DISRUPTION_BUDGET_BLOCKS,
    Reason.POD_DOES_NOT_END,
    Reason.PODS_UNKNOWN,
    Reason.TOO_FEW_NODES,
)
#: Those of them that `drain.on_blocked: force` ends.
_FORCED = (
    Reason.EVICTION_REJECTED,
    Reason.KUBELET_SILENT,
    Reason.POD_DISRUPTION_BUDGET_BLOCKS,
    Reason.POD_DOES_NOT_END,
)


@dataclass(frozen=True, slots=True)
class Until:
    """Until when something is waited for at the latest, and what comes then."""

    at: datetime
    then: str


@dataclass(frozen=True, slots=True)
class PodHolds:
    """A pod that keeps a node. `why`: what is waited for, in words; `asked`: what was asked so that it goes, unsettled.

    `budgets`: those that decide upon it, as they are now. `ends`: as in `PodSeen.ends_by`.
    """

    pod: PodSeen
    protected: bool
    why: str
    asked: EffectRow | None = None
    budgets: tuple[BudgetSeen, ...] = ()
    ends: datetime | None = None


@dataclass(frozen=True, slots=True)
class Holding:
    """What keeps one node. `next`: the stage that it goes on to, where nothing keeps it.

    `told`: since when the journal says the same; None where only the look says so. `until`: None where it ends by
    itself, or by what docs/waits.md says. `pods`: by a look only. `requests`: unsettled ones about it.
    """

    row: Node
    waits_for: str
    reason: str | None
    told: datetime | None
    until: Until | None
    next: str = ""
    pods: tuple[PodHolds, ...] = ()
    requests: tuple[EffectRow, ...] = ()


@dataclass(frozen=True, slots=True)
class Told:
    """What the journal says that a node waits for, in one word, and since when."""

    reason: str | None
    at: datetime


def by_journal(record: Record, told: Mapping[str, Told]) -> tuple[Holding, ...]:
    """Return what keeps each node that is not gone, as the runner last wrote it; `told`: by instance."""
    return tuple(_written(row, record, told.get(row.instance_id)) for row in record.nodes if not terminal(row.stage))


def by_look(
    record: Record,
    seen: Observation,
    now: datetime,
    told: Mapping[str, Told],
    jobs: Mapping[str, datetime],
    *,
    works: bool,
) -> tuple[Holding, ...]:
    """Return what keeps each node that is not gone, as a look shows it; the one that is nearest to its end first.

    `jobs`: by uid, when Jobs end at the latest. `works`: a process runs the rollout.
    """
    if record.phase not in DRAINING:
        return by_journal(record, told)
    found = []
    for row, view, answered in drain.answer(seen, record, now).nodes:
        written = _written(row, record, told.get(row.instance_id))
        if works and written.reason in _OF_THE_RUNNER:
            found.append(written)
        else:
            found.append(_seen(written, answered, tuple(_pods(view, answered, seen, jobs)) if view else (), record))
    return tuple(found)


def _written(row: Node, record: Record, told: Told | None) -> Holding:
    reason = told.reason if told and row.waits_for else None
    at = told.at if told and row.waits_for else None
    return Holding(row, row.waits_for, reason, at, _until(row, record, reason), requests=_requests(row, record))


def _seen(written: Holding, answered: StageDecision, pods: tuple[PodHolds, ...], record: Record) -> Holding:
    row = written.row
    if answered.trigger:
        return Holding(row, "", None, None, None, next=step(row.stage, answered.trigger).value)
    told = written.told if written.waits_for == answered.waits_for else None
    until = _until(row, record, answered.reason)
    return Holding(row, answered.waits_for, answered.reason, told, until, "", pods, written.requests)


def _pods(
    view: NodeView, answered: StageDecision, seen: Observation, jobs: Mapping[str, datetime]
) -> Iterator[PodHolds]:
    """Yield the pods that a node waits for at this stage: those that block it, or those that must leave it."""
    blocking = {pod.uid for pod in view.blocking_pods}
    if answered.reason is Reason.JOBS_RUNNING:
        yield from (PodHolds(pod, protected=True, why="", ends=pod.ends_by(jobs)) for pod in view.blocking_pods)
    elif answered.reason in _OF_PODS:
        for pod in view.leaving:
            budgets = tuple(one for one in seen.budgets or () if one.selects(pod.namespace, pod.labels))
            asked = draining.request(view, pod)
            yield PodHolds(pod, pod.uid in blocking, draining.why(view, pod), asked, budgets, pod.ends_by(jobs))


def _until(row: Node, record: Record, reason: str | None) -> Until | None:
    """Return until when a node waits for this at the latest, as the settings have it."""
    settings, deadline = record.plan.settings, record.deadline_of(row)
    over = record.eviction_deadline(row) if reason in _OF_PODS else record.blocked_deadline(row)
    if deadline is None or over is None:
        return None
    if reason == Reason.JOBS_RUNNING:
        if row.role == "surplus":
            return Until(deadline, "the node stays")
        if row.forced_at:
            return Until(deadline, f"its protected pods are ended (forced by {row.forced_by})")
        ends = "the rollout halts" if settings.on_deadline == "halt" else "its protected pods are ended"
        return Until(deadline, f"{ends} (drain.on_deadline: {settings.on_deadline})")
    if reason not in _UNTIL_BLOCKED or row.role == "surplus":
        return None
    forced = settings.on_blocked == "force" and reason in _FORCED
    then = "its pods are deleted (drain.on_blocked: force)" if forced else "the rollout halts"
    return Until(over, then)


def _requests(row: Node, record: Record) -> tuple[EffectRow, ...]:
    """Return the unsettled requests about a node, its instance or its pods."""
    return tuple(one for one in record.unsettled if one.effect.concerns(row.instance_id, row.name))
