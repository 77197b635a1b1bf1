"""The control listener: JSON over HTTP for those who know that the world is simulated.

Clients register and sleep here, tests read the log and inject faults, a person looks at promises and report. Nothing
here costs virtual time, and nothing here is counted as a request.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from aiohttp import web

from eks_simulator import faults as faults_
from eks_simulator.requests import client_of
from eks_simulator.sessions import NotRegisteredError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping
    from pathlib import Path

    from aiohttp.typedefs import Handler

    from eks_simulator.clock import VirtualClock
    from eks_simulator.faults import Fault, Faults
    from eks_simulator.log import ChangeLog
    from eks_simulator.requests import Requests
    from eks_simulator.sessions import Sessions


class Watched(Protocol):
    """What the watches of the Kubernetes half do for the clock."""

    @property
    def marks(self) -> int:
        """The number of the last bookmark."""

    def bookmark(self, client: str) -> int:
        """Queue a BOOKMARK on all watches of `client`; returns the resourceVersion that it carries."""


class Steered(Protocol):
    """What the world does for a person at the control listener."""

    def do(self, action: Mapping[str, Any]) -> None:
        """Apply a world action now; `ValueError` says what is wrong with it."""

    def add_fault(self, fault: Fault) -> int:
        """Put a request fault in force; returns its id."""

    def promises(self) -> list[dict[str, Any]]:
        """Return each promise with the checks made and what violated it."""

    def report(self) -> dict[str, Any]:
        """Return what has come of nodes, Jobs, template versions and baseline so far."""

    def state(self) -> dict[str, Any]:
        """Return what there is now, in the account and on the cluster."""

    def judge_again(self) -> None:
        """Judge the promises from now on, of the rollout that comes next."""


@dataclass(frozen=True, slots=True)
class Control:
    """The handlers of the control listener, over the parts that they show; `stopping` ends the server.

    `face`: the file that shows the clock's time (`face.shown`).
    """

    clock: VirtualClock
    log: ChangeLog
    sessions: Sessions
    faults: Faults
    requests: Requests
    watches: Watched
    world: Steered
    stopping: asyncio.Event
    face: Path

    def app(self) -> web.Application:
        """Return the listener's application."""
        app = web.Application(middlewares=[_explain])
        app.add_routes(
            [
                web.get("/session", self.session),
                web.post("/sleep", self.sleep),
                web.get("/clients", self.clients),
                web.post("/clients/{client}/absent", self.absent),
                web.get("/time", self.time),
                web.get("/log", self.changes),
                web.get("/requests", self.tallies),
                web.get("/promises", self.promises),
                web.post("/promises", self.judge_again),
                web.get("/report", self.report),
                web.get("/state", self.state),
                web.post("/faults", self.add_fault),
                web.delete("/faults", self.clear_faults),
                web.get("/hung", self.hung),
                web.post("/world", self.act),
                web.post("/shutdown", self.shutdown),
            ]
        )
        return app

    async def session(self, request: web.Request) -> web.StreamResponse:
        """Keep the client registered for as long as this connection lives."""
        client = _client(request.query)
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        with self.sessions.session(client):
            await response.prepare(request)
            await response.write(json.dumps({"client": client, "face": str(self.face)}).encode() + b"\n")
            await self.stopping.wait()
        return response

    async def sleep(self, request: web.Request) -> web.Response:
        """Answer when the client's sleep is over."""
        body = await _body(request)
        client = _client(body)
        try:
            until = float(body["until"])
        except (KeyError, TypeError, ValueError):
            raise ValueError('"until" must be a moment: POSIX seconds of the virtual clock') from None
        await self.sessions.sleep(client, until)
        return self._tell(client)

    async def time(self, request: web.Request) -> web.Response:
        """Tell the time; with a client, its watches get a bookmark first."""
        self.sessions.speaks(client_of(request))
        return self._tell(request.query.get("client", ""))

    async def clients(self, _request: web.Request) -> web.Response:
        """The registered clients, who of them sleeps until when, and who is absent."""
        return web.json_response(self.sessions.states())

    async def absent(self, request: web.Request) -> web.Response:
        """Let time pass without the client until it speaks again."""
        self.sessions.leave(request.match_info["client"])
        return web.json_response({})

    def _tell(self, client: str) -> web.Response:
        version = self.watches.bookmark(client)
        self.sessions.told(client)
        return web.json_response(
            {"now": self.clock.now, "resourceVersion": str(version), "bookmark": self.watches.marks}
        )

    async def changes(self, request: web.Request) -> web.Response:
        """The applied changes of all actors whose name begins with `actor`."""
        actor = request.query.get("actor", "")
        return web.json_response([one.as_json() for one in self.log.changes if one.actor.startswith(actor)])

    async def tallies(self, _request: web.Request) -> web.Response:
        """The requests of each client, reads and writes apart."""
        return web.json_response({client: tally.as_json() for client, tally in self.requests.tallies.items()})

    async def promises(self, _request: web.Request) -> web.Response:
        """Each promise, how often it was checked, and what violated it."""
        return web.json_response(self.world.promises())

    async def report(self, _request: web.Request) -> web.Response:
        """What has come of the world so far."""
        return web.json_response(self.world.report())

    async def judge_again(self, _request: web.Request) -> web.Response:
        """Judge the rollout that comes next, and forget the one before."""
        self.world.judge_again()
        return web.json_response({})

    async def state(self, _request: web.Request) -> web.Response:
        """What there is now."""
        return web.json_response(self.world.state())

    async def add_fault(self, request: web.Request) -> web.Response:
        """Put a request fault in force."""
        return web.json_response({"id": self.world.add_fault(faults_.parse(await _body(request)))})

    async def clear_faults(self, _request: web.Request) -> web.Response:
        """Forget all request faults and release what hangs."""
        self.faults.clear()
        return web.json_response({})

    async def hung(self, _request: web.Request) -> web.Response:
        """The request that hangs now; answers when there is one."""
        return web.json_response((await self.faults.next_hung()).as_json())

    async def act(self, request: web.Request) -> web.Response:
        """Do something to the world."""
        self.world.do(await _body(request))
        return web.json_response({})

    async def shutdown(self, _request: web.Request) -> web.Response:
        """End the simulator, after this answer."""
        self.stopping.set()
        return web.json_response({})


def _client(given: Mapping[str, Any]) -> str:
    client = given.get("client")
    if not client or not isinstance(client, str):
        raise ValueError('"client" is missing: the id that the client puts into its User-Agent as eks-rollout-run/ID')
    return client


async def _body(request: web.Request) -> dict[str, Any]:
    try:
        body = await request.json()
    except json.JSONDecodeError as error:
        raise ValueError(f"the body is no JSON: {error}") from error
    if not isinstance(body, dict):
        raise ValueError("the body must be a JSON object")  # noqa: TRY004 - the caller's value is wrong, not ours
    return body


@web.middleware
async def _explain(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except NotRegisteredError as error:
        return web.json_response({"error": str(error)}, status=409)
    except ValueError as error:
        return web.json_response({"error": str(error)}, status=400)
