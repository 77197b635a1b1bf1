"""A disruption budget as it was seen: which pods it selects, and how many of them its status counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Operator = Literal["In", "NotIn", "Exists", "DoesNotExist"]


@dataclass(frozen=True, slots=True)
class Requirement:
    """One requirement of a label selector (meta/v1 `LabelSelectorRequirement`)."""

    label: str
    operator: Operator
    values: frozenset[str] = frozenset()

    def takes(self, labels: Mapping[str, str]) -> bool:
        """Tell whether labels meet it."""
        match self.operator:
            case "In":
                return labels.get(self.label) in self.values
            case "NotIn":
                return labels.get(self.label) not in self.values
            case "Exists":
                return self.label in labels
            case "DoesNotExist":
                return self.label not in labels


@dataclass(frozen=True, slots=True)
class BudgetSeen:
    """A PodDisruptionBudget. `selector`: None takes no pod, an empty one every pod of its namespace.

    By its status: `expected`, how many pods it has; `healthy`, how many of them are Ready; `desired`, how many must be;
    `allowed`, how many may be evicted now.
    """

    namespace: str
    name: str
    selector: tuple[Requirement, ...] | None
    expected: int = 0
    healthy: int = 0
    desired: int = 0
    allowed: int = 0

    def selects(self, namespace: str, labels: Mapping[str, str]) -> bool:
        """Tell whether it decides on a pod with these labels."""
        return (
            self.selector is not None
            and namespace == self.namespace
            and all(requirement.takes(labels) for requirement in self.selector)
        )

    @property
    def told(self) -> str:
        """How many evictions it allows, and why no more, in words."""
        name = f"budget {self.namespace}/{self.name}"
        if self.allowed:
            return f"{name} allows {self.allowed} of {self.expected} evictions now"
        if not self.expected:
            return f"{name} allows no eviction, because its status counts no pod (kubectl describe pdb)"
        if self.desired >= self.expected:
            return f"{name} allows no eviction as it is configured (it wants {self.desired} of {self.expected} Ready)"
        return f"{name} allows no eviction now ({self.healthy} of {self.expected} are Ready, it wants {self.desired})"
