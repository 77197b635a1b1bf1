"""Evictions, and the budgets that may forbid them (policy/v1).

A budget's allowance is worked out from the pods that live at the moment it is asked for; the real disruption controller
does it a moment after each change, and late where many change at once: see `fall_behind`. Sources: kube-apiserver
`pkg/registry/core/pod/storage/eviction.go`, and the disruption controller of kube-controller-manager.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from eks_simulator.clock import iso
from eks_simulator.kube.errors import ApiError
from eks_simulator.kube.jsons import copied
from eks_simulator.kube.resources import KINDS
from eks_simulator.kube.selectors import parse_label_selector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from eks_simulator.kube.store import Store

Object = dict[str, Any]

_BLOCKED = "Cannot evict pod as it would violate the pod's disruption budget."
_TWO_BUDGETS = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
_FINISHED = ("Succeeded", "Failed")


class DeleteOptions(NamedTuple):
    """How something is to be deleted; `grace` in seconds, the last two are preconditions."""

    grace: int | None = None
    propagation: str | None = None
    uid: str | None = None
    resource_version: str | None = None


class Allowance(NamedTuple):
    """What a budget says of its pods now.

    `spent`: evictions that were let pass since it was worked out; `failed`: it cannot be worked out, and so it says
    that it has seen nothing yet, for as long as that lasts.
    """

    expected: int
    desired: int
    healthy: int
    blocked: bool
    spent: int = 0
    failed: bool = False

    @property
    def disruptions(self) -> int:
        """How many pods may be evicted."""
        return 0 if self.blocked or not self.expected else max(0, self.healthy - self.desired - self.spent)

    def status(self, generation: int) -> Object:
        """Return the budget's `status`."""
        return {
            **({} if self.failed else {"observedGeneration": generation}),
            "disruptionsAllowed": self.disruptions,
            "currentHealthy": self.healthy,
            "desiredHealthy": self.desired,
            "expectedPods": self.expected,
        }


def evict(store: Store, namespace: str, name: str, options: DeleteOptions) -> None:
    """Delete the pod, unless a budget forbids it.

    Pods that are Pending, finished or terminating already pass any budget.

    Raises `ApiError`: 404; 409 when a precondition fails; 429 when a budget forbids it; 500 when two budgets cover the
    pod.
    """
    pod = store.get("pods", namespace, name)
    if pod and not _passes(pod):
        _ask_budgets(store, pod)
    if pod and "deletionTimestamp" not in pod["metadata"] and _meets(pod, options):
        disrupted = store.mutate("pods", namespace, name, _disrupted(store.clock.now))
        options = options._replace(resource_version=disrupted["metadata"]["resourceVersion"])
    store.delete("pods", namespace, name, **options._asdict())


def _passes(pod: Object) -> bool:
    return "deletionTimestamp" in pod["metadata"] or _phase(pod) in ("Pending", *_FINISHED)


def _meets(pod: Object, options: DeleteOptions) -> bool:
    meta = pod["metadata"]
    return options.uid in (None, meta["uid"]) and options.resource_version in (None, meta["resourceVersion"])


def _phase(pod: Object) -> str:
    return str(pod.get("status", {}).get("phase", "Pending"))


def _disrupted(now: float) -> Callable[[Object], None]:
    """Return the condition that says by whom a pod is ended; the API server adds it since 1.26."""

    def disrupt(pod: Object) -> None:
        status = pod.setdefault("status", {})
        others = [one for one in status.get("conditions") or [] if one.get("type") != "DisruptionTarget"]
        condition = {
            "type": "DisruptionTarget",
            "status": "True",
            "lastTransitionTime": iso(now),
            "reason": "EvictionByEvictionAPI",
            "message": "Eviction API: evicting",
        }
        status["conditions"] = [*others, condition]

    return disrupt


def _ask_budgets(store: Store, pod: Object) -> None:
    budgets = [one for one in store.list("poddisruptionbudgets", pod["metadata"]["namespace"]) if covers(one, pod)]
    if len(budgets) > 1:
        raise ApiError(500, "", _TWO_BUDGETS)
    for budget in budgets:
        allowance = allowance_of(store, budget)
        if _may_go_unhealthy(budget, pod, allowance):
            continue
        if not allowance.disruptions:
            name = budget["metadata"]["name"]
            raise _not_known_yet(name) if allowance.failed else _blocked_by(name, allowance)
        if (key := _key(budget)) in store.old_budgets:
            store.old_budgets[key] = allowance._replace(spent=allowance.spent + 1)


def _blocked_by(budget: str, allowance: Allowance) -> ApiError:
    needs = f"needs {allowance.desired} healthy pods and has {allowance.healthy} currently"
    cause = {"reason": "DisruptionBudget", "message": f"The disruption budget {budget} {needs}"}
    return ApiError(429, "TooManyRequests", _BLOCKED, {"causes": [cause]})


