"""Which pods hold a node, and which must leave it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rollout.model.observation import Owner, PodSeen
from rollout.model.plan import Protected, Unprotected
from rollout.model.presets import PRESETS, PresetName
from rollout.stages.pods import at_work, blocking_pods, in_words, leaving
from tests.core.build import FINISHED, NOW, OTHER_RUNS, SETTINGS, TRAIN, bare, owned, pod

ANY = Protected()
JOB = pod()
VOLCANO = pod(owner=Owner("batch.volcano.sh/v1alpha1", "Job", "job", "uid"))
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
        pytest.param(JOB, Protected(kinds=("Job.batch",)), True, True, id="a kind with its group"),
        pytest.param(VOLCANO, Protected(kinds=("Job.batch",)), False, True, id="that kind of another group"),
        pytest.param(VOLCANO, ANY, True, True, id="a kind without its group means every group"),
        pytest.param(JOB, Protected(("ns",), ("job",), {"a": "1"}), False, True, id="all conditions must hold"),
    ],
)  # fmt: skip
def test_holding_and_leaving(there: PodSeen, whom: Protected, holds: bool, leaves: bool) -> None:  # noqa: FBT001 - columns of a table
    """Finished pods never hold a node; what holds one must leave it too."""
    settings = replace(SETTINGS, protected=whom, unprotected="evict")
    assert (bool(blocking_pods([there], settings)), bool(leaving([there]))) == (holds, leaves)


ELSEWHERE = Protected(namespaces=("x",))
RAY, TASK = Owner("ray.io/v1", "RayCluster", "r", "uid"), Owner("tekton.dev/v1", "TaskRun", "t", "uid")
KAFKA = Owner("core.strimzi.io/v1beta2", "StrimziPodSet", "k", "uid")
MACHINE = Owner("kubevirt.io/v1", "VirtualMachineInstance", "m", "uid")
EXECUTOR = pod("exec-1", owner=Owner("v1", "Pod", "driver", "uid"))


@pytest.mark.parametrize("setting", ["protect", "refuse", "evict"])
@pytest.mark.parametrize(
    ("there", "protects"),
    [
        pytest.param(JOB, True, id="a Job's pod outside of the selection"),
        pytest.param(bare(), True, id="a bare pod"),
        pytest.param(EXECUTOR, True, id="a pod that a pod made"),
        pytest.param(VOLCANO, True, id="a Job of Volcano, with any restartPolicy of its pods"),
        pytest.param(pod(owner=RAY), True, id="of a kind that a preset knows, though it is restarted"),
        pytest.param(pod(owner=RAY, labels={"ray.io/originated-from-crd": "RayJob"}), True, id="a RayJob's RayCluster"),
        pytest.param(pod(owner=RAY, labels={"ray.io/originated-from-crd": "RayService"}), False, id="a RayService's"),
        pytest.param(
            pod(owner=RAY, labels={"ray.io/serve": "false"}, restarts="Never"),
            False,
            id="by its other label, and as Ray's autoscaler makes its pods",
        ),
        pytest.param(pod(owner=MACHINE, restarts="Never"), True, id="a virtual machine"),
        pytest.param(pod(owner=TASK, restarts="Never"), True, id="it runs to its end, under any controller"),
        pytest.param(pod(owner=TASK, restarts="OnFailure"), True, id="so does one that is restarted when it fails"),
        pytest.param(pod(owner=KAFKA), False, id="a service of an operator: restarted, and as its budget allows"),
        pytest.param(SERVICE, False, id="a service's pod"),
        pytest.param(pod(owner=owned("DaemonSet")), False, id="a DaemonSet's pod"),
        pytest.param(bare(mirror=True), False, id="a mirror pod"),
        pytest.param(bare(phase="Succeeded"), False, id="a bare pod that is done"),
    ],
)
def test_what_nobody_replaces_holds_its_node_outside_of_the_selection_too(
    there: PodSeen,
    protects: bool,  # noqa: FBT001 - a column of the table
    setting: Unprotected,
) -> None:
    """What runs to its end or has no controller blocks its node with any selection, unless `evict` is set."""
    settings = replace(SETTINGS, protected=ELSEWHERE, unprotected=setting)
    assert bool(blocking_pods([there], settings)) == (protects and setting != "evict")


@pytest.mark.parametrize(
    ("name", "there"),
    [
        ("argo-workflows", pod(owner=Owner("argoproj.io/v1alpha1", "Workflow", "w", "uid"))),
        ("github-runners", pod(owner=Owner("actions.github.com/v1alpha1", "EphemeralRunner", "r", "uid"))),
        ("gitlab-runner", bare(labels={"job.runner.gitlab.com/pod": "runner-1"})),
        ("kubeflow", pod(owner=Owner("kubeflow.org/v1", "PyTorchJob", "p", "uid"))),
        ("ray", pod(owner=Owner("ray.io/v1", "RayCluster", "r", "uid"))),
        ("spark", EXECUTOR),
        ("volcano", VOLCANO),
    ],
)
def test_a_preset_protects_its_workload_in_every_namespace(name: PresetName, there: PodSeen) -> None:
    """A preset counts in addition to the selection, with or without a controller, and only where it is set."""
    selected = replace(SETTINGS, protected=replace(ELSEWHERE, presets=(PRESETS[name],)))
    assert blocking_pods([there], selected)
    assert not blocking_pods([there], replace(SETTINGS, protected=ELSEWHERE))
    assert not blocking_pods([SERVICE, bare()], selected)


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


ENDED, RUNS = replace(FINISHED, pinned=False), replace(OTHER_RUNS, pinned=False)


def both(owner: Owner | None, **changes: Any) -> tuple[PodSeen, PodSeen]:
    """A finished pod of a controller, and a running one elsewhere."""
    return replace(ENDED, owner=owner, **changes), replace(RUNS, owner=owner)


@pytest.mark.parametrize(
    ("there", "other", "holds"),
    [
        pytest.param(ENDED, RUNS, True, id="another runs elsewhere"),
        pytest.param(ENDED, replace(RUNS, node=None, phase="Pending"), True, id="another is not placed yet"),
        pytest.param(replace(ENDED, phase="Failed"), RUNS, True, id="Failed: its operator may count on it too"),
        pytest.param(ENDED, replace(RUNS, phase="Succeeded"), False, id="the rest has finished"),
        pytest.param(ENDED, replace(RUNS, owner=replace(TRAIN, uid="uid-2")), False, id="a namesake of another life"),
        pytest.param(replace(ENDED, deleting=NOW), RUNS, False, id="somebody deletes it already"),
        pytest.param(*both(owned("Job")), False, id="of a Job: batch/v1 has counted it"),
        pytest.param(*both(VOLCANO.owner), True, id="of a Job of Volcano"),
        pytest.param(*both(EXECUTOR.owner), True, id="an executor of Spark"),
        pytest.param(*both(None), False, id="a bare pod has no others"),
        pytest.param(*both(TASK), True, id="it ran to its end, under any controller"),
        pytest.param(*both(owned("ReplicaSet"), restarts="Always", pinned=True), False,
                     id="a service has replaced what failed"),
        pytest.param(*both(owned("DaemonSet")), False, id="a DaemonSet's pod goes with its node"),
        pytest.param(*both(TRAIN, mirror=True), False, id="a mirror pod goes with its node"),
    ],
)  # fmt: skip
def test_a_finished_pod_holds_its_node_while_its_controller_is_at_work(
    there: PodSeen,
    other: PodSeen,
    holds: bool,  # noqa: FBT001 - a column of the table
) -> None:
    """Its object goes with its node, and the controller would make it again; it is never one that must leave."""
    settings = replace(SETTINGS, unprotected="protect")
    assert bool(blocking_pods([there], settings, at_work([there, other]))) == holds
    assert not leaving([there])


def test_a_finished_pod_that_may_be_evicted_holds_nothing() -> None:
    """Where the settings do not protect a kind, neither do they protect what it has finished."""
    assert not blocking_pods([ENDED], SETTINGS, at_work([ENDED, RUNS]))


def test_a_finished_pod_in_words() -> None:
    """Who waits for it is told why."""
    assert in_words([ENDED]) == "finished pod ns/w-0 of PyTorchJob train (whose other pods still run)"


def test_a_bare_pod_in_words() -> None:
    """Without a controller only the pod is named."""
    assert in_words([bare()]) == "pod ns/bare"
