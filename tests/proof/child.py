"""What a child of the nursery does: it is the command line, or a simulator."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

from rollout.cli import app
from rollout.simulator.server import serve
from tests.proof import points  # noqa: F401  loaded while the nursery warms up
from tests.proof.nursery import function


def command(arguments: list[str], prepared: list[tuple[str, dict[str, Any]]]) -> None:
    """Be `rollout` with these arguments. `prepared`: calls that come first, of functions named as module:function."""
    for name, options in prepared:
        function(name)(**options)
    sys.argv = ["rollout", *arguments]
    app.main()


def simulator(scenario: str, directory: str, ready: int) -> None:
    """Run a simulator until SIGTERM; `ready` is closed when it listens and its files lie in `directory`."""
    asyncio.run(serve(scenario, Path(directory), lambda _endpoints: os.close(ready)))
