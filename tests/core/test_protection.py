"""What a person is told of protection: at the start by workload, and once when a pod turns up that nobody named."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rollout.engine.runner import Ended
from rollout.journal import SqlJournal
from rollout.model.machine import Phase, Stage
from rollout.model.observation import NodeSeen, Owner, PodSeen
from rollout.model.plan import Protected, Unprotected
from rollout.preflight import Survey, told
from rollout.preflight.protection import workloads
from rollout.stages.newcomers import newcomers
from tests.core.build import ID, NOW, SETTINGS, STALE, at, bare, found, node, owned, pod, record, row, seen, surged
from tests.core.running import again, begin, texts
from tests.core.toy import Toy

ELSEWHERE = Protected(namespaces=("x",))
WEB = owned("ReplicaSet", "web")
VOLCANO = Owner("batch.volcano.sh/v1alpha1", "Job", "job", "uid")
EVERYTHING = (
    *(pod("job-1"), pod("job-2", on="o2"), pod("web-1", owner=WEB), pod("volcano-1", owner=VOLCANO), bare()),
    *(pod("web-2", owner=WEB, pinned=True), pod("agent", owner=owned("DaemonSet")), bare("mirror", mirror=True)),
    *(pod("done", phase="Succeeded"), pod("job-3", on="n1"), pod("job-4", on=None)),
)


def lines(unprotected: Unprotected, protected: Protected, *more: NodeSeen) -> tuple[str, ...]:
    """What the start says where all of these run."""
    survey = Survey(groups=(found(),), nodes=(node("o1"), node("o2"), *more), pods=EVERYTHING)
    return told(survey, replace(SETTINGS, protected=protected, unprotected=unprotected))


def test_the_start_tells_by_workload_what_is_protected_and_what_is_not() -> None:
    """Running pods on the nodes that must go; those that belong to their node, or have ended, do not count."""
    unnamed = "ns/Job.batch.volcano.sh/job: 1, ns/Pod/bare: 1"
    assert lines("protect", Protected(kinds=("Job.batch",))) == (
        "protected: 3 running pods on the 2 nodes that must go (ns/Job/job: 2, ns/ReplicaSet/web: 1)",
        f"protected, though `protected` does not name them (unprotected: protect): 2 running pods ({unnamed})",
        "not protected, they are evicted: 1 running pod (ns/ReplicaSet/web: 1)",
    )


@pytest.mark.parametrize(
    ("unprotected", "what"),
    [
        ("protect", "protected, though `protected` does not name them (unprotected: protect)"),
        ("evict", "not protected, though nobody replaces them (unprotected: evict)"),
    ],
)
def test_a_selection_that_meets_nothing_is_seen_at_the_start(unprotected: Unprotected, what: str) -> None:
    """A slip in the settings shows: no pod that they name, and what becomes of the others."""
    first, second, _ = lines(unprotected, Protected(kinds=("Jbo",)))
    assert first == "protected: 1 running pod on the 2 nodes that must go (ns/ReplicaSet/web: 1)"
    assert second == f"{what}: 4 running pods (ns/Job/job: 2, ns/Job.batch.volcano.sh/job: 1, ns/Pod/bare: 1)"


def test_pods_of_every_node_object_of_an_instance_count() -> None:
    """A stale Node beside the living one hides nothing."""
    assert "on the 3 nodes" in lines("protect", Protected(), STALE)[0]


def test_a_start_without_pods_says_so() -> None:
    """One line is always there."""
    survey = Survey(groups=(found(),), nodes=(node("o1"),))
    assert told(survey, SETTINGS) == ("protected: no running pods on the one node that must go",)


def test_the_list_of_workloads_is_bounded() -> None:
    """The largest ten are named, the others counted."""
    many = [pod(f"p{number}", owner=owned("Job", f"job-{number:02}")) for number in range(30)]
    said = workloads([*many, pod("again", owner=owned("Job", "job-29"))])
    assert said.startswith("ns/Job/job-29: 2, ns/Job/job-00: 1, ns/Job/job-01: 1, ")
    assert said.endswith(", ns/Job/job-08: 1, and 20 more")


@pytest.mark.parametrize(
    ("there", "unprotected", "count"),
    [
        pytest.param(bare(created=at(1)), "protect", 1, id="a bare pod that is new"),
        pytest.param(pod(owner=WEB, restarts="Never", created=at(1)), "protect", 1, id="a pod that runs to its end"),
        pytest.param(bare(created=at(1)), "refuse", 1, id="it cannot be refused any more"),
        pytest.param(bare(created=at(1)), "evict", 0, id="nothing but the selection is protected"),
        pytest.param(bare(created=at(-1)), "protect", 0, id="it was there at the start"),
        pytest.param(bare(), "protect", 0, id="nobody says since when it is there"),
        pytest.param(bare(created=at(1), on="n1"), "protect", 0, id="on a node that stays"),
        pytest.param(bare(created=at(1), on="o2"), "protect", 0, id="on a node that is gone"),
        pytest.param(pod(created=at(1)), "protect", 1, id="a Job's pod outside of the selection"),
        pytest.param(pod(created=at(1), namespace="x"), "protect", 0, id="a pod that is named"),
    ],
)
def test_newcomers(there: PodSeen, unprotected: Unprotected, count: int) -> None:
    """Pods on nodes that must go, made since the rollout began, that only the setting protects."""
    journal = record(nodes=(row("i-o1"), row("i-o2", Stage.GONE)), protected=ELSEWHERE, unprotected=unprotected)
    assert len(newcomers(seen(surged(), there), journal, NOW)) == count


def test_a_pod_that_turns_up_and_that_nobody_named_is_told_once(journal: SqlJournal, toy: Toy) -> None:
    """Once in a rollout, however many come, also after a resume; what was there at the start is no news."""
    toy.add(bare("before", created=at(-60)), seconds=300)
    runner = begin(journal, toy, unprotected="protect")
    while (there := journal.load(ID)).phase is not Phase.DRAIN:
        runner._tick(there)
    runner._tick(there)
    assert texts(journal, "protected") == []
    toy.add(bare("late", created=toy.now_), seconds=300)
    runner._tick(journal.load(ID))
    toy.add(bare("later", created=toy.now_, on="o2"), seconds=300)
    assert again(journal, toy).run() is Ended.DONE
    assert texts(journal, "protected") == [
        "pod ns/late turned up, and the node waits for its end (`protected` does not name it; unprotected: protect)"
    ]
