"""Faults of requests strike exactly the requests that are meant, at exactly the point that is meant."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import web

from eks_simulator.clock import VirtualClock
from eks_simulator.faults import FaultError, Faults, RequestInfo, parse
from eks_simulator.listener import listening
from eks_simulator.log import ChangeLog
from eks_simulator.requests import Costs, Requests
from eks_simulator.sessions import Sessions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

UPDATE = RequestInfo("autoscaling", "UpdateAutoScalingGroup", mutating=True, target="workers")
READ = RequestInfo("autoscaling", "DescribeAutoScalingGroups", mutating=False, target="workers")
DEAD = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)


class Shop:
    """A listener whose every request sells one thing, with the real middleware in front."""

    def __init__(self) -> None:
        self.clock = VirtualClock(0.0)
        self.log = ChangeLog(self.clock)
        self.faults = Faults()
        self.sessions = Sessions(self.clock)
        self.requests = Requests(self.log, self.sessions, self.faults, Costs(seed=1, low=0, high=3))
        self.sold = 0
        self.url = ""

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Shop]:
        """Listen on loopback inside the block."""
        app = web.Application(middlewares=[self.requests.middleware(self._describe, self._render)])
        app.router.add_post("/{operation}/{target}", self._sell)
        async with listening(app) as self.url:
            yield self

    async def order(self, path: str = "Sell/thing", agent: str = "eks-rollout-run/a") -> tuple[int, str]:
        """One request on a connection of its own: status and body."""
        async with (
            aiohttp.ClientSession() as http,
            http.post(f"{self.url}/{path}", headers={"User-Agent": agent}) as response,
        ):
            return response.status, await response.text()

    async def _sell(self, _request: web.Request) -> web.Response:
        self.sold += 1
        self.log.applied("shop", "sold", self.sold - 1, self.sold)
        return web.json_response({"sold": self.sold})

    @staticmethod
    def _describe(request: web.Request) -> RequestInfo | None:
        operation = request.match_info["operation"]
        if operation == "Watch":
            return None
        return RequestInfo("shop", operation, operation == "Sell", request.match_info["target"])

    @staticmethod
    def _render(info: RequestInfo, status: int, code: str, message: str) -> web.Response:
        return web.json_response({"service": info.service, "code": code, "message": message}, status=status)


def in_shop(scene: Callable[[Shop], Awaitable[Any]]) -> Any:
    """Run a scene in an open shop."""

    async def run() -> Any:
        async with Shop().open() as shop:
            return await asyncio.wait_for(scene(shop), 5)

    return asyncio.run(run())


def faulty(fault: dict[str, Any], orders: int = 1) -> tuple[list[int], int]:
    """The statuses of so many orders under a fault, one after the other, and how much was sold; 0 is no answer."""

    async def scene(shop: Shop) -> tuple[list[int], int]:
        shop.faults.add(parse(fault))
        statuses = []
        for _ in range(orders):
            try:
                statuses.append((await shop.order())[0])
            except DEAD:
                statuses.append(0)
        return statuses, shop.sold

    return in_shop(scene)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("match", "strikes"),
    [
        ({}, 1),
        ({"service": "autoscaling"}, 1),
        ({"service": "ec2"}, 0),
        ({"operation": "UpdateAutoScalingGroup", "mutating": True}, 1),
        ({"mutating": False}, 0),
        ({"target": "^work"}, 1),
        ({"target": "idle"}, 0),
        ({"client": "a"}, 1),
        ({"client": "b"}, 0),
    ],
)
def test_every_criterion_that_is_given_must_hold(match: dict[str, Any], strikes: int) -> None:
    """A fault strikes a request if and only if all of its criteria fit."""
    faults = Faults()
    faults.add(parse({"match": match, "garble": {}}))
    assert (faults.strike("a", UPDATE) is not None) == bool(strikes)


def test_only_reads_can_be_stale() -> None:
    """A change is applied to what is there."""
    faults = Faults()
    faults.add(parse({"match": {"service": "autoscaling"}, "stale": {"seconds": 5}}))
    assert (faults.strike("a", UPDATE) is not None, faults.strike("a", READ) is not None) == (False, True)


def test_only_writes_to_kubernetes_are_stripped() -> None:
    """A webhook of admission sees no read."""
    faults = Faults()
    faults.add(parse({"match": {"service": "kube"}, "strip": {"field": "spec.taints"}}))
    patch, read = (RequestInfo("kube", verb, verb == "PATCH nodes", "n") for verb in ("PATCH nodes", "GET nodes"))
    assert (faults.strike("a", patch) is not None, faults.strike("a", read) is not None) == (True, False)


@pytest.mark.parametrize(
    ("match", "struck"),
    [
        ({"nth": 3}, [3]),
        ({"every": 2}, [2, 4, 6]),
        ({"times": 2}, [1, 2]),
        ({"every": 2, "times": 1}, [2]),
        ({}, [1, 2, 3, 4, 5, 6]),
    ],
)
def test_numbers_count_the_requests_that_match(match: dict[str, Any], struck: list[int]) -> None:
    """Nth, every and times count matching requests only; others in between do not matter."""
    faults = Faults()
    faults.add(parse({"match": {"mutating": True, **match}, "garble": {}}))
    hits = []
    for number in range(1, 7):
        assert faults.strike("a", READ) is None
        if faults.strike("a", UPDATE):
            hits.append(number)
    assert hits == struck


@pytest.mark.parametrize(
    ("when", "struck"),
    [
        ({}, [2, 3, 4, 5, 6]),
        ({"since": 4}, [4, 5, 6]),
        ({"lasts": "2s"}, [2, 3]),
        ({"since": 4, "lasts": 1}, [4]),
        ({"since": 0, "lasts": 3}, [2]),
        ({"since": 4, "match": {"nth": 2}}, [5]),
    ],
)
def test_a_fault_begins_and_ends_at_its_moments(when: dict[str, Any], struck: list[int]) -> None:
    """Put in force in the second second, it lasts from then on unless it says since when; numbers count from there."""
    now = 2.0
    faults = Faults(lambda: now)
    faults.add(parse({**when, "garble": {}}))
    hits = []
    for second in range(2, 7):
        now = float(second)
        if faults.strike("a", UPDATE):
            hits.append(second)
    assert hits == struck


@pytest.mark.parametrize(
    ("fault", "outage"),
    [
        ({"match": {"service": "kube"}, "error": {"status": 503, "code": "x"}, "lasts": "1m"}, 60),
        ({"match": {"service": "kube"}, "drop": {"when": "before"}, "lasts": "1m"}, 60),
        ({"match": {"service": "kube"}, "error": {"status": 429, "code": "x"}, "lasts": "1m"}, None),
        ({"match": {"service": "kube"}, "error": {"status": 503, "code": "x", "applied": True}, "lasts": "1m"}, None),
        ({"match": {"service": "kube", "every": 2}, "drop": {"when": "before"}, "lasts": "1m"}, None),
        ({"match": {"service": "ec2"}, "drop": {"when": "before"}, "lasts": "1m"}, None),
        ({"match": {"service": "kube"}, "delay": {"seconds": 1}, "lasts": "1m"}, None),
    ],
)
def test_an_outage_is_when_no_request_reaches_the_api_server(fault: dict[str, Any], outage: float | None) -> None:
    """Not one that some requests survive, nor one that is applied."""
    assert parse(fault).outage == outage


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [
        ({"match": {"nht": 1}, "garble": {}}, "match.nht"),
        ({"match": {}}, "exactly one of"),
        ({"garble": {}, "drop": {"when": "after"}}, "exactly one of"),
        ({"match": {"target": "("}, "garble": {}}, "no regular expression"),
        ({"hang": {"when": "never"}}, "hang.when"),
        ({"error": {"status": 200, "code": "OK"}}, "error.status"),
        ({"late": {"seconds": 3600}}, "late.seconds"),
        ({"stale": {"seconds": 5}}, "stale needs match.service"),
        ({"match": {"service": "kube"}, "stale": {"seconds": 5}}, "never old"),
        ({"strip": {"field": "spec.taints"}}, "strip needs match.service"),
        ({"match": {"service": "kube"}, "strip": {"field": "spec..taints"}}, "strip.field"),
    ],
)
def test_an_unclear_fault_is_refused(fault: dict[str, Any], complaint: str) -> None:
    """What is wrong with a fault is said by the name of the key."""
    with pytest.raises(FaultError, match=complaint):
        parse(fault)


@pytest.mark.parametrize(
    ("fault", "status", "sold"),
    [
        ({"error": {"status": 503, "code": "ServiceUnavailable"}}, 503, 0),
        ({"error": {"status": 500, "code": "InternalFailure", "applied": True}}, 500, 1),
        ({"drop": {"when": "before"}}, 0, 0),
        ({"drop": {"when": "after"}}, 0, 1),
        ({"delay": {"seconds": 30}}, 200, 1),
        ({"garble": {}}, 200, 1),
        ({"late": {"seconds": 30}}, 0, 0),
    ],
)
def test_a_fault_applies_exactly_what_it_says(fault: dict[str, Any], status: int, sold: int) -> None:
    """Each kind of fault either applies the request or does not, no matter what the client hears."""
    assert faulty(fault) == ([status], sold)


def test_an_error_carries_its_code_message_and_headers() -> None:
    """The service's own rendering gets code and message; the headers are added to it."""

    async def scene(shop: Shop) -> tuple[str, str | None]:
        shop.faults.add(
            parse({"error": {"status": 429, "code": "Slow", "message": "down", "headers": {"Retry-After": "10"}}})
        )
        async with aiohttp.ClientSession() as http, http.post(f"{shop.url}/Sell/thing") as response:
            return await response.text(), response.headers.get("Retry-After")

    body, header = in_shop(scene)
    assert ('"code": "Slow", "message": "down"' in body, header) == (True, "10")


