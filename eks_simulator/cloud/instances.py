"""The life of an instance in its group: Pending → InService → Terminating → gone, each step after a while of its own.

How long each step takes is fixed by the seed, the group and the instance's ordinal in it, so it does not depend on what
else happens. The template version is resolved at launch and stays. The group lists an instance until it is gone. Hooks
hold it on its way in and out; Standby takes it out of service for a while (Amazon EC2 Auto Scaling user guide,
"Instance lifecycle" and "Temporarily remove instances").
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eks_simulator.cloud import activities as words
from eks_simulator.cloud.hooks import Hooks
from eks_simulator.cloud.model import Instance
from eks_simulator.seeded import seconds, uid

if TYPE_CHECKING:
    from collections.abc import Callable

    from eks_simulator.cloud.account import Account
    from eks_simulator.cloud.model import Activity, Group, Lifecycle, Result
    from eks_simulator.cloud.recipe import Recipe

#: The part of the time from launch to InService until EC2 calls the instance running.
RUNNING_AFTER = 0.4
#: Seconds until Auto Scaling notices that EC2 has ended an instance.
NOTICED = (30.0, 90.0)
#: Seconds for which EC2 still describes a terminated instance ("a short while", DescribeInstances).
FORGOTTEN = 3600.0
#: Seconds from Pending:Proceed, and out of Standby, to InService; and from EnteringStandby to Standby.
PROCEEDS = (1.0, 5.0)


class Lives:
    """Begins and ends instances; tells the group's reconciler whenever one has arrived or gone."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._clock = account.clock
        self._activities = account.activities
        self.hooks = Hooks(account)

    def create(self, group: Group, zone: str, recipe: Recipe) -> Instance:
        """Return a new instance in the group's list: Pending."""
        group.launches += 1
        instance = Instance(
            id="i-0" + uid(self._account.seed, "instance", group.name, group.launches).replace("-", "")[-16:],
            ordinal=group.launches,
            group=group.name,
            region=self._account.region,
            zone=zone,
            template=recipe.template,
            version=recipe.version,
            image=recipe.image,
            type=recipe.type,
            ip=f"10.{group.number}.{group.launches // 250}.{group.launches % 250 + 4}",
            launched=self._clock.now,
            weight=recipe.weight,
            spot=recipe.spot,
            protected=group.protect_new,
        )
        group.instances[instance.id] = self._account.instances[instance.id] = instance
        return instance

    def launch(self, group: Group, zone: str, recipe: Recipe, cause: str) -> Instance:
        """Begin a life: Pending now, running and InService later."""
        instance = self.create(group, zone, recipe)
        self._activities.begin(group, "Launching a new", cause, zone, instance.id)
        self._log(instance, "LifecycleState", None, "Pending")
        self._log(instance, "ProtectedFromScaleIn", False, instance.protected)  # noqa: FBT003 - two values of a field
        boot = self._lasts(group.in_service, "in-service", instance)
        self._clock.after(boot * RUNNING_AFTER, lambda: self.run(instance))
        self._clock.after(boot, lambda: self._arrive(instance))
        return instance

    def run(self, instance: Instance) -> None:
        """EC2 starts it, unless it was ended before: the world makes it boot."""
        if instance.state == "pending":
            instance.state = "running"
            for hook in self._account.on_launch:
                hook(instance)

    def _arrive(self, instance: Instance) -> None:
        if instance.lifecycle != "Pending" or instance.state != "running":
            return
        if self.hooks.begin(instance, "launching", self._hooks_launched):
            self._enter(instance, "Pending:Wait")
        else:
            self._serve(instance)

    def _hooks_launched(self, instance: Instance, result: Result) -> None:
        if result == "ABANDON":
            self.terminate(instance, words.abandoned(self._clock.now))
            self._account.looks.wake(self._account.groups[instance.group])
        else:
            self._enter(instance, "Pending:Proceed")
            self._soon(instance, "Pending:Proceed", lambda: self._serve(instance))

    def _serve(self, instance: Instance) -> None:
        self._enter(instance, "InService")
        self._activities.finish(instance)
        self._account.looks.wake(self._account.groups[instance.group])

    def _soon(self, instance: Instance, state: Lifecycle, happen: Callable[[], None]) -> None:
        """Let it happen in a few seconds, if the instance is still in that state."""

        def unless_left() -> None:
            if instance.lifecycle == state:
                happen()

        self._clock.after(self._lasts(PROCEEDS, state, instance), unless_left)

    def stand_by(self, instance: Instance) -> None:
        """Take it out of service; it runs on, and its group counts it no more."""
        self._enter(instance, "EnteringStandby")
        self._soon(instance, "EnteringStandby", lambda: self._enter(instance, "Standby"))

    def return_to_service(self, instance: Instance) -> None:
        """Bring it back from Standby, where nobody looked at its health."""

        def serve() -> None:
            self._serve(instance)
            self.check_health(self._account.groups[instance.group])

        self._enter(instance, "Pending")
        self._soon(instance, "Pending", serve)

    def terminate(self, instance: Instance, cause: str) -> Activity:
        """End a life. One that is leaving already only gets another activity."""
        group = self._account.groups[instance.group]
        activity = self._activities.begin(group, "Terminating", cause, instance.zone, instance.id)
        if not instance.leaving:
            self.hooks.forget(instance)
            self._enter(instance, "Terminating")
            if self.hooks.begin(instance, "terminating", self._hooks_terminated):
                self._enter(instance, "Terminating:Wait")
            else:
                self._end(instance)
        return activity

    def _hooks_terminated(self, instance: Instance, _result: Result) -> None:
        self._enter(instance, "Terminating:Proceed")
        self._end(instance)

    def _end(self, instance: Instance) -> None:
        self.shut_down(instance, "User initiated")
        takes = self._account.groups[instance.group].gone
        self._clock.after(self._lasts(takes, "gone", instance), lambda: self._leave(instance))

    def shut_down(self, instance: Instance, reason: str) -> None:
        """EC2 stops it; harmless on one that is stopping. The world hears of it if it ever ran."""
        if not instance.alive:
            return
        ran, before = instance.state == "running", instance.state
        instance.state, instance.reason = "shutting-down", reason
        self._log(instance, "State", before, "shutting-down")
        if ran:
            for hook in self._account.on_terminate:
                hook(instance)

    def end_from_outside(self, instance: Instance, reason: str) -> None:
        """EC2 ends it behind its group's back, which notices after a while and then replaces it."""
        if instance.alive:
            self.shut_down(instance, reason)
            noticed = self._lasts(NOTICED, "noticed", instance)
            self._clock.after(noticed, lambda: self.check_health(self._account.groups[instance.group]))

    def check_health(self, group: Group) -> None:
        """Mark what EC2 has ended as Unhealthy, unless the HealthCheck process is suspended."""
        if "HealthCheck" in group.suspended:
            return
        for instance in group.living:
            if instance.healthy and not instance.alive:
                instance.healthy = False
                self._log(instance, "HealthStatus", "Healthy", "Unhealthy")
        self._account.looks.wake(group)

    def _leave(self, instance: Instance) -> None:
        group = self._account.groups[instance.group]
        del group.instances[instance.id]
        instance.state = "terminated"
        self._log(instance, "LifecycleState", instance.lifecycle, None)
        self._activities.finish(instance)
        self._clock.after(FORGOTTEN, lambda: self._forget(instance))
        self._account.looks.wake(group)

    def _forget(self, instance: Instance) -> None:
        del self._account.instances[instance.id]

    def _enter(self, instance: Instance, lifecycle: Lifecycle) -> None:
        before, instance.lifecycle = instance.lifecycle, lifecycle
        self._log(instance, "LifecycleState", before, lifecycle)

    def _lasts(self, bounds: tuple[float, float], what: str, instance: Instance) -> float:
        return seconds(self._account.seed, *bounds, what, instance.group, instance.ordinal)

    def _log(self, instance: Instance, field: str, before: object, after: object) -> None:
        self._account.log.applied(f"instance/{instance.id}", field, before, after)
