"""What all effects share: a target, a key, what they do, and the question whether the world shows them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from rollout.model.effects.written import Written
from rollout.model.observation import Observation

Landed = bool | None


def digest(parts: Iterable[str]) -> str:
    """Return eight characters that tell two lists of names apart, for keys."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:8]


@dataclass(frozen=True, slots=True)
class Killed:
    """Who loses a pod by an effect, for the ledger.

    `loser`: a Job's name, or the kind and name of another; `pod`: its name, or its uid where only that is known.
    """

    loser: str
    pod: str
    pod_uid: str
    node: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """What all effects share. An effect answers for itself: nobody else has to know which kinds there are.

    `serial`: it writes sizes, whose order matters: it is never sent beside another effect.
    `absolute`: sent twice it leaves what it leaves when sent once.
    `harms`: it takes something from somebody: it is not sent on the word of an unsteady cluster.
    """

    serial: ClassVar[bool] = False
    absolute: ClassVar[bool] = True
    harms: ClassVar[bool] = False

    occasion: str = ""

    @property
    def target(self) -> str:
        """The thing that is changed, as operators name it."""
        raise NotImplementedError

    @property
    def key(self) -> str:
        """`kind:target:occasion`, unique in a rollout; where a target does not say which thing it is, more is in it."""
        return f"{self.kind}:{self.target}:{self.occasion}"  # type: ignore[attr-defined]

    def describe(self) -> str:
        """Return kind and target, and the values where the target does not tell them."""
        return f"{self.kind} {self.target}"  # type: ignore[attr-defined]

    def leaves(self) -> Written | None:
        """Return what it leaves of its group's fields once it is settled; None where it is about no group."""
        return None

    def victims(self) -> tuple[Killed, ...]:
        """Return who loses pods by it that somebody protects, one entry for each pod."""
        return ()

    def concerns(self, instance_id: str, node: str | None) -> bool:  # noqa: ARG002  most are about no one node
        """Tell whether it is about this instance, its node, or a pod there."""
        return False

    @property
    def irreversible(self) -> bool:
        """It ends something that does not come back: an instance, or a pod that somebody protects."""
        return False

    @property
    def writes(self) -> Mapping[str, object]:
        """The fields that its request writes, each of one thing of the world, with the value that it leaves there.

        Sent again it leaves the same, but for what is not absolute.
        """
        raise NotImplementedError

    @property
    def guarded(self) -> bool:
        """Its request names the resourceVersion that it changes: arriving after a newer one it is refused."""
        return False

    def undoes(self, newer: Base) -> bool:
        """Tell whether a request of this effect that arrives late would undo what a newer one wrote.

        One key stands for one request at a time: what another request of it also wrote is not forgotten either.
        """
        if self.guarded:
            return False
        mine, theirs = self.writes, newer.writes
        if not self.absolute:  # one that is late counts once more, from the value that is there by then
            return not mine.keys().isdisjoint(theirs)
        if self.key == newer.key:
            return mine != theirs
        return any(mine[field] != theirs[field] for field in mine.keys() & theirs.keys())

    def landed(self, seen: Observation) -> Landed:
        """Tell whether the world shows this effect."""
        raise NotImplementedError

    def ended_by_itself(self, seen: Observation) -> bool:  # noqa: ARG002  only a pod ends by itself
        """Tell whether the world shows that what this effect was to end has ended by itself."""
        return False
