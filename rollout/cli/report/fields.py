"""A report for programs: docs/json.md has its keys, which stay what they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rollout.cli import screen
from rollout.cli.screen import at_work
from rollout.cli.screen.format import instant

if TYPE_CHECKING:
    from rollout.cli.report.model import GroupTold, NodeTold, Report, Span, Step


def as_fields(report: Report) -> dict[str, Any]:
    """Return all of it."""
    return {
        "id": report.id,
        "key": report.key,
        "cluster": report.cluster,
        "region": report.region,
        "ami": report.ami,
        "description": report.description,
        "phase": report.phase,
        "direction": report.direction,
        "standing": report.standing,
        "headline": report.headline,
        "begun": instant(report.begun),
        "ended": _instant(report.ended),
        "journal_written": instant(report.written),
        "now": list(report.now),
        "next": screen.shown(report.next) if report.next else None,
        "or_back": screen.shown(report.or_back) if report.or_back else None,
        "killed_jobs": [at_work.killed_fields(one) for one in report.killed],
        "phases": [
            {
                "phase": one.phase,
                **_span(one.span),
                "back": one.back,
                "why": one.why,
                "deadline": _instant(one.deadline),
            }
            for one in report.phases
        ],
        "halts": [
            {"reason": one.reason, **_span(one.span), "why": one.why, "hint": one.hint, "ended_by": one.ended_by}
            for one in report.halts
        ],
        "runs": [
            {
                "run": one.run_id,
                **_span(one.span),
                "host": one.host,
                "pid": one.pid,
                "build_url": one.build_url,
                "how": one.ended,
            }
            for one in report.runs
        ],
        "groups": [_group(one) for one in report.groups],
        "nodes": [_node(one) for one in report.nodes],
        "others": [{"at": instant(one.at), "kind": one.kind, "text": one.text} for one in report.others],
        "calls": [
            {
                "kind": one.kind,
                "effects": one.effects,
                "requests": one.requests,
                "states": _counts(one.states),
                "answers": _counts(one.answers),
                "slowest_seconds": one.slowest.total_seconds() if one.slowest is not None else None,
            }
            for one in report.calls
        ],
        "unsettled": [
            {"key": one.key, "state": one.state, "sent": one.sent, "detail": one.detail} for one in report.open
        ],
        "commands": [
            {
                "kind": one.kind,
                "at": instant(one.at),
                "by": one.by,
                "reason": one.reason,
                "obeyed": _instant(one.obeyed),
                "details": list(one.details),
            }
            for one in report.commands
        ],
        "chain": {
            "events": report.chain.events,
            "head": report.chain.head,
            "verifies": not report.chain.problems,
            "problems": list(report.chain.problems),
        },
        "unknown": list(report.unknown),
    }


def _group(group: GroupTold) -> dict[str, Any]:
    sizes = group.baseline
    return {
        "name": group.name,
        "templates": [
            {
                "name": one.name,
                "slot": one.slot or None,
                "reference": one.reference,
                "before": one.before,
                "made": one.after,
            }
            for one in group.templates
        ],
        "baseline": {"minimum": sizes.minimum, "desired": sizes.desired, "maximum": sizes.maximum} if sizes else None,
        "desired": _steps(group.desired),
        "left": [{"role": role, "steps": _steps(steps)} for role, steps in group.left.items()],
    }


def _node(node: NodeTold) -> dict[str, Any]:
    return {
        "instance": node.instance_id,
        "name": node.name,
        "group": node.group,
        "role": node.role,
        "stage": node.stage,
        "stages": [{"stage": one.stage, **_span(one.span), "because": one.because or None} for one in node.stages],
        "waits": [{"waits_for": one.waits_for, **_span(one.span), "reason": one.reason} for one in node.waits],
    }


def _steps(steps: Sequence[Step]) -> list[dict[str, Any]]:
    return [{"at": instant(step.at), "count": step.value} for step in steps]


def _span(span: Span) -> dict[str, str | None]:
    return {"begin": instant(span.begin), "end": _instant(span.end)}


def _counts(counts: Mapping[str, int]) -> list[dict[str, Any]]:
    return [{"name": name, "count": count} for name, count in counts.items()]


def _instant(at: datetime | None) -> str | None:
    return instant(at) if at else None
