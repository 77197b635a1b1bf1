"""In which order a runner sends what one look asks for."""

from __future__ import annotations

from rollout.engine.runner import Ended
from rollout.journal import SqlJournal
from rollout.model.decision import Act
from rollout.model.effects import Evict, Resize, Terminate
from tests.core.build import BASE, ID, NOW, bare, found, node_group, old
from tests.core.running import Apply, begin
from tests.core.toy import Asked, Toy


def test_terminates_leave_one_by_one(journal: SqlJournal) -> None:
    """Those of two groups are intended together; the second leaves when the receipt of the first is written."""
    others = found(old("p1", protected=False), old("p2", protected=False), name="h")
    toy = Toy(group_={"g": found(), "h": others})
    together: list[int] = []

    def watch(asked: Asked, apply: Apply) -> None:
        if asked[0] == "terminate":
            rows = [row for row in journal.load(ID).unsettled if isinstance(row.effect, Terminate)]
            together.append(len(rows))
            sent = {one[1][0] for one in toy.asked[:-1] if one[0] == "terminate"}
            assert all(row.answered for row in rows if row.effect.target.rpartition("/")[2] in sent)
        apply()

    toy.disturb = watch
    assert begin(journal, toy, groups=(node_group("g"), node_group("h"))).run() is Ended.DONE
    assert max(together) == 2


def test_a_terminate_leaves_before_what_the_same_look_evicts(journal: SqlJournal) -> None:
    """A pod that tolerates a cordon could come to the one that is ended: it was seen empty before that.

    Sizes follow at once: what somebody else writes while many pods are evicted would be written over unseen.
    """
    toy = Toy(group_={"g": found(), "h": found(old("p1", protected=False), name="h")})
    toy.add(bare("web", on="o1"))
    runner = begin(journal, toy, groups=(node_group("g"), node_group("h")))
    floor = Resize(group="g", before=BASE, sizes=BASE, occasion="0")
    eviction = Evict(namespace="ns", name="web", uid="uid-web", node="o1", occasion="0")
    end = Terminate(group="h", instance_id="i-p1", desired_before=2)
    runner._act(Act("an act", effects=(eviction, floor, end)), journal.load(ID), NOW)
    assert [asked[0] for asked in toy.asked] == ["terminate", "update_group", "evict"]
