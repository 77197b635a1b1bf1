"""A size that somebody raises in mid-run: a halt says so, and a resume after it lets it stay, also after the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from rollout.engine.runner import Ended
from rollout.journal import SqlJournal
from rollout.model.accepted import Accepted, Raised
from rollout.model.decision import Act, Decision, Halt
from rollout.model.effects import Resize, Terminate, UpdateMarker, Written
from rollout.model.machine import Phase, Stage
from rollout.model.observation import GroupSeen, Observation
from rollout.model.plan import Sizes
from rollout.model.reasons import Reason
from rollout.model.record import Record
from rollout.phases import drain, launch_template, restore, surge
from rollout.phases.cluster_lock import checkpoint, guard
from rollout.phases.expected import unexpected
from rollout.phases.raised import kept
from tests.core.build import (
    BASE,
    ID,
    MARKER,
    NOW,
    PROCESSES,
    SURGED,
    drained,
    marked,
    new,
    old,
    pinned,
    record,
    row,
    seen,
    surged,
    unsettled,
    use,
)
from tests.core.running import Apply, again, begin, texts
from tests.core.tables import Answer, acts, agrees, halts
from tests.core.toy import Asked, Toy

FIVE, MINIMUM, BOTH = Raised("g", None, 5), Raised("g", 2, None), Raised("g", 2, 5)
HIGHER = surged(sizes=Sizes(1, 5, 5))
ADOPT = Resize(group="g", before=Sizes(1, 4, 5), sizes=Sizes(1, 5, 5), occasion="raised.-.5.0")
END = Terminate(group="g", instance_id="i-o1", desired_before=4)


def agreed(*ones: Accepted, phase: Phase = Phase.DRAIN, **changes: object) -> Record:
    """A record of a rollout that was resumed after halts that said so."""
    return record(phase, accepted=frozenset(ones), **changes)


def adopted(one: Raised = FIVE, phase: Phase = Phase.DRAIN, **changes: object) -> Record:
    """The same, and what was raised has become ours."""
    key = f"resize:g:raised.{one.minimum or '-'}.{one.desired or '-'}.1"
    wrote = {"g": Written(one.minimum, one.desired)}
    return agreed(one, phase=phase, **{"done": frozenset({key}), "written": wrote, "resume_count": 1, **changes})


def first(world: Observation, journal: Record) -> Decision | None:
    return next(unexpected(marked(world, journal), journal, NOW), None)


@pytest.mark.parametrize(
    ("sizes", "journal", "accepts"),
    [
        pytest.param(Sizes(1, 5, 5), record(), (FIVE,), id="desired"),
        pytest.param(Sizes(2, 4, 4), record(Phase.READY), (MINIMUM,), id="MinSize"),
        pytest.param(Sizes(2, 5, 5), record(Phase.PROTECT), (BOTH,), id="both"),
        pytest.param(Sizes(0, 5, 5), record(), (), id="one is lowered"),
        pytest.param(Sizes(1, 3, 5), record(), (), id="lowered"),
        pytest.param(Sizes(1, 6, 6), agreed(FIVE), (Raised("g", None, 6),), id="raised once more since"),
        pytest.param(Sizes(1, 5, 5), agreed(MINIMUM), (FIVE,), id="another size was agreed to"),
    ],
)
def test_a_halt_says_what_a_resume_accepts(sizes: Sizes, journal: Record, accepts: tuple[Raised, ...]) -> None:
    """What is lowered must be put back: nodes that serve may be missing."""
    halt = first(seen(surged(sizes=sizes)), journal)
    assert isinstance(halt, Halt)
    assert halt.accepts == accepts
    assert ("a resume accepts what was raised" in halt.hint) is bool(accepts)
    assert "put it back (aws autoscaling " in halt.hint


def test_the_hint_names_what_was_raised_and_how_it_is_put_back() -> None:
    """Both ways out stand there: to leave it, and what to type where it is not to stay."""
    halt = first(seen(surged(sizes=Sizes(2, 5, 5))), record())
    assert isinstance(halt, Halt)
    assert halt.hint.startswith(
        "a resume accepts what was raised (MinSize 2, DesiredCapacity 5 of g): "
        "g will keep 5 instances after the rollout; it had 2 before; "
        "MinSize of g will be 2 after the rollout; it was 1 before; "
        "where it is not to stay, put it back (aws autoscaling update-auto-scaling-group "
        "--auto-scaling-group-name g --min-size 1; aws autoscaling terminate-instance-in-auto-scaling-group "
    )


def test_what_must_be_put_back_stands_apart() -> None:
    """A process that somebody resumed is no matter of choice."""
    halt = first(seen(surged(sizes=Sizes(1, 5, 5), suspended=frozenset(PROCESSES[1:]))), record())
    assert isinstance(halt, Halt)
    assert halt.hint.startswith("put it back (aws autoscaling suspend-processes ")
    assert "AZRebalance); a resume accepts what was raised (DesiredCapacity 5 of g): " in halt.hint


@pytest.mark.parametrize(
    ("world", "journal", "expected"),
    [
        pytest.param(HIGHER, agreed(FIVE), acts(ADOPT), id="it becomes ours"),
        pytest.param(HIGHER, adopted(), None, id="it is ours"),
        pytest.param(surged(), agreed(FIVE), None, id="the person took it back first"),
        pytest.param(HIGHER, agreed(FIVE, unsettled=(unsettled(END, "unknown"),)), None,
                     id="not beside a terminate, which takes one off desired"),
        pytest.param(surged(sizes=Sizes(2, 4, 4)), agreed(MINIMUM, phase=Phase.READY),
                     acts(replace(ADOPT, before=SURGED, sizes=Sizes(2, 4, 4), occasion="raised.2.-.0")), id="MinSize"),
        pytest.param(replace(HIGHER, uses=(use("1"),)), agreed(FIVE, phase=Phase.SURGE, direction="back"),
                     acts("resize:g:raised.-.5.0"),
                     id="an abort"),
    ],
)  # fmt: skip
def test_what_was_raised_becomes_ours(world: GroupSeen, journal: Record, expected: Answer | None) -> None:
    """By a resize in the journal, once a person has resumed."""
    decision = first(seen(world), journal)
    if expected is None:
        assert decision is None
    else:
        agrees(decision, expected)


BARE = pinned(old("o1"), old("o2"), suspended=frozenset(PROCESSES))


@pytest.mark.parametrize(
    ("sizes", "accepts"),
    [
        pytest.param(Sizes(1, 3, 3), Raised("g", None, 3), id="below the surge"),
        pytest.param(Sizes(1, 4, 4), Raised("g", None, 4), id="as many as with the surge"),
        pytest.param(Sizes(1, 5, 5), FIVE, id="above the surge"),
        pytest.param(Sizes(2, 2, 3), MINIMUM, id="MinSize"),
    ],
)
def test_what_was_raised_before_the_surge(sizes: Sizes, accepts: Raised) -> None:
    """SURGE halts, makes it ours after a resume, and then surges: never to less than what stays."""
    world = seen(replace(BARE, sizes=sizes))
    halt = surge.decide(world, record(Phase.SURGE), NOW)
    assert isinstance(halt, Halt)
    assert (halt.accepts, "a resume accepts" in halt.hint) == ((accepts,), True)
    key = f"resize:g:raised.{accepts.minimum or '-'}.{accepts.desired or '-'}.0"
    agrees(surge.decide(world, agreed(accepts, phase=Phase.SURGE), NOW), acts(key))
    then = surge.decide(world, adopted(accepts, Phase.SURGE), NOW)
    assert [(one.sizes, one.protect_new) for one in then.effects if isinstance(one, Resize)] == [  # type: ignore[union-attr]
        (Sizes(sizes.minimum, max(4, sizes.desired), max(4, sizes.desired)), True)
    ]


def test_drift_after_the_surge_was_written_is_told_by_what_we_wrote() -> None:
    """Lowered: nothing is accepted."""
    journal = record(Phase.SURGE, written={"g": Written(desired=4)})
    agrees(surge.decide(seen(replace(BARE, sizes=BASE, protect_new=True)), journal, NOW), acts("resize:g:surge.0"))
    agrees(surge.decide(seen(replace(BARE, sizes=Sizes(1, 3, 4))), journal, NOW), halts("is 3, not 4"))


def test_it_is_kept_up_while_old_nodes_go() -> None:
    """Each terminate lowers desired by one; it is raised again to what stays, and nobody is surplus."""
    journal = adopted(written={"g": Written(desired=4)}, nodes=(row("i-o1", Stage.GONE), row("i-o2")))
    world = seen(surged(old("o2"), *(new(f"n{number}") for number in range(3)), sizes=Sizes(3, 4, 5)))
    assert [effect.sizes for effect in drain.top_ups(world, journal)] == [Sizes(3, 5, 5)]
    gone = replace(journal, nodes=(row("i-o1", Stage.GONE), row("i-o2", Stage.GONE)))
    full = seen(drained(*(new(f"n{number}") for number in range(5)), sizes=Sizes(3, 5, 5)))
    assert drain.surplus(full, gone, NOW) == ()
    assert len(drain.surplus(full, record(nodes=gone.nodes), NOW)) == 3


@pytest.mark.parametrize(
    ("one", "now", "wanted"),
    [
        pytest.param(FIVE, Sizes(4, 5, 5), Sizes(1, 5, 5), id="desired"),
        pytest.param(FIVE, Sizes(3, 4, 5), Sizes(1, 5, 5), id="the last terminate lowered it"),
        pytest.param(MINIMUM, Sizes(3, 4, 4), Sizes(2, 2, 4), id="MinSize"),
    ],
)
def test_restore_gives_back_what_was_raised(one: Raised, now: Sizes, wanted: Sizes) -> None:
    """It is the person's, and is reported; everything else goes back to the baseline."""
    wrote = {"g": Written(now.minimum, now.desired)}
    world = seen(drained(new("n1"), new("n2"), sizes=now))
    part = restore.sizes(world, adopted(one, Phase.RESTORE, written=wrote))
    assert [effect.sizes for effect in part.effects if isinstance(effect, Resize)] == [wanted]
    assert any("stays" in line for line in part.report)


