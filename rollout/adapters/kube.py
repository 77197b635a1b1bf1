"""Kubernetes through the port `Kubernetes`: watches for what is read at every tick, raw requests for the rest.

What is changed is read, altered at our own keys only and written with the resourceVersion that was read; what is
deleted is named by its uid. So nothing is overwritten that was not seen, and no namesake is hit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from rollout.adapters import kube_records as records
from rollout.adapters.cache import YOUNG
from rollout.adapters.kube_api import (
    BAD_REQUEST,
    CONFLICT,
    FORBIDDEN,
    MERGE_PATCH,
    NOT_FOUND,
    SERVER_ERROR,
    TOO_MANY,
    UNAUTHORIZED,
)
from rollout.adapters.understanding import each, flag, understood
from rollout.errors import Blocked, Gone, Refused, Retry
from rollout.formats.codec import checkpoint_text
from rollout.model.preflight_observation import (
    LIST_ATTACHMENTS,
    LIST_BUDGETS,
    LIST_JOBS,
    WATCH_MARKER,
    Right,
    watch_autoscaler,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rollout.adapters.cache import Watch
    from rollout.adapters.kube_api import Answer, KubeApi
    from rollout.model.budget import BudgetSeen
    from rollout.model.checkpoint import Checkpoint
    from rollout.model.observation import AttachmentSeen, AutoscalerSeen, MarkerSeen, NodeSeen, PodSeen
    from rollout.model.plan import Autoscaler
    from rollout.ports import JobSeen, NodeChange

    Object = dict[str, Any]
    Begin = Callable[[str, Callable[[Object], Any]], Watch[Any]]

Seen = TypeVar("Seen")

_CONFIGMAPS = "/api/v1/namespaces/kube-system/configmaps"
_MARKER = "eks-rollout"
_MARKER_PATH = f"{_CONFIGMAPS}/{_MARKER}"
# What is no no to this object. Any other code may be admission's, which lets something not be done: a webhook sets it
# as it likes, from 400 on (Kubernetes documentation, "Dynamic Admission Control").
_ELSE = {UNAUTHORIZED, NOT_FOUND, CONFLICT, TOO_MANY}


class ApiKubernetes:
    """One cluster; `nodes` and `pods` are watches that have begun, `begin` begins one of a single object.

    `of_one`: the watch of each object that is watched by itself, None where we lack the right to that.
    """

    def __init__(self, api: KubeApi, nodes: Watch[NodeSeen], pods: Watch[PodSeen], begin: Begin) -> None:
        self._api = api
        self._nodes = nodes
        self._pods = pods
        self._begin = begin
        self._of_one: dict[str, Watch[Any] | None] = {}

    # ---- reads

    def nodes(self, *, young: bool = False) -> tuple[NodeSeen, ...]:
        return self._nodes.read(young=young)

    def pods(self, *, young: bool = False) -> tuple[PodSeen, ...]:
        return self._pods.read(young=young)

    def pods_on(self, node: str) -> tuple[PodSeen, ...]:
        found, _ = self._api.collect("/api/v1/pods", [("fieldSelector", f"spec.nodeName={node}")])
        pods = tuple(each(f"pods on {node}", found, records.pod))
        with understood(f"pods on {node}"):
            if any(pod.node != node for pod in pods):
                raise ValueError("pods of other nodes are among them")
            return pods

    def budgets(self) -> tuple[BudgetSeen, ...] | None:
        found = self._optional("/apis/policy/v1/poddisruptionbudgets", LIST_BUDGETS)
        return None if found is None else tuple(each("disruption budgets", found, records.budget))

    def attachments(self) -> tuple[AttachmentSeen, ...] | None:
        found = self._optional("/apis/storage.k8s.io/v1/volumeattachments", LIST_ATTACHMENTS)
        return None if found is None else tuple(filter(None, each("volume attachments", found, records.attachment)))

    def jobs(self) -> tuple[JobSeen, ...] | None:
        found = self._optional("/apis/batch/v1/jobs", LIST_JOBS)
        return None if found is None else tuple(each("Jobs", found, records.job))

    def _optional(self, path: str, right: Right) -> list[Object] | None:
        """Return a list, None where we lack the right to it."""
        try:
            return self._api.collect(path)[0]
        except Refused:
            if self._may(right):
                raise
            return None

    def in_touch(self) -> None:
        silence = self._api.silence
        if silence.lasts > YOUNG and self._nodes.catch_up() and silence.lasts > YOUNG:
            self._api.get(_MARKER_PATH)

    def silence(self) -> float:
        return self._api.silence.longest()

    def follow(self, where: Autoscaler | None) -> None:
        self._follow(_MARKER_PATH, records.marker, WATCH_MARKER)
        if where is not None:
            self._follow(_deployment(where), records.autoscaler, watch_autoscaler(where))

    def _follow(self, path: str, slim: Callable[[Object], Any], rights: tuple[Right, ...]) -> None:
        """Watch one object from now on, once; without the right to it, it is read each time."""
        if path not in self._of_one:
            allowed = all(map(self._may, rights))
            self._of_one[path] = self._begin(path, _only(path.rpartition("/")[2], slim)) if allowed else None

    def _one(self, path: str, slim: Callable[[Object], Seen], *, young: bool) -> Seen | None:
        if watch := self._of_one.get(path):
            return next(iter(watch.read(young=young)), None)
        raw = self._api.get(path)
        with understood(path):
            return None if raw is None else slim(raw)

    def autoscaler(self, where: Autoscaler, *, young: bool = True) -> AutoscalerSeen | None:
        return self._one(_deployment(where), records.autoscaler, young=young)

    def marker(self, *, young: bool = True) -> MarkerSeen | None:
        return self._one(_MARKER_PATH, records.marker, young=young)

    # ---- the cluster as a whole

    def write_marker(self, checkpoint: Checkpoint, uid: str | None) -> None:
        if uid is None:
            self._create_marker(checkpoint)
            return
        raw = self._api.get(_MARKER_PATH)
        if raw is None or raw["metadata"]["uid"] != uid:
            raise Retry(f"the marker of uid {uid} is gone")
        body = {"metadata": {"resourceVersion": raw["metadata"]["resourceVersion"]}, "data": _marker_data(checkpoint)}
        self._demand(self._api.send("PATCH", _MARKER_PATH, body, MERGE_PATCH))

    def _create_marker(self, checkpoint: Checkpoint) -> None:
        body = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": _MARKER, "labels": {"app.kubernetes.io/managed-by": "eks-rollout"}},
            "data": _marker_data(checkpoint),
        }
        answer = self._api.send("POST", _CONFIGMAPS, body)
        if answer.code == CONFLICT and answer.is_status:
            raise Refused(f"the marker is there already: {answer.detail}")
        self._demand(answer)

    def delete_marker(self, uid: str) -> None:
        answer = self._api.send("DELETE", _MARKER_PATH, _delete_options(uid))
        if not answer.absent and not self._is_another(answer, _MARKER_PATH, uid):
            self._demand(answer)

    def scale(self, where: Autoscaler, replicas: int, annotations: Mapping[str, str | None]) -> None:
        path = _deployment(where)
        raw = self._api.get(path)
        if raw is None:
            raise Refused(f"Deployment {where.namespace}/{where.name} does not exist")
        version = raw["metadata"]["resourceVersion"]
        body = {
            "metadata": {"resourceVersion": version, "annotations": dict(annotations)},
            "spec": {"replicas": replicas},
        }
        self._demand(self._api.send("PATCH", path, body, MERGE_PATCH))

    # ---- nodes and pods

    def change_node(self, name: str, uid: str, instance_id: str, change: NodeChange) -> None:
        path = f"/api/v1/nodes/{quote(name)}"
        raw = self._api.get(path)
        if raw is None:
            raise Retry(f"node {name} is gone")
        with understood(f"node {name}"):
            found = raw["metadata"]["uid"], records.instance_of(raw)
            if found != (uid, instance_id):
                there = f"uid {found[0]} on {found[1]}, not {uid} on {instance_id}"
                raise Retry(f"node {name} was replaced by another of the same name: {there}")
            patch = _node_patch(raw, change)
        if patch:
            patch.setdefault("metadata", {})["resourceVersion"] = raw["metadata"]["resourceVersion"]
            self._demand(self._api.send("PATCH", path, patch, MERGE_PATCH))

    def evict(self, namespace: str, name: str, uid: str) -> None:
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"namespace": namespace, "name": name},
            "deleteOptions": {"preconditions": {"uid": uid}},
        }
        path = _pod(namespace, name)
        answer = self._api.send("POST", f"{path}/eviction", body)
        if answer.code == SERVER_ERROR and answer.is_status and not answer.reason:
            # Two budgets on one pod: the only answer of the API server with a code and no reason (eviction.go).
            raise Blocked(f"pod {namespace}/{name}: {answer.detail}")
        self._concerns_it(answer, Right("create", "pods/eviction", namespace=namespace), name)
        self._demand_or_gone(answer, path, uid)

    def delete_pod(self, namespace: str, name: str, uid: str, grace: int | None) -> None:
        path = _pod(namespace, name)
        seconds = {} if grace is None else {"gracePeriodSeconds": grace}
        answer = self._api.send("DELETE", path, _delete_options(uid) | seconds)
        self._concerns_it(answer, Right("delete", "pods", namespace=namespace), name)
        self._demand_or_gone(answer, path, uid)

    def delete_job(self, namespace: str, name: str, uid: str) -> None:
        path = f"/apis/batch/v1/namespaces/{quote(namespace)}/jobs/{quote(name)}"
        options = _delete_options(uid) | {"propagationPolicy": "Background"}
        answer = self._api.send("DELETE", path, options)
        if answer.absent or self._is_another(answer, path, uid):
            raise Gone(answer.detail)
        self._concerns_it(answer, Right("delete", "jobs", "batch", namespace), name)
        self._demand(answer)

    def _concerns_it(self, answer: Answer, right: Right, name: str) -> None:
        """Raise `Blocked` where the API server's no concerns this one object, not us.

        A budget says no for now; its namespace is being deleted; a policy or a webhook of admission does not let it go.
        Whether a 403 says that we lack the right is asked of the API server, not read out of a text.
        """
        a_no = answer.is_status and BAD_REQUEST <= answer.code < SERVER_ERROR and answer.code not in _ELSE
        if not (answer.not_now or a_no):
            return
        if answer.code != FORBIDDEN or answer.in_a_namespace_that_ends or self._may(right):
            raise Blocked(f"{right.resource.partition('/')[0][:-1]} {right.namespace}/{name}: {answer.detail}")

    def _may(self, right: Right) -> bool:
        answer = self._api.ask(records.REVIEWS, records.review(right))
        with understood("our rights"):
            return flag(answer["status"]["allowed"])

    def _demand(self, answer: Answer) -> None:
        if not answer.ok:
            raise self._api.failure(answer, mutating=True)

    def _demand_or_gone(self, answer: Answer, path: str, uid: str) -> None:
        if answer.absent or self._is_another(answer, path, uid):
            raise Gone(answer.detail)
        self._demand(answer)

    def _is_another(self, answer: Answer, path: str, uid: str) -> bool:
        """Tell whether a conflict is about the uid: that object is gone. The world is asked, not the answer's text."""
        if answer.code != CONFLICT or not answer.is_status:
            return False
        found = self._api.get(path)
        return found is None or found["metadata"]["uid"] != uid


