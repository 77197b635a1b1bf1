"""Done means seen; and an effect leaves only when nothing else on its thing is under way."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from rollout.engine.settle import settle, sift, unclear
from rollout.model.decision import Act, Advance, Decision, Halt, Move, NodeWait, Wait
from rollout.model.effects import Cordon, DeleteJob, Effect, Evict, Resize, Suspend, Terminate
from rollout.model.machine import Phase
from rollout.model.observation import Observation, PodSeen
from rollout.model.plan import Sizes
from rollout.model.reasons import Reason
from rollout.model.record import LATE_SECONDS, EffectRow, EffectState, Late
from rollout.ports import Settled
from tests import samples as e
from tests.core.build import NOW, SURGED, at, new, node, old, pod, record, row, seen, surged, unsettled
from tests.core.tables import Answer, acts, agrees, halts, waits

CORDON = Cordon(node="o1", uid="uid-o1", instance_id="i-o1", occasion="0.0")
OTHER = replace(CORDON, node="o2", uid="uid-o2", instance_id="i-o2")
END = Terminate(group="g", instance_id="i-o1", desired_before=4)
RAISE = Resize(group="g", before=SURGED, sizes=Sizes(3, 4, 4), occasion="floor.i-o1.0.0")

SHOWS = seen(surged(), node("o1", unschedulable=True))
SHOWS_NOT = seen(surged())
HALF = seen(surged(old("o1", lifecycle="Terminating"), old("o2"), new("n1"), new("n2")))


@pytest.mark.parametrize(
    ("effect", "state", "world", "seconds", "settled"),
    [
        pytest.param(CORDON, "intended", SHOWS, 0, "done", id="it shows at once"),
        pytest.param(CORDON, "unknown", SHOWS, 0, "done", id="it shows though no reply came"),
        pytest.param(CORDON, "intended", SHOWS_NOT, 0, None, id="a watch may be behind"),
        pytest.param(CORDON, "intended", SHOWS_NOT, 14.9, None, id="for 15 s"),
        pytest.param(CORDON, "intended", SHOWS_NOT, 15, "not_applied", id="then it was not applied"),
        pytest.param(CORDON, "unknown", SHOWS_NOT, 15, "not_applied", id="nor the one without a reply"),
        pytest.param(CORDON, "rejected", SHOWS, 60, None, id="a no is settled, even if somebody did it since"),
        pytest.param(END, "intended", SHOWS_NOT, 329.9, None, id="a terminate without an answer may arrive late"),
        pytest.param(END, "unknown", SHOWS_NOT, 329.9, None, id="also one whose answer was lost"),
        pytest.param(END, "unknown", SHOWS_NOT, 330, "not_applied", id="until its signature is too old"),
        pytest.param(RAISE, "unknown", SHOWS_NOT, 15, "not_applied", id="a resize may too, and would write the same"),
        pytest.param(END, "intended", HALF, 320, None, id="half of it shows: nobody knows yet"),
        pytest.param(END, "unknown", seen(surged(old("o2"), new("n1"), new("n2"), sizes=Sizes(3, 3, 4))), 0, "done",
                     id="gone and decremented"),
    ],
)  # fmt: skip
def test_settle(effect: Effect, state: EffectState, world: Observation, seconds: float, settled: str | None) -> None:
    """What shows is done; what does not show for long enough was not applied; in between we wait."""
    found = settle(world, record(unsettled=(unsettled(effect, state),)), at(seconds))
    assert [(one.key, one.state) for one in found] == ([] if settled is None else [(effect.key, settled)])


RAISED = seen(surged(sizes=Sizes(3, 4, 4)))


@pytest.mark.parametrize(
    ("effect", "world", "changes", "settled"),
    [
        pytest.param(RAISE, RAISED, {"yeses": 1}, True, id="it was answered, and shows"),
        pytest.param(RAISE, RAISED, {"late": (Late(RAISE, at(330)),)}, True, id="it had no answer, and shows"),
        pytest.param(RAISE, RAISED, {"late": (Late(CORDON, at(330)),)}, False, id="the other side said no"),
        pytest.param(RAISE, SHOWS_NOT, {"yeses": 1}, False, id="it does not show"),
        pytest.param(CORDON, SHOWS, {"yeses": 1}, False, id="a node says itself whose mark it has"),
        pytest.param(END, seen(surged(old("o2"), new("n1"), new("n2"), sizes=Sizes(3, 3, 4))), {"yeses": 1}, False,
                     id="an instance may be gone by anybody's act"),
    ],
)  # fmt: skip
def test_what_shows_late_is_done(effect: Effect, world: Observation, changes: dict[str, Any], *, settled: bool) -> None:
    """What a group shows is known to be ours, even if an earlier look did not find it."""
    late = changes.get("late", ())
    changes = {name: value for name, value in changes.items() if name != "late"}
    journal = record(unsettled=(unsettled(effect, "not_applied", **changes),), late=late)
    assert [one.state for one in settle(world, journal, at(600))] == ["done"] * settled


def test_the_answer_counts_where_there_is_one() -> None:
    """An act of many effects takes long: what was answered a moment ago may not show yet."""
    journal = record(unsettled=(unsettled(CORDON, answered=at(40)),))
    assert settle(SHOWS_NOT, journal, at(54)) == ()
    assert len(settle(SHOWS_NOT, journal, at(55))) == 1


def test_a_terminate_that_was_answered_has_a_minute() -> None:
    """It has arrived, and AWS may answer reads from a moment ago: longer for the one effect that is not absolute."""
    journal = record(unsettled=(unsettled(END, answered=at(2)),))
    assert settle(SHOWS_NOT, journal, at(61.9)) == ()
    assert [one.state for one in settle(SHOWS_NOT, journal, at(62))] == ["not_applied"]


@pytest.mark.parametrize("answered", [None, at(2)])
def test_a_terminate_that_shows_by_half_is_settled_when_nothing_is_under_way(answered: datetime | None) -> None:
    """Somebody changed desired at that moment: what is not clear after so long no resume makes clear."""
    journal = record(unsettled=(unsettled(END, answered=answered),))
    assert settle(HALF, journal, at(LATE_SECONDS - 1)) == ()
    assert [one.state for one in settle(HALF, journal, at(LATE_SECONDS))] == ["not_applied"]


JOB_POD = pod("job-1", "o1")
TOLD = replace(JOB_POD, deleting=NOW, stopped=True)
KILL = Evict(namespace="ns", name="job-1", uid="uid-job-1", node="o1", kills="ns/job")
END_JOB = DeleteJob(namespace="ns", name="job", pod_uid="uid-job-1", node="o1", kills="ns/job", job_uid="u")


@pytest.mark.parametrize(
    ("there", "ours"),
    [
        pytest.param((), True, id="gone: nobody else is known to have ended it"),
        pytest.param((replace(JOB_POD, deleting=NOW),), True, id="it is being deleted"),
        pytest.param((replace(TOLD, phase="Failed"),), True, id="it failed as it was told to end"),
        pytest.param((replace(TOLD, phase="Succeeded"),), True, id="it ended with 0 as it was told to end"),
        pytest.param((replace(JOB_POD, phase="Failed", deleting=NOW),), False, id="it had failed before that"),
        pytest.param((replace(JOB_POD, phase="Succeeded"),), False, id="it has succeeded"),
        pytest.param((replace(JOB_POD, phase="Succeeded", deleting=NOW),), False, id="it succeeded all the same"),
        pytest.param((replace(JOB_POD, phase="Failed"),), False, id="it failed by itself"),
    ],
)
@pytest.mark.parametrize("effect", [KILL, END_JOB], ids=["evict", "job"])
def test_what_ended_by_itself_is_not_ours(effect: Effect, there: tuple[PodSeen, ...], ours: bool) -> None:  # noqa: FBT001
    """A pod that ended by itself was not killed by us, no matter what we had sent."""
    (settled,) = settle(seen(surged(), *there), record(unsettled=(unsettled(effect),)), NOW)
    assert (settled.state, settled.ours) == ("done", ours)


def test_what_was_answered_last_is_kept_with_what_is_not_seen() -> None:
    """A dead webhook's words stay: they tell a person why the effect is not applied."""
    rows = (unsettled(CORDON, "unknown", detail="failed calling webhook"),)
    (told,) = settle(seen(node("o1")), record(unsettled=rows), at(20))
    assert told == Settled(CORDON.key, "not_applied", "not seen (failed calling webhook)")


