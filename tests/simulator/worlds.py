"""Small worlds for the tests, and a client that changes them by hand as the tool would."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from typing import Any

from eks_simulator import scenario
from eks_simulator.cloud.model import Group, Instance
from eks_simulator.judging import promises
from eks_simulator.scenario import Scenario
from eks_simulator.world.world import World, build

OLD, NEW = "ami-00000000000000aaa", "ami-00000000000000bbb"
TAINT = "eks-rollout/replacing"


def small(**over: Any) -> Scenario:
    """One group of two nodes with two slots each, nothing on it; ``over`` replaces keys of the scenario."""
    raw: dict[str, Any] = {
        "name": "small",
        "cluster": "c",
        "target_ami": NEW,
        "images": [{"id": OLD, "name": "old"}, {"id": NEW, "name": "new"}],
        "templates": [{"name": "lt", "versions": [{"image": OLD}]}],
        "groups": [{"name": "g", "template": "lt", "min": 1, "desired": 2, "max": 4, "slots": 2}],
    }
    return Scenario.model_validate(raw | over)


def world(**over: Any) -> World:
    """The world of a `small` scenario at its start."""
    return build(small(**over))


def shipped(name: str) -> World:
    """The world of a scenario that comes with the package, at its start."""
    return build(scenario.load(name))


def passes(world: World, seconds: float) -> None:
    """Let virtual time pass."""
    world.clock.run_until(world.clock.now + seconds)


def node_names(world: World) -> list[str]:
    """The nodes by name."""
    return [node["metadata"]["name"] for node in world.store.list("nodes")]


def pods_of(world: World, prefix: str) -> list[dict[str, Any]]:
    """The pods whose name begins so."""
    return [pod for pod in world.store.list("pods") if pod["metadata"]["name"].startswith(prefix)]


def phases(world: World, prefix: str) -> list[str]:
    """The phases of these pods, sorted."""
    return sorted(pod["status"]["phase"] for pod in pods_of(world, prefix))


def condition(node: dict[str, Any]) -> str:
    """The status of the node's Ready condition."""
    return next(str(one["status"]) for one in node["status"]["conditions"] if one["type"] == "Ready")


def violations(world: World) -> dict[int, list[str]]:
    """The promises that are not kept, with what broke them."""
    found = (promise.as_json() for promise in promises.check(world))
    return {one["number"]: one["violations"] for one in found if one["violations"]}


