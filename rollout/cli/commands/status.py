"""`rollout status`: where a rollout stands, from its journal alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rollout.cli import one_node, options, output, screen, select_rollout, standing, why, world_time
from rollout.cli.screen import at_work, progress
from rollout.cli.screen.format import folded, instant, span, table
from rollout.cli.screen.lines import ENTERING
from rollout.errors import OTHER_VERSION, UserError
from rollout.journal import read_journal
from rollout.model.machine import DRAINING, terminal
from rollout.model.windows import may_end_from

if TYPE_CHECKING:
    from datetime import datetime

    from rollout.model.plan import Node
    from rollout.model.record import EffectRow, Record
    from rollout.ports import Event, KilledJob, Summary, Worker


def status(
    rollout_id: options.RolloutId = None,
    *,
    config: options.WhoseJournal = None,
    database: options.Database = None,
    as_json: options.AsJson = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Show it on this terminal, again and again, until it ends or halts.")
    ] = False,
) -> None:
    """Say where a rollout stands; default: the newest unfinished.

    If none is unfinished, the newest. Only the journal is read: AWS is not asked. With --watch, exit code 1 says that
    the rollout is halted, and nobody runs it; Ctrl-C ends watching, not the rollout.
    """
    with closing(read_journal(options.journal_url(config, database))) as journal:
        chosen = select_rollout.to_show(rollout_id, journal.summaries())
        if watch:
            from rollout.cli import watching  # noqa: PLC0415  what only watching needs

            watching.refuse_what_is_no_terminal(chosen.id, as_json=as_json)
            watching.watch(journal, chosen.id, config)
            return
        killed, history = journal.killed(chosen.id), journal.events(chosen.id)
        worker = None if terminal(chosen.phase) else journal.worker(chosen.scope)
        try:
            record = journal.load(chosen.id)
        except UserError as error:
            if as_json or error.exit_code != OTHER_VERSION:
                raise
            screen.say("\n".join(without_plan(chosen, killed, error)))
            return
    if as_json:
        typer.echo(output.as_json(as_fields(record, killed, history, worker), indent=2))
    else:
        # How late it is in the rollout's world is known where its configuration is, and told while somebody works it.
        now = world_time.now(config) if worker and worker.works and (config or not database) else None
        screen.say("\n".join(lines(record, killed, history, worker, now)))


def without_plan(one: Summary, killed: Sequence[KilledJob], why: UserError) -> Iterator[str]:
    """Yield what can be told of a rollout whose plan only another version of this tool reads."""
    yield _title(one)
    yield f"  cluster   {one.cluster}"
    yield f"  groups    {', '.join(one.groups)}"
    yield f"  image     {one.ami}"
    yield f"  phase     {one.phase.value}" + (f", halted: {one.halted}" if one.halted else "")
    yield from map(_lost, killed)
    yield why.problem
    yield f"  next: {why.hint}"


def lines(
    record: Record,
    killed: Sequence[KilledJob],
    history: Sequence[Event],
    worker: Worker | None,
    now: datetime | None = None,
) -> Iterator[str]:
    """Yield the page for people; `now`: by the rollout's clock, None where it is not known."""
    yield _title(record)
    for name, value in _head(record, now):
        yield f"  {name:<9} {value}"
    yield from folded(_phases(history), f"  {'phases':<9} ")
    if now:
        yield from (f"  {line}" for line in standing.closed(record, now))
    halted = [f"  {line}" for line in standing.halted(record, history)] if record.halted else []
    if not terminal(record.phase):
        yield from at_work.lines(record.id, worker, then="" if halted else None, pause=record.pause)
    yield from halted
    if record.nodes:
        gone, stay = sum(node.stage.value == "GONE" for node in record.nodes), len(record.nodes) - len(record.to_go)
        yield f"nodes to go: {len(record.to_go)}, gone: {gone}" + (f"; old nodes that stay: {stay}" if stay else "")
        yield from (f"  {line}" for line in progress.by_group(record))
        yield from (f"  {line}" for line in table(("NODE", "GROUP", "STAGE", "SINCE", ""), _nodes(record, history)))
    for row in record.unsettled:
        yield f"unsettled: {row.effect.kind} {row.effect.target} ({row.state}{', ' + row.detail if row.detail else ''})"
    yield from map(_lost, killed)
    yield from standing.left(history)


def _title(one: Record | Summary) -> str:
    return f"rollout {one.id}" + (f"  (key {one.key})" if one.key else "")


