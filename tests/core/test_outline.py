"""What a rollout would change, and for what it would wait, worked out before it begins."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rollout.model.machine import Phase
from rollout.model.observation import PodSeen
from rollout.model.plan import Preset, Protected, Settings, Sizes
from rollout.phases import shared
from rollout.preflight import Survey, outline
from rollout.preflight.outline import Workload
from tests.core.build import (
    NOW,
    PROCESSES,
    SETTINGS,
    at,
    bare,
    found,
    node,
    node_group,
    old,
    owned,
    pod,
    record,
    template,
)
from tests.core.build import plan as planned


def group(**changes: Any) -> outline.GroupOutline:
    """What happens to the group; `changes`: of what is seen of it."""
    survey = Survey(groups=(found(**changes),), templates=(template(),))
    (made,) = outline.groups(survey, planned(Phase.PLANNED))
    return made


def test_sizes_are_those_that_the_surge_writes() -> None:
    """As the phase itself works them out; more old instances than desired count."""
    more = found(old("o1"), old("o2"), old("o3"))
    survey = Survey(groups=(more,), templates=(template(),))
    (made,) = outline.groups(survey, planned(Phase.PLANNED))
    rows = tuple(replace(row, instance_id=f"i-o{n}") for n, row in enumerate(record().nodes * 2, 1))[:3]
    assert (made.old, made.before) == (3, Sizes(1, 2, 3))
    assert replace(made.peak, minimum=1) == shared.surged(record(nodes=rows), node_group()) == Sizes(1, 5, 5)


def test_the_peak_of_min_size_is_that_of_the_drain() -> None:
    """Before the first old node is terminated it is one below desired; what is higher already stays."""
    assert group().peak == Sizes(3, 4, 4)
    assert group(sizes=Sizes(2, 2, 3)).peak == Sizes(3, 4, 4)
    none = outline.groups(Survey(groups=(replace(found(), instances=()),), templates=(template(),)), planned())
    assert none[0].peak.minimum == 1


def test_only_processes_that_run_are_suspended() -> None:
    """One that somebody suspended is none of ours."""
    assert group(suspended=frozenset({PROCESSES[0]})).suspends == (PROCESSES[1],)


def test_a_group_of_size_0_gets_its_template_and_nothing_else() -> None:
    """Nothing is launched and nothing suspended."""
    made = group(sizes=Sizes(0, 0, 3))
    assert (made.peak, made.suspends) == (made.before, ())


@pytest.mark.parametrize(
    ("reference", "then"),
    [
        ("$Latest", "stays, and means the new version then"),
        ("$Default", "stays, and the template's default becomes the new version"),
        ("1", "becomes the new version's number"),
    ],
)
def test_a_template_is_told_with_its_image_and_what_becomes_of_the_reference(reference: str, then: str) -> None:
    """The image is that of the version which the reference means now."""
    survey = Survey(groups=(found(),), templates=(template(),))
    made = outline.groups(survey, planned(Phase.PLANNED, groups=(node_group("g", reference),)))
    assert [(one.source.use.reference, one.image, one.then) for one in made[0].templates] == [
        (reference, "ami-old", then)
    ]
    assert list(outline.old_images(made)) == ["ami-old"]


def workloads(*pods: PodSeen, jobs: Any = None, **changes: Any) -> tuple[Workload, ...]:
    """What is told of these pods; `changes`: of the settings."""
    survey = Survey(groups=(found(),), nodes=(node("o1"), node("o2")), pods=pods)
    settings: Settings = replace(SETTINGS, **changes)
    return outline.workloads(survey, settings, NOW, jobs or {})


@pytest.mark.parametrize(
    ("one", "changes", "protected", "why"),
    [
        pytest.param(pod(), {}, True, "named by `protected`", id="a Job"),
        pytest.param(pod(pinned=True, owner=owned("ReplicaSet")), {}, True,
                     "its annotation says that it must stay", id="pinned"),
        pytest.param(pod(owner=owned("RayJob")), {"protected": Protected(kinds=(), presets=(
                     Preset("ray", ("RayJob",)),))}, True, "preset ray", id="of a preset"),
        pytest.param(bare(), {"unprotected": "protect"}, True,
                     "it runs to its end, or nobody replaces it (unprotected: protect)", id="bare, kept"),
        pytest.param(bare(), {"unprotected": "evict"}, False,
                     "it runs to its end, or nobody replaces it (unprotected: evict)", id="bare, evicted"),
        pytest.param(pod(owner=owned("ReplicaSet")), {}, False, "its controller replaces it", id="a service"),
    ],
)  # fmt: skip
def test_why_a_workload_is_protected_or_not(one: PodSeen, changes: Any, protected: bool, why: str) -> None:  # noqa: FBT001  a parameter of the table
    """Each with the word of the settings that decides."""
    (made,) = workloads(one, **changes)
    assert (made.protected, made.why) == (protected, why)


@pytest.mark.parametrize(
    ("pods", "jobs", "ends", "at_risk"),
    [
        pytest.param((pod(),), {}, None, None, id="it has no end"),
        pytest.param((pod(),), {"uid-Job-job": at(7200)}, at(7200), False, id="its Job ends with the deadline"),
        pytest.param((pod(),), {"uid-Job-job": at(7201)}, at(7201), True, id="its Job ends after the deadline"),
        pytest.param((pod(ends=at(60)),), {"uid-Job-job": at(7201)}, at(60), False, id="the pod itself ends before"),
        pytest.param((pod(ends=at(60)), pod("job-2", "o2", ends=at(90))), {}, at(90), False, id="the last one counts"),
        pytest.param((pod(ends=at(60)), pod("job-2", "o2")), {}, None, None, id="one of two has no end"),
        pytest.param((pod(owner=owned("ReplicaSet")),), {}, None, False, id="what is evicted is not at risk"),
    ],
)
def test_who_is_at_risk_of_the_deadline(pods: Any, jobs: Any, ends: Any, at_risk: bool | None) -> None:  # noqa: FBT001  a parameter of the table
    """A protected workload that may run beyond the earliest moment at which the drain deadline can be."""
    (made,) = workloads(*pods, jobs=jobs)
    assert (made.ends, made.at_risk) == (ends, at_risk)


def test_pods_are_told_by_workload_protected_ones_first() -> None:
    """With their number, their nodes, and the age of the oldest."""
    service = owned("ReplicaSet", "a")
    pods = (pod("a-1", owner=service), pod("job-1", created=at(-60)), pod("job-2", "o2", created=at(-90)))
    made = workloads(*pods, pod("elsewhere", "n1"))
    assert [(one.name, one.pods, one.nodes, one.created) for one in made] == [
        ("job", 2, ("o1", "o2"), at(-90)),
        ("a", 1, ("o1",), None),
    ]
