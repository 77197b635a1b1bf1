"""LAUNCH_TEMPLATE: ends when a version with the new AMI exists and every group launches exactly that number.

A group with a MixedInstancesPolicy may name several templates. Then each gets one version, and one update pins all.

At its end the journal has the list of old nodes. These are all living instances of the groups that were not launched
from our version, Pending ones too. RESTORE restores the references.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from rollout.commands import aws, kubectl
from rollout.model.decision import Act, Decision, Halt
from rollout.model.effects import CreateVersion, SetReference, occasions
from rollout.model.observation import Observation, VersionSeen
from rollout.model.plan import NewVersion, NodeGroup, Plan, Source
from rollout.model.reasons import Reason
from rollout.model.record import Record
from rollout.phases.shared import advance, describe_uses, old_rows, refer_back, typed

#: EC2 takes at most 255 characters of VersionDescription.
LONGEST_DESCRIPTION = 255


def decide(seen: Observation, record: Record, now: datetime) -> Decision:
    """Make one version per (template, source), pin each group to it, then say which nodes are old."""
    versions = _versions(seen, record)
    missing = [pair for pair, version in versions.items() if version is None]
    if missing:
        return Act("make the template version", tuple(_create(record, *pair) for pair in missing))
    foreign = [(pair[0], one) for pair, one in versions.items() if one and one.image_id != record.plan.ami]
    if foreign:
        return _changed_image(record, *foreign[0])
    plan = _with_versions(record.plan, versions)
    pins = [pin for group in plan.groups if (pin := _pin(seen, record, plan, group))]
    halt = next((pin for pin in pins if isinstance(pin, Halt)), None)
    if halt:
        return halt
    if pins:
        return Act("let the groups launch it", tuple(pin for pin in pins if not isinstance(pin, Halt)))
    mismatch = _cross_check(seen, record)
    if mismatch:
        return mismatch
    rows = old_rows(seen, replace(record, plan=plan), now)
    return advance(record, f"{len(rows)} old nodes are to be replaced", now, plan=plan, nodes=rows)


def description(record: Record, template_id: str, source: int) -> str:
    """Return the description by which our version is found again; it ends with the rollout's id.

    One template may be replaced from two sources: then the source stands there too.
    """
    mark = f"rollout {record.id}" + (f" from {source}" if _several(record, template_id) else "")
    text = record.plan.description[: LONGEST_DESCRIPTION - len(mark) - 3].strip()
    return f"{text} ({mark})" if text else mark


_Versions = dict[tuple[str, int], VersionSeen | None]


def _versions(seen: Observation, record: Record) -> _Versions:
    pairs = {source.pair for source in _sources(record)}
    return {pair: seen.template(pair[0]).described(description(record, *pair)) for pair in sorted(pairs)}


def _several(record: Record, template_id: str) -> bool:
    return len({source.version for source in _sources(record) if source.use.template_id == template_id}) > 1


def _sources(record: Record) -> list[Source]:
    return [source for group in record.plan.groups for source in group.sources]


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
    made = [NewVersion(*pair, version.number) for pair, version in versions.items() if version]
    return replace(plan, versions=tuple(made))


def _pin(seen: Observation, record: Record, plan: Plan, group: NodeGroup) -> SetReference | Halt | None:
    there = seen.group(group.name)
    current = there.uses
    wanted, found = plan.pinned(group), tuple(source.use for source in group.sources)
    if current == wanted:
        return None
    if current != found:
        return Halt(
            Reason.DRIFT_LAUNCH_TEMPLATE,
            f"drift: {group.name} launched {describe_uses(found)} when the rollout began, now {describe_uses(current)}",
            typed(f"give it {describe_uses(found)} back", refer_back(there, found)),
        )
    return SetReference(group=group.name, before=current, uses=wanted, occasion=occasions.pin(record.resume_count))


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
