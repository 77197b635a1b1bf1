"""Nothing leaves for AWS or Kubernetes that the run's fence does not let out, not even what the clients send again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from rollout.adapters import Edge, connect
from rollout.adapters.access import simulated_account
from rollout.adapters.aws import AwsAutoScaling
from rollout.adapters.clock import SystemClock
from rollout.errors import Retry, UserError
from rollout.fence import TRUST_SECONDS, Fence
from rollout.model.plan import Autoscaler
from rollout.model.preflight_observation import Right
from tests.adapters.living import RUN, Living, trusting

ROLE = "arn:aws:iam::123456789012:role/redeploy_nodes-demo"
AUTOSCALER = Autoscaler("kube-system", "cluster-autoscaler")

CHANGES = pytest.mark.parametrize(
    "change",
    [
        lambda edge: edge.autoscaling.suspend("workers", ["AZRebalance"]),
        lambda edge: edge.autoscaling.set_default_version(_template(edge), 1),
        lambda edge: edge.kubernetes.delete_job("demo", "long-0", "x"),
        lambda edge: edge.kubernetes.scale(AUTOSCALER, 0, {}),
    ],
    ids=["autoscaling", "ec2", "kubernetes", "kubernetes, read first"],
)
READS = pytest.mark.parametrize(
    ("read", "operation"),
    [
        (lambda edge: edge.autoscaling.groups(["workers"]), "DescribeAutoScalingGroups"),
        (lambda edge: edge.kubernetes.autoscaler(AUTOSCALER), "GET deployments"),
        (lambda edge: edge.probe.allows(Right("get", "nodes")), "POST selfsubjectaccessreviews"),
    ],
    ids=["aws", "kubernetes", "a question"],
)


@dataclass
class Asked:
    """Whether somebody asked us to stop, as a test sets it."""

    to_stop: Callable[[], bool] = lambda: False

    def __call__(self) -> bool:
        return self.to_stop()


@pytest.fixture
def asked() -> Asked:
    return Asked()


@pytest.fixture
def edge(world: Living, asked: Asked) -> Iterator[Edge]:
    with connect(world.config(), RUN, asked) as connected:
        yield connected


def _template(edge: Edge) -> str:
    return edge.autoscaling.groups(["workers"])[0].uses[0].template_id


@CHANGES
def test_nothing_is_changed_before_a_lease_is_held(edge: Edge, world: Living, change: Callable[[Edge], object]) -> None:
    """Certainly not applied: not one mutating request arrives."""
    before = world.arrived()
    with pytest.raises(Retry, match="the lease was not renewed"):
        change(edge)
    assert world.arrived() == before


def test_before_a_lease_is_held_all_can_be_looked_at(edge: Edge) -> None:
    """Reads, questions and tries (DryRun) change nothing: a survey makes them without a lease."""
    edge.probe.try_default(_template(edge), 1)
    assert edge.probe.allows(Right("get", "nodes"))
    assert edge.kubernetes.autoscaler(AUTOSCALER) is not None


@CHANGES
def test_trust_ends_where_the_request_would_leave(edge: Edge, world: Living, change: Callable[[Edge], object]) -> None:
    """By the world's own time: the lease was renewed, and then too much time passed before the request was sent."""
    edge.fence.renewed(edge.fence.clocks())
    world.pass_by(TRUST_SECONDS)
    before = world.arrived()
    with pytest.raises(Retry, match="the lease was not renewed in the last 45 s"):
        change(edge)
    assert world.arrived() == before


@CHANGES
def test_who_is_told_to_stop_changes_nothing_more(
    edge: Edge, world: Living, asked: Asked, change: Callable[[Edge], object]
) -> None:
    """Trust or not: what has not left stays."""
    trusting(edge)
    before = world.arrived()
    asked.to_stop = lambda: True
    with pytest.raises(Retry, match="told to stop"):
        change(edge)
    assert world.arrived() == before


@READS
def test_a_read_is_not_sent_again_once_we_are_told_to_stop(
    edge: Edge, world: Living, asked: Asked, read: Callable[[Edge], object], operation: str
) -> None:
    """The one in hand is finished; the attempts that would follow stay."""
    world.fault({"drop": {"when": "before"}}, operation=operation)
    before = world.arrived(mutating=False)
    asked.to_stop = lambda: world.arrived(mutating=False) > before
    with pytest.raises(Retry, match="told to stop"):
        read(edge)
    assert world.arrived(mutating=False) == before + 1


def test_the_watches_are_not_waited_for_once_we_are_told_to_stop(edge: Edge, asked: Asked) -> None:
    """Where they are behind, a read of them would wait for seconds."""
    asked.to_stop = lambda: True
    with pytest.raises(Retry, match="told to stop"):
        edge.kubernetes.nodes()


def test_credentials_are_not_asked_for_once_we_are_told_to_stop(world: Living, asked: Asked) -> None:
    """Neither by the identity that we assume nor for it: they are asked for in the middle of a call."""
    account = simulated_account("eu-west-1", RUN, world.endpoints.aws, Fence(tuple, asked))
    autoscaling = AwsAutoScaling(account.assume(ROLE), lambda: datetime.now(UTC))
    asked.to_stop = lambda: True
    before = world.arrived(mutating=False)
    for call in (autoscaling.groups, lambda names: autoscaling.suspend(names[0], ["AZRebalance"])):
        with pytest.raises(Retry, match="told to stop"):
            call(["workers"])
    assert world.arrived(mutating=False) == before


def test_who_is_told_to_stop_does_not_even_connect(world: Living) -> None:
    """Exit 75: nothing was begun."""
    with pytest.raises(UserError, match="told to stop") as stopped:
        connect(world.config(), RUN, lambda: True)
    assert stopped.value.exit_code == 75


def test_trust_goes_by_uptime_and_by_the_wall_clock_as_it_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that slept and a clock that was set forward both end it, even if the run's own time says otherwise."""
    clock = SystemClock()
    before = clock.readings()
    monkeypatch.setattr("time.time", lambda: before[1] + 3600)
    uptime, wall = clock.readings()
    assert 0 <= uptime - before[0] < 60
    assert wall == before[1] + 3600
    clock.close()
