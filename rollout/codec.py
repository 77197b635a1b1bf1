"""Plans and effects as JSON text and back: what is read equals what was written, field by field.

pydantic reads the core's plain dataclasses; they know nothing of it.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from rollout.effects import Effect
from rollout.errors import UserError
from rollout.plan import Plan

#: Counts up when a stored plan can no longer be read as it was written.
PLAN_VERSION = 1

_PLAN: TypeAdapter[Plan] = TypeAdapter(Plan)
_EFFECT: TypeAdapter[Effect] = TypeAdapter(Annotated[Effect, Field(discriminator="kind")])


def plan_text(plan: Plan) -> str:
    """Return a plan as JSON."""
    return _PLAN.dump_json(plan).decode()


def plan_of(text: str, version: int) -> Plan:
    """Read a plan; `UserError` if another version of this tool wrote one that this version cannot read."""
    if version != PLAN_VERSION:
        raise _unreadable(f"its plan has version {version}, this tool reads version {PLAN_VERSION}")
    try:
        return _PLAN.validate_json(text)
    except ValidationError as error:
        raise _unreadable(
            f"its plan has {error.error_count()} fields that this tool does not know or misses"
        ) from error


def effect_text(effect: Effect) -> str:
    """Return an effect as JSON, its kind included."""
    return _EFFECT.dump_json(effect).decode()


def effect_of(text: str) -> Effect:
    """Read an effect; `UserError` if another version of this tool wrote one that this version does not know."""
    try:
        return _EFFECT.validate_json(text)
    except ValidationError as error:
        raise _unreadable("it holds an effect that this tool does not know") from error


def _unreadable(cause: str) -> UserError:
    return UserError(
        f"the rollout was begun by another version of this tool: {cause}",
        hint="work it to its end with the version that began it (see the first line of: rollout events)",
    )
