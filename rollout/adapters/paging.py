"""Lists of AWS's, page by page, with an end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rollout.errors import Retry

if TYPE_CHECKING:
    from collections.abc import Iterator

# Pages of one list, at most: what hands out more of them does not come to an end.
_PAGES = 1000


def entries(client: Any, operation: str, key: str, **asked: Any) -> Iterator[dict[str, Any]]:
    """Yield what all pages of a list have under `key`. Raises botocore's errors, and `Retry` for an endless list."""
    for number, page in enumerate(client.get_paginator(operation).paginate(**asked)):
        if number == _PAGES:
            raise Retry(f"{operation}: more than {_PAGES} pages")
        yield from page[key]
