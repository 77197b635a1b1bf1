"""What `start` and `plan` share: what is asked for, and what is told where nothing begins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rollout import commands, preflight
from rollout.errors import UserError
from rollout.model.reasons import tagged

if TYPE_CHECKING:
    from pathlib import Path

    from rollout.config import Config
    from rollout.errors import Blocker


def request(config: Config, ami: str, description: str) -> preflight.Request:
    """Return what is asked for."""
    return preflight.Request(
        config.cluster, config.region, config.groups, ami, description, config.settings(), config.share_templates
    )


def start(ami: str | None, ami_from: Path | None, description: str, key: str | None) -> str:
    """Return the whole command that begins it, as it was given; the screen adds configuration and journal."""
    options = {"--ami": ami, "--ami-from": ami_from and str(ami_from.absolute()), "--description": description}
    given = (word for name, value in (options | {"--key": key}).items() if value for word in (name, value))
    return commands.rollout("start", *given)


def up_to_date(asked: preflight.Request) -> str:
    """Say that there is nothing to do."""
    groups = ", ".join(asked.groups)
    return f"nothing is to be replaced: all instances of {groups} run {asked.ami}, and so will the next ones"


def refused(against: Sequence[Blocker]) -> UserError:
    """Return the error that lists every reason against a rollout."""
    reasons = "\n  ".join(f"{tagged(one.problem, one.reason)}\n    next: {one.hint}" for one in against)
    return UserError(f"nothing was begun, because\n  {reasons}")
