"""The virtual clock runs what is due, in order, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from eks_simulator.clock import VirtualClock, iso

START = 1000.0


@given(st.lists(st.integers(min_value=0, max_value=20), max_size=30))
def test_actions_run_in_order_of_time_then_of_booking(delays: list[int]) -> None:
    """What is booked runs sorted by time, equal times in the order of booking."""
    clock = VirtualClock(START)
    ran: list[tuple[int, int]] = []
    for index, delay in enumerate(delays):
        clock.after(delay, lambda delay=delay, index=index: ran.append((delay, index)))  # type: ignore[misc]
    clock.run_until(START + 100)
    assert ran == sorted((delay, index) for index, delay in enumerate(delays))


def test_an_action_sees_its_own_moment_as_now() -> None:
    """While an action runs, now is the moment it was booked for; afterwards, the end of the run."""
    clock = VirtualClock(START)
    seen: list[float] = []
    clock.after(7, lambda: seen.append(clock.now))
    clock.run_until(START + 10)
    assert (seen, clock.now) == ([START + 7], START + 10)


def test_what_an_action_books_runs_in_the_same_go_if_due() -> None:
    """A chain of bookings runs to the end of the run and no further."""
    clock = VirtualClock(START)
    seen: list[float] = []

    def again() -> None:
        seen.append(clock.now - START)
        clock.after(3, again)

    clock.after(3, again)
    clock.run_until(START + 10)
    assert seen == [3, 6, 9]


def test_a_stop_leaves_the_clock_at_the_action_that_caused_it() -> None:
    """A run that is stopped early stands at that action's time, and the next run goes on from there."""
    clock = VirtualClock(START)
    seen: list[int] = []
    for second in (1, 2, 3):
        clock.after(second, lambda second=second: seen.append(second))  # type: ignore[misc]
    clock.run_until(START + 10, stop=lambda: 2 in seen)
    assert (seen, clock.now) == ([1, 2], START + 2)
    clock.run_until(START + 10)
    assert seen == [1, 2, 3]


def test_time_never_runs_backwards() -> None:
    """A run to the past moves nothing, and a booking in the past runs as soon as time does."""
    clock = VirtualClock(START)
    seen: list[float] = []
    clock.run_until(START - 5)
    clock.at(START - 5, lambda: seen.append(clock.now))
    clock.run_until(START)
    assert (seen, clock.now) == ([START], START)


def test_a_cancelled_timer_does_nothing() -> None:
    """Cancelling wins until the action has run, and harms nothing afterwards."""
    clock = VirtualClock(START)
    seen: list[str] = []
    kept = clock.after(1, lambda: seen.append("kept"))
    clock.after(1, lambda: seen.append("cancelled")).cancel()
    clock.run_until(START + 2)
    kept.cancel()
    assert (seen, kept.pending) == (["kept"], False)


def test_iso_is_utc_in_whole_seconds() -> None:
    """Moments are written as Kubernetes and AWS write them."""
    assert iso(datetime(2026, 1, 5, 8, 0, 0, 700_000, tzinfo=UTC).timestamp()) == "2026-01-05T08:00:00Z"
