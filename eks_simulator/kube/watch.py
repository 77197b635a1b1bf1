"""Watches: who is told of which changes, from which version on.

A bounded history of each kind lets a watch begin in the past; before it, the version has expired. Each watch belongs to
the client that opened it: the clock is told when an event is queued for a client, and can have all of a client's
watches say how far they are, so that what the client knows is never behind the time that it is given.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from typing import TYPE_CHECKING, Any

from eks_simulator.kube.errors import expired
from eks_simulator.kube.jsons import dumped
from eks_simulator.kube.store import Revision

if TYPE_CHECKING:
    from collections.abc import Callable

    from eks_simulator.kube.selectors import Selection
    from eks_simulator.kube.store import Event, Store

    Render = Callable[[Revision], bytes]

HISTORY = 10_000  # events remembered of each kind; the real API server's window is 100 to 102,400, by load


class Watch:
    """One stream of events to one client."""

    def __init__(self, client: str, selection: Selection, render: Render, *, bookmarks: bool) -> None:
        self.client = client
        self.selection = selection
        self.bookmarks = bookmarks
        self.since = 0  # what it begins after: nothing older is told
        self._render = render
        self._lines: deque[bytes] = deque()
        self._news = asyncio.Event()
        self._ended = False

    def offer(self, event: Event) -> bool:
        """Queue the event as this watch sees it, if it does; an object that leaves the selection is DELETED for it."""
        if event.revision.version <= self.since:
            return False
        now = event.type != "DELETED" and self.selection.matches(event.revision)
        before = event.previous is not None and self.selection.matches(event.previous)
        if now:
            self._send(b"MODIFIED" if before else b"ADDED", self._render(event.revision))
        elif before:
            self._send(b"DELETED", self._render(_last_seen(event)))
        return now or before

    def show(self, revision: Revision) -> bool:
        """Queue an object that is there already; that is news, too."""
        self._send(b"ADDED", self._render(revision))
        return True

    def mark(self, version: int, number: int) -> None:
        """Queue a BOOKMARK, if the client asked for such: it has seen everything up to `version`.

        `number`: which one it is, for a client that waits for just this one.
        """
        if self.bookmarks:
            resource = self.selection.resource
            meta = {
                "resourceVersion": str(max(version, self.since)),
                "creationTimestamp": None,
                "annotations": {"simulator/bookmark": str(number)},
            }
            bookmark = {"kind": resource.kind, "apiVersion": resource.group_version, "metadata": meta}
            self._send(b"BOOKMARK", dumped(bookmark))

    def fail(self, status: dict[str, Any]) -> None:
        """Queue an ERROR, and end."""
        self._send(b"ERROR", dumped(status))
        self.end()

    def end(self) -> None:
        """End the stream after what is queued."""
        self._ended = True
        self._news.set()

    def _send(self, kind: bytes, obj: bytes) -> None:
        self._lines.append(b'{"type":"' + kind + b'","object":' + obj + b"}\n")
        self._news.set()

    async def next(self) -> bytes | None:
        """Return all that is queued, as soon as there is something; None at the end."""
        while not self._lines:
            if self._ended:
                return None
            self._news.clear()
            await self._news.wait()
        lines = b"".join(self._lines)
        self._lines.clear()
        return lines


def _last_seen(event: Event) -> Revision:
    """Return what is DELETED for a watch: the object as it was selected last, with the version of its leaving."""
    if event.type == "DELETED" or event.previous is None:
        return event.revision
    before, version = event.previous, event.revision.version
    meta = before.object["metadata"] | {"resourceVersion": str(version)}
    return Revision(before.resource, before.object | {"metadata": meta}, version)


class Watches:
    """All open watches, and what they may still be told of the past.

    `on_event` is called with the client's id when an event was queued for one of its watches, or one of them ended.
    """

    def __init__(self, store: Store, on_event: Callable[[str], None], history: int = HISTORY) -> None:
        self.on_event = on_event
        self._store = store
        self._limit = history
        self._born = store.resource_version
        self._open: defaultdict[str, list[Watch]] = defaultdict(list)
        self._history: defaultdict[str, deque[Event]] = defaultdict(deque)
        self._forgotten: dict[str, int] = {}
        self._withheld: list[Event] = []
        self.marks = 0  # bookmarks that were asked for
        store.observe(self._observe)

    def open(self, watch: Watch, since: int) -> None:
        """Begin a watch after the version `since`; 0 shows everything that is there first."""
        plural = watch.selection.resource.plural
        oldest = self._forgotten.get(plural, self._born)
        if since and since < oldest:
            watch.fail(expired(since, oldest).status())
            return
        self._open[plural].append(watch)
        if since:
            watch.since = since
            news = [watch.offer(event) for event in self._history[plural]]
        else:
            watch.since = self._store.resource_version
            news = [watch.show(revision) for revision in watch.selection.of(self._store)]
        if any(news):
            self.on_event(watch.client)

    def close(self, watch: Watch) -> None:
        """End a watch and forget it; its client has to open another, so this is an event for it."""
        watches = self._open[watch.selection.resource.plural]
        if watch in watches:
            watches.remove(watch)
            watch.end()
            self.on_event(watch.client)

    def bookmark(self, client: str) -> int:
        """Queue a BOOKMARK on each watch of the client that takes them; returns the version that it carries."""
        behind = self._withheld[0].revision.version - 1 if self._withheld else None
        version = self._store.resource_version if behind is None else behind
        self.marks += 1
        for watches in self._open.values():
            for watch in watches:
                if watch.client == client:
                    watch.mark(version, self.marks)
        return version

    def end_all(self) -> None:
        """End every stream, as a server does that shuts down."""
        for watches in self._open.values():
            for watch in list(watches):
                self.close(watch)

    def _observe(self, event: Event) -> None:
        """Tell it at once, or, while the API server's watch cache is behind, when that has caught up."""
        if not self._withheld and self._store.clock.now >= self._store.watches_behind_until:
            self._tell(event)
            return
        if not self._withheld:
            self._store.clock.at(self._store.watches_behind_until, self._caught_up)
        self._withheld.append(event)

    def _caught_up(self) -> None:
        events, self._withheld = self._withheld, []
        if self._store.watches_lose:
            self._forget()
        for event in [] if self._store.watches_lose else events:
            self._tell(event)

    def _forget(self) -> None:
        """Forget what was, as after a restart: a client that watched must list."""
        for plural, history in self._history.items():
            self._forgotten[plural] = self._store.resource_version
            history.clear()
        self.end_all()

    def _tell(self, event: Event) -> None:
        plural = event.revision.resource.plural
        history = self._history[plural]
        history.append(event)
        if len(history) > self._limit:
            self._forgotten[plural] = history.popleft().revision.version
        for watch in self._open[plural]:
            if watch.offer(event):
                self.on_event(watch.client)
