"""Time moves only while all registered clients sleep, and no event is slept over."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from eks_simulator.clock import VirtualClock
from eks_simulator.sessions import NotRegisteredError, Sessions

if TYPE_CHECKING:
    from collections.abc import Coroutine


async def settle() -> None:
    """Let everything run that can run."""
    for _ in range(20):
        await asyncio.sleep(0)


def asleep(work: Coroutine[None, None, None]) -> asyncio.Task[None]:
    """Start a sleep."""
    return asyncio.get_running_loop().create_task(work)


def test_a_sleep_moves_time_to_its_end() -> None:
    """One client alone has time run to exactly the moment that it asks for."""

    async def scene() -> float:
        clock = VirtualClock(0.0)
        sessions = Sessions(clock)
        with sessions.session("a"):
            await sessions.sleep("a", 15.0)
        return clock.now

    assert asyncio.run(scene()) == 15.0


def test_time_stands_still_without_a_sleeper() -> None:
    """A registered client that is busy holds time, however long it takes."""

    async def scene() -> float:
        clock = VirtualClock(0.0)
        clock.after(1, lambda: pytest.fail("time moved"))
        sessions = Sessions(clock)
        with sessions.session("a"):
            await settle()
        return clock.now

    assert asyncio.run(scene()) == 0.0


def test_a_client_must_register_before_it_sleeps() -> None:
    """A sleep without a session is refused, naming what to do."""

    async def scene() -> None:
        await Sessions(VirtualClock(0.0)).sleep("a", 15.0)

    with pytest.raises(NotRegisteredError, match=r"GET /session\?client=a"):
        asyncio.run(scene())


def test_time_moves_to_the_earliest_wake_up_once_all_sleep() -> None:
    """With two clients time waits for both, and then ends the shorter sleep only."""

    async def scene() -> tuple[float, float, bool]:
        clock = VirtualClock(0.0)
        sessions = Sessions(clock)
        with sessions.session("a"), sessions.session("b"):
            long = asleep(sessions.sleep("a", 60.0))
            await settle()
            alone = clock.now
            await sessions.sleep("b", 10.0)
            both, done = clock.now, long.done()
        await long
        return alone, both, done

    assert asyncio.run(scene()) == (0.0, 10.0, False)


def test_a_client_that_dies_no_longer_holds_time() -> None:
    """When the busy one of two clients goes, the other's sleep ends."""

    async def scene() -> float:
        clock = VirtualClock(0.0)
        sessions = Sessions(clock)
        with sessions.session("a"):
            with sessions.session("b"):
                sleeper = asleep(sessions.sleep("a", 60.0))
                await settle()
                assert clock.now == 0.0
            await sleeper
        return clock.now

    assert asyncio.run(scene()) == 60.0


def test_a_client_that_dies_asleep_stops_time() -> None:
    """With the last session gone, what it slept for does not happen."""

    async def scene() -> float:
        clock = VirtualClock(0.0)
        sessions = Sessions(clock)
        with sessions.holding("b"), sessions.session("a"):
            sleeper = asleep(sessions.sleep("a", 60.0))
            await settle()
        await sleeper
        return clock.now

    assert asyncio.run(scene()) == 0.0


def test_an_event_ends_the_sleep_at_its_moment() -> None:
    """A sleep ends where the first event on the client's own watches happens."""

    async def scene() -> float:
        clock = VirtualClock(0.0)
        sessions = Sessions(clock)
        clock.after(3, lambda: sessions.on_event("b"))
        clock.after(5, lambda: sessions.on_event("a"))
        with sessions.session("a"):
            await sessions.sleep("a", 15.0)
        return clock.now

    assert asyncio.run(scene()) == 5.0


def test_an_event_that_came_while_busy_is_not_slept_over() -> None:
    """News ends the next sleep at once, unless the client was told in between."""

    async def scene() -> list[float]:
        clock = VirtualClock(0.0)
        sessions = Sessions(clock)
        times = []
        with sessions.session("a"):
            sessions.on_event("a")
            await sessions.sleep("a", 15.0)
            times.append(clock.now)
            sessions.told("a")
            await sessions.sleep("a", 15.0)
            times.append(clock.now)
        return times

    assert asyncio.run(scene()) == [0.0, 15.0]


def test_time_that_a_request_costs_ends_sleeps_too() -> None:
    """Another's request may carry the clock past a sleeper's moment: it wakes."""

    async def scene() -> float:
        clock = VirtualClock(0.0)
        sessions = Sessions(clock)
        with sessions.session("a"), sessions.session("b"):
            sleeper = asleep(sessions.sleep("a", 2.0))
            await settle()
            sessions.spend(3.0)
            await sleeper
        return clock.now

    assert asyncio.run(scene()) == 3.0


