"""How instants, spans and tables are written, on every screen the same."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

#: Characters of a line of pages that fold.
WIDTH = 80
# A command is never broken: all of it is pasted.
_COMMAND = re.compile(r"(?<![\w/.-])(?:rollout [a-z]+|aws [a-z0-9]+|kubectl) (?:'[^']*'|[^,;()'\n])*")
_JOINED = "\x1f"


def folded(text: str, first: str = "", rest: str | None = None) -> Iterator[str]:
    """Yield a text in lines of at most `WIDTH` characters; words and commands stay whole, however long.

    `first`: what the first line begins with; `rest`: what the others do, as many blanks by default.
    """
    whole = _COMMAND.sub(lambda found: found[0].rstrip().replace(" ", _JOINED) + " " * found[0].endswith(" "), text)
    following = " " * len(first) if rest is None else rest
    lines = textwrap.wrap(
        whole,
        WIDTH,
        initial_indent=first,
        subsequent_indent=following,
        break_long_words=False,
        break_on_hyphens=False,
    )
    yield from (line.replace(_JOINED, " ") for line in lines or [first.rstrip()])


def instant(at: datetime) -> str:
    """Return an aware instant in UTC to the second, as ISO 8601."""
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def made(at: datetime | None) -> str:
    """Return when an image was made; a question mark where EC2 does not say it."""
    return "?" if at is None else instant(at)


def span(length: timedelta) -> str:
    """Return a length of time in its two largest units, such as 2h03m or 45s."""
    minutes, seconds = divmod(max(0, int(length.total_seconds())), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes:02}m"
    return f"{minutes}m{seconds:02}s" if minutes else f"{seconds}s"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table whose columns are as wide as their widest cell."""
    lines = [head, *([" ".join(cell.split()) for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    for line in lines:
        yield "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()


def count(number: int, thing: str) -> str:
    """Return a number with its thing, in the plural where it belongs."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def runnable(command: str) -> str:
    """Return a command of ours, with the path of its program where a shell would not find it by its name."""
    beside = Path(sys.executable).with_name("rollout")
    if shutil.which("rollout") or not beside.exists():
        return command
    return shlex.quote(str(beside)) + command.removeprefix("rollout")
