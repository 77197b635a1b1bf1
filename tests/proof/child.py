"""What a child of the forkserver does: it is the command line, or a simulator."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import botocore.endpoint
import urllib3.util.retry

from eks_simulator.server import serve
from rollout.__main__ import main
from rollout.cli import app
from tests.proof import crash_points, journal_faults  # noqa: F401  loaded while the forkserver warms up
from tests.proof.forkserver import function


def command(arguments: list[str], prepared: list[tuple[str, dict[str, Any]]]) -> None:
    """Be `rollout` with these arguments. `prepared`: calls that come first, of functions named as module:function.

    It asks again at once where a client of AWS or Kubernetes would sleep by this machine's clock.
    """
    at_once = SimpleNamespace(sleep=lambda _seconds: None)
    botocore.endpoint.time = at_once
    vars(urllib3.util.retry)["time"] = at_once
    for name, options in prepared:
        function(name)(**options)
    sys.argv = ["rollout", *arguments]
    app.main()


def installed(arguments: list[str]) -> None:
    """Be the installed `rollout`, which hears signals before it knows what it is to do; none is ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    sys.argv = ["rollout", *arguments]
    main()


def simulator(scenario: str, directory: str, ready: int) -> None:
    """Run a simulator until SIGTERM; `ready` is closed when it listens and its files lie in `directory`."""
    asyncio.run(serve(scenario, Path(directory), lambda _endpoints: os.close(ready)))
