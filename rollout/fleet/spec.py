"""The file of a fleet: read as strictly as a configuration, with the line of each problem, and made into a plan."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from rollout import config as configuration
from rollout.commands import rollout
from rollout.config import DatabaseUrl, Seconds, Section, default_database, yaml_file
from rollout.config.schema import Matches
from rollout.errors import UserError
from rollout.fleet.model import Fixed, FleetPlan, Limits, StopWhen, Wave

DEFAULT_FILE = Path("fleet.yaml")

Name = Annotated[
    str, Matches(r"[a-z0-9][a-z0-9.-]{0,62}", "a name: small letters, digits, dots and dashes, at most 63")
]
Ami = Annotated[str, Matches(r"ami-[0-9a-f]{8,17}", "the id of an image such as ami-0123456789abcdef0")]
Count = Annotated[int, Field(ge=1, le=10_000)]


def _share(value: object) -> object:
    """Read "10%" as a share, and leave a number as it is."""
    if isinstance(value, str) and value.endswith("%") and value[:-1].isdigit() and 1 <= int(value[:-1]) <= 100:  # noqa: PLR2004  percent
        return int(value[:-1]) / 100
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 10_000:  # noqa: PLR2004  as `Count`
        return value
    raise ValueError(f'"{value}" is neither a percentage from 1% to 100% nor a whole number from 1 to 10000')


#: A number of members, or a share of them: a float stands for a share.
NumberOrShare = Annotated[int | float, BeforeValidator(_share)]


class MemberSection(Section):
    """One cluster of the fleet: its configuration, a name, and labels by which waves take it."""

    config: Path
    """The configuration of a rollout of this cluster; a relative path counts from the fleet's file."""

    name: Name | None = None
    """Its name in the fleet. Default: that of its configuration's file."""

    labels: Mapping[str, str] = Field(default_factory=dict)
    """Any texts by which waves take it. Default: none."""

    @property
    def called(self) -> str:
        """The name that it has in the fleet: the file's, where none is given."""
        return self.name or self.config.stem


class Take(Section):
    """Which members a wave takes of those that are left: with all these labels, and so many of them."""

    labels: Mapping[str, str] = Field(default_factory=dict)
    """Only members with all these labels. Default: all."""

    number: Count | None = None
    """So many of them. Default: all of them."""

    share: Annotated[float | int | None, BeforeValidator(_share)] = None
    """Such a percentage of the whole fleet, rounded up. Default: all of them."""

    @model_validator(mode="after")
    def _one_count(self) -> Take:
        if self.number is not None and self.share is not None:
            raise ValueError("give number or share, not both")
        if self.share is not None and not isinstance(self.share, float):
            raise ValueError("share is a percentage such as 10%; for a number of members write number")
        return self


class WaveSection(Section):
    """Members that go together. Without `take` it takes all that are left."""

    name: Name
    """The wave's name, for people."""

    take: Take = Take()

    soak: Seconds = 0.0
    """How long the next wave waits after this one's end. Default 0: not at all."""

    gate: Literal["person"] | None = None
    """person: it begins once somebody typed `rollout fleet approve`. Default: without that."""


class LimitsSection(Section):
    """How many members may be under way at once."""

    at_once: Count = 10
    """In all. Default 10: as many as one team can look after."""

    per_account: Count | None = None
    """In one account that the configurations name. Default: no limit."""

    per_region: Count | None = None
    """In one region. Default: no limit."""


class StopSection(Section):
    """What pauses the fleet by itself, counted in the open wave."""

    halted: NumberOrShare = 1
    """How many members need a person: a number, or a percentage of the wave. Default 1: what stops one may stop all."""

    killed_jobs: Count | None = None
    """How many Jobs were killed. Default: any number, because each rollout has its own deadline."""


def _some(items: Sequence[object]) -> Sequence[object]:
    if not items:
        raise ValueError("the list is empty: give at least one entry")
    return items