def test_an_abort_leaves_as_many_as_stay() -> None:
    """It lowers desired to those that live, and never below what somebody raised."""
    journal = adopted(phase=Phase.LAUNCH_TEMPLATE, direction="back", nodes=())
    assert kept(journal, "g") == Sizes(1, 5, 3)
    assert launch_template._no_more(seen(surged(sizes=Sizes(1, 5, 5))), journal) == ()
    assert launch_template._no_more(seen(surged(sizes=Sizes(1, 6, 6))), journal)[0].sizes == Sizes(1, 5, 6)


def test_only_what_became_ours_stays() -> None:
    """A person may agree, and take it back before it was seen again; another group's is another's."""
    assert kept(agreed(FIVE), "g") == BASE
    other = replace(adopted(), accepted=frozenset({replace(FIVE, group="h")}))
    assert kept(other, "g") == BASE
    assert kept(adopted(BOTH), "g") == Sizes(2, 5, 3)


def _raised(toy: Toy, number: int) -> Callable[[Asked, Apply], None]:
    """Somebody raises desired once, while the first old node drains."""
    done: list[int] = []

    def meddle(asked: Asked, apply: Apply) -> None:
        apply()
        if asked[0] == "evict" and not done:
            done.append(number)
            there = toy.group_["g"]
            toy.group_["g"] = replace(there, sizes=there.sizes.raised(number))
            toy.fill("g")

    return meddle


