"""An answer that says yes is not understood before every part of it that we live by is there, and of its kind."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from rollout.adapters.wording import one_line
from rollout.errors import Retry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Object = dict[str, Any]
Read = TypeVar("Read")

# What reading an answer of another shape raises.
_SENSELESS = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)


@contextmanager
def understood(what: str) -> Iterator[None]:
    """Raise `Retry` where an answer makes no sense: it is looked at again. `what`: the question."""
    try:
        yield
    except _SENSELESS as error:
        raise Retry(one_line(f"{what}: the answer makes no sense ({type(error).__name__}: {error})")) from error


def each(what: str, found: Iterable[Object], reading: Callable[[Object], Read]) -> Iterator[Read]:
    """Read objects one by one. Where one makes no sense, the `Retry` names it, and what was asked."""
    for raw in found:
        with understood(f"{what}: {_named(raw)}"):
            yield reading(raw)


def _named(raw: Object) -> str:
    """Name an object of Kubernetes or a group of AWS, as far as it says who it is."""
    said = raw.get("metadata") or {}
    names = (said.get("namespace"), said.get("name")) if isinstance(said, dict) else ()
    return "/".join(str(name) for name in (*names, raw.get("AutoScalingGroupName")) if name) or "one without a name"


def text(value: object) -> str:
    """Return a text that must be there."""
    if not isinstance(value, str) or not value:
        raise ValueError(f"{value!r} is no text")
    return value


def number(value: object) -> int:
    """Return a number that counts something."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MOST:
        raise ValueError(f"{value!r} counts nothing")
    return value


def flag(value: object) -> bool:
    """Return a yes or no."""
    if not isinstance(value, bool):
        raise ValueError(f"{value!r} is neither yes nor no")  # noqa: TRY004  all senseless values are alike
    return value


def objects(value: object) -> list[Object]:
    """Return a list of objects; None stands for an empty one."""
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise ValueError("it is no list of objects")
    return value


def texts(value: object) -> dict[str, str]:
    """Return texts by name, such as labels; None stands for none."""
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
        raise ValueError("these are no texts by name")
    return value


#: The most that a count of Kubernetes or AWS can be (int32). What is longer is a length of time (int64).
_MOST = 2**31 - 1
