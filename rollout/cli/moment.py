"""What time it is in the world of a rollout, for commands that do not run it."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from rollout import config as configuration
from rollout.cli import options


def now(config: Path | None) -> datetime:
    """Return the time of the world in which the rollout runs: that of a simulator, if one is configured."""
    if config is not None or options.CONFIG.exists():
        loaded = configuration.load(config or options.CONFIG)
        if loaded.simulator:
            from rollout.adapters import clock_of  # noqa: PLC0415  a second of libraries
            from rollout.cli.session import new_run  # noqa: PLC0415  as above

            with closing(clock_of(loaded, new_run())) as clock:
                return clock.now()
    return datetime.now(UTC)
