"""Which pods hold a node, and which must leave it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rollout.plan import Protected
from rollout.seen import PodSeen
from rollout.stages.pods import holding, in_words, leaving
from tests.core.build import bare, owned, pod

ANY = Protected()
JOB = pod()
SERVICE = pod("web-1", owner=owned("ReplicaSet", "web"))


@pytest.mark.parametrize(
    ("there", "whom", "holds", "leaves"),
    [
        pytest.param(JOB, ANY, True, True, id="a Job's pod"),
        pytest.param(replace(JOB, phase="Pending"), ANY, True, True, id="Pending, but scheduled here"),
        pytest.param(replace(JOB, phase="Unknown"), ANY, True, True, id="Unknown is not finished"),
        pytest.param(replace(JOB, phase="Succeeded"), ANY, False, False, id="Succeeded"),
        pytest.param(replace(JOB, phase="Failed"), ANY, False, False, id="Failed"),
        pytest.param(replace(JOB, phase="Succeeded", pinned=True), ANY, False, False, id="Succeeded and pinned"),
        pytest.param(replace(JOB, mirror=True), ANY, False, False, id="a mirror pod"),
        pytest.param(replace(JOB, mirror=True, pinned=True), ANY, False, False, id="a pinned mirror pod"),
        pytest.param(pod(owner=owned("DaemonSet")), ANY, False, False, id="a DaemonSet's pod"),
        pytest.param(pod(owner=owned("DaemonSet"), pinned=True), ANY, False, False, id="a DaemonSet's pinned pod"),
        pytest.param(SERVICE, ANY, False, True, id="a service's pod"),
        pytest.param(replace(SERVICE, pinned=True), ANY, True, True, id="a service's pod that says no"),
        pytest.param(bare(), ANY, False, True, id="a bare pod"),
        pytest.param(bare(pinned=True), ANY, True, True, id="a bare pod that says no"),
        pytest.param(JOB, Protected(namespaces=("ns", "x")), True, True, id="in a namespace named"),
        pytest.param(JOB, Protected(namespaces=("x",)), False, True, id="in another namespace"),
        pytest.param(JOB, Protected(prefixes=("x", "jo")), True, True, id="with a prefix named"),
        pytest.param(JOB, Protected(prefixes=("obs",)), False, True, id="with another prefix"),
        pytest.param(pod("job-1", owner=owned("Job", "x")), Protected(prefixes=("job",)), False, True,
                     id="the prefix is the controller's, not the pod's"),
        pytest.param(pod(labels={"a": "1", "b": "2"}), Protected(labels={"a": "1"}), True, True, id="with the label"),
        pytest.param(pod(labels={"a": "1"}), Protected(labels={"a": "1", "b": "2"}), False, True,
                     id="with one label of two"),
        pytest.param(JOB, Protected(labels={"a": "1"}), False, True, id="without the label"),
        pytest.param(JOB, Protected(kinds=("Workflow",)), False, True, id="another kind"),
        pytest.param(pod(owner=owned("Workflow")), Protected(kinds=("Job", "Workflow")), True, True, id="a kind named"),
        pytest.param(JOB, Protected(("ns",), ("job",), {"a": "1"}), False, True, id="all conditions must hold"),
    ],
)  # fmt: skip
def test_holding_and_leaving(there: PodSeen, whom: Protected, holds: bool, leaves: bool) -> None:  # noqa: FBT001 - columns of a table
    """Finished pods never hold a node; what holds one must leave it too."""
    assert (bool(holding([there], whom)), bool(leaving([there]))) == (holds, leaves)


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, ""),
        (1, "pod ns/p0 of Job job"),
        (3, "pod ns/p0 of Job job, pod ns/p1 of Job job, pod ns/p2 of Job job"),
        (5, "pod ns/p0 of Job job, pod ns/p1 of Job job, pod ns/p2 of Job job and 2 more"),
    ],
)
def test_in_words(count: int, words: str) -> None:
    """A person sees which pods block, and a line stays a line."""
    assert in_words([pod(f"p{number}") for number in range(count)]) == words


def test_a_bare_pod_in_words() -> None:
    """Without a controller only the pod is named."""
    assert in_words([bare()]) == "pod ns/bare"
