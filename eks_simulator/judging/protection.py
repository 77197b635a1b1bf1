"""Which pods a rollout must not kill before its deadline: as the scenario says, by the rules that its users are told.

A pod is protected that says so itself, that the selection or a preset names, and also, unless `unprotected: evict`
is set, each that runs to its end (restartPolicy), that is a Job's or of a kind that some preset names, or has no
controller but perhaps another pod: nobody replaces those. The pods of a RayService are none: a RayCluster keeps them,
but they serve.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from eks_simulator.fields import parse_duration
from eks_simulator.wellknown import PRESETS, Preset
from eks_simulator.world import pods

if TYPE_CHECKING:
    from eks_simulator.scenario import Protected, Scenario
    from eks_simulator.world.pods import Object


_PINS = {
    "karpenter.sh/do-not-disrupt": "true",
    "karpenter.sh/do-not-evict": "true",
    "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
}


@dataclass(frozen=True, slots=True)
class Protection:
    """What the scenario protects, with the kinds, labels and presets of its settings."""

    selection: Protected
    kinds: tuple[str, ...]
    labels: dict[str, Any]
    presets: tuple[Preset, ...]
    besides: bool

    @classmethod
    def of(cls, scenario: Scenario) -> Protection:
        """Return what this scenario's rollout has been told to protect."""
        settings = scenario.settings.get("protected", {})
        return cls(
            selection=scenario.protected,
            kinds=tuple(settings.get("kinds", ("Job",))),
            labels=settings.get("labels", {}),
            presets=tuple(PRESETS[name] for name in settings.get("presets", ())),
            besides=scenario.settings.get("unprotected", "protect") != "evict",
        )

    def of_pod(self, pod: Object, at: float) -> str | None:
        """Return the workload (kind, then NAMESPACE/NAME) if the pod is protected, active and not its node's own."""
        if not pods.active(pod) or pods.stays_with_node(pod):
            return None
        controller = pods.owner(pod)
        kind, key = ("Pod", pods.key(pod)) if controller is None else (controller.kind, controller[1:3])
        pinned = any(pods.annotation(pod, name) == value for name, value in _PINS.items()) or _is_pinned_at(pod, at)
        named = controller is not None and self._selects(controller, pod)
        ends = pod["spec"].get("restartPolicy") != "Always"
        besides = self.besides and not _is_of_ray_service(pod) and (ends or _is_irreplaceable(controller))
        return f"{kind} {'/'.join(key)}" if pinned or named or besides or self._is_of_preset(controller, pod) else None

    def _selects(self, controller: pods.Owner, pod: Object) -> bool:
        labels = pod["metadata"].get("labels", {})
        return (
            _is_one_of(controller, self.kinds)
            and self.selection.covers(controller.namespace, controller.name)
            and self.labels.items() <= labels.items()
        )

    def _is_of_preset(self, controller: pods.Owner | None, pod: Object) -> bool:
        labels = pod["metadata"].get("labels", {})
        if controller is None:
            return any(label in labels for preset in self.presets for label in preset.labels)
        return any(_is_one_of(controller, preset.kinds) for preset in self.presets)


def _is_pinned_at(pod: Object, at: float) -> bool:
    """Tell whether Karpenter's annotation gives a span, and it has not passed since the pod's start."""
    span, began = pods.annotation(pod, "karpenter.sh/do-not-disrupt"), pod.get("status", {}).get("startTime")
    if not span[:1].isdigit() or began is None:
        return False
    return at < datetime.fromisoformat(began).timestamp() + parse_duration(span)


def _is_one_of(controller: pods.Owner, kinds: tuple[str, ...]) -> bool:
    return controller.kind in kinds or f"{controller.kind}.{controller.group}" in kinds


def _is_of_ray_service(pod: Object) -> bool:
    labels = pod["metadata"].get("labels", {})
    return labels.get("ray.io/originated-from-crd") == "RayService" or "ray.io/serve" in labels


def _is_irreplaceable(controller: pods.Owner | None) -> bool:
    if controller is None or (controller.kind, controller.group) in {("Job", "batch"), ("Pod", "")}:
        return True
    return any(_is_one_of(controller, preset.kinds) for preset in PRESETS.values())