def _lost(job: KilledJob) -> str:
    return f"killed: {job.loser} (pod {job.pod} on {job.where}) at {instant(job.at)}"


def _head(record: Record, now: datetime | None) -> Iterator[tuple[str, str]]:
    plan = record.plan
    yield "cluster", f"{plan.cluster} ({plan.region})"
    yield "groups", ", ".join(group.name for group in plan.groups)
    yield "image", plan.ami
    until = f", deadline {instant(record.deadline)}{_left(record.deadline, now)}" if record.deadline else ""
    yield "phase", f"{record.phase.value} since {instant(record.since)}{until}"
    if record.plan.goes_back:
        yield "goes", "back to what was before: it was aborted"
    elif record.abort:
        yield "abort", f"asked for by {record.abort.by} at {instant(record.abort.at)}"
    if windows := record.plan.settings.windows:
        yield "windows", "; ".join(map(str, windows))
    if record.drain_deadline:
        asked = f", asked for by {record.extension.by}" if record.extension else ""
        left = _left(record.drain_deadline, now) if record.phase in DRAINING else ""
        yield "drain", f"deadline {instant(record.drain_deadline)}{left}{asked}{_closed(record, now)}"


def _closed(record: Record, now: datetime | None) -> str:
    """Say from when on Jobs are ended, where the deadline is past outside of a maintenance window."""
    if not now or not record.drain_deadline or record.drain_deadline > now or record.phase not in DRAINING:
        return ""
    begins = may_end_from(record.plan.settings.windows, now)
    return "" if begins == now else f"; no Job is ended before {instant(begins)}, in a maintenance window"


def _left(deadline: datetime, now: datetime | None) -> str:
    return f" (in {span(deadline - now)})" if now and deadline > now else ""


def _phases(history: Sequence[Event]) -> str:
    """Return how long each phase took that is over."""
    entered = [(event.data["to"], event.at) for event in history if event.kind in ENTERING]
    over = [f"{name} {span(end - begun)}" for (name, begun), (_, end) in pairwise(entered)]
    return ", ".join(over) or "none is over"


def _nodes(record: Record, history: Sequence[Event]) -> list[tuple[str, ...]]:
    told = why.waits(history)
    return [
        (
            *(node.name or node.instance_id, node.group, node.stage.value, instant(node.since)),
            "; ".join(filter(None, (why.words(node, told.get(node.instance_id)), one_node.asked(node, record)))),
        )
        for node in record.nodes
    ]


def as_fields(
    record: Record, killed: Sequence[KilledJob], history: Sequence[Event], worker: Worker | None
) -> dict[str, Any]:
    """Return the page for programs; its keys stay what they are."""
    reasons = why.waits(history)
    return {
        "id": record.id,
        "key": record.key,
        "cluster": record.plan.cluster,
        "region": record.plan.region,
        "groups": [group.name for group in record.plan.groups],
        "ami": record.plan.ami,
        "description": record.plan.description,
        "phase": record.phase.value,
        "direction": record.plan.direction,
        "since": instant(record.since),
        "deadline": instant(record.deadline) if record.deadline else None,
        "drain_deadline": instant(record.drain_deadline) if record.drain_deadline else None,
        "paused": at_work.paused_fields(record.pause),
        "halted": record.halted,
        "halted_reason": why.halted(history) if record.halted else None,
        "worker": at_work.as_fields(worker),
        "nodes": [_node_fields(node, record, reasons.get(node.instance_id)) for node in record.nodes],
        "unsettled": [_effect_fields(row) for row in record.unsettled],
        "killed_jobs": [at_work.killed_fields(job) for job in killed],
    }


def _node_fields(node: Node, record: Record, reason: str | None) -> dict[str, Any]:
    forced_at, forced_by = one_node.forced(node, record) or (None, None)
    return {
        "instance": node.instance_id,
        "name": node.name,
        "group": node.group,
        "role": node.role,
        "stage": node.stage.value,
        "since": instant(node.since),
        "waits_for": node.waits_for,
        "waits_reason": reason if node.waits_for else None,
        "reason": node.reason,
        "forced_at": instant(forced_at) if forced_at else None,
        "forced_by": forced_by or None,
    }


def _effect_fields(row: EffectRow) -> dict[str, Any]:
    return {"key": row.effect.key, "state": row.state, "sent": row.sent, "detail": row.detail}
