"""`rollout list`: all rollouts of a journal, newest first."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from rollout.cli import options, screen

if TYPE_CHECKING:
    from rollout.ports import Summary


def list_(config: options.WhoseJournal = None, database: options.Database = None) -> None:
    """List all rollouts of the journal, newest first."""
    from rollout.cli import text
    from rollout.journal import read_journal

    with closing(read_journal(options.journal_url(config, database))) as journal:
        rows = [_row(one) for one in journal.summaries()]
    for line in text.table(("ID", "STATE", "CLUSTER", "AMI", "BEGUN", "ENDED", "KEY"), rows):
        screen.say(line)


def _row(one: Summary) -> tuple[str, ...]:
    from rollout.cli import text

    state = f"{one.phase.value} (halted)" if one.halted else one.phase.value
    ended = text.instant(one.ended) if one.ended else "-"
    return one.id, state, one.cluster, one.ami, text.instant(one.begun), ended, one.key or "-"
