"""What a fleet does next: tables for each rule, and orders of events that nobody thought of."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollout.fleet import decide
from rollout.fleet.model import (
    OPEN,
    OVER,
    Fixed,
    Fleet,
    FleetPlan,
    Kept,
    Limits,
    Member,
    Move,
    Request,
    Standing,
    State,
    StopWhen,
    Wave,
)
from rollout.model.machine import Phase

NOW = datetime(2026, 1, 5, 8, tzinfo=UTC)
WAVES = (Wave("canary", 3600.0), Wave("rest", gate=True))


def member(name: str, wave: int = 1, **more: Any) -> Member:
    account, region = ("1", "eu") if name < "c" else ("2", "us")
    return Member(Fixed(name, wave, f"{name}.yaml", "ami-1", region, account), **more)


def fleet(waves: tuple[Wave, ...] = WAVES, limits: Limits | None = None, **more: Any) -> Fleet:
    stop_when = more.pop("stop_when", StopWhen(halted=1))
    return Fleet("january", FleetPlan(waves, limits or Limits(10), stop_when, ()), **more)


def applied(before: Fleet, members: tuple[Member, ...], move: Move) -> tuple[Fleet, tuple[Member, ...]]:
    """The fleet after a step, as its rows would be read."""
    after = replace(before, **move.fleet)  # type: ignore[arg-type]
    after = replace(after, requests=tuple(one for one in after.requests if one.number > after.obeyed))
    return after, tuple(replace(one, **move.members.get(one.name, {})) for one in members)  # type: ignore[arg-type]


# ---- where a member stands


@pytest.mark.parametrize(
    ("fields", "stands"),
    [
        pytest.param({}, Standing.WAITING, id="nothing yet"),
        pytest.param({"state": Kept.READY}, Standing.READY, id="may begin"),
        pytest.param({"state": Kept.BEGUN, "worker": "w"}, Standing.RUNNING, id="a worker has it"),
        pytest.param({"state": Kept.BEGUN}, Standing.READY, id="its worker died"),
        pytest.param({"state": Kept.BEGUN, "phase": Phase.DONE}, Standing.DONE, id="done"),
        pytest.param({"state": Kept.ENDED, "exit_code": 0}, Standing.DONE, id="nothing was to be replaced"),
        pytest.param({"state": Kept.ENDED, "exit_code": 2}, Standing.REFUSED, id="refused"),
        pytest.param({"state": Kept.ENDED, "exit_code": 1, "phase": Phase.ABORTED}, Standing.ABORTED, id="aborted"),
        pytest.param({"state": Kept.BEGUN, "worker": "w", "halted": "x"}, Standing.HALTED, id="halts"),
        pytest.param({"state": Kept.AGAIN, "halted": "x", "forgiven": 0}, Standing.WAITING, id="is to be retried"),
        pytest.param(
            {"state": Kept.BEGUN, "halted": "x", "forgiven": 0, "round": 1}, Standing.HALTED, id="halts once more"
        ),
        pytest.param(
            {"state": Kept.ENDED, "exit_code": 1, "phase": Phase.DRAIN}, Standing.RUNNING, id="somebody resumed it"
        ),
        pytest.param({"state": Kept.SKIPPED, "halted": "x"}, Standing.SKIPPED, id="left out"),
    ],
)
def test_where_a_member_stands(fields: dict[str, Any], stands: Standing) -> None:
    """By what the fleet keeps, how its last run ended, and what its own rollout says."""
    assert member("a", **fields).stands is stands


# ---- the rules, one by one

DONE: dict[str, Any] = {"state": Kept.ENDED, "exit_code": 0}
HALTED: dict[str, Any] = {"state": Kept.ENDED, "exit_code": 1, "phase": Phase.READY, "halted": "not Ready"}
SOAKED: dict[str, Any] = {"wave": 1, "wave_ended_at": NOW - timedelta(hours=1)}


@pytest.mark.parametrize(
    ("before", "members", "kind"),
    [
        pytest.param(fleet(), (member("a"),), "wave", id="the first wave opens"),
        pytest.param(fleet(wave=1), (member("a"), member("b", 2)), "let", id="its members may begin"),
        pytest.param(fleet(wave=1), (member("a", **DONE), member("b", 2)), "wave-ended", id="it ends"),
        pytest.param(fleet(wave=1, wave_ended_at=NOW), (member("a", **DONE),), None, id="it soaks"),
        pytest.param(fleet(**SOAKED), (member("a", **DONE), member("b", 2)), None, id="a gate"),
        pytest.param(fleet(**SOAKED, approved=2), (member("a", **DONE), member("b", 2)), "wave", id="approved"),
        pytest.param(fleet(wave=1), (member("a", **HALTED), member("b")), "paused", id="the stop condition"),
        pytest.param(
            fleet(wave=1, stop_when=StopWhen(halted_share=0.5)),
            (member("a", **HALTED), member("b"), member("c")),
            "let",
            id="a share is not reached",
        ),
        pytest.param(
            fleet(wave=1, stop_when=StopWhen(killed_jobs=2)),
            (member("a", state=Kept.BEGUN, worker="w", killed=2), member("b")),
            "paused",
            id="killed Jobs",
        ),
        pytest.param(
            fleet(wave=1, stop_when=StopWhen(killed_jobs=2), accepted_killed=2),
            (member("a", state=Kept.BEGUN, worker="w", killed=2), member("b")),
            "let",
            id="killed Jobs that were accepted",
        ),
        pytest.param(fleet(wave=1, stop_when=StopWhen(5)), (member("a", **HALTED),), None, id="holds up the next wave"),
        pytest.param(fleet(wave=1, state=State.PAUSED), (member("a"),), None, id="paused"),
        pytest.param(fleet(state=State.DONE), (member("a"),), None, id="over"),
        pytest.param(fleet(state=State.STOPPING), (member("a", state=Kept.BEGUN),), None, id="stops when all ended"),
        pytest.param(fleet(state=State.STOPPING), (member("a"),), "over", id="stopped"),
        pytest.param(fleet(wave=1), (member("a", state=Kept.BEGUN, halted="x"),), "ended", id="halted, worker gone"),
        pytest.param(
            fleet(wave=1), (member("a", **HALTED | {"halted": None}),), "again", id="resumed outside of the fleet"
        ),
    ],
)
def test_the_next_step(before: Fleet, members: tuple[Member, ...], kind: str | None) -> None:
    """Each rule in the smallest fleet that shows it."""
    move = decide.decide(before, members, NOW)
    assert (move.kind if move else None) == kind


@pytest.mark.parametrize(
    ("limits", "begin"), [(Limits(2), "ab"), (Limits(9, per_account=1), "ac"), (Limits(9, per_region=1), "ac")]
)
def test_limits(limits: Limits, begin: str) -> None:
    """So many begin at once as the limits say: in all, in an account, in a region."""
    move = decide.decide(fleet(limits=limits, wave=1), tuple(map(member, "abcd")), NOW)
    assert move
    assert "".join(move.members) == begin


@pytest.mark.parametrize(
    ("kind", "asked", "state", "changes"),
    [
        ("pause", {}, State.PAUSED, {"b": {"state": Kept.WAITING}}),
        ("stop", {}, State.STOPPING, {"b": {"state": Kept.WAITING}}),
        ("approve", {"wave": 2}, State.RUNNING, {}),
        ("skip", {"member": "a"}, State.RUNNING, {"a": {"state": Kept.SKIPPED}}),
        ("skip", {"member": "c"}, State.RUNNING, {}),
        ("retry", {"member": "c"}, State.RUNNING, {}),
        (
            "retry",
            {"member": "a"},
            State.RUNNING,
            {"a": {"state": Kept.AGAIN, "forgiven": 0, "accepted": False, "tries": 0}},
        ),
    ],
)
def test_what_people_ask_for(kind: str, asked: dict[str, Any], state: State, changes: dict[str, Any]) -> None:
    """A request changes what it says; one that cannot be obeyed is told, and changes nothing."""
    members = (member("a", **HALTED), member("b", state=Kept.READY), member("c", state=Kept.BEGUN, worker="w"))
    request = Request(7, kind, "ops@desk", **asked)
    move = decide.decide(fleet(wave=1, requests=(request,)), members, NOW)
    assert move
    after, _ = applied(fleet(wave=1, requests=(request,)), members, move)
    assert (after.state, after.obeyed, dict(move.members)) == (state, 7, changes)
    assert "ops@desk" in move.text


def test_resume_accepts_what_failed() -> None:
    """After it the same failure pauses nothing, and a further one does."""
    members = (member("a", **HALTED), member("b"))
    paused = fleet(wave=1, state=State.PAUSED, requests=(Request(1, "resume", "ops"),))
    move = decide.decide(paused, members, NOW)
    assert move
    after, accepted = applied(paused, members, move)
    assert decide.stop_reason(after, accepted) == ""
    assert decide.stop_reason(after, (accepted[0], member("b", **HALTED)))


def test_a_halt_is_retried_while_the_fleet_is_paused() -> None:
    """The one member alone that a person asks for; no other begins."""
    members = (member("a", **HALTED | {"state": Kept.AGAIN, "forgiven": 0}), member("b"))
    move = decide.decide(fleet(wave=1, state=State.PAUSED), members, NOW)
    assert move
    assert dict(move.members) == {"a": {"state": Kept.BEGUN}}


@pytest.mark.parametrize(
    ("before", "says"),
    [
        (fleet(wave=1, limits=Limits(1)), ["limits.at_once is 1", "wave canary comes first"]),
        (fleet(wave=1, state=State.PAUSED, why="x"), ["the fleet is paused: x"] * 2),
        (fleet(wave=1, state=State.STOPPED), ["the fleet was stopped, so it does not begin"] * 2),
    ],
)
def test_why_a_member_waits(before: Fleet, says: list[str]) -> None:
    """Each that has not begun has its reason."""
    members = (member("a", state=Kept.BEGUN, worker="w"), member("b"), member("c", 2))
    assert [reason for _, reason in decide.why(before, members, NOW)] == says


# ---- any order of events


@dataclass
class World:
    """A fleet under workers, rollouts and people who do anything at any time. What begins is noted."""

    fleet: Fleet
    members: tuple[Member, ...]
    now: datetime = NOW
    asked: int = 0
    begun: list[str] = field(default_factory=list)

    def step(self) -> None:
        """Take all steps of the fleet, and look at each."""
        for _ in range(100):
            move = decide.decide(self.fleet, self.members, self.now)
            if move is None:
                return
            stopped, before = decide.stop_reason(self.fleet, self.members), self.members
            self.fleet, self.members = applied(self.fleet, self.members, move)
            fresh = [one for one in self.members if one.state is Kept.READY]
            fresh = [one for one in fresh if next(b for b in before if b.name == one.name).state is Kept.WAITING]
            assert not (fresh and stopped), "a member may begin after the stop condition"
            assert all(one.fixed.wave == self.fleet.wave for one in fresh)
            self.look()
        raise AssertionError("it never stops to decide")

    def look(self) -> None:
        """Hold what holds at any time: limits, and waves in order."""
        limits = self.fleet.plan.limits
        busy = [one for one in self.members if one.stands in OPEN]
        assert len(busy) <= limits.at_once
        for names in ([one.fixed.account for one in busy], [one.fixed.region for one in busy]):
            assert max(Counter(names).values(), default=0) <= (limits.per_account or 99)
        for one in self.members:
            if one.fixed.wave < self.fleet.wave:
                assert one.stands in OVER
            if one.fixed.wave > self.fleet.wave:
                assert one.state in {Kept.WAITING, Kept.SKIPPED}

    def change(self, one: Member, **values: object) -> None:
        """Change one member."""
        after = replace(one, **values)  # type: ignore[arg-type]
        self.members = tuple(after if other.name == one.name else other for other in self.members)

    def work(self, one: Member, how: str) -> None:
        """Let a worker do something to a member, as far as it may."""
        if not one.worker and how == "claim" and decide.may_begin(self.fleet, self.members, one):
            assert one.state is Kept.BEGUN or not decide.stop_reason(self.fleet, self.members)
            self.begun += [one.name] * (one.state is Kept.READY)
            went_on = {"phase": one.phase or Phase.PLANNED, "halted": None, "round": one.round + bool(one.halted)}
            self.change(one, state=Kept.BEGUN, worker="w", **went_on)
        elif one.worker and how == "die":
            self.change(one, worker="")
        elif one.worker and how == "kill a Job":
            self.change(one, killed=one.killed + 1)
        elif one.worker and one.state is Kept.BEGUN and how in {"done", "halt", "refuse"}:
            code = {"done": 0, "halt": 1, "refuse": 2}[how]
            phase, halted = (Phase.DONE if code == 0 else one.phase), ("no" if code == 1 else None)
            self.change(one, worker="", state=Kept.ENDED, exit_code=code, phase=phase, halted=halted)
        elif one.stands is Standing.HALTED and how == "resume outside":
            self.change(one, halted=None, round=one.round + 1)

    def ask(self, kind: str, one: Member) -> None:
        """Ask for something, sensible or not."""
        self.asked += 1
        request = Request(self.asked, kind, "ops", one.name, min(self.fleet.wave + 1, len(self.fleet.plan.waves)))
        self.fleet = replace(self.fleet, requests=(*self.fleet.requests, request))


WORK = ("claim", "claim", "done", "halt", "refuse", "die", "kill a Job", "resume outside")
ASK = ("pause", "resume", "approve", "skip", "retry", "stop")
ACTS = st.lists(st.tuples(st.sampled_from((*WORK, *WORK, *ASK, "later")), st.integers(0, 5)), max_size=60)
LIMITS = st.builds(Limits, st.integers(1, 3), st.one_of(st.none(), st.integers(1, 2)))
STOPS = st.builds(StopWhen, st.integers(1, 3), st.none(), st.one_of(st.none(), st.integers(1, 2)))


@settings(max_examples=300, deadline=None)
@given(ACTS, LIMITS, STOPS, st.booleans())
def test_any_order_of_events(acts: list[tuple[str, int]], limits: Limits, stop_when: StopWhen, gate: bool) -> None:  # noqa: FBT001
    """No order makes a member begin twice, after the stop condition, past a limit or before its wave; and all end."""
    waves = (Wave("canary", 600.0), Wave("middle"), Wave("rest", gate=gate))
    members = tuple(member(name, 1 + number // 2) for number, name in enumerate("abcdef"))
    world = World(fleet(waves, limits, stop_when=stop_when), members)
    for act, number in acts:
        if act == "later":
            world.now += timedelta(minutes=10)
        elif act in ASK:
            world.ask(act, world.members[number])
        else:
            world.work(world.members[number], act)
        world.step()
    assert len(world.begun) == len(set(world.begun))
    _end(world)


def _end(world: World) -> None:
    """Let all go well from here on, with a person who resumes, approves and retries; it must come to an end."""
    for _ in range(100):
        for one in world.members:
            world.work(one, "claim")
        for one in world.members:
            world.work(one, "done")
        for one in world.members:
            if decide.may_retry(one):
                world.ask("retry", one)
        world.ask("resume", world.members[0])
        world.ask("approve", world.members[0])
        world.now += timedelta(minutes=10)
        world.step()
        if world.fleet.state.over:
            break
    assert world.fleet.state in {State.DONE, State.STOPPED}
    assert len(world.begun) == len(set(world.begun))
    assert world.fleet.state is State.STOPPED or all(one.stands in OVER for one in world.members)
