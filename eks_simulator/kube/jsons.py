"""JSON objects as values: copied, compared leaf by leaf, written compactly."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

# Bookkeeping of the API server: it changes with every write and says nothing of what was written.
BOOKKEEPING = frozenset(
    f"metadata.{name}" for name in ("resourceVersion", "generation", "managedFields", "creationTimestamp", "uid")
)


def copied(value: Any) -> Any:
    """Return a deep copy of a JSON value; much faster than `copy.deepcopy`, which would dominate every write."""
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    if isinstance(value, list):
        return [copied(item) for item in value]
    return value


def dumped(value: Any) -> bytes:
    """Return the value as compact UTF-8 JSON."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def differences(before: dict[str, Any], after: dict[str, Any], path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield each leaf that differs, as (dotted path, before, after); a missing one is None, lists are leaves."""
    for key in sorted(before.keys() | after.keys()):
        field = f"{path}{key}"
        old, new = before.get(key), after.get(key)
        if old == new or field in BOOKKEEPING:
            continue
        if isinstance(old, dict | None) and isinstance(new, dict | None):
            yield from differences(old or {}, new or {}, f"{field}.")
        else:
            yield field, old, new
