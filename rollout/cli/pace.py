"""How fast earlier rollouts of a cluster were: the journal tells it for the forecast of the next one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rollout.model.machine import Phase
from rollout.preflight.forecast import Took

if TYPE_CHECKING:
    from rollout.ports import Event, Journal

#: Rollouts that are looked at, the newest: what was long ago tells less.
_LAST = 3


def earlier(journal: Journal, cluster: str) -> tuple[Took, ...]:
    """Return how long the last rollouts took to begin and to restore, those that were done without a halt."""
    done = [one for one in journal.summaries() if one.cluster == cluster and one.phase is Phase.DONE]
    return tuple(took for one in done[:_LAST] for took in _took(journal.events(one.id)))


def _took(events: Sequence[Event]) -> Iterator[Took]:
    entered = {event.data["to"]: event.at for event in events if event.kind == "phase"}
    drain, restore, done = (entered.get(phase.value) for phase in (Phase.DRAIN, Phase.RESTORE, Phase.DONE))
    if drain and restore and done and not any(event.kind == "halted" for event in events):
        yield Took((drain - events[0].at).total_seconds(), (done - restore).total_seconds())
