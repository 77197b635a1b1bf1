"""How a run of the command line differs in the swarm: it waits for nothing in real time."""

from __future__ import annotations

import gc
from types import SimpleNamespace

import botocore.endpoint
import urllib3.util.retry

from tests.proof import crash_points, journal_faults  # noqa: F401  loaded while the forkserver warms up


def hurried() -> None:
    """Collect no garbage; ask again at once where a client of AWS or Kubernetes would sleep by this machine's clock."""
    gc.disable()
    at_once = SimpleNamespace(sleep=lambda _seconds: None)
    botocore.endpoint.time = at_once
    vars(urllib3.util.retry)["time"] = at_once
