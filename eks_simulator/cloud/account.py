"""What there is in an AWS account, without what acts on it: time, log, seed, and the tables of things by their ids."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eks_simulator.cloud.activities import Activities
from eks_simulator.cloud.errors import invalid
from eks_simulator.cloud.keys import Keys
from eks_simulator.cloud.looks import Looks
from eks_simulator.cloud.templates import Templates

if TYPE_CHECKING:
    from collections.abc import Callable

    from eks_simulator.clock import VirtualClock
    from eks_simulator.cloud.model import Cluster, Group, Image, Instance, Snapshot
    from eks_simulator.log import ChangeLog


class Account:
    """The state that all parts of the account share; `looks`: when the reconciler looks at a group next.

    `on_launch` hears of an instance when EC2 begins to run it, `on_terminate` when one that ran is shutting down.
    `addresses`: that each subnet has; `vcpus`: that EC2's quotas allow, by code. Both are shown, and refuse nothing.
    `broken` switches off rules of AWS, so that tests can see the promises fail: "ignore-min-size" lets a terminate
    with decrement go below MinSize, "decrement-twice" lowers desired by two for each, "ignore-protection" lets scale-in
    choose protected instances.
    """

    def __init__(
        self,
        clock: VirtualClock,
        log: ChangeLog,
        seed: int = 1,
        region: str = "eu-west-1",
        account: str = "123456789012",
        *,
        broken: frozenset[str] = frozenset(),
    ) -> None:
        self.clock = clock
        self.log = log
        self.seed = seed
        self.region = region
        self.account = account
        self.broken = broken
        self.images: dict[str, Image] = {}
        self.snapshots: dict[str, Snapshot] = {}
        self.groups: dict[str, Group] = {}
        self.instances: dict[str, Instance] = {}
        self.clusters: dict[str, Cluster] = {}
        self.addresses = 4091
        self.vcpus: dict[str, float] = {}
        self.keys = Keys(clock, log, seed, f"{region}:{account}")
        self.templates = Templates(clock, log)
        self.activities = Activities(clock, seed)
        self.looks = Looks(clock, seed)
        self.on_launch: list[Callable[[Instance], None]] = []
        self.on_terminate: list[Callable[[Instance], None]] = []

    def group(self, name: str) -> Group:
        """Return the group of that name; `AwsError` (ValidationError) if there is none, or it is being deleted."""
        if name not in self.groups or self.groups[name].deleted:
            raise invalid(f"AutoScalingGroup name not found - AutoScalingGroup '{name}' not found")
        if self.groups[name].deleting:
            raise invalid(f"AutoScalingGroup '{name}' is pending delete")
        return self.groups[name]
