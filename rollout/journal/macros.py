"""SQL for both engines, written once: what each of them calls by another name stands as a macro, NAME(...)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

#: By pattern, what stands for a macro: a template of `re`, or what returns it.
Macros = Mapping[str, str | Callable[[re.Match[str]], str]]


def expanded(sql: str, macros: Macros) -> str:
    """Return SQL without macros; they are put in one after the other."""
    for pattern, stands in macros.items():
        sql = re.sub(pattern, stands, sql)
    return sql