class Client:
    """Works a rollout by hand on the one group ``g``: each act a request of its own, then a few seconds pass."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.store = world.store
        self.cloud = world.cloud
        self.request = 0

    @property
    def group(self) -> Group:
        """The group that it works on."""
        return self.cloud.groups["g"]

    @property
    def template(self) -> str:
        """The id of the group's template."""
        return self.group.reference.template

    def acting(self, verb: str = "PATCH") -> AbstractContextManager[None]:
        """Make what happens inside the block the client's doing."""
        self.request += 1
        return self.world.log.acting("client:test", verb, self.request)

    def old(self) -> list[Instance]:
        """The living instances that were there before."""
        return [one for one in self.group.living if one.image == OLD]

    def new(self) -> list[Instance]:
        """The living instances of the new image."""
        return [one for one in self.group.living if one.image == NEW]

    # The steps, in order.

    def mark(self) -> None:
        """Put the marker."""
        with self.acting():
            self.store.create("configmaps", {"metadata": {"name": "marker", "namespace": "kube-system"}})

    def turn_back(self) -> None:
        """Say in the marker that the rollout was aborted."""
        data = {"record": '{"plan":{"direction":"back"}}'}
        with self.acting():
            self.store.mutate("configmaps", "kube-system", "marker", lambda marker: marker.update(data=data))

    def pause(self, *, stands: bool) -> None:
        """Say in the marker that somebody has paused the rollout, or resumed it."""
        data = {"record": '{"pause":{"by":"alice"}}' if stands else '{"pause":null}'}
        with self.acting():
            self.store.mutate("configmaps", "kube-system", "marker", lambda marker: marker.update(data=data))

    def force(self, instance: Instance, at: str) -> None:
        """Say in the marker that somebody let an instance go at this instant, with its Jobs."""
        data = {"record": json.dumps({"forced": [{"instance_id": instance.id, "at": at, "by": "alice"}]})}
        with self.acting():
            self.store.mutate("configmaps", "kube-system", "marker", lambda marker: marker.update(data=data))

    def publish(self) -> int:
        """Make a version with the new image and have the group launch it."""
        template = self.cloud.templates[self.template]
        source = str(self.cloud.templates.resolve(self.group.reference))
        with self.acting():
            number = self.cloud.templates.create_version(template, {"ImageId": NEW}, source, "rollout", None)
        self.refer(str(number))
        return number

    def refer(self, version: str) -> None:
        """Have the group launch that version."""
        self.update(LaunchTemplate={"LaunchTemplateId": self.template, "Version": version})

    def update(self, **fields: Any) -> None:
        """Change the group."""
        with self.acting("UpdateAutoScalingGroup"):
            self.cloud.update_group("g", **fields)
        passes(self.world, 3)

    def taint(self, instance: Instance, effect: str | None) -> None:
        """Put our taint on the instance's node, or take it off (None)."""

        def change(node: dict[str, Any]) -> None:
            taints = [one for one in node["spec"].get("taints", []) if one["key"] != TAINT]
            node["spec"]["taints"] = [*taints, *([{"key": TAINT, "effect": effect}] if effect else [])]

        with self.acting():
            self.store.mutate("nodes", None, instance.dns, change)
        passes(self.world, 1)

    def cordon(self, instance: Instance) -> None:
        """Make its node unschedulable."""
        with self.acting():
            self.store.mutate("nodes", None, instance.dns, lambda node: node["spec"].update(unschedulable=True))
        passes(self.world, 1)

    def delete_pod(self, pod: dict[str, Any], grace: int | None = None) -> None:
        """Delete the pod, and no other of its name."""
        meta = pod["metadata"]
        with self.acting("DELETE"):
            self.store.delete("pods", meta["namespace"], meta["name"], grace=grace, uid=meta["uid"])
        passes(self.world, 20)

    def terminate(self, instance: Instance, *, floor: bool = True) -> None:
        """End the instance and lower desired, with the floor under it first."""
        if floor:
            self.update(MinSize=self.group.desired - 1)
        with self.acting("TerminateInstanceInAutoScalingGroup"):
            self.cloud.terminate_in_group(instance.id, decrement=True)
        passes(self.world, 300)

    def protect(self, *instances: Instance, on: bool) -> None:
        """Protect instances from scale-in, or no longer."""
        with self.acting("SetInstanceProtection"):
            self.cloud.set_protection("g", [one.id for one in instances], protected=on)

    def surge(self) -> None:
        """Begin: marker, version, soft taints, twice the size; then wait and close the old nodes."""
        self.mark()
        self.publish()
        for instance in self.old():
            self.taint(instance, "PreferNoSchedule")
        self.update(DesiredCapacity=4, NewInstancesProtectedFromScaleIn=True)
        passes(self.world, 300)
        for instance in self.old():
            self.taint(instance, "NoSchedule")

    def drain(self, instance: Instance) -> None:
        """Cordon the node, and delete what may go."""
        self.cordon(instance)
        for pod in self.store.pods_on(instance.dns):
            if not any(one["kind"] in ("DaemonSet", "Node") for one in pod["metadata"].get("ownerReferences", [])):
                self.delete_pod(pod)

    def restore(self, reference: str = "$Latest") -> None:
        """Put everything back."""
        self.update(MinSize=1, NewInstancesProtectedFromScaleIn=False)
        self.refer(reference)
        self.protect(*self.group.living, on=False)
        with self.acting("DELETE"):
            self.store.delete("configmaps", "kube-system", "marker")

    def rollout(self) -> None:
        """All of it."""
        self.surge()
        for instance in self.old():
            self.drain(instance)
            self.terminate(instance)
        self.restore()
