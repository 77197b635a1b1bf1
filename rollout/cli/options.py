"""Options that several commands share, and which journal they mean."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rollout.config import Config

CONFIG = Path("rollout.yaml")

ConfigFile = Annotated[Path, typer.Option("--config", metavar="FILE", help="The configuration file.")]
WhoseJournal = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="The configuration that names the journal; default: ./rollout.yaml if it is there.",
    ),
]
Database = Annotated[
    str | None,
    typer.Option(
        "--database",
        metavar="URL",
        help="The journal itself: sqlite:////path/rollout.db, or postgresql+psycopg://user@host/database.",
    ),
]
RolloutId = Annotated[
    str | None, typer.Argument(metavar="[ID]", help="The rollout's id, or its key.", show_default=False)
]
AssumeDead = Annotated[
    bool,
    typer.Option(
        "--assume-dead",
        help="You make sure that the process that held the lease is dead: terminates need not wait until its requests "
        "have expired.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def journal_url(config: Path | None, database: str | None) -> str:
    """Return the journal that is meant: the one named, else the configuration's, else the default place.

    Raises `UserError` for a configuration that cannot be read.
    """
    from rollout import config as configuration

    if database:
        return database
    if config is None and not CONFIG.exists():
        return configuration.default_database()
    return configuration.load(config or CONFIG).database


def loaded(config: Path, database: str | None) -> Config:
    """Return the configuration, with the journal that the command line names, if it does.

    Raises `UserError` for a configuration that cannot be read.
    """
    from rollout import config as configuration

    read = configuration.load(config)
    return read.model_copy(update={"database": database}) if database else read
