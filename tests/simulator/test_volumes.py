"""Volumes of the simulated world: what is attached where, and for how long."""

from __future__ import annotations

from typing import Any

from eks_simulator.world.scheduler import ZONE
from eks_simulator.world.world import World
from tests.simulator.worlds import node_names, passes, phases, pods_of, world


def instance_on(one: World, node: str) -> str:
    """The instance that runs as this node."""
    return next(instance for instance, name in one.nodes.node_of.items() if name == node)


def attached(one: World) -> dict[str, str]:
    """By volume, the node to which it is attached."""
    found = [each for each in one.store.list("volumeattachments") if each["status"]["attached"]]
    return {each["spec"]["source"]["persistentVolumeName"]: each["spec"]["nodeName"] for each in found}


def database(zones: tuple[str, ...] = ("eu-west-1a",), **over: Any) -> World:
    """One replica with a volume that stays attached for two minutes after its pod."""
    workload = {"name": "db", "replicas": 1, "startup": "5s", "stop": "5s", "volume": "2m"}
    group = {"name": "g", "template": "lt", "min": 1, "desired": 2, "max": 4, "slots": 2, "zones": list(zones)}
    return world(workloads={"statefulsets": [workload]}, groups=[group], **over)


def test_a_volume_outlives_its_pod_and_keeps_the_next_one_waiting() -> None:
    """It is attached to one node at a time; it is detached a while after its pod is gone."""
    one = database()
    (pod,) = pods_of(one, "db")
    (volume,) = attached(one)
    assert attached(one)[volume] == pod["spec"]["nodeName"]
    first, other = pod["spec"]["nodeName"], next(name for name in node_names(one) if name != pod["spec"]["nodeName"])
    with one.log.acting("world", "cordon", 0):
        one.store.mutate("nodes", None, first, lambda node: node["spec"].update(unschedulable=True))
        one.store.delete("pods", "default", "db-0")
    passes(one, 60)
    assert [(pod["spec"]["nodeName"], pod["status"]["phase"]) for pod in pods_of(one, "db")] == [(other, "Pending")]
    assert attached(one) == {volume: first}
    passes(one, 90)
    assert attached(one) == {volume: other}
    assert phases(one, "db") == ["Running"]


def test_a_volume_of_a_dead_node_is_detached_by_force() -> None:
    """Nobody unmounts it there: six minutes after the node is gone."""
    one = database()
    (pod,) = pods_of(one, "db")
    with one.log.acting("world", "vanish", 0):
        one.cloud.terminate_from_outside(instance_on(one, pod["spec"]["nodeName"]))
    passes(one, 400)
    assert set(attached(one).values()) == {pod["spec"]["nodeName"]}
    passes(one, 400)
    assert pod["spec"]["nodeName"] not in attached(one).values()
    assert phases(one, "db") == ["Running"]


def test_a_volume_may_stay_for_ever() -> None:
    """It stays attached until `mend`."""
    one = database(world_faults=[{"kind": "stuck_volume", "pod": "default/db-0"}])
    before = attached(one)
    one.store.delete("pods", "default", "db-0")
    (node_name,) = before.values()
    one.store.mutate("nodes", None, node_name, lambda node: node["spec"].update(unschedulable=True))
    passes(one, 3600)
    assert attached(one) == before
    one.mend("stuck_volume", None)
    passes(one, 60)
    assert attached(one) != before


def test_a_volume_stays_in_its_zone() -> None:
    """A pod whose volume is in another zone waits, however much room there is."""
    one = database(zones=("eu-west-1a", "eu-west-1b"))
    (pod,) = pods_of(one, "db")
    zones = {node["metadata"]["name"]: node["metadata"]["labels"][ZONE] for node in one.store.list("nodes")}
    home = zones[pod["spec"]["nodeName"]]
    with one.log.acting("world", "cordon", 0):
        for name in [name for name, zone in zones.items() if zone == home]:
            one.store.mutate("nodes", None, name, lambda node: node["spec"].update(unschedulable=True))
        one.store.delete("pods", "default", "db-0")
    assert set(zones.values()) > {home}
    passes(one, 300)
    assert [pod["spec"].get("nodeName") for pod in pods_of(one, "db")] == [None]
