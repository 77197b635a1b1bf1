"""What somebody, or AWS itself, can do to the account: templates that move, Standby, refreshes, spot warnings.

A version's `image` is any id; `version` is `$Latest` or a number. Which instances are meant is said as in
`actions`: by their place in the order of launch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from eks_simulator.fields import Count, Duration, Part

if TYPE_CHECKING:
    from eks_simulator.cloud.cloud import Cloud
    from eks_simulator.cloud.model import Template
    from eks_simulator.world.actions import Acted


class NewVersion(Part):
    """Make a version of a launch template, of its newest, as Terraform does."""

    do: Literal["new_version"]
    template: str
    image: str | None = None
    instance_type: str | None = None

    def perform(self, world: Acted) -> None:
        """Do it now."""
        template = _template(world.cloud, self.template)
        changed = {"ImageId": self.image, "InstanceType": self.instance_type}
        data = {name: value for name, value in changed.items() if value is not None}
        world.cloud.templates.create_version(template, data, str(template.latest), "by somebody else", None)


class SetDefault(Part):
    """Move a launch template's `$Default`."""

    do: Literal["set_default"]
    template: str
    version: str

    def perform(self, world: Acted) -> None:
        """Do it now."""
        world.cloud.templates.set_default(_template(world.cloud, self.template), self.version)


class DeleteVersion(Part):
    """Delete a version of a launch template; EC2 refuses to delete the default one."""

    do: Literal["delete_version"]
    template: str
    version: str

    def perform(self, world: Acted) -> None:
        """Do it now."""
        world.cloud.templates.delete_version(_template(world.cloud, self.template), self.version)


class DeleteTemplate(Part):
    """Delete a launch template with all its versions, though groups name it."""

    do: Literal["delete_template"]
    template: str

    def perform(self, world: Acted) -> None:
        """Do it now."""
        world.cloud.templates.delete(_template(world.cloud, self.template))


class DeleteGroup(Part):
    """Delete an Auto Scaling group by force: AWS ends its instances, protected or not."""

    do: Literal["delete_group"]
    group: str

    def perform(self, world: Acted) -> None:
        """Do it now."""
        world.cloud.delete_group(self.group)


def _template(cloud: Cloud, name: str) -> Template:
    return cloud.templates.find(None, name)


class SpotWarning(Part):
    """AWS warns that it will take an instance back, and does so `after` seconds; CapacityRebalance acts on it."""

    do: Literal["spot_warning"]
    group: str
    which: Count = 0
    after: Duration = 120

    def perform(self, world: Acted) -> None:
        """Do it now."""
        world.cloud.spot_warning(world.original(self.group, self.which).id, self.after)


class EnterStandby(Part):
    """Put an instance into Standby; with `decrement: false` another one is launched in its place."""

    do: Literal["enter_standby"]
    group: str
    which: Count = 0
    decrement: bool = True

    def perform(self, world: Acted) -> None:
        """Do it now."""
        instance = world.original(self.group, self.which)
        world.cloud.enter_standby(self.group, [instance.id], decrement=self.decrement)


class ExitStandby(Part):
    """Bring back all instances of a group that are in Standby."""

    do: Literal["exit_standby"]
    group: str

    def perform(self, world: Acted) -> None:
        """Do it now."""
        group = world.cloud.group(self.group)
        world.cloud.exit_standby(self.group, [one.id for one in group.instances.values() if one.lifecycle == "Standby"])


class StartRefresh(Part):
    """Start an instance refresh."""

    do: Literal["start_refresh"]
    group: str

    def perform(self, world: Acted) -> None:
        """Do it now."""
        world.cloud.scaling.refreshes.start(world.cloud.group(self.group))


class CancelRefresh(Part):
    """Cancel the instance refresh that is under way."""

    do: Literal["cancel_refresh"]
    group: str

    def perform(self, world: Acted) -> None:
        """Do it now."""
        world.cloud.scaling.refreshes.cancel(world.cloud.group(self.group))


class ScheduledAction(Part):
    """A scheduled action of a group comes due; it is skipped where the process ScheduledActions is suspended."""

    do: Literal["scheduled_action"]
    group: str
    fields: dict[Literal["MinSize", "MaxSize", "DesiredCapacity"], int]

    def perform(self, world: Acted) -> None:
        """Do it now; `ValueError` when it is skipped."""
        if not world.cloud.scheduled_action(self.group, self.fields):
            raise ValueError(f"ScheduledActions is suspended on {self.group}: the scheduled action is skipped")


class ChangeProcesses(Part):
    """Suspend scaling processes of a group, or with `on: true` resume them; without `processes` all."""

    do: Literal["processes"]
    group: str
    processes: tuple[str, ...] = ()
    on: bool = False

    def perform(self, world: Acted) -> None:
        """Do it now."""
        (world.cloud.resume if self.on else world.cloud.suspend)(self.group, self.processes)


AccountAction = (
    NewVersion
    | SetDefault
    | DeleteVersion
    | DeleteTemplate
    | DeleteGroup
    | SpotWarning
    | EnterStandby
    | ExitStandby
    | StartRefresh
    | CancelRefresh
    | ScheduledAction
    | ChangeProcesses
)