def _marker_data(checkpoint: Checkpoint) -> dict[str, str]:
    return {
        records.ROLLOUT_ID_IN_MARKER: checkpoint.rollout_id,
        "phase": checkpoint.phase.value,
        "epoch": str(checkpoint.epoch or 0),
        "journal": checkpoint.journal,
        records.RECORD_IN_MARKER: checkpoint_text(checkpoint),
    }


def _deployment(where: Autoscaler) -> str:
    return f"/apis/apps/v1/namespaces/{quote(where.namespace)}/deployments/{quote(where.name)}"


def _pod(namespace: str, name: str) -> str:
    return f"/api/v1/namespaces/{quote(namespace)}/pods/{quote(name)}"


def _delete_options(uid: str) -> Object:
    return {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}}


def _node_patch(raw: Object, change: NodeChange) -> Object:
    """Return the merge patch that makes a change; empty where the node is so already."""
    patch: Object = {}
    found = raw["metadata"].get("annotations") or {}
    annotations = {key: value for key, value in (change.annotations or {}).items() if found.get(key) != value}
    if annotations:
        patch["metadata"] = {"annotations": annotations}
    before = raw["spec"].get("taints") or []
    taints = _taints(before, change)
    # A merge patch replaces lists as a whole.
    spec: Object = {} if taints == before else {"taints": taints}
    if change.unschedulable is not None and change.unschedulable != bool(raw["spec"].get("unschedulable")):
        spec["unschedulable"] = change.unschedulable
    return patch | ({"spec": spec} if spec else {})


def _taints(before: list[Object], change: NodeChange) -> list[Object]:
    """Return the taints of a node after a change; those of others stay as they are, with all their fields."""
    ours = {change.untaint, change.taint.key if change.taint else None}
    after = [taint for taint in before if taint["key"] not in ours]
    if change.taint:
        after.append({"key": change.taint.key, "value": change.taint.value, "effect": change.taint.effect})
    return after


def _only(name: str, slim: Callable[[Object], Seen]) -> Callable[[Object], Seen]:
    """Return the reader of one object alone: a list that was not selected by its name is no answer."""

    def checked(raw: Object) -> Seen:
        if raw["metadata"]["name"] != name:
            raise ValueError(f"it is about {raw['metadata']['name']}")
        return slim(raw)

    return checked
