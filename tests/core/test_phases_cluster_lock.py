"""The marker says what the journal says before anything else is sent; a journal that knows less is not worked with."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rollout.commands import Options, complete
from rollout.engine.settle import sift
from rollout.journal import SqlJournal
from rollout.model.decision import Act, Halt
from rollout.model.effects import DeleteMarker, UpdateMarker
from rollout.model.machine import Phase
from rollout.model.observation import MarkerSeen
from rollout.model.plan import ClusterId
from rollout.model.reasons import Reason
from rollout.model.record import Record
from rollout.phases.cluster_lock import checkpoint, create, outlived
from tests.core.build import ID, MARKER, NOW, marked, record, row, seen, surged, unsettled
from tests.core.running import Apply, again, begin
from tests.core.tables import agrees, guard, halts
from tests.core.toy import Asked, Toy

WORLD = seen(surged())
BETWEEN = [phase for phase in Phase if phase not in {Phase.PLANNED, Phase.DONE}]


def says(record_: Record, /, **changes: Any) -> MarkerSeen:
    """Our marker, with what this journal says but for `changes`."""
    return replace(MARKER, checkpoint=replace(checkpoint(record_), **changes))


@pytest.mark.parametrize("phase", BETWEEN)
def test_each_phase_begins_with_the_marker(phase: Phase) -> None:
    """The marker comes before everything else; once it says what the journal says, it is left alone."""
    journal = record(phase)
    decision = guard(seen(surged(), marker=says(journal, phase=Phase.PLANNED)), journal)
    assert isinstance(decision, Act)
    (update,) = decision.effects
    assert isinstance(update, UpdateMarker)
    assert (update.uid, update.mark) == ("uid-marker", checkpoint(journal))
    agreed = guard(marked(WORLD, journal), journal)
    assert not isinstance(agreed, Act) or not any(isinstance(effect, UpdateMarker) for effect in agreed.effects)


@pytest.mark.parametrize(
    "changes",
    [
        {"plan": record(Phase.SURGE).plan},
        {"drain_deadline": None},
        {"nodes": ()},
        {"nodes": checkpoint(record()).nodes[:1]},
    ],
    ids=["versions", "drain deadline", "no node", "a node that joined"],
)
def test_what_the_marker_must_say(changes: dict[str, Any]) -> None:
    """Plan, drain deadline and every node that must go."""
    journal = record(in_service_seconds=60)
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
        (record(nodes=(row("i-o1"),)), {"nodes": checkpoint(record()).nodes}, "1 nodes that must go"),
        (record(epoch=2), {"epoch": 3}, "knows of epoch 3, while the journal has come to 2"),
    ],
)
def test_a_journal_that_is_older_than_the_marker(journal: Record, changes: dict[str, Any], more: str) -> None:
    """A copy from before is not worked with: it would do once more what was done."""
    decision = guard(seen(surged(), marker=says(journal, journal="/where.db", **changes)), journal)
    agrees(decision, halts(more))
    assert f"rollout resume {journal.id} --database sqlite:////where.db" in decision.hint  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("journal", "command"),
    [
        ("/its own.db", "on the host that has this file: rollout resume r2 --database 'sqlite:////its own.db'"),
        ("postgresql+psycopg://a@h/d", "journal: rollout resume r2 --database postgresql+psycopg://a@h/d"),
        ("", "journal: rollout resume r2 --database URL"),
    ],
)
def test_another_rollout_is_gone_on_with_in_the_journal_that_the_marker_names(journal: str, command: str) -> None:
    """This journal does not know it: its own database is named, and this one is not added."""
    ours = record()
    theirs = replace(says(ours, journal=journal), rollout_id="r2")
    decision = guard(seen(surged(), marker=theirs), ours)
    agrees(decision, halts("belongs to rollout r2"))
    hint = complete(decision.hint, Options("/c.yaml", "sqlite:////this.db"))  # type: ignore[union-attr]
    assert hint.replace(" --config /c.yaml", "").endswith(command)
    assert "this.db" not in hint


def test_a_marker_that_cannot_be_read_is_written_anew() -> None:
    """An earlier version's text, or one that somebody spoilt; spoilt once more, a person must act."""
    journal = record()
    spoilt = seen(surged(), marker=MarkerSeen(ID, "uid-marker"))
    decision = guard(spoilt, journal)
    assert isinstance(decision, Act)
    key = decision.effects[0].key
    settled = replace(journal, done=frozenset({key}))
    agrees(sift(guard(spoilt, settled) or decision, settled, NOW), halts("was reverted since"))


