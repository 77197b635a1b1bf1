"""What the parts of a scenario are made of: durations, ranges, moments, and a model that refuses unknown keys."""

from __future__ import annotations

import difflib
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from eks_simulator.seeded import seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
_DURATION = re.compile(r"(-?)((?:\d+(?:\.\d+)?[dhms])+)")


def parse_duration(value: object) -> float:
    """Seconds from a number or a text such as `1h30m`; `ValueError` for anything else."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{value!r} is no duration; write seconds or a text such as 90s, 15m, 1h30m")
    parts = re.findall(r"([\d.]+)([dhms])", match[2])
    return float(f"{match[1]}1") * sum(float(number) * _UNITS[unit] for number, unit in parts)


class Range(NamedTuple):
    """Seconds from `low` up to `high`; equal for a fixed duration."""

    low: float
    high: float

    def draw(self, seed: int, *what: object) -> float:
        """Return the duration of the thing `what`, always the same for the same seed."""
        return seconds(seed, self.low, self.high, *what)


def parse_range(value: object) -> Range:
    """Return a range from a text such as `40s..90s`; one duration is a range of no width; `ValueError` otherwise."""
    if isinstance(value, Range):
        return value
    low, dots, high = value.partition("..") if isinstance(value, str) else (value, "", value)
    return Range(parse_duration(low), parse_duration(high if dots or not isinstance(value, str) else low))


def _parse_moment(value: object) -> float:
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if isinstance(value, datetime):
        return value.replace(tzinfo=value.tzinfo or UTC).timestamp()
    raise ValueError(f"{value!r} is no moment; write it as 2026-01-05T08:00:00Z")


Duration = Annotated[float, BeforeValidator(parse_duration)]
DurationRange = Annotated[Range, BeforeValidator(parse_range)]
Moment = Annotated[float, BeforeValidator(_parse_moment)]
Count = Annotated[int, Field(ge=0)]


class Part(BaseModel):
    """A part of a scenario: frozen, and an unknown key is refused with the nearest known one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _know_all_keys(cls, value: object) -> object:
        if isinstance(value, dict):
            for key in value:
                if key not in cls.model_fields:
                    found = {"key": str(key), "hint": nearest(str(key), list(cls.model_fields))}
                    raise PydanticCustomError("unknown_key", "unknown key '{key}'; {hint}", found)
        return value


def nearest(name: str, known: Sequence[str]) -> str:
    """Return what to tell somebody who wrote `name` where one of `known` is wanted."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(known))}"
