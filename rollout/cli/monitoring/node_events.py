"""Events of Kubernetes on the nodes that must go: what each waits for, that it drains, and halts. Never in the way.

A thread of its own sends them. It rests on the history alone: each line of it makes the same Event, of the same name,
in any process. One that is lost is not sent again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from queue import Full, Queue
from threading import Thread
from typing import TYPE_CHECKING

from rollout.cli.monitoring.messages import FRESH
from rollout.cli.monitoring.warning import warn
from rollout.model.machine import Stage, terminal
from rollout.ports import NodeEvent

if TYPE_CHECKING:
    from rollout.journal import SqlJournal
    from rollout.model.plan import Node
    from rollout.model.record import Record
    from rollout.ports import Event

Write = Callable[[NodeEvent], None]

#: Events that wait to be sent; what comes on top is not sent.
_WAITING = 500
#: Seconds that the end of a run waits for them.
_AT_END = 2.0
#: What a node's stage is called in an Event, and what it means.
_STAGES = {
    Stage.DRAINING.value: ("Draining", "is drained"),
    Stage.RELEASED.value: ("Drained", "is empty: its instance is terminated next"),
}


class Sender:
    """Sends Events from a thread of its own, which keeps no process alive; what goes wrong is kept for a warning."""

    def __init__(self, write: Write) -> None:
        self.failed: Exception | None = None
        self._write = write
        self._queue: Queue[NodeEvent | None] = Queue(_WAITING)
        self._thread = Thread(target=self._work, name="node-events", daemon=True)
        self._thread.start()

    def send(self, event: NodeEvent | None) -> None:
        """Have an Event sent; None: there will be no more."""
        try:
            self._queue.put_nowait(event)
        except Full as full:
            self.failed = full

    def end(self) -> None:
        """Wait for what is on its way, for a moment."""
        self.send(None)
        self._thread.join(_AT_END)

    def _work(self) -> None:
        while event := self._queue.get():
            try:
                self._write(event)
            except Exception as error:  # noqa: BLE001  a rollout goes on without them
                self.failed = error


class Teller:
    """What was told of one rollout's nodes, and what is to be told."""

    def __init__(self, journal: SqlJournal, rollout_id: str, now: Callable[[], datetime], sender: Sender) -> None:
        self._journal = journal
        self._rollout_id = rollout_id
        self._now = now
        self._sender = sender
        self._read = 0
        self._reasons: dict[str, str] = {}
        self._warned = False

    def look(self, record: Record) -> None:
        """Tell what is new since the last look. What is old was told by the process before, or by none."""
        now = self._now()
        for event in self._journal.events(self._rollout_id, after=self._read):
            self._read = event.seq
            for told in self._told(event, record):
                if now - event.at < FRESH:
                    self._sender.send(told)
        if self._sender.failed and not self._warned:
            self._warned = True
            warn("an Event on a node is not written", self._sender.failed)

    def _told(self, event: Event, record: Record) -> Iterator[NodeEvent]:
        rows = {row.instance_id: row for row in record.nodes}
        data, instance = event.data, str(event.data.get("instance", ""))
        row, words = rows.get(instance), ("", "")
        match event.kind:
            case "wait":
                reason = str(data.get("reason") or "")
                if reason and reason != self._reasons.get(instance):
                    words = reason, f"waits for {data['waits_for']}"
                self._reasons[instance] = reason
            case "node":
                words = _STAGES.get(str(data.get("to")), words)
            case "halted":
                for one in record.nodes:
                    if not terminal(one.stage):
                        yield from self._made(event, one, str(data["reason"]), f"halted: {data['why']}", warns=True)
        if row and words[0]:
            yield from self._made(event, row, *words)

    def _made(self, event: Event, row: Node, reason: str, what: str, *, warns: bool = False) -> Iterator[NodeEvent]:
        if row.name and row.uid:
            name = f"{self._rollout_id}.{event.seq}.{row.instance_id}"
            yield NodeEvent(name, row.name, row.uid, reason, f"rollout {self._rollout_id}: {what}", event.at, warns)


@contextmanager
def written(
    write: Write, journal: SqlJournal, rollout_id: str, now: Callable[[], datetime]
) -> Iterator[Callable[[Record], None]]:
    """Yield what tells of a record; at the end of the block what is on its way gets a moment."""
    sender = Sender(write)
    try:
        yield Teller(journal, rollout_id, now, sender).look
    finally:
        sender.end()
