"""Each Auto Scaling group: what in it would do or undo what a rollout does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rollout import commands
from rollout.commands import end_retained, exit_standby, on_group, quoted, resume_processes
from rollout.errors import Blocker
from rollout.model.observation import TemplateSeen
from rollout.model.plan import TemplateUse
from rollout.preflight.blockers.earlier import go_on
from rollout.preflight.services import SERVICES
from rollout.preflight.survey import Request, Survey

#: Processes without which a rollout gets nowhere, with what would not come about.
_NEEDED = {"Launch": "no new instance would come", "Terminate": "no old instance would go"}


def missing(found: Survey, request: Request) -> Iterator[Blocker]:
    """A group of the configuration does not exist in the region."""
    known = {group.name for group in found.groups}
    for name in request.groups:
        if name not in known:
            hint = "correct `groups` in the configuration (aws autoscaling describe-auto-scaling-groups lists them)"
            yield Blocker(f"Auto Scaling group {name} does not exist in {request.region}", hint)


def being_deleted(found: Survey, request: Request) -> Iterator[Blocker]:
    """Somebody is deleting a group: AWS ends its instances, and nothing can be launched in it."""
    for group in found.groups:
        if group.gone:
            hint = f"find out who does; take {group.name} out of `groups` in the configuration, or create it again"
            problem = f"Auto Scaling group {group.name} is being deleted (Delete in progress), with its instances"
            yield Blocker(problem, hint)


def managed(found: Survey, request: Request) -> Iterator[Blocker]:
    """A group belongs to an EKS managed node group. EKS would undo our changes."""
    for group in found.groups:
        if group.nodegroup:
            name = f"--cluster-name {request.cluster} --nodegroup-name {quoted(group.nodegroup)}"
            hint = f"use: aws eks update-nodegroup-version {name}"
            yield Blocker(f"{group.name} belongs to the EKS managed node group {group.nodegroup}", hint)


def of_a_service(found: Survey, request: Request) -> Iterator[Blocker]:
    """A group belongs to AWS Batch, SageMaker HyperPod or another service, and nobody else may change it."""
    listed = {group.name: {instance.id for instance in group.instances} for group in found.groups}
    for group in found.ours():
        ids = listed[group.name]
        nodes = [node for node in found.nodes if node.instance_id in ids]
        for service in SERVICES:
            if sign := next(service.signs(group, nodes), ""):
                what = f"{group.name} belongs to {service.name} ({sign}), which alone may change it"
                yield Blocker(what, service.instead(group.name, nodes, request.ami))


def suspended(found: Survey, request: Request) -> Iterator[Blocker]:
    """Launch or Terminate is suspended on a group. No new instance would launch, or no old one would end."""
    for group in found.groups:
        stopped = [name for name in _NEEDED if name in group.suspended]
        if stopped and group.sizes.desired > 0:
            then = ", and ".join(_NEEDED[name] for name in stopped)
            hint = f"find out who suspended it, and why, then: {resume_processes(group.name, stopped)}"
            yield Blocker(f"{group.name} has {' and '.join(stopped)} suspended: {then}", hint)


def no_template(found: Survey, request: Request) -> Iterator[Blocker]:
    """A group has a launch configuration instead of a launch template."""
    for group in found.ours():
        if group.template is None:
            template = ("--launch-template", "LaunchTemplateName=NAME,Version=1")
            command = on_group("update-auto-scaling-group", group.name, *template)
            hint = f"{command}, with the NAME of one for its nodes"
            yield Blocker(f"{group.name} has no launch template", hint)


def refreshing(found: Survey, request: Request) -> Iterator[Blocker]:
    """An instance refresh is active on a group. It terminates instances while Jobs run on them."""
    for name, refresh in found.refreshes.items():
        hint = f"wait for it, or: {on_group('cancel-instance-refresh', name)}"
        yield Blocker(f"an instance refresh is active on {name} ({refresh.label})", hint)


def warm_pool(found: Survey, request: Request) -> Iterator[Blocker]:
    """A group has a warm pool. Its instances have the old version, even after the group launches another one."""
    for group in found.ours():
        if group.warm_pool:
            hint = f"remove it until the rollout is done: {on_group('delete-warm-pool', group.name)}"
            yield Blocker(f"{group.name} has a warm pool", hint)


def weighted(found: Survey, request: Request) -> Iterator[Blocker]:
    """A group has WeightedCapacity in its overrides, so its desired capacity is not a number of instances."""
    for group in found.ours():
        if any(override.weight for override in group.overrides):
            hint = "remove WeightedCapacity from its overrides"
            yield Blocker(f"{group.name} gives its instance types weights, so its sizes do not count instances", hint)


def other_units(found: Survey, request: Request) -> Iterator[Blocker]:
    """A group's DesiredCapacityType is vcpu or memory-mib, so its desired capacity is not a number of instances."""
    for group in found.ours():
        if group.units != "units":
            living = sum(len(one.living) for one in found.groups if one.name == group.name)
            hint = f"in one update, set DesiredCapacityType to units and all three sizes to instances ({living} now)"
            yield Blocker(f"{group.name} counts its sizes in {group.units}, not in instances", hint)


