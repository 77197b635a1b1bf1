"""The marker says what the journal says before anything else is sent; a journal that knows less is not worked with."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rollout.decision import Act
from rollout.effects import UpdateMarker
from rollout.journal import SqlJournal
from rollout.machine import Phase
from rollout.phases.expected import guard
from rollout.phases.marking import mark
from rollout.record import Record
from rollout.seen import MarkerSeen
from rollout.sending import sift
from tests.core.build import ID, MARKER, NOW, marked, record, row, seen, surged
from tests.core.running import Apply, again, begin
from tests.core.tables import agrees, halts
from tests.core.toy import Asked, Toy

WORLD = seen(surged())
BETWEEN = [phase for phase in Phase if phase not in {Phase.PLANNED, Phase.DONE}]


def says(record_: Record, /, **changes: Any) -> MarkerSeen:
    """Our marker, with what this journal says but for `changes`."""
    return replace(MARKER, mark=replace(mark(record_), **changes))


@pytest.mark.parametrize("phase", BETWEEN)
def test_each_phase_begins_with_the_marker(phase: Phase) -> None:
    """Whatever else there is to do, the marker comes first; once it says what the journal says, it is left alone."""
    journal = record(phase)
    decision = guard(seen(surged(), marker=says(journal, phase=Phase.PLANNED)), journal)
    assert isinstance(decision, Act)
    (update,) = decision.effects
    assert isinstance(update, UpdateMarker)
    assert (update.uid, update.mark) == ("uid-marker", mark(journal))
    agreed = guard(marked(WORLD, journal), journal)
    assert not isinstance(agreed, Act) or not any(isinstance(effect, UpdateMarker) for effect in agreed.effects)


@pytest.mark.parametrize(
    "changes",
    [{"plan": record(Phase.SURGE).plan}, {"drain_deadline": None}, {"nodes": ()}, {"nodes": mark(record()).nodes[:1]}],
    ids=["versions", "drain deadline", "no node", "a node that joined"],
)
def test_what_the_marker_must_say(changes: dict[str, Any]) -> None:
    """Plan, drain deadline and every node that must go."""
    journal = record(surge_seconds=60)
    decision = guard(seen(surged(), marker=says(journal, **changes)), journal)
    assert isinstance(decision, Act)
    assert isinstance(decision.effects[0], UpdateMarker)


def test_another_runner_or_place_is_no_reason_to_write() -> None:
    """Epoch and journal are those of the last write."""
    journal = record(epoch=4, journal="here")
    assert guard(seen(surged(), marker=says(journal, epoch=3, journal="there")), journal) is None


@pytest.mark.parametrize(
    ("journal", "changes", "more"),
    [
        (record(Phase.READY), {"phase": Phase.DRAIN}, "knows of phase DRAIN, while the journal says READY"),
        (record(Phase.PLANNED), {"phase": Phase.SURGE}, "knows of phase SURGE"),
        (record(nodes=(row("i-o1"),)), {"nodes": mark(record()).nodes}, "1 nodes that must go"),
        (record(epoch=2), {"epoch": 3}, "knows of epoch 3, while the journal has come to 2"),
    ],
)
def test_a_journal_that_is_older_than_the_marker(journal: Record, changes: dict[str, Any], more: str) -> None:
    """A copy from before is not worked with: it would do once more what was done."""
    decision = guard(seen(surged(), marker=says(journal, journal="/where.db", **changes)), journal)
    agrees(decision, halts(more))
    assert "(/where.db)" in decision.hint  # type: ignore[union-attr]


def test_a_marker_that_cannot_be_read_is_written_anew() -> None:
    """An earlier version's text, or one that somebody spoilt; spoilt once more, a person must act."""
    journal = record()
    spoilt = seen(surged(), marker=MarkerSeen(ID, "uid-marker"))
    decision = guard(spoilt, journal)
    assert isinstance(decision, Act)
    key = decision.effects[0].key
    settled = replace(journal, done=frozenset({key}))
    agrees(sift(guard(spoilt, settled) or decision, settled, NOW), halts("somebody undid it"))


def test_what_is_lost_is_in_the_marker_before_it_is_changed(journal: SqlJournal, toy: Toy) -> None:
    """Sizes before SURGE writes any, old nodes before TAINT, the deadline before the first eviction; first in each."""
    moments: list[tuple[Phase, str, Any]] = []

    def watch(asked: Asked, apply: Apply) -> None:
        moments.append((journal.load(ID).phase, asked[0], toy.marker_.mark if toy.marker_ else None))
        apply()

    toy.disturb = watch
    begin(journal, toy)
    again(journal, toy).run()
    for phase, verb, told in moments:
        assert verb == "write_marker" or told.phase is phase
    first = {verb: told for _, verb, told in reversed(moments)}
    assert first["suspend"].plan.baselines
    assert len(first["suspend"].nodes) == 2
    assert first["evict"].drain_deadline == journal.load(ID).drain_deadline
