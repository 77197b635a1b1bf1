"""The life of an instance in its group: Pending → InService → Terminating → gone, each step after a while of its own.

How long each step takes is fixed by the seed, the group and the instance's ordinal in it, so it does not depend on what
else happens. The template version is resolved at launch and stays. The group lists an instance until it is gone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollout.simulator.cloud.model import Instance
from rollout.simulator.seeded import seconds, uid

if TYPE_CHECKING:
    from rollout.simulator.cloud.activities import Activities
    from rollout.simulator.cloud.cloud import Cloud
    from rollout.simulator.cloud.model import Activity, Group, Lifecycle

#: Seconds from launch to InService, and the part of them until EC2 calls the instance running.
IN_SERVICE = (20.0, 60.0)
RUNNING_AFTER = 0.4
#: Seconds from Terminating to the moment at which the group lists the instance no more.
GONE = (60.0, 120.0)
#: Seconds until Auto Scaling notices that EC2 has ended an instance.
NOTICED = (30.0, 90.0)
#: Seconds for which EC2 still describes a terminated instance ("a short while", DescribeInstances).
FORGOTTEN = 3600.0


class Lives:
    """Begins and ends instances; tells the group's reconciler whenever one has arrived or gone."""

    def __init__(self, cloud: Cloud, activities: Activities) -> None:
        self._cloud = cloud
        self._clock = cloud.clock
        self._activities = activities

    def create(self, group: Group, zone: str, version: int) -> Instance:
        """A new instance in the group's list: Pending, from that version of the group's template."""
        group.launches += 1
        template = self._cloud.templates[group.reference.template]
        source = template.version(version)
        instance = Instance(
            id="i-0" + uid(self._cloud.seed, "instance", group.name, group.launches).replace("-", "")[-16:],
            ordinal=group.launches,
            group=group.name,
            region=self._cloud.region,
            zone=zone,
            template=template.id,
            version=version,
            image=source.image,
            type=str(source.data.get("InstanceType", "m5.large")),
            ip=f"10.{group.number}.{group.launches // 250}.{group.launches % 250 + 4}",
            launched=self._clock.now,
            spot=group.spot,
            protected=group.protect_new,
        )
        group.instances[instance.id] = self._cloud.instances[instance.id] = instance
        return instance

    def launch(self, group: Group, zone: str, version: int, cause: str) -> Instance:
        """Begin a life: Pending now, running and InService later."""
        instance = self.create(group, zone, version)
        self._activities.begin(group, "Launching a new", cause, zone, instance.id)
        self._log(instance, "LifecycleState", None, "Pending")
        self._log(instance, "ProtectedFromScaleIn", False, instance.protected)  # noqa: FBT003 - two values of a field
        boot = self._lasts(IN_SERVICE, "in-service", instance)
        self._clock.after(boot * RUNNING_AFTER, lambda: self.run(instance))
        self._clock.after(boot, lambda: self._arrive(instance))
        return instance

    def run(self, instance: Instance) -> None:
        """EC2 starts it, unless it was ended before: the world makes it boot."""
        if instance.state == "pending":
            instance.state = "running"
            for hook in self._cloud.on_launch:
                hook(instance)

    def _arrive(self, instance: Instance) -> None:
        if instance.lifecycle == "Pending" and instance.state == "running":
            self._enter(instance, "InService")
            self._activities.finish(instance)
            self._cloud.scaling.wake(self._cloud.groups[instance.group])

    def terminate(self, instance: Instance, cause: str) -> Activity:
        """End a life. One that is Terminating already only gets another activity."""
        group = self._cloud.groups[instance.group]
        activity = self._activities.begin(group, "Terminating", cause, instance.zone, instance.id)
        if instance.living:
            self._enter(instance, "Terminating")
            self.shut_down(instance, "User initiated")
            self._clock.after(self._lasts(GONE, "gone", instance), lambda: self._leave(instance))
        return activity

    def shut_down(self, instance: Instance, reason: str) -> None:
        """EC2 stops it; harmless on one that is stopping. The world hears of it if it ever ran."""
        if not instance.alive:
            return
        ran, before = instance.state == "running", instance.state
        instance.state, instance.reason = "shutting-down", reason
        self._log(instance, "State", before, "shutting-down")
        if ran:
            for hook in self._cloud.on_terminate:
                hook(instance)

    def end_from_outside(self, instance: Instance, reason: str) -> None:
        """EC2 ends it behind its group's back, which notices after a while and then replaces it."""
        if instance.alive:
            self.shut_down(instance, reason)
            noticed = self._lasts(NOTICED, "noticed", instance)
            self._clock.after(noticed, lambda: self.check_health(self._cloud.groups[instance.group]))

    def check_health(self, group: Group) -> None:
        """Mark what EC2 has ended as Unhealthy, unless the HealthCheck process is suspended."""
        if "HealthCheck" in group.suspended:
            return
        for instance in group.living:
            if instance.healthy and not instance.alive:
                instance.healthy = False
                self._log(instance, "HealthStatus", "Healthy", "Unhealthy")
        self._cloud.scaling.wake(group)

    def _leave(self, instance: Instance) -> None:
        group = self._cloud.groups[instance.group]
        del group.instances[instance.id]
        instance.state = "terminated"
        self._log(instance, "LifecycleState", "Terminating", None)
        self._activities.finish(instance)
        self._clock.after(FORGOTTEN, lambda: self._forget(instance))
        self._cloud.scaling.wake(group)

    def _forget(self, instance: Instance) -> None:
        del self._cloud.instances[instance.id]

    def _enter(self, instance: Instance, lifecycle: Lifecycle) -> None:
        before, instance.lifecycle = instance.lifecycle, lifecycle
        self._log(instance, "LifecycleState", before, lifecycle)

    def _lasts(self, bounds: tuple[float, float], what: str, instance: Instance) -> float:
        return seconds(self._cloud.seed, *bounds, what, instance.group, instance.ordinal)

    def _log(self, instance: Instance, field: str, before: object, after: object) -> None:
        self._cloud.log.applied(f"instance/{instance.id}", field, before, after)
