"""What others do between our writes, and clocks that are set, on a toy world: the loop's own share of it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from rollout.errors import Unknown
from rollout.journal import SqlJournal
from rollout.machine import Stage
from rollout.phases import drain
from rollout.phases.missing import missing
from rollout.record import Record
from rollout.runner import Ended
from rollout.seen import Seen
from tests.core.build import ID, NOW, node, old, pod, record, row, seen, surged, unsettled
from tests.core.running import RESTORED, Apply, again, begin, texts
from tests.core.tables import acts, agrees
from tests.core.toy import Asked, Toy

HOUR = timedelta(hours=1)


@pytest.mark.parametrize("verb", ["create_version", "update_group", "change_node", "evict", "terminate", "resume"])
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
    assert texts(journal, "note") == ["somebody deleted the marker on cluster c: it is made once more"]
    made = [asked for asked in toy.applied if asked[0] == "write_marker" and asked[1][1] is None]
    assert len(made) == 2
    assert toy.marker_ is None


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
        pytest.param(seen(surged(), autoscaler=None), record(), {"Deployment kube-system/cluster-autoscaler"},
                     id="the autoscaler"),
        pytest.param(seen(surged(), autoscaler=None), record(autoscaler=None), set(), id="there was none"),
        pytest.param(seen(surged(), marker=None), record(done=frozenset({"create-marker:marker:0"})), {"the marker"},
                     id="the marker"),
        pytest.param(seen(surged(), marker=None), record(), set(), id="it was not made yet"),
    ],
)  # fmt: skip
def test_what_is_missing(world: Seen, journal: Record, expected: set[str]) -> None:
    """What the journal says is there, and was not seen."""
    assert missing(world, journal) == expected
