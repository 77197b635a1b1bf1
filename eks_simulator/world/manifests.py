"""The Kubernetes objects that a scenario's workloads become, as somebody would have applied them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eks_simulator.world import pods
from eks_simulator.world.volumes import DETACH

if TYPE_CHECKING:
    from collections.abc import Mapping

    from eks_simulator.fields import Range
    from eks_simulator.scenario import (
        Autoscaler,
        Budget,
        DaemonSet,
        Deployment,
        Jobs,
        Named,
        Pods,
        StatefulSet,
    )
    from eks_simulator.world.pods import Object


def job(jobs: Jobs, number: int) -> Object:
    """Return the `number`-th Job, from 0."""
    runtime = jobs.runtime[number % len(jobs.runtime)]
    how = {pods.RUNTIME: _text(runtime), pods.FAILURES: str(jobs.failures)}
    template = _template(jobs, {}, how)
    template["spec"]["restartPolicy"] = "Never"
    return {
        "metadata": {"name": f"{jobs.name}-{number}", "namespace": jobs.namespace, "labels": dict(jobs.labels)},
        "spec": {"parallelism": 1, "completions": 1, "backoffLimit": jobs.backoff_limit, "template": template},
    }


def deployment(workload: Deployment) -> Object:
    """Return the Deployment, selected by its `app` label."""
    labels = {"app": workload.name}
    return {
        "metadata": {"name": workload.name, "namespace": workload.namespace, "labels": {**labels, **workload.labels}},
        "spec": {
            "replicas": workload.replicas,
            "selector": {"matchLabels": labels},
            "template": _template(workload, labels, {pods.STARTUP: _text(workload.startup)}),
        },
    }


def stateful_set(workload: StatefulSet) -> Object:
    """Return the StatefulSet, selected by its `app` label; with one volume for each pod, if at all."""
    made = deployment(workload)
    spec = {**made["spec"], "serviceName": workload.name}
    if workload.volume:
        spec["template"]["metadata"]["annotations"][DETACH] = _text(workload.volume)
        spec["volumeClaimTemplates"] = [{"metadata": {"name": "data"}}]
    return {"metadata": made["metadata"], "spec": spec}


def autoscaler(settings: Autoscaler) -> Object:
    """Return the cluster-autoscaler's Deployment."""
    labels = {"app": settings.name}
    container = {"name": "main", "image": f"example.com/{settings.name}:1"}
    return {
        "metadata": {"name": settings.name, "namespace": settings.namespace, "labels": labels},
        "spec": {
            "replicas": settings.replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def daemon_set(workload: DaemonSet) -> Object:
    """Return the DaemonSet, selected by its `app` label."""
    labels = {"app": workload.name}
    return {
        "metadata": {"name": workload.name, "namespace": workload.namespace, "labels": {**labels, **workload.labels}},
        "spec": {"selector": {"matchLabels": labels}, "template": _template(workload, labels, {})},
    }


def bare_pod(workload: Pods, number: int) -> Object:
    """Return the `number`-th bare pod, from 0."""
    template = _template(workload, {"app": workload.name}, {})
    metadata = {**template["metadata"], "name": f"{workload.name}-{number}", "namespace": workload.namespace}
    return {"metadata": metadata, "spec": template["spec"], "status": {"phase": "Pending"}}


def budget(one: Budget) -> Object:
    """Return the PodDisruptionBudget."""
    bounds = {"minAvailable": one.min_available, "maxUnavailable": one.max_unavailable}
    return {
        "metadata": {"name": one.name, "namespace": one.namespace},
        "spec": {
            "selector": {"matchLabels": dict(one.selector)},
            **{name: bound for name, bound in bounds.items() if bound is not None},
        },
    }


def _template(workload: Named, labels: Mapping[str, str], how: Mapping[str, str]) -> Object:
    """Return the pod template; `how` tells the simulated kubelet what to make of its pods."""
    container: Object = {"name": "main", "image": f"example.com/{workload.name}:1"}
    if workload.slots:
        container["resources"] = {"requests": {"cpu": str(workload.slots)}}
    spec: Object = {"containers": [container], "terminationGracePeriodSeconds": int(workload.grace)}
    if workload.node_selector:
        spec["nodeSelector"] = dict(workload.node_selector)
    if workload.tolerations:
        spec["tolerations"] = [dict(one) for one in workload.tolerations]
    return {
        "metadata": {
            "labels": {**labels, **workload.labels},
            "annotations": {pods.STOP: _text(workload.stop), **how, **workload.annotations},
        },
        "spec": spec,
    }


def _text(duration: Range) -> str:
    low, high = (f"{seconds:.6f}".rstrip("0").rstrip(".") for seconds in duration)  # never 1e+06: that is no duration
    return f"{low}s..{high}s"
