"""What a person agrees to with `rollout resume`, after a halt that said so: somebody else's change that stays."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Raised:
    """Somebody raised sizes of a group to these, None where one is as it was: they stay so after the rollout."""

    group: str
    minimum: int | None
    desired: int | None


@dataclass(frozen=True, slots=True)
class Deleted:
    """Somebody deleted a group: the rollout goes on without it."""

    deleted: str


@dataclass(frozen=True, slots=True)
class Moved:
    """What is not as in the plan that a rollout was started with, a sentence each: it goes on with what is there."""

    moved: tuple[str, ...]


Accepted = Raised | Deleted | Moved
