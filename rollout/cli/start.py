"""`rollout start`: begins a rollout, or goes on with the one that the same command began."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rollout.cli import options, screen

if TYPE_CHECKING:
    from rollout.cli.workplace import Workplace
    from rollout.config import Config
    from rollout.plan import Plan


def start(
    *,
    ami: Annotated[
        str | None, typer.Option(metavar="AMI", help="The image that the groups are to run.", show_default=False)
    ] = None,
    ami_from: Annotated[
        Path | None,
        typer.Option(
            "--ami-from", metavar="FILE", help="Packer's manifest, in place of --ami: what its last run built."
        ),
    ] = None,
    config: options.ConfigFile = options.CONFIG,
    description: Annotated[
        str, typer.Option(metavar="TEXT", help="What the new template version says of itself.")
    ] = "",
    key: Annotated[
        str | None,
        typer.Option(
            metavar="KEY",
            help="Your name for this rollout, such as a build's number: the same key never begins it twice.",
        ),
    ] = None,
    database: options.Database = None,
    assume_dead: options.AssumeDead = False,
) -> None:
    """Begin a rollout and work it to its end. Run again after a crash, the same command goes on where it stopped.

    While another process works the rollout, that one is followed, and taken over from when its lease ends.
    The rollout's id is the first line of the output.
    """
    from rollout.cli import choosing, workplace
    from rollout.cli.ami import chosen
    from rollout.errors import UserError
    from rollout.journal import open_journal

    loaded = options.loaded(config, database)
    image = chosen.ami(ami, ami_from, loaded.region, ("--ami", "--ami-from"))
    asked = choosing.Asked(loaded.cluster, loaded.groups, image, key)
    with closing(open_journal(loaded.database, actor=workplace.actor())) as journal:
        found = choosing.to_start(asked, journal.summaries())
        if found is None:
            with workplace.opened(loaded, journal) as place:
                try:
                    rollout_id = _begin(place, loaded, image, description, key)
                except UserError:
                    # Somebody else's start may have been quicker; if it was the same, it is gone on with.
                    found = None if place.signals.came() else choosing.to_start(asked, journal.summaries())
                    if found is None:
                        raise
                else:
                    screen.say(rollout_id)
                    raise typer.Exit(place.work(rollout_id, assume_dead=assume_dead))
        workplace.go_on(loaded, journal, found, assume_dead=assume_dead)


def _begin(place: Workplace, config: Config, ami: str, description: str, key: str | None) -> str:
    """Begin a rollout and return its id. Raises `UserError` where none can be begun, or somebody asked us to stop."""
    from rollout.errors import RESUMABLE, Retry, UserError

    interrupted = UserError("interrupted before anything was begun", exit_code=RESUMABLE)
    try:
        plan = _plan(place, config, ami, description)
    except Retry as error:
        raise (interrupted if place.signals.came() else error) from None
    if place.signals.came():
        raise interrupted
    rollout_id = place.new_id()
    place.journal.begin(rollout_id, key, plan, place.edge.clock.now())
    return rollout_id


def _plan(place: Workplace, config: Config, ami: str, description: str) -> Plan:
    """Look once and return the plan; `UserError` lists every reason against it."""
    from rollout import preflight
    from rollout.errors import UserError
    from rollout.plan import Plan

    request = preflight.Request(
        config.cluster, config.region, config.groups, ami, description, config.settings(), config.share_templates
    )
    edge = place.edge
    plan = preflight.make_plan(preflight.survey(request, edge.cluster, edge.fleet, edge.scout), request)
    if isinstance(plan, Plan):
        return plan
    reasons = "\n  ".join(f"{refusal.problem}\n    next: {refusal.hint}" for refusal in plan)
    raise UserError(f"nothing was begun, because\n  {reasons}")
