"""An answer that says yes is not understood before every part of it that we live by is there, and of its kind."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rollout.adapters.wording import one_line
from rollout.errors import Retry

if TYPE_CHECKING:
    from collections.abc import Iterator

Object = dict[str, Any]

# What reading an answer of another shape raises.
_SENSELESS = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)


@contextmanager
def understood(what: str) -> Iterator[None]:
    """Raise `Retry` where an answer makes no sense: it is looked at again. `what`: the question."""
    try:
        yield
    except _SENSELESS as error:
        raise Retry(one_line(f"{what}: the answer makes no sense ({type(error).__name__}: {error})")) from error


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


#: More than anybody has of anything that we count.
_MOST = 1_000_000_000