def test_an_older_copy_in_the_right_place() -> None:
    """Who names the right database already is not told to name it: the file, or what is lost, is put right."""
    journal = record(Phase.READY, journal="/where.db")
    halt = guard(seen(surged(), marker=says(journal, journal="/where.db", phase=Phase.DRAIN)), journal)
    assert isinstance(halt, Halt)
    assert halt.hint.startswith("put the right one back at /where.db")
    assert "rollout doctor --rebuild" in halt.hint
    assert "name the database" not in halt.hint


def test_what_is_lost_is_in_the_marker_before_it_is_changed(journal: SqlJournal, toy: Toy) -> None:
    """Sizes before SURGE writes any, old nodes before TAINT, the deadline before the first eviction; first in each."""
    moments: list[tuple[Phase, str, Any]] = []

    def watch(asked: Asked, apply: Apply) -> None:
        moments.append((journal.load(ID).phase, asked[0], toy.marker_.checkpoint if toy.marker_ else None))
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


HERE = ClusterId("arn:aws:eks:eu-west-1:123456789012:cluster/eks", "uid-here")
MADE = create(record()).key
TAKEN_AWAY = DeleteMarker(uid="uid-marker")


def test_an_older_rollout_writes_its_cluster_into_the_marker_by_a_key_of_its_own() -> None:
    """What was written under the same phase and nodes does not count as having said which cluster it is."""
    old = record()
    journal = replace(old, plan=replace(old.plan, cluster_id=HERE))
    keys = []
    for one in (says(old), says(old, phase=Phase.READY)):
        decision = guard(seen(surged(), marker=one), journal)
        assert isinstance(decision, Act)
        keys.append(decision.effects[0].key)
    assert keys[0].endswith(".cluster")
    assert keys[0] != keys[1]


@pytest.mark.parametrize(
    "journal",
    [
        record(),
        record(done=frozenset({MADE, TAKEN_AWAY.key})),
        record(done=frozenset({MADE}), unsettled=(unsettled(TAKEN_AWAY),)),
        record(done=frozenset({MADE}), unsettled=(unsettled(create(record(), "0.again")),)),
    ],
    ids=["never made", "taken away", "being taken away", "being made once more"],
)
def test_a_marker_may_be_gone(journal: Record) -> None:
    """Where the journal did not make it, or is at it, nothing speaks against going on."""
    assert outlived(None, journal) is None


def test_a_marker_that_is_gone_tells_of_a_newer_copy() -> None:
    """A journal that made the marker and did not take it away may be a copy: a person says which it is."""
    halt = outlived(None, record(done=frozenset({MADE}), journal="here"))
    assert halt is not None
    assert "is gone, and this journal (here) made it" in halt.why
    assert halt.reason is Reason.MARKER_GONE


def test_a_marker_that_stands_is_compared_where_it_is_ours() -> None:
    """Another rollout's says nothing about this journal; our own says whether the journal is older."""
    journal = record(Phase.READY)
    assert outlived(replace(says(journal, phase=Phase.DRAIN), rollout_id="another"), journal) is None
    assert outlived(says(journal), journal) is None
    assert outlived(says(journal, phase=Phase.DRAIN), journal) is not None


@pytest.mark.parametrize(
    ("other", "says_"),
    [
        (HERE, ""),
        (replace(HERE, uid=""), ""),
        (replace(HERE, uid="uid-there"), "another cluster under the same name"),
        (replace(HERE, arn=HERE.arn.replace("123456789012", "210987654321")), "210987654321"),
    ],
    ids=["same", "uid not read", "another uid", "another account"],
)
def test_a_cluster_is_its_arn_and_its_uid(other: ClusterId, says_: str) -> None:
    """Another ARN or another uid is another cluster; a uid that may not be read is no difference."""
    found = HERE.differs(other)
    assert bool(found) is bool(says_)
    assert says_ in found
