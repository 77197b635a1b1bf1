"""The formats in which rollouts were begun, which of them this tool reads, and how it does.

A format is what plans, effects and events look like in the journal, and records in the marker. Who changes it counts
`JOURNAL_VERSION` up, writes a handler that lifts what the version before it wrote, and adds a migration (an empty one
will do), so that an older tool refuses the journal as a whole. A rollout that was begun in an older format and is gone
on with holds both: handlers leave alone what has the newer one already.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rollout import __version__
from rollout.errors import OTHER_VERSION, UserError

#: The format that this tool writes.
JOURNAL_VERSION = 3

Fields = dict[str, Any]


def _same(fields: Fields) -> Fields:
    return fields


@dataclass(frozen=True, slots=True)
class Handler:
    """Lifts the fields of a plan, an effect or a marker's record from one version to the next."""

    plan: Callable[[Fields], Fields] = _same
    effect: Callable[[Fields], Fields] = _same
    checkpoint: Callable[[Fields], Fields] = _same


# ---- from 1 to 2 ----------------------------------------------------------------------------------------------------


def _without_mark(effect: Fields) -> Fields:
    """Version 1 put a text into the marker, from which nothing could be read back."""
    if effect["kind"] != "create-marker" or "mark" in effect:
        return effect
    return {name: value for name, value in effect.items() if name != "content"} | {"mark": None}


# ---- from 2 to 3: who adds a field to a record says here what version 2 meant, which had no such field ---------------

#: Fields of a plan, of its settings, of a marker's record and of each kind of effect, with what version 2 did.
PLAN_OF_2: Fields = {"cluster_id": None, "direction": "forward", "copies": [], "planned": []}
SETTINGS_OF_2: Fields = {
    "patience_seconds": 600.0,
    # It did not wait, and let them go. That is not gone on with: too little protection costs work, too much only time.
    "steady": {"share": 0.25, "nodes": 2, "within": 60.0, "seconds": 60.0},
    "unprotected": "protect",
    "max_autoscaler_off_seconds": 21600.0,
    "windows": [],
}
CHECKPOINT_OF_2: Fields = {"pause": None, "skipped": [], "forced": [], "accepted": []}
_POD_OF_2: Fields = {"service": "", "ready": 0, "came_back": 0}
_ON_NODES = ("hold-node", "unhold-node", "taint-node", "untaint-node", "cordon", "uncordon")
EFFECTS_OF_2: Mapping[str, Fields] = {
    "delete-job": {"job_uid": "", "pods": []},
    "evict": _POD_OF_2,
    "delete-pod": _POD_OF_2,
    # Keys stay what they were.
    "protect": {"by": "first"},
    **{kind: {"by": "name"} for kind in _ON_NODES},
}


def _plan_of_2(plan: Fields) -> Fields:
    return PLAN_OF_2 | plan | {"settings": SETTINGS_OF_2 | plan["settings"]}


def _effect_of_2(effect: Fields) -> Fields:
    lifted = EFFECTS_OF_2.get(effect["kind"], {}) | effect
    return lifted | {"mark": _checkpoint_of_2(lifted["mark"])} if lifted.get("mark") else lifted


def _checkpoint_of_2(mark: Fields) -> Fields:
    return CHECKPOINT_OF_2 | mark | {"plan": _plan_of_2(mark["plan"])}


#: By the version that they lift.
HANDLERS: Mapping[int, Handler] = {
    1: Handler(effect=_without_mark),
    2: Handler(_plan_of_2, _effect_of_2, _checkpoint_of_2),
}


def readable(version: int) -> bool:
    """Tell whether every step from this version to today's has a handler."""
    return version <= JOURNAL_VERSION and all(step in HANDLERS for step in range(version, JOURNAL_VERSION))


def require(rollout_id: str, version: int, begun_by: str | None) -> None:
    """Raise `UserError` (exit 77) for a rollout that this tool cannot read, and say which version can.

    `begun_by`: version of the tool that began it, None if that was before it was noted.
    """
    if readable(version):
        return
    oldest = next(older for older in range(JOURNAL_VERSION, -1, -1) if not readable(older - 1))
    reads = f"versions {oldest} to {JOURNAL_VERSION}" if oldest < JOURNAL_VERSION else f"version {oldest}"
    raise UserError(
        f"rollout {rollout_id} was begun by rollout {begun_by or 'of an older version'} (journal version {version}); "
        f"this is rollout {__version__}, which reads {reads}",
        hint=f"pip install eks-rollout=={begun_by or 'VERSION'}, then: rollout resume {rollout_id}",
        exit_code=OTHER_VERSION,
    )


def plan(fields: Fields, version: int) -> Fields:
    """Lift a plan of that version to today's."""
    for step in range(version, JOURNAL_VERSION):
        fields = HANDLERS[step].plan(fields)
    return fields


def effect(fields: Fields, version: int) -> Fields:
    """Lift an effect of that version to today's."""
    for step in range(version, JOURNAL_VERSION):
        fields = HANDLERS[step].effect(fields)
    return fields


def checkpoint(fields: Fields, version: int) -> Fields:
    """Lift a marker's record of that version to today's."""
    for step in range(version, JOURNAL_VERSION):
        fields = HANDLERS[step].checkpoint(fields)
    return fields
