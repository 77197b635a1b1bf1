"""What is read of members' own rollouts: phase, halts and killed Jobs, by the key that the fleet gave them."""

from __future__ import annotations

from dataclasses import replace

from rollout.fleet.model import Kept, Standing, key
from rollout.journal import SqlJournal
from rollout.model.decision import Advance, Halt
from rollout.model.machine import Phase
from rollout.model.reasons import Reason
from rollout.model.steering import Lift, Pause
from tests.fleet.virtual import ID, begin, look, plan
from tests.journal.samples import DELETE, PLAN, WHOLE, intend, later, settle

ROLLOUT = "20260105-080000-3f9a"


def test_a_member_is_its_rollout(journal: SqlJournal) -> None:
    """Nothing of it is copied: what the rollout's rows say at this moment is where the member stands."""
    begin(journal, plan("a", "b"))
    journal.begin(ROLLOUT, key(ID, "a"), PLAN, later(0))
    journal.advance(ROLLOUT, Advance("x", Phase.AUTOSCALER_OFF, plan=WHOLE), None, later(1))
    journal.halt(ROLLOUT, Halt(Reason.INSTANCES_NOT_IN_SERVICE, "no capacity", "look"), later(2))
    _, members = look(journal)
    assert (members["a"].rollout_id, members["a"].phase, members["a"].halted) == (
        ROLLOUT,
        Phase.AUTOSCALER_OFF,
        "no capacity",
    )
    assert (members["a"].stands, members["b"].stands) == (Standing.HALTED, Standing.WAITING)
    journal.resume(ROLLOUT, None, later(3))
    _, members = look(journal)
    assert (members["a"].halted, members["a"].round) == (None, 1)


def test_a_member_whose_rollout_is_paused_needs_a_person(journal: SqlJournal) -> None:
    """No worker runs it again until somebody has lifted the pause."""
    begin(journal, plan("a"))
    journal.begin(ROLLOUT, key(ID, "a"), PLAN, later(0))
    journal.steer(ROLLOUT, Pause(later(1), "ann@host"), None, later(2))
    one = look(journal)[1]["a"]
    ended = replace(one, state=Kept.ENDED, exit_code=1)
    assert (one.halted or "").startswith("paused by a person since 2026-")
    assert (one.stands, ended.stands, ended.resumed) == (Standing.HALTED, Standing.HALTED, False)
    journal.steer(ROLLOUT, Lift(later(3), "ann@host", kill_now=False), None, later(4))
    assert replace(look(journal)[1]["a"], state=Kept.ENDED, exit_code=1).resumed


def test_killed_jobs_are_counted_by_job(journal: SqlJournal) -> None:
    """A Job that lost two pods counts once."""
    begin(journal, plan("a"))
    journal.begin(ROLLOUT, key(ID, "a"), PLAN, later(0))
    for uid in ("pod-1", "pod-2"):
        intend(journal, replace(DELETE, uid=uid), now=later(1))
        settle(journal, replace(DELETE, uid=uid), now=later(2))
    _, members = look(journal)
    assert members["a"].killed == 1
