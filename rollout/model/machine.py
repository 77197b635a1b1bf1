"""The two state machines of a rollout: its phases, and the stages of one node that must go.

All moves stand in the two tables below and nowhere else, and under them what holds from which phase to which. The
machine only calculates: `step` answers where a trigger leads; the journal remembers. `transitions` keeps no model of
ours (it would set a state before its callbacks ran).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, unique
from functools import cache
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from transitions import Machine


@unique
class Phase(Enum):
    """Where the rollout stands."""

    PLANNED = "PLANNED"
    AUTOSCALER_OFF = "AUTOSCALER_OFF"
    LAUNCH_TEMPLATE = "LAUNCH_TEMPLATE"
    TAINT = "TAINT"
    SURGE = "SURGE"
    PROTECT = "PROTECT"
    READY = "READY"
    DRAIN = "DRAIN"
    RESTORE = "RESTORE"
    DONE = "DONE"
    ABORTED = "ABORTED"


@unique
class Stage(Enum):
    """Where one node that must go stands."""

    WAITING = "WAITING"
    DRAINING = "DRAINING"
    RELEASED = "RELEASED"
    TERMINATING = "TERMINATING"
    GONE = "GONE"
    KEPT = "KEPT"


# phase -> trigger -> next phase. A row without moves is terminal. `abort`: the rollout turns round, and goes through
# the same phases for the other version. `restore`: nothing was launched, so nothing is drained. `aborted`: where a
# rollout ends that turned round.
PHASE_MOVES: dict[Phase, dict[str, Phase]] = {
    Phase.PLANNED: {"advance": Phase.AUTOSCALER_OFF, "abort": Phase.RESTORE},
    Phase.AUTOSCALER_OFF: {"advance": Phase.LAUNCH_TEMPLATE, "abort": Phase.RESTORE},
    Phase.LAUNCH_TEMPLATE: {"advance": Phase.TAINT, "abort": Phase.LAUNCH_TEMPLATE, "restore": Phase.RESTORE},
    Phase.TAINT: {"advance": Phase.SURGE, "abort": Phase.LAUNCH_TEMPLATE},
    Phase.SURGE: {"advance": Phase.PROTECT, "abort": Phase.LAUNCH_TEMPLATE},
    Phase.PROTECT: {"advance": Phase.READY, "abort": Phase.LAUNCH_TEMPLATE},
    Phase.READY: {"advance": Phase.DRAIN, "abort": Phase.LAUNCH_TEMPLATE},
    Phase.DRAIN: {"advance": Phase.RESTORE, "abort": Phase.LAUNCH_TEMPLATE},
    Phase.RESTORE: {"advance": Phase.DONE, "aborted": Phase.ABORTED},
    Phase.DONE: {},
    Phase.ABORTED: {},
}

# stage -> trigger -> next stage. `vanish`: the instance left by itself; `keep`: it stays, because it is surplus and
# still busy at the deadline, or because the rollout was aborted.
STAGE_MOVES: dict[Stage, dict[str, Stage]] = {
    Stage.WAITING: {"drain": Stage.DRAINING, "vanish": Stage.GONE, "keep": Stage.KEPT},
    Stage.DRAINING: {"release": Stage.RELEASED, "back": Stage.WAITING, "vanish": Stage.GONE, "keep": Stage.KEPT},
    Stage.RELEASED: {"terminate": Stage.TERMINATING, "back": Stage.WAITING, "vanish": Stage.GONE, "keep": Stage.KEPT},
    Stage.TERMINATING: {"vanish": Stage.GONE, "gone": Stage.GONE, "keep": Stage.KEPT},
    Stage.GONE: {},
    Stage.KEPT: {},
}

State = TypeVar("State", Phase, Stage)


def between(first: Phase, last: Phase) -> frozenset[Phase]:
    """Return the phases from one to another, both of them too, in the order of the table."""
    order = list(PHASE_MOVES)
    return frozenset(order[order.index(first) : order.index(last) + 1])


# What holds from which phase to which: when the first of them is entered, until the last one is left. A phase that
# joins the table above in between has it too.
#: The marker is in the cluster: PLANNED makes it, RESTORE deletes it.
MARKED = between(Phase.AUTOSCALER_OFF, Phase.DRAIN)
#: cluster-autoscaler stands at 0.
AUTOSCALER_OFF = between(Phase.LAUNCH_TEMPLATE, Phase.DRAIN)
#: The groups' nodes carry scale-down-disabled.
SCALE_DOWN_DISABLED = between(Phase.LAUNCH_TEMPLATE, Phase.DRAIN)
#: Every group launches exactly our version.
PINNED = between(Phase.TAINT, Phase.DRAIN)
#: The old nodes carry our taint.
TAINTED = between(Phase.SURGE, Phase.DRAIN)
#: Processes may be suspended by us, and sizes be ours.
SIZED = between(Phase.SURGE, Phase.RESTORE)
#: Processes are suspended, and sizes are as our effects left them.
SURGED = between(Phase.PROTECT, Phase.DRAIN)
#: Every instance is protected from scale-in, until its own turn comes.
PROTECTED = between(Phase.READY, Phase.DRAIN)
#: Old nodes go through their stages. Only here are instances terminated, and our taint is not softened before a halt.
DRAINING = between(Phase.DRAIN, Phase.DRAIN)
#: What was found is given back.
RESTORING = between(Phase.RESTORE, Phase.RESTORE)


def terminal(state: Phase | Stage) -> bool:
    """Tell whether no move leads out of this state."""
    return not (PHASE_MOVES[state] if isinstance(state, Phase) else STAGE_MOVES[state])


#: A rollout that stands here has ended, and a node that does is out of the way.
ENDS = tuple(phase for phase in Phase if terminal(phase))
STAGE_ENDS = tuple(stage for stage in Stage if terminal(stage))


def step(state: State, trigger: str) -> State:
    """Return the state to which `trigger` leads from `state`.

    Raises `transitions.MachineError` where the table has no such move.
    """
    from transitions import MachineError

    machine = _machine(type(state))
    if trigger not in machine.events:
        raise MachineError(f"no {type(state).__name__.lower()} has a move {trigger}")
    cursor = _Cursor(state)
    machine.add_model(cursor, initial=state)
    try:
        machine.events[trigger].trigger(cursor)
        return cursor.state
    finally:
        machine.remove_model(cursor)


def onward(phase: Phase, *, back: bool = False) -> Phase:
    """Return the phase that follows when the world shows what this one is there for; `back`: of an aborted rollout."""
    return step(phase, "aborted" if back and "aborted" in PHASE_MOVES[phase] else "advance")


def can_turn(phase: Phase) -> bool:
    """Tell whether a rollout that stands here can be aborted."""
    return "abort" in PHASE_MOVES[phase]


def entered(phase: Phase, to: Phase) -> Phase:
    """Return the phase that is entered from another one.

    Raises `transitions.MachineError` where the table has no move from there to here.
    """
    trigger = next((name for name, target in PHASE_MOVES[phase].items() if target is to), f"to {to.value}")
    return step(phase, trigger)


@dataclass
class _Cursor(Generic[State]):
    """A throw-away model: `transitions` writes its `state`."""

    state: State


@cache
def _machine(kind: type[Phase | Stage]) -> Machine:
    from transitions import Machine  # 34 ms: only who works pays for it

    table = PHASE_MOVES if kind is Phase else STAGE_MOVES
    moves = [[trigger, source, target] for source, row in table.items() for trigger, target in row.items()]
    return Machine(model=None, states=kind, initial=None, transitions=moves, auto_transitions=False)  # type: ignore[arg-type]
