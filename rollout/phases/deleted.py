"""What somebody deleted in EC2 while groups still name it: a launch template, or one of its versions. Pure.

A number never comes back, nor does a template's id. After an abort a group may launch what a person gave it in place of
a version from before that was deleted: any version but ours, or another template.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import replace

from rollout.commands import aws
from rollout.model.observation import GroupSeen, Observation, TemplateSeen, VersionSeen
from rollout.model.plan import NodeGroup, Plan, Source, TemplateUse
from rollout.model.record import Record
from rollout.phases.shared import launched_to_stay, refer_back


def off_its_pin(record: Record, groups: Iterable[GroupSeen]) -> bool:
    """Tell whether a group launches other versions than after an abort it should: templates tell whether it may."""
    plan = record.plan
    return plan.goes_back and any(group.uses != plan.pinned(plan.group(group.name)) for group in groups)


def deleted(seen: Observation, uses: Iterable[TemplateUse]) -> tuple[TemplateUse, ...]:
    """Return those of these uses from which nothing can be launched; of templates that were not looked at, none."""
    templates = {template.id: template for template in seen.templates}
    there = (use for use in uses if use.template_id in templates)
    return tuple(use for use in there if not _meant(templates[use.template_id], use))


def wanted(seen: Observation, plan: Plan, group: NodeGroup) -> tuple[TemplateUse, ...]:
    """Return what a group is to launch; after an abort what it names itself stays in place of what was deleted."""
    pinned = plan.pinned(group)
    gone = deleted(seen, pinned) if plan.goes_back else ()
    return tuple(_instead(seen, plan, group, use) if use in gone else use for use in pinned)


def told(seen: Observation, uses: Iterable[TemplateUse]) -> str:
    """Return in words what was deleted: versions, or whole templates."""
    gone = {template.id for template in seen.templates if template.gone}
    return ", ".join(
        f"{use.label}, {'whose launch template' if use.template_id in gone else 'which'} somebody has deleted"
        for use in uses
    )


def another(seen: Observation, record: Record, group: NodeGroup, source: Source) -> tuple[str, ...]:
    """Return what to type to give a group what it can launch, in place of what was deleted.

    The number of a new version is not known before: the shell keeps it.
    """
    current, template, back = seen.group(group.name), seen.template(source.use.template_id), record.plan.goes_back
    if template.gone:
        other = replace(source.use, template_id="ID", reference="$Default")
        return (refer_back(current, (other,)),)
    before = replace(source.use, reference=str(source.version))
    if back and not deleted(seen, (before,)):
        return (refer_back(current, (before,)),)
    read, image = _image_before(record, group, current) if back else ("", record.plan.ami)
    kept = any(version.number == source.version for version in template.versions)
    named = ("--launch-template-id", template.id)
    made_of = ("--source-version", str(source.version if kept else template.latest))
    data = ("--launch-template-data", json.dumps({"ImageId": image}))
    shown = ("--query", "LaunchTemplateVersion.VersionNumber", "--output", "text")
    make = f"VERSION=$({_open(aws('ec2', 'create-launch-template-version', *named, *made_of, *data, *shown))})"
    reference, move = source.use.reference, ""
    if reference == "$Default":
        move = _open(aws("ec2", "modify-launch-template", *named, "--default-version", "$VERSION"))
    elif reference != "$Latest":
        reference = "$VERSION"
    give = refer_back(current, (replace(source.use, reference=reference),))
    return (read, make, move, _open(give))


def _open(command: str) -> str:
    """Let the shell see its variables in a command that is quoted."""
    return re.sub(r"\$(VERSION|IMAGE)\b", r"""'"$\1"'""", command)


def _image_before(record: Record, group: NodeGroup, current: GroupSeen) -> tuple[str, str]:
    """Return what reads the image from before off an instance that has it, and the image; what to fill in, if none."""
    there = launched_to_stay(record, group, current.living)
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
    return use if any(version.image_id == plan.ami for version in versions) else now


def _meant(template: TemplateSeen, use: TemplateUse) -> tuple[VersionSeen, ...]:
    number = template.resolve(use.reference)
    return tuple(version for version in template.versions if version.number == number)