def test_all_that_can_be_settled_is() -> None:
    """One unclear effect does not keep the others."""
    rows = (unsettled(END), unsettled(CORDON), unsettled(OTHER))
    assert settle(replace(HALF, nodes=SHOWS.nodes), record(unsettled=rows), at(20)) == (
        Settled(CORDON.key, "done", "seen"),
        Settled(OTHER.key, "not_applied", "not seen"),
    )


ACT = Act("work", (CORDON,), waits=(NodeWait("i-o1", "cordon"),))


def stripped(yeses: int, answered: datetime | None = NOW) -> EffectRow:
    return unsettled(CORDON, "not_applied", retry_at=NOW, sent=9, answered=answered, yeses=yeses, first_yes=NOW)


@pytest.mark.parametrize(
    ("rows", "done", "seconds", "expected"),
    [
        pytest.param((), (), 0, acts(CORDON), id="never sent"),
        pytest.param((unsettled(CORDON),), (), 1, waits("work"), id="under way"),
        pytest.param((unsettled(CORDON, "unknown"),), (), 1, waits("work"), id="no reply: look first"),
        pytest.param((unsettled(CORDON, "not_sent", retry_at=at(30)),), (), 20, waits(), id="its pause is not over"),
        pytest.param((unsettled(CORDON, "not_sent", retry_at=at(30)),), (), 30, acts(CORDON), id="its pause is over"),
        pytest.param((unsettled(replace(CORDON, occasion="9")),), (), 1, waits(),
                     id="another on the same thing under way"),
        pytest.param((unsettled(replace(CORDON, occasion="9"), "rejected"),), (), 1, acts(CORDON),
                     id="another on the same thing was refused"),
        pytest.param((unsettled(OTHER),), (), 1, acts(CORDON), id="another thing"),
        pytest.param((unsettled(RAISE),), (), 1, acts(CORDON), id="another kind"),
        pytest.param((unsettled(CORDON, "rejected", detail="no right"),), (), 1, waits(),
                     id="refused for good: the world is looked at once more"),
        pytest.param((unsettled(CORDON, "rejected", detail="no right"),), (), 15,
                     halts("cordon of o1 was refused: no right"), id="refused for good: a person"),
        pytest.param((unsettled(CORDON, "rejected", retry_at=at(20)),), (), 20, acts(CORDON), id="forgiven: resumed"),
        pytest.param((stripped(2),), (), 180, acts(CORDON), id="answered yes and not seen: again, however often sent"),
        pytest.param((stripped(3),), (), 180,
                     halts('cordon of o1 was answered "yes" 3 times, and does not show'),
                     id="answered yes and never seen: a person"),
        pytest.param((stripped(3),), (), 179, acts(CORDON), id="a watch may be as old as that"),
        pytest.param((stripped(3, None),), (), 180, acts(CORDON), id="resumed since: once more"),
        pytest.param((unsettled(CORDON, "not_sent", retry_at=at(99), tried=NOW, intended=at(98)),), (), 99,
                     acts(CORDON), id="a phase without a deadline"),
        pytest.param((), (CORDON.key,), 0, halts("drift: cordon of o1 was done and seen, and was reverted since"),
                     id="done, and undone by somebody"),
    ],
)  # fmt: skip
def test_sift(rows: tuple[EffectRow, ...], done: tuple[str, ...], seconds: float, expected: Answer) -> None:
    """An effect leaves once, alone on its thing, after its pause; what only a person can correct halts."""
    agrees(sift(ACT, record(unsettled=rows, done=frozenset(done)), at(seconds)), expected)


