"""The two tables: literal, complete, and all that `step` knows."""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import pytest
from transitions import MachineError

from rollout import phases, stages
from rollout.journal.ends import ended, going_on
from rollout.model import machine
from rollout.model.machine import PHASE_MOVES, STAGE_MOVES, Phase, Stage, between, entered, onward, step, terminal
from rollout.phases import PHASES
from rollout.stages import STAGES

Kind = type[Phase] | type[Stage]
Table = Mapping[Any, Mapping[str, Any]]  # the same tests for both, whose states have no type in common

TABLES = [pytest.param(Phase, PHASE_MOVES, id="phases"), pytest.param(Stage, STAGE_MOVES, id="stages")]
ROWS: Table = {**PHASE_MOVES, **STAGE_MOVES}
TRIGGERS = sorted({trigger for row in ROWS.values() for trigger in row})


def reached(table: Table, start: Any) -> set[Any]:
    """All states to which moves lead from `start`, itself included."""
    there = set()
    ahead = [start]
    while ahead:
        state = ahead.pop()
        there.add(state)
        ahead += [target for target in table[state].values() if target not in there]
    return there


@pytest.mark.parametrize(("kind", "table"), TABLES)
def test_every_state_has_a_row_and_every_move_leads_to_a_state(kind: Kind, table: Table) -> None:
    """The table has exactly one row for each state, terminal ones with an empty row, and names no other."""
    assert list(table) == list(kind)
    assert {target for row in table.values() for target in row.values()} <= set(kind)


@pytest.mark.parametrize(("kind", "table"), TABLES)
def test_every_state_is_reached_and_reaches_an_end(kind: Kind, table: Table) -> None:
    """All states can be reached from the first one, and a terminal state from each."""
    states = list(kind)
    assert reached(table, states[0]) == set(states)
    for state in states:
        assert any(terminal(end) for end in reached(table, state))


@pytest.mark.parametrize(("kind", "ends"), [(Phase, {Phase.DONE, Phase.ABORTED}), (Stage, {Stage.GONE, Stage.KEPT})])
def test_the_ends_are_the_empty_rows(kind: Kind, ends: set[Any]) -> None:
    """DONE, ABORTED, GONE and KEPT are terminal, and nothing else."""
    assert {state for state in kind if terminal(state)} == ends


@pytest.mark.parametrize("kind", [Phase, Stage])
def test_what_is_stored_is_the_name(kind: Kind) -> None:
    """Names and values are the same and unique, so that the journal and a reader mean the same state."""
    assert [state.value for state in kind] == [state.name for state in kind] == list(kind.__members__)


@pytest.mark.parametrize("state", ROWS, ids=str)
@pytest.mark.parametrize("trigger", [*TRIGGERS, "no-such-trigger"])
def test_step_is_the_table(state: Any, trigger: str) -> None:
    """`step` answers what stands in the table and refuses everything else."""
    if trigger in ROWS[state]:
        assert step(state, trigger) is ROWS[state][trigger]
    else:
        with pytest.raises(MachineError):
            step(state, trigger)


@pytest.mark.parametrize(("phase", "to"), [(phase, to) for phase in Phase for to in Phase])
def test_a_phase_is_entered_by_a_move_of_the_table(phase: Phase, to: Phase) -> None:
    """From each phase those are entered to which the table leads, and no other; `onward` is one of them."""
    if to in PHASE_MOVES[phase].values():
        assert entered(phase, to) is to
        assert {onward(phase), onward(phase, back=True)} <= set(PHASE_MOVES[phase].values())
    else:
        with pytest.raises(MachineError):
            entered(phase, to)


@pytest.mark.parametrize(
    ("first", "trigger", "last"), [(Phase.PLANNED, "advance", Phase.DONE), (Stage.WAITING, "drain", Stage.GONE)]
)
def test_no_model_is_left_behind(first: Any, trigger: str, last: Any) -> None:
    """Neither a move nor a refused one leaves a model in the machine, which all threads share."""
    step(first, trigger)
    with pytest.raises(MachineError):
        step(last, trigger)
    assert machine._machine(Phase if isinstance(first, Phase) else Stage).models == []


def test_nothing_but_the_table_moves() -> None:
    """The machine has no automatic trigger (`to_DONE`) beside the table's."""
    made = [machine._machine.__wrapped__(kind) for kind in (Phase, Stage)]  # not from the cache
    assert {event for one in made for event in one.events} == set(TRIGGERS)


