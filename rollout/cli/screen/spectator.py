"""What a person sees while the rollout works: a live page on a terminal, one line for each change elsewhere."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

from rollout.cli import log
from rollout.cli.screen.lines import Lines

if TYPE_CHECKING:
    from rollout.engine.runner import Progress
    from rollout.ports import Journal


@contextmanager
def spectator(journal: Journal, rollout_id: str, now: Callable[[], datetime]) -> Iterator[Callable[[Progress], None]]:
    """Yield what the runner calls after each tick; what stands on the screen at the end stays there."""
    if not log.on() and can_go_back():
        from rollout.cli.screen.live import live  # noqa: PLC0415  rich is for terminals only

        with live(journal, rollout_id, now) as report:
            yield report
    else:
        lines = Lines(journal, rollout_id)
        try:
            yield lambda _progress: lines.show()
        finally:
            lines.show()


def can_go_back() -> bool:
    """Tell whether this is a terminal that can go back to a line that stands; one without a name cannot."""
    if not (sys.stdout.isatty() and os.environ.get("TERM")):
        return False
    from rich.console import Console  # noqa: PLC0415  rich is for terminals only

    return not Console().is_dumb_terminal
