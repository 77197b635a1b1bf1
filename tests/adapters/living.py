"""A simulator inside the test's own process, and an edge that is connected to it."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from eks_simulator import faults, scenario
from eks_simulator.handout import Endpoints
from eks_simulator.server import Simulator
from rollout.adapters import Edge
from rollout.config import Config, load
from rollout.fence import Fence

T = TypeVar("T")

RUN = "0123456789ab"
SCENARIO = Path(__file__).with_name("world.yaml")


def trusting(edge: Edge) -> Edge:
    """An edge whose lease is trusted for ever."""
    edge.fence.renewed(tuple(math.inf for _ in edge.fence.clocks()))
    return edge


def open_fence() -> Fence:
    """A fence without clocks: no trust ends by one."""
    fence = Fence(lambda: ())
    fence.renewed(())
    return fence


class Living:
    """A running simulator; what a test does to it is done on its own event loop."""

    def __init__(self, simulator: Simulator, endpoints: Endpoints, loop: asyncio.AbstractEventLoop) -> None:
        self.simulator = simulator
        self.endpoints = endpoints
        self._loop = loop

    def do(self, work: Callable[[], T]) -> T:
        """Run something on the simulator's loop."""

        async def run() -> T:
            return work()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(10)

    def fault(self, action: dict[str, Any], **match: Any) -> None:
        """Let a request fault strike from now on."""
        self.do(lambda: self.simulator.faults.add(faults.parse({"match": match} | action)))

    def mend(self) -> None:
        """Forget all request faults."""
        self.do(self.simulator.faults.clear)

    def pass_by(self, seconds: float) -> None:
        """Let virtual time pass, whether clients sleep or not."""
        self.do(lambda: self.simulator.sessions.spend(seconds))

    def arrived(self, *, mutating: bool = True) -> int:
        """How many requests of the edge have arrived."""
        tally = self.simulator.requests.tallies.get(RUN)
        return 0 if tally is None else tally.writes if mutating else tally.reads

    def config(self, **changes: Any) -> Config:
        """The configuration that the simulator hands out, with other values here and there."""
        handed = load(self.endpoints.configuration)
        access = handed.access.model_copy(update=changes.pop("access", {}))
        return handed.model_copy(update={"access": access, **changes})


@contextmanager
def living(directory: Path, chosen: Path | str = SCENARIO) -> Iterator[Living]:
    """Run a simulator inside the block."""
    started: list[Living] = []
    up = threading.Event()

    async def run() -> None:
        simulator = Simulator(scenario.load(chosen))
        async with simulator.running(directory) as endpoints:
            started.append(Living(simulator, endpoints, asyncio.get_running_loop()))
            up.set()
            await simulator.stopping.wait()

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    assert up.wait(60)
    try:
        yield started[0]
    finally:
        started[0].do(started[0].simulator.stopping.set)
        thread.join(60)
