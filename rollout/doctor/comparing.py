"""Journal, marker, AWS and Kubernetes beside each other: what differs, and what becomes of each difference.

Most of it the next tick settles by itself: those are told so that an operator need not wonder. Nothing is changed here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from rollout.commands import annotate, resume, resume_processes, then_resume, with_its_journal
from rollout.doctor import cause
from rollout.engine.settle import unclear
from rollout.engine.tick import answers
from rollout.model.decision import Act, Halt
from rollout.model.effects import UpdateMarker
from rollout.model.machine import PROTECTED, RESTORING, SCALE_DOWN_DISABLED, TAINTED, Stage, terminal
from rollout.model.observation import (
    REPLICAS_BEFORE,
    ROLLOUT_ID,
    InstanceSeen,
    MarkerSeen,
    NodeSeen,
    Observation,
)
from rollout.model.plan import Node, Settings
from rollout.model.record import EffectRow, Record
from rollout.phases import restore
from rollout.phases.cluster_lock import outlived


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference: `what` it is, `then` what becomes of it, `person`: whether it takes a person."""

    what: str
    then: str
    person: bool


def differences(record: Record, seen: Observation, now: datetime, *, works: bool) -> tuple[Finding, ...]:
    """Compare an unfinished rollout with the world, as its phase observed it; an older journal with its marker only.

    `works`: some process runs it, which creates a marker that somebody deleted. Who goes on with it later refuses that.
    """
    if (seen.marker or not works) and (halt := outlived(seen.marker, record)):
        return (_stops(halt, record),)
    found = _answered_or_halted(record, seen, now)
    found += [_unsettled(row, seen, record, now) for row in record.unsettled]
    for row in record.nodes:
        found += _node(row, seen, record)
    if record.phase in RESTORING:
        found += _unrestored(record, seen)
    return tuple(dict.fromkeys(found))  # a halt may be for an effect that was told of already


def lost(marker: MarkerSeen, journal: str, again: Callable[[str], str] = resume) -> Finding:
    """Say what becomes of a marker whose rollout the journal does not know; `again`: what goes on with it."""
    what = f"the marker is that of {marker.label}, and this journal ({journal}) does not know that rollout"
    if marker.checkpoint is None:
        then = "continue it with its own journal and the version that began it; nothing can be rebuilt from this marker"
        return Finding(what, then, person=True)
    then = f"{with_its_journal(marker.rollout_id, marker.journal, again)}; if that is lost: rollout doctor --rebuild"
    return Finding(what, then, person=True)


def leftovers(seen: Observation, settings: Settings, last: Record | None) -> tuple[Finding, ...]:
    """Say what was left behind where no rollout is at work; `last`: the newest that ended."""
    if last and (elsewhere := _elsewhere(seen, last)):
        return (elsewhere,)
    found = [*_left_autoscaler(seen, settings)]
    if last:
        found += [*_left_marker(seen, last), *_left_groups(seen, last)]
    for node in (node for group in seen.groups for node in seen.nodes_of(group)):
        found += _left_node(node, settings.taint_key)
    return tuple(found)


# ---- an unfinished rollout ------------------------------------------------------------------------------------------


def _itself(record: Record, comes: str = "") -> str:
    return f"{comes}{', ' * bool(comes)}no person is needed: {resume(record.id)}"


def _answered_or_halted(record: Record, seen: Observation, now: datetime) -> list[Finding]:
    """Return the halt first, once, and whether its cause still shows; then everything for which it would halt."""
    drifted = [
        Finding(_words(answer), _itself(record), person=False)
        for answer in (*answers(seen, record, now),)[:-1]
        if isinstance(answer, Act)
    ]
    if not record.halted:
        return [*drifted, *(_stops(halt, record) for halt in cause.halts(record, seen, now))]
    found = cause.of_halt(record, seen, now)
    told = "" if found.shows else f"; {found.told}"
    halted = Finding(f"the rollout is halted: {record.halted}{told}", found.then, person=True)
    return [halted, *drifted, *(_stops(halt, record) for halt in found.others)]


def _stops(halt: Halt, record: Record) -> Finding:
    return Finding(halt.why, then_resume(halt.hint, record.id), person=True)


def _words(answer: Act) -> str:
    if any(isinstance(effect, UpdateMarker) for effect in answer.effects):
        return "the marker does not say yet what the journal says"
    return answer.why


def _unsettled(row: EffectRow, seen: Observation, record: Record, now: datetime) -> Finding:
    thing = f"{row.effect.kind} of {row.effect.target}"
    if not row.under_way:
        if row.retry_at is None:
            hint = f"remove the cause, then: rollout resume {record.id}"
            return Finding(f"{thing} was refused: {row.detail}", hint, person=True)
        said = "did not get through yet" if row.state == "not_sent" else "was refused for now"
        return Finding(f"{thing} {said}: {row.detail}", _itself(record, "it is sent again"), person=False)
    landed = row.effect.landed(seen)
    if landed:
        return Finding(f"{thing} was sent and shows", _itself(record, "it is done"), person=False)
    if landed is None:
        if halt := unclear(replace(record, unsettled=(row,)), now):
            return _stops(halt, record)
        return Finding(f"{thing} was sent, and only half of it shows", _itself(record, "it waits"), person=False)
    return Finding(f"{thing} was intended and does not show", _itself(record, "it is sent again"), person=False)