def test_a_garbled_reply_cannot_be_parsed() -> None:
    """The reply says success and holds nothing that any parser reads."""

    async def scene(shop: Shop) -> str:
        shop.faults.add(parse({"garble": {}}))
        return (await shop.order())[1]

    body = in_shop(scene)
    assert '"sold"' not in body
    assert body.startswith("<<")


def test_a_delay_is_virtual() -> None:
    """The seconds of a delay pass on the virtual clock."""

    async def scene(shop: Shop) -> float:
        shop.faults.add(parse({"delay": {"seconds": 500}}))
        await shop.order()
        return shop.clock.now

    assert 500 <= in_shop(scene) <= 503


@pytest.mark.parametrize(("when", "sold"), [("before", 0), ("after", 1)])
def test_killing_a_client_that_hangs_ends_its_request(when: str, sold: int) -> None:
    """A client that dies while it hangs leaves nothing applied before, everything applied after, and no time passed."""

    async def scene(shop: Shop) -> tuple[str, int, bool]:
        shop.faults.add(parse({"match": {"nth": 1}, "hang": {"when": when}}))
        doomed = asyncio.create_task(shop.order())
        hung = await shop.faults.next_hung()
        moment = shop.clock.now
        doomed.cancel()
        await asyncio.gather(doomed, return_exceptions=True)
        for _ in range(20):
            await asyncio.sleep(0.001)
        stood_still = shop.clock.now == moment
        shop.faults.clear()
        return hung.when, shop.sold, stood_still

    assert in_shop(scene) == (when, sold, True)


