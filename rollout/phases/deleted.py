"""What somebody deleted in mid-run: a group, or a launch template that groups still name, or one of its versions. Pure.

A number never comes back, nor does a template's id. So a group may launch what a person gave it in place of what was
deleted. In DRAIN that is the number of a version with our image, and after an abort anything but our image. A group of
the same name may come back, and then it is not as we left it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from rollout.commands import aws
from rollout.model.accepted import Deleted
from rollout.model.decision import Halt
from rollout.model.machine import DRAINING
from rollout.model.observation import GroupSeen, Observation, TemplateSeen, VersionSeen
from rollout.model.plan import NodeGroup, Plan, Source, TemplateUse
from rollout.model.reasons import Reason
from rollout.model.record import Record
from rollout.phases.shared import (
    describe_uses,
    fewer_than_before,
    launched_to_stay,
    refer_back,
    still_to_go,
    typed,
    working,
)

#: Seconds for which DRAIN believes that what groups launch still exists: while AWS is to launch some, and while not.
LAUNCHING_AGE, PINNED_AGE = 60.0, 600.0


def off_its_pin(record: Record, groups: Iterable[GroupSeen]) -> float | None:
    """Look at templates now where after an abort a group launches other versions than it should: it may."""
    return 0.0 if record.plan.goes_back and _off(record, groups) else None


def at_times(record: Record, groups: Iterable[GroupSeen]) -> float | None:
    """Look at templates every now and then while nodes must go: what groups launch may have been deleted."""
    groups = tuple(groups)
    if _off(record, groups):
        return 0.0
    going = {group.name for group in working(record) if still_to_go(record, group)}
    if not going:
        return None
    launching = any(sum(one.in_service for one in group.instances) < group.sizes.desired for group in groups)
    return LAUNCHING_AGE if launching else PINNED_AGE


def _off(record: Record, groups: Iterable[GroupSeen]) -> bool:
    there = (group for group in groups if not group.gone)
    return any(group.uses != record.plan.pinned(record.plan.group(group.name)) for group in there)


def without_groups(seen: Observation, record: Record) -> Record:
    """Return the record with the groups left out that are deleted.

    So is one without which a person let the rollout go on while things were committed that it takes to work it.
    """
    gone = {group.name for group in seen.groups if group.gone}
    agreed = (group for group in record.plan.groups if group.name in record.deleted)
    unknown = {group.name for group in agreed if not _committed(record, group)}
    return replace(record, lost=frozenset(gone | unknown)) if gone | unknown else record


def _committed(record: Record, group: NodeGroup) -> bool:
    plan = record.plan
    sized = not plan.baselines or any(one.group == group.name for one in plan.baselines)
    return sized and (not plan.versions or all(map(plan.version, group.sources)))


def groups_deleted(seen: Observation, record: Record) -> Halt | None:
    """Halt where somebody deleted groups and no person has resumed after it was said."""
    new = tuple(one for group in seen.groups if group.gone and (one := Deleted(group.name)) not in record.accepted)
    if not new:
        return None
    names = ", ".join(one.deleted for one in new)
    why = f"somebody has deleted Auto Scaling group {names}, or is deleting it with its instances"
    hint = f"find out who did; a resume goes on without {names}, and what was changed there is not restored"
    return Halt(Reason.GROUP_DELETED, why, hint, new)


def deleted(seen: Observation, uses: Iterable[TemplateUse]) -> tuple[TemplateUse, ...]:
    """Return those of these uses from which nothing can be launched; of templates that were not looked at, none."""
    templates = {template.id: template for template in seen.templates}
    there = (use for use in uses if use.template_id in templates)
    return tuple(use for use in there if not _meant(templates[use.template_id], use))


def wanted(seen: Observation, plan: Plan, group: NodeGroup) -> tuple[TemplateUse, ...]:
    """Return what a group is to launch; what it names itself may stay in place of what was deleted."""
    pinned = plan.pinned(group)
    gone = deleted(seen, pinned)
    return tuple(_instead(seen, plan, group, use) if use in gone else use for use in pinned)


def told(seen: Observation, uses: Iterable[TemplateUse]) -> str:
    """Return in words what was deleted: versions, or whole templates."""
    gone = {template.id for template in seen.templates if template.gone}
    return ", ".join(
        f"{use.label}, {'whose launch template' if use.template_id in gone else 'which'} somebody has deleted"
        for use in uses
    )


def can_launch_nothing(seen: Observation, record: Record) -> Halt | None:
    """Halt where a group has nodes that must go, and nothing comes in place of them or of what is lost.

    After an abort as many as must stay are there: it matters where one of them is missing.
    """
    plan = record.plan
    going = [group for group in working(record) if still_to_go(record, group)] if record.phase in DRAINING else []
    needy = [group for group in going if not plan.goes_back or fewer_than_before(seen, record, group)]
    lost = {group.name: uses for group in needy if (uses := deleted(seen, wanted(seen, plan, group)))}
    return no_version(seen, record, lost) if lost else None


def no_version(seen: Observation, record: Record, lost: Mapping[str, tuple[TemplateUse, ...]]) -> Halt:
    """Halt with what each of these groups cannot launch, and with what to type."""
    image = "the image from before" if record.plan.goes_back else f"image {record.plan.ami}"
    slots = {(group, use.slot) for group, uses in lost.items() for use in uses}
    pairs = ((group, source) for group in record.groups for source in group.sources)
    affected = (pair for pair in pairs if (pair[0].name, pair[1].use.slot) in slots)
    commands = (command for group, source in affected for command in another(seen, record, group, source))
    why = "; ".join(launches_nothing(seen, group, uses) for group, uses in lost.items())
    hint = typed(f"give it a version that exists, with {image}", *commands)
    return Halt(Reason.LAUNCH_TEMPLATE_NOT_FOUND, why, hint)


def launches_nothing(seen: Observation, group: str, uses: tuple[TemplateUse, ...]) -> str:
    """Say that a group can launch nothing, or nothing that it may."""
    now = seen.group(group).uses
    other = "" if set(uses) <= set(now) else f"{describe_uses(now)}, and should launch "
    return f"{group} launches {other}{told(seen, uses)}: no instance can be launched from it"


def another(seen: Observation, record: Record, group: NodeGroup, source: Source) -> tuple[str, ...]:
    """Return what to type to give a group what it can launch, in place of what was deleted.

    The number of a new version is not known before: the shell keeps it.
    """
    current, template, back = seen.group(group.name), seen.template(source.use.template_id), record.plan.goes_back
    numbered = record.phase in DRAINING and not back  # what is launched while we work is one number
    if template.gone:
        other = replace(source.use, template_id="ID", reference="NUMBER" if numbered else "$Default")
        return (refer_back(current, (other,)),)
    before = replace(source.use, reference=str(source.version))
    if back and not deleted(seen, (before,)):
        return (refer_back(current, (before,)),)
    read, image = _image_before(seen, record, group) if back else ("", record.plan.ami)
    kept = any(version.number == source.version for version in template.versions)
    named = ("--launch-template-id", template.id)
    made_of = ("--source-version", str(source.version if kept else template.latest))
    data = ("--launch-template-data", json.dumps({"ImageId": image}))
    shown = ("--query", "LaunchTemplateVersion.VersionNumber", "--output", "text")
    make = f"VERSION=$({_open(aws('ec2', 'create-launch-template-version', *named, *made_of, *data, *shown))})"
    reference, move = "" if numbered else source.use.reference, ""
    if reference == "$Default":
        move = _open(aws("ec2", "modify-launch-template", *named, "--default-version", "$VERSION"))
    elif reference != "$Latest":
        reference = "$VERSION"
    give = refer_back(current, (replace(source.use, reference=reference),))
    return (read, make, move, _open(give))


def _open(command: str) -> str:
    """Let the shell see its variables in a command that is quoted."""
    return re.sub(r"\$(VERSION|IMAGE)\b", r"""'"$\1"'""", command)


def _image_before(seen: Observation, record: Record, group: NodeGroup) -> tuple[str, str]:
    """Return what reads the image from before off an instance that has it, and the image; what to fill in, if none."""
    there = launched_to_stay(seen, record, group, seen.group(group.name).living)
    if not there:
        return "", "AMI"
    which = ("--instance-ids", there[0].id, "--query", "Reservations[0].Instances[0].ImageId", "--output", "text")
    return f"IMAGE=$({aws('ec2', 'describe-instances', *which)})", "$IMAGE"


def _instead(seen: Observation, plan: Plan, group: NodeGroup, use: TemplateUse) -> TemplateUse:
    now = seen.group(group.name).use(use.slot)
    if now is None:
        return use
    versions = (
        version for template in seen.templates if template.id == now.template_id for version in _meant(template, now)
    )
    ours = any(version.image_id == plan.ami for version in versions)
    may_stay = not ours if plan.goes_back else ours and now.reference.isdigit()
    return now if may_stay else use


def _meant(template: TemplateSeen, use: TemplateUse) -> tuple[VersionSeen, ...]:
    number = template.resolve(use.reference)
    return tuple(version for version in template.versions if version.number == number)
