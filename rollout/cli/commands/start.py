"""`rollout start`: begins a rollout, or goes on with the one that the same command began."""

from __future__ import annotations

from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from rollout import preflight
from rollout.cli import log, options, output, plan_file, planning, screen, select_rollout, typed
from rollout.cli.monitoring import telling
from rollout.cli.session import Interrupted, actor, go_on, looking, opened
from rollout.journal import database as places
from rollout.journal import open_journal
from rollout.journal.lease_acquire import LeaseHeld
from rollout.model.plan import Plan
from rollout.preflight import saved

if TYPE_CHECKING:
    from rollout.cli.planning import Given, Wanted
    from rollout.cli.select_rollout import Asked
    from rollout.cli.session import Session
    from rollout.config import Config
    from rollout.ports import Summary


def start(  # noqa: PLR0913  each is an option
    *,
    ami: options.Ami = None,
    ami_from: options.AmiFrom = None,
    config: options.ConfigFile = options.CONFIG,
    description: options.Description = "",
    key: Annotated[
        str | None,
        typer.Option(
            metavar="KEY",
            help="Your name for this rollout, such as a build's number: the same key never begins it twice.",
            callback=typed.key,
        ),
    ] = None,
    database: options.Database = None,
    plan: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            readable=False,
            help="A plan that `rollout plan --out FILE` wrote, in place of --ami: refused if anything in it has moved.",
            show_default=False,
        ),
    ] = None,
    assume_dead: options.AssumeDead = False,
    log_format: options.LogFormat = options.TEXT,  # noqa: ARG001  its callback has it
) -> None:
    """Begin a rollout and run it to its end. Run again after a crash, the same command continues where it stopped.

    While another process runs the rollout, this command follows it, and takes over when its lease ends.
    The rollout's id is the first line of the output.
    """
    output.works()
    given = planning.Given(ami, ami_from, description, key, plan)
    try:
        try:
            _start(config, database, given, assume_dead=assume_dead)
        except plan_file.Unread as unread:
            _without_plan(config, database, given, unread, assume_dead=assume_dead)
    except Interrupted as interrupted:
        raise interrupted.told("anything was begun", given.command) from None


def _start(config: Path, database: str | None, given: Given, *, assume_dead: bool) -> NoReturn:
    """Begin a rollout, or go on with one. Raises `Interrupted` where a signal comes before either."""
    with ExitStack() as stack:
        with looking():
            loaded = options.loaded(config, database)
            wanted = given.wanted(loaded.region, starts=True)
            asked = select_rollout.Asked(loaded.cluster, loaded.groups, wanted.ami, given.key)
            journal = stack.enter_context(closing(open_journal(loaded.database, actor=actor())))
            known = journal.summaries()
            found = select_rollout.of_key(asked, known)
        if found is None:
            under_way = any(map(asked.same_cluster, select_rollout.unfinished(known)))
            with opened(loaded, journal, under_way=under_way) as session:
                asked = replace(asked, scope=session.scope)
                found = _alone(session, loaded, asked, given, wanted, actor() if assume_dead else None)
        go_on(loaded, journal, found, assume_dead=assume_dead)


def _without_plan(
    config: Path, database: str | None, given: Given, unread: plan_file.Unread, *, assume_dead: bool
) -> NoReturn:
    """Go on with the rollout that a plan began which is lost or damaged since: nothing is compared with it any more.

    Raises `unread` where there is none; no journal is made for it.
    """
    with ExitStack() as stack:
        with looking():
            loaded = options.loaded(config, database)
            file = places.backend_of(loaded.database).path
            if file and not file.exists():
                raise unread
            journal = stack.enter_context(closing(open_journal(loaded.database, actor=actor())))
            asked = select_rollout.Asked(loaded.cluster, loaded.groups, "", given.key)
            found = select_rollout.begun(asked, journal.summaries())
        if found is None:
            raise unread
        go_on(loaded, journal, found, assume_dead=assume_dead)


def _alone(
    session: Session, config: Config, asked: Asked, given: Given, wanted: Wanted, assume_dead: str | None
) -> Summary:
    """Begin and work a rollout under one lease; return the one that is gone on with, where there is one already.

    The process that makes the plan holds the cluster's lease, so no other rollout changes what it reads.
    """
    waits_for = ""
    while True:
        if found := select_rollout.to_start(asked, session.journal.summaries()):
            return found
        try:
            with session.lease(assume_dead) as lease:
                if found := select_rollout.to_start(asked, session.journal.summaries()):
                    return found
                rollout_id = _begin(session, config, given, wanted)
                raise typer.Exit(session.work_under(lease, rollout_id))
        except LeaseHeld as taken:
            if taken.who != waits_for:
                waits_for = taken.who
                screen.say(f"{taken}, which has begun no rollout yet: this start waits for it", err=True)
            if not session.stand_by():
                raise Interrupted from taken


def _begin(session: Session, config: Config, given: Given, wanted: Wanted) -> str:
    """Begin a rollout, say which and what it protects, and return its id.

    Raises `UserError` where none can be begun, and `Interrupted` where somebody asked us to stop.
    """
    telling.require(config.notify)
    with session.signals.interrupting():
        plan, protection, warnings = _plan(session, config, given, wanted)
    rollout_id = session.new_id()
    now = session.edge.clock.now()
    session.journal.begin(rollout_id, given.key, plan, now)
    log.about(rollout_id)
    screen.say(rollout_id, kind="rollout")
    for line in protection:
        session.journal.note(rollout_id, "note", line, now)
        screen.say(line)
    for warning in warnings:
        session.journal.note(rollout_id, "note", f"warning: {warning}", now)
        screen.say(f"warning: {warning}", err=True)
    return rollout_id


def _plan(
    session: Session, config: Config, given: Given, wanted: Wanted
) -> tuple[Plan, tuple[str, ...], tuple[str, ...]]:
    """Look once; return the plan, what it protects, and warnings. `UserError` lists every reason against it.

    Raises `UserError` too where it is not the plan that was given, and `typer.Exit` where nothing is to be replaced.
    """
    edge, request = session.edge, planning.request(config, wanted)
    found = preflight.survey(request, edge.kubernetes, edge.autoscaling, edge.probe, session.journal.keep_lease)
    plan = preflight.make_plan(found, request)
    if not isinstance(plan, Plan):
        raise planning.refused(plan)
    now = saved.save(found, plan, session.cluster_id, edge.clock.now())
    before = wanted.saved or now
    if preflight.up_to_date(found, wanted.ami) and saved.same_groups(before, now):
        screen.say(planning.up_to_date(request))
        raise typer.Exit
    if moved := saved.moved(before, now):
        raise planning.not_as_planned(given, before, moved)
    warnings = preflight.warnings(found, request, identified=bool(session.cluster_id.uid))
    kept = saved.planned(wanted.saved) if wanted.saved else ()
    return replace(plan, cluster_id=session.cluster_id, planned=kept), preflight.told(found, request.settings), warnings
