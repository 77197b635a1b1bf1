"""Killed, refused or left without an answer, at any call: the same end, and each effect once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pytest

from rollout.engine.runner import Ended
from rollout.errors import Lost, Refused, Retry, Unknown
from rollout.journal import SqlJournal
from rollout.model.observation import GroupSeen, NodeSeen
from rollout.model.plan import Steady, Surge
from tests.core.build import ID, PROCESSES, bare
from tests.core.running import RESTORED, Delayed, Killed, Once, Ran, again, attempts, begin, texts, ticks, to_the_end
from tests.core.toy import Asked, Toy


@pytest.mark.parametrize(
    ("error", "after"),
    [
        pytest.param(Killed(), False, id="killed before"),
        pytest.param(Killed(), True, id="killed after"),
        pytest.param(Unknown("timed out"), False, id="no reply, not applied", marks=pytest.mark.exhaustive),
        pytest.param(Unknown("timed out"), True, id="no reply, but applied"),
        pytest.param(Retry("throttled"), False, id="throttled"),
    ],
)
def test_disturbed_at_every_call(
    journal: SqlJournal,
    toy: Toy,
    ran: Ran,
    error: BaseException,
    after: bool,  # noqa: FBT001 - a column of a table
) -> None:
    """Every single call is struck once, before or after it came to pass; what is applied is what would be anyway."""
    begin(journal, toy)
    assert to_the_end(journal, toy, Once(error, after=after)) is Ended.DONE
    assert toy.group_["g"] == RESTORED
    assert Counter(map(repr, toy.applied)) == Counter(map(repr, ran.toy.applied))
    assert journal.killed(ID) == ()
    assert journal.verify(ID)[1] == ()


@pytest.mark.parametrize(
    ("verb", "seconds"),
    [
        *(("", seconds) for seconds in (20, 300)),
        ("terminate", 300),
        ("update_group", 300),
        *(pytest.param(verb, 300, marks=pytest.mark.exhaustive) for verb in ("protect", "suspend", "resume")),
        pytest.param("protect", 120, marks=pytest.mark.exhaustive),
    ],
)
def test_requests_arrive_late(journal: SqlJournal, toy: Toy, verb: str, seconds: float) -> None:
    """Each request (of one verb) is lost once and arrives minutes later: nothing is undone, nobody is ended twice.

    Those of RESTORE too; and when the rollout is done nothing is under way any more.
    """
    toy.disturb = Delayed(toy, seconds, verb)
    assert begin(journal, toy, surge=Surge(1), poll_seconds=30).run() is Ended.DONE
    assert toy.group_["g"] == RESTORED
    assert (toy.coming, toy.marker_, toy.autoscaler_) == ([], None, Toy().autoscaler_)
    assert Counter(one[0] for one in toy.applied)["terminate"] == 2


def without_o1(groups: tuple[GroupSeen, ...]) -> tuple[GroupSeen, ...]:
    return tuple(replace(one, instances=tuple(i for i in one.instances if i.id != "i-o1")) for one in groups)


@pytest.mark.parametrize(
    ("verb", "less"),
    [
        pytest.param("groups", without_o1, id="an instance"),
        pytest.param("nodes", lambda nodes: tuple(one for one in nodes if one.name != "o1"), id="a node"),
        pytest.param("autoscaler", lambda _: None, id="the autoscaler"),
        pytest.param("marker", lambda _: None, id="the marker"),
    ],
)
def test_what_one_look_misses_is_not_gone(
    journal: SqlJournal, toy: Toy, ran: Ran, monkeypatch: pytest.MonkeyPatch, verb: str, less: Callable[[Any], Any]
) -> None:
    """Once the old nodes are known every third look misses something: what is applied is what would be anyway."""
    calls, whole = count(), getattr(toy, verb)

    def look(*named: object, **how: object) -> object:
        misses = journal.load(ID).nodes and not next(calls) % 3
        return less(whole(*named, **how)) if misses else whole(*named, **how)

    monkeypatch.setattr(toy, verb, look)
    runner = begin(journal, toy)
    asked = count()
    runner.stop = lambda: next(asked) > 300
    assert runner.run() is Ended.DONE
    assert Counter(map(repr, toy.applied)) == Counter(map(repr, ran.toy.applied))
    assert not [text for text in texts(journal, "node") if "not by us" in text]


@pytest.mark.parametrize("after", [True, pytest.param(False, marks=pytest.mark.exhaustive)])
def test_a_small_surge_killed_at_every_call(
    fresh_journal: Callable[[], SqlJournal],
    after: bool,  # noqa: FBT001 - a column
) -> None:
    """Top-ups are sent once too: what is applied is what would be anyway."""
    undisturbed, toy = Toy.in_use(), Toy.in_use()
    with closing(fresh_journal()) as journal:
        assert begin(journal, undisturbed, surge=Surge(1)).run() is Ended.DONE
    with closing(fresh_journal()) as journal:
        begin(journal, toy, surge=Surge(1))
        assert to_the_end(journal, toy, Once(Killed(), after=after)) is Ended.DONE
    assert Counter(map(repr, toy.applied)) == Counter(map(repr, undisturbed.applied))
    assert toy.group_["g"] == undisturbed.group_["g"]


def first(ran: Ran, verb: str) -> Asked:
    return next(asked for asked in ran.toy.applied if asked[0] == verb)


@pytest.mark.parametrize("verb", ["create_version", "terminate"])
def test_refused(journal: SqlJournal, toy: Toy, ran: Ran, verb: str) -> None:
    """A refusal halts, naming what was refused; resumed, the rollout goes on to the same end."""
    toy.disturb = Once(Refused("no right"), after=False, only=first(ran, verb))
    assert begin(journal, toy).run() is Ended.HALTED
    assert "was refused: no right" in str(journal.load(ID).halted)
    again(journal, toy).unhalt()
    assert again(journal, toy).run() is Ended.DONE
    assert toy.group_["g"] == RESTORED
    assert Counter(one[0] for one in toy.applied) == Counter(one[0] for one in ran.toy.applied)


def test_a_kill_between_many_effects_leaves_them_written_down(journal: SqlJournal, toy: Toy) -> None:
    """What was to be sent together stands in the journal, whether it was sent or not."""
    toy.disturb = Once(Killed(), after=False, only=("suspend", ("g", PROCESSES)))
    begin(journal, toy)
    with pytest.raises(Killed):
        again(journal, toy).run()
    left = {row.effect.kind: (row.state, row.sent, row.answered) for row in journal.load(ID).unsettled}
    assert left == {"suspend": ("intended", 1, None), "protect": ("intended", 1, None)}


def test_no_reply_is_looked_into_before_anything_is_sent_again(journal: SqlJournal, toy: Toy) -> None:
    """An effect that was applied without a reply is seen, settled, and not asked for a second time."""
    toy.disturb = Once(Unknown("timed out"), after=True)
    begin(journal, toy)
    ticks(journal, toy, 2)
    assert [asked[0] for asked in toy.asked] == ["write_marker"]
    assert attempts(journal) == [("unknown", None)]
    assert journal.load(ID).unsettled == ()


def test_who_lost_the_rollout_writes_nothing(journal: SqlJournal, toy: Toy) -> None:
    """`Lost` ends the run at once; the intent stays as after a crash."""
    toy.disturb = Once(Lost("taken over"), after=False)
    begin(journal, toy)
    with pytest.raises(Lost):
        again(journal, toy).run()
    assert attempts(journal) == []
    assert [row.state for row in journal.load(ID).unsettled] == ["intended"]


@pytest.mark.parametrize(("seconds", "sent"), [(10, 3), (40, 1)])
def test_what_harms_is_not_sent_long_after_the_look(journal: SqlJournal, seconds: float, sent: int) -> None:
    """An API server that hangs and comes back in the midst of many evictions is looked at before it gets the others."""
    toy = Toy()
    for name in ("a", "b", "c"):
        toy.add(bare(name, on="o1"))
    looked: list[int] = []

    def meddle(asked: Asked, apply: Callable[[], None]) -> None:
        if asked[0] == "evict" and not looked:
            toy.now_ += timedelta(seconds=seconds)
            looked.append(0)
            raise Retry("HTTP 503")
        looked.extend([1] * (asked[0] == "evict"))
        apply()

    nodes = toy.nodes

    def look(*, young: bool = False) -> tuple[NodeSeen, ...]:
        looked.extend([-1] * bool(looked))
        return nodes(young=young)

    toy.disturb, toy.nodes = meddle, look  # type: ignore[method-assign]
    assert begin(journal, toy, max_draining=1).run() is Ended.DONE
    assert looked.index(-1) == sent


@pytest.mark.parametrize(("seconds", "waits"), [(10, False), (40, True)])
def test_an_outage_in_the_midst_of_an_act_is_one_too(journal: SqlJournal, seconds: float, *, waits: bool) -> None:
    """Evictions that hang tell as much as looks that fail: the cluster must be steady first."""
    toy = Toy()
    toy.add(bare("a", on="o1"))
    times: list[datetime] = []

    def meddle(asked: Asked, apply: Callable[[], None]) -> None:
        if asked[0] == "evict":
            times.append(toy.now_)
            if len(times) == 1:
                toy.now_ += timedelta(seconds=seconds)
                raise Retry("HTTP 503")
        apply()

    toy.disturb = meddle
    assert begin(journal, toy, steady=Steady()).run() is Ended.DONE
    assert (times[1] - times[0] >= timedelta(seconds=seconds + 60)) is waits
