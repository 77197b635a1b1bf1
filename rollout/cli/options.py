"""Options that several commands share, and which journal they mean."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rollout.cli import log, typed

if TYPE_CHECKING:
    from rollout.commands import Options
    from rollout.config import Config

CONFIG = Path("rollout.yaml")


@dataclass
class _Typed:
    """Which configuration and journal this process was told to work with, and what that configuration says of where."""

    config: Path | None = None
    database: str | None = None
    unconfigured: bool = False
    region: str = ""
    kubeconfig: str = ""
    context: str = ""


_typed = _Typed()


def named(config: Path | None) -> Path | None:
    """Note the configuration before any other word is looked at: a refusal repeats it."""
    _typed.config = config
    return config


def _journal(database: str | None) -> str | None:
    """Note the journal, as the configuration."""
    _typed.database = database
    return database


ConfigFile = Annotated[
    Path,
    typer.Option(
        "--config", metavar="FILE", help="The configuration file.", readable=False, is_eager=True, callback=named
    ),
]
WhoseJournal = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        readable=False,
        is_eager=True,
        callback=named,
        help="The configuration that names the journal; default: ./rollout.yaml if it is there.",
    ),
]
Database = Annotated[
    str | None,
    typer.Option(
        "--database",
        metavar="URL",
        is_eager=True,
        callback=_journal,
        help="The journal itself: sqlite:////path/rollout.db, or postgresql+psycopg://user@host/database.",
    ),
]
Ami = Annotated[
    str | None,
    typer.Option(metavar="AMI", help="The image that the groups are to run.", show_default=False, callback=typed.ami),
]
AmiFrom = Annotated[
    Path | None,
    typer.Option(
        "--ami-from",
        metavar="FILE",
        readable=False,
        help="Packer's manifest, in place of --ami: what its last run built.",
    ),
]
Description = Annotated[str, typer.Option(metavar="TEXT", help="What the new template version says of itself.")]
RolloutId = Annotated[
    str | None,
    typer.Argument(metavar="[ID]", help="The rollout's id, or its key.", show_default=False, callback=typed.reference),
]
AssumeDead = Annotated[
    bool,
    typer.Option(
        "--assume-dead",
        help="Assert that the previous lease holder is dead. Skips the takeover delay (5.5 min) before terminations.",
    ),
]
TEXT = log.Format.TEXT
LogFormat = Annotated[
    log.Format,
    typer.Option(
        "--log-format",
        help="How lines are printed: as text, or each as a JSON object, also on a terminal.",
        callback=log.choose,
        is_eager=True,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def use(config: Path | None, database: str | None) -> None:
    """Note what a command works with that has found its file by itself."""
    _typed.config, _typed.database, _typed.unconfigured = config, database, False


def told() -> Options:
    """Return the options that a command of a hint repeats, so that it means the same from anywhere."""
    from rollout import commands

    config = str(_typed.config.absolute()) if _typed.config else ""
    known = commands.Options(
        config,
        region=_typed.region,
        kubeconfig=_typed.kubeconfig,
        context=_typed.context,
        unconfigured=_typed.unconfigured,
    )
    if not _typed.database:
        return known
    from rollout.errors import UserError
    from rollout.journal import address, database

    try:
        backend = database.backend_of(_typed.database)
    except UserError:  # which is what is being told
        return known
    if backend.path:
        return replace(known, database=f"sqlite:///{backend.path}")
    return replace(known, database=backend.name, hidden=address.has_secret(address.of_server(_typed.database)))


def journal_url(config: Path | None, database: str | None) -> str:
    """Return the journal that is meant: the one named, else the configuration's, else the default place.

    Raises `UserError` for a configuration that cannot be read.
    """
    _typed.config, _typed.database = config, database
    _typed.unconfigured = config is None
    if database:
        return database
    from rollout import config as configuration

    if config is None and not CONFIG.exists():
        return configuration.default_database()
    _typed.config, _typed.unconfigured = config or CONFIG, False
    return _read(_typed.config).database


def loaded(config: Path, database: str | None) -> Config:
    """Return the configuration, with the journal that the command line names, if it does.

    Raises `UserError` for a configuration that cannot be read.
    """
    _typed.config, _typed.database, _typed.unconfigured = config, database, False
    read = _read(config)
    return read.model_copy(update={"database": database}) if database else read


def _read(config: Path) -> Config:
    from rollout import config as configuration

    read = configuration.load(config)
    _typed.region, _typed.context = read.region, read.access.context or ""
    _typed.kubeconfig = str(read.access.kubeconfig.absolute()) if read.access.kubeconfig else ""
    return read
