"""What somebody can do to the other objects of the cluster, and what happens to its API server: budgets, watches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from eks_simulator.fields import Part

if TYPE_CHECKING:
    from eks_simulator.world.actions import Acted


class DeleteConfigMap(Part):
    """Delete a ConfigMap."""

    do: Literal["delete_configmap"]
    namespace: str = "default"
    name: str

    def perform(self, world: Acted) -> None:
        """Do it now."""
        world.store.delete("configmaps", self.namespace, self.name)


class DelayWatches(Part):
    """Let the API server's watch cache be behind for a while: lists say what is, watches what was; then they catch up.

    With `lose` they end instead of that, and what they have not told is told by no watch: clients must list.
    """

    do: Literal["delay_watches"]
    lasts: Annotated[float, Field(gt=0, lt=60)] = 20  # a real one's bookmarks are missed after a minute
    lose: bool = False

    def perform(self, world: Acted) -> None:
        """Do it now."""
        world.store.watches_behind_since = world.store.clock.now
        world.store.watches_behind_until = world.store.clock.now + self.lasts
        world.store.watches_lose = self.lose


class SetBudget(Part):
    """Make a PodDisruptionBudget for the pods with these labels, or give one that is there another bound."""

    do: Literal["set_budget"]
    name: str
    namespace: str = "default"
    selector: dict[str, str]
    min_available: int | str | None = None
    max_unavailable: int | str | None = None

    def perform(self, world: Acted) -> None:
        """Do it now."""
        bounds = {"minAvailable": self.min_available, "maxUnavailable": self.max_unavailable}
        spec = {"selector": {"matchLabels": dict(self.selector)}, **{k: v for k, v in bounds.items() if v is not None}}
        if world.store.get("poddisruptionbudgets", self.namespace, self.name) is None:
            metadata = {"name": self.name, "namespace": self.namespace}
            world.store.create("poddisruptionbudgets", {"metadata": metadata, "spec": spec})
            return
        world.store.mutate("poddisruptionbudgets", self.namespace, self.name, lambda one: one.update(spec=spec))


class DeleteBudget(Part):
    """Delete a PodDisruptionBudget."""

    do: Literal["delete_budget"]
    name: str
    namespace: str = "default"

    def perform(self, world: Acted) -> None:
        """Do it now."""
        world.store.delete("poddisruptionbudgets", self.namespace, self.name)


ClusterAction = DeleteConfigMap | DelayWatches | SetBudget | DeleteBudget
