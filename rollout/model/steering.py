"""What people ask a rollout for in mid-run: that it stands still, and goes on; that a node stays, or goes now.

All frozen; times are aware UTC datetimes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Pause:
    """What somebody asked for: that nothing is changed until a person resumes the rollout."""

    at: datetime
    by: str
    reason: str = ""

    @property
    def label(self) -> str:
        """By whom and why, in words."""
        return f"by {self.by}" + (f": {self.reason}" if self.reason else "")


@dataclass(frozen=True, slots=True)
class Lift:
    """What somebody asked for: that a paused rollout goes on.

    `kill_now`: it was said that Jobs may be ended though the drain deadline passed while it was paused.
    """

    at: datetime
    by: str
    kill_now: bool = False


@dataclass(frozen=True, slots=True)
class Skip:
    """What somebody asked for: that a node which must go stays."""

    instance_id: str
    at: datetime
    by: str
    reason: str = ""

    @property
    def label(self) -> str:
        """By whom and why, in words."""
        return self.by + (f": {self.reason}" if self.reason else "")


@dataclass(frozen=True, slots=True)
class Force(Skip):
    """What somebody asked for: that a node goes now, with its Jobs."""
