"""`rollout resume`: continues an unfinished rollout, also one that another host began, or that somebody paused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from rollout import commands
from rollout.cli import lost_journal, options, output, screen, typed, world_time
from rollout.cli.screen.format import instant
from rollout.cli.session import actor, go_on
from rollout.engine.runner import Ended
from rollout.errors import UserError
from rollout.model.machine import DRAINING, can_turn, terminal
from rollout.model.steering import Lift
from rollout.model.windows import may_end_from

if TYPE_CHECKING:
    from datetime import datetime

    from rollout.journal import SqlJournal
    from rollout.model.record import Record
    from rollout.ports import Summary


def resume(
    rollout_id: options.RolloutId = None,
    *,
    config: options.ConfigFile = options.CONFIG,
    database: options.Database = None,
    kill_now: Annotated[
        bool,
        typer.Option("--kill-now", help="Resume a paused rollout whose drain deadline is past: Jobs may be killed."),
    ] = False,
    once: Annotated[
        str | None,
        typer.Option(
            "--once",
            metavar="TEXT",
            help="For programs that retry: lift a pause with the first command of this text only, such as a build's "
            "number.",
            show_default=False,
            callback=typed.reference,
        ),
    ] = None,
    assume_dead: options.AssumeDead = False,
    log_format: options.LogFormat = options.TEXT,  # noqa: ARG001  its callback has it
) -> None:
    """Continue a rollout; default: the only unfinished one.

    It may have been interrupted, have crashed, be halted or paused: a halted one observes again, and a pause is
    lifted. While another process runs it, this command follows it, and takes over when its lease ends.
    """
    output.works()
    loaded = options.loaded(config, database)
    given = [*["--kill-now"] * kill_now, *(["--once", once] if once else []), *["--assume-dead"] * assume_dead]
    with lost_journal.unfinished(loaded, rollout_id, lambda one: commands.resume(one, *given)) as (journal, found):
        if not terminal(found.phase):
            _lift(journal, journal.load(found.id), Lift(world_time.now_of(loaded), actor(), kill_now), once)
        go_on(loaded, journal, found, assume_dead=assume_dead, wanted=_wanted(journal, found))


def _lift(journal: SqlJournal, record: Record, asked: Lift, once: str | None) -> None:
    """Ask that a pause ends, if one stands. Raises `UserError` where Jobs would be killed that nobody spoke of."""
    if record.pause and _kills(record, asked.at) and not asked.kill_now:
        more, now = commands.extend(record.id, "--by", "1h"), commands.resume(record.id, "--kill-now")
        raise UserError(
            f"rollout {record.id} is paused, and its drain deadline ({instant(record.drain_deadline or asked.at)}) is "
            f"past: Jobs that still run on {record.plan.leaving} nodes would be killed{_from(record, asked.at)}; "
            "it stays paused",
            hint=f"give them more time: {more}; then: {commands.resume(record.id)}; or let them be killed: {now}",
        )
    if record.pause is None and once is None:
        return
    stands = journal.ask_lift(record.id, asked, once)
    if stands:
        screen.say(f"rollout {record.id} stays paused: this command was given before (--once {once})")
    elif record.pause:
        screen.say(f"rollout {record.id} is no longer paused")


def _from(record: Record, now: datetime) -> str:
    begins = may_end_from(record.plan.settings.windows, now)
    return "" if begins == now else f" from {instant(begins)} on, when a maintenance window lets Jobs be ended"


def _kills(record: Record, now: datetime) -> bool:
    """Tell whether Jobs may be killed as soon as the rollout goes on."""
    past = record.drain_deadline is not None and now >= record.drain_deadline
    return past and record.phase in DRAINING and record.plan.settings.on_deadline != "halt"


def _wanted(journal: SqlJournal, found: Summary) -> Ended:
    """Return the end for which the exit code is 0: who continues a way back, asked for or begun, wants it to end so."""
    asked = can_turn(found.phase) and journal.load(found.id).abort
    return Ended.ABORTED if found.direction == "back" or asked else Ended.DONE
