"""Whether a rollout comes to its end before its maintenance window closes, by the forecast. Pure."""

from __future__ import annotations

from datetime import datetime

from rollout.errors import Blocker
from rollout.model.plan import Settings, duration, spelled
from rollout.model.reasons import Reason
from rollout.model.windows import open_until, opens
from rollout.preflight.forecast import Forecast


def too_long(told: Forecast, settings: Settings, now: datetime) -> Blocker | None:
    """Say by how much it ends too late in one play of ten; None where it fits, or is always open."""
    begins = opens(settings.windows, now)
    closes = open_until(settings.windows, begins)
    ends = begins + duration(told.seconds.p90)
    if closes is None or ends <= closes:
        return None
    late = spelled((ends - closes).total_seconds() // 60 * 60 + 60)
    return Blocker(
        f"a rollout that begins at {begins:%Y-%m-%dT%H:%M:%SZ} ends at {ends:%Y-%m-%dT%H:%M:%SZ} (p90; it takes "
        f"{spelled(told.seconds.p90 // 60 * 60)}), {late} after its maintenance window closes "
        f"({closes:%Y-%m-%dT%H:%M:%SZ}): cluster-autoscaler and extra instances would then stay as they are until the "
        f"next window",
        "begin earlier in a window, or lengthen `windows`; a shorter `deadlines.drain`, a larger `drain.max_draining` "
        "or fewer `groups` make it shorter (`rollout start` does not ask the forecast, and only warns)",
        Reason.WINDOW_MAY_CLOSE,
    )
