"""How long this process has been told no, thing by thing: an answer of a moment is not a fact, and no wait is for ever.

Nothing of it is in the journal: a new process has new connections and credentials, and asks with new patience.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

#: For how long nothing comes through before a process gives up: it ends as one that can be gone on with.
OUTAGE = timedelta(hours=1)
#: A thing that was not asked for in so long is another matter when it is asked for once more.
_FORGOTTEN = timedelta(minutes=10)


@dataclass
class Noes:
    """Since when a no has been the answer, by the key of what was asked; several threads may tell of different keys."""

    _heard: dict[str, tuple[datetime, datetime]] = field(default_factory=dict)

    def lasts(self, key: str, now: datetime) -> timedelta:
        """Note one more no; return for how long it has been the answer."""
        first, last = self._heard.get(key, (now, now))
        if now > last + _FORGOTTEN:
            first = now
        self._heard[key] = first, now
        return now - first

    def end(self, key: str) -> None:
        """Another answer came."""
        self._heard.pop(key, None)
