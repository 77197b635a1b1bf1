"""Events on nodes: one of each name, about a Node and its uid."""

from __future__ import annotations

import pytest

from rollout.adapters import Edge
from rollout.errors import Denied
from rollout.ports import NodeEvent
from tests.adapters.living import Living
from tests.core.build import NOW

EVENT = NodeEvent("r-1.7.i-1", "node-1", "uid-1", "JobsRunning", "waits for " + "pod x, " * 200, NOW)


def test_an_event_is_written_once(edge: Edge, world: Living) -> None:
    """The same again is a success, and changes nothing; a message is as long as the API server takes."""
    edge.node_events.write(EVENT)
    before = world.simulator.world.store.get("events", "default", EVENT.name)
    assert before
    edge.node_events.write(EVENT)
    assert world.simulator.world.store.get("events", "default", EVENT.name) == before
    about = before["involvedObject"]
    assert (about["kind"], about["name"], about["uid"]) == ("Node", "node-1", "uid-1")
    assert (before["type"], before["reason"], before["count"]) == ("Normal", "JobsRunning", 1)
    assert (before["firstTimestamp"], len(before["message"])) == ("2025-06-01T12:00:00Z", 1024)


def test_without_the_right_it_is_denied(edge: Edge, world: Living) -> None:
    """Who tells it warns, and goes on."""
    world.fault({"error": {"status": 403, "code": "Forbidden"}}, operation="POST events")
    with pytest.raises(Denied):
        edge.node_events.write(EVENT)
