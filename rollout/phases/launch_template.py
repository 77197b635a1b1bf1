"""LAUNCH_TEMPLATE: ends when a version with the new AMI exists and every group launches exactly that number.

A group with a MixedInstancesPolicy may name several templates. Then each gets one version, and one update pins all.

At its end the journal has the list of old nodes. These are all living instances of the groups that were not launched
from our version, Pending ones too. RESTORE restores the references.

After an abort the old nodes stay, and nothing more is launched of our version. Every group is pinned to the version
that it launched before. Where $Latest would mean our version, a copy of the one before is made first: nothing is
deleted. At the end the journal has the list of new nodes. Where there are none, and no old one is gone, the rollout
goes on with RESTORE.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from rollout.commands import abort, aws, kubectl
from rollout.model.decision import Act, Advance, Decision, Halt, Move
from rollout.model.effects import CreateVersion, Resize, SetReference, occasions
from rollout.model.machine import step, terminal
from rollout.model.observation import Observation, VersionSeen
from rollout.model.plan import NewVersion, NodeGroup, Plan, Source, TemplateUse
from rollout.model.reasons import Reason
from rollout.model.record import Record
from rollout.phases import deleted
from rollout.phases.raised import kept
from rollout.phases.shared import (
    advance,
    describe_uses,
    fewer_than_before,
    leaving_rows,
    refer_back,
    typed,
    working,
)
from rollout.stages.node_view import terminate_key

#: EC2 takes at most 255 characters of VersionDescription.
LONGEST_DESCRIPTION = 255


def decide(seen: Observation, record: Record, now: datetime) -> Decision:
    """Make one version per (template, source), pin each group to it, then say which nodes are old."""
    if record.plan.goes_back:
        return _back(seen, record, now)
    versions = _versions(seen, record)
    missing = [pair for pair, version in versions.items() if version is None]
    if lost := _lost(seen, record, missing):
        return lost
    if missing:
        return Act("make the template version", tuple(_create(record, *pair) for pair in missing))
    foreign = [(pair[0], one) for pair, one in versions.items() if one and one.image_id != record.plan.ami]
    if foreign:
        return _changed_image(record, *foreign[0])
    plan = _with_versions(record.plan, versions)
    if pins := _pinning(seen, record, plan):
        return pins
    mismatch = _cross_check(seen, record)
    if mismatch:
        return mismatch
    rows = leaving_rows(seen, replace(record, plan=plan), now)
    return advance(record, f"{len(rows)} old nodes are to be replaced", now, plan=plan, nodes=rows)


def description(record: Record, template_id: str, source: int) -> str:
    """Return the description by which our version is found again; it ends with the rollout's id.

    One template may be replaced from two sources: then the source stands there too.
    """
    mark = f"rollout {record.id}" + (f" from {source}" if _several(record, template_id) else "")
    text = record.plan.description[: LONGEST_DESCRIPTION - len(mark) - 3].strip()
    return f"{text} ({mark})" if text else mark


def _back(seen: Observation, record: Record, now: datetime) -> Decision:
    """Let the old nodes stay, launch no more new ones, pin each group to what it launched before, and name the new."""
    if stay := _staying(record):
        return Act("the old nodes stay", moves=stay)
    if fewer := _no_more(seen, record):
        return Act("launch no more new nodes", fewer)
    plan = _with_versions(record.plan, _versions(seen, record))
    copies = _copies(seen, record, plan)
    missing = [pair for pair, version in copies.items() if version is None]
    if missing:
        return Act("put the version from before on top", tuple(_copy(seen, record, *pair) for pair in missing))
    made = tuple(NewVersion(*pair, version.number) for pair, version in copies.items() if version)
    plan = replace(plan, copies=made)
    if nothing := _can_launch_nothing(seen, replace(record, plan=plan)):
        return nothing
    if pins := _pinning(seen, record, plan):
        return pins
    turned = replace(record, plan=plan)
    rows = leaving_rows(seen, turned, now)
    if rows or any(fewer_than_before(seen, turned, group) for group in working(record)):
        return advance(record, f"{len(rows)} new nodes are to go", now, plan=plan, nodes=rows)
    return Advance("no new node is there, and no old one is gone", step(record.phase, "restore"), plan)


def _lost(seen: Observation, record: Record, missing: list[tuple[str, int]]) -> Halt | None:
    """Halt where somebody deleted a template, or what our version would be made of: only the way back is left."""
    sources = [source for source in _sources(record) if seen.template(source.use.template_id).gone]
    if sources:
        what = (f"launch template {one.use.template_name} ({one.use.template_id})" for one in sources)
        why = f"somebody has deleted {', '.join(dict.fromkeys(what))}: no instance can be launched from it"
        return Halt(Reason.LAUNCH_TEMPLATE_NOT_FOUND, why, _go_back(record))
    before = (replace(one.use, reference=str(one.version)) for one in _sources(record) if one.pair in missing)
    if lost := deleted.deleted(seen, before):
        why = f"a version is to be made of {deleted.told(seen, lost)}"
        return Halt(Reason.SOURCE_VERSION_DELETED, why, _go_back(record))
    return None


def _go_back(record: Record) -> str:
    return f"go back, and begin again with what the groups launch then: {abort(record.id)}"


def _can_launch_nothing(seen: Observation, record: Record) -> Halt | None:
    """Halt where after an abort a group launches ours for want of another, or must launch something and cannot."""
    for group in record.groups:
        current, pinned = seen.group(group.name), record.plan.pinned(group)
        lost = deleted.deleted(seen, pinned)
        kept = any(use in deleted.wanted(seen, record.plan, group) and use not in current.uses for use in lost)
        needs = group in working(record) and fewer_than_before(seen, record, group)
        if lost and (kept or (needs and deleted.deleted(seen, current.uses))):
            sources = (source for source, use in zip(group.sources, pinned, strict=True) if use in lost)
            commands = (command for source in sources for command in deleted.another(seen, record, group, source))
            why = f"{group.name} is to launch {deleted.told(seen, lost)}"
            hint = typed("give it another one, with the image from before", *commands)
            return Halt(Reason.SOURCE_VERSION_DELETED if kept else Reason.LAUNCH_TEMPLATE_NOT_FOUND, why, hint)
    return None


def _staying(record: Record) -> tuple[Move, ...]:
    """Return the moves of the old nodes that stay: all of which we have not ended."""
    rows = (row for row in record.nodes if row.role == "old" and not terminal(row.stage))
    stay = (row for row in rows if terminate_key(row) not in record.done)
    return tuple(Move(row.instance_id, "keep", "the rollout was aborted") for row in stay)


def _no_more(seen: Observation, record: Record) -> tuple[Resize, ...]:
    """Return what lowers desired to as many as live, where launches failed: nobody is ended by that.

    A group would launch them from the version before, too.
    """
    effects = []
    for group in working(record):
        current = seen.group(group.name)
        enough = max(kept(record, group.name).desired, len(current.living))
        if current.sizes.desired > enough:
            sizes = replace(current.sizes, desired=enough, minimum=min(current.sizes.minimum, enough))
            occasion = occasions.no_more(record.resume_count)
            effects.append(Resize(group=group.name, before=current.sizes, sizes=sizes, occasion=occasion))
    return tuple(effects)


def _copies(seen: Observation, record: Record, plan: Plan) -> _Versions:
    """Return the copies that $Latest must mean again, by template and source; None where one is to be made.

    One is needed while the newest version is ours; somebody else's on top of it is theirs. There is none to be made of
    a version that somebody deleted.
    """
    found: _Versions = {}
    for source in _sources(record):
        template = seen.template(source.use.template_id)
        made = template.described(_description_of_copy(record, source.version))
        there = not deleted.deleted(seen, (replace(source.use, reference=str(source.version)),))
        if source.use.reference == "$Latest" and (made or (there and plan.is_new(template.id, template.latest))):
            found[source.pair] = made
    return dict(sorted(found.items()))


def _description_of_copy(record: Record, source: int) -> str:
    return f"rollout {record.id} back to {source}"


def _copy(seen: Observation, record: Record, template_id: str, source: int) -> CreateVersion:
    image = next(one.image_id for one in seen.template(template_id).versions if one.number == source)
    return CreateVersion(
        template_id=template_id,
        source_version=source,
        ami=image or "",
        description=_description_of_copy(record, source),
        token=f"{record.id}-{template_id}-{source}-back-{record.resume_count}",
        occasion=occasions.copy(record.resume_count),
    )


def _pinning(seen: Observation, record: Record, plan: Plan) -> Act | Halt | None:
    """Return what lets the groups launch the versions that stay; None where they do."""
    pins = [pin for group in record.groups if (pin := _pin(seen, record, plan, group))]
    halt = next((pin for pin in pins if isinstance(pin, Halt)), None)
    if halt or not pins:
        return halt
    return Act("let the groups launch it", tuple(pin for pin in pins if not isinstance(pin, Halt)))


_Versions = dict[tuple[str, int], VersionSeen | None]


def _versions(seen: Observation, record: Record) -> _Versions:
    pairs = {source.pair for source in _sources(record)}
    return {pair: seen.template(pair[0]).described(description(record, *pair)) for pair in sorted(pairs)}


def _several(record: Record, template_id: str) -> bool:
    return len({source.version for source in _sources(record) if source.use.template_id == template_id}) > 1


def _sources(record: Record) -> list[Source]:
    return [source for group in record.groups for source in group.sources]


def _create(record: Record, template_id: str, source: int) -> CreateVersion:
    return CreateVersion(
        template_id=template_id,
        source_version=source,
        ami=record.plan.ami,
        description=description(record, template_id, source),
        token=f"{record.id}-{template_id}-{source}-{record.resume_count}",
        occasion=occasions.once(record.resume_count),
    )


def _with_versions(plan: Plan, versions: _Versions) -> Plan:
    """Add the versions that show to those that are committed: these stay, also where somebody has deleted one."""
    shown = {pair: NewVersion(*pair, version.number) for pair, version in versions.items() if version}
    committed = {(one.template_id, one.source_version): one for one in plan.versions}
    found = shown | committed
    return replace(plan, versions=tuple(found[pair] for pair in sorted(found)))


def _pin(seen: Observation, record: Record, plan: Plan, group: NodeGroup) -> SetReference | Halt | None:
    there = seen.group(group.name)
    current = there.uses
    wanted, found = deleted.wanted(seen, plan, group), tuple(source.use for source in group.sources)
    if current == wanted:
        return None
    theirs = {use.slot for use in set(wanted).difference(plan.pinned(group))}
    if _without(theirs, current) not in {
        _without(theirs, uses) for uses in (found, *_pinned_forward(seen, plan, group))
    }:
        return Halt(
            Reason.DRIFT_LAUNCH_TEMPLATE,
            f"drift: {group.name} launched {describe_uses(found)} when the rollout began, now {describe_uses(current)}",
            typed(f"give it {describe_uses(found)} back", refer_back(there, found)),
        )
    return SetReference(group=group.name, before=current, uses=wanted, occasion=occasions.pin(record.resume_count))


def _without(slots: set[str], uses: tuple[TemplateUse, ...]) -> tuple[TemplateUse, ...]:
    return tuple(use for use in uses if use.slot not in slots)


def _pinned_forward(seen: Observation, plan: Plan, group: NodeGroup) -> Iterator[tuple[TemplateUse, ...]]:
    """Yield what a group launched until an abort, if it was pinned to ours by then, or to what a person gave for it."""
    forward = replace(plan, direction="forward")
    if plan.goes_back and all(map(plan.version, group.sources)):
        yield deleted.wanted(seen, forward, group)


def _cross_check(seen: Observation, record: Record) -> Halt | None:
    """The selector decides nothing; where it disagrees with the groups, somebody has to look."""
    selector = record.plan.settings.node_selector
    odd = seen.selected_otherwise(selector)
    if not odd:
        return None
    labels = ",".join(f"{name}={value}" for name, value in selector.items())
    return Halt(
        Reason.SELECTOR_MISMATCH,
        f"the selector {labels} and the groups disagree on {len(odd)} nodes: {', '.join(odd[:5])}",
        typed("correct their labels", *(kubectl("get", "node", name, "--show-labels") for name in odd[:1])),
    )


def _changed_image(record: Record, template_id: str, version: VersionSeen) -> Halt:
    which = ("--launch-template-id", template_id, "--versions", str(version.number))
    delete = aws("ec2", "delete-launch-template-versions", *which)
    return Halt(
        Reason.FOREIGN_TEMPLATE_VERSION,
        f"template version {version.number} carries this rollout's description but image {version.image_id}, "
        f"not {record.plan.ami}",
        typed("find out who made it and delete it", delete),
    )
