"""The simulator as a process: one world behind three listeners on loopback, until somebody ends it.

Everything happens on one event loop, and every change of the world is a synchronous function on it: there is nothing to
lock. When `serve` returns, the listeners are closed and `endpoints.json` is gone; what the tool left in the
directory stays.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import asynccontextmanager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from eks_simulator import handout
from eks_simulator.aws.app import aws_app, load_models
from eks_simulator.aws.sts import Roles
from eks_simulator.cloud.errors import AwsError
from eks_simulator.cloud.past import Past
from eks_simulator.control import Control
from eks_simulator.face import shown
from eks_simulator.faults import Faults
from eks_simulator.handout import Endpoints
from eks_simulator.judging import promises
from eks_simulator.kube import app as kube
from eks_simulator.kube.auth import Authentication
from eks_simulator.kube.errors import ApiError
from eks_simulator.kube.watch import Watches
from eks_simulator.listener import listening
from eks_simulator.requests import Costs, Requests
from eks_simulator.scenario import load
from eks_simulator.sessions import Sessions
from eks_simulator.world.state import state
from eks_simulator.world.world import build

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping
    from pathlib import Path

    from aiohttp import web
    from aiohttp.typedefs import Middleware

    from eks_simulator.faults import Fault
    from eks_simulator.requests import Describe, RenderError
    from eks_simulator.scenario import Scenario
    from eks_simulator.world.world import World

LEASE_LIFE = 40.0  # seconds after which a node's lease is old (kube-controller-manager, --node-monitor-grace-period)

__all__ = ["Endpoints", "Simulator", "serve", "warm_up"]


def warm_up() -> None:
    """Load what all simulators of a process share: a process that forks them does so first, and once."""
    load_models()


class Simulator:
    """A scenario's world with all that stands between it and its clients."""

    def __init__(self, scenario: Scenario, pace: float | None = None) -> None:
        self.scenario = scenario
        self.stopping = asyncio.Event()
        self.world = self._make_world(scenario)
        self.faults = Faults(lambda: self.world.clock.now - self.world.scenario.start)
        self.past = Past(self.world.cloud, self.world.log)
        self.sessions = self._make_sessions(pace)
        costs = Costs(scenario.seed, *self.world.scenario.request_seconds)
        self.requests = Requests(self.world.log, self.sessions, self.faults, costs)
        self._roles = Roles(scenario.account, scenario.seed, secrets=handout.KEYS)
        self._authentication = Authentication(scenario.cluster, handout.TOKEN, self._roles.secret_of)
        self.watches = Watches(self.world.store, self.sessions.on_event)
        for fault in scenario.request_faults:
            self.add_fault(fault)

    def _make_world(self, scenario: Scenario) -> World:
        return build(scenario)

    def _make_sessions(self, pace: float | None) -> Sessions:
        return Sessions(self.world.clock, pace)

    @asynccontextmanager
    async def running(self, directory: Path) -> AsyncIterator[Endpoints]:
        """Listen inside the block, with the files in `directory` that say where."""
        face = _place_of_the_clock(directory)
        control = Control(
            self.world.clock,
            self.world.log,
            self.sessions,
            self.faults,
            self.requests,
            self.watches,
            self,
            self.stopping,
            face,
        )
        cloud = self.world.cloud
        async with (
            listening(aws_app(cloud, self._before_aws, self._roles, self.past.seen)) as aws,
            listening(self._kube()) as kubernetes,
            listening(control.app()) as controls,
        ):
            cloud.clusters[self.scenario.cluster].endpoint = kubernetes
            endpoints = self._endpoints(aws, kubernetes, controls, directory)
            files = handout.handed_out(self.scenario, endpoints)
            with handout.claimed(directory), shown(self.world.clock, face), files:
                yield endpoints

    def _endpoints(self, aws: str, kubernetes: str, controls: str, directory: Path) -> Endpoints:
        return Endpoints(aws, kubernetes, controls, directory, self.scenario.region, self.scenario.target_ami)

    def _before_aws(self, describe: Describe, render_error: RenderError) -> Middleware:
        """Return what happens to the requests to AWS."""
        return self.requests.middleware(describe, render_error)

    def _kube(self) -> web.Application:
        return kube.kube_app(
            self.world.store,
            self.watches,
            [
                self.requests.while_away(kube.is_watch, kube.render_error),
                self.requests.middleware(kube.describe, kube.render_error),
            ],
            accepts=self._accepts,
            allows=self._allows,
            definitions=self.scenario.definitions,
        )

    def _allows(self, attributes: Mapping[str, Any]) -> bool:
        """What access reviews are answered; a request without a review before it is allowed."""
        resource = "/".join(filter(None, (attributes.get("resource"), attributes.get("subresource"))))
        return f"{attributes.get('verb')} {resource or attributes.get('path')}" not in self.scenario.denied

    def _accepts(self, authorization: str | None) -> bool:
        """A wrong token is refused. None is not: kubectl sends no token where there is no TLS."""
        return authorization is None or self._authentication.accepts(authorization)

    def do(self, action: Mapping[str, Any]) -> None:
        """Apply a world action now; `ValueError` says what is wrong with it."""
        try:
            self.world.do(action)
        except (ApiError, AwsError) as refused:
            raise ValueError(str(refused)) from refused

    def add_fault(self, fault: Fault) -> int:
        """Put a request fault in force; returns its id."""
        if fault.stale:
            self.past.keep(fault.stale.seconds)
        number = self.faults.add(fault)
        if fault.outage:
            self._goes_away(fault, fault.outage)
        return number

    def _goes_away(self, fault: Fault, lasts: float) -> None:
        """Cut every watch when the API server goes; long enough, and nodes' leases are old when it comes back."""
        clock = self.world.clock
        begins = clock.now if fault.since is None else self.world.scenario.start + fault.since
        clock.at(begins, self.watches.end_all)
        if lasts >= LEASE_LIFE:
            clock.at(begins + lasts, self.world.comes_back)

    def promises(self) -> list[dict[str, Any]]:
        """Return each promise with the checks made and what violated it."""
        return [promise.as_json() for promise in promises.check(self.world)]

    def report(self) -> dict[str, Any]:
        """Return what has come of nodes, Jobs, template versions and baseline so far."""
        return promises.report(self.world)

    def state(self) -> dict[str, Any]:
        """Return what there is now, in the account and on the cluster."""
        return state(self.world)

    def judge_again(self) -> None:
        """Judge the promises from now on, of the rollout that comes next."""
        self.world.judge_again()


