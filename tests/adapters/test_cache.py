"""A watch: it follows changes, recovers from errors by itself, and is not believed when it has gone silent."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from rollout.adapters import cache, clock
from rollout.adapters.cache import Watch
from rollout.adapters.silence import Silence
from rollout.errors import Refused, Retry

Object = dict[str, Any]

PATIENCE = 60.0


def thing(name: str, version: int, value: str = "") -> Object:
    return {"metadata": {"name": name, "resourceVersion": str(version)}, "value": value}


def event(kind: str, raw: Object) -> bytes:
    return json.dumps({"type": kind, "object": raw}).encode() + b"\n"


def bookmark(version: int, number: int = 0) -> bytes:
    metadata = {"resourceVersion": str(version), "annotations": {"simulator/bookmark": str(number)}}
    return event("BOOKMARK", {"metadata": metadata})


class Stream:
    """One watch: a test puts lines into it, or an error that breaks it; None ends it cleanly."""

    def __init__(self, since: str) -> None:
        self.since = since
        self._lines: queue.Queue[bytes | Exception | None] = queue.Queue()

    def put(self, *lines: bytes | Exception | None) -> None:
        for line in lines:
            self._lines.put(line)

    def __iter__(self) -> Iterator[bytes]:
        while (line := self._lines.get()) is not None:
            if isinstance(line, Exception):
                raise line
            yield line

    def shutdown(self) -> None:
        self.put(None)


class Server:
    """An API server with one list, whose watches a test writes by hand."""

    def __init__(self, *items: Object, version: int) -> None:
        self.items, self.version = list(items), version
        self.lists = 0
        self.refusal: Exception | None = None
        self.refused = threading.Semaphore(0)
        self.silence = Silence(clock.uptime)
        self._streams: queue.Queue[Stream] = queue.Queue()

    def collect(self, _path: str, _query: object) -> tuple[list[Object], str]:
        self.lists += 1
        return list(self.items), str(self.version)

    @contextmanager
    def watch(self, _path: str, query: Sequence[tuple[str, str]]) -> Iterator[Stream]:
        if self.refusal:
            refusal, self.refusal = self.refusal, None
            self.refused.release()
            raise refusal
        asked = dict(query)
        assert (asked["watch"], asked["allowWatchBookmarks"]) == ("true", "true")
        stream = Stream(asked["resourceVersion"])
        self._streams.put(stream)
        yield stream

    def opened(self) -> Stream:
        return self._streams.get(timeout=PATIENCE)


class Reader:
    """A watch under test, and the news that it gave."""

    def __init__(self, server: Server, barrier: Callable[[], int] | None = None) -> None:
        self.news = threading.Semaphore(0)
        slim: Callable[[Object], tuple[str, str]] = lambda raw: (raw["metadata"]["name"], raw["value"])  # noqa: E731
        self.watch = Watch(server, "/things", slim, self.news.release, barrier)  # type: ignore[arg-type]

    def woken(self) -> bool:
        return self.news.acquire(timeout=PATIENCE)

    def names(self) -> list[str]:
        return [name for name, _ in self.watch.read()]


@pytest.fixture
def server() -> Server:
    return Server(thing("b", 1), thing("a", 2), version=5)


@pytest.fixture
def reader(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    monkeypatch.setattr(cache, "_PAUSE", 0.001)
    reader = Reader(server)
    reader.watch.start()
    assert reader.woken()
    yield reader
    reader.watch.stop()


def test_the_list_is_there_before_the_watch_has_begun(reader: Reader, server: Server) -> None:
    """What was listed is read at once, sorted by name; the watch begins at the list's version."""
    assert reader.names() == ["a", "b"]
    assert server.opened().since == "5"


def test_events_change_the_records_and_wake(reader: Reader, server: Server) -> None:
    """Added, modified and deleted objects are news; the next read shows them."""
    stream = server.opened()
    stream.put(event("ADDED", thing("c", 6)))
    assert reader.woken()
    assert reader.names() == ["a", "b", "c"]
    stream.put(event("MODIFIED", thing("c", 7, "new")))
    assert reader.woken()
    assert reader.watch.read()[2] == ("c", "new")
    stream.put(event("DELETED", thing("a", 8)))
    assert reader.woken()
    assert reader.names() == ["b", "c"]


def test_what_does_not_show_in_the_records_is_no_news(reader: Reader, server: Server) -> None:
    """Bookmarks, and changes of fields that nobody reads, wake nobody."""
    server.opened().put(bookmark(6), event("MODIFIED", thing("a", 7)), event("ADDED", thing("c", 8)))
    assert reader.woken()
    assert not reader.news.acquire(blocking=False)


@pytest.mark.parametrize(
    "end",
    [
        None,
        Retry("cut off"),
        b'{"type": "ADDED", "obj',
        b'{"type": "ADDED"}\n',
        b"[]\n",
        event("GONE", thing("a", 10)),
        event("", thing("a", 10)),
    ],
    ids=str,
)
def test_a_broken_stream_goes_on_where_it_was(reader: Reader, server: Server, end: bytes | Exception | None) -> None:
    """A clean end, a lost connection or a line that cannot be read: the next watch begins after the last event."""
    server.opened().put(event("ADDED", thing("c", 6)), bookmark(9), end)
    assert server.opened().since == "9"
    assert server.lists == 1
    assert reader.names() == ["a", "b", "c"]


