"""What `start` and `plan` share: what is asked for, and what is told where nothing begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rollout import commands, preflight
from rollout.cli import chosen_ami, plan_file
from rollout.errors import UserError
from rollout.model.reasons import tagged

if TYPE_CHECKING:
    from pathlib import Path

    from rollout.config import Config
    from rollout.errors import Blocker
    from rollout.preflight.saved import SavedPlan


def request(config: Config, wanted: Wanted) -> preflight.Request:
    """Return what is asked for."""
    return preflight.Request(
        config.cluster,
        config.region,
        config.groups,
        wanted.ami,
        wanted.description,
        config.settings(),
        config.share_templates,
    )


@dataclass(frozen=True, slots=True)
class Given:
    """What was typed to say what is to be begun. `plan`: a file that `rollout plan --out` wrote, in place of the rest.

    `key`: as the rollout is to be called.
    """

    ami: str | None
    ami_from: Path | None
    description: str
    key: str | None
    plan: Path | None = None

    @property
    def command(self) -> str:
        """The whole command that begins it, as it was given; the screen adds configuration and journal."""
        return self._command("start", {"--plan": _absolute(self.plan), "--key": self.key})

    def look(self, out: Path | None = None) -> str:
        """Return the whole command that looks again at what it would do; `out`: where the plan is kept."""
        return self._command("plan", {"--out": _absolute(out)})

    def _command(self, verb: str, more: dict[str, str | None]) -> str:
        options = {"--ami": self.ami, "--ami-from": _absolute(self.ami_from), "--description": self.description} | more
        return commands.rollout(verb, *(word for name, value in options.items() if value for word in (name, value)))

    def wanted(self, region: str, *, starts: bool = False) -> Wanted:
        """Return which image is meant in a region, and how its version is described; `starts`: a plan may say it.

        Raises `UserError` where it is not said, or said twice, and `plan_file.Unread` for a plan that cannot be read.
        """
        if self.plan is None:
            more = ("--plan FILE",) if starts else ()
            image = chosen_ami.ami(self.ami, self.ami_from, region, ("--ami", "--ami-from"), more)
            return Wanted(image, self.description)
        if self.ami is not None or self.ami_from is not None or self.description:
            raise UserError(
                f"nothing was begun: --plan {self.plan} says which image is meant, and how it is described",
                hint="leave out --ami, --ami-from and --description, or leave out --plan",
            )
        saved = plan_file.read(self.plan)
        return Wanted(saved.ami, saved.description, saved)


@dataclass(frozen=True, slots=True)
class Wanted:
    """The image and description that are meant; `saved`: the plan that says so, None where the command line does."""

    ami: str
    description: str
    saved: SavedPlan | None = None


def _absolute(path: Path | None) -> str | None:
    return str(path.absolute()) if path else None


def not_as_planned(given: Given, saved: SavedPlan, moved: Sequence[str]) -> UserError:
    """Return the error that says what differs from the plan."""
    told = "\n  ".join(moved)
    again = Given(saved.ami, None, saved.description, None).look(given.plan)
    return UserError(
        f"nothing was begun, and nothing was changed: {given.plan} of {saved.made:%Y-%m-%dT%H:%M:%SZ} is not what a "
        f"start would do now\n  {told}",
        hint=f"look at a new plan, then start with it: {again}",
    )


def up_to_date(asked: preflight.Request) -> str:
    """Say that there is nothing to do."""
    groups = ", ".join(asked.groups)
    return f"nothing is to be replaced: all instances of {groups} run {asked.ami}, and so will the next ones"


def refused(against: Sequence[Blocker]) -> UserError:
    """Return the error that lists every reason against a rollout."""
    reasons = "\n  ".join(f"{tagged(one.problem, one.reason)}\n    next: {one.hint}" for one in against)
    return UserError(f"nothing was begun, because\n  {reasons}")
