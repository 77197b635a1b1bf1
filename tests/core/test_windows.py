"""Outside of the maintenance windows nothing is begun, no further node is drained, and no Job is ended."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rollout.engine.runner import Ended
from rollout.engine.tick import decide_tick
from rollout.journal import SqlJournal
from rollout.model.decision import Act, Advance, Decision, Halt, Wait
from rollout.model.effects import Evict
from rollout.model.machine import Phase, Stage
from rollout.model.observation import MarkerSeen, PodSeen
from rollout.model.reasons import Reason
from rollout.model.record import Abort, Record
from rollout.model.windows import (
    NEVER,
    NOTICE,
    Window,
    may_end,
    may_end_from,
    open_until,
    opens,
    window,
    within,
)
from rollout.stages import decide
from rollout.stages.node_view import NodeView
from tests.core.build import ID, MARKER, NOW, at, found, looked, node, owned, pod, record, seen, unsettled
from tests.core.running import Apply, again, begin, texts
from tests.core.toy import Asked, Toy

NIGHTS = "Mon-Thu 22:00-06:00 Europe/Berlin"


def instant(text: str) -> datetime:
    """A moment in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def some(*texts: str) -> tuple[Window, ...]:
    """Windows as the settings have them."""
    return tuple(map(window, texts))


# ---- what a window is -----------------------------------------------------------------------------------------------

# fmt: off
#: Windows, a moment, until when they are open then (None: closed), and when they are open for the next time.
OPEN = [
    pytest.param((), "2025-06-02T12:00", NEVER, None, id="none"),
    pytest.param((NIGHTS,), "2025-06-02T19:59:59", None, "2025-06-02T20:00", id="a second before it opens"),
    pytest.param((NIGHTS,), "2025-06-02T20:00", "2025-06-03T04:00", None, id="opens"),
    pytest.param((NIGHTS,), "2025-06-03T03:59:59", "2025-06-03T04:00", None, id="past midnight"),
    pytest.param((NIGHTS,), "2025-06-03T04:00", None, "2025-06-03T20:00", id="closes"),
    pytest.param((NIGHTS,), "2025-06-06T03:00", "2025-06-06T04:00", None, id="begun on the last day"),
    pytest.param((NIGHTS,), "2025-06-06T04:00", None, "2025-06-09T20:00", id="over the weekend"),
    pytest.param((NIGHTS,), "2025-12-01T20:30", None, "2025-12-01T21:00", id="in winter"),
    pytest.param(("Mon,Wed 10:00-12:00 UTC",), "2025-06-02T12:00", None, "2025-06-04T10:00", id="single days"),
    pytest.param(("Sat-Mon 10:00-12:00 UTC",), "2025-06-01T10:00", "2025-06-01T12:00", None, id="over Sunday"),
    pytest.param(("Mon 22:00-24:00 UTC",), "2025-06-02T23:59", "2025-06-03T00:00", None, id="until midnight"),
    pytest.param(("Mon 22:00-24:00 UTC", "Tue 00:00-02:00 UTC"), "2025-06-02T23:00", "2025-06-03T02:00", None,
                 id="two that meet"),
    pytest.param(("Mon 10:00-14:00 UTC", "Mon 11:00-12:00 UTC"), "2025-06-02T11:30", "2025-06-02T14:00", None,
                 id="one in another"),
    pytest.param(("Mon 10:00-12:00 UTC", "Mon 10:00-12:00 America/New_York"), "2025-06-02T12:00", None,
                 "2025-06-02T14:00", id="in two places"),
    pytest.param(("Mon-Sun 00:00-24:00 Europe/Berlin",), "2025-06-02T12:00", NEVER, None, id="all week"),
    # Clocks go forward on 30 March 2025: 02:00 is 03:00, 01:00 UTC. They go back on 26 October: 03:00 is 02:00 again.
    pytest.param(("Sat 22:00-06:00 Europe/Berlin",), "2025-03-29T21:00", "2025-03-30T04:00", None,
                 id="an hour shorter in spring"),
    pytest.param(("Sun 02:30-06:00 Europe/Berlin",), "2025-03-30T01:00", None, "2025-03-30T01:30",
                 id="it begins when no clock shows"),
    pytest.param(("Sun 02:00-03:00 Europe/Berlin",), "2025-03-30T00:30", None, "2025-04-06T00:00",
                 id="left out in spring"),
    pytest.param(("Sun 02:00-03:00 Europe/Berlin",), "2025-03-24T00:00", None, "2025-04-06T00:00",
                 id="left out in spring, seen from two weeks before"),
    pytest.param(("Sat 22:00-06:00 Europe/Berlin",), "2025-10-25T20:00", "2025-10-26T05:00", None,
                 id="an hour longer in autumn"),
    pytest.param(("Sun 02:30-04:00 Europe/Berlin",), "2025-10-26T00:29", None, "2025-10-26T00:30",
                 id="it begins the first time that clocks show it"),
    pytest.param(("Sat 22:00-02:30 Europe/Berlin",), "2025-10-26T00:00", "2025-10-26T00:30", None,
                 id="it ends the first time that clocks show it"),
]
# fmt: on


