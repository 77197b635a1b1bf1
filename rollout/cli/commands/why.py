"""`rollout why`: what keeps each node that must go: what the journal says, and what the cluster shows if it answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rollout.cli import cluster_checks, one_node, options, output, screen, select_rollout, standing
from rollout.cli import why as told
from rollout.cli.screen import at_work
from rollout.cli.screen.format import count, folded, instant, span
from rollout.cli.session import new_run
from rollout.commands import rollout
from rollout.doctor import cause, holding
from rollout.engine.tick import decide_tick
from rollout.errors import EdgeError, UserError
from rollout.journal import read_journal
from rollout.model.decision import Act, Advance, Halt, Wait
from rollout.model.machine import DRAINING, terminal
from rollout.model.reasons import Reason, tagged
from rollout.phases import observe
from rollout.ports import ends_of

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from rollout.config import Config
    from rollout.doctor.cause import Cause
    from rollout.doctor.holding import Holding, PodHolds, Until
    from rollout.journal import SqlJournal
    from rollout.model.decision import Decision
    from rollout.model.observation import Observation
    from rollout.model.plan import Node
    from rollout.model.record import EffectRow, Record
    from rollout.ports import Event, Worker

#: Times that the cluster is looked at, while the journal changes.
_LOOKS = 3
#: Pods of a node that are shown at most; programs are told of all.
_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Looked:
    """What the cluster showed, and when; `jobs`: by uid, when Jobs end at the latest."""

    seen: Observation
    jobs: Mapping[str, datetime]
    at: datetime


@dataclass(frozen=True, slots=True)
class Page:
    """All that is told. `unlooked`: why there is no look, "" where there is one; `known`: when the journal was written.

    `decision`: what is answered to the look now, `cause`: what it says of the halt; None without one.
    """

    record: Record
    worker: Worker | None
    events: Sequence[Event]
    unlooked: str
    at: datetime | None
    decision: Decision | None
    cause: Cause | None
    holding: tuple[Holding, ...]

    @property
    def known(self) -> datetime:
        """When the journal was last written."""
        return self.events[-1].at


def why(
    rollout_id: options.RolloutId = None,
    *,
    node: Annotated[
        str | None,
        typer.Option(
            "--node", metavar="NAME", help="One node only: its name, or its instance's id.", show_default=False
        ),
    ] = None,
    config: options.WhoseJournal = None,
    database: options.Database = None,
    as_json: options.AsJson = False,
) -> None:
    """Say what keeps each old node that is not gone.

    Default: those of the newest unfinished rollout, or of the newest if none is unfinished. The journal says what the
    rollout last waited for. If there is a configuration and the cluster answers, it is looked at too: then pods, their
    ages and deadlines, and budgets are told. Nothing is changed.
    """
    with closing(read_journal(options.journal_url(config, database))) as journal:
        chosen = select_rollout.to_show(rollout_id, journal.summaries())
        record = journal.load(chosen.id)
        row = one_node.named(node, record) if node else None
        page = look(journal, record, config, database)
    shown = [one for one in page.holding if row is None or one.row.instance_id == row.instance_id]
    if as_json:
        typer.echo(output.as_json(as_fields(page, shown), indent=2))
    else:
        screen.say("\n".join(lines(page, shown, row)))


def look(journal: SqlJournal, record: Record, config: Path | None, database: str | None) -> Page:
    """Return what keeps each node: what the journal says, and what the cluster shows if it answers."""
    unlooked, looked = "", None
    if not terminal(record.phase):
        try:
            record, looked = _look(journal, record, _configuration(record, config, database))
        except UserError as error:
            unlooked = error.problem
        except EdgeError as error:
            unlooked = error.detail
    events, worker = journal.events(record.id), journal.worker(record.plan.scope)
    waits = {
        str(event.data["instance"]): holding.Told(event.reason, event.at) for event in events if event.kind == "wait"
    }
    if looked is None:
        return Page(record, worker, events, unlooked, None, None, None, holding.by_journal(record, waits))
    works = worker is not None and worker.works
    found = holding.by_look(record, looked.seen, looked.at, waits, looked.jobs, works=works)
    decision = decide_tick(looked.seen, record, looked.at).decision
    halt = cause.of_halt(record, looked.seen, looked.at) if record.halted else None
    return Page(record, worker, events, "", looked.at, decision, halt, found)


def _configuration(record: Record, config: Path | None, database: str | None) -> Config:
    """Return the configuration of the rollout's cluster. Raises `UserError` where there is none."""
    path = config or options.CONFIG
    if config is None and not path.exists():
        raise UserError(f"there is no configuration here ({path}): --config FILE names it")
    loaded = options.loaded(path, database)
    cluster_checks.same_cluster(record.plan, loaded, f"rollout {record.id} runs", rollout("why", record.id))
    return loaded


