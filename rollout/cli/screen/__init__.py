"""The one door to the screen: each command of a hint is completed, and text of others cannot steer the terminal."""

from __future__ import annotations

import sys

import typer

from rollout.cli import options


def say(line: str, *, err: bool = False) -> None:
    """Print a line: above the live page, where there is one, which has put itself in stdout's place."""
    typer.echo(shown(line), file=sys.stderr if err else sys.stdout)


def shown(text: str) -> str:
    """Return a text as a person may read it, with commands that work when they are pasted from anywhere."""
    from rollout.commands import complete
    from rollout.redaction import plain

    return plain(complete(text, options.told()))
