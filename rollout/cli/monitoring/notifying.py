"""Messages about a rollout: each at most once, and none keeps the rollout waiting.

Before a message is sent, an event of kind `notified` claims it. It is written under the lease like all others, so of
two processes only one can claim a message, and the history has it. A process that dies in between has sent nothing:
a message may be lost, and never comes twice.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from queue import Full, Queue
from threading import Thread
from typing import TYPE_CHECKING

from rollout.cli import screen, why
from rollout.cli.monitoring import messages
from rollout.cli.monitoring.services import Service, services
from rollout.errors import UserError

if TYPE_CHECKING:
    from rollout.cli.monitoring.messages import Message
    from rollout.config import Notify, Occasion
    from rollout.journal import SqlJournal
    from rollout.model.record import Record

#: Kind of the event that claims a message.
CLAIM = "notified"
#: Messages that wait for a service; what comes on top is not sent.
_WAITING = 8
#: Seconds that the end of a run waits for messages, in all; who was told to stop has less.
_AT_END, _IN_A_HURRY = 5.0, 2.0
_DEADLINES = ("drain_deadline", "abort_deadline")


class Sender:
    """Sends messages to one service from a thread of its own, which keeps no process alive."""

    def __init__(self, service: Service) -> None:
        self.name = service.name
        self.failed: deque[str] = deque()
        self._service = service
        self._queue: Queue[Message | None] = Queue(_WAITING)
        self._thread = Thread(target=self._work, name="notify", daemon=True)
        self._thread.start()

    def send(self, message: Message | None) -> None:
        """Have a message sent; None: there will be no more."""
        try:
            self._queue.put_nowait(message)
        except Full:
            self.failed.append("the service is too slow")

    def ended(self, seconds: float) -> bool:
        """Wait so long for the last message; tell whether all are done with."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _work(self) -> None:
        while message := self._queue.get():
            try:
                taken = self._service.send(message.title, message.body, message.kind)
            except Exception as error:  # noqa: BLE001  what a service's code raises; its text may quote the URL
                self.failed.append(type(error).__name__)
            else:
                if not taken:
                    self.failed.append("the service did not take it, or did not answer")


class Notifier:
    """What was told of one rollout, and what is to be told."""

    def __init__(
        self, settings: Notify, journal: SqlJournal, rollout_id: str, now: Callable[[], datetime], senders: list[Sender]
    ) -> None:
        self._wanted = frozenset(settings.events)
        self._journal = journal
        self._rollout_id = rollout_id
        self._now = now
        self._senders = senders
        self._due: deque[tuple[Occasion, int]] = deque()
        self._read = 0
        self._claimed: set[str] = set()
        self._deadline_set = 1
        self._waits: dict[str, str | None] = {}
        self._warned: set[str] = set()

    def look(self, record: Record) -> None:
        """Tell what is new since the last look."""
        now = self._now()
        self._read_on(now)
        if messages.at_risk(record, self._waits, now):
            self._due.append(("jobs-at-risk", self._deadline_set))
        for _ in range(len(self._due)):  # what a look does not come to is left to the next one
            about, number = self._due.popleft()
            if about == "halt" and record.halted is None:
                # Told once the record has it, at the end of a run: the setting on_not_ready may answer it before that.
                self._due.append((about, number))
            elif about in self._wanted and self._claims(about, number, now):
                message = messages.message(about, self._journal.load(self._rollout_id), self._journal, now)
                for sender in self._senders:
                    sender.send(message)
        self.warn()

    def _read_on(self, now: datetime) -> None:
        events = self._journal.events(self._rollout_id, after=self._read)
        self._waits |= why.waits(events)
        for event in events:
            self._read = event.seq
            if event.kind == CLAIM:
                self._claimed.add(event.text)
            elif event.kind == "resumed":  # the halt before it stands no more
                self._due = deque(one for one in self._due if one[0] != "halt")
            elif any(name in event.data for name in _DEADLINES):
                self._deadline_set = event.seq
            about = messages.occasion(event)
            if about and now - event.at < messages.FRESH:
                self._due.append((about, event.seq))

    def _claims(self, about: Occasion, number: int, now: datetime) -> bool:
        claim = f"a message is sent: {about}, for event {number}"
        if claim in self._claimed:
            return False
        self._claimed.add(claim)  # if nobody says whether it was written, it is not tried again
        self._journal.note(self._rollout_id, CLAIM, claim, now)
        return True

    def warn(self) -> None:
        """Say of each service once that it did not take a message."""
        for sender in self._senders:
            while sender.failed:
                problem = sender.failed.popleft()
                if sender.name not in self._warned:
                    self._warned.add(sender.name)
                    screen.say(
                        f"warning: a message was not sent to {sender.name}: {problem}; the rollout goes on", err=True
                    )


@contextmanager
def notified(
    settings: Notify,
    journal: SqlJournal,
    rollout_id: str,
    now: Callable[[], datetime],
    hurried: Callable[[], bool],
) -> Iterator[Callable[[Record], None]]:
    """Yield what tells of a record; at the end of the block what is on its way gets a few seconds.

    `hurried`: whether somebody told this process to stop. A rollout that runs goes on without messages, with a warning.
    """
    try:
        senders = [Sender(service) for service in services(settings)]
    except UserError as error:
        screen.say(f"warning: no messages are sent: {error.problem}; the rollout goes on", err=True)
        senders = []
    notifier = Notifier(settings, journal, rollout_id, now, senders)
    try:
        yield notifier.look if senders else lambda _: None
    finally:
        _finish(senders, hurried)
        notifier.warn()


def _finish(senders: list[Sender], hurried: Callable[[], bool]) -> None:
    """Wait for what is on its way, for a few seconds in all."""
    for sender in senders:
        sender.send(None)
    began, waiting = time.monotonic(), list(senders)
    while waiting and time.monotonic() - began < (_IN_A_HURRY if hurried() else _AT_END):
        waiting = [sender for sender in waiting if not sender.ended(0.05)]
    for sender in waiting:
        sender.failed.append("this process ended before the service answered")
