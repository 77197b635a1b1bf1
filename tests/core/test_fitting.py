"""A plan is refused whose rollout would end after its maintenance window, by the forecast."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rollout.model.reasons import Reason
from rollout.model.windows import window
from rollout.preflight.fitting import too_long
from rollout.preflight.forecast import Forecast, Spread
from tests.core.build import NOW, SETTINGS

#: NOW is a Sunday, 12:00 UTC.
OPENED, CLOSED, ALWAYS = "Sun 11:00-14:00 UTC", "Sun 13:00-14:00 UTC", "Mon-Sun 00:00-24:00 UTC"


def refused(seconds: float, *windows: str) -> str:
    """Why a rollout whose p90 is that long does not fit; "" where it does."""
    hours = Spread(0.0, 0.0, 0.0)
    told = Forecast(Spread(1.0, 2.0, seconds), hours, None, (), 0.0, {})
    blocker = too_long(told, replace(SETTINGS, windows=tuple(map(window, windows))), NOW)
    if blocker is None:
        return ""
    assert blocker.reason is Reason.WINDOW_MAY_CLOSE
    assert "lengthen `windows`" in blocker.hint
    return blocker.problem


@pytest.mark.parametrize(
    ("seconds", "windows"),
    [(1e6, ()), (1e6, (ALWAYS,)), (7200.0, (OPENED,)), (3600.0, (CLOSED,)), (7200.0, (CLOSED, "Sun 14:00-15:00 UTC"))],
)
def test_what_fits_is_not_refused(seconds: float, windows: tuple[str, ...]) -> None:
    """It ends in its window, or there is none that closes; a closed one counts from when it opens."""
    assert refused(seconds, *windows) == ""


def test_what_does_not_fit_is_refused_with_the_figures() -> None:
    """When it begins and ends, how long it takes, and by how much it is late."""
    told = refused(9000.0, OPENED)
    assert told.startswith(
        "a rollout that begins at 2025-06-01T12:00:00Z ends at 2025-06-01T14:30:00Z (p90; it takes 2h30m), 31m after "
        "its maintenance window closes (2025-06-01T14:00:00Z): "
    )
    assert "begins at 2025-06-01T13:00:00Z ends at 2025-06-01T14:00:01Z (p90; it takes 1h), 1m" in refused(
        3601.0, CLOSED
    )
