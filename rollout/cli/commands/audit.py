"""`rollout audit`: whether a history can be trusted, and all of it for a reader who does not trust this tool."""

from __future__ import annotations

from contextlib import closing
from string import hexdigits
from typing import TYPE_CHECKING, Annotated

import typer

from rollout.cli import options, output, screen, select_rollout
from rollout.commands import rollout
from rollout.errors import UserError
from rollout.journal import audit, read_journal
from rollout.journal.export import records

if TYPE_CHECKING:
    from rollout.journal import SqlJournal
    from rollout.journal.audit import ChainReport

#: Exit code: what was looked for is not there, or is not as it was.
BROKEN = 1
#: Of a SHA-256.
HEAD_DIGITS = 64

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="Verify a journal's history, or export it.")


@app.command()
def verify(
    rollout_id: options.RolloutId = None,
    *,
    head: Annotated[
        str | None,
        typer.Option(
            "--head",
            metavar="HASH",
            help="A head of the chain that was noted elsewhere: is it in it?",
            show_default=False,
        ),
    ] = None,
    config: options.WhoseJournal = None,
    database: options.Database = None,
) -> None:
    """Prove that nobody changed the history; default: of all rollouts.

    The chain of events is checked, and that all tables say what the events say.

    Exit 1 if something was changed, removed or added, or if no chain has the head that is given. Exit 2 if the journal
    has no rollout.
    """
    noted = "" if head is None else _whole(head)
    with closing(read_journal(options.journal_url(config, database))) as journal:
        known = _known(rollout_id, journal)
        verdicts = audit.verify(journal.database, known, noted)
        owner = audit.whose(journal.database, noted) if noted else None
        guards = audit.guards(journal.database)
    for one in verdicts:
        _tell(one)
    if known and owner and owner[0] != known:
        raise _of_another(known, *owner, noted)
    if noted and owner is None:
        screen.say(
            f"no event has hash {noted}: the history was rewritten since you noted it, or this is another journal"
        )
        raise _broken(known)
    for problem in guards:
        screen.say(f"{problem}: only the chain proves what was written without it")
    if guards or any(one.problems for one in verdicts):
        raise _broken(known)
    if not verdicts:
        raise select_rollout.none_known()
    screen.say("nothing differs: every chain is whole, and all tables say what its events say")


@app.command()
def export(
    rollout_id: options.RolloutId = None, *, config: options.WhoseJournal = None, database: options.Database = None
) -> None:
    """Print all rows as JSON lines; default: of all rollouts.

    docs/audit.md says how to read them.
    """
    with closing(read_journal(options.journal_url(config, database))) as journal:
        for record in records(journal.database, _known(rollout_id, journal)):
            typer.echo(output.as_json(record))
            if output.unread():
                return


def _known(rollout_id: str | None, journal: SqlJournal) -> str | None:
    """Return the id; `UserError` if there is no such rollout."""
    return select_rollout.to_show(rollout_id, journal.summaries()).id if rollout_id else None


def _whole(head: str) -> str:
    """Return a head as the journal writes it; `UserError` for half of one or none: an unset variable proves nothing."""
    written = head.strip().lower()
    if len(written) != HEAD_DIGITS or not set(written) <= set(hexdigits):
        raise UserError(
            f'"{head}" is no head of a chain: that has {HEAD_DIGITS} hexadecimal digits',
            hint="copy all of it, from the line that begins with: head",
        )
    return written


def _of_another(wanted: str, owner: str, number: int, head: str) -> UserError:
    named = [] if owner.startswith("fleet ") else [owner]
    return UserError(
        f"the head given is no head of {wanted}: it is event {number} of {'rollout ' * len(named)}{owner} "
        "in the same journal",
        hint=rollout("audit", "verify", *named, "--head", head),
    )


def _broken(known: str | None) -> typer.Exit:
    """Say what to do about a history that is not as it was; return how the command ends."""
    command = rollout("audit", "export", *([known] if known else []))
    screen.say(f"  next: keep what is there now, to compare it with a copy from before: {command}")
    return typer.Exit(BROKEN)


def _tell(one: ChainReport) -> None:
    screen.say(f"{one.rollout_id}: {one.count} events, head {one.head}")
    if one.at is not None:
        screen.say(f"  the head given is event {one.at} of {one.count}")
    for problem in one.problems:
        screen.say(f"  {problem}")
