"""The Auto Scaling reconciler: makes each group's living instances as many as desired, over virtual time.

It looks a few seconds after anything has changed, never at once, so several changes may be met by one look. What it may
do is bounded by the group's suspended processes; whom it may end, by protection: with all instances protected a lower
desired capacity is only a number, until something is unprotected. Where AWS's behaviour is not documented it does what
hurts most.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollout.simulator.cloud import activities as words
from rollout.simulator.cloud import policy
from rollout.simulator.cloud.errors import AwsError, invalid
from rollout.simulator.seeded import seconds

if TYPE_CHECKING:
    from rollout.simulator.cloud.activities import Activities
    from rollout.simulator.cloud.cloud import Cloud
    from rollout.simulator.cloud.instances import Lives
    from rollout.simulator.cloud.model import Activity, Group, Instance

#: Seconds between a change and the reconciler's look at it.
LOOKS_AFTER = (1.0, 4.0)
#: Seconds between a launch that EC2 refused and the next try.
RETRIES_AFTER = (40.0, 80.0)


class AutoScaling:
    """The reconciler of all groups."""

    def __init__(self, cloud: Cloud, lives: Lives, activities: Activities) -> None:
        self._cloud = cloud
        self._lives = lives
        self._activities = activities

    def wake(self, group: Group, within: tuple[float, float] = LOOKS_AFTER) -> None:
        """Have the group looked at soon, once; an earlier booking stands, a later one is moved forward."""
        delay = seconds(self._cloud.seed, *within, "look", group.name, group.rounds)
        if group.booked and group.booked.pending:
            if group.booked.when <= self._cloud.clock.now + delay:
                return
            group.booked.cancel()
        group.booked = self._cloud.clock.after(delay, lambda: self.reconcile(group))

    def reconcile(self, group: Group) -> None:
        """One look: replace what is unhealthy, then launch, terminate or balance."""
        group.rounds += 1
        self._remove_unhealthy(group)
        balancing = group.balancing is not None and group.balancing.lifecycle == "Pending"
        missing = group.desired + balancing - len(group.living)
        if missing > 0:
            self._scale_out(group, missing)
        elif missing < 0:
            self._scale_in(group, -missing)
        else:
            group.why = ""
            if not balancing:
                self._balance(group)

    def _remove_unhealthy(self, group: Group) -> None:
        if group.suspended.keys() & {"ReplaceUnhealthy", "Terminate"}:
            return
        for instance in group.living:
            if not instance.healthy:
                self._lives.terminate(instance, words.unhealthy(self._cloud.clock.now))

    def _scale_out(self, group: Group, missing: int) -> None:
        before = len(group.living)
        cause = group.why + words.increase(self._cloud.clock.now, before, before + missing)
        while missing and self._try_launch(group, policy.zone_for_launch(group), cause):
            missing -= 1

    def _scale_in(self, group: Group, surplus: int) -> None:
        if "Terminate" in group.suspended:
            return
        for _ in range(surplus):
            size, victim = len(group.living), policy.victim(group.living)
            if victim is None:
                return
            self._lives.terminate(victim, group.why + words.decrease(self._cloud.clock.now, size, size - 1, victim.id))

    def _balance(self, group: Group) -> None:
        if group.suspended.keys() & {"AZRebalance", "Terminate"}:
            return
        zone = policy.zone_to_fill(group)
        if zone is not None:
            group.balancing = self._try_launch(group, zone, words.rebalance(self._cloud.clock.now, zone))

    def _try_launch(self, group: Group, zone: str, cause: str) -> Instance | None:
        if "Launch" in group.suspended:
            return None
        try:
            version = self._launchable(group, zone)
        except AwsError as refused:
            self._activities.fail(group, cause, zone, refused.message)
            self.wake(group, RETRIES_AFTER)
            return None
        return self._lives.launch(group, zone, version, cause)

    def _launchable(self, group: Group, zone: str) -> int:
        """The version to launch now; `AwsError` with EC2's words where it would launch nothing."""
        version = self._cloud.templates.resolve(group.reference)
        source = self._cloud.templates[group.reference.template].version(version)
        if self._cloud.clock.now < group.short_until:
            raise AwsError("InsufficientInstanceCapacity", _no_capacity(str(source.data.get("InstanceType")), zone))
        image = self._cloud.images.get(source.image)
        if image is None:
            raise AwsError("InvalidAMIID.NotFound", f"The image id '[{source.image}]' does not exist.")
        if image.state != "available":
            raise AwsError("InvalidAMIID.Unavailable", f"The image ID '{image.id}' is not available.")
        return version

    def terminate_by_id(self, instance_id: str, *, decrement: bool) -> Activity:
        """TerminateInstanceInAutoScalingGroup, protected or not.

        With ``decrement`` desired falls by one, and again for an instance that is Terminating already: what AWS does
        then is not documented. `AwsError` (ValidationError) below MinSize and for an id that no group lists.
        """
        instance = self._managed(instance_id)
        group = self._cloud.groups[instance.group]
        before = group.desired
        if decrement:
            self._decrement(group)
        cause = words.on_request(self._cloud.clock.now, instance.id, before, group.desired)
        activity = self._lives.terminate(instance, cause)
        self.wake(group)
        return activity

    def _managed(self, instance_id: str) -> Instance:
        for group in self._cloud.groups.values():
            if instance_id in group.instances:
                return group.instances[instance_id]
        raise invalid(f"Instance Id not found - No managed instance found for instance ID {instance_id}")

    def _decrement(self, group: Group) -> None:
        floor = 0 if "ignore-min-size" in self._cloud.broken else group.min_size
        if group.desired <= floor:
            raise invalid(
                f"Currently, desiredSize equals minSize ({group.min_size}). Terminating instance without replacement "
                "will violate group's min size constraint. Either set shouldDecrementDesiredCapacity flag to false or "
                "lower group's min size."
            )
        group.desired -= 1
        self._cloud.log.applied(group.object, "DesiredCapacity", group.desired + 1, group.desired)


def _no_capacity(instance_type: str, zone: str) -> str:
    return (
        f"We currently do not have sufficient {instance_type} capacity in the Availability Zone you requested ({zone})."
        " Our system will be working on provisioning additional capacity."
    )
