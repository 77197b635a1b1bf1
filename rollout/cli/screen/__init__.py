"""The one door to the screen: each command of a hint is completed, and text of others cannot steer the terminal."""

from __future__ import annotations

import sys

import typer

from rollout.cli import log, options


def say(line: str, *, err: bool = False, kind: str = "note", **fields: object) -> None:
    """Print a line: above the live page, where there is one, which has put itself in stdout's place.

    `kind`, `fields`: what a log in JSON says beside it.
    """
    if log.on():
        log.write(shown(line).strip(), kind, err=err, **fields)
    else:
        typer.echo(shown(line), file=sys.stderr if err else sys.stdout)


def error(problem: str, hint: str, exit_code: int) -> None:
    """Print why a command ends, and what to type next."""
    if log.on():
        say(problem, err=True, kind="error", next=shown(hint) or None, exit_code=exit_code)
        return
    say(f"rollout: {problem}", err=True)
    if hint:
        say(f"  next: {hint}", err=True)


def shown(text: str) -> str:
    """Return a text as a person may read it, with commands that work when they are pasted from anywhere."""
    from rollout.commands import complete
    from rollout.redaction import plain

    return plain(complete(text, options.told()))
