"""A Node object says on which instance it runs, and may be wrong: nothing is concluded from what it does not say."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import pytest

from rollout.engine.runner import Ended
from rollout.errors import Refused
from rollout.journal import SqlJournal
from rollout.model.decision import StageDecision
from rollout.model.machine import Phase, Stage
from rollout.model.observation import NodeSeen, Observation
from rollout.model.reasons import Reason
from rollout.phases import observe
from rollout.preflight.blockers.cluster import unmatched
from rollout.preflight.survey import Request, Survey
from rollout.stages import decide
from tests.core.build import ID, NEVER_JOINED, SETTINGS, at, found, looked, node, old, pod, record, seen, surged
from tests.core.running import again, begin
from tests.core.toy import Toy

DEAD = node("x", instance_id="i-dead")
NONE: frozenset[str] = frozenset()
STATES = [("states", ("i-dead", "i-o2"))]


def test_a_job_under_the_node_object_of_a_dead_instance_is_not_killed(journal: SqlJournal) -> None:
    """A new machine uses the Node object of one that is gone: its pods run on the instance that seems to have none."""
    toy = Toy()
    toy.node_["o1"] = replace(toy.node_["o1"], instance_id="i-dead")
    toy.add(pod("job-1", "o1"), seconds=10**6)
    begin(journal, toy, unprotected="protect", drain_seconds=600)
    assert again(journal, toy).run() is Ended.HALTED
    assert "it may be o1, which names i-dead, which is not known to live" in str(journal.load(ID).halted)
    assert "i-o1" in {instance.id for instance in toy.group_["g"].instances}
    assert "uid-job-1" in toy.pod_


@pytest.mark.parametrize(
    ("nodes", "elsewhere", "strays"),
    [
        pytest.param((), (), (), id="each on an instance of its own"),
        pytest.param((DEAD,), (), ("x",), id="an instance that is gone"),
        pytest.param((replace(DEAD, ready=False),), (), ("x",), id="its kubelet may be silent for a moment"),
        pytest.param((DEAD,), ("i-dead",), (), id="one that lives elsewhere"),
        pytest.param((node("x", instance_id="i-o2"),), (), ("x", "o2"), id="two kubelets of one instance: one is not"),
        pytest.param((node("x", instance_id="i-o2", ready=False),), (), (), id="the first name of its host"),
        pytest.param((node("x", instance_id=None),), (), ("x",), id="it does not say"),
    ],
)
def test_strays(nodes: tuple[NodeSeen, ...], elsewhere: tuple[str, ...], strays: tuple[str, ...]) -> None:
    """A node may run on another instance than it says unless that one is known to live, and is its alone."""
    world = seen(surged(), *nodes, elsewhere=frozenset(elsewhere))
    assert tuple(one.name for one, _ in world.strays()) == strays


def test_an_instance_without_a_node_waits_while_a_node_may_be_its() -> None:
    """And when the margin after the deadline is over a person is told how the kubelet gets a Node object of its own."""
    at_work = looked(Stage.WAITING, DEAD, now=at(7200), **NEVER_JOINED)
    why = "its node, and it may be x, which names i-dead, which is not known to live"
    assert decide(at_work) == StageDecision(waits_for=why, reason=Reason.PODS_UNKNOWN)
    late = decide(looked(Stage.WAITING, DEAD, now=at(8100), **NEVER_JOINED))
    assert late.trigger is None
    assert late.halt is not None
    assert "kubectl delete node x; aws ec2 reboot-instances --instance-ids i-o1" in late.halt.hint
    resumed: dict[str, Any] = {"resume_count": 1, "deadline": at(9000)}
    again = decide(looked(Stage.WAITING, DEAD, now=at(8101), **resumed, **NEVER_JOINED))
    assert again.halt == late.halt, "a resume gives time to evictions only"
    known = looked(Stage.WAITING, DEAD, now=at(1200), elsewhere=("i-dead",), **NEVER_JOINED)
    assert decide(known).trigger == "drain"


class Asked(Toy):
    """It notes for which instances EC2 is asked, and may refuse that."""

    refuses = False

    def states(self, ids: Collection[str]) -> dict[str, str]:
        self.asked.append(("states", tuple(sorted(ids))))
        if self.refuses:
            raise Refused("UnauthorizedOperation")
        return super().states(ids)


def drained(toy: Toy, lifecycle: str) -> Observation:
    """A look in which instance i-o2 has no node."""
    toy.node_ = {"x": DEAD, "o1": node("o1")}
    toy.group_["g"] = surged(old("o1"), replace(old("o2"), lifecycle=lifecycle))
    return observe(record(Phase.DRAIN), toy, toy)


@pytest.mark.parametrize(
    ("lifecycle", "refuses", "asked", "living", "ended"),
    [
        pytest.param("Terminating", False, [], NONE, NONE, id="one that leaves has none"),
        pytest.param("InService", False, STATES, frozenset({"i-dead"}), frozenset({"i-o2"}), id="one has none"),
        pytest.param("InService", True, STATES, NONE, NONE, id="nothing is known without the right"),
    ],
)
def test_ec2_is_asked_only_where_it_matters(
    lifecycle: str,
    refuses: bool,  # noqa: FBT001 - a column of a table
    asked: list[object],
    living: frozenset[str],
    ended: frozenset[str],
) -> None:
    """Whether instances outside of the groups live, and those that have no node."""
    toy = Asked(elsewhere={"i-dead": "running", "i-else": "running", "i-o2": "terminated"})
    toy.refuses = refuses
    found = drained(toy, lifecycle)
    assert (found.elsewhere, found.ended) == (living, ended)
    assert toy.asked == asked


@pytest.mark.parametrize("row", [{"unjoined": ("o1",)}, NEVER_JOINED], ids=["its Node was deleted", "it never had one"])
def test_nothing_runs_on_an_instance_that_ec2_has_terminated(row: dict[str, Any]) -> None:
    """Its group lists it as InService where health checks are suspended: it is taken out, nobody reboots it."""
    assert decide(looked(Stage.WAITING, now=at(600), **row)).reason is Reason.PODS_UNKNOWN
    assert decide(looked(Stage.WAITING, now=at(600), ended=("i-o1",), **row)).trigger == "drain"


@pytest.mark.parametrize(
    ("other", "told"),
    [
        pytest.param(
            DEAD,
            ["instance i-o2 of g matches no node by providerID, and node x names i-dead, which is not known to live"],
            id="it reports",
        ),
        pytest.param(replace(DEAD, ready=False), [], id="it is about to be removed"),
    ],
)
def test_the_start_refuses_where_an_instance_has_no_node_and_a_node_no_instance(
    other: NodeSeen, told: list[str]
) -> None:
    """While nobody says where the node runs, its pods may be those of the instance."""
    survey = Survey(groups=(found(),), nodes=(node("o1"), other))
    request = Request("c", "eu-west-1", ("g",), "ami-new", "", SETTINGS)
    assert [one.problem for one in unmatched(survey, request)] == told