def mixed_on_demand(found: Survey, request: Request) -> Iterator[Blocker]:
    """A group has a base of on-demand instances and spot above it. AWS would choose which kind ends."""
    for group in found.ours():
        base, percent = group.on_demand_base, group.on_demand_percent
        if base and percent < 100:  # noqa: PLR2004  percent
            hint = "set OnDemandBaseCapacity to 0, or OnDemandPercentageAboveBaseCapacity to 100"
            what = f"OnDemandBaseCapacity {base} and {percent} % on demand above it"
            yield Blocker(f"{group.name} has {what}: AWS would choose which kind of instance goes", hint)


def image_in_override(found: Survey, request: Request) -> Iterator[Blocker]:
    """An override of a group's MixedInstancesPolicy names its own image, which replaces the template's."""
    for group in found.ours():
        images = sorted({override.image_id for override in group.overrides if override.image_id})
        if images:
            hint = "remove ImageId from its overrides, so that the template decides"
            yield Blocker(f"overrides of {group.name} launch {', '.join(images)}, not the image of its template", hint)


def not_wanted(found: Survey, request: Request) -> Iterator[Blocker]:
    """A group desires no instance and has some, kept by scale-in protection. Desired cannot go below zero."""
    for group in found.groups:
        kept = [one.id for one in group.instances if one.in_service]
        if kept and group.sizes.desired == 0 and not group.gone:
            hint = on_group("set-desired-capacity", group.name, "--desired-capacity", str(len(kept)))
            problem = f"{group.name} has DesiredCapacity 0 and still {len(kept)} instances at work: {', '.join(kept)}"
            yield Blocker(problem, f"wait until they are gone, or keep them: {hint}")


def left_by_a_rollout(found: Survey, request: Request) -> Iterator[Blocker]:
    """A group is pinned to a version that a rollout created, and the processes that it suspends are suspended."""
    known = {template.id: template for template in found.templates}
    wanted = set(request.settings.processes)
    for group in found.groups:
        made = [by for use in group.uses if (by := _made_by(use, known))]
        if made and wanted and wanted <= group.suspended:
            processes = " ".join(sorted(wanted))
            resume = resume_processes(group.name, sorted(wanted))
            what = f"it launches {group.uses[0].label} of rollout {made[0]}, and has {processes} suspended"
            sizes = (
                f"MinSize {group.sizes.minimum}, DesiredCapacity {group.sizes.desired}, MaxSize {group.sizes.maximum}"
            )
            look = f"check its sizes, because a rollout raises them ({sizes})"
            lower = f"lower desired with {commands.ONE_LESS}; then: {resume}"
            hint = go_on(found, made[0], f", first {look}; {lower}")
            yield Blocker(f"{group.name} is as an unfinished rollout leaves it: {what}", hint)


def _made_by(use: TemplateUse, known: Mapping[str, TemplateSeen]) -> str | None:
    """Return the rollout that made the version to which a group is pinned by its number, None for anybody else's."""
    template = known.get(use.template_id)
    if template is None or use.reference.startswith("$"):
        return None
    return next((one.made_by for one in template.versions if str(one.number) == use.reference), None)


def standby(found: Survey, request: Request) -> Iterator[Blocker]:
    """Instances of a group are in Standby. They are nodes, but they count neither as old nor as capacity."""
    for group in found.groups:
        waiting = [one.id for one in group.instances if one.standing_by]
        if waiting:
            hint = exit_standby(group.name, waiting, group.sizes.desired, group.sizes.maximum)
            yield Blocker(f"{group.name} has instances in Standby: {', '.join(waiting)}", hint)


def retained(found: Survey, request: Request) -> Iterator[Blocker]:
    """AWS retains instances of a group (Terminating:Retained). They run on as nodes, and nobody replaces them."""
    for group in found.groups:
        kept = [one.id for one in group.instances if one.retained]
        if kept:
            problem = f"{group.name} has instances that AWS retains (Terminating:Retained): {', '.join(kept)}"
            yield Blocker(problem, end_retained(kept))
