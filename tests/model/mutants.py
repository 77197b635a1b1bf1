"""Safeguards of the product that are taken out one at a time: the explorer must find each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from rollout import stages
from rollout.model.decision import StageDecision
from rollout.model.machine import Stage
from rollout.phases import ready
from rollout.stages import node_view, released
from tests.model.explorer import Explorer

Patch = Callable[[pytest.MonkeyPatch, Explorer], None]


@dataclass(frozen=True)
class Mutant:
    """A safeguard less. `promise`: the one that the explorer finds broken, with so many faults and acts."""

    name: str
    patch: Patch
    promise: str
    faults: int = 0
    acts: int = 0
    server: bool = False
    only: str = ""


def _no_floor(patch: pytest.MonkeyPatch, explorer: Explorer) -> None:
    def decide(seen: node_view.NodeView) -> StageDecision:
        step = whole(seen)
        return (
            StageDecision(trigger="terminate", effects=(released.terminate(seen),))
            if step.waits_for.startswith("MinSize")
            else step
        )

    whole = stages.STAGES[Stage.RELEASED]
    patch.setitem(stages.STAGES, Stage.RELEASED, decide)


def _no_uids(patch: pytest.MonkeyPatch, explorer: Explorer) -> None:
    patch.setattr(explorer.world, "uids", False)


def _usable_not_asked(patch: pytest.MonkeyPatch, explorer: Explorer) -> None:
    patch.setattr(ready, "_unready", lambda *_asked: [])


def _no_delay(patch: pytest.MonkeyPatch, explorer: Explorer) -> None:
    patch.setattr(stages, "after_takeover", lambda *asked: asked[0])


MUTANTS = (
    Mutant("MinSize is no floor", _no_floor, "5"),
    Mutant("requests name no uid", _no_uids, "1", acts=1, only="created again"),
    Mutant("new nodes need not be usable", _usable_not_asked, "12"),
    Mutant("no takeover delay", _no_delay, "5", faults=1, server=True),
)
