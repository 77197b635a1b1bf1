"""What others wrote between our look and our request stays, and what they hold is left alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rollout.adapters import Edge
from rollout.adapters.kube_api import KubeApi
from rollout.errors import Retry, Unknown
from rollout.model.observation import REPLICAS_BEFORE, ROLLOUT_ID, Taint
from rollout.model.plan import Autoscaler
from rollout.ports import NodeChange
from tests.adapters.living import Living

AUTOSCALER = Autoscaler("kube-system", "cluster-autoscaler")
OURS = Taint("eks-rollout/replacing", "r-1", "NoSchedule")
THEIRS = Taint("team/reserved", "", "NoSchedule")


@pytest.fixture
def beside(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], None]:
    """Let somebody do something right after our next look at one object."""

    def arrange(act: Callable[[], None]) -> None:
        look = KubeApi.get

        def then_act(api: KubeApi, path: str) -> Any:
            found = look(api, path)
            monkeypatch.setattr(KubeApi, "get", look)
            act()
            return found

        monkeypatch.setattr(KubeApi, "get", then_act)

    return arrange


def test_a_taint_that_came_in_between_is_not_overwritten(
    edge: Edge, beside: Callable[[Callable[[], None]], None]
) -> None:
    """A node that changed since it was read is not written: a list of taints is written as a whole."""
    cluster = edge.kubernetes
    node = cluster.nodes()[0]
    them = (node.name, node.uid, node.instance_id or "")
    beside(lambda: cluster.change_node(*them, NodeChange(taint=THEIRS)))
    with pytest.raises(Retry):
        cluster.change_node(*them, NodeChange(taint=OURS))
    cluster.change_node(*them, NodeChange(taint=OURS))
    now = next(one for one in cluster.nodes() if one.uid == node.uid)
    assert {THEIRS, OURS} <= {*now.taints}


def test_replicas_that_came_in_between_are_not_overwritten(
    edge: Edge, beside: Callable[[Callable[[], None]], None]
) -> None:
    """An autoscaler that was scaled since it was read is not written: its new size is looked at first."""
    cluster = edge.kubernetes
    beside(lambda: cluster.scale(AUTOSCALER, 5, {}))
    with pytest.raises(Retry):
        cluster.scale(AUTOSCALER, 0, {REPLICAS_BEFORE: "2", ROLLOUT_ID: "r-1"})
    now = cluster.autoscaler(AUTOSCALER)
    assert now is not None
    assert (now.replicas, now.rollout_id) == (5, None)


def test_only_the_processes_that_are_named_are_resumed(edge: Edge) -> None:
    """What somebody else suspended stays suspended."""
    edge.autoscaling.suspend("workers", ["AZRebalance", "Launch"])
    edge.autoscaling.resume("workers", ["AZRebalance"])
    assert edge.autoscaling.groups(["workers"])[0].suspended == {"Launch"}


def test_one_token_makes_one_version(edge: Edge, world: Living) -> None:
    """The same request with the same ClientToken, after a reply that was lost, makes no second version."""
    template_id = edge.autoscaling.groups(["workers"])[0].uses[0].template_id
    request = (template_id, 1, "ami-00000000000000bbb", "made once", "one-token")
    world.fault({"drop": {"when": "after"}}, operation="CreateLaunchTemplateVersion", times=1)
    with pytest.raises(Unknown):
        edge.autoscaling.create_version(*request)
    edge.autoscaling.create_version(*request)
    (template,) = edge.autoscaling.templates([template_id])
    assert [one.description for one in template.versions].count("made once") == 1
