"""The log of applied changes: what really happened to the world, and who brought it about.

Only changes are written, not calls: a request that alters nothing leaves no line. The promises are judged by this log
alone, and two runs are the same if their logs are.
"""

from __future__ import annotations

import copy
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from eks_simulator.clock import VirtualClock


@dataclass(frozen=True, slots=True)
class Change:
    """One field of one object, altered; `before` and `after` are JSON values.

    `request` is the number of the request that did it, 0 where the world did it by itself.
    """

    seq: int
    at: float
    actor: str
    verb: str
    request: int
    object: str
    field: str
    before: Any
    after: Any

    def as_json(self) -> dict[str, Any]:
        """Return the change as the control listener shows it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Acting:
    """Who makes a change: the actor, its verb, and the number of the request, 0 where there was none."""

    actor: str
    verb: str
    request: int


WORLD = Acting("world", "", 0)

# A context variable and not a field of the log: requests overlap on the loop, each in a task of its own, and a timer
# that a request has booked runs in the task that moves the clock.
_acting: ContextVar[Acting] = ContextVar("acting", default=WORLD)


def who() -> Acting:
    """Return who makes the changes that are made here and now."""
    return _acting.get()


class ChangeLog:
    """All changes so far, in order."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._observers: list[Callable[[Change], None]] = []
        self.changes: list[Change] = []

    def applied(self, object: str, field: str, before: Any, after: Any) -> None:  # noqa: A002 - the contract's word
        """Write down a change that has just been made; equal values are no change."""
        if before == after:
            return
        acting = who()
        change = Change(
            seq=len(self.changes) + 1,
            at=self._clock.now,
            actor=acting.actor,
            verb=acting.verb,
            request=acting.request,
            object=object,
            field=field,
            before=copy.deepcopy(before),
            after=copy.deepcopy(after),
        )
        self.changes.append(change)
        for observer in self._observers:
            observer(change)

    @contextmanager
    def acting(self, actor: str, verb: str, request: int) -> Iterator[None]:
        """Say who makes the changes inside the block; outside of any block it is `world`."""
        token = _acting.set(Acting(actor, verb, request))
        try:
            yield
        finally:
            _acting.reset(token)

    def subscribe(self, observer: Callable[[Change], None]) -> None:
        """Have `observer` called with each change, at once, after the state was changed."""
        self._observers.append(observer)