class FleetFile(Section):
    """A fleet: one image for many clusters, in waves."""

    fleet: Name
    """The fleet's name, and its key: the same name begins it once."""

    ami: Ami | None = None
    """The image for all members. Default: none; then `images` has one for each region."""

    images: Mapping[str, Ami] = Field(default_factory=dict)
    """An image for each region, in place of `ami`. Default: none."""

    members: Annotated[tuple[MemberSection, ...], AfterValidator(_some)]
    """The clusters."""

    waves: Annotated[tuple[WaveSection, ...], AfterValidator(_some)]
    """The waves, in their order. Every member must be in one."""

    limits: LimitsSection = LimitsSection()
    stop_when: StopSection = StopSection()

    database: DatabaseUrl = Field(default_factory=default_database)
    """The journal, the same as in every member's configuration. Default: as for a rollout."""

    @model_validator(mode="after")
    def _consistent(self) -> FleetFile:
        if (self.ami is None) == (not self.images):
            raise ValueError("give ami, or images with one for each region, not both")
        for what, names in (("member", [one.called for one in self.members]), ("wave", [w.name for w in self.waves])):
            if twice := [name for name, count in Counter(names).items() if count > 1]:
                raise ValueError(f"two {what}s have the name {twice[0]}")
        if self.waves[-1].soak:
            raise ValueError(f"wave {self.waves[-1].name} is the last one: nothing follows its soak, so leave it out")
        return self


def load(path: Path) -> FleetFile:
    """Read a fleet's file. Raises `UserError` that names every problem with its line."""
    if not path.exists():
        raise UserError(f"there is no fleet at {path}", hint="name its file with --config; docs/fleet.md shows one")
    try:
        return yaml_file.read(path, FleetFile)
    except UserError as error:
        again = rollout("fleet", "plan", "--config", str(path.absolute()))
        raise UserError(error.problem, hint=f"correct it, then: {again}") from None


def plan(file: FleetFile, folder: Path) -> FleetPlan:
    """Return what is fixed when the fleet begins; members' configurations are read from `folder`, and checked.

    Raises `UserError` that lists all problems.
    """
    problems: list[str] = []
    configs = _read(file, folder, problems)
    members = tuple(_fixed(file, configs, _waves(file, problems), problems))
    clusters = Counter((one.cluster, one.region, one.account) for one in configs.values())
    problems += [f"two members are cluster {one[0]} in {one[1]}" for one, count in clusters.items() if count > 1]
    if problems:
        raise UserError("\n  ".join(["this fleet cannot begin; nothing was written", *problems]))
    halted = file.stop_when.halted
    share = isinstance(halted, float)
    stop = StopWhen(None if share else int(halted), halted if share else None, file.stop_when.killed_jobs)
    waves = tuple(Wave(one.name, one.soak, one.gate == "person") for one in file.waves)
    limits = Limits(file.limits.at_once, file.limits.per_account, file.limits.per_region)
    return FleetPlan(waves, limits, stop, members)


def _waves(file: FleetFile, problems: list[str]) -> Mapping[str, int]:
    """Return the number of each member's wave."""
    left, found = list(file.members), dict[str, int]()
    for number, wave in enumerate(file.waves, start=1):
        take = wave.take
        fitting = [one for one in left if take.labels.items() <= one.labels.items()]
        share = len(file.members) if take.share is None else math.ceil(take.share * len(file.members))
        taken = fitting[: share if take.number is None else take.number]
        if not taken:
            problems.append(f"wave {wave.name} takes no member of those that are left")
        found |= {one.called: number for one in taken}
        left = [one for one in left if one.called not in found]
    problems += [f"member {one.called} is in no wave: let the last wave take all that are left" for one in left]
    return found


def _read(file: FleetFile, folder: Path, problems: list[str]) -> Mapping[str, configuration.Config]:
    found = {}
    for one in file.members:
        try:
            found[one.called] = configuration.load(folder / one.config)
        except UserError as error:
            problems.append(f"member {one.called}: {error.problem}")
    return found


def _fixed(
    file: FleetFile, configs: Mapping[str, configuration.Config], waves: Mapping[str, int], problems: list[str]
) -> Iterator[Fixed]:
    for one in file.members:
        config = configs.get(one.called)
        if config is None or one.called not in waves:
            continue
        if config.database != file.database:
            problems.append(f"member {one.called}: its configuration names another journal than this fleet")
        if file.limits.per_account is not None and config.account is None:
            problems.append(f"member {one.called}: limits.per_account needs `account` in its configuration")
        ami = file.ami or file.images.get(config.region)
        if ami is None:
            problems.append(f"member {one.called}: images has none for {config.region}")
            continue
        yield Fixed(one.called, waves[one.called], str(one.config), ami, config.region, config.account)