@pytest.mark.parametrize(("texts", "now", "until", "then"), OPEN)
def test_open(texts: tuple[str, ...], now: str, until: str | datetime | None, then: str | None) -> None:
    """By the clocks of its place, summer and winter, past midnight; windows that meet are one."""
    windows, moment = some(*texts), instant(now)
    assert open_until(windows, moment) == (instant(until) if isinstance(until, str) else until)
    assert opens(windows, moment) == (instant(then) if then else moment)


# fmt: off
ENDS = [
    pytest.param("2025-06-02T12:00", "2025-06-02T20:15", id="outside"),
    pytest.param("2025-06-02T20:05", "2025-06-02T20:15", id="within the notice"),
    pytest.param("2025-06-02T20:15", "2025-06-02T20:15", id="after the notice"),
    pytest.param("2025-06-03T03:59", "2025-06-03T03:59", id="to the end"),
    pytest.param("2025-06-03T04:00", "2025-06-03T20:15", id="in the next one"),
]
# fmt: on


@pytest.mark.parametrize(("now", "first"), ENDS)
def test_jobs_have_notice(now: str, first: str) -> None:
    """They are ended in a window only, once it has been open for 15 minutes."""
    assert may_end_from(some(NIGHTS), instant(now)) == instant(first)
    assert may_end(some(NIGHTS), instant(now)) is (now == first)


def test_without_windows_jobs_may_be_ended_at_any_time() -> None:
    """There is no notice where nothing opens."""
    assert may_end_from((), NOW) == NOW
    assert within((), NOW, NOTICE) == NOW + NOTICE


def test_a_window_that_clocks_made_too_short_ends_no_job() -> None:
    """On 30 March 2025 ten minutes are left of it: no Job has 15 minutes' notice."""
    windows = some("Sun 01:50-03:00 Europe/Berlin")
    assert open_until(windows, instant("2025-03-30T00:55")) == instant("2025-03-30T01:00")
    assert may_end_from(windows, instant("2025-03-30T00:50")) == instant("2025-04-06T00:05")


def test_a_time_that_ends_outside_begins_again() -> None:
    """Budgets have all of it in the next window."""
    windows, quarter = some(NIGHTS), timedelta(minutes=15)
    assert within(windows, instant("2025-06-03T03:00"), quarter) == instant("2025-06-03T03:15")
    assert within(windows, instant("2025-06-03T03:50"), quarter) == instant("2025-06-03T20:30")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is not days, times and a time zone"),
        ("22:00-06:00 UTC", "is not days, times and a time zone"),
        ("Mon 22:00-06:00", "is not days, times and a time zone"),
        ("mon 22:00-06:00 UTC", '; "mon" is not days'),
        ("Mon 22:00-25:00 UTC", '; "22:00-25:00" is not times'),
        ("Mon 24:00-06:00 UTC", "is not days, times and a time zone"),
        ("Mon  22:00-06:00 UTC", "is not days, times and a time zone"),
        ("Mon 22:00-06:00 UTC\n", '; "UTC\n" is not a time zone'),
        ("Mon,Mon-Tue 22:00-06:00 UTC", "names a day twice"),
        ("Mon 06:00-06:00 UTC", "write 00:00-24:00"),
        ("Mon 06:00-06:29 UTC", "is shorter than 30 minutes"),
        ("Mon 22:00-06:00 Europe/Berlim", '"Europe/Berlim" is no time zone'),
        ("Mon 22:00-06:00 Europe", '"Europe" is no time zone'),
        ("Mon 22:00-06:00 Europe//Berlin", '"Europe//Berlin" is no time zone'),
    ],
)
def test_what_is_no_window(text: str, said: str) -> None:
    """It is refused with what to write."""
    with pytest.raises(ValueError, match=said):
        window(text)


