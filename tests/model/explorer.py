"""Walks, breadth first, through every state that the real runner can reach in a small world.

A state is world, journal, what the process remembers, and how much may still go wrong. From each state every way on is
tried: one tick of the real `Runner`, with every choice at each of its requests; each event; each act of somebody else;
a process that dies and begins again. Two states are one if they differ only in how long ago something was, beyond the
longest time that is compared, or in counters beyond the highest number that is.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any

from rollout.engine.runner import Runner
from rollout.errors import UserError
from rollout.formats.codec import effect_text
from rollout.model.effects import CreateMarker, Effect, UpdateMarker
from rollout.model.machine import Phase, terminal
from rollout.model.plan import Steady
from rollout.model.record import LATE_SECONDS, Record
from rollout.patience import Noes
from rollout.ports import Receipt, Settled
from tests.core.build import BASE, ID, NOW, found, new, record
from tests.core.running import Killed
from tests.model.keys import MOST, PAST, Memory, ago, memory_key, to_come, world_key
from tests.model.memory import Kept, MemoryJournal, Saved
from tests.model.world import Choose, World, fresh

#: So that a wait is a few ticks long.
SETTINGS: dict[str, Any] = {
    "parallel": 1,
    "poll_seconds": 150,
    "in_service_seconds": 150,
    "ready_seconds": 150,
    "drain_seconds": 150,
    "blocked_seconds": 150,
    "patience_seconds": 60,
    "steady": Steady(seconds=0),
}


class InLine(Runner):
    """The real runner; what it would send side by side it sends one by one."""

    def _side_by_side(self, effects: Sequence[Effect], record: Record) -> list[Receipt]:
        return [self._perform(effect, record) for effect in effects]


class Journal(MemoryJournal):
    """Its process may die just after it has written what was seen."""

    choose: Choose = staticmethod(lambda options: options[0][0])

    def settle(self, rollout_id: str, settled: Sequence[Settled], now: datetime) -> None:
        super().settle(rollout_id, settled, now)
        if self.choose((("written", ""), ("killed", "fault"))) == "killed":
            raise Killed


@dataclass(frozen=True)
class State:
    """All of it, as it can be put back. `left`: how many faults and acts may still come."""

    world: tuple[Any, ...]
    kept: Kept
    takeover_delay_until: datetime | None
    memory: Memory
    left: tuple[int, int]


@dataclass
class Found:
    """What the walk brought.

    `ends`: states in which it is over, by how; `broken`: the promise that is broken first, and the way there;
    `stuck`: ways to states from which nothing leads to an end unless something more goes wrong.
    """

    states: int = 0
    depth: int = 0
    exhausted: bool = False
    ends: dict[str, int] = field(default_factory=dict)
    broken: list[tuple[str, list[str]]] = field(default_factory=list)
    stuck: list[list[str]] = field(default_factory=list)
    seconds: float = 0.0

    def __str__(self) -> str:
        """Say it in a line."""
        ends = ", ".join(f"{count} {name}" for name, count in sorted(self.ends.items()))
        exhausted = "yes" if self.exhausted else "no"
        return f"states: {self.states}, depth: {self.depth}, ends: {ends}, exhausted: {exhausted}, {self.seconds:.0f} s"


_WORLD = ("now_", "autoscaler_", "marker_", "launched", "late", "sleep", "born", "acted")
_COPIED = ("group_", "template_", "node_", "pod_", "ended")
_MEMORY = tuple(one.name for one in fields(Runner) if one.name.startswith("_"))


class Explorer:
    """One walk. `faults` and `acts`: how many there may be on each way. `server`: leases are taken over, with a delay.

    `jobs`: how many Jobs may appear; `only`: what somebody else may do; "": all that the world knows.
    """

    def __init__(
        self, faults: int, acts: int, *, jobs: int = 0, server: bool = False, only: str = "", **changes: Any
    ) -> None:
        self.server = server
        self.world = fresh()
        self.world.most_born, self.world.only = jobs, only
        self.journal = Journal()
        self.journal.begin(ID, None, record(Phase.PLANNED, **{**SETTINGS, **changes}).plan, NOW)
        self.world.record = lambda: self.journal.load(ID)
        self.runner = self._process()
        self.start = self._state((faults, acts))
        self._first = _memory(self.runner)
        self._keyed: tuple[Kept, datetime, tuple[Any, ...]] | None = None
        self._texts: dict[int, tuple[Effect, str]] = {}

    # ---- the walk

    def walk(self, seconds: float) -> Found:
        """Go on until all states are known, one breaks a promise, or so much of the processor's time is spent."""
        found, began = Found(), time.process_time()
        states, known = [self.start], {self._key(self.start): 0}
        origin: list[tuple[int, str]] = [(-1, "")]
        depth, before, ends = [0], [list[int]()], set[int]()
        todo = deque([0])
        while todo and time.process_time() - began < seconds:
            at = todo.popleft()
            state = states[at]
            if end := self._end(state):
                found.ends[end] = found.ends.get(end, 0) + 1
                ends.add(at)
                if wrong := self._wrong_at_the_end(state, end):
                    found.broken.append((wrong, _trace(origin, at)))
                    break
                continue
            for label, after in self._successors(state):
                key = self._key(after)
                there = known.get(key)
                if there is None:
                    there = known[key] = len(states)
                    states.append(after)
                    origin.append((at, label))
                    depth.append(depth[at] + 1)
                    before.append([])
                    todo.append(there)
                if after.left == state.left:
                    before[there].append(at)
                if self.world.broken:
                    found.broken.append((self.world.broken[0], [*_trace(origin, at), label]))
                    break
            if found.broken:
                break
            states[at] = None  # type: ignore[call-overload]  # its successors are known: it is not needed any more
        found.states, found.depth, found.exhausted = len(known), max(depth), not todo and not found.broken
        if found.exhausted:
            found.stuck = [_trace(origin, one) for one in sorted({*range(len(known))} - _leading_to(ends, before))[:3]]
        found.seconds = time.process_time() - began
        return found

    def _end(self, state: State) -> str:
        if terminal(state.kept.phase):
            return "DONE"
        return f"halted in {state.kept.phase.value}" if state.kept.halted is not None else ""

    def _wrong_at_the_end(self, state: State, end: str) -> str:
        if end != "DONE":
            return "" if state.kept.halted and state.kept.hint else "10: a halt says nothing"
        self._put(state)
        world = self.world
        if world.acted or _restored(world):
            return ""
        return f"4: at the end something is not as it was: {world.group_['g']}, {world.autoscaler_}, {world.node_}"

    def _successors(self, state: State) -> Iterator[tuple[str, State]]:
        yield from self._ticks(state)
        self._put(state)
        for name in self.world.events():
            self._put(state)
            self.world.events()[name]()
            self.world.sleep = None
            yield name, self._state(state.left)
        faults, acts = state.left
        if acts:
            self._put(state)
            for name in self.world.acts():
                self._put(state)
                self.world.act(name)
                self.world.sleep = None
                yield name, self._state((faults, acts - 1))
        if faults and state.memory != self._first:
            self._put(state)
            self._killed()
            yield "killed between two ticks", self._state((faults - 1, acts))

    def _ticks(self, state: State) -> Iterator[tuple[str, State]]:
        """Yield what one tick leads to, for every choice at each of its requests."""
        prefixes: list[tuple[int, ...]] = [()]
        while prefixes:
            prefix = prefixes.pop()
            self._put(state)
            taken, more, left = self._tick(state, prefix)
            prefixes += more
            yield ("tick" if not taken else f"tick: {', '.join(taken)}"), self._state(left)

    def _tick(self, state: State, prefix: tuple[int, ...]) -> tuple[list[str], list[tuple[int, ...]], tuple[int, int]]:
        left, chosen, more, taken = list(state.left), list[int](), list[tuple[int, ...]](), list[str]()

        def choose(options: tuple[tuple[str, str], ...]) -> str:
            open_ = [(name, cost) for name, cost in options if not cost or left[cost == "act"]]
            index = prefix[len(chosen)] if len(chosen) < len(prefix) else 0
            if len(chosen) >= len(prefix):
                more.extend((*chosen, other) for other in range(1, len(open_)))
            chosen.append(index)
            name, cost = open_[index]
            if cost:
                left[cost == "act"] -= 1
                taken.append(f"choice {len(chosen)}: {name}")
            return name

        self.world.choose = self.journal.choose = choose
        self.world.pass_time()
        try:
            self.runner._tick(self.journal.load(ID))
        except Killed:
            self._killed()
        except UserError as error:
            taken.append(str(error.problem))
            self.runner = self._process()
        return taken, more, (left[0], left[1])

    # ---- the process

    def _process(self) -> InLine:
        return InLine(self.journal, self.world, self.world, self.world, ID)

    def _killed(self) -> None:
        self.runner = self._process()
        self.world.sleep = None
        if self.server:
            self.journal.takeover_delay_until = self.world.now_ + timedelta(seconds=LATE_SECONDS)

    # ---- states

    def _state(self, left: tuple[int, int]) -> State:
        world = self.world
        values = tuple(getattr(world, name) for name in _WORLD) + tuple(dict(getattr(world, name)) for name in _COPIED)
        values += (frozenset(world.tokens),)
        return State(values, self.journal.kept, self.journal.takeover_delay_until, _memory(self.runner), left)

    def _put(self, state: State) -> None:
        world = self.world
        plain, copied = state.world[: len(_WORLD)], state.world[len(_WORLD) : -1]
        for name, value in zip(_WORLD, plain, strict=True):
            setattr(world, name, value)
        for name, value in zip(_COPIED, copied, strict=True):
            setattr(world, name, dict(value))
        world.tokens = set(state.world[-1])
        world.asked.clear()
        world.applied.clear()
        world.broken.clear()
        self.journal.kept_, self.journal.takeover_delay_until = state.kept, state.takeover_delay_until
        for name, value in state.memory:
            setattr(self.runner, name, _again(value))

    def _key(self, state: State) -> tuple[Any, ...]:
        now = state.world[0]
        return (
            state.left,
            world_key(state.world, now),
            self._same_kept_key(state.kept, now),
            ago(state.takeover_delay_until, now),
            memory_key(state.memory, now, {one.effect.key for one in state.kept.effects if one.state == "done"}),
        )

    def _same_kept_key(self, kept: Kept, now: datetime) -> tuple[Any, ...]:
        """Return the key of a journal; what happens by itself writes nothing there."""
        there = self._keyed
        if there is None or there[0] is not kept or there[1] != now:
            there = self._keyed = kept, now, self._kept_key(kept, now)
        return there[2]

    def _kept_key(self, kept: Kept, now: datetime) -> tuple[Any, ...]:
        rows = tuple((one.instance_id, one.stage, one.role, one.name, one.uid, one.drain_attempt) for one in kept.nodes)
        effects = tuple(self._saved_key(one, now) for one in kept.effects)
        times = (
            ago(kept.deadline, now, PAST),
            ago(kept.drain_deadline if kept.phase is Phase.DRAIN else None, now, PAST),
        )
        late = min((to_come(one.late(), now) or 0.0 for one in kept.effects), default=0.0)
        plan = kept.plan.baselines, kept.plan.versions
        return kept.phase, kept.halted is None, kept.resume_count, plan, times, late, rows, effects

    def _saved_key(self, one: Saved, now: datetime) -> tuple[Any, ...]:
        late = None if one.effect.guarded else to_come(one.late(), now)
        if one.state == "done":
            return self._text(one.effect), late
        row = one.row()
        moments = (row.intended, row.answered, row.retry_at, row.blocked_since, row.first_yes, row.tried)
        counts = (min(row.sent, MOST), min(row.yeses, MOST))
        return (self._text(one.effect), one.state, late, counts, *(ago(moment, now) for moment in moments))

    def _text(self, effect: Effect) -> str:
        """Return an effect in writing; a marker's content follows from the rest, and holds instants."""
        there = self._texts.get(id(effect))
        if there is None:
            text = effect.key if isinstance(effect, CreateMarker | UpdateMarker) else effect_text(effect)
            there = self._texts[id(effect)] = (effect, text)
        return there[1]


