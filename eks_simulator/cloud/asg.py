"""The Auto Scaling reconciler: makes each group's living instances as many as desired, over virtual time.

It looks a few seconds after anything has changed, never at once, so several changes may be met by one look. What it may
do is bounded by the group's suspended processes; whom it may end, by protection: with all instances protected a lower
desired capacity is only a number, until something is unprotected. Where AWS's behaviour is not documented it does what
hurts most.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eks_simulator.cloud import activities as words
from eks_simulator.cloud import policy, recipe
from eks_simulator.cloud.errors import AwsError, invalid
from eks_simulator.cloud.refresh import Refreshes

if TYPE_CHECKING:
    from eks_simulator.cloud.account import Account
    from eks_simulator.cloud.instances import Lives
    from eks_simulator.cloud.model import Activity, Group, Instance

#: Seconds between a launch that EC2 refused and the next try.
RETRIES_AFTER = (40.0, 80.0)


class AutoScaling:
    """The reconciler of all groups."""

    def __init__(self, account: Account, lives: Lives) -> None:
        self._account = account
        self._lives = lives
        self._activities = account.activities
        self.refreshes = Refreshes(account, lives)
        account.looks.look = self.reconcile

    def reconcile(self, group: Group) -> None:
        """One look: replace what is unhealthy, then launch, terminate, refresh or balance."""
        group.rounds += 1
        self._remove_unhealthy(group)
        balancing = group.balancing is not None and group.balancing.lifecycle.startswith("Pending")
        at_risk = self._at_risk(group)
        missing = group.desired + balancing + len(at_risk) - group.capacity
        if missing > 0:
            self._scale_out(group, missing)
        elif at_risk:
            self._give_up(group, at_risk)
        elif missing < 0:
            self._scale_in(group, -missing)
        else:
            group.why = ""
            if not balancing and not self.refreshes.step(group):
                self._balance(group)

    def _remove_unhealthy(self, group: Group) -> None:
        if group.suspended.keys() & {"ReplaceUnhealthy", "Terminate"}:
            return
        for instance in group.living:
            if not instance.healthy:
                self._lives.terminate(instance, words.unhealthy(self._account.clock.now))

    def _at_risk(self, group: Group) -> list[Instance]:
        """Return the instances that Capacity Rebalancing replaces before EC2 takes them back.

        They may take the group beyond MaxSize by a tenth of desired (user guide, "Capacity Rebalancing").
        """
        if not group.capacity_rebalance:
            return []
        beyond = group.max_size + max(group.desired // 10, 1) - group.desired
        return [one for one in group.living if one.at_risk and one.alive][:beyond]

    def _give_up(self, group: Group, at_risk: list[Instance]) -> None:
        """End those at risk once the others serve, protected or not: protection does not stop a spot interruption."""
        others = [one for one in group.living if one not in at_risk]
        if all(one.lifecycle == "InService" for one in others) and "Terminate" not in group.suspended:
            for instance in at_risk:
                self._lives.terminate(instance, words.at_risk(self._account.clock.now))

    def _scale_out(self, group: Group, missing: int) -> None:
        before = group.capacity
        cause = group.why + words.increase(self._account.clock.now, before, before + missing)
        while missing > 0:
            instance = self._launch_somewhere(group, cause)
            if instance is None:
                return
            missing -= instance.weight

    def _launch_somewhere(self, group: Group, cause: str) -> Instance | None:
        """Launch in the emptiest zone; where EC2 is short of something there, in the next that is not."""
        first, *others = policy.zones_for_launch(group)
        short = [zone for zone in (first, *others) if recipe.shortage_in(group, zone, self._account.clock.now)]
        instance = self._try_launch(group, first, cause)
        elsewhere = next((zone for zone in others if zone not in short), None)
        if instance is None and first in short and elsewhere is not None:
            return self._try_launch(group, elsewhere, cause)
        return instance

    def _scale_in(self, group: Group, surplus: int) -> None:
        if "Terminate" in group.suspended:
            return
        while surplus > 0:
            size = group.capacity
            victim = policy.victim(group.living, surplus, spare="ignore-protection" not in self._account.broken)
            if victim is None:
                return
            surplus -= victim.weight
            cause = words.decrease(self._account.clock.now, size, size - victim.weight, victim.id)
            self._lives.terminate(victim, group.why + cause)

    def _balance(self, group: Group) -> None:
        if group.suspended.keys() & {"AZRebalance", "Terminate"}:
            return
        zone = policy.zone_to_fill(group)
        if zone is not None:
            group.balancing = self._try_launch(group, zone, words.rebalance(self._account.clock.now, zone))

    def _try_launch(self, group: Group, zone: str, cause: str) -> Instance | None:
        if "Launch" in group.suspended:
            return None
        try:
            next_one = recipe.next_of(self._account.templates, group)
            recipe.check(self._account, group, next_one, zone)
        except AwsError as refused:
            self._activities.fail(group, cause, zone, refused.message)
            self._account.looks.wake(group, RETRIES_AFTER)
            return None
        return self._lives.launch(group, zone, next_one, cause)

    def terminate_by_id(self, instance_id: str, *, decrement: bool) -> Activity:
        """TerminateInstanceInAutoScalingGroup, protected or not.

        With `decrement` desired falls by one, and again for an instance that is Terminating already: what AWS does
        then is not documented. `AwsError` (ValidationError) below MinSize and for an id that no group lists.
        """
        instance = self._managed(instance_id)
        group = self._account.groups[instance.group]
        before = group.desired
        if decrement:
            self._decrement(group, instance.weight)
        cause = words.on_request(self._account.clock.now, instance.id, before, group.desired)
        activity = self._lives.terminate(instance, cause)
        self._account.looks.wake(group)
        return activity

    def _managed(self, instance_id: str) -> Instance:
        for group in self._account.groups.values():
            if instance_id in group.instances:
                return group.instances[instance_id]
        raise invalid(f"Instance Id not found - No managed instance found for instance ID {instance_id}")

    def _decrement(self, group: Group, by: int) -> None:
        """Lower desired by what the instance counts for."""
        by += by * ("decrement-twice" in self._account.broken)
        floor = 0 if "ignore-min-size" in self._account.broken else group.min_size
        if group.desired - by < floor:
            raise invalid(
                f"Currently, desiredSize equals minSize ({group.min_size}). Terminating instance without replacement "
                "will violate group's min size constraint. Either set shouldDecrementDesiredCapacity flag to false or "
                "lower group's min size."
            )
        group.desired -= by
        self._account.log.applied(group.object, "DesiredCapacity", group.desired + by, group.desired)
