"""What others do between our writes, and clocks that are set, on a toy world: the loop's own share of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from rollout.engine.runner import Ended
from rollout.errors import Unknown
from rollout.journal import SqlJournal
from rollout.model.effects import Resize, Written
from rollout.model.machine import Phase, Stage
from rollout.model.observation import GroupSeen, Observation, RefreshSeen
from rollout.model.plan import Sizes
from rollout.model.record import Record
from rollout.phases import drain
from rollout.phases.missing import missing
from tests.core.build import (
    BASE,
    ID,
    NOW,
    PROCESSES,
    SURGED,
    drained,
    found,
    new,
    node,
    old,
    pod,
    record,
    row,
    seen,
    surged,
    unsettled,
    use,
)
from tests.core.running import RESTORED, Apply, again, begin, texts, ticks
from tests.core.tables import acts, agrees
from tests.core.toy import Asked, Toy

HOUR = timedelta(hours=1)


def test_an_instance_refresh_is_not_set_loose(journal: SqlJournal, toy: Toy) -> None:
    """It began in mid-run: RESTORE keeps protection and the process until a person has cancelled it."""
    toy.refresh_["g"] = RefreshSeen("08b9", "InProgress")
    assert begin(journal, toy, processes=("AZRebalance", "InstanceRefresh")).run() is Ended.HALTED
    assert journal.load(ID).phase is Phase.RESTORE
    there = toy.group_["g"]
    assert (all(one.protected for one in there.instances), "InstanceRefresh" in there.suspended) == (True, True)
    toy.refresh_.clear()
    again(journal, toy).unhalt()
    assert again(journal, toy).run() is Ended.DONE
    assert toy.group_["g"] == RESTORED


@pytest.mark.parametrize(
    "verb",
    [
        *("create_version", "terminate"),
        *(
            pytest.param(verb, marks=pytest.mark.exhaustive)
            for verb in ("update_group", "change_node", "evict", "resume")
        ),
    ],
)
@pytest.mark.parametrize("jump", [HOUR, -HOUR], ids=["on", "back"])
def test_a_clock_that_jumps_delays_a_rollout_and_harms_nobody(
    journal: SqlJournal, toy: Toy, verb: str, jump: timedelta
) -> None:
    """At the worst moment, with the answer lost: a halt at most, no Job is killed, nothing is sent twice."""

    def meddle(asked: Asked, apply: Apply) -> None:
        apply()
        if asked[0] == verb and toy.now_ < NOW + HOUR / 2 and not jumped:
            jumped.append(toy.now_)
            toy.now_ += jump
            raise Unknown("no answer")

    jumped: list[object] = []
    toy.disturb = meddle
    ended = begin(journal, toy).run()
    if ended is Ended.HALTED:
        runner = again(journal, toy)
        runner.unhalt()
        ended = runner.run()
    assert (ended, bool(jumped)) == (Ended.DONE, True), texts(journal, "halted")
    assert toy.group_["g"] == RESTORED
    assert journal.killed(ID) == ()
    once = [asked for asked in toy.applied if asked[0] in {"create_version", "terminate"}]
    assert len(once) == len(set(once))
    assert journal.verify(ID)[1] == ()


def test_a_taint_that_somebody_took_off_is_put_back_and_told() -> None:
    """An operator hears which node it was; while the same effect is sent again, not once more."""
    busy = (pod("job-1", "o1"), pod("job-2", "o2"))
    world = seen(surged(), node("o1"), node("o2", "NoSchedule"), *busy)
    decision = drain.decide(world, record(nodes=(row("i-o1"), row("i-o2"))), NOW)
    agrees(decision, acts("taint-node:o1=NoSchedule:uid-o1:drain.0.0"))
    assert decision.tell == "our taint was gone from o1: it is put back"  # type: ignore[union-attr]
    (sent,) = decision.effects  # type: ignore[union-attr]
    later = record(nodes=(row("i-o1"), row("i-o2")), unsettled=(unsettled(sent, "not_sent", retry_at=NOW),))
    assert drain.decide(world, later, NOW).tell == ""  # type: ignore[union-attr]


def test_what_somebody_else_caused_is_told_as_a_note(journal: SqlJournal, toy: Toy) -> None:
    """The marker is deleted in mid-run: it is made once more, said once, and gone at the end."""

    def meddle(asked: Asked, apply: Apply) -> None:
        apply()
        if asked[0] == "create_version":
            toy.marker_ = None

    toy.disturb = meddle
    assert begin(journal, toy).run() is Ended.DONE
    assert texts(journal, "note") == ["somebody deleted the marker on cluster c: it is created again"]
    made = [asked for asked in toy.applied if asked[0] == "write_marker" and asked[1][1] is None]
    assert len(made) == 2
    assert toy.marker_ is None


@dataclass
class Behind(Toy):
    """AWS answers every second look at the groups from `lag` seconds ago."""

    lag: float = 0
    _was: list[tuple[datetime, dict[str, GroupSeen]]] = field(default_factory=list)
    looks: int = 0

    def groups(self, names: Sequence[str]) -> tuple[GroupSeen, ...]:
        self.looks += 1
        old = [was for at, was in self._was if at <= self.now_ - timedelta(seconds=self.lag)]
        there = old[-1] if old and self.looks % 2 else self.group_
        return tuple(there[name] for name in names)

    def _call(self, verb: str, arguments: tuple[object, ...], apply: Callable[[], None]) -> str:
        self._was = self._was or [(self.now_, dict(self.group_))]
        answer = super()._call(verb, arguments, apply)
        self._was.append((self.now_, dict(self.group_)))
        return answer


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("lag", [2, 14])
def test_an_answer_from_a_moment_ago_changes_nothing(lag: float, first: int, journal: SqlJournal) -> None:
    """What was ours a moment ago is neither drift nor somebody else's."""
    toy = Behind(lag=lag, looks=first)
    assert begin(journal, toy).run() is Ended.DONE, texts(journal, "halted")
    assert toy.group_["g"] == RESTORED
    assert texts(journal, "report") == []


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("lag", [1, 5, 14])
def test_the_baseline_is_no_answer_from_a_moment_ago(lag: float, first: int, journal: SqlJournal) -> None:
    """What the autoscaler did just before it was stopped belongs to it."""
    toy = Behind(lag=lag, looks=first, group_={"g": found(old("o1"), old("o2"), old("o3"), sizes=Sizes(1, 3, 3))})
    toy._was = [(NOW - HOUR, {"g": found()}), (NOW, dict(toy.group_))]
    begin(journal, toy)
    ticks(journal, toy, 12)
    assert journal.load(ID).plan.baseline("g").sizes == Sizes(1, 3, 3)