def _look(journal: SqlJournal, record: Record, config: Config) -> tuple[Record, Looked]:
    """Look at the cluster, again if the journal has changed since: record and look are to be of one moment."""
    from rollout.adapters import connect  # noqa: PLC0415  a second of libraries, which a usage error need not wait for

    with connect(config, new_run()) as edge:
        cluster_checks.not_another(record.plan, edge.cluster_id(), record.id)
        for _ in range(_LOOKS):
            seen = observe(record, edge.kubernetes, edge.autoscaling)
            before, record = record, journal.load(record.id)
            if record == before:
                break
        return record, Looked(seen, ends_of(edge.kubernetes.jobs() or ()), edge.clock.now())


# ---- for people -----------------------------------------------------------------------------------------------------


def lines(page: Page, shown: Sequence[Holding], row: Node | None) -> Iterator[str]:
    """Yield the page for people; `row`: the one node that was asked for."""
    record = page.record
    yield f"rollout {record.id}: {record.phase.value} since {instant(record.since)}"
    if record.phase in DRAINING and record.drain_deadline:
        yield f"  drain deadline {instant(record.drain_deadline)}{_distance(record.drain_deadline, page)}"
    if not terminal(record.phase):
        yield from _standing(page)
    if not shown:
        yield _none(page, row)
    elif record.phase not in DRAINING:
        yield f"  {count(len(shown), 'node')} must go; none is drained before DRAIN"
    else:
        for one in shown:
            yield ""
            yield from _node(one, page)


def _none(page: Page, row: Node | None) -> str:
    """Say that nothing keeps a node, and why there is none."""
    if row:
        words = told.words(row)
        return f"  {row.name or row.instance_id} is {row.stage.value} since {instant(row.since)}" + f": {words}" * bool(
            words
        )
    if page.record.nodes:
        return "  nothing keeps a node: each that had to go is gone, or stays"
    return "  it is not known yet which nodes must go"


def _standing(page: Page) -> Iterator[str]:
    record = page.record
    halted = list(standing.halted(record, page.events)) if record.halted else []
    for line in (
        *standing.closed(record, page.at or page.known),
        *at_work.lines(record.id, page.worker, then="" if halted else None, pause=record.pause),
        *halted,
    ):
        yield from folded(line.strip(), "  " if not line.startswith(" ") else "    ")
    if page.unlooked:
        what = f"the cluster was not looked at: {page.unlooked}"
        yield from folded(f"{what}; this is what the journal says, last written {instant(page.known)}", "  ")
    if page.decision and page.at:
        yield from folded(f"looked at {instant(page.at)}: {_decided(page.decision, page.cause)}", "  ")


def _decided(decision: Decision, halt: Cause | None) -> str:
    """Say what is answered to the look: what the rollout waits for, or does next; of a halt whether it still shows."""
    if halt:
        return halt.told if halt.shows else f"{halt.told}; next: {halt.then}"
    match decision:
        case Halt(reason=reason, why=why, hint=hint):
            return f"{tagged('halts', reason)}: {why}; next: {hint}"
        case Advance(to=to, why=why):
            return f"{why}; {to.value} is next"
        case Act(why=why):
            return why
        case Wait(why=why, reason=reason):
            return tagged(why, reason)


def _node(one: Holding, page: Page) -> Iterator[str]:
    row = one.row
    yield from folded(f"{row.name or row.instance_id} of {row.group}")
    yield f"  {row.stage.value} since {instant(row.since)}"
    if one.next:
        keeps, then = ("but the pause ", " once it is lifted") if page.record.pause else ("", "")
        yield f"  nothing {keeps}keeps it: {one.next} is next{then}"
        return
    since = f" since {instant(one.told)}" if one.told else ""
    if not one.waits_for:
        yield "  nothing is known to keep it"
    elif not one.pods:
        yield from folded(f"{tagged(f'waits for {one.waits_for}', one.reason)}{since}", "  ", "    ")
    else:
        of = "protected pod" if one.reason == Reason.JOBS_RUNNING else "pod"
        yield f"  {tagged(f'waits for {count(len(one.pods), of)}', one.reason)}{since}"
    if one.until:
        yield from folded(_until(one.until, page), "  ", "    ")
    for pod in one.pods[:_SHOWN]:
        yield from _pod(pod, page)
    if len(one.pods) > _SHOWN:
        yield f"  and {len(one.pods) - _SHOWN} more (--json has all)"
    asked = {pod.asked.effect.key for pod in one.pods if pod.asked}
    for request in one.requests:
        if request.effect.key not in asked:
            yield from folded(f"{request.effect.kind} of {request.effect.target}: {_answered(request)}", "  ", "    ")


