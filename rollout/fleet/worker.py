"""A worker: it claims members of a fleet and runs `rollout start` for each, as a child process, until all is over.

Any number of workers run, on any hosts. One of them holds the fleet's lease and takes the fleet's steps. A worker that
dies leaves claims that end a minute later; another one runs the same command then, which goes on where the member's
rollout stands. So nothing here is ever undone, and a member that two workers run is run once.
"""

from __future__ import annotations

import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from rollout.commands import rollout
from rollout.errors import DONE, RESUMABLE, Lost
from rollout.fence import Fence, Readings
from rollout.fleet import store
from rollout.fleet.model import Fixed, Fleet, Member, key
from rollout.fleet.store import Hand
from rollout.journal import SqlJournal, lease_acquire
from rollout.journal.chain import Author
from rollout.journal.lease_acquire import LeaseHeld
from rollout.journal.lease_row import Holder, Time
from rollout.journal.lease_session import LeaseSession
from rollout.journal.trouble import Trouble

if TYPE_CHECKING:
    from sqlalchemy import Connection

#: Seconds between two looks at the fleet: a request is obeyed, and a claim kept, at least as often.
TICK = 5.0
#: How many of a child's last lines are kept: they say why it ended.
_LINES = 6

T = TypeVar("T")


class Clock(Protocol):
    """How a worker waits, and by which clocks it trusts its lease."""

    def now(self) -> datetime:
        """Return the time."""

    def readings(self) -> Readings:
        """Return the seconds of clocks that never go back."""

    def pause(self, until: datetime) -> None:
        """Return at that time, or earlier after `wake`."""

    def wake(self) -> None:
        """End a pause, from any thread and any signal handler."""