@pytest.mark.parametrize("older", e.ALL, ids=lambda effect: effect.key)
def test_nothing_leaves_that_a_late_request_would_undo(older: Effect) -> None:
    """It waits until the older one's signature is too old, and says so; a writer of the same leaves at once."""
    rows = (unsettled(older, "not_applied", retry_at=at(15)),)
    journal = record(unsettled=rows, late=(Late(older, at(330)),))
    for newer in e.ALL:
        act = Act("work", (newer,))
        if older.undoes(newer):
            agrees(sift(act, journal, at(329)), waits("work, not before 12:05:30 UTC"))
            agrees(sift(act, journal, at(330)), acts(newer))
        else:
            agrees(sift(act, journal, at(15)), acts(newer))


def test_what_may_leave_does() -> None:
    """An effect that must wait does not keep its neighbours."""
    decision = sift(replace(ACT, effects=(CORDON, OTHER)), record(unsettled=(unsettled(CORDON),)), at(1))
    agrees(decision, acts(OTHER))


def test_nothing_leaves_beside_drift() -> None:
    """Where somebody undid one effect, a person looks before any other is sent."""
    decision = sift(replace(ACT, effects=(OTHER, CORDON)), record(done=frozenset({CORDON.key})), NOW)
    agrees(decision, halts("drift"))