@pytest.mark.parametrize(
    ("text", "days", "minutes"),
    [
        (NIGHTS, "Mon,Tue,Wed,Thu 22:00-06:00 Europe/Berlin", 480),
        ("Fri-Mon 00:00-24:00 UTC", "Mon,Fri,Sat,Sun 00:00-24:00 UTC", 1440),
        ("Wed 06:00-06:30 UTC", "Wed 06:00-06:30 UTC", 30),
    ],
)
def test_a_window_is_told_as_it_is_written(text: str, days: str, minutes: int) -> None:
    """What is told is a window of the same meaning."""
    assert str(window(text)) == days
    assert window(days) == window(text)
    assert window(text).minutes == minutes


# ---- decisions ------------------------------------------------------------------------------------------------------

#: NOW is a Sunday, 14:00 in Berlin.
CLOSED, OPENED = some("Sun 15:00-17:00 Europe/Berlin"), some("Sun 13:00-17:00 Europe/Berlin")
WAITS = "a maintenance window, which opens at 2025-06-01T13:00:00Z"


def planned(**changes: Any) -> Record:
    """A rollout that is planned."""
    return record(Phase.PLANNED, **changes)


def told(decision: Decision) -> tuple[type, Reason | None]:
    """Which kind of answer it is, and for which reason."""
    return type(decision), getattr(decision, "reason", None)


# fmt: off
BEGIN = [
    pytest.param(CLOSED, None, (Wait, Reason.WINDOW_CLOSED), id="closed"),
    pytest.param(CLOSED, "ours", (Wait, Reason.WINDOW_CLOSED), id="closed since it was marked"),
    pytest.param(CLOSED, "r2", (Halt, Reason.FOREIGN_MARKER), id="somebody else's, while it is closed"),
    pytest.param(OPENED, None, (Act, None), id="open"),
    pytest.param(OPENED, "ours", (Advance, None), id="marked"),
    pytest.param((), "ours", (Advance, None), id="without windows"),
]
# fmt: on


@pytest.mark.parametrize(("windows", "marked", "answer"), BEGIN)
def test_nothing_is_begun_outside(windows: tuple[Window, ...], marked: str | None, answer: object) -> None:
    """It waits before anything in the cluster is changed, and says until when; another's marker halts at once."""
    there: MarkerSeen | None = None
    if marked:
        there = MARKER if marked == "ours" else replace(MARKER, rollout_id=marked)
    decided = decide_tick(seen(found(), marker=there), planned(windows=windows), NOW).decision
    assert told(decided) == answer
    assert not isinstance(decided, Wait) or decided.why == WAITS


WEB = pod("web-1", owner=owned("ReplicaSet", "web"))
PAST: dict[str, Any] = {"drain_deadline": at(-3600)}


def answered(view: NodeView) -> tuple[str | None, list[str], Reason | None]:
    """What a node's stage leads to: its trigger, the kinds of its effects, and why it waits."""
    step = decide(view)
    return step.trigger, [effect.kind for effect in step.effects], step.reason


# fmt: off
STAGES = [
    pytest.param(Stage.WAITING, CLOSED, (), (None, [], Reason.WINDOW_CLOSED), id="no node begins to drain"),
    pytest.param(Stage.WAITING, OPENED, (), ("drain", [], None), id="open: it begins"),
    pytest.param(Stage.WAITING, CLOSED, (pod(),), (None, [], Reason.JOBS_RUNNING), id="its Job is named first"),
    pytest.param(Stage.WAITING, OPENED, (pod(),), ("drain", [], None), id="open, and the deadline is past"),
    pytest.param(Stage.DRAINING, CLOSED, (pod(),), ("back", [], None), id="no Job is ended"),
    pytest.param(Stage.DRAINING, OPENED, (pod(),), (None, ["evict"], Reason.PODS_LEAVING), id="open: it is ended"),
    pytest.param(Stage.DRAINING, CLOSED, (WEB,), (None, ["evict"], Reason.PODS_LEAVING), id="what drains goes on"),
    pytest.param(Stage.DRAINING, CLOSED, (), ("release", [], None), id="to its end"),
    pytest.param(Stage.RELEASED, CLOSED, (), (None, ["protect"], Reason.EFFECT_PENDING), id="and to the next one"),
]
# fmt: on


