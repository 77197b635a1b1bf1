"""A mutant: one hand-made fault in the code that makes a rollout durable, and the tests that must notice it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One fault. `breaks`: what it takes away, in one sentence; `old` stands once in `file`, `new` takes its place.

    `killers`: node ids of tests that pass without the fault, and each of which must fail with it. Without brackets an
    id means all cases of a test: one that fails is enough.
    """

    name: str
    breaks: str
    file: str
    old: str
    new: str
    killers: tuple[str, ...]

    def text(self, project: Path) -> str:
        """Return the file with the fault in it; `AssertionError` if the fault does not fit the file any more."""
        text = (project / self.file).read_text(encoding="utf-8")
        count = text.count(self.old)
        assert count == 1, f"the mutant {self.name} no longer fits: its old text stands {count} times in {self.file}"
        return text.replace(self.old, self.new)
