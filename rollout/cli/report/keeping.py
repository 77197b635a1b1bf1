"""A report as a file: where a person names it, and at the end of a run where the configuration does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rollout.cli import screen
from rollout.cli.report import building, page
from rollout.commands import rollout
from rollout.errors import UserError
from rollout.journal import history

if TYPE_CHECKING:
    from rollout.cli.report.model import Report
    from rollout.journal import SqlJournal


def write(report: Report, path: Path) -> None:
    """Write a page, in place of what is there. Raises `UserError` if that is not possible."""
    try:
        path.write_text(page.text(report), encoding="utf-8")
    except IsADirectoryError:
        raise UserError(f"{path} is a folder", hint="name a file in it with --html") from None
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}", hint="name another place with --html") from error


def keep(journal: SqlJournal, rollout_id: str, path: Path) -> None:
    """Write the page of a run that ends, and say so; what keeps it from that is a line, and changes nothing else."""
    try:
        write(building.report(history.read(journal.database, rollout_id)), path)
    except Exception as error:  # noqa: BLE001  the rollout has ended, and its exit code says how
        problem = error.problem if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
        again = rollout("report", rollout_id, "--html", "FILE")
        screen.say(f"no report was written: {problem}\n  next: {again}", err=True)
    else:
        screen.say(f"report: {path.absolute()}")
