"""The time of the world in which a rollout runs: a simulator's, where one is configured, else this machine's."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rollout import config as configuration
from rollout.cli import options
from rollout.cli.session import new_run

if TYPE_CHECKING:
    from rollout.config import Config


def now(config: Path | None) -> datetime:
    """Return the time of the world of this configuration, or of the one that lies here, if one does."""
    if config is not None or options.CONFIG.exists():
        return now_of(configuration.load(config or options.CONFIG))
    return datetime.now(UTC)


def now_of(loaded: Config) -> datetime:
    """Return the time of the world of a configuration."""
    if not loaded.simulator:
        return datetime.now(UTC)
    from rollout.adapters import clock_of  # noqa: PLC0415  a second of libraries

    with closing(clock_of(loaded, new_run())) as clock:
        return clock.now()
