"""One effect's way through the journal: saved, sent (again), answered, seen.

Each function works on one page of `store`. `intended` is written before a request leaves and stays until the world
shows the effect (`done`) or it certainly was not applied (`not_sent`, `not_applied`, `blocked`, `rejected`: from there
it may be saved and sent again).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, select

from rollout.errors import Bug
from rollout.formats.codec import effect_of, effect_text
from rollout.journal.chain import Page, digest
from rollout.journal.models import attempts, effects, killed_jobs, nodes, one_line
from rollout.model.effects import Effect, Killed
from rollout.ports import Receipt, Settled

# Built once: it is asked for every effect at every step of its way.
_ONE = select(effects).where(effects.c.rollout_id == bindparam("of"), effects.c.key == bindparam("named"))


def intend(page: Page, effect: Effect, now: datetime) -> None:
    """Save an effect, or save that it will be sent again; `Bug` if it is done or may stand with another request."""
    row = _find(page, effect.key)
    if row is None:
        _save(page, effect, now)
    else:
        _save_again(page, row, effect, now)


def receive(page: Page, receipt: Receipt) -> None:
    """Write what one request brought."""
    row = _known(page, receipt.effect.key)
    detail = one_line(receipt.detail)
    attempt = {"effect_id": row.id, "number": row.sent, "outcome": receipt.outcome, "epoch": page.author.epoch}
    told = {
        "started_at": receipt.started,
        "ended_at": receipt.ended,
        "request_id": receipt.request_id,
        "detail": detail,
    }
    page.connection.execute(attempts.insert(), attempt | told)
    if receipt.outcome in {"ok", "gone"}:
        # Still intended: that the other side said yes is no proof that it happened.
        _change(page, row, answered_at=receipt.ended, detail=detail)
        return
    state = receipt.outcome
    since = row.blocked_since or (receipt.ended if state == "blocked" else None)
    _change(page, row, state=state, retry_at=receipt.retry_at, blocked_since=since, detail=detail)
    page.tell(receipt.ended, "effect", _brought(receipt), key=row.key, state=state, request_id=receipt.request_id)


def settle(page: Page, settled: Settled, now: datetime) -> None:
    """Write what was seen of an effect; a done one by which we killed enters the ledger."""
    row = _known(page, settled.key)
    if row.state == "done":
        raise Bug(f"{row.key} of {row.rollout_id} is settled already")
    done = settled.state == "done"
    at = {"settled_at": now} if done else {"retry_at": now}
    _change(page, row, state=settled.state, detail=one_line(settled.detail), **at)
    because = f": {settled.detail}" if settled.detail else ""
    text = f"{'done' if done else 'not applied'}: {row.kind} {row.target}{because}"
    page.tell(now, "effect", text, key=row.key, state=settled.state)
    if done and settled.ours and not _was_gone(page, row):
        _enter_ledger(page, row, now)


def forgive(page: Page, now: datetime) -> None:
    """Let everything that was not applied be sent again now: a person has dealt with the cause."""
    page.touched_all = True
    again = (effects.c.rollout_id == page.rollout_id, effects.c.state.not_in(("intended", "unknown", "done")))
    page.connection.execute(effects.update().where(*again).values(retry_at=now, answered_at=None))


def _save(page: Page, effect: Effect, now: datetime) -> None:
    named = {"rollout_id": page.rollout_id, "key": effect.key, "kind": effect.kind, "target": effect.target}
    request = effect_text(effect)
    state = {"request": request, "state": "intended", "sent": 1, "detail": "", "epoch": page.author.epoch}
    page.connection.execute(effects.insert(), named | state | {"intended_at": now, "sent_at": now})
    told = {"state": "intended", "sent": 1, "request": digest(request)}
    page.tell(now, "effect", f"intended: {effect.describe()}", key=effect.key, **told)


def _save_again(page: Page, row: Row[Any], effect: Effect, now: datetime) -> None:
    request, sent = effect_text(effect), row.sent + 1
    if row.state == "done":
        raise Bug(f"{row.key} of {row.rollout_id} is done: it must not be sent again")
    if row.state in {"intended", "unknown"} and row.request != request:
        raise Bug(f"{row.key} of {row.rollout_id} may have been applied: it must not be sent with another request")
    _change(page, row, state="intended", request=request, sent=sent, sent_at=now, answered_at=None, retry_at=None)
    text = f"sent again, request {sent}: {effect.describe()}"
    page.tell(now, "effect", text, key=effect.key, state="intended", sent=sent, request=digest(request))


def _was_gone(page: Page, row: Row[Any]) -> bool:
    """Tell whether our last request found nothing to end any more: somebody else was quicker, or the pod itself."""
    query = select(attempts.c.outcome).where(attempts.c.effect_id == row.id).order_by(attempts.c.number.desc()).limit(1)
    return page.connection.execute(query).scalar() == "gone"


def _enter_ledger(page: Page, row: Row[Any], now: datetime) -> None:
    """Enter who lost pods; a pod that we had to ask twice (evict, then delete) is entered once."""
    for killed in effect_of(row.request, page.version).victims():
        _enter(page, row, killed, now)


def _enter(page: Page, row: Row[Any], killed: Killed, now: datetime) -> None:
    loser, pod, uid = killed.loser, killed.pod, killed.pod_uid
    query = select(killed_jobs.c.id).where(killed_jobs.c.rollout_id == page.rollout_id, killed_jobs.c.pod_uid == uid)
    if page.connection.execute(query).first():
        return
    forced_by = _forced_by(page, killed.node)
    lost = {"job": loser, "pod": pod, "pod_uid": uid, "node": killed.node, "forced_by": forced_by}
    entry = {"rollout_id": page.rollout_id, "effect_id": row.id, "at": now}
    page.connection.execute(killed_jobs.insert(), entry | lost)
    because = f", forced by {forced_by}" if forced_by else ""
    page.tell(now, "killed", f"killed: {loser} lost pod {pod} on {killed.node}{because}", key=row.key, **lost)


def _forced_by(page: Page, node: str) -> str:
    """Return who asked that a node goes now, "" where nobody did."""
    query = select(nodes.c.forced_by).where(nodes.c.rollout_id == page.rollout_id, nodes.c.name == node)
    return next((by for by in page.connection.execute(query).scalars() if by), "")


def _brought(receipt: Receipt) -> str:
    thing = f"{receipt.effect.kind} {receipt.effect.target}: {receipt.detail}"
    again = f"; again at {receipt.retry_at:%H:%M:%S}" if receipt.retry_at else ""
    return f"{receipt.outcome.replace('_', ' ')}: {thing}{again}"


def _find(page: Page, key: str) -> Row[Any] | None:
    page.effects.add(key)
    return page.connection.execute(_ONE, {"of": page.rollout_id, "named": key}).first()


def _known(page: Page, key: str) -> Row[Any]:
    row = _find(page, key)
    if row is None:
        raise Bug(f"{key} was never intended in {page.rollout_id}")
    return row


def _change(page: Page, row: Row[Any], **values: Any) -> None:
    page.connection.execute(effects.update().where(effects.c.id == row.id).values(**values))
