"""What every promise has: how often it was looked at, and what broke it."""

from __future__ import annotations

from abc import ABC
from typing import TYPE_CHECKING, Any, ClassVar

from eks_simulator.clock import iso

if TYPE_CHECKING:
    from eks_simulator.judging.facts import Facts, Seen


class Promise(ABC):
    """One promise: how often it was looked at, and each time that it was broken."""

    number: ClassVar[int]
    text: ClassVar[str]

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.checks = 0
        self.violations: list[str] = []

    def see(self, seen: Seen) -> None:  # noqa: B027 - some promises are judged at the end only
        """Judge a change at its moment."""

    def at_the_end(self) -> tuple[int, list[str]]:
        """Checks and violations that only the end shows, if now is the end."""
        return 0, []

    def check(self, at: float, *, kept: bool, broken: str) -> None:
        """Count one look; `broken` says what is wrong if the promise is not `kept`."""
        self.checks += 1
        if not kept:
            self.violations.append(f"{iso(at)} {broken}")

    def as_json(self) -> dict[str, Any]:
        """Return the promise as the control listener shows it."""
        checks, violations = self.at_the_end()
        checks += self.checks
        broken = [*self.violations, *violations] or ([] if checks else ["never put to the test: 0 checks"])
        return {"number": self.number, "text": self.text, "checks": checks, "violations": broken}
