"""`rollout resume`: goes on with an unfinished rollout, whoever began it."""

from __future__ import annotations

from contextlib import closing

from rollout.cli import options, output


def resume(
    rollout_id: options.RolloutId = None,
    *,
    config: options.ConfigFile = options.CONFIG,
    database: options.Database = None,
    assume_dead: options.AssumeDead = False,
) -> None:
    """Go on with a rollout; default: the only unfinished one.

    It may have been interrupted, have crashed or be halted: a halted one looks again. While another process works it,
    that one is followed, and taken over from when its lease ends.
    """
    from rollout.cli import belonging, choosing, workplace
    from rollout.errors import UserError
    from rollout.journal import open_journal

    output.works()
    loaded = options.loaded(config, database)
    with closing(open_journal(loaded.database, actor=workplace.actor())) as journal:
        try:
            found = choosing.to_resume(rollout_id, journal.summaries())
        except UserError as nothing:
            belonging.explain(loaded, journal, nothing)
        workplace.go_on(loaded, journal, found, assume_dead=assume_dead)
