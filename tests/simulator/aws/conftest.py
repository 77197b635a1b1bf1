"""A small simulated account behind a real loopback port, and boto3 clients that talk to it.

The endpoint runs in a thread; a test moves the virtual clock itself, between calls.
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from aiohttp import web
from botocore.config import Config

from eks_simulator.aws.app import aws_app
from eks_simulator.aws.sts import Roles
from eks_simulator.clock import VirtualClock
from eks_simulator.cloud.cloud import Cloud
from eks_simulator.cloud.model import Cluster, Group, Image, Reference, Snapshot, Template, TemplateVersion
from eks_simulator.log import ChangeLog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aiohttp.typedefs import Middleware

    from eks_simulator.aws.app import Describe, RenderError

    MakeMiddleware = Callable[[Describe, RenderError], Middleware]

START = 1767600000.0  # 2026-01-05T08:00:00Z
OLD, NEW = "ami-00000000000000001", "ami-00000000000000002"

SESSION = boto3.Session()  # keeps the service models, which take long to load


class Account:
    """One cloud with a clock and a log: group ``workers`` of ``size``, on template ``worker`` at version 1."""

    def __init__(self, *, size: int = 2, zones: tuple[str, ...] = ("eu-west-1a", "eu-west-1b"), **options: Any) -> None:
        self.clock = VirtualClock(START)
        self.log = ChangeLog(self.clock)
        self.cloud = Cloud(self.clock, self.log, seed=7, **options)
        self.wall = START
        self.middleware: MakeMiddleware | None = None
        self.roles = Roles(self.cloud.account, 7, lambda: self.wall)
        for image in (OLD, NEW):
            self.cloud.add_image(Image(image, f"worker-{image[-1]}", START, snapshot=f"snap-{image[4:]}"))
            self.cloud.add_snapshot(Snapshot(f"snap-{image[4:]}", START))
        data = {"ImageId": OLD, "InstanceType": "m5.large", "KeyName": "ops"}
        self.template = self.cloud.add_template(Template("worker", [TemplateVersion(data)], created=START))
        reference = Reference("worker", "$Latest")
        self.group = self.cloud.add_group(Group("workers", reference, 0, size, 10, zones, created=START))
        self.cloud.add_cluster(Cluster("demo", endpoint="http://127.0.0.1:1", created=START))

    def run(self, seconds: float) -> None:
        """Let virtual time pass."""
        self.clock.run_until(self.clock.now + seconds)

    def fields(self, thing: str) -> list[tuple[str, Any, Any]]:
        """What was changed on a thing, in order."""
        return [(one.field, one.before, one.after) for one in self.log.changes if one.object == thing]

    def lifecycles(self) -> list[str]:
        """The lifecycle of each instance that the group lists, in order of launch."""
        return [instance.lifecycle for instance in self.group.instances.values()]


class Served:
    """An account and its address."""

    def __init__(self, account: Account, url: str) -> None:
        self.account = account
        self.url = url

    def client(self, service: str, key: str = "AKIDEXAMPLE") -> Any:
        """A boto3 client that sends each request once."""
        return SESSION.client(
            service,
            endpoint_url=self.url,
            region_name="eu-west-1",
            aws_access_key_id=key,
            aws_secret_access_key="not-secret",  # noqa: S106 - nothing verifies it
            config=Config(retries={"total_max_attempts": 1}),
        )


@pytest.fixture(scope="session")
def make() -> type[Account]:
    """For tests that need an account of another kind."""
    return Account


@pytest.fixture
def account() -> Account:
    """An account without a network: two instances in two zones."""
    return Account()


@pytest.fixture
def served(account: Account) -> Iterator[Served]:
    """The same account on a loopback port."""
    started: list[str] = []
    ready, loop = threading.Event(), asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve() -> None:
        runner = web.AppRunner(aws_app(account.cloud, account.middleware, account.roles))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        started.append(f"http://127.0.0.1:{runner.addresses[0][1]}")
        ready.set()
        await stop.wait()
        await runner.cleanup()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    ready.wait(60)
    yield Served(account, started[0])
    loop.call_soon_threadsafe(stop.set)
    thread.join(60)
    loop.close()
