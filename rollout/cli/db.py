"""`rollout db`: the journal's schema."""

from __future__ import annotations

import typer

from rollout.cli import options

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="Look after the journal's database.")


@app.command()
def upgrade(config: options.WhoseJournal = None, database: options.Database = None) -> None:
    """Bring the journal to this version's schema, creating it if it is missing; `start` and `resume` do so anyway."""
    from rollout.journal import schema

    url = options.journal_url(config, database)
    typer.echo(f"{url} has schema {schema.upgrade(url)}")


@app.command()
def check(config: options.WhoseJournal = None, database: options.Database = None) -> None:
    """Compare the journal with this version's schema and look for damage; exit 2 if something is wrong."""
    from rollout.errors import UserError
    from rollout.journal import schema

    url = options.journal_url(config, database)
    problems = schema.check(url)
    if problems:
        raise UserError("\n  ".join([f"{url} is not in order", *problems]), hint="rollout db upgrade")
    typer.echo(f"{url} is in order")
