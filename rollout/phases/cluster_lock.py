"""The marker says what the journal says: as a phase begins, before any other effect of it leaves.

So the marker has what a lost journal needs in time. Before anything is changed it has what must be restored, before a
node is tainted which nodes must go, and before the first pod is evicted until when they drain.
"""

from __future__ import annotations

from dataclasses import replace

from rollout.commands import kubectl, with_its_journal
from rollout.model.accepted import Accepted, Raised
from rollout.model.checkpoint import Checkpoint, CheckpointNode
from rollout.model.decision import Act, Decision, Halt
from rollout.model.effects import CreateMarker, DeleteMarker, UpdateMarker, occasions
from rollout.model.machine import MARKED, Phase
from rollout.model.observation import MarkerSeen, Observation
from rollout.model.plan import Plan
from rollout.model.reasons import Reason
from rollout.model.record import Record
from rollout.model.steering import Force
from rollout.phases.raised import adopted
from rollout.phases.shared import once_more


def checkpoint(record: Record) -> Checkpoint:
    """Return what the marker is to say."""
    return Checkpoint(
        rollout_id=record.id,
        key=record.key,
        plan=record.plan,
        phase=record.phase,
        drain_deadline=record.drain_deadline,
        nodes=tuple(CheckpointNode(row.instance_id, row.group, row.role, row.name, row.uid) for row in record.nodes),
        epoch=record.epoch,
        journal=record.journal,
        pause=record.pause,
        skipped=tuple(record.skips.values()),
        forced=tuple(Force(row.instance_id, row.forced_at, row.forced_by) for row in record.nodes if row.forced_at),
        accepted=_accepted(record),
    )


def _accepted(record: Record) -> tuple[Accepted, ...]:
    """Return what a person agreed to, in one order; of what was raised only what has become ours."""
    agreed = (one for one in record.accepted if not isinstance(one, Raised) or adopted(record, one))
    return tuple(sorted(agreed, key=repr))


def create(record: Record, occasion: str | None = None) -> CreateMarker:
    """Mark the cluster as ours."""
    return CreateMarker(
        rollout_id=record.id, mark=checkpoint(record), occasion=occasion or occasions.once(record.resume_count)
    )


def is_ours(seen: Observation, record: Record) -> bool:
    """Tell whether the marker is this rollout's."""
    return seen.marker is not None and seen.marker.rollout_id == record.id


def foreign_marker(seen: Observation, record: Record) -> Halt | None:
    """Halt where the marker is another rollout's: two would work on one cluster."""
    if seen.marker is None or is_ours(seen, record):
        return None
    return Halt(
        Reason.FOREIGN_MARKER,
        f"the marker on cluster {record.plan.cluster} belongs to rollout {seen.marker.rollout_id}",
        f"finish that rollout {with_its_journal(seen.marker.rollout_id, seen.marker.journal)}",
    )


def guard(seen: Observation, record: Record) -> Decision | None:
    """Answer in place of the phase where the marker is not ours, is gone, or does not say what the journal says."""
    if seen.marker is not None and is_ours(seen, record):
        return older(seen.marker, record) or _behind(seen.marker, record)
    if record.phase in MARKED:  # made once more where somebody deleted it
        return foreign_marker(seen, record) or _again(record)
    return None


def ahead(marker: MarkerSeen, record: Record) -> str:
    """Say what the marker knows of this rollout and the journal does not; "" if there is nothing.

    The journal is always written first: one that knows less is a copy from before.
    """
    told = marker.checkpoint
    if told is None:
        return ""
    order = list(Phase)
    if (told.plan.goes_back, order.index(told.phase)) > (record.plan.goes_back, order.index(record.phase)):
        return f"phase {told.phase.value}{_aborted(told.plan)}, while the journal says {record.phase.value}"
    unknown = {node.instance_id for node in told.nodes} - {row.instance_id for row in record.nodes}
    if unknown:
        return f"{len(unknown)} nodes that must go and that the journal does not know"
    same = told.plan.goes_back == record.plan.goes_back
    if same and told.drain_deadline and record.drain_deadline and told.drain_deadline > record.drain_deadline:
        return f"drain deadline {told.drain_deadline:%Y-%m-%d %H:%M:%S} UTC, which is later"
    if record.epoch is not None and (told.epoch or 0) > record.epoch:
        return f"epoch {told.epoch}, while the journal has come to {record.epoch}"
    return ""