def _memory(runner: Runner) -> Memory:
    return tuple((name, _again(getattr(runner, name))) for name in _MEMORY)


def _again(value: Any) -> Any:
    """Copy what is changed in place."""
    if isinstance(value, Noes):
        return Noes(dict(value._heard))
    return dict(value) if isinstance(value, dict) else value


def _restored(world: World) -> bool:
    """Tell whether all is as it was, but for the instances."""
    group = world.group_["g"]
    names = ("sizes", "protect_new", "capacity_rebalance", "suspended")
    was = found(*(new("x") for _ in range(BASE.desired)))
    same = all(getattr(group, name) == getattr(was, name) for name in names)
    clean = all(not (one.taints or one.unschedulable or one.scale_down_disabled) for one in world.node_.values())
    return same and clean and world.marker_ is None and world.autoscaler_ == World().autoscaler_


def _trace(origin: Sequence[tuple[int, str]], at: int) -> list[str]:
    labels = []
    while at > 0:
        at, label = origin[at]
        labels.append(label)
    return labels[::-1]


def _leading_to(ends: set[int], before: Sequence[Sequence[int]]) -> set[int]:
    """Return the states from which a way leads to an end without anything that goes wrong."""
    reached, todo = set(ends), list(ends)
    while todo:
        for one in before[todo.pop()]:
            if one not in reached:
                reached.add(one)
                todo.append(one)
    return reached
