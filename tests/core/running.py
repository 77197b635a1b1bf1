"""How the runner's tests begin, start again, disturb and look at a rollout."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from rollout.engine.runner import Ended, Progress, Runner
from rollout.engine.send import call
from rollout.errors import Refused, Unknown
from rollout.journal import SqlJournal
from rollout.model.effects import Terminate
from rollout.model.machine import Phase, terminal
from rollout.model.observation import GroupSeen
from tests.core.build import ID, NOW, found, new, record
from tests.core.toy import Asked, Toy

Apply = Callable[[], None]

#: The group as it was found, with new instances.
RESTORED = found(new("n1", protected=False), new("n2", protected=False))


def begin(journal: SqlJournal, toy: Toy, **changes: Any) -> Runner:
    """Begin a rollout; `changes`: fields of its plan and settings. The toy takes one call at a time."""
    journal.begin(ID, None, record(Phase.PLANNED, **{"parallel": 1, **changes}).plan, NOW)
    return again(journal, toy)


def again(journal: SqlJournal, toy: Toy, **named: Any) -> Runner:
    """What another process would start: nothing is taken over but the journal."""
    return Runner(journal=journal, kubernetes=toy, autoscaling=toy, clock=toy, rollout_id=ID, **named)


def ticks(journal: SqlJournal, toy: Toy, count: int, **named: Any) -> Ended:
    """Run for so many ticks, then be asked to stop."""
    runner = again(journal, toy, **named)
    for _ in range(count):
        there = journal.load(ID)
        if there.halted or terminal(there.phase):
            break
        runner._tick(there)
    runner.stop = lambda: True
    return runner.run()


def texts(journal: SqlJournal, kind: str) -> list[str]:
    """The history's lines of one kind."""
    return [event.text for event in journal.events(ID) if event.kind == kind]


def attempts(journal: SqlJournal) -> list[tuple[str, str | None]]:
    """Outcome and request id of every request that was sent, in order."""
    with journal.database.reading() as connection:
        rows = connection.exec_driver_sql("SELECT outcome, request_id FROM attempts ORDER BY id").all()
    return [(row[0], row[1]) for row in rows]


# ---- a rollout that nothing disturbs --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Moment:
    """What stood in the journal and in the world when a call arrived.

    `intended`: the calls for which an intent was committed; `terminates`: how many of those of the group were open.
    """

    asked: Asked
    intended: list[Asked]
    terminates: int
    group: GroupSeen
    nodes: int
    pods: frozenset[str | None]


@dataclass
class Ran:
    """A rollout that nothing disturbed, to be looked at from all sides."""

    journal: SqlJournal
    toy: Toy = field(default_factory=Toy.in_use)
    ended: Ended | None = None
    told: list[Progress] = field(default_factory=list)
    moments: list[Moment] = field(default_factory=list)

    def run(self) -> Ran:
        """Run it to its end."""
        self.toy.disturb = self._watch
        begin(self.journal, self.toy)
        self.ended = again(self.journal, self.toy, report=self.told.append).run()
        return self

    def _watch(self, asked: Asked, apply: Apply) -> None:
        rows = [row for row in self.journal.load(ID).unsettled if row.state == "intended"]
        names = Named()
        for row in rows:
            call(row.effect, names, names)  # type: ignore[arg-type]  # it answers to every verb
        self.moments.append(
            Moment(
                asked=asked,
                intended=names.asked,
                terminates=sum(isinstance(row.effect, Terminate) for row in rows),
                group=self.toy.group_["g"],
                nodes=len(self.toy.node_),
                pods=frozenset(pod.node for pod in self.toy.pods() if not pod.finished),
            )
        )
        apply()


class Named:
    """Names the call that an effect stands for."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []

    def __getattr__(self, verb: str) -> Callable[..., None]:
        """Every verb of both ports, as the toy notes it."""

        def note(*arguments: object, **named: object) -> None:
            self.asked.append((verb, Toy.noted(*arguments, *named.values())))

        return note


# ---- one that is disturbed ------------------------------------------------------------------------------------------


class Killed(BaseException):
    """The process is gone: nothing of it runs any more."""


class Once:
    """Strikes every call once, or `only` one, before or after it came to pass."""

    def __init__(self, error: BaseException, *, after: bool, only: Asked | None = None) -> None:
        self.error, self.after, self.only = error, after, only
        self.struck: set[Asked] = set()
        self.dead = False

    def __call__(self, asked: Asked, apply: Apply) -> None:
        """Take the place of a call."""
        if self.dead:
            raise self.error
        if asked in self.struck or self.only not in {None, asked}:
            apply()
            return
        self.struck.add(asked)
        if self.after:
            apply()
        self.dead = isinstance(self.error, Killed)
        raise self.error


class Delayed:
    """Loses every call (of one verb) once, and lets the request arrive so many seconds later."""

    def __init__(self, toy: Toy, seconds: float, verb: str = "") -> None:
        self.toy, self.seconds, self.verb = toy, seconds, verb
        self.struck: set[Asked] = set()

    def __call__(self, asked: Asked, apply: Apply) -> None:
        """Take the place of a call."""
        if asked in self.struck or self.verb not in {"", asked[0]}:
            apply()
            return
        self.struck.add(asked)
        there = self.toy.resource(asked)

        def arrive() -> None:
            if self.toy.resource(asked) == there:  # else: 409, something newer was written
                with suppress(Refused):
                    apply()

        self.toy.coming.append((self.toy.now_ + timedelta(seconds=self.seconds), arrive))
        raise Unknown("timed out")


def to_the_end(journal: SqlJournal, toy: Toy, disturb: Once) -> Ended:
    """Run, and start again whenever the process was killed."""
    toy.disturb = disturb
    for _ in range(200):
        try:
            return again(journal, toy).run()
        except Killed:
            disturb.dead = False
    raise AssertionError("it never ends")