@pytest.mark.parametrize(
    "changes", [{"unsettled": (unsettled(CORDON, "rejected"),)}, {"done": frozenset({CORDON.key})}]
)
def test_nobody_is_terminating_whose_terminate_stays(changes: dict[str, Any]) -> None:
    """A move and the terminate that it stands for are written down together or not at all; other moves pass."""
    act = replace(ACT, effects=(END, CORDON), moves=(Move("i-o1", "terminate"), Move("i-o2", "vanish")))
    decision = sift(act, record(Phase.DRAIN, **changes), at(15))
    assert decision == replace(act, effects=(), moves=(Move("i-o2", "vanish"),))
    halted = sift(replace(act, moves=act.moves[:1]), record(Phase.DRAIN, **changes), at(15))
    assert isinstance(halted, Halt)


@pytest.mark.parametrize("act", [replace(ACT, moves=(Move("i-o2", "drain"),)), replace(ACT, nodes=(row("i-n1"),))])
@pytest.mark.parametrize("changes", [{"unsettled": (unsettled(CORDON),)}, {"done": frozenset({CORDON.key})}])
def test_moves_and_rows_pass(act: Act, changes: dict[str, object]) -> None:
    """What is only written down waits for no effect, not even for one that halts: the halt comes at the next look."""
    decision = sift(act, record(Phase.DRAIN, **changes), at(1))
    assert decision == replace(act, effects=())


@pytest.mark.parametrize(
    "answer",
    [Wait(NOW, Reason.TURN, "x"), Advance("x", Phase.DRAIN), Halt(Reason.TURN, "x", "y")],
    ids=lambda one: type(one).__name__,
)
def test_other_answers_pass(answer: Decision) -> None:
    """Only what is sent is sifted."""
    assert sift(answer, record(unsettled=(unsettled(CORDON),)), NOW) is answer


@pytest.mark.parametrize(("retry_at", "until"), [(at(4), at(4)), (at(99), at(11)), (None, at(11))], ids=str)
def test_a_withheld_act_waits_for_its_pause(retry_at: datetime | None, until: datetime) -> None:
    """It is looked at again when a pause of its own ends, at the latest after the poll."""
    rows = (unsettled(CORDON, "not_sent", retry_at=retry_at), unsettled(OTHER, "not_sent", retry_at=at(2)))
    assert sift(ACT, record(unsettled=rows), at(1)) == Wait(until, Reason.EFFECT_PENDING, "work", ACT.waits)


@pytest.mark.parametrize(
    ("state", "seconds", "expected"),
    [
        ("intended", 899, None),
        ("intended", 900, halts("not clear whether terminate of g/i-o1 was applied (no reply)")),
        ("unknown", 900, halts("not clear whether terminate of g/i-o1")),
        ("refused", 9000, None),
    ],
)
def test_what_stays_unclear_needs_a_person(state: EffectState, seconds: float, expected: Answer | None) -> None:
    """15 minutes after it was sent, an effect of which the world still does not tell halts the rollout."""
    decision = unclear(record(unsettled=(unsettled(CORDON, "rejected"), unsettled(END, state))), at(seconds))
    assert (decision is None) is (expected is None)
    if expected:
        agrees(decision, expected)


def test_the_last_answer_is_told() -> None:
    """The person who has to look is told what the other side said."""
    decision = unclear(record(unsettled=(unsettled(END, "unknown", detail="timed out"),)), at(900))
    agrees(decision, halts("(timed out)"))


def test_two_kinds_on_one_group_do_not_block_each_other() -> None:
    """Suspending processes and writing sizes are different things of one group."""
    act = Act("x", (Suspend(group="g", processes=("a",)),))
    agrees(sift(act, record(unsettled=(unsettled(RAISE),)), NOW), acts("suspend:g:"))


@pytest.mark.parametrize(("intended", "expected"), [(59, acts(CORDON)), (60, halts("does not get through"))])
def test_a_phase_that_is_out_of_time_needs_a_person(intended: float, expected: Answer) -> None:
    """What did not come through for a minute, and was sent past the phase's deadline, too, is not sent for ever."""
    rows = (unsettled(CORDON, "not_sent", detail="Throttled", retry_at=at(99), tried=NOW, intended=at(intended)),)
    agrees(sift(ACT, record(Phase.READY, unsettled=rows, deadline=at(30)), at(99)), expected)
