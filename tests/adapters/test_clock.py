"""Both clocks: a wait ends at its moment, or when somebody wakes it; no wake-up is lost."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

import pytest

from rollout.adapters import clock as clocks
from rollout.adapters.clock import SimulatedClock, SystemClock
from rollout.errors import UserError
from tests.adapters.living import RUN, Living, living

FAR = timedelta(days=1)


@pytest.fixture
def wall() -> Iterator[SystemClock]:
    clock = SystemClock()
    yield clock
    clock.close()


@pytest.fixture
def simulated(running: Living) -> Iterator[SimulatedClock]:
    clock = SimulatedClock(running.endpoints.control, RUN, "/j.db")
    yield clock
    clock.close()


def ring(clock: SystemClock | SimulatedClock, number: int = signal.SIGUSR1) -> None:
    """Have a signal handler wake the clock, soon."""
    signal.signal(number, lambda *_: clock.wake())
    threading.Timer(0.05, os.kill, (os.getpid(), number)).start()


# ---- the wall's


def test_the_wall_clock_is_in_utc(wall: SystemClock) -> None:
    """Aware, and now."""
    assert abs(wall.now() - datetime.now(UTC)) < timedelta(seconds=1)
    assert wall.now().tzinfo is UTC


@pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="only Linux has a clock that counts suspends")
def test_the_time_of_a_suspended_machine_counts(wall: SystemClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """After an hour in which the machine slept it is an hour later, and trust in a lease is an hour older."""
    before, (uptime, _) = wall.now(), wall.readings()
    read = time.clock_gettime
    slept = {time.CLOCK_BOOTTIME: 3600.0}
    monkeypatch.setattr("time.clock_gettime", lambda clock: read(clock) + slept.get(clock, 0.0))
    assert timedelta(hours=1) <= wall.now() - before < timedelta(hours=1, minutes=1)
    assert 3600 <= wall.readings()[0] - uptime < 3660


@pytest.mark.parametrize("hours", [1, -1])
def test_a_wall_clock_that_is_set_moves_no_deadline(
    wall: SystemClock, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    """No matter who sets it, and in which direction: from the start on only the uptime counts."""
    before = wall.now()

    class Jumped(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Jumped:
            return cls.fromtimestamp(time.time() + hours * 3600, tz)

    monkeypatch.setattr(clocks, "datetime", Jumped)
    assert timedelta(0) <= wall.now() - before < timedelta(minutes=1)


def test_a_wait_ends_at_its_moment(wall: SystemClock) -> None:
    """Not before; a moment that has passed is no wait at all."""
    until = wall.now() + timedelta(milliseconds=20)
    wall.wait(until)
    assert wall.now() >= until
    wall.wait(wall.now() - FAR)


def test_who_asks_for_something_ends_a_wait(wall: SystemClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first look is after the shortest wait, and each later one within five seconds."""
    monkeypatch.setattr(clocks, "_MIN_WAIT", 0.001)
    monkeypatch.setattr(clocks, "_PIECE", 0.001)
    answers = iter([False, False, True])
    wall.wait(wall.now() + FAR, lambda: next(answers))
    assert next(answers, None) is None


def test_a_wake_up_before_the_wait_is_not_lost(wall: SystemClock) -> None:
    """The wait that follows ends at once, and only that one."""
    wall.wake()
    wall.wait(wall.now() + FAR)
    until = wall.now() + timedelta(milliseconds=5)
    wall.wait(until)
    assert wall.now() >= until


def test_a_signal_handler_ends_the_wait(wall: SystemClock) -> None:
    """A signal that arrives in the middle of a wait ends it."""
    ring(wall)
    wall.wait(wall.now() + FAR)


