"""The account as it was some seconds ago: what AWS shows to a reader before a change has reached all of it.

A copy is kept of the account after each change, for as long as somebody may be shown it. EC2 and Auto Scaling are
eventually consistent (EC2 API reference, "Ensuring eventual consistency"); for how long is documented nowhere.
"""

from __future__ import annotations

import copy
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from eks_simulator.cloud.cloud import Cloud
    from eks_simulator.log import Change, ChangeLog


class Past:
    """Copies of one account, which nobody may change; none is made before `keep` is called."""

    def __init__(self, cloud: Cloud, log: ChangeLog) -> None:
        self._cloud = cloud
        self._clock = cloud.clock
        self._age = 0.0
        self._copies: deque[tuple[float, Cloud]] = deque()
        self._changed = False
        log.subscribe(self._on_change)

    def keep(self, age: float) -> None:
        """From now on, be able to show the account as it was `age` seconds ago."""
        self._age = max(self._age, age)
        self._take()

    def seen(self, age: float) -> Cloud:
        """Return the account as it was `age` seconds ago, or when `keep` was first called; for reading only."""
        moment = self._clock.now - age
        known = [one for when, one in self._copies if when <= moment]
        return known[-1] if known else self._copies[0][1]

    def _on_change(self, change: Change) -> None:
        del change
        if self._age and not self._changed:
            # When the whole change is done: a request changes field after field.
            self._changed = True
            self._clock.after(0, self._take)

    def _take(self) -> None:
        self._changed = False
        self._copies.append((self._clock.now, _copied(self._cloud)))
        while len(self._copies) > 1 and self._copies[1][0] <= self._clock.now - self._age:
            self._copies.popleft()


def _copied(cloud: Cloud) -> Cloud:
    """Return the account with copies of all that can change; clock, log and what acts by itself are shared."""
    memo: dict[int, object] = {id(one): one for one in (cloud.clock, cloud.log)}
    shown = copy.copy(cloud)
    shown.images, shown.snapshots = dict(cloud.images), dict(cloud.snapshots)
    shown.shelf, shown.keys = cloud.shelf.copied(shown), cloud.keys.copied()
    shown.groups = copy.deepcopy(cloud.groups, memo)
    shown.instances = copy.deepcopy(cloud.instances, memo)
    shown.templates = copy.deepcopy(cloud.templates, memo)
    shown.activities = copy.deepcopy(cloud.activities, memo)
    return shown
