from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from eks_simulator.clock import VirtualClock
from eks_simulator.kube.resources import RESOURCES
from eks_simulator.kube.selectors import select
from eks_simulator.kube.store import Store
from eks_simulator.kube.watch import Watch, Watches
from eks_simulator.log import ChangeLog
from tests.simulator.clusters import Api, simulated


class Watching:
    """A store whose nodes are watched."""

    def __init__(self, history: int = 100) -> None:
        clock = VirtualClock(1767600000.0)
        self.store = Store(clock, ChangeLog(clock))
        self.poked: list[str] = []
        self.watches = Watches(self.store, self.poked.append, history)

    def open(self, since: int, client: str = "me", *, bookmarks: bool = True, **query: str) -> Watch:
        """Begin a watch of nodes."""
        selection = select(RESOURCES["nodes"], None, query)
        watch = Watch(client, selection, lambda revision: revision.whole, bookmarks=bookmarks)
        self.watches.open(watch, since)
        return watch

    def node(self, name: str, **labels: str) -> int:
        """Make a node; returns the version."""
        self.store.create("nodes", {"metadata": {"name": name, "labels": labels}})
        return self.store.resource_version


def queued(watch: Watch) -> list[dict[str, Any]]:
    """What is queued now."""
    return [json.loads(line) for line in (asyncio.run(watch.next()) or b"").splitlines()]


def told(watch: Watch) -> list[str]:
    return [f"{one['type']} {one['object']['metadata'].get('name', '')}".strip() for one in queued(watch)]


def test_history_then_news() -> None:
    """A watch tells what happened since its version, then what happens, each once."""
    world = Watching()
    since = world.node("a")
    world.node("b")
    watch = world.open(since)
    world.node("c")
    assert told(watch) == ["ADDED b", "ADDED c"]


def test_bounded_history() -> None:
    """A version older than the remembered history is expired, the oldest remembered one is not."""
    world = Watching(history=2)
    versions = [world.node(name) for name in "abcd"]
    expired = queued(world.open(versions[0]))
    assert [one["object"]["code"] for one in expired] == [410]
    assert expired[0]["object"]["message"] == f"too old resource version: {versions[0]} ({versions[1]})"
    assert told(world.open(versions[1])) == ["ADDED c", "ADDED d"]


def test_expired_watch_ends() -> None:
    """After its ERROR an expired watch is over."""
    world = Watching(history=1)
    world.node("a")
    world.node("b")
    watch = world.open(1)
    assert queued(watch)
    assert asyncio.run(watch.next()) is None


def test_events_belong_to_clients() -> None:
    """The clock is told of an event for each client that has a watch which shows it, and for no other."""
    world = Watching()
    now = world.store.resource_version
    world.open(now, "a")
    world.open(now, "b", labelSelector="group=x")
    world.node("n")
    assert world.poked == ["a"]
    world.node("m", group="x")
    assert sorted(world.poked) == ["a", "a", "b"]


def test_what_was_missed_is_an_event() -> None:
    """A watch that begins in the past is news for its client; one that has missed nothing is not."""
    world = Watching()
    since = world.store.resource_version
    world.node("a")
    world.open(since, "late")
    world.open(world.store.resource_version, "in time")
    assert world.poked == ["late"]


def test_bookmarks_come_after_what_they_cover() -> None:
    """A bookmark carries the present version, after all events up to it, on that client's watches that take them."""
    world = Watching()
    since = world.store.resource_version
    mine, deaf, other = world.open(since), world.open(since, bookmarks=False), world.open(since, "other")
    version = world.node("a")
    assert world.watches.bookmark("me") == version
    events = queued(mine)
    assert [one["type"] for one in events][-2:] == ["ADDED", "BOOKMARK"]
    assert events[-1]["object"]["metadata"]["resourceVersion"] == str(version)
    assert "BOOKMARK" not in [one["type"] for one in queued(deaf) + queued(other)]


def test_closed_watch_is_an_event() -> None:
    """The end of a watch wakes its client, once: it has to open another before it may trust its cache."""
    world = Watching()
    watch = world.open(world.store.resource_version)
    world.watches.close(watch)
    world.watches.close(watch)
    world.node("a")
    assert world.poked == ["me"]
    assert asyncio.run(watch.next()) is None


def test_leaving_the_selection() -> None:
    """What no longer matches is DELETED, as it was when it did, with the version of its leaving."""
    world = Watching()
    since = world.node("a", group="x")
    watch = world.open(since, labelSelector="group=x")
    world.store.mutate("nodes", None, "a", lambda node: node["metadata"].update(labels={"group": "y"}))
    world.store.mutate("nodes", None, "a", lambda node: node["metadata"].update(labels={"group": "z"}))
    world.store.delete("nodes", None, "a")
    (event,) = queued(watch)
    assert event["type"] == "DELETED"
    assert event["object"]["metadata"]["labels"] == {"group": "x"}
    assert event["object"]["metadata"]["resourceVersion"] == str(since + 1)


def test_watch_ends_in_virtual_time() -> None:
    """`timeoutSeconds` are seconds of the simulated world: the stream ends cleanly when they have passed."""
    with simulated() as server, Api(server.url).connected() as connection:
        since = server.store.resource_version
        path = f"/api/v1/nodes?watch=1&timeoutSeconds=300&resourceVersion={since}&allowWatchBookmarks=true"
        connection.request("GET", path, headers={"User-Agent": "eks-rollout-run/me"})
        answer = connection.getresponse()
        server.do(lambda: server.store.create("nodes", {"metadata": {"name": "n"}}))
        assert json.loads(answer.readline())["object"]["metadata"]["name"] == "n"
        server.do(lambda: server.watches.bookmark("me"))
        server.pass_by(300)
        assert json.loads(answer.readline())["type"] == "BOOKMARK"
        assert answer.read() == b""
        assert server.events == ["me", "me"]


@pytest.mark.parametrize("query", ["resourceVersion=x", "timeoutSeconds=x", "sendInitialEvents=true"])
def test_watches_that_cannot_be(query: str) -> None:
    """A watch with a parameter that is not understood is refused before it begins."""
    with simulated() as server:
        assert Api(server.url)("GET", f"/api/v1/nodes?watch=1&{query}").code in (400, 422)


def behind(world: Watching, *, lose: bool = False) -> None:
    """Let the API server's watch cache be behind for twenty seconds."""
    store = world.store
    now = store.clock.now
    store.watches_behind_since, store.watches_behind_until, store.watches_lose = now, now + 20, lose


def test_watches_that_are_behind_catch_up() -> None:
    """Until then nothing is told, bookmarks say how far it was, and nobody is woken; one begun later has it listed."""
    world = Watching()
    since = world.node("a")
    watch = world.open(since)
    behind(world)
    world.node("b")
    assert (world.watches.bookmark("me"), told(watch), world.poked) == (since, ["BOOKMARK"], [])
    later = world.open(world.store.resource_version)
    world.store.clock.run_until(world.store.clock.now + 21)
    world.node("c")
    assert (told(watch), told(later)) == (["ADDED b", "ADDED c"], ["ADDED c"])


def test_what_watches_lose_must_be_listed() -> None:
    """They end, and a watch from where they were has expired."""
    world = Watching()
    since = world.node("a")
    watch = world.open(since)
    behind(world, lose=True)
    world.node("b")
    world.store.clock.run_until(world.store.clock.now + 21)
    assert asyncio.run(watch.next()) is None
    assert [one["object"]["code"] for one in queued(world.open(since))] == [410]