@pytest.mark.parametrize(("stage", "windows", "pods", "answer"), STAGES)
def test_a_node_outside(
    stage: Stage, windows: tuple[Window, ...], pods: tuple[PodSeen, ...], answer: tuple[str | None, list[str], Reason]
) -> None:
    """Nothing is begun and no Job ended, also past the deadline; what has begun to drain goes on where none is lost."""
    cordoned = node("o1", "NoSchedule", unschedulable=stage is not Stage.WAITING)
    assert answered(looked(stage, cordoned, *pods, windows=windows, **PAST)) == answer


def test_a_node_says_until_when_it_waits() -> None:
    """`rollout status` and the live page have it from there."""
    assert decide(looked(Stage.WAITING, node("o1", "NoSchedule"), windows=CLOSED)).waits_for == WAITS


@pytest.mark.parametrize("windows", [CLOSED, OPENED])
def test_past_a_budget_nothing_is_deleted_outside(windows: tuple[Window, ...]) -> None:
    """With `on_blocked: force` neither; nor does it halt there for what a budget blocks."""
    late: dict[str, Any] = {"drain_deadline": at(-7200), "deadline": at(-3600), "windows": windows}
    eviction = Evict(namespace="ns", name="web-1", uid="uid-web-1", node="o1", occasion="0")
    no = unsettled(eviction, "blocked", blocked_since=at(-300), intended=at(-30), tried=at(-300), retry_at=at(-1))
    closed = node("o1", "NoSchedule", unschedulable=True)
    forced = looked(Stage.DRAINING, closed, WEB, unsettled=(no,), on_blocked="force", **late)
    halting = looked(Stage.DRAINING, closed, WEB, unsettled=(no,), on_blocked="halt", **late)
    is_open = windows == OPENED
    assert [effect.kind for effect in decide(forced).effects] == ["delete-pod" if is_open else "evict"]
    assert (decide(halting).halt is not None) is is_open


def test_budgets_have_their_time_in_a_window() -> None:
    """The blocked deadline that would pass outside begins again in the next one."""
    it = record(drain_deadline=at(7000), blocked_seconds=900, windows=some("Sun,Mon 13:00-16:00 Europe/Berlin"))
    assert it.drain_deadline == instant("2025-06-01T13:56:40")
    assert it.blocked_deadline(it.nodes[0]) == instant("2025-06-02T11:30")


# ---- whole rollouts -------------------------------------------------------------------------------------------------

#: From 12:30 to 13:30 UTC on Sunday, which NOW is, and on Monday.
SHORT = some("Sun,Mon 14:30-15:30 Europe/Berlin")
OPENS, CLOSES = instant("2025-06-01T12:30"), instant("2025-06-01T13:30")
NEXT = OPENS + timedelta(days=1)
#: In a world in which nobody's lease is to be renewed, looks may be rare.
RARE: dict[str, Any] = {"poll_seconds": 300, "windows": SHORT}


@dataclass
class Watched:
    """A world in which the time of each call is noted."""

    toy: Toy
    calls: list[tuple[str, datetime]] = field(default_factory=list)

    def __call__(self, asked: Asked, apply: Apply) -> None:
        """Take the place of a call."""
        self.calls.append((asked[0], self.toy.now_))
        apply()

    def when(self, *names: str) -> list[datetime]:
        """When these were called; without names, when any was."""
        return [at for name, at in self.calls if not names or name in names]


def watched(toy: Toy) -> Watched:
    """Note the calls of a world."""
    toy.disturb = made = Watched(toy)
    return made


def with_jobs(*nodes: str, seconds: float) -> Toy:
    """A world with a Job on each of these nodes."""
    toy = Toy()
    for name in nodes:
        toy.add(pod(f"job-{name}", name, owner=owned("Job", f"job-{name}")), seconds=seconds)
    return toy


def test_it_waits_for_its_window(journal: SqlJournal) -> None:
    """Nothing is called before it opens, by no process; then it runs to its end."""
    toy = Toy.in_use()
    world = watched(toy)
    assert begin(journal, toy, **RARE).run() is Ended.DONE
    assert min(world.when()) >= OPENS
    assert journal.verify(ID)[1] == ()


