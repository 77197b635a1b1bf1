"""What a fleet does next, as a function of where it and its members stand. Pure.

`decide` returns one step at a time, and nothing where nothing is to be done now. Who holds the fleet's lease takes it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from rollout.fleet.model import FAILED, OPEN, OVER, Fleet, Kept, Limits, Member, Move, Request, Standing, State, Wave

Members = Sequence[Member]


def decide(fleet: Fleet, members: Members, now: datetime) -> Move | None:
    """Return the next step; None: nothing is to be done now."""
    if fleet.state.over:
        return None
    if fleet.requests:
        return _obey(fleet, members, fleet.requests[0])
    return _found(members) or _ways(fleet, members, now)


def _ways(fleet: Fleet, members: Members, now: datetime) -> Move | None:
    if fleet.state is State.STOPPING:
        if any(one.state is Kept.BEGUN for one in members):
            return None
        return Move("over", "stopped: no member is under way any more", {"state": State.STOPPED, "ended_at": now})
    if fleet.state is State.RUNNING and (why := stop_reason(fleet, members)):
        return _without_ready(members, Move("paused", f"paused: {why}", {"state": State.PAUSED, "why": why}))
    if let := _let_begin(fleet, members):
        return let
    return _wave(fleet, members, now) if fleet.state is State.RUNNING else None


def needs_a_person(fleet: Fleet, one: Member) -> bool:
    """Tell whether a person must act on a member: where none begins any more, that is an unfinished rollout alone."""
    return one.left if fleet.state.begins_none else one.stands in FAILED


def stop_reason(fleet: Fleet, members: Iterable[Member]) -> str:
    """Return why the fleet pauses by itself, "" where it does not; counted in the open wave."""
    wave = [one for one in members if one.fixed.wave == fleet.wave]
    when, failed = fleet.plan.stop_when, [one for one in wave if one.fails]
    killed = sum(one.killed for one in wave) - fleet.accepted_killed
    names = ", ".join(one.name for one in failed)
    if when.halted is not None and len(failed) >= when.halted:
        return f"{len(failed)} of its members need a person ({names}), and stop_when.halted is {when.halted}"
    if when.halted_share is not None and failed and len(failed) >= when.halted_share * len(wave):
        share = f"{when.halted_share:.0%}"
        return f"{len(failed)} of {len(wave)} members need a person ({names}), and stop_when.halted is {share}"
    if when.killed_jobs is not None and killed >= when.killed_jobs:
        return f"{killed} Jobs were killed in this wave, and stop_when.killed_jobs is {when.killed_jobs}"
    return ""


def may_begin(fleet: Fleet, members: Members, member: Member) -> bool:
    """Tell whether a worker that has claimed this member may run it now. One that has begun goes on to its own end."""
    if member.state is Kept.BEGUN:
        return member.stands in OPEN
    return member.state is Kept.READY and fleet.state is State.RUNNING and not stop_reason(fleet, members)


def _found(members: Members) -> Move | None:
    """Take in what happened to a member outside of any worker."""
    for one in members:
        if one.state is Kept.BEGUN and not one.worker and one.stands not in OPEN:
            text = f"{one.name} is {one.stands}, and its worker is gone"
            code = 0 if one.stands is Standing.DONE else 1
            return Move("ended", text, members={one.name: {"state": Kept.ENDED, "exit_code": code}})
        if one.resumed:
            text = f"{one.name}: somebody resumed its rollout"
            return Move("again", text, members={one.name: {"state": Kept.AGAIN}})
    return None


# ---- waves and limits -----------------------------------------------------------------------------------------------


def _wave(fleet: Fleet, members: Members, now: datetime) -> Move | None:
    """Open the next wave, or end the open one, when it is time."""
    wave = [one for one in members if one.fixed.wave == fleet.wave]
    if any(one.stands not in OVER for one in wave):
        return None
    waves, number = fleet.plan.waves, fleet.wave
    if number and fleet.wave_ended_at is None:
        text = f"wave {waves[number - 1].name} has ended: {_counted(wave)}"
        return Move("wave-ended", text, {"wave_ended_at": now})
    if number == len(waves):
        return Move("over", f"done: {_counted(members)}", {"state": State.DONE, "ended_at": now})
    if between(fleet, now):
        return None
    opened = {"wave": number + 1, "wave_ended_at": None, "accepted_killed": 0}
    return Move("wave", f"wave {waves[number].name} begins", opened)


def between(fleet: Fleet, now: datetime) -> str:
    """Return why the next wave does not begin although the one before it has ended; "" where it may."""
    waves, number = fleet.plan.waves, fleet.wave
    if (until := soaks_until(fleet)) and now < until:
        return f"wave {waves[number - 1].name} soaks until {until:%Y-%m-%dT%H:%M:%SZ}"
    if waves[number].gate and fleet.approved <= number:
        return f"a person lets wave {waves[number].name} begin"
    return ""


def soaks_until(fleet: Fleet) -> datetime | None:
    """Return until when the wave that has ended soaks; None where none has."""
    before: Wave | None = fleet.plan.waves[fleet.wave - 1] if fleet.wave else None
    if before is None or fleet.wave_ended_at is None:
        return None
    return fleet.wave_ended_at + timedelta(seconds=before.soak)


def _let_begin(fleet: Fleet, members: Members) -> Move | None:
    """Let members begin for which there is room. While the fleet is paused: those alone that a person retries."""
    room, ready, again = Room(fleet.plan.limits, members), {}, {}
    for one in members:
        if one.fixed.wave > fleet.wave or one.worker:
            continue
        if one.state is Kept.AGAIN and one.stands is Standing.WAITING and not room.lacks(one):
            again[one.name] = {"state": Kept.BEGUN}
            room.take(one)
        elif fleet.state is State.RUNNING and one.state is Kept.WAITING and not room.lacks(one):
            ready[one.name] = {"state": Kept.READY}
            room.take(one)
    both: Mapping[str, Mapping[str, object]] = again | ready
    return Move("let", f"{', '.join(both)} may begin", members=both) if both else None


class Room:
    """How much room the limits leave beside the members that are under way."""

    def __init__(self, limits: Limits, members: Iterable[Member]) -> None:
        self._limits = limits
        self._all = 0
        self._accounts: Counter[str | None] = Counter()
        self._regions: Counter[str] = Counter()
        for one in members:
            if one.stands in OPEN or one.worker:
                self.take(one)

    def take(self, one: Member) -> None:
        """Count one more."""
        self._all += 1
        self._accounts[one.fixed.account] += 1
        self._regions[one.fixed.region] += 1

    def lacks(self, one: Member) -> str:
        """Return which limit keeps this member waiting, "" for none."""
        limits, fixed = self._limits, one.fixed
        if self._all >= limits.at_once:
            return f"limits.at_once is {limits.at_once}"
        if limits.per_account is not None and self._accounts[fixed.account] >= limits.per_account:
            return f"limits.per_account is {limits.per_account}, and so many run in {fixed.account}"
        if limits.per_region is not None and self._regions[fixed.region] >= limits.per_region:
            return f"limits.per_region is {limits.per_region}, and so many run in {fixed.region}"
        return ""


def _counted(members: Members) -> str:
    counts = Counter(one.stands for one in members)
    return ", ".join(f"{counts[one]} {one}" for one in Standing if counts[one])


# ---- what people ask for --------------------------------------------------------------------------------------------


def _obey(fleet: Fleet, members: Members, asked: Request) -> Move:
    """Return what a request leads to; one that cannot be obeyed any more is told, and changes nothing."""
    move = _OBEYS[asked.kind](fleet, members, asked) or Move("unheeded", f"{asked.kind} changes nothing here")
    text = f"{move.text}, asked for by {asked.by}"
    return Move(move.kind, text, {**move.fleet, "obeyed": asked.number}, move.members)


def _pause(fleet: Fleet, members: Members, asked: Request) -> Move | None:
    if fleet.state is not State.RUNNING:
        return None
    return _without_ready(members, Move("paused", "paused", {"state": State.PAUSED, "why": f"{asked.by} paused it"}))


def _resume(fleet: Fleet, members: Members, _asked: Request) -> Move | None:
    if fleet.state is not State.PAUSED:
        return None
    wave = [one for one in members if one.fixed.wave == fleet.wave]
    accepted = {one.name: {"accepted": True} for one in wave if one.fails}
    changes = {"state": State.RUNNING, "why": "", "accepted_killed": sum(one.killed for one in wave)}
    return Move("resumed", "resumed, with what had failed so far", changes, accepted)


def _approve(fleet: Fleet, _members: Members, asked: Request) -> Move | None:
    if not fleet.approved < asked.wave <= len(fleet.plan.waves):
        return None
    return Move("approved", f"wave {fleet.plan.waves[asked.wave - 1].name} may begin", {"approved": asked.wave})


def _skip(_fleet: Fleet, members: Members, asked: Request) -> Move | None:
    one = _named(members, asked)
    if not may_skip(one):
        return None
    return Move("skipped", f"{one.name} is skipped", members={one.name: {"state": Kept.SKIPPED}})


def may_skip(one: Member) -> bool:
    """Tell whether a member can be left out: one that is under way goes on to its own end."""
    return not one.worker and one.state is not Kept.BEGUN and one.stands not in OVER | {Standing.RUNNING}


def _retry(_fleet: Fleet, members: Members, asked: Request) -> Move | None:
    one = _named(members, asked)
    if not may_retry(one):
        return None
    # A run that has not begun its rollout yet has no halt to forgive.
    changes = {"state": Kept.AGAIN, "forgiven": one.round if one.halted else None, "accepted": False, "tries": 0}
    return Move("again", f"{one.name} is tried once more", members={one.name: changes})


def may_retry(one: Member) -> bool:
    """Tell whether a member can be run once more: its rollout was halted, or refused to begin."""
    return one.stands in FAILED - {Standing.ABORTED}


def _stop(fleet: Fleet, members: Members, asked: Request) -> Move | None:
    if fleet.state is State.STOPPING:
        return None
    why = f"{asked.by} stopped it"
    return _without_ready(members, Move("stopping", "stopping", {"state": State.STOPPING, "why": why}))


def _named(members: Members, asked: Request) -> Member:
    return next(one for one in members if one.name == asked.member)


def _without_ready(members: Members, move: Move) -> Move:
    """Take back what may begin and has not: no worker begins it any more."""
    back = {one.name: {"state": Kept.WAITING} for one in members if one.state is Kept.READY}
    return Move(move.kind, move.text, move.fleet, {**move.members, **back})


_OBEYS: Mapping[str, Callable[[Fleet, Members, Request], Move | None]] = {
    "pause": _pause,
    "resume": _resume,
    "approve": _approve,
    "skip": _skip,
    "retry": _retry,
    "stop": _stop,
}


# ---- in words -------------------------------------------------------------------------------------------------------


def why(fleet: Fleet, members: Members, now: datetime) -> Iterator[tuple[Member, str]]:
    """Yield what each member waits for that has neither begun nor ended."""
    room = Room(fleet.plan.limits, members)
    waits = not any(one.fixed.wave == fleet.wave and one.stands not in OVER for one in members)
    for one in members:
        if one.stands is not Standing.WAITING:
            continue
        if fleet.state.begins_none:
            yield one, "the fleet was stopped, so it does not begin"
        elif fleet.state is State.PAUSED and one.state is not Kept.AGAIN:
            yield one, f"the fleet is paused: {fleet.why}"
        elif one.fixed.wave > fleet.wave + 1 or (one.fixed.wave > fleet.wave and not waits):
            yield one, f"wave {fleet.plan.waves[one.fixed.wave - 2].name} comes first"
        elif one.fixed.wave > fleet.wave:
            yield one, between(fleet, now) or "a worker opens its wave"
        else:
            yield one, room.lacks(one) or "a worker lets it begin"