#: What holds in which phase, one letter each.
HOLDS = {
    "M": machine.MARKED,
    "A": machine.AUTOSCALER_OFF,
    "H": machine.SCALE_DOWN_DISABLED,
    "P": machine.PINNED,
    "T": machine.TAINTED,
    "Z": machine.SIZED,
    "S": machine.SURGED,
    "I": machine.PROTECTED,
    "D": machine.DRAINING,
    "R": machine.RESTORING,
    "E": frozenset(machine.ENDS),
}


@pytest.mark.parametrize(
    ("phase", "holds"),
    [
        (Phase.PLANNED, ""),
        (Phase.AUTOSCALER_OFF, "M"),
        (Phase.LAUNCH_TEMPLATE, "MAH"),
        (Phase.TAINT, "MAHP"),
        (Phase.SURGE, "MAHPTZ"),
        (Phase.PROTECT, "MAHPTZS"),
        (Phase.READY, "MAHPTZSI"),
        (Phase.DRAIN, "MAHPTZSID"),
        (Phase.RESTORE, "ZR"),
        (Phase.DONE, "E"),
        (Phase.ABORTED, "E"),
    ],
)
def test_what_holds_in_each_phase(phase: Phase, holds: str) -> None:
    """Each phase is told of by position: one that is new stands here too, or the test of all phases fails."""
    assert "".join(letter for letter, phases in HOLDS.items() if phase in phases) == holds


def test_every_phase_is_told_of() -> None:
    """No phase is left out of the table of what holds, and nothing of the machine's table is."""
    marks = test_what_holds_in_each_phase.pytestmark  # type: ignore[attr-defined]
    assert [phase for phase, _ in marks[0].args[1]] == list(Phase)
    sets = {name for name, value in vars(machine).items() if name.isupper() and isinstance(value, frozenset)}
    assert len(sets) == len(HOLDS) - 1


def test_between_goes_by_the_table() -> None:
    """Both ends are in it; it is the table's order that counts."""
    assert between(Phase.READY, Phase.READY) == {Phase.READY}
    assert between(Phase.PLANNED, Phase.ABORTED) == set(Phase)
    assert between(Phase.DRAIN, Phase.READY) == frozenset()


def test_ends_in_sql() -> None:
    """What the database says of ends is what the machine's tables say, and in the words in which it always was."""
    assert ended("OLD.phase", machine.ENDS) == "OLD.phase IN ('DONE', 'ABORTED')"
    assert ended("OLD.stage", machine.STAGE_ENDS) == "OLD.stage IN ('GONE', 'KEPT')"
    assert going_on("phase", machine.ENDS) == "phase NOT IN ('DONE', 'ABORTED')"
    assert going_on("stage", machine.STAGE_ENDS) == "stage NOT IN ('GONE', 'KEPT')"


def modules(package: ModuleType) -> set[str]:
    return {module.name for module in pkgutil.iter_modules(package.__path__)}


def test_each_phase_has_its_module() -> None:
    """Every phase that can be left has one module of its name."""
    assert set(PHASES) == {phase for phase in Phase if not terminal(phase)}
    for phase, rules in PHASES.items():
        assert rules.decide.__module__ == f"rollout.phases.{phase.name.lower()}"
    shared = {
        "abort",
        "as_planned",
        "expected",
        "shared",
        "cluster_lock",
        "deleted",
        "guards",
        "missing",
        "observe",
        "pause",
        "raised",
    }
    assert modules(phases) - shared == {phase.name.lower() for phase in PHASES}


#: What the modules of the stages share.
SHARED = {
    "fitting",
    *(
        "freshness",
        "homes",
        "knowing",
        "newcomers",
        "node_view",
        "pods",
        "replicas",
        "serving",
        "skipped",
        "steadiness",
        "stuck",
        "takeover_delay",
    ),
    *("tainting", "volumes"),
}


def test_each_stage_has_its_module() -> None:
    """Every stage has one module of its name."""
    assert set(STAGES) == set(Stage)
    for stage, decide in STAGES.items():
        assert decide.__module__ == f"rollout.stages.{stage.name.lower()}"
    assert modules(stages) - SHARED == {stage.name.lower() for stage in Stage}
