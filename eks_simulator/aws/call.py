"""What every handler of an operation gets, and what handlers share: filters and pages."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, TypeVar

from eks_simulator.cloud.errors import AwsError

if TYPE_CHECKING:
    from eks_simulator.aws.sts import Identity, Roles
    from eks_simulator.cloud.cloud import Cloud

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call:
    """One operation to carry out: typed parameters by the API's names, and who asks."""

    cloud: Cloud
    roles: Roles
    caller: Identity
    params: Mapping[str, Any]

    def __getitem__(self, name: str) -> Any:
        """Return a required parameter."""
        return self.params[name]

    def get(self, name: str, default: Any = None) -> Any:
        """Return an optional parameter."""
        return self.params.get(name, default)


def page(call: Call, items: Sequence[T], size_name: str, most: int, usual: int = 0) -> tuple[Sequence[T], str | None]:
    """Return one page of the items and the token of the next, None after the last.

    `size_name` is the operation's name for the size of a page, `most` its bound, `usual` its default (0: all of
    them). `AwsError` for a size out of bounds and for a token that was never given.
    """
    size = call.get(size_name, usual or len(items) or 1)
    if size_name in call.params and not 1 <= size <= most:
        raise AwsError("ValidationError", f"{size_name} must be between 1 and {most}, it is {size}.")
    start = _offset(call.get("NextToken"))
    following = start + size
    token = base64.b64encode(f"from:{following}".encode()).decode() if following < len(items) else None
    return items[start:following], token


def _offset(token: str | None) -> int:
    if not token:
        return 0
    try:
        mark, _, offset = base64.b64decode(token, validate=True).decode().partition(":")
        if mark == "from":
            return int(offset)
    except (binascii.Error, ValueError):
        pass
    raise AwsError("InvalidNextToken", f"The token '{token}' is invalid.")


Fields = dict[str, Callable[[T], str]]
Tags = Callable[[T], Mapping[str, str]]


def keep(items: Sequence[T], filters: Sequence[Mapping[str, Any]], fields: Fields[T], tags: Tags[T]) -> list[T]:
    """Return the items that every filter lets pass; values may hold `*` and `?` (EC2, "List and filter resources").

    `fields` are the filters that are known beside `tag:KEY` and `tag-key`; any other is refused.
    """
    return [item for item in items if all(_passes(item, one, fields, tags) for one in filters)]


def _passes(item: T, one: Mapping[str, Any], fields: Fields[T], tags: Tags[T]) -> bool:
    return any(
        fnmatchcase(found, _literal_brackets(wanted))
        for found in _values(item, one.get("Name", ""), fields, tags)
        for wanted in one.get("Values", ())
    )


def _values(item: T, name: str, fields: Fields[T], tags: Tags[T]) -> list[str]:
    if name in fields:
        return [fields[name](item)]
    if name == "tag-key":
        return list(tags(item))
    if name.startswith("tag:"):
        return [value for key, value in tags(item).items() if key == name.removeprefix("tag:")]
    raise AwsError(
        "InvalidParameterValue",
        f"The filter '{name}' is invalid; the simulator knows {', '.join(sorted(fields))}, tag-key and tag:KEY.",
    )


def _literal_brackets(pattern: str) -> str:
    return pattern.replace("[", "[[]")


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags as EC2 lists them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]