def _until(until: Until, page: Page) -> str:
    """Say until when it is waited for at the latest; in a pause nothing comes of that moment."""
    at = f"{instant(until.at)}{{}}{_distance(until.at, page)}"
    if page.record.pause:
        return f"while it is paused nothing comes of {at.format('')}; once it is resumed, {until.then}"
    return f"until {at.format(' at the latest')}, then {until.then}"


def _pod(holds: PodHolds, page: Page) -> Iterator[str]:
    pod = holds.pod
    # A request tells its own answer, of which what is waited for consists then.
    yield from folded(pod.label if holds.asked else holds.why or pod.label, "  - ", "    ")
    if pod.created and page.at:
        yield f"    {span(page.at - pod.created)} old, since {instant(pod.created)}"
    if holds.ends:
        yield f"    ends at {instant(holds.ends)} at the latest (activeDeadlineSeconds)"
    if holds.asked:
        yield from folded(f"{holds.asked.effect.kind}: {_answered(holds.asked)}", "    ")
    for budget in holds.budgets:
        yield from folded(budget.told, "    ")


def _answered(row: EffectRow) -> str:
    """Say how a request stands."""
    since = f" since {instant(row.blocked_since)}" if row.blocked_since else ""
    detail = f": {row.detail}" if row.detail else ""
    return f"{row.state}{since}, tried {count(row.sent, 'time')}{detail}"


def _distance(at: datetime, page: Page) -> str:
    """Return how far a moment is from that of the look; the journal alone does not know how late it is."""
    if page.at is None:
        return ""
    return f" (in {span(at - page.at)})" if at > page.at else f" ({span(page.at - at)} ago)"


# ---- for programs ---------------------------------------------------------------------------------------------------


def as_fields(page: Page, shown: Sequence[Holding]) -> dict[str, Any]:
    """Return the page for programs; its keys stay what they are."""
    record, decision = page.record, page.decision
    return {
        "id": record.id,
        "key": record.key,
        "phase": record.phase.value,
        "since": instant(record.since),
        "drain_deadline": instant(record.drain_deadline) if record.drain_deadline else None,
        "paused": at_work.paused_fields(record.pause),
        "halted": record.halted,
        "halted_reason": told.halted(page.events) if record.halted else None,
        "worker": None if terminal(record.phase) else at_work.as_fields(page.worker),
        "journal_written": instant(page.known),
        "looked": instant(page.at) if page.at else None,
        "not_looked": page.unlooked or None,
        "now": decision.why if decision else None,
        "now_reason": getattr(decision, "reason", None),
        "nodes": [_node_fields(one) for one in shown],
    }


def _node_fields(one: Holding) -> dict[str, Any]:
    row = one.row
    return {
        "instance": row.instance_id,
        "name": row.name,
        "group": row.group,
        "role": row.role,
        "stage": row.stage.value,
        "since": instant(row.since),
        "next": one.next or None,
        "waits_for": one.waits_for,
        "waits_reason": one.reason,
        "waits_since": instant(one.told) if one.told else None,
        "until": instant(one.until.at) if one.until else None,
        "then": one.until.then if one.until else None,
        "pods": [_pod_fields(pod) for pod in one.pods],
        "requests": [_request_fields(request) for request in one.requests],
    }


def _pod_fields(holds: PodHolds) -> dict[str, Any]:
    pod = holds.pod
    return {
        "namespace": pod.namespace,
        "pod": pod.name,
        "kind": pod.owner.full_kind if pod.owner else None,
        "controller": pod.owner.name if pod.owner else None,
        "protected": holds.protected,
        "created": instant(pod.created) if pod.created else None,
        "ends": instant(holds.ends) if holds.ends else None,
        "why": holds.why or None,
        "budgets": [
            {
                "name": budget.name,
                "allowed": budget.allowed,
                "healthy": budget.healthy,
                "desired": budget.desired,
                "expected": budget.expected,
            }
            for budget in holds.budgets
        ],
    }


def _request_fields(row: EffectRow) -> dict[str, Any]:
    return {
        "key": row.effect.key,
        "state": row.state,
        "sent": row.sent,
        "blocked_since": instant(row.blocked_since) if row.blocked_since else None,
        "detail": row.detail,
    }