def test_what_hangs_goes_on_when_released() -> None:
    """Clearing the faults lets the request through, and its client gets its answer."""

    async def scene(shop: Shop) -> tuple[int, str]:
        shop.faults.add(parse({"hang": {"when": "after"}}))
        order = asyncio.create_task(shop.order())
        hung = await shop.faults.next_hung()
        assert hung.as_json() == {
            "request": 1,
            "client": "a",
            "when": "after",
            "service": "shop",
            "operation": "Sell",
            "mutating": True,
            "target": "thing",
        }
        shop.faults.clear()
        return await order

    assert in_shop(scene)[0] == 200


def test_time_stands_still_while_a_request_hangs() -> None:
    """Nobody's sleep ends while a request hangs."""

    async def scene(shop: Shop) -> tuple[bool, bool]:
        shop.faults.add(parse({"hang": {"when": "before"}}))
        with shop.sessions.session("sleeper"):
            order = asyncio.create_task(shop.order())
            await shop.faults.next_hung()
            sleep = asyncio.create_task(shop.sessions.sleep("sleeper", shop.clock.now + 60))
            await asyncio.sleep(0.01)
            during = sleep.done()
            shop.faults.clear()
            await order
            await sleep
            return during, sleep.done()

    assert in_shop(scene) == (False, True)


