"""A rollout whose journal was lost, written again under a lease; and the lease that was lost with it.

All rows are one transaction: killed before it, nothing stands, and the same command does it again.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from rollout import __version__
from rollout.formats.codec import accepted_values, effect_text, plan_text
from rollout.formats.versions import JOURNAL_VERSION
from rollout.journal import lease_row, node_rows, requests
from rollout.journal.chain import Author, Page, digest
from rollout.journal.database import Database
from rollout.journal.lease_row import Time
from rollout.journal.models import deadline_column, effects, leases, rollouts, stored
from rollout.model.effects import Effect
from rollout.model.record import Record

if TYPE_CHECKING:
    from sqlalchemy import Connection

#: How a lease whose holder nobody knows any more is called.
_UNKNOWN = {"host": "unknown", "pid": 0, "run_id": "lost"}

#: Epochs that a journal which turns up again may come to, and stays below the one that was rebuilt in its place: who
#: resumes both is told which is older by the marker, which the higher epoch writes.
BEYOND = 1000


def record_lost_lease(database: Database, cluster: str, epoch: int, now: datetime, time: Time) -> None:
    """Write down that somebody held the cluster under a journal that is lost, up to this epoch and far beyond.

    Its requests may still be on their way: what cannot be taken back waits for them, as after any takeover.
    """
    with database.writing() as connection:
        last = lease_row.newest(connection, cluster)
        if last and (last.run_id == _UNKNOWN["run_id"] or lease_row.lasts(last)):
            return  # an earlier try came so far, or further
        number = max(epoch + BEYOND, lease_row.epoch(connection, cluster) + 1)
        ended = {"acquired_at": now, "expires_at": time(0), "taken_at": time(0)}
        connection.execute(leases.insert().values(cluster=cluster, epoch=number, **_UNKNOWN, **ended))


def write(
    connection: Connection, author: Author, record: Record, adopted: tuple[Effect, ...], deadline: datetime | None
) -> None:
    """Write all rows of a rollout; `record.since` is now."""
    now, plan = record.since, record.plan
    columns = {
        "id": record.id,
        "caller_key": record.key,
        "cluster": plan.cluster,
        "scope": plan.scope,
        "ami": plan.ami,
        "phase": record.phase,
        "since": now,
        "deadline": deadline,
        deadline_column(plan.direction): record.drain_deadline,
        "direction": plan.direction,
        "round": record.resume_count,
        "plan": plan_text(plan),
        "journal_version": JOURNAL_VERSION,
        "begun_by": __version__,
        "created_at": now,
        "updated_at": now,
    }
    connection.execute(rollouts.insert().values(columns))
    page = Page(connection, record.id, author)
    node_rows.add_groups(page, plan)
    told = {"key": record.key, "ami": plan.ami, "cluster": plan.cluster, "scope": plan.scope}
    told |= {"to": record.phase.value}
    if record.drain_deadline:
        told |= {deadline_column(plan.direction): stored(record.drain_deadline)}
    if plan.goes_back:
        told |= {"direction": plan.direction}
    agreed = sorted(record.accepted, key=repr)
    accepts = {"accepts": accepted_values(agreed)} if agreed else {}
    page.tell(now, "begun", _text(record, author), **told, **accepts, plan=digest(plan_text(plan)))
    node_rows.add(page, record.nodes, now)
    for effect in adopted:
        _adopt(page, effect, now)
    page.close()
    if record.pause:
        requests.ask_pause(connection, record.id, record.pause)
    for skip in record.skips.values():
        requests.ask_skip(connection, record.id, skip)
    for force in record.forces:
        requests.ask_force(connection, record.id, force)


def _adopt(page: Page, effect: Effect, now: datetime) -> None:
    """Take an effect for done: it shows, and it was the lost journal's to say so."""
    detail = "adopted by doctor --rebuild"
    named = {"rollout_id": page.rollout_id, "key": effect.key, "kind": effect.kind, "target": effect.target}
    state = {"request": effect_text(effect), "state": "done", "sent": 0, "detail": detail, "epoch": page.author.epoch}
    times = {"intended_at": now, "sent_at": now, "settled_at": now}
    page.connection.execute(effects.insert(), named | state | times)
    told = {"state": "done", "request": digest(effect_text(effect))}
    page.tell(now, "effect", f"done: {effect.kind} {effect.target}: {detail}", key=effect.key, **told)


def _text(record: Record, author: Author) -> str:
    groups = ", ".join(group.name for group in record.plan.groups)
    what = f"rollout of {record.plan.ami} to {groups} of cluster {record.plan.cluster}"
    return f"{what} rebuilt from the marker by {author.actor}, in {record.phase.value}; its journal was lost"
