"""Whether the cause of a halt still shows: the same answer for `why` and for `doctor`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rollout.doctor import cause, differences
from rollout.model.budget import BudgetSeen, Requirement
from rollout.model.effects import Evict
from rollout.model.machine import Stage
from rollout.model.plan import Sizes
from rollout.phases import drain
from tests.core.build import ID, at, marked, node, owned, pod, record, row, seen, surged, unsettled
from tests.samples import SUSPEND

CLOSED = (node("o1", "NoSchedule"), node("o2", "NoSchedule"))
WEB = pod("web-1", "o1", owner=owned("ReplicaSet", "web"), labels={"app": "web"})
ALL = (Requirement("app", "In", frozenset({"web"})),)
FREE, FULL = BudgetSeen("ns", "a", ALL, 1, 1, 0, 1), BudgetSeen("ns", "b", ALL, 1, 1, 1, 0)
ASKED = Evict(namespace="ns", name="web-1", uid="uid-web-1", node="o1", occasion="0")
LATE = at(8200)
AS_LEFT = seen(surged(), *CLOSED, pod("job-1", "o1"), pod("job-2", "o2"))


@pytest.mark.parametrize(
    ("budgets", "shows"),
    [
        pytest.param((FREE, replace(FREE, name="c")), True, id="two budgets"),
        pytest.param((FULL,), True, id="one that allows none"),
        pytest.param((FREE,), False, id="one of the two was deleted"),
        pytest.param((), False, id="both were"),
    ],
)
def test_a_refused_request_shows_only_in_what_refuses_it(budgets: tuple[BudgetSeen, ...], *, shows: bool) -> None:
    """The journal's last refusal is not what is there now: a budget that was deleted refuses nothing any more."""
    world = seen(surged(), replace(CLOSED[0], unschedulable=True), CLOSED[1], WEB, fresh=("o1",))
    world = replace(world, budgets=budgets)
    asked = unsettled(ASKED, "rejected", detail="more than one budget", intended=at(60), tried=at(60))
    journal = record(nodes=(row("i-o1", Stage.DRAINING), row("i-o2", Stage.GONE)), unsettled=(asked,))
    world = marked(world, journal)
    (halt,) = cause.halts(journal, world, LATE)
    found = cause.of_halt(replace(journal, halted=halt.why), world, LATE)
    assert found.shows is shows
    if not shows:
        assert found.told.startswith("the last request failed at 2025-06-01T12:01:00Z; whether")
        assert found.then == f"once its cause is cleared: rollout resume {ID}"


def test_all_that_is_overdue_is_asked_for() -> None:
    """Where only the pod that the halt named was deleted, the next one still halts, though its node goes on first."""
    journal = record(on_deadline="halt")
    (halt,) = cause.halts(journal, marked(AS_LEFT, journal), LATE)
    world = marked(seen(surged(), *CLOSED, pod("job-2", "o2")), journal)
    assert not drain.answer(world, journal, LATE).nodes[0][2].halt, "that one goes on"
    found = cause.of_halt(replace(journal, halted=halt.why), world, LATE)
    assert (found.shows, "but it would halt again" in found.told) == (False, True), found
    assert "pod ns/job-2 of Job job still runs on o2 (on_deadline: halt) (JobsRunning)" in found.told
    assert found.then.endswith(f"(kubectl delete pod job-2 -n ns), then: rollout resume {ID}")


def test_what_was_put_back_shows_no_more_for_anybody() -> None:
    """Doctor does not ask for a cause to be removed that is removed."""
    drifted = replace(AS_LEFT, groups=(surged(sizes=Sizes(1, 5, 5)),))
    (halt,) = cause.halts(record(), marked(drifted, record()), at(20))
    journal = record(halted=halt.why)
    assert cause.of_halt(journal, marked(drifted, journal), at(20)).shows
    found = cause.of_halt(journal, marked(AS_LEFT, journal), at(20))
    assert (found.told, found.then) == ("the cause does not show any more", f"rollout resume {ID}")
    first = differences(journal, marked(AS_LEFT, journal), at(20), works=False)[0]
    assert (first.what, first.then) == (f"the rollout is halted: {halt.why}; {found.told}", found.then)


def test_what_only_a_request_can_tell_is_not_told_by_a_look() -> None:
    """Where a halt names a request that does not get through, only the next one shows whether it does."""
    asked = unsettled(SUSPEND, "not_sent", intended=at(60), retry_at=at(90))
    journal = record(halted="suspend of g does not get through for 15 min: no", unsettled=(asked,))
    found = cause.of_halt(journal, marked(AS_LEFT, journal), at(20))
    assert found.told == "the last request failed at 2025-06-01T12:01:00Z; whether the next one does is not known"
