"""One effect's way through the journal: saved, sent (again), answered, seen.

Each function works inside a transaction of `store`. `intended` is written before a request leaves and stays until the
world shows the effect (`done`) or certainly does not (`refused`, from where it may be saved and sent again).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from rollout.effects import DeleteJob, DeletePod, Effect, Evict
from rollout.errors import Bug
from rollout.journal.chain import Chain
from rollout.journal.codec import effect_of, effect_text
from rollout.journal.models import attempts, effects, killed_jobs
from rollout.ports import Receipt, Settled


def intend(
    connection: Connection, chain: Chain, rollout_id: str, effect: Effect, epoch: int | None, now: datetime
) -> None:
    """Save an effect, or save again that it will be sent; `Bug` if it is done or was sent with another request."""
    row = _find(connection, rollout_id, effect.key)
    sent = 1 if row is None else row.sent + 1
    text = effect_text(effect)
    if row is None:
        first = {"key": effect.key, "kind": effect.kind, "target": effect.target, "epoch": epoch, "intended_at": now}
        values = {
            "rollout_id": rollout_id,
            "state": "intended",
            "request": text,
            "sent": 1,
            "sent_at": now,
            "detail": "",
        }
        connection.execute(effects.insert().values(**first, **values))
    else:
        _check_again(row, text)
        _change(
            connection, row, state="intended", request=text, sent=sent, sent_at=now, answered_at=None, retry_at=None
        )
    verb = "intended" if row is None else f"sent again, request {sent}"
    chain.append(now, "effect", f"{verb}: {effect.kind} {effect.target}", key=effect.key, state="intended", sent=sent)


def receive(connection: Connection, chain: Chain, rollout_id: str, receipt: Receipt, epoch: int | None) -> None:
    """Write what one request brought."""
    row = _known(connection, rollout_id, receipt.effect.key)
    connection.execute(
        attempts.insert().values(
            effect_id=row.id,
            number=row.sent,
            outcome=receipt.outcome,
            started_at=receipt.started,
            ended_at=receipt.ended,
            request_id=receipt.request_id,
            detail=receipt.detail,
            epoch=epoch,
        )
    )
    if receipt.outcome == "ok":
        # Still intended: that the other side said yes is no proof that it happened.
        _change(connection, row, answered_at=receipt.ended, detail=receipt.detail)
        return
    state = "unknown" if receipt.outcome == "unknown" else "refused"
    _change(connection, row, state=state, retry_at=receipt.retry_at, detail=receipt.detail)
    chain.append(receipt.ended, "effect", _brought(receipt), key=row.key, state=state, request_id=receipt.request_id)


def settle(connection: Connection, chain: Chain, rollout_id: str, settled: Settled, now: datetime) -> None:
    """Write what was seen of an effect; a done one that kills enters the ledger."""
    row = _known(connection, rollout_id, settled.key)
    if row.state == "done":
        raise Bug(f"{settled.key} of {rollout_id} is settled already")
    done = settled.state == "done"
    at = {"settled_at": now} if done else {"retry_at": now}
    _change(connection, row, state=settled.state, detail=settled.detail, **at)
    because = f": {settled.detail}" if settled.detail else ""
    text = f"{'done' if done else 'not applied'}: {row.kind} {row.target}{because}"
    chain.append(now, "effect", text, key=row.key, state=settled.state)
    if done:
        _enter_ledger(connection, chain, row, now)


def forgive(connection: Connection, rollout_id: str, now: datetime) -> None:
    """Let everything that was refused be sent again now: a person has dealt with the cause."""
    refused = (effects.c.rollout_id == rollout_id, effects.c.state == "refused")
    connection.execute(effects.update().where(*refused).values(retry_at=now))


def _enter_ledger(connection: Connection, chain: Chain, row: Row[Any], now: datetime) -> None:
    """Enter the Job that lost a pod; a pod that we had to ask twice (evict, then delete) is entered once."""
    effect = effect_of(row.request)
    if not isinstance(effect, Evict | DeletePod | DeleteJob) or effect.kills is None:
        return
    uid = effect.pod_uid if isinstance(effect, DeleteJob) else effect.uid
    query = select(killed_jobs.c.id).where(killed_jobs.c.rollout_id == row.rollout_id, killed_jobs.c.pod_uid == uid)
    if connection.execute(query).first():
        return
    # Of a Job that is deleted as a whole only the pod's uid is known.
    pod = uid if isinstance(effect, DeleteJob) else f"{effect.namespace}/{effect.name}"
    lost = {"job": effect.kills, "pod": pod, "pod_uid": uid, "node": effect.node}
    connection.execute(killed_jobs.insert().values(rollout_id=row.rollout_id, effect_id=row.id, at=now, **lost))
    chain.append(now, "killed", f"killed: {effect.kills} lost pod {pod} on {effect.node}", key=row.key, **lost)


def _brought(receipt: Receipt) -> str:
    thing = f"{receipt.effect.kind} {receipt.effect.target}: {receipt.detail}"
    if receipt.outcome == "retry":
        again = f"; again at {receipt.retry_at:%H:%M:%S}" if receipt.retry_at else ""
        return f"refused for now: {thing}{again}"
    return f"{receipt.outcome}: {thing}"


def _check_again(row: Row[Any], request: str) -> None:
    if row.state == "done":
        raise Bug(f"{row.key} of {row.rollout_id} is done: it must not be sent again")
    if row.state != "refused" and row.request != request:
        raise Bug(f"{row.key} of {row.rollout_id} may have been applied: it must not be sent with another request")


def _find(connection: Connection, rollout_id: str, key: str) -> Row[Any] | None:
    return connection.execute(select(effects).where(effects.c.rollout_id == rollout_id, effects.c.key == key)).first()


def _known(connection: Connection, rollout_id: str, key: str) -> Row[Any]:
    row = _find(connection, rollout_id, key)
    if row is None:
        raise Bug(f"{key} was never intended in {rollout_id}")
    return row


def _change(connection: Connection, row: Row[Any], **values: Any) -> None:
    connection.execute(effects.update().where(effects.c.id == row.id).values(**values))
