"""`rollout skip`: one node that must go stays. Any process may run the rollout, on any host."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from rollout import commands
from rollout.cli import one_node, options, output, screen, select_rollout, world_time
from rollout.cli.screen import at_work
from rollout.cli.screen.format import instant
from rollout.cli.session import actor
from rollout.commands import rollout
from rollout.errors import UserError
from rollout.journal import read_journal
from rollout.model.machine import Stage
from rollout.model.steering import Skip

if TYPE_CHECKING:
    from rollout.model.plan import Node
    from rollout.model.record import Record


def skip(
    rollout_id: options.RolloutId = None,
    *,
    node: one_node.Name,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why, for the history.")] = "",
    config: options.WhoseJournal = None,
    database: options.Database = None,
) -> None:
    """Let one node stay that must go; default: of the only unfinished rollout.

    It keeps its image, and what runs on it. At the end it is opened to pods again, and reported. It stays beside as
    many new nodes as there were before, so its group is one larger. A later rollout with the same image replaces it.
    Only the journal is read and written, so any host will do.
    """
    output.works()
    with closing(read_journal(options.journal_url(config, database))) as journal:
        found = select_rollout.to_resume(rollout_id, journal.summaries(), lambda one: _again(one, node, reason))
        record = journal.load(found.id)
        row = one_node.named(node, record)
        _refuse(row, record)
        asked = Skip(row.instance_id, world_time.now(config), actor(), reason)
        counts = journal.ask_skip(record.id, asked)
        if counts != asked:
            screen.say(f"{one_node.label(row)} is skipped already, since {instant(counts.at)} by {counts.label}")
        else:
            screen.say(f"{one_node.label(row)} stays: rollout {record.id} skips it")
        if row.forced_at:
            screen.say(
                f"it was forced by {row.forced_by}: pods that were asked to end still end, and no other one does"
            )
        screen.say("\n".join(at_work.lines(record.id, journal.worker(found.scope), pause=record.pause)))


def _again(rollout_id: str, node: str, reason: str) -> str:
    """Return the command as it was typed, for the rollout of this id."""
    return commands.skip(rollout_id, "--node", node, *(["--reason", reason] if reason else []))


def _refuse(row: Node, record: Record) -> None:
    """Raise `UserError` where the node cannot stay any more, or does so already for another reason."""
    why = one_node.over(row, record)
    if row.stage is Stage.KEPT and row.instance_id not in record.skips:
        why = why or f"{one_node.label(row)} stays already ({row.reason})"
    if why:
        raise UserError(f"{why}; it was not skipped", hint=rollout("status", record.id))