def _aborted(plan: Plan) -> str:
    return " of an abort" if plan.goes_back else ""


def older(marker: MarkerSeen, record: Record) -> Halt | None:
    """Halt where the journal is older than the marker: it would do once more what was done."""
    more = ahead(marker, record)
    if not more:
        return None
    where = marker.journal
    elsewhere = f"go on {with_its_journal(record.id, where)}"
    return Halt(
        Reason.JOURNAL_OUTDATED,
        f"this journal is older than the marker on cluster {record.plan.cluster}, which knows of {more}",
        _right_one(where) if where == record.journal else elsewhere,
    )


def _right_one(where: str) -> str:
    """Say what helps where the address is right, and what lies there is not."""
    return (
        f"put the right one back at {where}, where an older copy lies, or another host's; "
        "if that is lost, move this one away and rebuild it (rollout doctor --rebuild)"
    )


def outlived(marker: MarkerSeen | None, record: Record) -> Halt | None:
    """Halt where the marker tells that the rollout went on from another copy of this journal, perhaps to its end.

    Asked before a rollout is gone on with. A marker that this journal made, and did not take away, is gone: somebody
    deleted it, or a newer copy of the journal did, when the rollout was done. Nothing here can tell which.
    """
    if marker is not None:
        return older(marker, record) if marker.rollout_id == record.id else None
    if not made(record):
        return None
    literal = f"--from-literal=rollout-id={record.id}"
    again = kubectl("create", "configmap", "eks-rollout", "-n", "kube-system", literal)
    return Halt(
        Reason.MARKER_GONE,
        f"the marker on cluster {record.plan.cluster} is gone, and this journal ({record.journal}) made it: "
        f"it may be a copy from before rollout {record.id} was done",
        f"name the database that it last used; if it is this one: {again}",
    )


def made(record: Record) -> bool:
    """Tell whether the journal made the marker and has not begun to take it away."""
    unsettled = [row.effect for row in record.unsettled]
    if record.did(DeleteMarker):
        return False
    return record.did(CreateMarker) and not any(isinstance(effect, CreateMarker | DeleteMarker) for effect in unsettled)


def _behind(marker: MarkerSeen, record: Record) -> Act | None:
    now = checkpoint(record)
    was = marker.checkpoint
    if record.phase is Phase.PLANNED or was == now:
        return None
    learnt = was is not None and now == replace(was, plan=replace(was.plan, cluster_id=record.plan.cluster_id))
    uids = (node.uid or "" for node in now.nodes)
    since = _since(marker, now)
    occasion = occasions.marker(record.phase.value, uids, record.resume_count, cluster=learnt, since=since)
    update = UpdateMarker(uid=marker.uid, mark=now, occasion=occasion)
    return Act("write into the marker what the journal says", (update,))


def _since(marker: MarkerSeen, now: Checkpoint) -> str:
    """Return what happened within a phase since the marker was written; "" if nothing did.

    A person made it by hand, the drain deadline is later, or somebody has paused the rollout, or resumed it, or has
    skipped or forced a node, or has agreed to what was raised or deleted.
    """
    was = marker.checkpoint
    if was is None:
        return marker.uid
    told = []
    if was.drain_deadline and now.drain_deadline and now.drain_deadline != was.drain_deadline:
        told.append(f"{now.drain_deadline:%Y%m%dT%H%M%SZ}")
    if now.pause and now.pause != was.pause:
        told.append(f"paused-{now.pause.at:%Y%m%dT%H%M%S%fZ}")
    elif was.pause and not now.pause:
        told.append(f"resumed-{was.pause.at:%Y%m%dT%H%M%S%fZ}")
    for what, before, there in (("skipped", was.skipped, now.skipped), ("forced", was.forced, now.forced)):
        if there != before:
            told.append(f"{what}-{max(one.at for one in there):%Y%m%dT%H%M%S%fZ}" if there else f"none-{what}")
    if now.accepted != was.accepted:  # more and more
        told.append(f"accepted-{len(now.accepted)}")
    return ".".join(told)


def _again(record: Record) -> Decision:
    deleted = f"somebody deleted the marker on cluster {record.plan.cluster}"
    hint = "stop what deletes ConfigMap eks-rollout in kube-system"
    again = create(record, occasions.again(record.resume_count))
    twice = Halt(Reason.MARKER_DELETED, f"{deleted} twice", hint)
    return once_more(record, again, f"{deleted}: it is created again", twice)
