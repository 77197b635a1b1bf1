"""The journal behind `ports.Journal`: each verb is one transaction, with the events that tell of it.

Nothing but a copy of what stands in it is held in memory between two verbs (see `record_cache`): a process that opens
the journal after a crash knows as much as the one that wrote it.
Under a lease a transaction may be begun again (see `lease_session`): it is a function that changes nothing but the
journal.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select
from sqlalchemy.exc import IntegrityError

from rollout import __version__
from rollout.errors import ANOTHER_ACTIVE, Bug, UserError
from rollout.formats.codec import accepted_values, plan_of, plan_text, sight_values
from rollout.formats.versions import JOURNAL_VERSION
from rollout.journal import audit, effect_rows, lease_reading, lease_row, node_rows, reading, rebuild, requests
from rollout.journal.chain import Author, Page, digest
from rollout.journal.database import Database
from rollout.journal.lease_session import LeaseSession, T, Work
from rollout.journal.models import deadline_column, events, leases, rollouts, stored
from rollout.journal.record_cache import RecordCache
from rollout.journal.trouble import InDoubt
from rollout.model import machine
from rollout.model.decision import Advance, Halt, Move, NodeWait
from rollout.model.effects import Effect
from rollout.model.machine import Phase
from rollout.model.plan import ClusterId, Node, Plan
from rollout.model.record import Abort, Extension, Left, Record
from rollout.model.sight import Sight
from rollout.model.steering import Force, Lift, Pause, Skip
from rollout.model.windows import may_end_from
from rollout.ports import Event, KilledJob, Receipt, Settled, Summary, Worker

#: Characters of a caller's key: as many as its column holds.
LONGEST_KEY = 200

# Built once: it is asked at every tick.
_ROLLOUT = select(rollouts).where(rollouts.c.id == bindparam("of"))


class SqlJournal:
    """A journal in a database whose schema is this version's; made by `open_journal` and `read_journal`."""

    def __init__(self, database: Database, actor: str) -> None:
        self.database = database
        self._author = Author(actor)
        self._lease: LeaseSession | None = None
        self._cache = RecordCache(database.backend.name)

    def use_lease(self, lease: LeaseSession | None) -> None:
        """From now on write under this lease of a cluster; None: under none."""
        self._lease = lease
        self._cache.forget()
        self._author = replace(self._author, epoch=lease.epoch if lease else None)

    def keep_lease(self) -> None:
        """Renew the lease, if we write under one, with nothing to write. Raises `Lost` if another runner took over."""
        if self._lease:
            self._lease.read_and_renew(lambda _: None)

    def close(self) -> None:
        """Close the connections that are kept open; the next verb opens new ones."""
        self.database.close()

    def begin(self, rollout_id: str, key: str | None, plan: Plan, now: datetime) -> None:
        first = {"id": rollout_id, "caller_key": key, "cluster": plan.cluster, "scope": plan.scope, "ami": plan.ami}
        fixed = {"plan": plan_text(plan), "journal_version": JOURNAL_VERSION, "begun_by": __version__, "round": 0}
        fixed["phase"] = Phase.PLANNED
        times = {"since": now, "created_at": now, "updated_at": now}
        groups = ", ".join(group.name for group in plan.groups)
        text = f"rollout of {plan.ami} to {groups} of cluster {plan.cluster} begun"
        if key is not None and len(key) > LONGEST_KEY:
            raise UserError(f"the key has {len(key)} characters", hint=f"give one of at most {LONGEST_KEY}")

        def work(connection: Connection) -> None:
            connection.execute(rollouts.insert().values(**first, **fixed, **times))
            page = Page(connection, rollout_id, self._author)
            node_rows.add_groups(page, plan)
            told = {"key": key, "ami": plan.ami, "cluster": plan.cluster, "scope": plan.scope}
            page.tell(now, "begun", text, **told, to=Phase.PLANNED.value, plan=digest(plan_text(plan)))
            page.close()

        try:
            self._write(work)
        except IntegrityError as error:
            taken = self._taken(key, plan)
            if taken is None:
                raise
            raise taken from error
        except InDoubt:
            if all(one.id != rollout_id for one in self.summaries()):
                raise

    def rebuild(self, record: Record, adopted: Sequence[Effect], deadline: datetime | None) -> None:
        """Write a rollout whose journal was lost, with effects that are taken for done; `deadline`: of its phase.

        Raises `UserError` where the rollout is known, or the cluster has another one that is active (exit 76).
        """
        try:
            self._write(lambda connection: rebuild.write(connection, self._author, record, tuple(adopted), deadline))
        except IntegrityError as error:
            taken = self._taken(record.key, record.plan)
            if taken is None:
                raise
            raise taken from error

    def adopt(self, rollout_id: str, cluster: ClusterId, now: datetime) -> None:
        """Write down which cluster a rollout of an older format is on, once; one that says so already is left alone."""
        plan = self.load(rollout_id).plan
        if plan.cluster_id is not None:
            return
        adopted = replace(plan, cluster_id=cluster)
        text = plan_text(adopted)

        def work(page: Page) -> None:
            page.change(plan=text, scope=adopted.scope)
            told = {"scope": adopted.scope, "uid": cluster.uid, "plan": digest(text)}
            page.tell(now, "adopted", f"cluster {plan.cluster} is {cluster.arn}", **told)

        self._on_page(rollout_id, work)

    def acquired(self, rollout_id: str, now: datetime) -> None:
        """Tell under which lease the rollout is worked from now on, and how those before it ended."""
        if self._lease is None:
            raise RuntimeError("no lease is held")
        epoch, scope = self._lease.epoch, self._lease.row.cluster

        def work(page: Page) -> None:
            told = lease_reading.told(page.connection, scope, epoch)
            page.tell(now, "acquired", f"lease of epoch {epoch} acquired", leases=told)

        self._on_page(rollout_id, work)

    def epoch(self, scope: str) -> int:
        """Return the epoch of the cluster's newest lease, 0 before any."""
        with self.database.reading() as connection:
            return lease_row.epoch(connection, scope)

    def worker(self, scope: str) -> Worker | None:
        """Return who works a cluster, or worked it last; None where nobody ever did."""
        with self.database.reading() as connection:
            return lease_reading.worker(connection, scope, self.database.backend.path)

    def summaries(self) -> tuple[Summary, ...]:
        return self._read(reading.summaries)

    def load(self, rollout_id: str) -> Record:
        def work(connection: Connection) -> Record:
            cache = self._cache if self._lease else RecordCache(self.database.backend.name)
            return cache.record(connection, self._row(connection, rollout_id))

        if self._lease is None:
            return self._read(work)
        return replace(
            self._lease.read_and_renew(work),
            epoch=self._lease.epoch,
            takeover_delay_until=self._lease.takeover_delay_until,
        )

    def settle(self, rollout_id: str, settled: Sequence[Settled], now: datetime) -> None:
        def work(page: Page) -> None:
            for one in settled:
                effect_rows.settle(page, one, now)

        self._on_page(rollout_id, work)

    def intend(
        self,
        rollout_id: str,
        effects: Sequence[Effect],
        moves: Sequence[Move],
        waits: Sequence[NodeWait],
        nodes: Sequence[Node],
        now: datetime,
    ) -> None:
        def work(page: Page) -> None:
            node_rows.add(page, nodes, now)
            for move in moves:
                node_rows.move(page, move, now)
            for wait in waits:
                node_rows.wait(page, wait, now)
            for effect in effects:
                effect_rows.intend(page, effect, now)

        self._on_page(rollout_id, work)

    def receive(self, rollout_id: str, receipts: Sequence[Receipt]) -> None:
        def work(page: Page) -> None:
            for receipt in receipts:
                effect_rows.receive(page, receipt)

        self._on_page(rollout_id, work)

    def advance(self, rollout_id: str, step: Advance, deadline: datetime | None, now: datetime) -> None:
        def work(page: Page) -> None:
            row = self._row(page.connection, rollout_id)
            phase = machine.entered(row.phase, step.to)
            page.change(phase=phase, since=now, deadline=deadline, ended_at=now if machine.terminal(phase) else None)
            fixed = _commit(page, row, step)
            if step.turns:
                fixed |= _turn(page, row, now)
            text = f"{row.phase.value} → {phase.value}: {step.why}{_until(deadline)}"
            page.tell(now, "phase", text, **{"from": row.phase.value, "to": phase.value}, **fixed)
            node_rows.add(page, step.nodes, now)
            for line in step.report:
                page.tell(now, "report", line)

        self._on_page(rollout_id, work)

    def halt(self, rollout_id: str, halt: Halt, now: datetime, sight: Sight | None = None) -> None:
        text = f"halted ({halt.reason}): {halt.why}" + (f"; next: {halt.hint}" if halt.hint else "")

        def work(page: Page) -> None:
            page.change(halted=halt.why, hint=halt.hint, halted_at=now)
            more: dict[str, object] = {"accepts": accepted_values(halt.accepts)} if halt.accepts else {}
            more |= {"seen": sight_values(sight)} if sight else {}
            page.tell(now, "halted", text, why=halt.why, hint=halt.hint, reason=halt.reason, **more)

        self._on_page(rollout_id, work)

    def resume(self, rollout_id: str, deadline: datetime | None, now: datetime) -> None:
        def work(page: Page) -> None:
            count = self._row(page.connection, rollout_id).round + 1
            page.change(halted=None, hint=None, halted_at=None, round=count, deadline=deadline)
            effect_rows.forgive(page, now)
            page.tell(now, "resumed", f"resumed, round {count}{_until(deadline)}", round=count)

        self._on_page(rollout_id, work)

    def ask_abort(self, rollout_id: str, asked: Abort) -> Abort:
        """Ask that a rollout goes back, under no lease; return what was asked for first, if that was before."""
        with self.database.writing() as connection:
            self._row(connection, rollout_id)
            return requests.ask_abort(connection, rollout_id, asked)

    def ask_extension(self, rollout_id: str, seconds: float, by: str, reason: str, now: datetime) -> Extension:
        """Ask that the drain deadline moves by so much, counted from now if it is past, under no lease.

        Where it would pass outside of the maintenance windows it moves on into the next one.
        """
        with self.database.writing() as connection:
            row = self._row(connection, rollout_id)
            deadline = getattr(row, deadline_column(row.direction))
            if deadline is None:
                raise Bug(f"{rollout_id} has no drain deadline yet")
            before = requests.read(connection, rollout_id).extension(row.direction, deadline)
            later = max(now, before.until if before else deadline) + timedelta(seconds=seconds)
            until = may_end_from(plan_of(row.plan, row.journal_version).settings.windows, later)
            asked = Extension(now, by, until, reason)
            requests.ask_extension(connection, rollout_id, row.direction, asked)
            return asked

    def ask_pause(self, rollout_id: str, asked: Pause) -> Pause:
        """Ask that nothing is changed, under no lease; return the pause that stands, if that is an older one."""
        with self.database.writing() as connection:
            self._row(connection, rollout_id)
            return requests.ask_pause(connection, rollout_id, asked)

    def ask_lift(self, rollout_id: str, asked: Lift, once: str | None = None) -> Pause | None:
        """Ask that a paused rollout goes on, under no lease; return the pause that stands after it.

        `once`: what the command is known by; one that was given before lifts nothing.
        """
        with self.database.writing() as connection:
            self._row(connection, rollout_id)
            return requests.ask_lift(connection, rollout_id, asked, once)

    def ask_skip(self, rollout_id: str, asked: Skip) -> Skip:
        """Ask that a node stays, under no lease; return what was asked for first, if that was before."""
        with self.database.writing() as connection:
            self._row(connection, rollout_id)
            return requests.ask_skip(connection, rollout_id, asked)

    def ask_force(self, rollout_id: str, asked: Force) -> Force:
        """Ask that a node goes now, under no lease; return what was asked for first, if that was before."""
        with self.database.writing() as connection:
            self._row(connection, rollout_id)
            return requests.ask_force(connection, rollout_id, asked)

    def asked(self, rollout_id: str) -> int:
        return self._read(lambda connection: requests.count(connection, rollout_id))

    def extend(self, rollout_id: str, asked: Extension, now: datetime) -> None:
        def work(page: Page) -> None:
            name = deadline_column(self._row(page.connection, rollout_id).direction)
            page.change(**{name: asked.until})
            why = f": {asked.reason}" if asked.reason else ""
            text = f"the drain deadline is {asked.until:%Y-%m-%d %H:%M:%S} UTC now, asked for by {asked.by}{why}"
            page.tell(now, "extended", text, **{name: stored(asked.until)})

        self._on_page(rollout_id, work)

    def steer(self, rollout_id: str, asked: Pause | Lift, deadline: datetime | None, now: datetime) -> None:
        def work(page: Page) -> None:
            if isinstance(asked, Pause):
                page.change(paused_at=asked.at)
                page.tell(now, "paused", f"paused {asked.label}", paused_at=stored(asked.at))
                return
            page.change(paused_at=None, deadline=deadline)
            page.tell(now, "unpaused", f"no longer paused, by {asked.by}{_until(deadline)}", asked_at=stored(asked.at))

        self._on_page(rollout_id, work)

    def force(self, rollout_id: str, asked: Force, now: datetime) -> None:
        self._on_page(rollout_id, lambda page: node_rows.force(page, asked, now))

    def note(self, rollout_id: str, kind: str, text: str, now: datetime) -> None:
        self._on_page(rollout_id, lambda page: page.tell(now, kind, text))

    def events(self, rollout_id: str, after: int = 0) -> tuple[Event, ...]:
        told = (events.c.seq, events.c.at, events.c.kind, events.c.actor, events.c.text, events.c.hash, events.c.data)
        query = select(*told).where(events.c.rollout_id == rollout_id, events.c.seq > after).order_by(events.c.seq)

        def work(connection: Connection) -> tuple[Event, ...]:
            found = tuple(Event(*row[:-1], json.loads(row.data)) for row in connection.execute(query))
            if not found and not after:
                self._row(connection, rollout_id)
            return found

        return self._read(work)

    def evicted(self, rollout_id: str) -> tuple[Left, ...]:
        def work(connection: Connection) -> tuple[Left, ...]:
            version = self._row(connection, rollout_id).journal_version
            return reading.evicted(connection, rollout_id, version)

        return self._read(work)

    def killed(self, rollout_id: str) -> tuple[KilledJob, ...]:
        return self._read(lambda connection: reading.killed(connection, rollout_id))

    # ---- beyond the port: what is joined with the other side's log in order to prove the promises ------------------

    def verify(self, rollout_id: str) -> tuple[int, tuple[str, ...]]:
        """Check the events, and that the tables say the same: how many there are, and what is wrong."""
        with self.database.reading() as connection:
            self._row(connection, rollout_id)
            return audit.problems(connection, rollout_id)

    def intents(self, rollout_id: str) -> tuple[tuple[datetime, Effect], ...]:
        """Return every effect of a rollout with the instant at which it was first saved, in that order."""
        with self.database.reading() as connection:
            return reading.intents(connection, rollout_id)

    def epochs(self) -> dict[str, int]:
        """Return the epoch under which each run held its cluster, by run id."""
        with self.database.reading() as connection:
            return {row.run_id: row.epoch for row in connection.execute(select(leases.c.run_id, leases.c.epoch))}

    def _write(self, work: Work[T]) -> T:
        if self._lease:
            return self._lease.write(work)
        with self.database.writing() as connection:
            return work(connection)

    def _read(self, work: Work[T]) -> T:
        if self._lease:
            return self._lease.read(work)
        with self.database.reading() as connection:
            return work(connection)

    def _on_page(self, rollout_id: str, work: Callable[[Page], None]) -> None:
        """Do the work in one transaction, and close the page with it."""

        def whole(connection: Connection) -> Page:
            try:
                page = Page(connection, rollout_id, self._author)
            except LookupError:
                raise self._unknown(rollout_id) from None
            work(page)
            page.close()
            return page

        try:
            page = self._write(whole)
        except BaseException:
            self._cache.forget()  # whether anything was written, or what, nobody knows
            raise
        self._cache.wrote(page)

    def _row(self, connection: Connection, rollout_id: str) -> Row[Any]:
        row = connection.execute(_ROLLOUT, {"of": rollout_id}).first()
        if row is None:
            raise self._unknown(rollout_id)
        return row

    def _unknown(self, rollout_id: str) -> UserError:
        journal = self.database.backend.name
        return UserError(f"there is no rollout {rollout_id} in {journal}", hint="rollout list")

    def _taken(self, key: str | None, plan: Plan) -> UserError | None:
        """Say which rollout stands where a new one was to begin."""
        for there in self.summaries():
            if there.scope == plan.scope and not machine.terminal(there.phase):
                problem = f"cluster {plan.cluster} has an unfinished rollout: {there.id} of {there.ami}"
                return UserError(problem, hint=f"rollout resume {there.id}", exit_code=ANOTHER_ACTIVE)
            if key is not None and there.key == key:
                return UserError(f"the key {key} belongs to rollout {there.id}", hint="give this one another --key")
        return None


def _turn(page: Page, row: Row[Any], now: datetime) -> dict[str, object]:
    """Write that the rollout goes back; as with a resume, each thing may be done once more."""
    page.change(direction="back", round=row.round + 1)
    effect_rows.forgive(page, now)
    return {"direction": "back", "round": row.round + 1}


def _commit(page: Page, row: Row[Any], step: Advance) -> dict[str, object]:
    """Write what a phase fixes for good with its end; return it as its event tells it."""
    fixed: dict[str, object] = {}
    if step.plan is not None:
        text = plan_text(step.plan)
        page.change(plan=text)
        node_rows.update_groups(page, step.plan)
        fixed["plan"] = digest(text)
    if step.drain_deadline is not None:
        name = deadline_column(row.direction)
        if getattr(row, name) is not None:
            raise Bug(f"the drain deadline of {row.id} is stored for good: it must not be moved")
        page.change(**{name: step.drain_deadline})
        fixed[name] = stored(step.drain_deadline)
    return fixed


def _until(deadline: datetime | None) -> str:
    # As `columns` reads it back, in journals of any age.
    return f" (deadline {deadline:%Y-%m-%d %H:%M:%S} UTC)" if deadline else ""
