"""In which order a runner sends what one look asks for."""

from __future__ import annotations

from rollout.effects import Terminate
from rollout.journal import SqlJournal
from rollout.runner import Ended
from tests.core.build import ID, found, node_group, old
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
