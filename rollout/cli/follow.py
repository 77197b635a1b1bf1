"""Another process works our rollout: it is watched until the rollout ends under it, or until its lease does.

Nothing is written, and a halt that it ran into is its operator's to see: the process that followed does not clear it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from rollout.cli import screen
from rollout.engine.runner import Ended, Progress
from rollout.errors import RESUMABLE, UserError
from rollout.model.machine import terminal

if TYPE_CHECKING:
    from rollout.journal.lease_acquire import LeaseHeld
    from rollout.ports import Journal


class Following:
    """What is known of a rollout while somebody else works it; `report`: a spectator's."""

    def __init__(self, journal: Journal, rollout_id: str, report: Callable[[Progress], None]) -> None:
        self._journal = journal
        self._report = report
        self._first = journal.load(rollout_id)
        self._who = ""

    def look(self, taken: LeaseHeld) -> Ended | None:
        """Show who works it, once, and what is new; return how it ended under them, None while it goes on."""
        if taken.who != self._who:
            self._who = taken.who
            for line in _words(self._first.id, taken):
                screen.say(line)
        self._report(Progress(self._journal.load(self._first.id), f"run by {taken.who}"))
        return self._ended()

    def over(self) -> Ended | None:
        """The lease is ours: return how the rollout ended before that, None if it is to be gone on with."""
        ended = self._ended()
        if self._who and ended is None:
            screen.say(f"{self._who} no longer holds the lease; this process continues the rollout")
        return ended

    def left(self) -> UserError:
        """Return the error (exit 75) for a follower that was asked to stop while the other process still works."""
        return UserError(
            f"stopped following; rollout {self._first.id} is still running under {self._who}",
            hint=f"rollout events --follow {self._first.id}",
            exit_code=RESUMABLE,
        )

    def _ended(self) -> Ended | None:
        record = self._journal.load(self._first.id)
        if terminal(record.phase):
            return Ended.at(record.phase)
        # One that was halted when we came is being resumed by the process that runs it, or will be by us.
        before = (self._first.halted, self._first.resume_count)
        return Ended.HALTED if record.halted and (record.halted, record.resume_count) != before else None


def _words(rollout_id: str, taken: LeaseHeld) -> Iterator[str]:
    """Yield who works a rollout, and how to get past them."""
    yield f"rollout {rollout_id} is being run by {taken.who}; it is followed from here"
    yield f"  {taken.hint}"
    if taken.expires_at:
        yield "  if that process is certainly dead, --assume-dead skips the takeover delay for its last requests"
