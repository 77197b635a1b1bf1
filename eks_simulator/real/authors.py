"""Who made a change of a real cluster's object: whose request, of those that came through here, it was.

The API server does not say it. So each write is noted before it is sent, and what the watch then tells of that object
is not looked at before the write's answer is known: the answer carries the version that the write made. An eviction and
some deletions carry none; theirs is the next end of that object. What nobody here wrote is the cluster's own doing.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from eks_simulator.log import WORLD, Acting, who

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

Object = dict[str, Any]

_REMEMBERED = 50  # writes to one object


@dataclass(slots=True)
class Write:
    """A write that is on its way, or was: `version` is what it made, `ends` whether it means the object's end."""

    acting: Acting
    ends: bool
    version: str = ""
    failed: bool = False
    used: bool = False

    def answered(self, code: int, body: Object) -> None:
        """Take the server's answer."""
        self.failed = code >= 300  # noqa: PLR2004 - anything but success
        if body.get("kind") not in ("Status", "Eviction", None):
            self.version = body.get("metadata", {}).get("resourceVersion", "")

    def made(self, version: str, *, end: bool) -> bool:
        """Tell whether this write made that version of its object, or its end."""
        if self.failed or self.used:
            return False
        return (bool(version) and self.version == version) or (self.ends and end)


@dataclass(slots=True)
class _Writes:
    known: deque[Write] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    under_way: int = 0
    rest: asyncio.Event = field(default_factory=asyncio.Event)


class Authors:
    """The writes to each object; objects are named as in the log of changes."""

    def __init__(self) -> None:
        self._writes: defaultdict[str, _Writes] = defaultdict(_Writes)

    @asynccontextmanager
    async def writing(self, name: str, *, ends: bool) -> AsyncIterator[Write]:
        """Let the present actor write to the object inside the block; one without an answer may have been applied."""
        writes, write = self._writes[name], Write(who(), ends)
        writes.known.append(write)
        writes.under_way += 1
        writes.rest.clear()
        try:
            yield write
        finally:
            writes.under_way -= 1
            if not writes.under_way:
                writes.rest.set()

    async def settled(self, name: str) -> None:
        """Return when no write to the object is under way."""
        if name in self._writes and self._writes[name].under_way:
            await self._writes[name].rest.wait()

    def of(self, name: str, version: str, *, end: bool) -> Acting:
        """Return who made that version of the object; `end`: it is its end, or the beginning of it."""
        if name not in self._writes:
            return WORLD
        for write in reversed(self._writes[name].known):
            if write.made(version, end=end):
                write.used = True
                return write.acting
        return WORLD