def test_an_expired_version_is_listed_again(reader: Reader, server: Server) -> None:
    """After 410 the list is read again, and what was deleted in between is gone from the records."""
    stream = server.opened()
    server.items, server.version = [thing("z", 90)], 100
    stream.put(event("ERROR", {"kind": "Status", "code": 410, "message": "too old resource version"}))
    assert server.opened().since == "100"
    assert reader.names() == ["z"]
    assert reader.woken()


def test_a_watch_that_is_refused_is_listed_again(reader: Reader, server: Server) -> None:
    """A refusal when the stream is opened may mean an expired version, too."""
    server.refusal = Refused("HTTP 410 Gone")
    server.opened().put(None)
    assert server.opened().since == "5"
    assert server.lists == 2


def test_silence_is_not_believed(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a sign of life for too long a read is refused for now, rather than answered from memory."""
    monkeypatch.setattr(cache, "STALE", -1.0)
    with pytest.raises(Retry, match="no sign of life"):
        reader.watch.read()


def test_an_opened_stream_is_no_sign_of_life(reader: Reader, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """If a server opens every watch and then says nothing, the list is read again: its cache may be stale for ever."""
    monkeypatch.setattr(cache, "_SILENT", -1.0)
    server.items, server.version = [thing("z", 90)], 100
    server.opened().put(Retry("no byte for 75 s"))
    assert server.opened().since == "100"
    assert reader.names() == ["z"]


def test_a_stream_that_opens_and_says_nothing_is_not_believed(
    reader: Reader, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a list, an event or a bookmark makes the records younger."""
    heard = reader.watch._heard
    server.opened().put(None)
    server.opened()
    assert reader.watch._heard == heard
    monkeypatch.setattr(cache, "STALE", clock.uptime() - heard - 0.001)
    with pytest.raises(Retry, match="no sign of life"):
        reader.watch.read()


def test_what_was_heard_before_a_suspend_is_not_believed_after_it(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine's uptime counts, which goes on while it sleeps."""
    awake = clock.uptime()
    monkeypatch.setattr(cache, "uptime", lambda: awake + cache.STALE + 1)
    with pytest.raises(Retry, match="no sign of life"):
        reader.watch.read()


def test_who_is_about_to_do_harm_is_told_what_is_now(
    reader: Reader, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Past a watch that says nothing at the moment: a list, which the watch itself goes on without."""
    assert [name for name, _ in reader.watch.read(young=True)] == reader.names()
    assert server.lists == 1
    monkeypatch.setattr(cache, "YOUNG", -1.0)
    before, server.items = reader.names(), [thing("z", 90)]
    assert [name for name, _ in reader.watch.read(young=True)] == ["z"]
    assert reader.names() == before


def test_a_refusal_of_the_first_list_reaches_the_caller(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Missing rights show when the watch is started, not minutes later."""
    monkeypatch.setattr(server, "collect", lambda _path, _query: (_ for _ in ()).throw(Refused("forbidden")))
    with pytest.raises(Refused, match="forbidden"):
        Reader(server).watch.start()


def test_a_read_waits_until_the_barrier_was_seen(server: Server) -> None:
    """Where bookmarks can be asked for, a read shows at least what was before the one of its own moment."""
    streams: list[Stream] = []

    def barrier() -> int:
        streams[0].put(event("ADDED", thing("c", 6)), bookmark(6, 7))
        return 7

    reader = Reader(server, barrier)
    reader.watch.start()
    streams.append(server.opened())
    assert reader.names() == ["a", "b", "c"]
    reader.watch.stop()


def test_a_watch_that_stays_behind_is_not_believed(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A barrier that is not reached in time ends in `Retry`."""
    monkeypatch.setattr(cache, "_PATIENCE", 0.05)
    monkeypatch.setattr(cache, "_ASK_AGAIN", 0.01)
    reader = Reader(server, lambda: 99)
    reader.watch.start()
    with pytest.raises(Retry, match="behind"):
        reader.watch.read()
    reader.watch.stop()


def test_where_no_stream_comes_about_in_simulated_time_it_is_listed(server: Server) -> None:
    """At once, and again at each read: a moment of ours is any time there. The next stream goes on."""
    server.refusal = Retry("away")
    marks = iter(range(1, 9))
    reader = Reader(server, lambda: next(marks))
    reader.watch.start()
    server.items = [thing("z", 90)]
    assert server.refused.acquire(timeout=PATIENCE)
    server.refusal = Retry("still away")
    assert reader.names() == ["z"]
    assert server.lists == 2
    reader.watch.stop()


def test_a_stopped_watch_ends_its_thread(server: Server) -> None:
    """Nothing is left running, whether the stream is idle or not."""
    reader = Reader(server)
    reader.watch.start()
    server.opened()
    reader.watch.stop()
    assert not reader.watch._thread.is_alive()


def test_a_watch_that_hangs_does_not_hold_up_the_end(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that does not answer keeps the thread for longer than anybody waits who was asked to stop."""
    answered, hanging = threading.Event(), threading.Event()

    @contextmanager
    def watch(_path: str, _query: object) -> Iterator[Stream]:
        hanging.set()
        answered.wait(PATIENCE)
        raise Retry("cut off")
        yield

    monkeypatch.setattr(server, "watch", watch)
    reader = Reader(server)
    reader.watch.start()
    assert hanging.wait(PATIENCE)
    began = time.monotonic()
    reader.watch.stop()
    assert time.monotonic() - began < PATIENCE / 2
    answered.set()
