"""The record of the rollout that a lease works, read by what was written since it was read last.

Under a lease nobody else writes to the rollout, so what this process wrote is all that changed. Every writing
transaction tells which effects and nodes it touched, and where it found the chain of events and left it: where that is
not the end that the cache knows, or a transaction failed, everything is read again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rollout.formats import versions
from rollout.formats.codec import plan_of
from rollout.journal import node_rows, reading, requests
from rollout.journal.effect_index import EffectIndex
from rollout.journal.models import deadline_column
from rollout.model.machine import DRAINING, terminal
from rollout.model.record import Record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection, Row

    from rollout.journal.chain import Page
    from rollout.model.accepted import Accepted
    from rollout.model.plan import Node
    from rollout.model.steering import Force


def _untold(forces: Mapping[str, Force], nodes: Mapping[str, Node]) -> tuple[Force, ...]:
    """Return who asked that a node goes now, where its row does not say so yet; one that is gone, or stays, is over."""
    rows = ((one, nodes.get(one.instance_id)) for one in forces.values())
    return tuple(one for one, row in rows if row and row.forced_at is None and not terminal(row.stage))


class RecordCache:
    """What was read of one rollout, and which of it has been written since. `journal`: how messages call the database.

    A cache that is read once is the plain way to read a record.
    """

    def __init__(self, journal: str) -> None:
        self._journal = journal
        self.forget()

    def forget(self) -> None:
        """Read everything at the next time."""
        self._rollout_id = ""
        self._seq = 0
        self._nodes: dict[str, Node] = {}
        self._accepted: tuple[int, frozenset[Accepted]] | None = None
        self._touched_effects: set[str] = set()
        self._touched_nodes: set[str] = set()

    def wrote(self, page: Page) -> None:
        """Note what a transaction wrote, once it is committed."""
        if page.rollout_id != self._rollout_id or page.began != self._seq or page.touched_all:
            self.forget()
            return
        self._seq = page.seq
        self._touched_effects |= page.effects
        self._touched_nodes |= page.nodes

    def record(self, connection: Connection, row: Row[Any]) -> Record:
        """Return the record of the rollout in `row`; `UserError` (exit 77) if its version is not readable."""
        versions.require(row.id, row.journal_version, row.begun_by)
        if (self._rollout_id, self._seq) != (row.id, row.last_seq):
            self.forget()
            self._effects = EffectIndex(row.journal_version)
            self._effects.read(connection, row.id, None)
            self._nodes = node_rows.read(connection, row.id, None)
            self._rollout_id, self._seq = row.id, row.last_seq
        else:
            self._effects.read(connection, row.id, sorted(self._touched_effects))
            self._nodes |= node_rows.read(connection, row.id, sorted(self._touched_nodes))
        self._touched_effects, self._touched_nodes = set(), set()
        effects, asked = self._effects, requests.read(connection, row.id)
        fixed = getattr(row, deadline_column(row.direction))
        extension = asked.extension(row.direction, fixed)
        return Record(
            id=row.id,
            key=row.caller_key,
            plan=plan_of(row.plan, row.journal_version),
            phase=row.phase,
            since=row.since,
            deadline=row.deadline,
            drain_deadline=extension.until if extension else fixed,
            halted=row.halted,
            resume_count=row.round,
            nodes=tuple(self._nodes.values()),
            unsettled=effects.unsettled,
            done=effects.done,
            written=effects.written,
            late=effects.late,
            left=effects.left if row.phase in DRAINING else (),
            journal=self._journal,
            autoscaler_off=effects.autoscaler_off,
            abort=asked.abort if row.direction == "forward" else None,
            extension=extension,
            pause=asked.pause,
            untold=asked.untold(row.paused_at),
            skips=asked.skips,
            forces=_untold(asked.forces, self._nodes),
            asked=asked.count,
            accepted=self._agreed(connection, row),
        )

    def _agreed(self, connection: Connection, row: Row[Any]) -> frozenset[Accepted]:
        """Return what people agreed to by resuming: that grows with a resume only."""
        if self._accepted is None or self._accepted[0] != row.round:
            agreed = reading.accepted(connection, row.id, halted=row.halted is not None)
            self._accepted = row.round, agreed
        return self._accepted[1]