def _not_known_yet(budget: str) -> ApiError:
    """Return the no of a budget that the disruption controller has not worked out, be it that it never can."""
    cause = {
        "reason": "DisruptionBudget",
        "message": f"The disruption budget {budget} is still being processed by the server.",
    }
    return ApiError(429, "TooManyRequests", _BLOCKED, {"causes": [cause], "retryAfterSeconds": 10})


def _may_go_unhealthy(budget: Object, pod: Object, allowance: Allowance) -> bool:
    """A pod that is not Ready is no loss, as long as the budget is met without it."""
    if allowance.blocked or _ready(pod):
        return False
    always = budget["spec"].get("unhealthyPodEvictionPolicy") == "AlwaysAllow"
    return always or allowance.healthy >= allowance.desired > 0


def covers(budget: Object, pod: Object) -> bool:
    """Tell whether the pod, of the budget's namespace, is one of its pods; an empty selector takes all, none none."""
    selector = budget["spec"].get("selector")
    labels = pod["metadata"].get("labels") or {}
    return selector is not None and all(term(labels) for term in parse_label_selector(selector))


def _ready(pod: Object) -> bool:
    conditions = pod.get("status", {}).get("conditions") or ()
    return any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)


def allowance_of(store: Store, budget: Object) -> Allowance:
    """Return what the budget says now, which may be what it said a while ago (`fall_behind`).

    `Store.blocked_budgets` and pods without a known scale let it allow nothing.
    """
    if _key(budget) in store.old_budgets and store.clock.now < store.budgets_behind_until:
        return store.old_budgets[_key(budget)]
    return _worked_out(store, budget)


def fall_behind(store: Store, until: float) -> None:
    """Let every budget say what it says now until then, also if its pods change; evictions count all the same."""
    store.old_budgets = {_key(one): allowance_of(store, one) for one in store.list("poddisruptionbudgets")}
    store.budgets_behind_until = until


def _key(budget: Object) -> tuple[str, str]:
    return budget["metadata"]["namespace"], budget["metadata"]["name"]


def _worked_out(store: Store, budget: Object) -> Allowance:
    meta, spec = budget["metadata"], budget["spec"]
    pods = [pod for pod in store.list("pods", meta["namespace"]) if covers(budget, pod)]
    healthy = sum(_ready(pod) and "deletionTimestamp" not in pod["metadata"] for pod in pods)
    least, most = spec.get("minAvailable"), spec.get("maxUnavailable")
    expected: int | None = len(pods)
    if most is not None or isinstance(least, str):
        expected = _scale(store, pods)
    if expected is None:
        return Allowance(0, 0, 0, blocked=True, failed=True)
    desired = _scaled(least or 0, expected) if most is None else max(0, expected - _scaled(most, expected))
    blocked = (meta["namespace"], meta["name"]) in store.blocked_budgets
    return Allowance(expected, max(desired, healthy) if blocked else desired, healthy, blocked)


def _scaled(value: int | str, total: int) -> int:
    """Return a number of pods, or a percentage of `total` rounded up."""
    return math.ceil(int(value.removesuffix("%")) * total / 100) if isinstance(value, str) else value


def _scale(store: Store, pods: list[Object]) -> int | None:
    """Return how many pods their controllers want in all; None if one has no scale, which is an error to budgets."""
    wanted: dict[str, int] = {}
    for pod in pods:
        for kind, controller in _controllers(store, pod):
            if KINDS[kind].subresource("scale") is None:
                return None
            wanted[controller["metadata"]["uid"]] = int(controller["spec"].get("replicas", 1))
    return sum(wanted.values())


def _controllers(store: Store, obj: Object) -> Iterator[tuple[str, Object]]:
    """Yield the outermost controller of the object, if it has one: of a ReplicaSet's pod the Deployment."""
    for reference in obj["metadata"].get("ownerReferences") or ():
        resource = KINDS.get(reference["kind"])
        owner = resource and store.get(resource.plural, obj["metadata"]["namespace"], reference["name"])
        if resource and owner and reference.get("controller"):
            outer = list(_controllers(store, owner)) if resource.kind == "ReplicaSet" else []
            yield from outer or [(resource.kind, owner)]


def refresh_status(store: Store, namespace: str | None) -> None:
    """Bring the status of all budgets up to date, as the disruption controller would have."""
    for budget in store.list("poddisruptionbudgets", namespace):
        meta = budget["metadata"]
        current = budget | {"status": allowance_of(store, budget).status(meta["generation"])}
        with store.log.acting("world", "", 0):
            store.replace("poddisruptionbudgets", meta["namespace"], meta["name"], copied(current))
