"""`rollout resume`: continues an unfinished rollout, also one that another host began."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollout import commands
from rollout.cli import lost_journal, options, output
from rollout.cli.session import go_on
from rollout.engine.runner import Ended
from rollout.model.machine import can_turn

if TYPE_CHECKING:
    from rollout.journal import SqlJournal
    from rollout.ports import Summary


def resume(
    rollout_id: options.RolloutId = None,
    *,
    config: options.ConfigFile = options.CONFIG,
    database: options.Database = None,
    assume_dead: options.AssumeDead = False,
    log_format: options.LogFormat = options.TEXT,  # noqa: ARG001  its callback has it
) -> None:
    """Continue a rollout; default: the only unfinished one.

    It may have been interrupted, have crashed or be halted: a halted one observes again. While another process
    runs it, this command follows it, and takes over when its lease ends.
    """
    output.works()
    loaded = options.loaded(config, database)
    typed = ["--assume-dead"] * assume_dead
    with lost_journal.unfinished(loaded, rollout_id, lambda one: commands.resume(one, *typed)) as (journal, found):
        go_on(loaded, journal, found, assume_dead=assume_dead, wanted=_wanted(journal, found))


def _wanted(journal: SqlJournal, found: Summary) -> Ended:
    """Return the end for which the exit code is 0: who continues a way back, asked for or begun, wants it to end so."""
    asked = can_turn(found.phase) and journal.load(found.id).abort
    return Ended.ABORTED if found.direction == "back" or asked else Ended.DONE
