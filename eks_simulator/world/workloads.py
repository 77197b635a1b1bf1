"""The controllers of Jobs, Deployments and DaemonSets.

Each looks at one object at a time, a moment after something about it has changed, and acts on the world as it is then;
so it does not matter how a pod went. A Job's pod counts when it has finished or somebody deletes it: then its finalizer
is taken off. (Source: `isPodFailed` of the Job controller, with the default podReplacementPolicy.)
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from eks_simulator.clock import iso
from eks_simulator.kube.resources import KINDS
from eks_simulator.seeded import token
from eks_simulator.world import pods
from eks_simulator.world.pods import Key, Owner

if TYPE_CHECKING:
    from eks_simulator.clock import Timer, VirtualClock
    from eks_simulator.kube.store import Store
    from eks_simulator.world.pods import Object, PodIndex

JOB_TRACKING = "batch.kubernetes.io/job-tracking"
LATENCY = 0.3  # seconds from a change until the controller has acted on it
BACKOFF = 10.0  # seconds before the first replacement of a failed pod, doubling
LONGEST_BACKOFF = 360.0


class Controller(ABC):
    """Calls `sync` for each object whose own change, or whose pods' change, it has heard of."""

    plural: ClassVar[str]  # the kind that it controls
    owner_kind: ClassVar[str]  # the kind that its pods name as their controller
    owner_group: ClassVar[str] = "apps"  # and the group of its API: others have kinds of that name too

    def __init__(self, clock: VirtualClock, store: Store, index: PodIndex, seed: int) -> None:
        self._clock = clock
        self._store = store
        self._index = index
        self._seed = seed
        self._booked: dict[Key, Timer] = {}
        store.on(self.plural, lambda _event, obj, _previous: self.soon(pods.key(obj)))
        store.on("pods", self._on_pod)

    def _on_pod(self, _event: str, pod: Object, _previous: Object | None) -> None:
        controller = pods.owner(pod)
        if controller is not None and (controller.kind, controller.group) == (self.owner_kind, self.owner_group):
            self.soon(self.object_of(controller))

    def object_of(self, controller: Owner) -> Key:
        """Return the object to look at when a pod of `controller` changes."""
        return Key(controller.namespace, controller.name)

    def soon(self, key: Key, after: float = LATENCY) -> None:
        """Have the object looked at `after` seconds, unless it will be by then."""
        booked = self._booked.get(key)
        when = self._clock.now + after
        if booked is not None and booked.pending:
            if booked.when <= when:
                return
            booked.cancel()
        self._booked[key] = self._clock.at(when, lambda: self._look(key))

    def _look(self, key: Key) -> None:
        obj = self._store.get(self.plural, *key)
        if obj is None or "deletionTimestamp" in obj["metadata"]:
            self.deleted(key)
        else:
            self.sync(key, obj)

    @abstractmethod
    def sync(self, key: Key, obj: Object) -> None:
        """Bring the pods of the object to where they should be."""

    def deleted(self, key: Key) -> None:  # noqa: B027 - most have nothing to do: dependents are the API server's business
        """The object is gone."""

    def _free_name(self, namespace: str, prefix: str, *what: object) -> str:
        """Return a name for the pod that `what` says; where a pod of the owner before still has it, the next draw."""
        name, draw = f"{prefix}-{token(self._seed, 5, *what)}", 0
        while self._store.get("pods", namespace, name):
            draw += 1
            name = f"{prefix}-{token(self._seed, 5, *what, draw)}"
        return name

    def _delete_pods(self, victims: list[Object]) -> None:
        for pod in victims:
            self._store.delete("pods", *pods.key(pod))


def pod_from(name: str, kind: str, owner: Object, template: Object) -> Object:
    """Return a pod as the controller `owner`, which is of that kind, makes it of its template."""
    metadata = template.get("metadata", {})
    return {
        "metadata": {
            "name": name,
            "namespace": owner["metadata"]["namespace"],
            "labels": dict(metadata.get("labels", {})),
            "annotations": dict(metadata.get("annotations", {})),
            "ownerReferences": [controlled_by(kind, owner)],
        },
        "spec": dict(template["spec"]),
        "status": {"phase": "Pending"},
    }


