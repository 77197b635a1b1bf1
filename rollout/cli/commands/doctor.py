"""`rollout doctor`: what differs between journal, marker, AWS and Kubernetes; and a lost journal rebuilt."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

import typer

from rollout import doctor as comparison
from rollout.cli import cluster_checks, options, output, screen, select_rollout
from rollout.cli.screen import at_work
from rollout.cli.screen.format import count
from rollout.cli.select_rollout import is_of
from rollout.cli.session import actor, new_run, opened
from rollout.commands import resume, rollout
from rollout.doctor import rebuilt, record_of
from rollout.errors import ANOTHER_ACTIVE, DONE, FOR_A_PERSON, OTHER_VERSION, RESUMABLE, Refused, UserError
from rollout.journal import database, open_journal, read_journal
from rollout.journal.rebuild import record_lost_lease
from rollout.model.machine import terminal
from rollout.model.observation import Observation
from rollout.phases import deadline, observe
from rollout.phases.cluster_lock import ahead

if TYPE_CHECKING:
    from rollout.adapters import Edge
    from rollout.cli.session import Session
    from rollout.config import Config
    from rollout.doctor import Finding
    from rollout.journal import SqlJournal
    from rollout.model.checkpoint import Checkpoint
    from rollout.model.observation import MarkerSeen
    from rollout.model.plan import ClusterId
    from rollout.model.record import Record
    from rollout.ports import Summary, Worker


def doctor(
    *,
    config: options.ConfigFile = options.CONFIG,
    database: options.Database = None,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Rebuild a lost journal from the marker, so that `resume` can continue.")
    ] = False,
    assume_dead: options.AssumeDead = False,
) -> None:
    """Say what differs between journal and cluster, and what to do.

    Journal, marker, AWS and Kubernetes are compared, and each difference is told with what becomes of it. Exit code 0:
    nothing needs a person; 1: something does. Nothing is changed without --rebuild.
    """
    loaded = options.loaded(config, database)
    if rebuild:
        output.works()
        _rebuild(loaded, assume_dead=assume_dead)
    else:
        raise typer.Exit(_look(loaded))


# ---- looking --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Read:
    """What the journal says of the cluster. `missing`: why it cannot be read, "" where it can.

    `unread`: the same, where there is a journal, or may be one: that it does not answer is no sign that it is lost.
    `known`: the ids of its rollouts; `active`: the record of the unfinished one, `last` of the newest that ended.
    """

    name: str
    missing: str = ""
    unread: UserError | None = None
    known: frozenset[str] = frozenset()
    active: Record | None = None
    last: Record | None = None
    worker: Worker | None = None


def _look(config: Config) -> int:
    """Print every difference; return the exit code."""
    from rollout.adapters import connect  # noqa: PLC0415  a second of libraries, which a usage error need not wait for

    with connect(config, new_run()) as edge:
        here = edge.cluster_id()
        # Before the journal: a runner that is at work writes there first.
        marker = edge.kubernetes.marker()
        _same_cluster(marker, config, "rollout doctor")
        journal = _read(config, here)
        if journal.active:
            cluster_checks.not_another(journal.active.plan, here, journal.active.id)
        findings = _findings(config, journal, marker, edge)
    for line in _page(config, journal, marker, findings):
        screen.say(line)
    return FOR_A_PERSON if any(finding.person for finding in findings) else DONE


def _same_cluster(marker: MarkerSeen | None, config: Config, command: str) -> None:
    """Raise `UserError` where the marker is that of a rollout on another cluster than the configuration's.

    Before any other word about the marker: what this journal knows of the configuration's cluster says nothing of it.
    """
    if marker and marker.checkpoint:
        cluster_checks.same_cluster(marker.checkpoint.plan, config, "the marker is that of a rollout", command)


def _read(config: Config, here: ClusterId) -> Read:
    backend = database.backend_of(config.database)
    try:
        with closing(read_journal(config.database)) as journal:
            return _of_cluster(journal, backend.name, config.cluster, here)
    except UserError as error:
        absent = error.problem == backend.missing().problem
        return Read(backend.name, missing=error.problem, unread=None if absent else error)


def _of_cluster(journal: SqlJournal, name: str, cluster: str, here: ClusterId) -> Read:
    rollouts = [one for one in journal.summaries() if is_of(one, cluster, here.arn)]
    active = next((journal.load(one.id) for one in rollouts if not terminal(one.phase)), None)
    last = next((journal.load(one.id) for one in rollouts if terminal(one.phase)), None)
    if active:
        active = replace(active, epoch=journal.epoch(active.plan.scope))
    worker = journal.worker(active.plan.scope) if active else None
    return Read(name, known=frozenset(one.id for one in rollouts), active=active, last=last, worker=worker)


def _findings(config: Config, journal: Read, marker: MarkerSeen | None, edge: Edge) -> Sequence[Finding]:
    if journal.unread:
        then = journal.unread.hint
        return (comparison.Finding("the journal cannot be read: nothing can be compared with it", then, person=True),)
    lost = marker if marker and marker.rollout_id not in journal.known else None
    now = edge.clock.now()
    try:
        if journal.active:
            works = bool(journal.worker and journal.worker.works)
            return comparison.differences(journal.active, _seen(journal.active, edge), now, works=works)
        if lost and lost.checkpoint:
            seen = _seen(comparison.record_of(lost.checkpoint, now), edge)
            found = comparison.rebuilt(lost.checkpoint, seen, now).record
            differences = comparison.differences(found, seen, now, works=False)
            return (comparison.lost(lost, journal.name), *(_once_back(one) for one in differences))
        left = comparison.leftovers(_at_rest(config, marker, edge), config.settings(), journal.last)
    except Refused as error:
        return (comparison.Finding(error.detail, "correct what it names (thing, rights or credentials)", person=True),)
    return (comparison.lost(lost, journal.name), *left) if lost else left


def _once_back(finding: Finding) -> Finding:
    """Return what follows for a rollout that the journal does not know yet: no command of ours goes on with it."""
    return replace(finding, then=f"once the journal is back or rebuilt: {finding.then}")


def _seen(record: Record, edge: Edge) -> Observation:
    return observe(record, edge.kubernetes, edge.autoscaling)


def _at_rest(config: Config, marker: MarkerSeen | None, edge: Edge) -> Observation:
    """Look at what a rollout that has ended may have left behind."""
    where = config.settings().autoscaler
    return Observation(
        groups=edge.autoscaling.groups(config.groups),
        nodes=edge.kubernetes.nodes(),
        autoscaler=edge.kubernetes.autoscaler(where) if where else None,
        marker=marker,
    )


def _page(config: Config, journal: Read, marker: MarkerSeen | None, findings: Sequence[Finding]) -> Iterator[str]:
    active = journal.active
    unfinished = f"rollout {active.id}, in {active.phase.value}" if active else "no unfinished rollout"
    yield f"cluster {config.cluster} ({config.region})"
    yield f"  journal  {journal.missing or f'{unfinished} ({journal.name})'}"
    yield f"  marker   {marker.label if marker else 'none'}"
    if active:
        told = any(finding.person and resume(active.id) in finding.then for finding in findings)
        yield from at_work.lines(active.id, journal.worker, then="" if told else None, pause=active.pause)
    for finding in findings:
        yield f"{'!' if finding.person else '-'} {finding.what}"
        yield f"  {'next: ' if finding.person else ''}{finding.then}"
    persons = sum(finding.person for finding in findings)
    if not findings:
        yield "nothing differs"
    else:
        yield f"{persons or 'none'} of {count(len(findings), 'difference')} for a person"


# ---- rebuilding -----------------------------------------------------------------------------------------------------


def _rebuild(config: Config, *, assume_dead: bool) -> None:
    says = actor() if assume_dead else None
    with (
        closing(open_journal(config.database, actor=actor())) as journal,
        opened(config, journal) as session,
    ):
        mark = _lost(session.edge.kubernetes.marker(), journal.summaries(), config, session.cluster_id)
        record = _written(session, mark, says)
    screen.say(f"rollout {record.id} is in the journal again, in {record.phase.value}, with {len(record.nodes)} nodes")
    screen.say(f"  next: rollout resume {record.id}")


def _lost(marker: MarkerSeen | None, known: Sequence[Summary], config: Config, here: ClusterId) -> Checkpoint:
    """Return what is to be rebuilt; `UserError` if nothing was lost, or it cannot be done."""
    if marker is None:
        raise UserError(f"there is no marker on cluster {config.cluster}: nothing is to be rebuilt")
    _same_cluster(marker, config, "rollout doctor --rebuild")
    if any(one.id == marker.rollout_id for one in known):
        raise _known(marker, known, config, here)
    active = next(
        (one for one in select_rollout.unfinished(known) if select_rollout.is_of(one, config.cluster, here.arn)), None
    )
    if active:
        raise UserError(
            f"rollout {active.id} of this journal is unfinished, and the marker is that of {marker.label}",
            hint="rollout doctor",
            exit_code=ANOTHER_ACTIVE,
        )
    if marker.checkpoint is None:
        raise UserError(f"the marker of {marker.label} holds nothing to rebuild from", hint="rollout doctor")
    _refuse_found(marker, marker.checkpoint.journal, config, here)
    return marker.checkpoint


def _known(marker: MarkerSeen, known: Sequence[Summary], config: Config, here: ClusterId) -> UserError:
    """Return why nothing is rebuilt into a journal that knows the rollout: it is not lost, or is an older copy.

    Or it is another cluster's, whose marker was copied to this one.
    """
    read = _read(config, here)
    if read.unread:
        return read.unread
    for one in known:
        if one.id == marker.rollout_id and not is_of(one, config.cluster, here.arn):
            problem = f"rollout {one.id} is of {one.scope or one.cluster}, and its marker is on {here.arn}"
            return UserError(f"{problem}: nothing is to be rebuilt here", hint=rollout("status", one.id))
    if _kept(marker, read):
        return UserError(f"the journal knows rollout {marker.rollout_id}: nothing is lost", hint="rollout doctor")
    problem = f"the journal {read.name} is an older copy of the journal of rollout {marker.rollout_id}"
    hint = "put the right one back; if that is lost, move this one away, then: rollout doctor --rebuild"
    return UserError(problem, hint=hint)


def _refuse_found(marker: MarkerSeen, name: str, config: Config, here: ClusterId) -> None:
    """Raise `UserError` where the file that the marker names is there: a second journal would not know of the first."""
    if not name.startswith("/"):
        return  # a server that a ConfigMap names is not to be given a password
    read = _read(config.model_copy(update={"database": f"sqlite:///{name}"}), here)
    if read.unread and read.unread.exit_code == OTHER_VERSION:
        raise read.unread
    if _kept(marker, read):
        raise UserError(
            f"the journal of rollout {marker.rollout_id} is not lost: {name}",
            hint=rollout("resume", "--database", f"sqlite:///{name}", "--", marker.rollout_id),
        )


def _kept(marker: MarkerSeen, read: Read) -> bool:
    """Tell whether a journal knows the marker's rollout, and knows as much of it as the marker does."""
    active = read.active
    older = active is not None and active.id == marker.rollout_id and ahead(marker, active)
    return marker.rollout_id in read.known and not older


def _written(session: Session, mark: Checkpoint, assume_dead: str | None) -> Record:
    """Take the cluster as the next one after who lost it, look, and write what a journal would say."""
    clock = session.edge.clock
    cluster_checks.same_identity(mark.plan, session.cluster_id, mark.rollout_id)
    record_lost_lease(session.journal.database, session.scope, mark.epoch or 0, clock.now(), session.time)
    with session.lease(assume_dead) as lease:
        if lease.epoch <= (mark.epoch or 0):
            raise UserError("another run was in the way", hint="rollout doctor --rebuild", exit_code=RESUMABLE)
        now = clock.now()
        found = rebuilt(mark, _seen(record_of(mark, now), session.edge), now)
        session.journal.rebuild(found.record, found.adopted, deadline(mark.phase, mark.plan.settings, now))
    return found.record
