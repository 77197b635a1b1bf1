"""Well-known workloads whose pods lose work when they are evicted: who controls them, or how bare ones are labelled.

Names and groups are those of each project's own API definitions; what a rollout began with stays in its plan.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from rollout.model.plan import Preset

PresetName = Literal["argo-workflows", "github-runners", "gitlab-runner", "kubeflow", "ray", "spark", "volcano"]

_KUBEFLOW = ("JAXJob", "MPIJob", "MXJob", "PaddleJob", "PyTorchJob", "TFJob", "XGBoostJob")

PRESETS: Mapping[PresetName, Preset] = {
    "argo-workflows": Preset("argo-workflows", kinds=("Workflow.argoproj.io",)),
    # Of the runner scale sets, and of the controller before them; containers of a job are pods of the hook's.
    "github-runners": Preset(
        "github-runners",
        kinds=("EphemeralRunner.actions.github.com", "Runner.actions.summerwind.dev"),
        labels=("runner-pod",),
    ),
    # The executor's pods have no controller.
    "gitlab-runner": Preset("gitlab-runner", labels=("job.runner.gitlab.com/pod", "manager.runner.gitlab.com/name")),
    # Version 2's TrainJob makes Jobs of Kubernetes.
    "kubeflow": Preset("kubeflow", kinds=tuple(f"{kind}.kubeflow.org" for kind in _KUBEFLOW)),
    # A RayJob and a RayService make a RayCluster, whose the pods are.
    "ray": Preset("ray", kinds=("RayCluster.ray.io", "RayJob.ray.io", "RayService.ray.io")),
    # Executors are controlled by their driver, a pod; a driver by its application, or by nobody (spark-submit).
    "spark": Preset(
        "spark",
        kinds=("SparkApplication.sparkoperator.k8s.io", "SparkApplication.spark.apache.org", "Pod"),
        labels=("spark-role",),
    ),
    "volcano": Preset("volcano", kinds=("Job.batch.volcano.sh",)),
}
