"""Which pods a rollout must not kill before its deadline: as the scenario says, by the rules that its users are told.

A pod is protected that the selection names, and besides, unless `unprotected: evict` is set, each that is a Job's or
has no controller: nobody replaces those.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rollout.simulator.world import pods

if TYPE_CHECKING:
    from rollout.simulator.scenario import Protected, Scenario
    from rollout.simulator.world.pods import Object


@dataclass(frozen=True, slots=True)
class Protection:
    """What the scenario protects, with the kinds and labels of its settings."""

    selection: Protected
    kinds: tuple[str, ...]
    labels: dict[str, Any]
    besides: bool

    @classmethod
    def of(cls, scenario: Scenario) -> Protection:
        """What this scenario's rollout has been told to protect."""
        settings = scenario.settings.get("protected", {})
        return cls(
            selection=scenario.protected,
            kinds=tuple(settings.get("kinds", ("Job",))),
            labels=settings.get("labels", {}),
            besides=scenario.settings.get("unprotected", "protect") != "evict",
        )

    def of_pod(self, pod: Object) -> str | None:
        """The workload in words (kind, then NAMESPACE/NAME) if the pod is protected, active and not its node's own."""
        if not pods.active(pod) or pods.stays_with_node(pod):
            return None
        controller = pods.owner(pod)
        if controller is None:
            return f"Pod {'/'.join(pods.key(pod))}" if self.besides else None
        named = f"{controller.kind} {controller.namespace}/{controller.name}"
        job = controller.kind == "Job" and controller.group == "batch"
        return named if self._selects(controller, pod) or (self.besides and job) else None

    def _selects(self, controller: pods.Owner, pod: Object) -> bool:
        labels = pod["metadata"].get("labels", {})
        return (
            (controller.kind in self.kinds or f"{controller.kind}.{controller.group}" in self.kinds)
            and self.selection.covers(controller.namespace, controller.name)
            and self.labels.items() <= labels.items()
        )