def test_a_rollout_goes_on_after_desired_was_raised(journal: SqlJournal, toy: Toy) -> None:
    """Without a resume it stays halted; after one it ends with what somebody raised, and says so; also when killed."""
    toy.disturb = _raised(toy, 5)
    assert begin(journal, toy).run() is Ended.HALTED
    assert journal.events(ID)[-1].reason == Reason.DRIFT_SIZES
    assert journal.load(ID).accepted == frozenset()
    assert again(journal, toy).run() is Ended.HALTED
    again(journal, toy).unhalt()
    assert journal.load(ID).accepted == {FIVE}
    assert again(journal, toy).run() is Ended.DONE
    there = toy.group_["g"]
    assert (there.sizes, len(there.living)) == (Sizes(1, 5, 5), 5)
    told = "DesiredCapacity of g was 2, stays 5 (5 living), raised in mid-run and accepted by a resume"
    assert told in texts(journal, "report")
    assert journal.load(ID).accepted == {FIVE}


def test_a_person_takes_it_back_and_resumes(journal: SqlJournal, toy: Toy) -> None:
    """Then it is as if nobody had raised it."""
    toy.disturb = _raised(toy, 5)
    assert begin(journal, toy).run() is Ended.HALTED
    there = toy.group_["g"]
    newest = max(one.id for one in there.living)
    toy.vanish(newest)
    toy.group_["g"] = replace(toy.group_["g"], sizes=replace(there.sizes, desired=4))
    again(journal, toy).unhalt()
    assert again(journal, toy).run() is Ended.DONE
    assert toy.group_["g"].sizes.desired == 2


def test_the_marker_tells_what_has_become_ours_and_nothing_else() -> None:
    """It is written once more for it, in a request of its own: a lost journal is rebuilt from it."""
    before, after = agreed(FIVE, MINIMUM), adopted(FIVE)
    assert guard(marked(seen(HIGHER), before), before) is None
    marker = replace(MARKER, checkpoint=checkpoint(before))
    update = guard(seen(HIGHER, marker=marker), replace(before, done=after.done))
    assert isinstance(update, Act)
    (effect,) = update.effects
    assert isinstance(effect, UpdateMarker)
    assert (effect.mark.accepted, effect.occasion.endswith(".accepted-1")) == ((FIVE,), True)


def test_what_is_halted_is_not_agreed_to(journal: SqlJournal, toy: Toy) -> None:
    """Only a resume agrees, and only to what the halts before it said."""
    begin(journal, toy)
    for number in (5, 6):
        journal.halt(ID, Halt(Reason.DRIFT_SIZES, "raised", "", (Raised("g", None, number),)), NOW)
        if number == 5:
            journal.resume(ID, None, NOW)
    assert journal.load(ID).accepted == {FIVE}
