"""What a watch has told, as slim records: one list, then events, for as long as the process lives.

A reader gets the state at the last sign of life, never one older than `STALE` seconds: a silent watch is not believed.
Who is about to do harm asks for a `young` one: where the watch has told nothing for `YOUNG` seconds it is listed.
That a stream opens is no sign of life: an API server whose own cache stands still opens it, and then says nothing.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from rollout.adapters.clock import uptime
from rollout.adapters.understanding import each, text
from rollout.adapters.wording import one_line
from rollout.errors import Refused, Retry

if TYPE_CHECKING:
    from collections.abc import Callable

    import urllib3

    from rollout.adapters.kube_api import KubeApi, Query

    Object = dict[str, Any]

Slim = TypeVar("Slim")

# Seconds after which the API server ends a watch by itself, cleanly; it goes on from where it ended.
_WATCH = 290
#: Seconds without a sign of life after which the records are not believed any more.
STALE = 150.0
#: The same for who is about to do harm. In a large cluster something happens every second, a small one is soon listed.
YOUNG = 20.0
# Seconds without one after which a stream that ended is listed again: bookmarks come every minute.
_SILENT = 70.0
# Seconds between two attempts to open a stream: first, and at most.
_PAUSE, _LONGEST_PAUSE = 0.2, 5.0
# Seconds for the thread to end; one that hangs in a request ends with the process.
_FAREWELL = 1.0
# Where bookmarks can be asked for: seconds to wait in all, and before another one is asked for.
_PATIENCE, _ASK_AGAIN = 20.0, 0.5
# What numbers a bookmark of the simulator's.
_NUMBER = "simulator/bookmark"
# What a watch may tell (API reference, WatchEvent), but for its own failure.
_KINDS = {"ADDED", "MODIFIED", "DELETED", "BOOKMARK"}


class Watch(Generic[Slim]):
    """All objects of one kind in the cluster, or those that `query` selects, as records that `slim` makes of them.

    `wake` is called when a record appears, changes or goes. `barrier`, where time is simulated, has open
    streams bookmarked, and tells the number that every read must have seen; real clusters give none.
    """

    def __init__(
        self,
        api: KubeApi,
        path: str,
        slim: Callable[[Object], Slim],
        wake: Callable[[], None],
        barrier: Callable[[], int] | None = None,
        query: Query = (),
    ) -> None:
        self._api = api
        self._path = path
        self._query = query
        self._slim = slim
        self._wake = wake
        self._barrier = barrier
        self._news = threading.Condition()
        self._records: dict[tuple[str, str], Slim] = {}
        self._sorted: tuple[Slim, ...] | None = None
        self._version = ""
        self._heard = 0.0
        self._bookmark = 0
        self._trouble = ""
        self._stream: urllib3.BaseHTTPResponse | None = None
        # Streams that were asked for, and the last one of them that did not come about.
        self._asked, self._failed = 0, 0
        self._hurried = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"watch {path}", daemon=True)

    def start(self) -> None:
        """List in the caller's thread, so that a refusal shows at once, and watch in one of our own from there on."""
        self._list()
        self._thread.start()

    def stop(self) -> None:
        """End the thread; what was read stays readable for a while."""
        with self._news:
            self._stopping.set()
            self._news.notify_all()
            # A stream that has just ended has nothing left to shut down, and says so.
            if self._stream is not None:
                with contextlib.suppress(ValueError, RuntimeError, OSError):
                    self._stream.shutdown()
        self._thread.join(_FAREWELL)

    def read(self, *, young: bool = False) -> tuple[Slim, ...]:
        """Return all records, by namespace and name. Raises `Retry` where the watch is silent or behind.

        `young`: as they are now, past a watch that says nothing at the moment; with a barrier they always are.
        """
        if not self.catch_up():
            return _in_order(self._listed()[0])
        with self._news:
            silent = self._silent()
            if silent > STALE:
                raise Retry(f"watch on {self._path}: no sign of life for {silent:.0f} s {self._trouble}".rstrip())
            if not young or self._barrier is not None or silent <= YOUNG:
                if self._sorted is None:
                    self._sorted = _in_order(self._records)
                return self._sorted
        return _in_order(self._listed()[0])

    def catch_up(self) -> bool:
        """Wait until the watch has seen the barrier's bookmark, and so all that was before it.

        Without a barrier there is nothing to wait for. Return False where the simulator lets no stream be opened now.
        """
        if self._barrier is None:
            return True
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end:
            if not self._stands():
                return False
            if self._seen(self._barrier()):
                return True
        raise Retry(f"watch on {self._path}: behind for {_PATIENCE:.0f} s {self._trouble}".rstrip())

    def _stands(self) -> bool:
        """Wait for a stream; tell whether one that was asked for from now on did not fail to come about."""
        with self._news:
            before, self._hurried = self._asked, self._stream is None
            self._news.notify_all()
            self._news.wait_for(lambda: self._stream is not None or self._failed > before, _ASK_AGAIN)
            return self._stream is not None or self._failed <= before

    def _seen(self, bookmark: int) -> bool:
        with self._news:
            return self._news.wait_for(lambda: self._bookmark >= bookmark, _ASK_AGAIN)

    # ---- the thread

    def _run(self) -> None:
        pause = _PAUSE
        while not self._stopping.is_set():
            with self._news:
                self._asked += 1
            try:
                if not self._version or self._silent() > _SILENT:
                    self._list()
                self._follow()
                pause = _PAUSE
            except Exception as error:  # noqa: BLE001 - any error: without this thread the rollout is blind
                if isinstance(error, Refused):
                    # No version is good for ever; whether it was that, the next list tells.
                    self._version = ""
                # A line that is no event counts as a broken stream: the next begins after the last event understood.
                self._pause(pause, one_line(f"({type(error).__name__}: {error})"))
                pause = min(pause * 2, _LONGEST_PAUSE)

    def _pause(self, seconds: float, trouble: str) -> None:
        """Let a moment pass; in simulated time, until somebody reads: a moment of ours is any time there."""
        with self._news:
            self._trouble = trouble
            self._failed = self._asked
            self._news.notify_all()
            awaited = lambda: self._stopping.is_set() or (self._barrier is not None and self._hurried)  # noqa: E731
            self._news.wait_for(awaited, seconds if self._barrier is None else None)
            self._hurried = False

    def _listed(self) -> tuple[dict[tuple[str, str], Slim], str]:
        items, version = self._api.collect(self._path, self._query)
        return dict(each(self._path, items, self._keyed)), version

    def _keyed(self, raw: Object) -> tuple[tuple[str, str], Slim]:
        return _key(raw), self._slim(raw)

    def _list(self) -> None:
        records, version = self._listed()
        with self._news:
            changed = records != self._records
            self._records, self._sorted = records, None
            self._hear(version)
        if changed:
            self._wake()

    def _follow(self) -> None:
        """Take in events until the stream ends."""
        query = [
            *self._query,
            ("watch", "true"),
            ("allowWatchBookmarks", "true"),
            ("resourceVersion", self._version),
            ("timeoutSeconds", str(_WATCH)),
        ]
        try:
            with self._api.watch(self._path, query) as stream:
                self._open(stream)
                for line in stream:
                    if line.strip():
                        self._take(json.loads(line))
        finally:
            with self._news:
                self._stream = None

    def _open(self, stream: urllib3.BaseHTTPResponse) -> None:
        with self._news:
            if self._stopping.is_set():
                raise Retry("stopped")
            self._stream = stream
            self._trouble = ""
            self._news.notify_all()

    def _take(self, event: Object) -> None:
        kind, raw = event["type"], event["object"]
        if kind == "ERROR":
            # Most often 410, the version is too old. A new list helps against any cause.
            raise Refused(one_line(f"watch: {raw.get('code')} {raw.get('message')}"))
        if kind not in _KINDS:
            # A deletion under another name would leave the object among the living.
            raise ValueError(f"{kind} is no kind of event")
        version = text(raw["metadata"]["resourceVersion"])
        with self._news:
            changed = kind != "BOOKMARK" and self._put(raw, gone=kind == "DELETED")
            if self._barrier is not None and kind == "BOOKMARK":
                self._bookmark = int(raw["metadata"]["annotations"][_NUMBER])
            self._hear(version)
        if changed:
            self._wake()

    def _put(self, raw: Object, *, gone: bool) -> bool:
        # Understood first: what is not leaves the records as they were.
        key, after = (_key(raw), None) if gone else next(each(self._path, [raw], self._keyed))
        before = self._records.pop(key, None)
        if after is not None:
            self._records[key] = after
        if before == after:
            return False
        self._sorted = None
        return True

    def _silent(self) -> float:
        return uptime() - self._heard

    def _hear(self, version: str) -> None:
        """Note a sign of life; the lock is held."""
        self._version = version
        self._heard = uptime()
        self._api.silence.heard()
        self._news.notify_all()


def _in_order(records: dict[tuple[str, str], Slim]) -> tuple[Slim, ...]:
    return tuple(records[key] for key in sorted(records))


def _key(raw: Object) -> tuple[str, str]:
    namespace = raw["metadata"].get("namespace")
    return text(namespace) if namespace else "", text(raw["metadata"]["name"])