def _restoring(**changes: Any) -> Record:
    wrote = Written(2, 2, 4, protect_new=True, capacity_rebalance=False, suspended=frozenset(PROCESSES))
    return record(Phase.RESTORE, **{"written": {"g": wrote}, "nodes": (), **changes})


FOREIGN = Sizes(1, 3, 3)
BACK = frozenset({"resize:g:restore.0", "set-reference:g:restore.0"})
UNDER_WAY = (unsettled(Resize(group="g", before=SURGED, sizes=BASE, occasion="restore.0")),)
OF_ANOTHER = (unsettled(Resize(group="gpu", before=SURGED, sizes=BASE, occasion="restore.0")),)


@pytest.mark.parametrize(
    ("group", "journal", "expected"),
    [
        pytest.param(drained(), _restoring(), set(), id="all as we left it"),
        pytest.param(drained(sizes=FOREIGN), _restoring(), {"MinSize", "DesiredCapacity", "MaxSize"}, id="sizes"),
        pytest.param(drained(sizes=FOREIGN), _restoring(done=BACK), set(), id="sizes that are given back"),
        pytest.param(drained(sizes=FOREIGN), _restoring(written={}), set(), id="sizes that we never wrote"),
        pytest.param(drained(sizes=BASE), _restoring(unsettled=UNDER_WAY), set(), id="a request of ours may be why"),
        pytest.param(drained(sizes=Sizes(1, 2, 4)), _restoring(unsettled=OF_ANOTHER), {"MinSize"},
                     id="one of a group with a longer name is not why"),
        pytest.param(drained(protect_new=False), _restoring(), {"NewInstancesProtectedFromScaleIn"}, id="the flag"),
        pytest.param(drained(capacity_rebalance=True), _restoring(), {"CapacityRebalance"}, id="CapacityRebalance"),
        pytest.param(drained(suspended=frozenset()), _restoring(), {"suspended processes"}, id="processes"),
        pytest.param(drained(uses=(use("1"),)), _restoring(), {"launch template version"}, id="the reference"),
        pytest.param(drained(uses=(use("1"),)), _restoring(done=BACK), set(), id="the reference, given back"),
        pytest.param(surged(sizes=BASE), record(nodes=()), set(), id="before RESTORE: drift"),
    ],
)  # fmt: skip
def test_what_is_not_as_we_left_it(group: GroupSeen, journal: Record, expected: set[str]) -> None:
    """RESTORE looks again before it takes for somebody else's what may be a value of ours from a moment ago."""
    assert missing(seen(group), journal) == {f"our {what} of g" for what in expected}


@pytest.mark.parametrize(
    ("world", "journal", "expected"),
    [
        pytest.param(seen(surged()), record(), set(), id="all there"),
        pytest.param(seen(surged(old("o2"))), record(nodes=(row(),)), {"instance i-o1 of g"}, id="an instance"),
        pytest.param(seen(surged(), unjoined=("o1",)), record(), {"node o1"}, id="its node"),
        pytest.param(seen(surged(), unjoined=("o1",)), record(nodes=(row(name=None, uid=None),)), set(),
                     id="a node that never joined"),
        pytest.param(seen(surged(old("o2"))), record(nodes=(row(stage=Stage.TERMINATING),)), set(), id="ended by us"),
        pytest.param(seen(surged(old("o2"))), record(nodes=(row(stage=Stage.GONE),)), set(), id="gone already"),
        pytest.param(seen(drained(), unjoined=("n1",)), _restoring(), {"the node of i-n1"}, id="a node to be freed"),
        pytest.param(seen(drained(new(lifecycle="Pending")), unjoined=("n1",)), _restoring(), set(), id="none yet"),
        pytest.param(seen(surged(), autoscaler=None), record(), {"Deployment kube-system/cluster-autoscaler"},
                     id="the autoscaler"),
        pytest.param(seen(surged(), autoscaler=None), record(autoscaler=None), set(), id="there was none"),
        pytest.param(seen(surged(), marker=None), record(done=frozenset({"create-marker:marker:0"})), {"the marker"},
                     id="the marker"),
        pytest.param(seen(surged(), marker=None), record(), set(), id="it was not made yet"),
    ],
)  # fmt: skip
def test_what_is_missing(world: Observation, journal: Record, expected: set[str]) -> None:
    """What the journal says is there, and was not seen."""
    assert missing(world, journal) == expected