def _node(row: Node, seen: Observation, record: Record) -> Iterator[Finding]:
    name, instance = row.name or row.instance_id, seen.instance(row.instance_id)
    if terminal(row.stage):
        if row.stage is Stage.GONE and instance and instance.living:
            hint = f"aws autoscaling describe-auto-scaling-instances --instance-ids {row.instance_id}"
            yield Finding(f"{name} is GONE in the journal, but {row.group} still lists its instance", hint, person=True)
        return
    for problem in _problems(row, instance, seen.nodes_on(row.instance_id), record):
        yield Finding(f"{name} ({row.stage.value}) {problem}", _itself(record), person=False)


def _problems(row: Node, instance: InstanceSeen | None, nodes: Sequence[NodeSeen], record: Record) -> Iterator[str]:
    """Yield what is not as the row says, all of which the stages look at anyway."""
    if instance is None:
        yield f"is no longer in {row.group}"
    elif not instance.living:
        if row.stage is not Stage.TERMINATING:
            yield f"is {instance.lifecycle}"
    else:
        unprotected = row.stage is Stage.WAITING and instance.in_service and not instance.protected
        if record.phase in PROTECTED and unprotected:
            yield "is not protected from scale-in"
        for node in nodes:
            yield from _closed(row, node, record)


def _closed(row: Node, node: NodeSeen, record: Record) -> Iterator[str]:
    if record.phase in TAINTED and not node.tainted(record.plan.settings.taint_key):
        yield "does not carry our taint"
    if record.phase in SCALE_DOWN_DISABLED and record.plan.settings.autoscaler and node.scale_down_disabled != "true":
        yield "is not kept from cluster-autoscaler"
    if row.stage is Stage.WAITING and node.unschedulable:
        yield "is cordoned"
    if row.stage in {Stage.DRAINING, Stage.RELEASED} and not node.unschedulable:
        yield "is not cordoned"


def _unrestored(record: Record, seen: Observation) -> Iterator[Finding]:
    for step in restore.RESTORE_ORDER:
        part = step(seen, record)
        name = step.__name__.replace("_", " ")
        if part.effects:
            things = ", ".join(sorted({effect.target for effect in part.effects}))
            yield Finding(f"not restored yet: {name} ({things})", _itself(record), person=False)
        for line in part.report:
            yield Finding(line, "stays as it is, and is reported at the end", person=False)


# ---- no rollout at work ---------------------------------------------------------------------------------------------


def _elsewhere(seen: Observation, last: Record) -> Finding | None:
    """Tell when what ended by this journal is worked from another one: nothing was left behind then."""
    marker = seen.marker
    if (
        marker is None
        or marker.checkpoint is None
        or marker.rollout_id != last.id
        or marker.checkpoint.journal == last.journal
    ):
        return None
    what = f"the marker is that of {marker.label}, and by this journal ({last.journal}) that rollout has ended"
    then = "to see where it stands, with the database that the marker names: rollout doctor --database URL"
    return Finding(what, then, person=True)


def _left_marker(seen: Observation, last: Record) -> Iterator[Finding]:
    if seen.marker and seen.marker.rollout_id == last.id:
        what = f"the marker of rollout {last.id}, which has ended, is still there"
        yield _put_back(what, "kubectl -n kube-system delete configmap eks-rollout")


def _left_autoscaler(seen: Observation, settings: Settings) -> Iterator[Finding]:
    where, found = settings.autoscaler, seen.autoscaler
    if where is None or found is None or found.rollout_id is None:
        return
    kubectl = f"kubectl -n {where.namespace}"
    scale = f"{kubectl} scale deployment {where.name} --replicas={found.replicas_before or 1}"
    annotate = f"{kubectl} annotate deployment {where.name} {REPLICAS_BEFORE}- {ROLLOUT_ID}-"
    what = f"{where.namespace}/{where.name} is scaled to {found.replicas} by rollout {found.rollout_id}"
    yield _put_back(what, annotate if found.replicas else f"{scale}; {annotate}")


def _left_groups(seen: Observation, last: Record) -> Iterator[Finding]:
    for baseline in last.plan.baselines:
        current = next((group for group in seen.groups if group.name == baseline.group), None)
        mine = {*last.plan.settings.processes} - {*baseline.suspended}
        names = sorted(mine & current.suspended) if current else []
        if names:
            what = f"{baseline.group} still has {', '.join(names)} suspended"
            yield _put_back(what, resume_processes(baseline.group, names))


def _left_node(node: NodeSeen, taint_key: str) -> Iterator[Finding]:
    if node.tainted(taint_key):
        opened = f"; kubectl uncordon {node.name}" if node.unschedulable else ""
        what = f"node {node.name} still carries our taint"
        yield _put_back(what, f"kubectl taint node {node.name} {taint_key}-{opened}")
    if node.scale_down_before is not None:
        yield _put_back(
            f"node {node.name} is still kept from cluster-autoscaler", annotate(node.name, node.annotations_before)
        )


def _put_back(what: str, command: str) -> Finding:
    return Finding(what, f"put back with: {command}", person=True)