def test_a_job_outlives_the_deadline_outside(journal: SqlJournal) -> None:
    """The deadline that would pass outside is 15 minutes after the next opening; no Job is ended before it."""
    toy = with_jobs("o1", "o2", seconds=3 * 86400)
    world = watched(toy)
    assert begin(journal, toy, drain_seconds=7200, **RARE).run() is Ended.DONE
    assert [one.at >= NEXT + NOTICE for one in journal.killed(ID)] == [True, True]
    assert [when for when in world.when() if CLOSES <= when < NEXT] == []
    advanced = next(event for event in journal.events(ID) if event.data.get("to") == "DRAIN")
    assert advanced.data["drain_deadline"].startswith("2025-06-02T12:45:00")


def test_a_node_that_is_free_outside_waits_for_the_next_window(journal: SqlJournal) -> None:
    """Its Job ends while it is closed; the node is drained as soon as it opens, without any notice."""
    toy = with_jobs("o1", seconds=7200)
    world = watched(toy)
    assert begin(journal, toy, **RARE).run() is Ended.DONE
    assert journal.killed(ID) == ()
    assert any("a maintenance window, which opens at 2025-06-02T12:30:00Z" in text for text in texts(journal, "wait"))
    assert NEXT <= min(when for when in world.when() if when >= CLOSES) < NEXT + NOTICE


def test_it_closes_between_two_jobs(journal: SqlJournal) -> None:
    """What was decided before is not sent after: the second Job of a node lives until after the next notice."""
    toy = with_jobs("o1", "o1b", "o2", seconds=3 * 86400)
    toy.pod_ = {uid: replace(one, node="o1" if one.node == "o1b" else one.node) for uid, one in toy.pod_.items()}

    def disturb(asked: Asked, apply: Apply) -> None:
        apply()
        if asked[0] == "evict" and toy.now_ < CLOSES:
            toy.now_ = CLOSES

    toy.disturb = disturb
    assert begin(journal, toy, drain_seconds=1200, **RARE).run() is Ended.DONE
    ended = [one.at for one in journal.killed(ID)]
    assert len(ended) == 3
    assert len([one for one in ended if one <= CLOSES]) == 1
    assert len([one for one in ended if one >= NEXT + NOTICE]) == 2
    assert journal.verify(ID)[1] == ()


def test_with_halt_nobody_is_asked_outside(journal: SqlJournal) -> None:
    """`on_deadline: halt`: a person is asked in a window, after the notice."""
    toy = with_jobs("o1", seconds=3 * 86400)
    assert begin(journal, toy, drain_seconds=7200, on_deadline="halt", **RARE).run() is Ended.HALTED
    assert NEXT + NOTICE <= toy.now_ < NEXT + timedelta(hours=1)


def test_more_time_ends_in_a_window_too(journal: SqlJournal) -> None:
    """An extension that would end outside moves the deadline into the next window."""
    toy = with_jobs("o1", seconds=3 * 86400)
    runner = begin(journal, toy, drain_seconds=1200, **RARE)
    runner.stop = lambda: journal.load(ID).phase is Phase.DRAIN
    assert runner.run() is Ended.INTERRUPTED
    before = journal.load(ID).drain_deadline
    assert before
    assert before < CLOSES
    assert journal.ask_extension(ID, 3600, "alice", "", toy.now_).until == NEXT + NOTICE


@pytest.mark.parametrize("phase", [Phase.PLANNED, Phase.DRAIN])
def test_an_abort_waits_for_no_window(journal: SqlJournal, phase: Phase) -> None:
    """Neither before it has begun nor in mid-drain: it costs instances and an autoscaler that is off."""
    toy = with_jobs("o1", seconds=3 * 86400)
    runner = begin(journal, toy, **RARE)
    runner.stop = lambda: journal.load(ID).phase is phase and not OPENS <= toy.now_ < CLOSES
    assert runner.run() is Ended.INTERRUPTED
    journal.ask_abort(ID, Abort(toy.now_, "alice"))
    assert again(journal, toy).run() is Ended.ABORTED
    assert toy.now_ < (OPENS if phase is Phase.PLANNED else NEXT)
    assert journal.killed(ID) == ()
