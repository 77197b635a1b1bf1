"""`rollout db`: the journal's schema."""

from __future__ import annotations

import typer

from rollout.cli import options, output, screen
from rollout.errors import UserError
from rollout.journal import database as databases
from rollout.journal import schema

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="Upgrade or check the journal's database.")


@app.command()
def upgrade(config: options.WhoseJournal = None, database: options.Database = None) -> None:
    """Bring the journal to this version's schema.

    `start` and `resume` do so by themselves with a file.

    A missing journal is created; the database on a server must be there.
    """
    output.works()
    url = options.journal_url(config, database)
    screen.say(f"{databases.backend_of(url).name} has schema {schema.upgrade(url)}")


@app.command()
def check(config: options.WhoseJournal = None, database: options.Database = None) -> None:
    """Look for damage in the journal; exit 2 if there is some.

    It is compared with this version's schema, too.
    """
    url = options.journal_url(config, database)
    name, problems = databases.backend_of(url).name, schema.check(url)
    if problems:
        raise UserError("\n  ".join([f"{name} is not in order", *problems]), hint="rollout db upgrade")
    screen.say(f"{name} is in order")
