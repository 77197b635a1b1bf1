"""Standby: an instance that runs on while its group does not count it. Each request is checked whole before it acts.

Sources: API reference of EnterStandby and ExitStandby; Amazon EC2 Auto Scaling user guide, "Temporarily remove
instances from your Auto Scaling group".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eks_simulator.cloud.activities import standby
from eks_simulator.cloud.errors import invalid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eks_simulator.cloud.account import Account
    from eks_simulator.cloud.instances import Lives
    from eks_simulator.cloud.model import Activity, Group, Instance, Lifecycle
    from eks_simulator.cloud.update import Updates


class Standby:
    """Takes instances out of service and brings them back."""

    def __init__(self, account: Account, lives: Lives, updates: Updates) -> None:
        self._account = account
        self._lives = lives
        self._updates = updates

    def enter(self, group: Group, ids: Sequence[str], *, decrement: bool) -> list[Activity]:
        """EnterStandby. Without `decrement` others are launched in their place; `AwsError` below MinSize."""
        instances = _all_in(group, ids, "InService")
        if decrement:
            self._resize(group, group.desired - len(instances), "To place into standby")
        for instance in instances:
            self._lives.stand_by(instance)
        self._account.looks.wake(group)
        return [self._activity(group, instance, "Moving", "to") for instance in instances]

    def leave(self, group: Group, ids: Sequence[str]) -> list[Activity]:
        """ExitStandby: desired grows by them; `AwsError` above MaxSize."""
        instances = _all_in(group, ids, "Standby")
        self._resize(group, group.desired + len(instances), "To move out of standby")
        for instance in instances:
            self._lives.return_to_service(instance)
        return [self._activity(group, instance, "Moving", "out of") for instance in instances]

    def _resize(self, group: Group, desired: int, purpose: str) -> None:
        if not group.min_size <= desired <= group.max_size:
            count = abs(desired - group.desired)
            named = f"{count} instance{'s' if count > 1 else ''}"
            raise invalid(
                f"AutoScalingGroup {group.name} has min-size={group.min_size}, max-size={group.max_size}, and "
                f"desired-size={group.desired}. {purpose} {named}, please update the "
                "AutoScalingGroup sizes appropriately."
            )
        self._updates.update(group, {"DesiredCapacity": desired})

    def _activity(self, group: Group, instance: Instance, what: str, where: str) -> Activity:
        cause = standby(self._account.clock.now, instance.id, where)
        activity = self._account.activities.begin(group, what, cause, instance.zone, instance.id)
        activity.description += f" {where} Standby"
        self._account.activities.finish(instance)
        return activity


def _all_in(group: Group, ids: Sequence[str], lifecycle: Lifecycle) -> list[Instance]:
    for one in ids:
        if one not in group.instances:
            raise invalid(f"The instance {one} is not part of Auto Scaling group {group.name}.")
        if group.instances[one].lifecycle != lifecycle:
            raise invalid(f"The instance {one} is not in {lifecycle}.")
    return [group.instances[one] for one in ids]
