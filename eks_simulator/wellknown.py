"""Well-known workloads that bring kinds of their own: who controls their pods, or how pods without one are marked.

What is told to users in docs/protection.md, written down a second time, so that the tool is judged from outside.
"""

from __future__ import annotations

from typing import NamedTuple


class Preset(NamedTuple):
    """Kinds of controllers (KIND, or KIND.GROUP), and labels of pods without one."""

    kinds: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()


#: What each preset of the configuration means, as its users are told (docs/protection.md).
PRESETS = {
    "argo-workflows": Preset(("Workflow.argoproj.io",)),
    "github-runners": Preset(
        ("EphemeralRunner.actions.github.com", "Runner.actions.summerwind.dev"), labels=("runner-pod",)
    ),
    "gitlab-runner": Preset(labels=("job.runner.gitlab.com/pod", "manager.runner.gitlab.com/name")),
    "kubeflow": Preset(
        (
            *("JAXJob.kubeflow.org", "MPIJob.kubeflow.org", "MXJob.kubeflow.org", "PaddleJob.kubeflow.org"),
            *("PyTorchJob.kubeflow.org", "TFJob.kubeflow.org", "XGBoostJob.kubeflow.org"),
        )
    ),
    "ray": Preset(("RayCluster.ray.io", "RayJob.ray.io", "RayService.ray.io")),
    "spark": Preset(
        ("SparkApplication.sparkoperator.k8s.io", "SparkApplication.spark.apache.org", "Pod"), labels=("spark-role",)
    ),
    "volcano": Preset(("Job.batch.volcano.sh",)),
}

#: The kinds that they bring, each KIND.GROUP.
DEFINITIONS = tuple(kind for preset in PRESETS.values() for kind in preset.kinds if "." in kind)
