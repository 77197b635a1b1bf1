"""The control listener: who may move time, what happened, and how to interfere."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from eks_simulator.clock import VirtualClock
from eks_simulator.control import Control
from eks_simulator.faults import Faults, RequestInfo
from eks_simulator.listener import listening
from eks_simulator.log import ChangeLog
from eks_simulator.requests import Costs, Requests
from eks_simulator.sessions import Sessions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping


class Watches:
    """Remembers who was sent a bookmark, and when."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self.sent: list[tuple[str, float]] = []

    @property
    def marks(self) -> int:
        """How many there were."""
        return len(self.sent)

    def bookmark(self, client: str) -> int:
        """Note it."""
        self.sent.append((client, self._clock.now))
        return 40 + len(self.sent)


class World:
    """A world that only remembers what was done to it."""

    def __init__(self, faults: Faults) -> None:
        self.add_fault = faults.add
        self.done: list[dict[str, Any]] = []

    def do(self, action: Mapping[str, Any]) -> None:
        """Refuse what is not known."""
        if action.get("do") != "mend":
            msg = f"no action {action.get('do')!r}"
            raise ValueError(msg)
        self.done.append(dict(action))

    def promises(self) -> list[dict[str, Any]]:
        """One promise, kept."""
        return [{"number": 1, "text": "no Job is killed", "checks": 3, "violations": []}]

    def report(self) -> dict[str, Any]:
        """An empty report."""
        return {"nodes_replaced": 0}

    def state(self) -> dict[str, Any]:
        """Nothing is there."""
        return {"groups": {}}

    def judge_again(self) -> None:
        """Note it."""
        self.done.append({"judged": "again"})


class Panel:
    """A control listener over an empty world, and an HTTP client to it."""

    def __init__(self) -> None:
        self.clock = VirtualClock(1000.0)
        self.log = ChangeLog(self.clock)
        self.sessions = Sessions(self.clock)
        self.faults = Faults()
        self.watches = Watches(self.clock)
        self.world = World(self.faults)
        self.stopping = asyncio.Event()
        self.requests = Requests(self.log, self.sessions, self.faults, Costs(1, 0, 3))
        self.url = ""

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Panel]:
        """Listen on loopback inside the block."""
        app = Control(
            self.clock,
            self.log,
            self.sessions,
            self.faults,
            self.requests,
            self.watches,
            self.world,
            self.stopping,
            Path("clock"),
        ).app()
        async with listening(app) as self.url, aiohttp.ClientSession() as self.http:
            yield self

    @asynccontextmanager
    async def session(self, client: str) -> AsyncIterator[None]:
        """Register a client on a connection of its own, until the block ends."""
        async with (
            aiohttp.ClientSession() as http,
            http.get(f"{self.url}/session", params={"client": client}) as held,
        ):
            await held.content.readline()
            yield

    async def get(self, path: str) -> Any:
        """The JSON of a GET."""
        async with self.http.get(self.url + path) as response:
            return await response.json()

    async def post(self, path: str, body: object) -> tuple[int, Any]:
        """Status and JSON of a POST."""
        async with self.http.post(self.url + path, json=body) as response:
            return response.status, await response.json()

    async def sleep(self, client: str, until: float) -> tuple[int, Any]:
        """Sleep on the virtual clock."""
        return await self.post("/sleep", {"client": client, "until": until})

    async def until_registered(self, *clients: str) -> None:
        """Wait until exactly these clients are registered."""
        while self.sessions.registered != list(clients):  # noqa: ASYNC110 - another's connection ends when it ends
            await asyncio.sleep(0.001)


def at_panel(scene: Callable[[Panel], Awaitable[Any]]) -> Any:
    """Run a scene at an open panel."""

    async def run() -> Any:
        async with Panel().open() as panel:
            return await asyncio.wait_for(scene(panel), 5)

    return asyncio.run(run())


def test_a_sleep_answers_the_time_and_bookmarks_first() -> None:
    """The answer carries now and the resourceVersion of the bookmark that was queued at that moment."""

    async def scene(panel: Panel) -> tuple[Any, list[tuple[str, float]]]:
        async with panel.session("a"):
            return await panel.sleep("a", 1015.0), panel.watches.sent

    assert at_panel(scene) == ((200, {"now": 1015.0, "resourceVersion": "41", "bookmark": 1}), [("a", 1015.0)])


def test_asking_the_time_moves_nothing() -> None:
    """GET /time bookmarks the client's watches and leaves the clock alone."""

    async def scene(panel: Panel) -> tuple[Any, list[tuple[str, float]]]:
        return await panel.get("/time?client=a"), panel.watches.sent

    assert at_panel(scene) == ({"now": 1000.0, "resourceVersion": "41", "bookmark": 1}, [("a", 1000.0)])


def test_a_dead_connection_deregisters_its_client() -> None:
    """Closing the session's connection is enough: the other client's sleep ends."""

    async def scene(panel: Panel) -> float:
        async with panel.session("a"):
            async with panel.session("b"):
                sleep = asyncio.create_task(panel.sleep("a", 1060.0))
                await asyncio.sleep(0.02)
                assert panel.clock.now == 1000.0
            await panel.until_registered("a")
            await sleep
        await panel.until_registered()
        return panel.clock.now

    assert at_panel(scene) == 1060.0


