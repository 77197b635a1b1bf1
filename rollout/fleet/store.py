"""A fleet's rows in the journal: each function is one transaction's work, on a connection that the caller opened.

What changes a fleet or a member is told in its chain of events, which locks the fleet's row. A claim alone is not told:
it locks its member's row, so that many workers claim at once, and says for how long it is believed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, Update, and_, distinct, func, or_, select

from rollout import __version__
from rollout.commands import rollout
from rollout.errors import ANOTHER_ACTIVE, BUG, RESUMABLE, UserError
from rollout.fleet import decide
from rollout.fleet.model import (
    Fixed,
    Fleet,
    FleetPlan,
    Kept,
    Limits,
    Member,
    Move,
    Request,
    Standing,
    State,
    StopWhen,
    Wave,
    key,
)
from rollout.formats.versions import JOURNAL_VERSION
from rollout.journal.chain import FLEETS, Author, Page, digest
from rollout.journal.lease_row import TTL_SECONDS, Time
from rollout.journal.models import (
    fleet_events,
    fleet_members,
    fleet_requests,
    fleets,
    killed_jobs,
    one_line,
    rollouts,
    stored,
)
from rollout.ports import Event

#: Seconds until a run that was interrupted is begun once more: twice as many after each further one, up to the most.
_PAUSE, _LONGEST_PAUSE = 10.0, 300.0
_MEMBER = fleet_members.c


def begin(connection: Connection, fleet_id: str, plan: FleetPlan, actor: str, time: Time) -> bool:
    """Write a fleet; False, and nothing is written, where it is there. `UserError`: another has its name."""
    text, now = json.dumps(asdict(plan), ensure_ascii=False), now_of(connection, time)
    there = connection.execute(select(fleets.c.plan).where(fleets.c.id == fleet_id)).scalar()
    if there is not None:
        if there == text:
            return False
        problem = f"fleet {fleet_id} has begun with other waves, limits, members or images; it was not changed"
        raise UserError(problem, hint="give the file the text that it had, or this fleet another name")
    fixed = {"id": fleet_id, "plan": text, "journal_version": JOURNAL_VERSION, "begun_by": __version__}
    zeros = dict.fromkeys(("wave", "approved", "accepted_killed", "obeyed"), 0)
    times = {"created_at": now, "updated_at": now}
    connection.execute(fleets.insert().values(**fixed, **zeros, **times, state=State.RUNNING, why=""))
    kept = {"fleet_id": fleet_id, "state": Kept.WAITING, "said": "", "tries": 0, "accepted": False}
    rows = [kept | {"name": one.name, "position": number} for number, one in enumerate(plan.members)]
    connection.execute(fleet_members.insert(), rows)
    page = _page(connection, fleet_id, Author(actor))
    told = f"fleet of {len(plan.members)} members in {len(plan.waves)} waves begun"
    page.tell(now, "begun", told, plan=digest(text), fleet={"state": State.RUNNING})
    page.close()
    return True


def known(connection: Connection) -> tuple[tuple[str, State], ...]:
    """Return all fleets with where they stand, newest first."""
    query = select(fleets.c.id, fleets.c.state).order_by(fleets.c.created_at.desc(), fleets.c.id)
    return tuple((row.id, State(row.state)) for row in connection.execute(query))


def now_of(connection: Connection, time: Time) -> datetime:
    """Return the time that fleets go by: the database's own, which all workers share."""
    found: datetime = connection.execute(select(time(0))).scalar_one()
    return found


# ---- reading --------------------------------------------------------------------------------------------------------


def load(connection: Connection, fleet_id: str, time: Time) -> tuple[Fleet, tuple[Member, ...], datetime]:
    """Return where a fleet and its members stand, and the time. Raises `UserError` where there is no such fleet."""
    row = connection.execute(select(fleets).where(fleets.c.id == fleet_id)).first()
    if row is None:
        raise UserError(
            f"there is no fleet {fleet_id} in this journal", hint=rollout("fleet", "start", "--config", "FILE")
        )
    plan, now = _plan(row.plan), now_of(connection, time)
    fleet = Fleet(
        id=row.id,
        plan=plan,
        state=State(row.state),
        why=row.why,
        wave=row.wave,
        wave_ended_at=row.wave_ended_at,
        approved=row.approved,
        accepted_killed=row.accepted_killed,
        obeyed=row.obeyed,
        requests=_requests(connection, row),
        ended_at=row.ended_at,
    )
    query = select(fleet_members).where(_MEMBER.fleet_id == fleet_id).order_by(_MEMBER.position)
    kept = connection.execute(query).all()
    begun = [key(fleet_id, one.name) for one in kept]
    theirs = {one.caller_key: one for one in connection.execute(_rollouts(begun))}
    fixed = {one.name: one for one in plan.members}
    members = (_member(one, fixed[one.name], theirs.get(key(fleet_id, one.name)), now) for one in kept)
    return fleet, tuple(members), now


