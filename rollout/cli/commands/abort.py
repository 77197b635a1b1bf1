"""`rollout abort`: a rollout goes back to what was there before, by the process that runs it, or by this one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from rollout import commands
from rollout.cli import cluster_checks, log, lost_journal, options, output, screen, standing, typed, world_time
from rollout.cli.session import actor, go_on
from rollout.commands import resume, rollout
from rollout.engine.runner import Ended
from rollout.errors import UserError
from rollout.model.machine import Phase, can_turn, terminal
from rollout.model.plan import spelled
from rollout.model.record import Abort

if TYPE_CHECKING:
    from rollout.journal import SqlJournal
    from rollout.model.record import Record
    from rollout.ports import Summary


def abort(
    rollout_id: options.RolloutId = None,
    *,
    config: options.ConfigFile = options.CONFIG,
    database: options.Database = None,
    deadline: Annotated[
        str | None,
        typer.Option(
            "--deadline",
            metavar="TIME",
            help="How long Jobs may run on new nodes, such as 2h or 90m. Default: as long as on old ones.",
            callback=typed.duration,
        ),
    ] = None,
    keep_jobs: Annotated[
        bool, typer.Option("--keep-jobs", help="Never kill a Job on a new node: halt at the deadline.")
    ] = False,
    assume_dead: options.AssumeDead = False,
    log_format: options.LogFormat = options.TEXT,  # noqa: ARG001  its callback has it
) -> None:
    """Go back to what was there before a rollout; default: the only unfinished one.

    The old nodes stay, and new ones are drained as their Jobs end. It may be halted, have crashed, or run: then the
    process that runs it turns round, and this command follows it.
    """
    output.works()
    loaded = options.loaded(config, database)
    given = _given(deadline, keep_jobs=keep_jobs, assume_dead=assume_dead)
    with lost_journal.unfinished(loaded, rollout_id, lambda one: commands.abort(one, *given)) as (journal, found):
        if not terminal(found.phase):
            log.about(found.id)
            record = journal.load(found.id)
            cluster_checks.same_cluster(record.plan, loaded, f"rollout {found.id} runs", rollout("abort", found.id))
            asked = Abort(
                world_time.now_of(loaded), actor(), None if deadline is None else typed.length(deadline), keep_jobs
            )
            _ask(journal, record, asked)
        elif found.phase is Phase.DONE:
            raise _too_late(found, "is done")
        go_on(loaded, journal, found, assume_dead=assume_dead, wanted=Ended.ABORTED)


def _given(deadline: str | None, *, keep_jobs: bool, assume_dead: bool) -> list[str]:
    """Return the options as they were given, for the command that names the rollout, too."""
    flags = [name for name, given in (("--keep-jobs", keep_jobs), ("--assume-dead", assume_dead)) if given]
    return [*(["--deadline", deadline] if deadline is not None else []), *flags]


def _ask(journal: SqlJournal, record: Record, asked: Abort) -> None:
    """Write the request, once; say what counts where one was written before. `UserError` where nothing leads back."""
    if record.plan.goes_back:
        if asked.drain_seconds is not None or asked.keep_jobs:
            raise UserError(
                f"rollout {record.id} goes back already, as it was asked for first; nothing was changed",
                hint=f"without --deadline and --keep-jobs, which do not count any more: {rollout('abort', record.id)}",
            )
        screen.say(f"rollout {record.id} goes back already")
        return
    if not can_turn(record.phase):
        raise _too_late(record, "has replaced every node, and restores what it found")
    counts = journal.ask_abort(record.id, asked)
    if counts != asked:
        screen.say(f"{counts.by} has asked for it already{_how(counts)}; that counts")
    screen.say(f"rollout {record.id} is asked to go back; that stays so, also if this process ends before it does")
    for line in standing.paused(record):
        screen.say(f"it is {line}: it goes back once somebody resumes it: {resume(record.id)}")


def _how(asked: Abort) -> str:
    told = [f"--deadline {spelled(asked.drain_seconds)}"] if asked.drain_seconds is not None else []
    told += ["--keep-jobs"] if asked.keep_jobs else []
    return f" ({' '.join(told)})" if told else ""


def _too_late(one: Record | Summary, why: str) -> UserError:
    end = "" if terminal(one.phase) else f"let it end: {resume(one.id)}; then "
    return UserError(
        f"rollout {one.id} {why}: there is nothing to abort",
        hint=f"{end}begin a rollout with the old image (docs/rolling-back.md): {rollout('start', '--ami', 'AMI')}",
    )