def test_what_is_held_stands_still() -> None:
    """While something holds time a sleep does not end; it goes on when released."""

    async def scene() -> tuple[float, float]:
        clock = VirtualClock(0.0)
        sessions = Sessions(clock)
        with sessions.session("a"):
            with sessions.holding("b"):
                sleeper = asleep(sessions.sleep("a", 15.0))
                await settle()
                before = clock.now
            await sleeper
        return before, clock.now

    assert asyncio.run(scene()) == (0.0, 15.0)


def test_time_passes_without_a_client_that_is_absent() -> None:
    """It may be awake or in the middle of a sleep: the other's longer sleep ends at its own moment."""

    async def scene() -> list[float]:
        clock = VirtualClock(0.0)
        sessions = Sessions(clock)
        moments = []
        with sessions.session("a"), sessions.session("stopped"):
            sessions.leave("stopped")
            await sessions.sleep("a", 60.0)
            moments.append(clock.now)
            stopped = asleep(sessions.sleep("stopped", 70.0))
            await settle()
            sessions.leave("stopped")
            await sessions.sleep("a", 600.0)
            moments.append(clock.now)
            await stopped
        return moments

    assert asyncio.run(scene()) == [60.0, 600.0]


def test_time_waits_again_for_an_absent_client_that_speaks() -> None:
    """From its next question on it holds time as ever; the list of clients says what each is doing."""

    async def scene() -> tuple[dict[str, object], float]:
        clock = VirtualClock(0.0)
        sessions = Sessions(clock)
        with sessions.session("a"), sessions.session("back"):
            sessions.leave("back")
            sessions.speaks("back")
            sleeper = asleep(sessions.sleep("a", 60.0))
            await settle()
            states, moment = sessions.states(), clock.now
        await sleeper
        return dict(states), moment

    states = {"a": {"asleep_until": 60.0, "absent": False}, "back": {"asleep_until": None, "absent": False}}
    assert asyncio.run(scene()) == (states, 0.0)


def test_nothing_moves_when_all_are_absent() -> None:
    """There is nobody left whose sleep could end."""

    async def scene() -> float:
        clock = VirtualClock(0.0)
        sessions = Sessions(clock)
        with sessions.session("a"):
            sleeper = asleep(sessions.sleep("a", 60.0))
            await asyncio.sleep(0)
            sessions.leave("a")
            await settle()
            moment = clock.now
        await sleeper
        return moment

    assert asyncio.run(scene()) == 0.0


def test_an_error_in_the_world_reaches_the_sleeper() -> None:
    """A world that breaks fails the sleep loudly; nobody waits for ever."""

    def breaks() -> None:
        raise IndexError

    async def scene() -> None:
        clock = VirtualClock(0.0)
        sessions = Sessions(clock)
        clock.after(1, breaks)
        with sessions.session("a"):
            await sessions.sleep("a", 15.0)

    with pytest.raises(IndexError):
        asyncio.run(scene())


def test_a_long_run_leaves_room_for_others() -> None:
    """The loop gets a turn in the middle of a sleep in which very much happens."""

    async def scene() -> bool:
        clock = VirtualClock(0.0)
        sessions = Sessions(clock)
        for _ in range(2000):
            clock.after(1, lambda: None)
        with sessions.session("a"):
            sleeper = asleep(sessions.sleep("a", 15.0))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            turn = not sleeper.done()
            await sleeper
        return turn

    assert asyncio.run(scene())


def test_two_hours_of_sleeps_take_no_real_time() -> None:
    """480 sleeps of 15 s are far below a second of real time."""

    async def scene() -> float:
        clock = VirtualClock(0.0)
        sessions = Sessions(clock)
        with sessions.session("a"):
            for _ in range(480):
                await sessions.sleep("a", clock.now + 15)
        return clock.now

    began = time.perf_counter()
    assert asyncio.run(scene()) == 7200
    assert time.perf_counter() - began < 60


def test_the_pacer_spreads_a_sleep_over_real_time() -> None:
    """At a pace of 1000 a sleep of 20 s takes at least 20 ms."""

    async def scene() -> None:
        clock = VirtualClock(0.0)
        sessions = Sessions(clock, pace=1000)
        with sessions.session("a"):
            await sessions.sleep("a", 20.0)

    began = time.perf_counter()
    asyncio.run(scene())
    assert time.perf_counter() - began >= 0.02
