"""Plans, effects and checkpoints as JSON text and back: what is read equals what was written, field by field.

pydantic reads the core's plain dataclasses; they know nothing of it. A field that they do not have is refused: it may
be a setting, and to go on without it may hurt somebody.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import is_dataclass
from functools import cache, lru_cache
from typing import Annotated, Any, TypeVar, get_args, get_type_hints

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from rollout.errors import UserError
from rollout.formats import versions
from rollout.formats.versions import JOURNAL_VERSION, Fields
from rollout.model.accepted import Accepted
from rollout.model.checkpoint import Checkpoint
from rollout.model.effects import Effect
from rollout.model.plan import Plan
from rollout.model.sight import Sight

T = TypeVar("T")

#: Fields that are stored under an older name.
_STORED_AS = {"in_service_seconds": "surge_seconds"}
_CONFIG = ConfigDict(extra="forbid", alias_generator=lambda name: _STORED_AS.get(name, name), serialize_by_alias=True)


def _close(kind: object) -> None:
    """Let pydantic refuse unknown fields of a record and of all inside it; by itself it drops them without a word."""
    if isinstance(kind, type) and is_dataclass(kind):
        kind.__pydantic_config__ = _CONFIG  # type: ignore[attr-defined]
        for inside in get_type_hints(kind).values():
            _close(inside)
    for inside in get_args(kind):
        _close(inside)


# Each is built when it is first asked for: that takes longer than to read what most commands show.
@cache
def _closed() -> None:
    _close(Checkpoint | Effect)


@cache
def _plan() -> TypeAdapter[Plan]:
    _closed()
    return TypeAdapter(Plan)


@cache
def _checkpoint() -> TypeAdapter[Checkpoint]:
    _closed()
    return TypeAdapter(Checkpoint)


@cache
def _effect() -> TypeAdapter[Effect]:
    _closed()
    return TypeAdapter(Annotated[Effect, Field(discriminator="kind")])


@cache
def _accepted() -> TypeAdapter[Accepted]:
    _close(Accepted)
    return TypeAdapter(Accepted)


@cache
def _sight() -> TypeAdapter[Sight]:
    _close(Sight)
    return TypeAdapter(Sight)


@cache
def strict(kind: type[T]) -> TypeAdapter[T]:
    """Return what reads and writes a record of another file, as strictly as those here."""
    _closed()
    _close(kind)
    return TypeAdapter(kind)


def plan_text(plan: Plan) -> str:
    """Return a plan as JSON."""
    return _plan().dump_json(plan).decode()


@lru_cache(maxsize=4)  # it is read at every tick, and changes once a rollout
def plan_of(text: str, version: int = JOURNAL_VERSION) -> Plan:
    """Read a plan of a version that is readable; `UserError` if there is something in it that is not known."""
    try:
        return _plan().validate_json(_lifted(text, version, versions.plan))
    except ValidationError as error:
        named = ", ".join(sorted({".".join(map(str, one["loc"])) for one in error.errors()}))
        raise _unreadable(f"its plan has fields that this tool does not know, or lacks some ({named})") from error


def effect_text(effect: Effect) -> str:
    """Return an effect as JSON, its kind included."""
    return _effect().dump_json(effect).decode()


def effect_of(text: str, version: int = JOURNAL_VERSION) -> Effect:
    """Read an effect of a version that is readable; `UserError` if its kind or a field of it is not known."""
    try:
        return _effect().validate_json(_lifted(text, version, versions.effect))
    except ValidationError as error:
        raise _unreadable("it holds an effect that this tool does not know, or a field of one") from error


def accepted_values(accepted: Iterable[Accepted]) -> list[Any]:
    """Return what a resume agrees to as values of JSON."""
    return [_accepted().dump_python(one) for one in accepted]


def accepted_of(values: Iterable[Any]) -> frozenset[Accepted]:
    """Read what a resume agreed to; what another version wrote and this one does not know is agreed to no more."""
    found = set()
    for value in values:
        with suppress(ValidationError):
            found.add(_accepted().validate_python(value))
    return frozenset(found)


def sight_values(sight: Sight) -> Any:
    """Return what was seen at a halt as values of JSON."""
    return _sight().dump_python(sight, mode="json")


def sight_of(values: Any) -> Sight | None:
    """Read what was seen at a halt; None where nothing was, or where this version cannot read it."""
    try:
        return _sight().validate_python(values)
    except ValidationError:
        return None


def checkpoint_text(checkpoint: Checkpoint) -> str:
    """Return a checkpoint as JSON that says in which format it is."""
    return json.dumps(
        {"format": JOURNAL_VERSION} | _checkpoint().dump_python(checkpoint, mode="json"), separators=(",", ":")
    )


@lru_cache(maxsize=2)  # it is read at every tick, and changes with the phase
def checkpoint_of(text: str) -> Checkpoint | None:
    """Read a checkpoint; None for what is none, or what a version wrote that this one does not read."""
    try:
        fields = json.loads(text)
        version = fields.pop("format")
        if not versions.readable(version):
            return None
        return _checkpoint().validate_python(versions.checkpoint(fields, version))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _lifted(text: str, version: int, lift: Callable[[Fields, int], Fields]) -> str:
    return text if version == JOURNAL_VERSION else json.dumps(lift(json.loads(text), version))


def _unreadable(cause: str) -> UserError:
    return UserError(
        f"the rollout was begun by another version of this tool: {cause}",
        hint="run it to its end with the version that began it (see the first line of: rollout events)",
    )