def test_a_client_that_is_said_to_be_absent_holds_nobody_up_until_it_asks_the_time() -> None:
    """In that time the others sleep on, and the list of clients shows it."""

    async def scene(panel: Panel) -> list[Any]:
        async with panel.session("a"), panel.session("stopped"):
            answer = await panel.post("/clients/stopped/absent", {})
            await panel.sleep("a", 1600.0)
            absent = (await panel.get("/clients"))["stopped"]
            async with panel.http.get(f"{panel.url}/time", headers={"User-Agent": "eks-rollout-run/stopped"}):
                present = (await panel.get("/clients"))["stopped"]
        return [answer, panel.clock.now, absent, present]

    awake = {"asleep_until": None, "absent": False}
    assert at_panel(scene) == [(200, {}), 1600.0, awake | {"absent": True}, awake]


@pytest.mark.parametrize(("path", "body"), [("/sleep", {"client": "a", "until": 1015.0}), ("/clients/a/absent", {})])
def test_nobody_sleeps_or_leaves_without_a_session(path: str, body: object) -> None:
    """The answer is 409 and names the missing session."""

    async def scene(panel: Panel) -> tuple[int, Any]:
        return await panel.post(path, body)

    status, answer = at_panel(scene)
    assert (status, "GET /session?client=a" in answer["error"]) == (409, True)


@pytest.mark.parametrize(
    ("path", "body", "complaint"),
    [
        ("/sleep", {"until": 3}, '"client" is missing'),
        ("/sleep", {"client": "a"}, '"until" must be a moment'),
        ("/sleep", [], "JSON object"),
        ("/faults", {"hang": {}}, "hang.when"),
        ("/world", {"do": "explode"}, "no action 'explode'"),
    ],
)
def test_a_bad_request_is_explained(path: str, body: object, complaint: str) -> None:
    """The answer is 400 and says what is wrong."""

    async def scene(panel: Panel) -> tuple[int, Any]:
        return await panel.post(path, body)

    status, answer = at_panel(scene)
    assert (status, complaint in answer["error"]) == (400, True)


def test_the_log_is_filtered_by_the_beginning_of_the_actor() -> None:
    """All clients, one client, or everybody."""

    async def scene(panel: Panel) -> list[int]:
        with panel.log.acting("client:a", "PATCH nodes", 1):
            panel.log.applied("node/n", "spec.unschedulable", None, after=True)
        with panel.log.acting("client:b", "PATCH nodes", 2):
            panel.log.applied("node/n", "spec.unschedulable", before=True, after=None)
        panel.log.applied("node/n", "exists", before=True, after=False)
        return [len(await panel.get(f"/log{query}")) for query in ("", "?actor=client:", "?actor=client:b")]

    assert at_panel(scene) == [3, 2, 1]


def test_faults_come_and_go() -> None:
    """A fault that was posted strikes until the faults are cleared."""

    async def scene(panel: Panel) -> tuple[Any, bool, bool]:
        posted = await panel.post("/faults", {"match": {"service": "ec2"}, "drop": {"when": "after"}})
        info = RequestInfo("ec2", "DescribeInstances", mutating=False, target="")
        before = panel.faults.strike("a", info) is not None
        async with panel.http.delete(f"{panel.url}/faults"):
            return posted, before, panel.faults.strike("a", info) is not None

    assert at_panel(scene) == ((200, {"id": 1}), True, False)


def test_requests_promises_report_and_world_are_passed_on() -> None:
    """What the parts know is what the listener shows."""

    async def scene(panel: Panel) -> list[Any]:
        status, _ = await panel.post("/world", {"do": "mend", "group": "workers"})
        await panel.post("/promises", {})
        return [
            status,
            panel.world.done,
            await panel.get("/requests"),
            (await panel.get("/promises"))[0]["checks"],
            await panel.get("/report"),
            await panel.get("/state"),
        ]

    done = [{"do": "mend", "group": "workers"}, {"judged": "again"}]
    assert at_panel(scene) == [200, done, {}, 3, {"nodes_replaced": 0}, {"groups": {}}]


def test_shutdown_ends_sessions() -> None:
    """After a shutdown the server stops, and every client with a session sees it end."""

    async def scene(panel: Panel) -> tuple[bool, bytes]:
        async with panel.http.get(f"{panel.url}/session?client=a") as held:
            await held.content.readline()
            await panel.post("/shutdown", {})
            return panel.stopping.is_set(), await held.content.read()

    assert at_panel(scene) == (True, b"")


def test_two_hours_of_sleeps_over_http_take_about_a_second() -> None:
    """480 sleeps of 15 s through the listener are quick."""

    async def scene(panel: Panel) -> float:
        async with panel.session("a"):
            for _ in range(480):
                await panel.sleep("a", panel.clock.now + 15)
        return panel.clock.now

    began = time.perf_counter()
    assert at_panel(scene) == 1000 + 7200
    assert time.perf_counter() - began < 120
