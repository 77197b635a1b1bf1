"""`rollout report`: one rollout as a page for people, as Markdown or as JSON, from its journal alone."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from rollout import commands
from rollout.cli import options, output, own_files, screen, select_rollout
from rollout.cli.report import building, fields, keeping, markdown
from rollout.errors import UserError
from rollout.journal import history, read_journal


def report(
    rollout_id: options.RolloutId = None,
    *,
    html: Annotated[
        Path | None,
        typer.Option(
            "--html", metavar="FILE", readable=False, help="Write a page that needs no other file.", show_default=False
        ),
    ] = None,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
    as_json: options.AsJson = False,
    config: options.WhoseJournal = None,
    database: options.Database = None,
) -> None:
    """Tell all of a rollout on one page; default: the newest unfinished.

    If none is unfinished, the newest. Only the journal is read: AWS is not asked. One of --html, --markdown and --json
    says what to write. An older page is replaced, and no other file.
    """
    url = options.journal_url(config, database)
    if [html is not None, as_markdown, as_json].count(True) != 1:
        raise UserError(
            "it is not clear what to write: give one of --html FILE, --markdown and --json",
            hint=commands.rollout("report", "--html", "report.html"),
        )
    with closing(read_journal(url)) as journal:
        file = journal.database.backend.path
        if html:
            own_files.require(html, keeping.FILE, file)
        chosen = select_rollout.to_show(rollout_id, journal.summaries())
        told = building.report(history.read(journal.database, chosen.id))
    if as_json:
        typer.echo(output.as_json(fields.as_fields(told), indent=2))
    elif html is None:
        typer.echo(markdown.text(told))
    else:
        keeping.write(told, html, file)
        screen.say(f"the report of rollout {told.id} is {html.absolute()}")