def test_a_late_request_is_applied_after_its_client_has_given_up() -> None:
    """It was on its way: so many seconds later it is done, in the name of who sent it."""

    async def scene(shop: Shop) -> list[tuple[str, float]]:
        shop.faults.add(parse({"late": {"seconds": 240}}))
        with pytest.raises(DEAD):
            await shop.order()
        sent = shop.clock.now
        with shop.sessions.session("b"):
            await shop.sessions.sleep("b", sent + 600)
        return [(change.actor, round(change.at - sent)) for change in shop.log.changes]

    ((actor, seconds),) = in_shop(scene)
    assert actor == "client:a"
    assert 237 <= seconds <= 240


def test_time_passes_over_a_hanging_request_of_an_absent_client() -> None:
    """A client that was stopped in mid-request holds nobody up, and its request acts when it is let go."""

    async def scene(shop: Shop) -> tuple[int, int, float]:
        shop.faults.add(parse({"match": {"client": "a"}, "hang": {"when": "before"}}))
        with shop.sessions.session("a"), shop.sessions.session("b"):
            order = asyncio.create_task(shop.order())
            await shop.faults.next_hung()
            shop.sessions.leave("a")
            await shop.sessions.sleep("b", 600.0)
            before = shop.sold
            shop.faults.clear()
            await order
            return before, shop.sold, shop.log.changes[0].at

    assert in_shop(scene) == (0, 1, 600.0)


def test_every_request_costs_time_and_is_counted() -> None:
    """Ten requests cost between 0 and 3 virtual seconds each; reads and writes are told apart by client."""

    async def scene(shop: Shop) -> tuple[float, dict[str, Any]]:
        for _ in range(5):
            await shop.order("Sell/thing")
            await shop.order("Look/thing", agent="curl/8")
        await shop.order("Watch/thing")
        return shop.clock.now, {client: tally.as_json() for client, tally in shop.requests.tallies.items()}

    passed, tallies = in_shop(scene)
    assert 0 < passed <= 30
    assert tallies == {
        "a": {"reads": 0, "writes": 5, "operations": {"shop Sell": 5}},
        "other": {"reads": 5, "writes": 0, "operations": {"shop Look": 5}},
    }


def test_a_change_is_logged_for_the_client_that_asked() -> None:
    """Actor, verb and number of the request stand in the log."""

    async def scene(shop: Shop) -> list[tuple[str, str, int]]:
        await shop.order(agent="Boto3/1.4 eks-rollout-run/20260105-a.b_c x")
        await shop.order(agent="kubectl")
        return [(change.actor, change.verb, change.request) for change in shop.log.changes]

    assert in_shop(scene) == [("client:20260105-a.b_c", "Sell", 1), ("client:other", "Sell", 2)]


def test_costs_do_not_depend_on_the_order_of_others() -> None:
    """The n-th request for a thing costs the same, with any others in between; another seed costs otherwise."""
    alone, mixed, other = (Costs(seed, 0, 3) for seed in (1, 1, 2))
    first = [alone.next(UPDATE) for _ in range(4)]
    second = [(mixed.next(READ), mixed.next(UPDATE))[1] for _ in range(4)]
    assert first == second
    assert first != [other.next(UPDATE) for _ in range(4)]
    assert all(before >= 0 and after >= 0 and before + after <= 3.001 for before, after in first)