async def serve(
    scenario: Path | str,
    directory: Path,
    ready: Callable[[Endpoints], None],
    pace: float | None = None,
    *,
    exit_with_stdin: bool = False,
) -> None:
    """Run a simulator until SIGTERM, SIGINT, SIGHUP or `POST /shutdown`.

    `scenario` is the name of a shipped scenario or a file; `ready` is called once all listeners answer and all
    files lie in `directory`. `pace` is how many virtual seconds may pass per real second at most. With
    `exit_with_stdin` the simulator also ends when its standard input, which must be a pipe, is closed: a test that
    started it may die in any way and leaves no simulator behind.

    Raises `ScenarioError`: the scenario cannot be used.
    """
    await until_stopped(Simulator(load(scenario), pace), directory, ready, exit_with_stdin=exit_with_stdin)


async def until_stopped(
    simulator: Simulator, directory: Path, ready: Callable[[Endpoints], None], *, exit_with_stdin: bool
) -> None:
    """Run this simulator as `serve` does."""
    stopping = simulator.stopping
    watching = _ended_by_stdin(stopping) if exit_with_stdin else nullcontext()
    with _ended_by_signals(stopping):
        async with watching, simulator.running(directory) as endpoints:
            if not stopping.is_set():
                ready(endpoints)
            await stopping.wait()


def _place_of_the_clock(directory: Path) -> Path:
    """Return the file in the directory that shows the time."""
    return directory.absolute() / "clock"


@contextmanager
def _ended_by_signals(stopping: asyncio.Event) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    # nohup wants the hang-up of its terminal to be ignored.
    numbers = [
        signal.SIGTERM,
        signal.SIGINT,
        *([signal.SIGHUP] if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN else []),
    ]
    for number in numbers:
        loop.add_signal_handler(number, stopping.set)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


class _UntilClosed(asyncio.Protocol):
    def __init__(self, stopping: asyncio.Event) -> None:
        self._stopping = stopping

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._stopping.set()


@asynccontextmanager
async def _ended_by_stdin(stopping: asyncio.Event) -> AsyncIterator[None]:
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: _UntilClosed(stopping), sys.stdin)
    try:
        yield
    finally:
        transport.close()
