"""When Auto Scaling looks at a group: a few seconds after anything has changed, so that one look may meet several."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eks_simulator.seeded import seconds

if TYPE_CHECKING:
    from collections.abc import Callable

    from eks_simulator.clock import VirtualClock
    from eks_simulator.cloud.model import Group

#: Seconds between a change and the look at it.
LOOKS_AFTER = (1.0, 4.0)


def _nobody(group: Group) -> None:
    """Look at no group."""


class Looks:
    """Books the next look at each group; `look` is the reconciler's."""

    def __init__(self, clock: VirtualClock, seed: int) -> None:
        self._clock = clock
        self._seed = seed
        self.look: Callable[[Group], None] = _nobody

    def wake(self, group: Group, within: tuple[float, float] = LOOKS_AFTER) -> None:
        """Have the group looked at soon, once; an earlier booking stands, a later one is moved forward."""
        delay = seconds(self._seed, *within, "look", group.name, group.rounds)
        if group.booked and group.booked.pending:
            if group.booked.when <= self._clock.now + delay:
                return
            group.booked.cancel()
        group.booked = self._clock.after(delay, lambda: self.look(group))
