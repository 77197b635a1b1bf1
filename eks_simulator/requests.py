"""What happens to every request to AWS and Kubernetes before and after its handler: number, count, fault, time.

A request costs virtual time in which the world moves, partly before the handler looks at the world and partly between
its act and its reply: what a client saw may be gone when it acts, and what it did may be overtaken when it hears of it.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web

from eks_simulator.faults import Delay, Drop, Error, Garble, Hang, Hung, Late, RequestInfo, Stale, Strip
from eks_simulator.seeded import fraction, seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from aiohttp.typedefs import Handler, Middleware

    from eks_simulator.faults import Action, Faults
    from eks_simulator.log import ChangeLog
    from eks_simulator.sessions import Sessions

    Describe = Callable[[web.Request], RequestInfo | None]
    RenderError = Callable[[RequestInfo, int, str, str], web.Response]

__all__ = ["AGE", "NUMBER", "STRIPPED", "Costs", "RequestInfo", "Requests", "client_of"]

NUMBER = web.RequestKey("number", int)
#: How many seconds old the answer to a request is to be.
AGE = web.RequestKey("age", float)
#: The field of the object that a write must leave as it was.
STRIPPED = web.RequestKey("stripped", str)

_CLIENT = re.compile(r"eks-rollout-run/([\w.-]+)")

# No parser of ours or of botocore's accepts it: neither JSON, XML nor a form.
_GARBLED = b'<<{"garbled'


def client_of(request: web.Request) -> str:
    """Return the id that a client puts into its User-Agent as `eks-rollout-run/ID`; "other" for everybody else."""
    found = _CLIENT.search(request.headers.get("User-Agent", ""))
    return found[1] if found else "other"


class Costs:
    """What each request costs in virtual seconds.

    The cost is a pure function of the seed, of what is asked and of how many times the very same was asked before: it
    does not depend on the order in which requests that run side by side happen to arrive.
    """

    def __init__(self, seed: int, low: float, high: float) -> None:
        self._seed = seed
        self._range = (low, high)
        self._asked: Counter[tuple[str, str, str]] = Counter()

    def next(self, info: RequestInfo) -> tuple[float, float]:
        """Return the seconds that pass before and after this request's handler; whole milliseconds each."""
        what = (info.service, info.operation, info.target)
        self._asked[what] += 1
        nth = self._asked[what]
        total = seconds(self._seed, *self._range, "cost", *what, nth)
        before = total * fraction(self._seed, "before", *what, nth)
        return round(before, 3), round(total - before, 3)


@dataclass(slots=True)
class Tally:
    """The requests of one client."""

    reads: int = 0
    writes: int = 0
    operations: Counter[str] = field(default_factory=Counter)

    def count(self, info: RequestInfo) -> None:
        """Add one request."""
        if info.mutating:
            self.writes += 1
        else:
            self.reads += 1
        self.operations[f"{info.service} {info.operation}"] += 1

    def as_json(self) -> dict[str, Any]:
        """Return the figures as `GET /requests` shows them."""
        return {"reads": self.reads, "writes": self.writes, "operations": dict(sorted(self.operations.items()))}


class Requests:
    """The one middleware of the AWS and the Kubernetes listener, and what it has counted."""

    def __init__(self, log: ChangeLog, sessions: Sessions, faults: Faults, costs: Costs) -> None:
        self._log = log
        self._sessions = sessions
        self._faults = faults
        self._costs = costs
        self._number = 0
        self.tallies: dict[str, Tally] = {}

    def middleware(self, describe: Describe, render_error: RenderError) -> Middleware:
        """Return the middleware for one app; a request for which `describe` gives None (a watch) passes untouched.

        The handler finds the number of its request in `request[NUMBER]` and runs inside `log.acting`.
        """

        @web.middleware
        async def handle(request: web.Request, handler: Handler) -> web.StreamResponse:
            await request.read()
            info = describe(request)
            if info is None:
                return await handler(request)
            return await self._handle(request, info, handler, render_error)

        return handle

    def while_away(self, concerns: Callable[[web.Request], bool], render_error: RenderError) -> Middleware:
        """Return the middleware by which a server that is away lets nobody watch either, though that is not counted."""

        @web.middleware
        async def handle(request: web.Request, handler: Handler) -> web.StreamResponse:
            match self._faults.away() if concerns(request) else None:
                case Error() as error:
                    info = RequestInfo("kube", "", mutating=False, target="")
                    return render_error(info, error.status, error.code, error.message)
                case Drop():
                    return _cut(request)
            return await handler(request)

        return handle

    async def _handle(
        self, request: web.Request, info: RequestInfo, handler: Handler, render_error: RenderError
    ) -> web.StreamResponse:
        client = client_of(request)
        self._sessions.speaks(client)
        self._number += 1
        request[NUMBER] = number = self._number
        self.tallies.setdefault(client, Tally()).count(info)

        async def apply() -> web.StreamResponse:
            with self._log.acting(f"client:{client}", info.operation, number):
                return await handler(request)

        before, after = self._costs.next(info)
        self._sessions.spend(before)
        call = _Call(request, info, client, number, apply, render_error)
        response = await self._answer(call, self._faults.strike(client, info))
        # Not in a finally: a client that died in here has no claim on time.
        self._sessions.spend(after)
        return response

    async def _answer(self, call: _Call, fault: Action | None) -> web.StreamResponse:
        match fault:
            case Error():
                return await call.refused(fault)
            case Delay():
                await self._sessions.delay(fault.seconds)
            case Drop():
                return await call.dropped(fault)
            case Hang():
                return await self._hang(call, fault)
            case Garble():
                return await call.garbled()
            case Late():
                self._sessions.after(fault.seconds, call.arrives)
                return call.cut()
            case Stale():
                call.request[AGE] = fault.seconds
            case Strip():
                call.request[STRIPPED] = fault.field
        return await call.apply()

    async def _hang(self, call: _Call, fault: Hang) -> web.StreamResponse:
        hung = Hung(call.number, call.client, call.info, fault.when)
        if fault.when == "before":
            await self._stand_still(hung)
            return await call.apply()
        response = await call.apply()
        await self._stand_still(hung)
        return response

    async def _stand_still(self, hung: Hung) -> None:
        with self._sessions.holding(hung.client):
            await self._faults.hang(hung)


@dataclass(frozen=True, slots=True)
class _Call:
    """One request on its way: `apply` runs its handler."""

    request: web.Request
    info: RequestInfo
    client: str
    number: int
    apply: Callable[[], Coroutine[Any, Any, web.StreamResponse]]
    render_error: RenderError

    async def refused(self, fault: Error) -> web.StreamResponse:
        if fault.applied:
            await self.apply()
        response: web.StreamResponse
        if fault.body is None:
            response = self.render_error(self.info, fault.status, fault.code, fault.message)
        else:
            response = web.Response(status=fault.status, text=fault.body, content_type="text/html")
        response.headers.update(fault.headers)
        return response

    async def dropped(self, fault: Drop) -> web.StreamResponse:
        if fault.when == "after":
            await self.apply()
        return self.cut()

    def cut(self) -> web.StreamResponse:
        return _cut(self.request)

    def arrives(self) -> None:
        """Run the handler here and now: its body was read, so nothing in it waits."""
        handling = self.apply()
        try:
            handling.send(None)
        except StopIteration:
            return
        raise RuntimeError(f"the handler of {self.info.operation} waits for something")

    async def garbled(self) -> web.StreamResponse:
        response = await self.apply()
        return web.Response(status=response.status, body=_GARBLED, content_type=response.content_type)


def _cut(request: web.Request) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()  # has nowhere to go any more
