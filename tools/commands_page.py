"""Writes docs/commands.md: what `--help` says of each command, by Typer's own generator.

Usage: python tools/commands_page.py FILE. A test holds that the page in the repository is what this writes.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from typer.cli import get_docs_for_click
from typer.main import get_command

from rollout.cli.app import app

HEAD = """\
# Commands

<!-- Written by `make docs` from the commands' help, by Typer. Change that, not this page. -->

What `rollout COMMAND --help` says of each command.

"""


def page() -> str:
    """Return the whole page."""
    command: Any = get_command(app)
    _whole_lines(command)
    with command.make_context("rollout", [], resilient_parsing=True) as context:
        written = get_docs_for_click(obj=command, ctx=context, name="rollout")
    # A pattern is no line to be typed: as an indented block it is nobody's to copy.
    patterns = re.sub(r"```console\n\$ (.*)\n```", r"    \1", written)
    # The README's table has more to say of exit codes.
    patterns = re.sub(
        r"^Exit codes: .*$", "Exit codes are in [the README](../README.md).", patterns, flags=re.MULTILINE
    )
    return HEAD + re.sub(r"^#", "##", patterns, flags=re.MULTILINE).strip() + "\n"


def _whole_lines(command: Any) -> None:
    """Let lists of commands have whole sentences: Typer cuts them for the width of a terminal."""
    for one in getattr(command, "commands", {}).values():
        one.short_help = " ".join((one.help or "").partition("\n\n")[0].split())
        _whole_lines(one)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
