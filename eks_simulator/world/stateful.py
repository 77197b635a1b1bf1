"""The controller of StatefulSets: pods of ordinal names, of which the same one comes back, after it is wholly gone."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from eks_simulator.world import pods
from eks_simulator.world.pods import Key, Owner
from eks_simulator.world.workloads import Controller, pod_from

if TYPE_CHECKING:
    from eks_simulator.world.pods import Object

ORDINAL = "apps.kubernetes.io/pod-index"


class StatefulSetController(Controller):
    """Keeps each StatefulSet's replicas with podManagementPolicy OrderedReady, the default.

    One that has finished is deleted and made again; the next is made, or ended, when all before it are Ready.
    """

    plural = "statefulsets"
    owner_kind: ClassVar[str] = "StatefulSet"

    def sync(self, key: Key, obj: Object) -> None:
        """Make the first pod that is missing, if all before it are Ready; delete what is too much; count."""
        mine = {pod["metadata"]["name"]: pod for pod in self._index.of(Owner("StatefulSet", *key, "apps"))}
        want = obj["spec"].get("replicas", 1)
        names = [f"{key.name}-{number}" for number in range(want)]
        self._delete_pods([pod for name, pod in mine.items() if _ends(pod, kept=name in names)])
        self._make_next(obj, names, mine)
        active = [pod for pod in mine.values() if pods.active(pod)]
        status = {
            "observedGeneration": obj["metadata"].get("generation", 1),
            "replicas": len(active),
            "readyReplicas": sum(map(pods.is_ready, active)),
        }
        self._store.mutate("statefulsets", *key, lambda one: one.update(status=status))

    def _make_next(self, obj: Object, names: list[str], mine: dict[str, Object]) -> None:
        for number, name in enumerate(names):
            if name not in mine:
                pod = pod_from(name, "StatefulSet", obj, obj["spec"]["template"])
                if claims := obj["spec"].get("volumeClaimTemplates"):
                    pod["spec"]["volumes"] = [_volume(one["metadata"]["name"], name) for one in claims]
                pod["metadata"]["labels"] |= {"statefulset.kubernetes.io/pod-name": name, ORDINAL: str(number)}
                self._store.create("pods", pod)
            if name not in mine or not (pods.active(mine[name]) and pods.is_ready(mine[name])):
                return


def _volume(template: str, pod: str) -> Object:
    return {"name": template, "persistentVolumeClaim": {"claimName": f"{template}-{pod}"}}


def _ends(pod: Object, *, kept: bool) -> bool:
    """Tell whether the controller deletes it now."""
    return not pods.terminating(pod) and (pods.finished(pod) or not kept)