def test_news_end_a_wait_after_the_shortest_wait(wall: SystemClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """News from the watches end a wait, but not in its first moments: a busy cluster brings news all the time."""
    monkeypatch.setattr(clocks, "_MIN_WAIT", 0.03)
    for _ in range(10_000):
        wall.news()
    began = time.monotonic()
    wall.wait(wall.now() + FAR)
    assert time.monotonic() - began >= 0.03


def test_a_signal_is_heard_through_any_amount_of_news(wall: SystemClock) -> None:
    """News never stand in a signal's way, the shortest wait does not delay it."""
    for _ in range(10_000):
        wall.news()
    wall.wake()
    began = time.monotonic()
    wall.wait(wall.now() + FAR)
    assert time.monotonic() - began < 60


def test_news_end_no_pause(wall: SystemClock) -> None:
    """A pause lasts until its time: news from the watches does not end it, a signal does."""
    wall.news()
    until = wall.now() + timedelta(milliseconds=20)
    wall.pause(until)
    assert wall.now() >= until
    ring(wall)
    wall.pause(wall.now() + FAR)


def test_a_closed_clock_can_still_be_woken(wall: SystemClock) -> None:
    """A signal that comes after the end does no harm."""
    wall.close()
    wall.wake()
    wall.news()


# ---- the simulator's


def test_simulated_time_moves_exactly_to_the_moment(simulated: SimulatedClock) -> None:
    """Between waits it stands still."""
    began = simulated.now()
    simulated.wait(began + timedelta(seconds=10))
    assert simulated.now() == began + timedelta(seconds=10)
    assert simulated.now() == simulated.now()


def test_the_time_is_read_as_it_is_without_a_question(simulated: SimulatedClock, world: Living) -> None:
    """What others' requests cost shows at once."""
    began = simulated.now()
    world.pass_by(1.5)
    assert simulated.now() == began + timedelta(seconds=1.5)
    assert world.simulator.world.clock.now == simulated.now().timestamp()


def test_a_signal_ends_a_simulated_wait(simulated: SimulatedClock, world: Living) -> None:
    """Also while simulated time stands still, because another client does not sleep."""
    other = SimulatedClock(world.endpoints.control, "another", "/j.db")
    ring(simulated)
    simulated.wait(simulated.now() + FAR)
    other.close()
    began = simulated.now()
    simulated.wait(began + timedelta(seconds=1))
    assert simulated.now() == began + timedelta(seconds=1)


def test_what_moves_in_the_world_ends_no_simulated_pause(simulated: SimulatedClock, world: Living) -> None:
    """A pause lasts to its moment, also where an event on a watch of this client would end a wait; a signal ends it."""
    world.do(lambda: world.simulator.sessions.on_event(RUN))
    until = simulated.now() + timedelta(seconds=10)
    simulated.pause(until)
    assert simulated.now() == until
    simulated.wake()
    simulated.pause(until + FAR)
    assert simulated.now() == until


def test_a_wake_up_before_a_simulated_wait_is_not_lost(simulated: SimulatedClock) -> None:
    """The wait ends at once, and time has not moved."""
    began = simulated.now()
    simulated.wake()
    simulated.wait(began + FAR)
    assert simulated.now() == began


def test_the_session_lasts_as_long_as_the_clock(world: Living) -> None:
    """While it is open time waits for this client, afterwards it does not."""
    clock = SimulatedClock(world.endpoints.control, "passing", "/j.db")
    assert "passing" in world.do(lambda: world.simulator.sessions.registered)
    clock.close()
    end = time.monotonic() + 60
    while "passing" in world.do(lambda: world.simulator.sessions.registered):
        assert time.monotonic() < end


def test_a_simulator_that_has_ended_is_named(tmp_path: Path) -> None:
    """A command that waits for it says that its world is gone, and which journal with it: no resume helps (exit 75)."""
    with living(tmp_path) as simulator:
        clock = SimulatedClock(simulator.endpoints.control, RUN, "/j.db")
        url = simulator.endpoints.control
    for ask in (clock.bookmark, lambda: clock.wait(datetime.now(UTC))):
        with pytest.raises(UserError, match=url) as caught:
            ask()
        assert caught.value.exit_code == 75
        assert "delete the journal (/j.db)" in str(caught.value.hint)
        assert "resume" not in str(caught.value.hint)
    clock.close()
    with pytest.raises(UserError, match=url):
        SimulatedClock(url, RUN, "/j.db")


def test_a_connection_that_was_closed_while_idle_is_opened_again(simulated: SimulatedClock) -> None:
    """The simulator may drop an idle connection at any time."""
    before = simulated.bookmark()
    simulated._asking._connection.sock.close()
    assert simulated.bookmark() > before
