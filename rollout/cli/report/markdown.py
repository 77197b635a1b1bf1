"""A report as Markdown, for a ticket or a log: the same facts as the page, without its pictures."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from rollout.cli import screen
from rollout.cli.report.building import took
from rollout.cli.screen.format import count, instant, span

if TYPE_CHECKING:
    from rollout.cli.report.model import NodeTold, Report, Span

#: What Markdown, or the HTML in it, takes for its own.
_MARKS = re.compile(r"([\\`*_{}\[\]<>#|~&@])")


def text(report: Report) -> str:
    """Return all of it."""
    return "\n".join(_lines(report))


def _lines(report: Report) -> Iterator[str]:
    yield f"# rollout {_words(report.id)}"
    yield from ("", f"**{_words(report.headline)}**")
    yield from _killed(report)
    yield from _next(report)
    yield from _summary(report)
    yield from _phases(report)
    yield from _nodes(report)
    yield from _others(report)
    yield from _calls(report)
    yield from ("", "## History", "", f"{count(report.chain.events, 'event')}, head `{report.chain.head}`.", "")
    if report.chain.problems:
        yield from ("**It does not verify:**", "", *_listed(report.chain.problems))
    else:
        yield "It verifies."
    yield from ("", "## What the journal does not say", "", *_listed(report.unknown))


def _killed(report: Report) -> Iterator[str]:
    yield from ("", "## Killed Jobs", "")
    if report.killed:
        rows = [(job.loser, job.pod, job.where, instant(job.at)) for job in report.killed]
        yield from _table(("Job", "pod", "node", "at"), rows)
    else:
        yield "No Job was killed."


def _next(report: Report) -> Iterator[str]:
    if report.now:
        yield from ("", "## What is true now", "", *_listed(report.now))
    for title, command in (("Next", report.next), ("Or back to what was before", report.or_back)):
        if command:
            yield from ("", f"{title}:", "", f"    {screen.shown(command.replace(chr(10), ' '))}")


def _summary(report: Report) -> Iterator[str]:
    yield from ("", "## Summary", "")
    facts = {
        "cluster": f"{report.cluster} ({report.region})",
        "key": report.key or "none",
        "description": report.description or "none",
        "new image": report.ami,
        "direction": "back to what was before: it was aborted" if report.direction == "back" else "forward",
        "phase": report.phase,
        "begun": instant(report.begun),
        "ended": instant(report.ended) if report.ended else "not yet",
        "journal last written": instant(report.written),
        "took": took(report.span, report.written),
    }
    yield from _listed(f"{name}: {value}" for name, value in facts.items())
    rows = [
        (
            group.name,
            f"{one.name} {one.slot}".strip(),
            one.reference,
            str(one.before),
            str(one.after or "not made"),
            str(group.baseline or "not noted yet"),
            " → ".join(str(step.value) for step in group.desired),
        )
        for group in report.groups
        for one in group.templates
    ]
    head = ("group", "template", "reference", "version before", "with the new image", "sizes before", "DesiredCapacity")
    yield from ("", *_table(head, rows))


def _phases(report: Report) -> Iterator[str]:
    yield from ("", "## Phases", "")
    rows = [
        (
            f"{one.phase} (back)" if one.back else one.phase,
            *_between(one.span, report),
            one.why + (f"; drain deadline {instant(one.deadline)}" if one.deadline else ""),
        )
        for one in report.phases
    ]
    yield from _table(("phase", "from", "to", "took", "what ended it"), rows)
    if report.halts:
        stops = [(one.reason or "", *_between(one.span, report), one.why, one.ended_by or "") for one in report.halts]
        yield from ("", "Halts:", "", *_table(("reason", "from", "to", "took", "why", "ended by"), stops))
    runs = [(one.name, one.run_id, one.build_url or "", *_between(one.span, report), one.how) for one in report.runs]
    yield from ("", "Run by:", "", *_table(("process", "run", "build", "from", "to", "took", "how it ended"), runs))


def _nodes(report: Report) -> Iterator[str]:
    yield from ("", "## Nodes", "")
    if not report.nodes:
        yield "It is not known yet which nodes must go."
        return
    rows = [
        (
            node.name or "never joined",
            node.instance_id,
            node.group,
            node.role,
            node.stage,
            *_between(node.span, report),
            _longest(node, report),
        )
        for node in report.nodes
    ]
    head = ("node", "instance", "group", "role", "stage", "known to go", "out of the way", "took", "waited longest for")
    yield from _table(head, rows)


def _longest(node: NodeTold, report: Report) -> str:
    if not node.waits:
        return ""
    one = max(node.waits, key=lambda wait: wait.span.length(report.written))
    return f"{took(one.span, report.written)}: {one.waits_for}"


def _others(report: Report) -> Iterator[str]:
    yield from ("", "## What others changed, and what is not as it was", "")
    if report.others:
        yield from _listed(f"{instant(one.at)}: {one.text}" for one in report.others)
    else:
        yield "The rollout came upon nothing."
    yield from ("", "## Commands", "")
    if report.commands:
        rows = [
            (
                one.kind,
                ", ".join(one.details),
                one.by,
                instant(one.at),
                one.reason or "nobody said",
                instant(one.obeyed) if one.obeyed else "not noted",
            )
            for one in report.commands
        ]
        yield from _table(("command", "with", "given by", "at", "why", "obeyed"), rows)
    else:
        yield "Nobody gave it a command after it was started."


def _calls(report: Report) -> Iterator[str]:
    yield from ("", "## Calls", "")
    rows = [
        (
            one.kind,
            str(one.effects),
            str(one.requests),
            _counts(one.states),
            _counts(one.answers),
            span(one.slowest) if one.slowest is not None else "",
        )
        for one in report.calls
    ]
    yield from _table(("kind", "effects", "requests", "states", "answers", "slowest"), rows)
    if report.open:
        yield from ("", "Not seen yet:", "")
        for one in report.open:
            yield from _listed([f"{one.key}: {one.state}, sent {count(one.sent, 'time')}. {one.detail}"])


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {name}" for name, number in counts.items())


def _between(one: Span, report: Report) -> tuple[str, str, str]:
    return instant(one.begin), instant(one.end) if one.end else "", took(one, report.written)


def _listed(lines: Sequence[str] | Iterator[str]) -> Iterator[str]:
    yield from (f"- {_words(line)}" for line in lines)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{' --- |' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(_words(cell) for cell in row)} |"


def _words(text: str) -> str:
    """Return a text of others as words: nothing in it is taken for Markdown or HTML, or steers a terminal."""
    return _MARKS.sub(r"\\\1", screen.shown(" ".join(text.split())))
