"""Well-known workloads whose pods lose work when they are evicted: who controls them, or how bare ones are labelled.

Names and groups are those of each project's own API definitions; what a rollout began with stays in its plan.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal

from rollout.model.plan import Preset

PresetName = Literal["argo-workflows", "github-runners", "gitlab-runner", "kubeflow", "ray", "spark", "volcano"]

_KUBEFLOW = ("JAXJob", "MPIJob", "MXJob", "PaddleJob", "PyTorchJob", "TFJob", "XGBoostJob")

#: Kinds that control no pods themselves, and the kind that does for them, perhaps through others in between.
THROUGH: Mapping[str, str] = {
    "AutoscalingRunnerSet.actions.github.com": "EphemeralRunner.actions.github.com",
    "CronJob.batch": "Job.batch",
    "CronWorkflow.argoproj.io": "Workflow.argoproj.io",
    "Deployment.apps": "ReplicaSet.apps",
    "EphemeralRunnerSet.actions.github.com": "EphemeralRunner.actions.github.com",
    "JobSet.jobset.x-k8s.io": "Job.batch",
    # Leaders are of one StatefulSet, and the workers of each leader of another.
    "LeaderWorkerSet.leaderworkerset.x-k8s.io": "StatefulSet.apps",
    "PipelineRun.tekton.dev": "TaskRun.tekton.dev",
    "RayCronJob.ray.io": "RayCluster.ray.io",
    # A Job of batch/v1 submits it, and does none of its work.
    "RayJob.ray.io": "RayCluster.ray.io",
    "RayService.ray.io": "RayCluster.ray.io",
    "Rollout.argoproj.io": "ReplicaSet.apps",
    "RunnerDeployment.actions.summerwind.dev": "Runner.actions.summerwind.dev",
    "ScaledJob.keda.sh": "Job.batch",
    "ScheduledSparkApplication.sparkoperator.k8s.io": "SparkApplication.sparkoperator.k8s.io",
    "TrainJob.trainer.kubeflow.org": "Job.batch",
}
# What Kubernetes itself lets control pods.
_OWN = ("DaemonSet.apps", "Job.batch", "Pod", "ReplicaSet.apps", "ReplicationController", "StatefulSet.apps")

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


def through(kind: str) -> str:
    """Return the kind that controls the pods of a well-known one that controls none itself, with its group; else ""."""
    return next((direct for full, direct in THROUGH.items() if kind in {full, _bare(full)}), "")


def controls_pods(kind: str) -> bool:
    """Tell whether a kind is known to control pods itself."""
    known = {*_OWN, *THROUGH.values(), *(one for preset in PRESETS.values() for one in preset.kinds)} - THROUGH.keys()
    return kind in known | {_bare(one) for one in known}


def names(kinds: Collection[str], kind: str) -> bool:
    """Tell whether kinds, each with its group or of every group, name a kind."""
    return kind in kinds or _bare(kind) in kinds


def _bare(kind: str) -> str:
    return kind.partition(".")[0]