def controlled_by(kind: str, owner: Object) -> Object:
    """Return the reference of a dependent to its controller."""
    return {
        "apiVersion": KINDS[kind].group_version,
        "kind": kind,
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


class JobController(Controller):
    """Runs each Job's pods to completion, replacing failed ones up to its backoffLimit."""

    plural = "jobs"
    owner_kind = "Job"
    owner_group = "batch"

    def __init__(self, clock: VirtualClock, store: Store, index: PodIndex, seed: int) -> None:
        super().__init__(clock, store, index, seed)
        self._made: dict[str, int] = {}  # by Job UID: pods so far
        self._not_before: dict[str, float] = {}  # by Job UID: when its next pod may be made

    def sync(self, key: Key, obj: Object) -> None:
        """Count what has finished, then make what is missing."""
        mine = self._index.of(Owner("Job", *key, "batch"))
        counted = [pod for pod in mine if _uncounted(pod) and (pods.finished(pod) or pods.terminating(pod))]
        succeeded = sum(pods.phase(pod) == "Succeeded" for pod in counted)
        failed = len(counted) - succeeded
        if failed:
            self._back_off(obj, failed)
        active = [pod for pod in mine if pods.active(pod)]
        job = self._store.mutate("jobs", *key, lambda job: self._update_status(job, len(active), succeeded, failed))
        for pod in counted:
            self._release(pod)
        if _is_over(job):
            self._delete_pods(active)
        elif not job["spec"].get("suspend"):
            self._make_missing(key, job, len(active))

    def deleted(self, key: Key) -> None:
        """Nobody counts the pods any more: let them go."""
        for pod in self._index.of(Owner("Job", *key, "batch")):
            if _uncounted(pod):
                self._release(pod)

    def _back_off(self, job: Object, failed: int) -> None:
        failures = job.get("status", {}).get("failed", 0) + failed
        delay = min(BACKOFF * 2 ** (failures - 1), LONGEST_BACKOFF)
        self._not_before[job["metadata"]["uid"]] = self._clock.now + delay

    def _update_status(self, job: Object, active: int, succeeded: int, failed: int) -> None:
        status = job.setdefault("status", {})
        status.setdefault("startTime", iso(self._clock.now))
        status["active"] = active
        for name, more in (("succeeded", succeeded), ("failed", failed)):
            if more:
                status[name] = status.get(name, 0) + more
        if _is_over(job):
            return
        if status.get("succeeded", 0) >= job["spec"].get("completions", 1):
            status["completionTime"] = iso(self._clock.now)
            self._conclude(status, "Complete", "CompletionsReached")
        elif status.get("failed", 0) > job["spec"].get("backoffLimit", 6):
            self._conclude(status, "Failed", "BackoffLimitExceeded")

    def _conclude(self, status: Object, kind: str, reason: str) -> None:
        status["conditions"] = [
            {"type": kind, "status": "True", "reason": reason, "lastTransitionTime": iso(self._clock.now)}
        ]

    def _release(self, pod: Object) -> None:
        def take_off(obj: Object) -> None:
            rest = [name for name in obj["metadata"]["finalizers"] if name != JOB_TRACKING]
            if rest:
                obj["metadata"]["finalizers"] = rest
            else:
                del obj["metadata"]["finalizers"]

        self._store.mutate("pods", *pods.key(pod), take_off)

    def _make_missing(self, key: Key, job: Object, active: int) -> None:
        spec, status = job["spec"], job["status"]
        left = spec.get("completions", 1) - status.get("succeeded", 0)
        missing = min(spec.get("parallelism", 1), left) - active
        if missing <= 0:
            return
        wait = self._not_before.get(job["metadata"]["uid"], 0.0) - self._clock.now
        if wait > 0:
            self.soon(key, wait)
            return
        for _ in range(missing):
            self._make(job)

    def _make(self, job: Object) -> None:
        uid = job["metadata"]["uid"]
        attempt = self._made[uid] = self._made.get(uid, -1) + 1
        name = job["metadata"]["name"]
        pod_name = self._free_name(job["metadata"]["namespace"], name, "job", name, attempt)
        pod = pod_from(pod_name, "Job", job, job["spec"]["template"])
        pod["metadata"]["finalizers"] = [JOB_TRACKING]
        pod["metadata"]["labels"] |= {
            "batch.kubernetes.io/job-name": name,
            "batch.kubernetes.io/controller-uid": uid,
            "job-name": name,
        }
        pod["metadata"]["annotations"][pods.ATTEMPT] = str(attempt)
        self._store.create("pods", pod)


def _uncounted(pod: Object) -> bool:
    return JOB_TRACKING in pod["metadata"].get("finalizers", ())


def _is_over(job: Object) -> bool:
    return any(one["type"] in ("Complete", "Failed") for one in job.get("status", {}).get("conditions", ()))


class DeploymentController(Controller):
    """Keeps each Deployment's replicas, through one ReplicaSet."""

    plural = "deployments"
    owner_kind = "ReplicaSet"

    def __init__(self, clock: VirtualClock, store: Store, index: PodIndex, seed: int) -> None:
        super().__init__(clock, store, index, seed)
        self._made: dict[str, int] = {}  # by Deployment UID: pods so far

    def object_of(self, controller: Owner) -> Key:
        """Return the Deployment of a ReplicaSet."""
        return Key(controller.namespace, controller.name.rpartition("-")[0])

    def sync(self, key: Key, obj: Object) -> None:
        """Make missing pods, delete surplus ones (those not Ready first, then the newest), and count them."""
        replica_set = self._replica_set(key, obj)
        controller = Owner("ReplicaSet", *pods.key(replica_set), "apps")
        active = [pod for pod in self._index.of(controller) if pods.active(pod)]
        want = obj["spec"].get("replicas", 1)
        victims = sorted(enumerate(active), key=lambda found: (pods.is_ready(found[1]), -found[0]))
        self._delete_pods([pod for _, pod in victims[: max(len(active) - want, 0)]])
        for _ in range(want - len(active)):
            self._make(obj, replica_set)
        ready = sum(pods.is_ready(pod) for pod in active)
        generation = obj["metadata"].get("generation", 1)
        status = {
            "observedGeneration": generation,
            "replicas": min(len(active), want),
            "readyReplicas": min(ready, want),
        }
        self._store.mutate("deployments", *key, lambda one: one.update(status=status))
        self._store.mutate("replicasets", *pods.key(replica_set), lambda one: _scale(one, want, status))

    def _replica_set(self, key: Key, deployment: Object) -> Object:
        name = f"{key.name}-{token(self._seed, 9, 'replicaset', *key)}"
        found = self._store.get("replicasets", key.namespace, name)
        if found is not None:
            return found
        return self._store.create(
            "replicasets",
            {
                "metadata": {
                    "name": name,
                    "namespace": key.namespace,
                    "labels": dict(deployment["spec"]["template"]["metadata"].get("labels", {})),
                    "ownerReferences": [controlled_by("Deployment", deployment)],
                },
                "spec": {name: deployment["spec"][name] for name in ("selector", "template")},
            },
        )

    def _make(self, deployment: Object, replica_set: Object) -> None:
        uid = deployment["metadata"]["uid"]
        number = self._made[uid] = self._made.get(uid, -1) + 1
        name = replica_set["metadata"]["name"]
        pod_name = self._free_name(replica_set["metadata"]["namespace"], name, "pod", name, number)
        self._store.create("pods", pod_from(pod_name, "ReplicaSet", replica_set, deployment["spec"]["template"]))


def _scale(replica_set: Object, want: int, status: Object) -> None:
    replica_set["spec"]["replicas"] = want
    replica_set["status"] = {name: status[name] for name in ("replicas", "readyReplicas")}


class DaemonSetController(Controller):
    """Keeps one pod of each DaemonSet on every node that its selector fits."""

    plural = "daemonsets"
    owner_kind = "DaemonSet"

    def __init__(self, clock: VirtualClock, store: Store, index: PodIndex, seed: int) -> None:
        super().__init__(clock, store, index, seed)
        self._made: dict[tuple[Key, str], int] = {}  # pods so far, by DaemonSet and node
        store.on("nodes", self._on_node)

    def _on_node(self, event: str, _node: Object, _previous: Object | None) -> None:
        if event == "ADDED":
            for daemon_set in self._store.list("daemonsets"):
                self.soon(pods.key(daemon_set))

    def sync(self, key: Key, obj: Object) -> None:
        """Make the pods of the nodes that lack one."""
        held = {pods.node_of(pod) for pod in self._index.of(Owner("DaemonSet", *key, "apps")) if not pods.finished(pod)}
        selector = obj["spec"]["template"]["spec"].get("nodeSelector", {})
        wanted = [node["metadata"]["name"] for node in self._store.list("nodes", labels=selector)]
        for node in wanted:
            if node not in held:
                self._make(key, obj, node)
        status = {"desiredNumberScheduled": len(wanted), "currentNumberScheduled": len(wanted), "numberMisscheduled": 0}
        self._store.mutate("daemonsets", *key, lambda one: one.update(status=status))

    def _make(self, key: Key, daemon_set: Object, node: str) -> None:
        number = self._made[key, node] = self._made.get((key, node), -1) + 1
        pod_name = self._free_name(key.namespace, key.name, "daemon", *key, node, number)
        pod = pod_from(pod_name, "DaemonSet", daemon_set, daemon_set["spec"]["template"])
        pod["spec"] |= {"nodeName": node, "tolerations": [{"operator": "Exists"}]}
        self._store.create("pods", pod)