def _rollouts(keys: Iterable[str]) -> Any:
    """Return the query for what the members' own rollouts say: phase, halt, and how many Jobs were killed."""
    killed = (
        select(func.count(distinct(killed_jobs.c.job)))
        .where(killed_jobs.c.rollout_id == rollouts.c.id)
        .scalar_subquery()
        .label("killed")
    )
    one = rollouts.c
    columns = (one.id, one.caller_key, one.phase, one.halted, one.paused_at, one.round)
    return select(*columns, killed).where(rollouts.c.caller_key.in_(list(keys)))


def _member(row: Row[Any], fixed: Fixed, theirs: Row[Any] | None, now: datetime) -> Member:
    claimed = row.worker if row.claimed_until and row.claimed_until > now else ""
    member = Member(
        fixed=fixed,
        state=Kept(row.state),
        exit_code=row.exit_code,
        said=row.said,
        tries=row.tries,
        not_before=row.not_before,
        forgiven=row.forgiven,
        accepted=bool(row.accepted),
        worker=claimed,
    )
    if theirs is None:
        return member
    # A person lifts a pause, as a person resumes a halted rollout: no run of ours goes on before.
    paused = f"paused by a person since {theirs.paused_at:%Y-%m-%dT%H:%M:%SZ}" if theirs.paused_at else None
    theirs_say = {
        "rollout_id": theirs.id,
        "phase": theirs.phase,
        "halted": theirs.halted or paused,
        "paused": bool(paused),
    }
    return replace(member, **theirs_say, round=theirs.round, killed=theirs.killed)


def _plan(text: str) -> FleetPlan:
    data = json.loads(text)
    return FleetPlan(
        tuple(Wave(**one) for one in data["waves"]),
        Limits(**data["limits"]),
        StopWhen(**data["stop_when"]),
        tuple(Fixed(**one) for one in data["members"]),
    )


def _requests(connection: Connection, fleet: Row[Any]) -> tuple[Request, ...]:
    query = select(fleet_requests).where(fleet_requests.c.fleet_id == fleet.id, fleet_requests.c.id > fleet.obeyed)
    rows = connection.execute(query.order_by(fleet_requests.c.id))
    return tuple(Request(row.id, row.kind, row.requester, **json.loads(row.data)) for row in rows)


def events(connection: Connection, fleet_id: str, after: int = 0) -> tuple[Event, ...]:
    """Return the history of a fleet, from the event after this one on."""
    one = fleet_events.c
    told = (one.seq, one.at, one.kind, one.actor, one.text, one.hash, one.data)
    query = select(*told).where(one.fleet_id == fleet_id, one.seq > after).order_by(fleet_events.c.seq)
    return tuple(Event(*row[:-1], json.loads(row.data)) for row in connection.execute(query))


# ---- what is written ------------------------------------------------------------------------------------------------


def ask(connection: Connection, fleet_id: str, asked: Request, time: Time) -> None:
    """Write down what a person asks for; who holds the fleet's lease obeys."""
    data = {"member": asked.member} if asked.member else {"wave": asked.wave} if asked.wave else {}
    values = {"fleet_id": fleet_id, "kind": asked.kind, "requester": one_line(asked.by), "data": json.dumps(data)}
    connection.execute(fleet_requests.insert().values(**values, at=now_of(connection, time)))


def step(connection: Connection, fleet_id: str, author: Author, time: Time) -> Event | None:
    """Take the fleet's next step; return the event that tells of it, None where nothing is to be done."""
    page = _page(connection, fleet_id, author)
    fleet, members, now = load(connection, fleet_id, time)
    move = decide.decide(fleet, members, now)
    if move is None:
        return None
    _tell(page, move, now)
    return events(connection, fleet_id, after=page.seq - 1)[0]


