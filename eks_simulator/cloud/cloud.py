"""A simulated AWS account: EC2 and Auto Scaling as far as a rollout of an EKS node group touches them.

The methods of `Cloud` are what the AWS protocol handlers call, what scenarios build a world with, and what the world
itself and third parties do to the account. All of them are synchronous and act at the virtual clock's now; what takes
time is booked on the clock, with durations that depend only on the seed and on the thing. Every change is logged under
the API's field names. What it does not simulate: networking, IAM permissions, what becomes of warm pools, scaling
policies and cooldowns, and the prices by which a MixedInstancesPolicy spreads instance types.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from eks_simulator.cloud import activities as words
from eks_simulator.cloud import recipe
from eks_simulator.cloud.account import Account
from eks_simulator.cloud.asg import AutoScaling
from eks_simulator.cloud.images import Images
from eks_simulator.cloud.instances import Lives
from eks_simulator.cloud.model import Cluster, Group, Image, Reference, Shortage, Snapshot, Template
from eks_simulator.cloud.policy import zones_for_launch
from eks_simulator.cloud.standby import Standby
from eks_simulator.cloud.update import Updates
from eks_simulator.seeded import uid

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from eks_simulator.clock import VirtualClock
    from eks_simulator.cloud.model import Activity, Lifecycle
    from eks_simulator.log import ChangeLog


class Cloud(Account):
    """The account with everything that acts in it: what handlers, scenarios and the world call."""

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
        super().__init__(clock, log, seed, region, account, broken=broken)
        self.shelf = Images(self)
        self.lives = Lives(self)
        self.scaling = AutoScaling(self, self.lives)
        self.updates = Updates(self, self.lives)
        self.standby = Standby(self, self.lives, self.updates)

    # How a world is built: nothing of this is logged, it is the state at the start. What says no time of its own
    # was made now.

    def add_image(self, image: Image) -> Image:
        """Put an AMI into the account."""
        self.images[image.id] = replace(image, created=image.created or self.clock.now)
        return self.images[image.id]

    def add_snapshot(self, snapshot: Snapshot) -> Snapshot:
        """Put an EBS snapshot into the account."""
        self.snapshots[snapshot.id] = replace(snapshot, started=snapshot.started or self.clock.now)
        return self.snapshots[snapshot.id]

    def add_template(self, template: Template) -> Template:
        """Put a launch template into the account; without an id it gets one made of the seed and its name."""
        template.created = template.created or self.clock.now
        template.id = template.id or "lt-0" + uid(self.seed, "template", template.name).replace("-", "")[-16:]
        self.templates.add(template)
        return template

    def add_cluster(self, cluster: Cluster) -> Cluster:
        """Let EKS know a cluster."""
        cluster.created = cluster.created or self.clock.now
        self.clusters[cluster.name] = cluster
        return cluster

    def add_group(self, group: Group, standby: int = 0) -> Group:
        """Put a group into the account with as many instances as desired, InService at once, and some in Standby.

        They were launched from what the group's reference means now. The launch hooks are called for each, in order of
        launch.
        """
        group.reference = self._known_template(group.reference)
        group.mixed = self.updates.known_policy(group.mixed) if group.mixed else None
        group.created = group.created or self.clock.now
        group.number = len(self.groups)
        self.groups[group.name] = group
        while group.capacity < group.desired:
            self._begin_with(group, "InService")
        for _ in range(standby):
            self._begin_with(group, "Standby")
        return group

    def _begin_with(self, group: Group, lifecycle: Lifecycle) -> None:
        instance = self.lives.create(group, zones_for_launch(group)[0], recipe.next_of(self.templates, group))
        instance.lifecycle = lifecycle
        self.lives.run(instance)

    def _known_template(self, reference: Reference) -> Reference:
        by_id = reference.template.startswith("lt-")
        template = self.templates.find(*(reference.template, None) if by_id else (None, reference.template))
        return Reference(template.id, reference.version)

    # What the API does to groups. Third parties and the world's autoscaler call the same.

    def update_group(self, group_name: str, **fields: Any) -> None:
        """UpdateAutoScalingGroup, with the API's own field names; `AwsError` where AWS refuses."""
        self.updates.update(self.group(group_name), fields)

    def set_desired(self, group_name: str, desired: int) -> None:
        """SetDesiredCapacity."""
        self.updates.set_desired(self.group(group_name), desired)

    def set_protection(self, group_name: str, ids: Sequence[str], *, protected: bool) -> None:
        """SetInstanceProtection."""
        self.updates.protect(self.group(group_name), ids, protected=protected)

    def suspend(self, group_name: str, processes: Iterable[str] = ()) -> None:
        """SuspendProcesses; none named: all."""
        self.updates.suspend(self.group(group_name), processes)

    def resume(self, group_name: str, processes: Iterable[str] = ()) -> None:
        """ResumeProcesses; none named: all."""
        self.updates.resume(self.group(group_name), processes)

    def terminate_in_group(self, instance_id: str, *, decrement: bool) -> Activity:
        """TerminateInstanceInAutoScalingGroup."""
        return self.scaling.terminate_by_id(instance_id, decrement=decrement)

    def enter_standby(self, group_name: str, ids: Sequence[str], *, decrement: bool) -> list[Activity]:
        """EnterStandby."""
        return self.standby.enter(self.group(group_name), ids, decrement=decrement)

    def exit_standby(self, group_name: str, ids: Sequence[str]) -> list[Activity]:
        """ExitStandby."""
        return self.standby.leave(self.group(group_name), ids)

    def delete_group(self, group_name: str) -> None:
        """DeleteAutoScalingGroup with ForceDelete: all instances are ended, protected or not, without their hooks.

        The group is listed with a Status until the last of them is gone (API reference, DeleteAutoScalingGroup).
        """
        group = self.group(group_name)
        group.deleting, group.min_size, group.desired, group.max_size = True, 0, 0, 0
        group.hooks.clear()
        self.log.applied(group.object, "exists", before=True, after=False)
        for instance in list(group.instances.values()):
            self.lives.terminate(instance, words.on_request(self.clock.now, instance.id, 0, 0))

    # What happens to the account from outside.

    def terminate_from_outside(self, instance_id: str, reason: str = "User initiated") -> None:
        """Somebody ends the instance in EC2; its group notices later and replaces it. `KeyError` if unknown."""
        self.lives.end_from_outside(self.instances[instance_id], reason)

    def spot_loss(self, instance_id: str) -> None:
        """EC2 takes a spot instance back, without its warning of two minutes. `KeyError` if unknown."""
        self.terminate_from_outside(instance_id, "Server.SpotInstanceTermination")

    def spot_warning(self, instance_id: str, after: float = 120.0) -> None:
        """EC2 warns that it will take the instance back, and does so `after` seconds. `KeyError` if unknown.

        A group with CapacityRebalance launches another one at once (EC2 user guide, "Spot Instance interruption
        notices" and "rebalance recommendations").
        """
        instance = self.instances[instance_id]
        instance.at_risk = True
        self.looks.wake(self.groups[instance.group])
        self.clock.after(after, lambda: self.lives.end_from_outside(instance, "Server.SpotInstanceTermination"))

    def shortage(
        self, group_name: str, until: float = math.inf, *, zones: Iterable[str] = (), subnet: bool = False
    ) -> None:
        """EC2 launches nothing for the group in those zones (none named: in all) until that moment (seconds).

        It has no capacity, or with `subnet` no free address; launches fail and are tried again.
        """
        group = self.group(group_name)
        group.short |= dict.fromkeys(zones or group.zones, Shortage(until, subnet))

    def end_shortage(self, group_name: str, zones: Iterable[str] = ()) -> None:
        """EC2 can launch for the group in those zones (none named: in all) again, which finds out soon."""
        group = self.group(group_name)
        for zone in zones or group.zones:
            group.short.pop(zone, None)
        self.looks.wake(group)

    def scheduled_action(self, group_name: str, fields: Mapping[Any, int]) -> bool:
        """A scheduled action's sizes come due; False if the process ScheduledActions is suspended: it is skipped."""
        if "ScheduledActions" in self.group(group_name).suspended:
            return False
        self.update_group(group_name, **fields)
        return True
