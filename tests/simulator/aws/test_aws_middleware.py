"""What the AWS endpoint tells the middleware of each request, and the errors that it words for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from botocore.exceptions import ClientError

from eks_simulator.faults import RequestInfo

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp.typedefs import Handler, Middleware

    from eks_simulator.aws.app import Describe, RenderError
    from tests.simulator.aws.conftest import Account, Served


class Throttle:
    """Notes every request and refuses those of one service."""

    def __init__(self, service: str = "") -> None:
        self.service = service
        self.seen: list[RequestInfo | None] = []

    def __call__(self, describe: Describe, render_error: RenderError) -> Middleware:
        @web.middleware
        async def handle(request: web.Request, handler: Handler) -> web.StreamResponse:
            info = describe(request)
            self.seen.append(info)
            if info and info.service == self.service:
                return render_error(info, 400, "Throttling", "Rate exceeded")
            return await handler(request)

        return handle


@pytest.fixture
def throttle(account: Account) -> Throttle:
    account.middleware = throttle = Throttle()
    return throttle


INFOS: list[tuple[Callable[[Served], Any], RequestInfo]] = [
    (
        lambda served: served.client("autoscaling").suspend_processes(AutoScalingGroupName="workers"),
        RequestInfo("autoscaling", "SuspendProcesses", mutating=True, target="workers"),
    ),
    (
        lambda served: served.client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=["workers"]),
        RequestInfo("autoscaling", "DescribeAutoScalingGroups", mutating=False, target="workers"),
    ),
    (
        lambda served: served.client("ec2").modify_launch_template(LaunchTemplateName="worker", DefaultVersion="1"),
        RequestInfo("ec2", "ModifyLaunchTemplate", mutating=True, target="worker"),
    ),
    (
        lambda served: served.client("sts").get_caller_identity(),
        RequestInfo("sts", "GetCallerIdentity", mutating=False, target=""),
    ),
    (
        lambda served: served.client("eks").describe_cluster(name="demo"),
        RequestInfo("eks", "DescribeCluster", mutating=False, target="demo"),
    ),
]


@pytest.mark.parametrize(("ask", "info"), INFOS, ids=[info.operation for _, info in INFOS])
def test_request_is_described_in_its_apis_words(
    throttle: Throttle, served: Served, ask: Callable[[Served], Any], info: RequestInfo
) -> None:
    """Service, operation, target and whether it changes anything are told before it is carried out."""
    ask(served)
    assert throttle.seen == [info]


def test_what_is_only_tried_out_is_told_apart(throttle: Throttle, served: Served) -> None:
    """A DryRun changes nothing, and a fault that is meant for the change does not strike it."""
    with pytest.raises(ClientError, match="DryRunOperation"):
        served.client("ec2").modify_launch_template(LaunchTemplateName="worker", DefaultVersion="1", DryRun=True)
    assert throttle.seen == [RequestInfo("ec2", "ModifyLaunchTemplate DryRun", mutating=False, target="worker")]


def test_what_is_not_simulated_is_not_described(throttle: Throttle, served: Served) -> None:
    """A request that is refused anyway costs nothing and meets no fault."""
    with pytest.raises(ClientError, match="does not know"):
        served.client("ec2").describe_vpcs()
    assert throttle.seen == [None]


@pytest.mark.parametrize("position", range(len(INFOS)), ids=[info.service for _, info in INFOS])
def test_injected_error_is_worded_as_by_its_service(throttle: Throttle, served: Served, position: int) -> None:
    """The error that a fault asks for reaches the client with its code, in the service's own form."""
    ask, info = INFOS[position]
    throttle.service = info.service
    with pytest.raises(ClientError) as refused:
        ask(served)
    assert refused.value.response["Error"] == {"Code": "Throttling", "Message": "Rate exceeded"} | (
        {"Type": "Sender"} if info.service in {"autoscaling", "sts"} else {}
    )
