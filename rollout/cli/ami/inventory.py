"""What `rollout ami list` and `prune` go by: the images, and all that may need one, read together or not at all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rollout.cli import options as common
from rollout.cli.ami import options

if TYPE_CHECKING:
    from rollout.adapters.images import Builder
    from rollout.adapters.places import Neighbour
    from rollout.ami.listing import Inventory
    from rollout.config import Config
    from rollout.record import Record

Prefix = Annotated[str, typer.Option(metavar="PREFIX", help="How the images' names begin.")]
Configs = Annotated[
    list[Path] | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="The configuration of a cluster whose account and journal are looked into; may be given again. "
        "Default: rollout.yaml.",
    ),
]


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads images and all that may need them. `journals`: by configuration, the URL of its journal."""

    builder: Builder
    neighbours: tuple[Neighbour, ...]
    journals: dict[Path, str]
    prefix: str

    def look(self) -> Inventory:
        """Read everything anew. Raises `UserError` for a journal that cannot be read, `EdgeError` for anything else."""
        from rollout.ami.listing import Inventory

        # Before the images: one that is made in between would show its snapshot without itself.
        made = self.builder.images.made_for_images()
        images = self.builder.images.named("")
        asked = [image.id for image in images if image.name.startswith(self.prefix)]
        # Of an image in another state EC2 does not say who may launch it: nobody can.
        lent = [image.id for image in images if image.id in asked and image.state == "available"]
        rollouts = self._rollouts()
        before = {source.use.template_id for one in rollouts for group in one.plan.groups for source in group.sources}
        return Inventory(
            account=self.builder.account,
            region=self.builder.region,
            images=images,
            shared={one: self.builder.images.permissions(one) for one in lent},
            made=made,
            places=tuple(neighbour.place(asked, before) for neighbour in self.neighbours),
            rollouts=rollouts,
        )

    def _rollouts(self) -> tuple[Record, ...]:
        """Return the unfinished rollouts of the region, of all journals, each once."""
        found = {one.id: one for file, url in self.journals.items() for one in _unfinished(file, url)}
        return tuple(one for one in found.values() if one.plan.region == self.builder.region)


def reader(prefix: str, configs: Sequence[Path] | None, region: str | None, role: str | None) -> Reader:
    """Connect to where images are built and to each configuration's account; nothing is changed by it.

    The builder's own account is looked into as well. Raises `UserError` for a configuration that cannot be read or
    is for another region, and for an account that is not reached.
    """
    from rollout import config as configuration
    from rollout.adapters.places import Neighbour, neighbour
    from rollout.cli import workplace
    from rollout.errors import UserError

    if not prefix:
        raise UserError("the prefix is empty: every image of the account would be meant", hint="--prefix eks-model")
    loaded = {file: configuration.load(file) for file in dict.fromkeys(configs or [common.CONFIG])}
    builder = options.connected(region, role)
    _in_one_region(loaded, builder.region)
    places = [neighbour(config, workplace.new_run()) for config in loaded.values()]
    by_account = {one.number: one for one in [Neighbour(builder.account, builder.identity), *places]}
    journals = {file: config.database for file, config in loaded.items()}
    return Reader(builder, tuple(by_account.values()), journals, prefix)


def _in_one_region(loaded: dict[Path, Config], region: str) -> None:
    from rollout.errors import UserError

    for file, config in loaded.items():
        if config.region != region:
            raise UserError(
                f"{file} is for {config.region}, and the images that are looked at are in {region}",
                hint=f"add --region {config.region}, or leave {file} out",
            )


def _unfinished(file: Path, url: str) -> Iterator[Record]:
    """Yield the unfinished rollouts of a journal. Raises `UserError` where it cannot be read, or there is none."""
    from rollout.cli import choosing
    from rollout.errors import UserError
    from rollout.journal import read_journal

    try:
        with closing(read_journal(url)) as journal:
            yield from [journal.load(one.id) for one in choosing.unfinished(journal.summaries())]
    except UserError as error:
        raise UserError(
            f"the rollouts of {file} are not known: {error.problem}",
            hint=f"look for the journal; if there never was one: rollout db upgrade --config {file}",
            exit_code=error.exit_code,
        ) from error
