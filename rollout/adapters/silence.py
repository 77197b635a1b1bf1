"""For how long nothing was heard of an API server: neither an answer nor an event of a watch.

Between two looks nobody may ask it anything. That it was away in between must be known all the same, before anything is
ended by what it says: after an outage it says for some seconds what is not so.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Silence:
    """The silence of one API server, in seconds by the clock `now`. Watches tell of what they hear in their threads."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._last = now()
        self._longest = 0.0

    def heard(self) -> None:
        """Take note of a sign of life."""
        with self._lock:
            now = self._now()
            self._longest = max(self._longest, now - self._last)
            self._last = now

    @property
    def lasts(self) -> float:
        """For how long nothing has been heard by now."""
        with self._lock:
            return self._now() - self._last

    def longest(self) -> float:
        """Return the longest silence since this was asked last, the one that lasts included."""
        with self._lock:
            longest = max(self._longest, self._now() - self._last)
            self._longest = 0.0
            return longest
