"""Scaling activities: the record of what a group did and why, in the words that AWS uses.

Wordings: Amazon EC2 Auto Scaling user guide, "Verify a scaling activity", and activities as users quoted them.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from eks_simulator.clock import iso
from eks_simulator.cloud.model import Activity
from eks_simulator.seeded import uid

if TYPE_CHECKING:
    from eks_simulator.clock import VirtualClock
    from eks_simulator.cloud.model import Group, Instance


class Activities:
    """All scaling activities of the account, oldest first."""

    def __init__(self, clock: VirtualClock, seed: int) -> None:
        self._clock = clock
        self._seed = seed
        self._all: dict[str, list[Activity]] = {}

    def of(self, group: str) -> list[Activity]:
        """Return the activities of one group, newest first."""
        return self._all.get(group, [])[::-1]

    def everywhere(self) -> list[Activity]:
        """Return the activities of all groups, newest first."""
        return sorted((one for group in self._all for one in self.of(group)), key=lambda one: one.started, reverse=True)

    def begin(self, group: Group, what: str, cause: str, zone: str, instance: str) -> Activity:
        """Record something that the group sets about; `what` begins its description."""
        mine = self._all.setdefault(group.name, [])
        activity = Activity(
            id=uid(self._seed, "activity", group.name, len(mine)),
            group=group.name,
            instance=instance,
            description=f"{what} EC2 instance: {instance}" if instance else f"{what} EC2 instance.",
            cause=cause,
            details=json.dumps({"Availability Zone": zone}),
            started=self._clock.now,
        )
        mine.append(activity)
        return activity

    def fail(self, group: Group, cause: str, zone: str, trouble: str) -> None:
        """Record a launch that EC2 refused, for the reason `trouble`."""
        activity = self.begin(group, "Launching a new", cause, zone, "")
        activity.description += f"  Status Reason: {trouble} Launching EC2 instance failed."
        activity.status = "Failed"
        activity.message = f"{trouble} Launching EC2 instance failed."
        activity.progress = 100
        activity.ended = self._clock.now

    def finish(self, instance: Instance) -> None:
        """The newest thing that was begun with this instance has come to its end."""
        for activity in self._all.get(instance.group, [])[::-1]:
            if activity.instance == instance.id:
                activity.status, activity.progress, activity.ended = "Successful", 100, self._clock.now
                return


def increase(now: float, before: int, after: int) -> str:
    """Return why something is launched to reach the desired capacity."""
    return (
        f"At {iso(now)} an instance was started in response to a difference between desired and actual capacity, "
        f"increasing the capacity from {before} to {after}."
    )


def decrease(now: float, before: int, after: int, victim: str) -> str:
    """Return why AWS itself chose something to terminate."""
    return (
        f"At {iso(now)} an instance was taken out of service in response to a difference between desired and actual "
        f"capacity, shrinking the capacity from {before} to {after}.  At {iso(now)} instance {victim} was selected "
        "for termination."
    )


def on_request(now: float, instance: str, before: int, after: int) -> str:
    """Return why something was terminated by its id; `before` equals `after` where it is to be replaced."""
    shrinking = f", shrinking the capacity from {before} to {after}" if before != after else ""
    return f"At {iso(now)} instance {instance} was taken out of service in response to a user request{shrinking}."


def unhealthy(now: float) -> str:
    """Return why an instance that EC2 has ended leaves its group."""
    return (
        f"At {iso(now)} an instance was taken out of service in response to an EC2 health check indicating it has "
        "been terminated or stopped."
    )


def abandoned(now: float) -> str:
    """Return why an instance goes whose launching hook did not let it in."""
    return f"At {iso(now)} an instance was taken out of service in response to a lifecycle action being abandoned."


def at_risk(now: float) -> str:
    """Return why an instance goes that EC2 is about to take back, once another is InService in its place."""
    return (
        f"At {iso(now)} an instance was taken out of service in response to an EC2 instance rebalance recommendation."
    )


def refreshed(now: float) -> str:
    """Return why an instance refresh ends an instance."""
    return f"At {iso(now)} an instance was taken out of service in response to an instance refresh."


def standby(now: float, instance: str, where: str) -> str:
    """Return why an instance goes to Standby or comes back; `where` says which."""
    return f"At {iso(now)} instance {instance} was moved {where} Standby in response to a user request."


def rebalance(now: float, zone: str) -> str:
    """Return why AZRebalance launches one more than desired."""
    return (
        f"At {iso(now)} instances were launched to balance instances in zones {zone} with other zones resulting in "
        "more than desired number of instances in the group."
    )


def resized(now: float, group: Group, before: int) -> str:
    """Return the user request that new sizes came from; begins the causes of what follows from it."""
    return (
        f"At {iso(now)} a user request update of AutoScalingGroup constraints to min: {group.min_size}, max: "
        f"{group.max_size}, desired: {group.desired} changing the desired capacity from {before} to {group.desired}.  "
    )
