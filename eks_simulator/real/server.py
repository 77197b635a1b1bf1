"""The simulator with a real Kubernetes half, as a process: in real time, until somebody ends it.

What it made on the cluster is removed when it begins and when it ends.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from aiohttp import web

from eks_simulator.judging import promises
from eks_simulator.kube import app as kube
from eks_simulator.kube.resources import RESOURCES
from eks_simulator.real.api import LOST, connected, path_of
from eks_simulator.real.authors import Authors
from eks_simulator.real.mirror import MADE_HERE, MIRRORED
from eks_simulator.real.proxy import proxy_app
from eks_simulator.real.world import build, left_out
from eks_simulator.scenario import load
from eks_simulator.server import Endpoints, Simulator, until_stopped
from eks_simulator.sessions import RealTime

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine
    from pathlib import Path

    from aiohttp.typedefs import Handler, Middleware

    from eks_simulator.faults import Fault
    from eks_simulator.real.api import RealApi
    from eks_simulator.real.world import RealWorld
    from eks_simulator.requests import Describe, RenderError
    from eks_simulator.scenario import Scenario
    from eks_simulator.sessions import Sessions

#: The API groups without which neither the simulator nor what it is for can work.
NEEDED = {"policy/v1": "which a rollout asks for evictions and budgets (Kubernetes 1.21 or newer)"}

_TICK = 0.05  # seconds between two looks at what is due
_UP = 180.0  # seconds for the nodes to join and take pods
_FAREWELL = 20.0  # seconds for what was made to be removed again
# Those who would make others again go first.
_REMOVED = ("jobs", "deployments", "statefulsets", "daemonsets", "poddisruptionbudgets", "pods")


class NotUpError(RuntimeError):
    """The cluster did not come up; the text says what is missing."""


class RealSimulator(Simulator):
    """A scenario's account, and the cluster of a kubeconfig."""

    world: RealWorld

    def __init__(self, scenario: Scenario, api: RealApi) -> None:
        self._api = api
        self._authors = Authors()
        self._token = secrets.token_hex(16)  # not everybody on this machine's loopback may be the administrator
        self._trouble: BaseException | None = None
        super().__init__(scenario)
        self.world.promised.all.sort(key=lambda one: one.number)

    def _make_world(self, scenario: Scenario) -> RealWorld:
        return build(scenario, self._api, self._authors)

    def _make_sessions(self, pace: float | None) -> Sessions:
        return RealTime(self.world.clock, pace)

    def _endpoints(self, aws: str, kubernetes: str, controls: str, directory: Path) -> Endpoints:
        where = aws, kubernetes, controls, directory
        return Endpoints(*where, self.scenario.region, self.scenario.target_ami, self._token, real_time=True)

    def _before_aws(self, describe: Describe, render_error: RenderError) -> Middleware:
        befalls = self.requests.middleware(describe, render_error)

        @web.middleware
        async def before(request: web.Request, handler: Handler) -> web.StreamResponse:
            async def judged_by_all(one: web.Request) -> web.StreamResponse:
                info = describe(one)
                if info is not None and info.mutating:
                    await self.world.store.level()
                return await handler(one)

            return await befalls(request, judged_by_all)

        return before

    def _kube(self) -> web.Application:
        befalls = self.requests.middleware(kube.describe, kube.render_error)
        return proxy_app(self._api, self._authors, self._token, befalls)

    def add_fault(self, fault: Fault) -> int:
        """Put a request fault in force; those of kinds that a real API server does not have are no faults."""
        if fault.late or fault.strip:
            return 0
        return super().add_fault(fault)

    def report(self) -> dict[str, Any]:
        """Return what has come of it, and what could not be judged."""
        return promises.report(self.world) | {"not_judged": list(self.not_judged())}

    def not_judged(self) -> list[str]:
        """Return what did not happen, or was not seen."""
        store = self.world.store
        refused = [f"the API server refused {one}" for one in store.outbox.refused]
        return [*left_out(self.scenario), *store.unseen, *refused]

    @asynccontextmanager
    async def running(self, directory: Path) -> AsyncIterator[Endpoints]:
        """Listen inside the block, from when the cluster is up."""
        store = self.world.store
        await self.remove_all()
        tasks = [self._start(store.follow(kind)) for kind in MIRRORED]
        try:
            await asyncio.wait_for(store.begun(), _UP)
            tasks += map(self._start, (self._tick(), store.outbox.run(), self.world.nodes.beat(self._api)))
            await self._come_up()
            async with super().running(directory) as endpoints:
                yield endpoints
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.remove_all()
        if self._trouble is not None:
            raise self._trouble

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        """None of them ends by itself: what went wrong ends the simulator."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self._trouble = error
            self.stopping.set()

    async def _tick(self) -> None:
        while True:
            self.world.clock.run_until(time.time())
            await asyncio.sleep(_TICK)

    async def _come_up(self) -> None:
        """Have nodes that take pods, then the workloads, and wait for the scenario's start."""
        await self._until(
            self.world.nodes.all_ready, "its nodes are not Ready; who plays the node lifecycle controller?"
        )
        self.world.deploy()
        await self.world.store.outbox.emptied()
        await self._until(lambda: self.world.clock.now >= self.world.scenario.start, "time stands still")

    async def _until(self, holds: Callable[[], bool], otherwise: str) -> None:
        """Wait until it holds, or somebody ends the simulator."""
        end = time.monotonic() + _UP
        while not (holds() or self.stopping.is_set()):
            if self._trouble is not None:
                raise self._trouble
            if time.monotonic() > end:
                raise NotUpError(f"the cluster at {self._api.host} did not come up in {_UP:.0f} s: {otherwise}")
            await asyncio.sleep(0.1)

    async def remove_all(self) -> None:
        """Remove from the cluster what was made here, now or by a simulator before."""
        try:
            async with asyncio.timeout(_FAREWELL):
                await self._remove()
        except LOST:
            return  # it is not there: what is left is removed by the next simulator

    async def _remove(self) -> None:
        ((label, value),) = MADE_HERE.items()
        nodes = await self._api.list(f"/api/v1/nodes?labelSelector={label}%3D{value}")
        names = [node["metadata"]["name"] for node in nodes["items"]]
        for kind in _REMOVED:
            found = await self._api.list(f"{path_of(RESOURCES[kind])}?labelSelector={label}%3D{value}")
            await self._delete(kind, found["items"])
        for name in names:
            found = await self._api.list(f"/api/v1/pods?fieldSelector=spec.nodeName%3D{name}")
            await self._delete("pods", found["items"])
        await self._delete("nodes", nodes["items"])

    async def _delete(self, kind: str, found: list[dict[str, Any]]) -> None:
        options = {"gracePeriodSeconds": 0, "propagationPolicy": "Background"}
        for one in found:
            meta = one["metadata"]
            await self._api("DELETE", path_of(RESOURCES[kind], meta.get("namespace"), meta["name"]), options)


async def serve(
    scenario: Path | str,
    directory: Path,
    kubeconfig: Path,
    ready: Callable[[Endpoints, list[str]], None],
    done: Callable[[list[dict[str, Any]], dict[str, Any]], None],
    *,
    exit_with_stdin: bool = False,
) -> None:
    """Run such a simulator as `eks_simulator.server.serve` does.

    `ready` is also told what of the scenario is left out; `done` the promises and the report, at the end.

    Raises `ScenarioError`: the scenario cannot be used. `KubeconfigError`: no cluster can be worked with by that
    kubeconfig. `NotUpError`: its cluster did not come up.
    """
    chosen = load(scenario)
    async with connected(kubeconfig, NEEDED) as api:
        simulator = RealSimulator(chosen, api)
        await until_stopped(
            simulator,
            directory,
            lambda endpoints: ready(endpoints, simulator.not_judged()),
            exit_with_stdin=exit_with_stdin,
        )
        done(simulator.promises(), simulator.report())
