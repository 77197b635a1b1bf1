"""A report as a file: where a person names it, and at the end of a run where the configuration does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from rollout.cli import own_files, screen
from rollout.cli.report import building, page
from rollout.commands import rollout
from rollout.errors import UserError
from rollout.journal import history

if TYPE_CHECKING:
    from rollout.cli.report.model import Report
    from rollout.journal import SqlJournal

FILE = own_files.Kind("report", re.compile(rb"\s*<!DOCTYPE html>.*?<title>rollout [^<]*</title>", re.DOTALL), "--html")


def write(report: Report, path: Path, journal: Path | None) -> None:
    """Write a page, in place of an older one; `journal`: its file. Raises `UserError` if that is not possible."""
    own_files.write(page.text(report), path, FILE, journal)


def keep(journal: SqlJournal, rollout_id: str, path: Path) -> None:
    """Write the page of a run that ends, and say so; what keeps it from that is a line, and changes nothing else."""
    try:
        told = building.report(history.read(journal.database, rollout_id))
        write(told, path, journal.database.backend.path)
    except Exception as error:  # noqa: BLE001  the rollout has ended, and its exit code says how
        problem = error.problem if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
        again = rollout("report", rollout_id, "--html", "FILE")
        screen.say(f"no report was written: {problem}\n  next: {again}", err=True)
    else:
        screen.say(f"report: {path.absolute()}")