@dataclass(frozen=True, slots=True)
class Hand:
    """What one worker writes of members that it runs. `worker`: its name; `actor`: as events name it."""

    fleet_id: str
    worker: str
    actor: str
    time: Time

    def claim(self, connection: Connection) -> str | None:
        """Claim a member that may be run and that nobody runs; return its name. One that has begun comes first."""
        running = select(fleets.c.id).where(fleets.c.id == self.fleet_id, fleets.c.state == State.RUNNING).exists()
        may = or_(_MEMBER.state == Kept.BEGUN, and_(_MEMBER.state == Kept.READY, running))
        nobody = or_(_MEMBER.claimed_until.is_(None), _MEMBER.claimed_until <= self.time(0))
        due = or_(_MEMBER.not_before.is_(None), _MEMBER.not_before <= self.time(0))
        query = select(_MEMBER.name).where(_MEMBER.fleet_id == self.fleet_id, may, nobody, due)
        first = query.order_by(_MEMBER.state, _MEMBER.position).limit(1).with_for_update(skip_locked=True)
        name = connection.execute(first).scalar()
        if name is not None:
            _write(connection, self.fleet_id, name, worker=self.worker, claimed_until=self.time(TTL_SECONDS))
        return name

    def begin(self, connection: Connection, name: str) -> Fixed | None:
        """Tell that the member that was claimed is run; None, and the claim ends, where it may not be any more."""
        page = _page(connection, self.fleet_id, Author(self.actor))
        fleet, members, now = load(connection, self.fleet_id, self.time)
        member = next(one for one in members if one.name == name)
        if member.worker != self.worker or not decide.may_begin(fleet, members, member):
            self.release(connection, [name])
            return None
        again = "runs again" if member.state is Kept.BEGUN else "begins"
        text = f"{name} {again}, by {self.worker}"
        _tell(page, Move("member", text, members={name: {"state": Kept.BEGUN}}), now)
        return member.fixed

    def renew(self, connection: Connection, names: Iterable[str]) -> set[str]:
        """Keep claims; return the names of those that are still this worker's."""
        kept = self._ours(names).values(claimed_until=self.time(TTL_SECONDS)).returning(_MEMBER.name)
        return set(connection.execute(kept).scalars())

    def release(self, connection: Connection, names: Iterable[str]) -> None:
        """End claims: others may go on with these members at once."""
        connection.execute(self._ours(names).values(worker=None, claimed_until=None))

    def end(self, connection: Connection, name: str, code: int, said: str) -> None:
        """Tell how a member's run ended, and end the claim; nothing is told where another worker has it since."""
        page = _page(connection, self.fleet_id, Author(self.actor))
        _, members, now = load(connection, self.fleet_id, self.time)
        member = next(one for one in members if one.name == name)
        if not connection.execute(self._ours([name]).values(worker=None, claimed_until=None)).rowcount:
            return
        if member.state is not Kept.BEGUN:  # a person has asked for another try since
            return
        if _again(code, member):
            pause = min(_PAUSE * 2.0 ** min(member.tries, 10), _LONGEST_PAUSE)
            _write(connection, self.fleet_id, name, not_before=now + timedelta(seconds=pause))
            text = f"{name}: its run ended with code {code}; it is run again after {pause:.0f} s"
            _tell(page, Move("interrupted", text, members={name: {"tries": member.tries + 1}}), now)
            return
        changes: dict[str, Any] = {"state": Kept.ENDED, "exit_code": code, "said": one_line(said), "tries": 0}
        stands = replace(member, **changes, worker="").stands
        # What a rollout said stands in its own history; one that was refused has none.
        text = f"{name} is {stands} (exit {code})" + (f": {said}" if not member.rollout_id and code else "")
        _tell(page, Move("ended", text, members={name: changes}), now)

    def _ours(self, names: Iterable[str]) -> Update:
        named = _MEMBER.name.in_(list(names))
        return fleet_members.update().where(_MEMBER.fleet_id == self.fleet_id, named, _MEMBER.worker == self.worker)


def _again(code: int, member: Member) -> bool:
    """Tell whether the README says of this exit code to run the same command again; a signal's is negative."""
    taken_over = code == ANOTHER_ACTIVE and member.rollout_id and member.stands is Standing.RUNNING
    return code in {RESUMABLE, BUG} or code < 0 or bool(taken_over)


def _page(connection: Connection, fleet_id: str, author: Author) -> Page:
    """Open a fleet's page, alone: a chain has many writers here.

    The row is locked by a statement of its own. One that waits for a lock sees events only as they were before.
    """
    connection.execute(select(fleets.c.id).where(fleets.c.id == fleet_id).with_for_update())
    return Page(connection, fleet_id, author, FLEETS)


def _tell(page: Page, move: Move, now: datetime) -> None:
    """Append the event of a step, and change the rows that it says."""
    for name, changes in move.members.items():
        _write(page.connection, page.rollout_id, name, **changes)
    if move.fleet:
        page.change(**move.fleet)
    fleet = _plain(move.fleet)
    page.tell(now, move.kind, move.text, fleet=fleet, members={name: _plain(one) for name, one in move.members.items()})
    page.close()


def _plain(changes: Mapping[str, object]) -> dict[str, object]:
    return {name: stored(one) if isinstance(one, datetime) else one for name, one in changes.items()}


def _write(connection: Connection, fleet_id: str, name: str, **values: Any) -> None:
    which = (_MEMBER.fleet_id == fleet_id, _MEMBER.name == name)
    connection.execute(fleet_members.update().where(*which).values(**values))