class Child:
    """One `rollout start` that runs; its lines are told with the member's name before them."""

    def __init__(
        self, member: str, command: Sequence[str], say: Callable[[str], None], wake: Callable[[], None]
    ) -> None:
        self.member = member
        self.code: int | None = None
        self._stopped = False
        self._lines: deque[str] = deque(maxlen=_LINES)
        self._process = subprocess.Popen(  # noqa: S603  our own command line
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        threading.Thread(target=self._read, args=(say, wake), daemon=True).start()

    def _read(self, say: Callable[[str], None], wake: Callable[[], None]) -> None:
        with self._process:
            for line in self._process.stdout or ():
                self._lines.append(line.rstrip())
                say(f"{self.member}  {line.rstrip()}")
        self.code = self._process.returncode
        wake()

    def said(self) -> str:
        """Return its last words."""
        return "; ".join(line.strip() for line in self._lines if line.strip())

    def stop(self) -> None:
        """Ask it to stop, once: it ends within seconds, and undoes nothing."""
        if not self._stopped:
            self._stopped = True
            self._process.terminate()


@dataclass
class Worker:
    """One process's work on a fleet. `program`: how `rollout` is started; `folder`: where members' files lie.

    `stopping`: whether somebody asked us to stop; `say`: prints a line; `time`: what claims and the lease go by.
    """

    journal: SqlJournal
    fleet_id: str
    folder: Path
    slots: int
    holder: Holder
    actor: str
    program: Sequence[str]
    clock: Clock
    stopping: Callable[[], bool]
    say: Callable[[str], None]
    time: Time
    _children: dict[str, Child] = field(default_factory=dict)
    _lease: LeaseSession | None = None
    _leading: ExitStack = field(default_factory=ExitStack)

    def run(self) -> int:
        """Work until the fleet is over (exit 0), or somebody asks us to stop (exit 75)."""
        try:
            while not self.stopping():
                self._lead()
                self._take_in()
                self._keep()
                self._fill()
                fleet = self._written(self._load)
                if fleet.state.over and not self._children:
                    self._over(fleet)
                    return DONE
                self._wait()
            return self._leave()
        except Trouble:
            if not self.stopping():
                raise
            return self._leave()
        finally:
            self._follow()
            for child in self._children.values():
                child.stop()

    def _over(self, fleet: Fleet) -> None:
        """Say how the fleet ended, and which members' rollouts still need a person."""
        self.say(f"fleet {fleet.id} is over: {fleet.state}")
        for one in self._written(self._members):
            if one.left:
                look = rollout("status", "--config", str((self.folder / one.fixed.config).absolute()), one.rollout_id)
                self.say(f"{one.name}: rollout {one.rollout_id} is unfinished\n  next: {look}")

    @property
    def _hand(self) -> Hand:
        name = f"{self.holder.host}/{self.holder.pid}/{self.holder.run_id}"
        return Hand(self.fleet_id, name, self.actor, self.time)

    def _load(self, connection: Connection) -> Fleet:
        return store.load(connection, self.fleet_id, self.time)[0]

    def _members(self, connection: Connection) -> tuple[Member, ...]:
        return store.load(connection, self.fleet_id, self.time)[1]

    def _wait(self) -> None:
        if all(child.code is None for child in self._children.values()):
            self.clock.pause(self.clock.now() + timedelta(seconds=TICK))

    # ---- the fleet's steps: by one worker at a time -----------------------------------------------------------------

    def _lead(self) -> None:
        """Take the steps that the fleet takes now, if nobody else does."""
        try:
            lease = self._held()
            step = partial(store.step, fleet_id=self.fleet_id, author=Author(self.actor, lease.epoch), time=self.time)
            while event := lease.write(step):
                self.say(event.text)
                if event.kind in {"wave-ended", "over"}:
                    self.say(f"  head {event.hash}")
        except LeaseHeld:
            return
        except Lost:
            self.say("another worker takes the fleet's steps now")
            self._follow()
        except Trouble as trouble:  # the journal is away: runs of members wait for it by themselves
            self.say(trouble.problem)

    def _held(self) -> LeaseSession:
        if self._lease is None:
            fence, scope = Fence(self.clock.readings), f"fleet/{self.fleet_id}"
            leading = lease_acquire.acquire(
                self.journal, scope, self.holder, self.clock.now, fence, lambda: False, self.time
            )
            self._lease = self._leading.enter_context(leading)
        return self._lease

    def _follow(self) -> None:
        """Leave the fleet's steps to others."""
        self._lease = None
        leading, self._leading = self._leading, ExitStack()
        leading.close()

    # ---- members ----------------------------------------------------------------------------------------------------

    def _take_in(self) -> None:
        """Tell how runs ended, and end their claims."""
        for name, child in list(self._children.items()):
            if child.code is not None:
                self._written(partial(self._hand.end, name=name, code=child.code, said=child.said()))
                del self._children[name]

    def _keep(self) -> None:
        """Keep our claims; a run whose claim another worker has taken is left to that one."""
        if self._children:
            kept = self._written(partial(self._hand.renew, names=list(self._children)))
            for name in self._children.keys() - kept:
                self._children[name].stop()

    def _fill(self) -> None:
        """Run members for which we have a slot."""
        while len(self._children) < self.slots and not self.stopping():
            name = self._written(self._hand.claim)
            if name is None:
                return
            if name in self._children:  # our own, whose claim had ended while the journal was away
                continue
            fixed = self._written(partial(self._hand.begin, name=name))
            if fixed is None:  # it may not begin any more, and its claim would be given once more
                return
            command = [*self.program, *to_start(self.fleet_id, fixed, self.folder)]
            self._children[name] = Child(name, command, self.say, self.clock.wake)

    def _leave(self) -> int:
        """Ask our runs to stop, wait for them, and end our claims: others may go on at once."""
        names = list(self._children)
        for child in self._children.values():
            child.stop()
        while any(child.code is None for child in self._children.values()):
            self.clock.pause(self.clock.now() + timedelta(seconds=TICK))
        # Those that came to an end of their own are told; the others stand where they are.
        left = {RESUMABLE, -signal.SIGTERM}
        self._children = {name: child for name, child in self._children.items() if child.code not in left}
        with suppress(Trouble):  # claims end by themselves
            self._take_in()
            self._written(partial(self._hand.release, names=names))
        self.say(f"interrupted; nothing is lost, and fleet {self.fleet_id} stands as it is")
        return RESUMABLE

    def _written(self, work: Callable[[Connection], T]) -> T:
        """Do one transaction's work; a journal that is away is waited for, and each work may be done again."""
        while True:
            try:
                with self.journal.database.writing() as connection:
                    return work(connection)
            except Trouble as trouble:
                if trouble.exit_code != RESUMABLE or self.stopping():
                    raise
                if news := self.journal.database.news():
                    self.say(f"waiting for the journal: {news}")
                self.clock.pause(self.clock.now() + timedelta(seconds=TICK))


def to_start(fleet_id: str, fixed: Fixed, folder: Path) -> list[str]:
    """Return the words by which a member's rollout is begun, and gone on with."""
    config = str((folder / fixed.config).absolute())
    return ["start", "--config", config, "--ami", fixed.ami, "--key", key(fleet_id, fixed.name)]
