"""What `rollout ami list` and `prune` go by: the images, and all that may need one, read together or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rollout import config as configuration
from rollout.ami.listing import Inventory
from rollout.cli import options as common
from rollout.cli import select_rollout
from rollout.cli.commands.ami import options
from rollout.cli.session import new_run
from rollout.commands import rollout
from rollout.errors import Refused, UserError
from rollout.journal import read_journal

if TYPE_CHECKING:
    from rollout.adapters.image_usage import Neighbour
    from rollout.adapters.images import Builder
    from rollout.ami.images import Image, Permissions, Snapshot
    from rollout.ami.listing import NodeClasses
    from rollout.config import Config
    from rollout.model.record import Record

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
    """Reads images and all that may need them. `journals`: by configuration, the URL of its journal.

    `classes`: read what Karpenter launches, each in one cluster. `met`: the snapshots of all images so far.
    """

    builder: Builder
    neighbours: tuple[Neighbour, ...]
    journals: dict[Path, str]
    prefix: str
    classes: tuple[Callable[[], NodeClasses], ...] = ()
    met: dict[str, None] = field(default_factory=dict)

    def look(self, ami: str | None = None) -> Inventory:
        """Read everything; with `ami`, of the sharing of images and of old versions of templates that image's alone.

        Raises `UserError` for a journal that cannot be read, `EdgeError` for anything else.
        """
        # Before the images: one that is made in between would show its snapshot without itself.
        made = self.builder.images.made_for_images()
        images = self.builder.images.named("")
        meant = [image for image in images if image.name.startswith(self.prefix) and ami in {None, image.id}]
        parts = self.builder.images.snapshots(self._parts(meant, ami))
        alone = [] if ami else self._alone(made, images)
        lendable = (image.id for image in meant if image.available)
        shared, unasked = self._sharing([*lendable, *(one.id for one in (*parts, *alone))])
        asked = [image.id for image in meant]
        rollouts = self._rollouts()
        before = {source.use.template_id for one in rollouts for group in one.plan.groups for source in group.sources}
        return Inventory(
            account=self.builder.account,
            region=self.builder.region,
            images=images,
            shared=shared,
            unasked=unasked,
            made=tuple({one.id: one for one in (*made, *parts)}.values()),
            usages=tuple(one.usage(asked, before, every_version=ami is None) for one in self.neighbours),
            rollouts=rollouts,
            binned=self.builder.images.in_recycle_bin(),
            classes=tuple(read() for read in self.classes),
        )

    def _parts(self, meant: Sequence[Image], ami: str | None) -> list[str]:
        """Return the snapshots of images, and where all is read also those of images that may be gone by now."""
        found = dict.fromkeys(one for image in meant for one in image.snapshots)
        self.met.update(found)
        return list(found if ami else self.met)

    def _alone(self, made: Sequence[Snapshot], images: Sequence[Image]) -> list[Snapshot]:
        """Return the snapshots of the prefix that no image is made of."""
        used = {snapshot for image in images for snapshot in image.snapshots}
        return [one for one in made if one.id not in used and one.tags.get("Name", "").startswith(self.prefix)]

    def _sharing(self, things: Sequence[str]) -> tuple[dict[str, Permissions], dict[str, str]]:
        """Return who may use each of these images and snapshots, and why AWS does not say it of the others."""
        shared, unasked = {}, {}
        for one in things:
            try:
                shared[one] = self.builder.images.permissions(one)
            except Refused as error:
                unasked[one] = error.detail
        return shared, unasked

    def _rollouts(self) -> tuple[Record, ...]:
        """Return the unfinished rollouts of the region, of all journals, each once."""
        found = {one.id: one for file, url in self.journals.items() for one in _unfinished(file, url)}
        return tuple(one for one in found.values() if one.plan.region == self.builder.region)


def reader(prefix: str, configs: Sequence[Path] | None, region: str | None, role: str | None) -> Reader:
    """Connect to where images are built and to each configuration's account; nothing is changed by it.

    The builder's own account is looked into as well. Raises `UserError` for a configuration that cannot be read or
    is for another region, and for an account that is not reached.
    """
    from rollout.adapters.image_usage import Neighbour, neighbour  # noqa: PLC0415  a second of libraries, which a usage error need not wait for
    from rollout.adapters.node_classes import node_classes  # noqa: PLC0415  a second of libraries, which a usage error need not wait for

    if not prefix:
        raise UserError("the prefix is empty: every image of the account would be meant", hint="--prefix eks-model")
    loaded = {file: configuration.load(file) for file in dict.fromkeys(configs or [common.CONFIG])}
    builder = options.connected(region, role)
    _in_one_region(loaded, builder.region)
    neighbours = [neighbour(config, new_run()) for config in loaded.values()]
    by_account = {one.number: one for one in [Neighbour(builder.account, builder.identity), *neighbours]}
    journals = {file: config.database for file, config in loaded.items()}
    classes = tuple(
        partial(node_classes, config, one.identity) for config, one in zip(loaded.values(), neighbours, strict=True)
    )
    return Reader(builder, tuple(by_account.values()), journals, prefix, classes)


def _in_one_region(loaded: dict[Path, Config], region: str) -> None:
    for file, config in loaded.items():
        if config.region != region:
            raise UserError(
                f"{file} is for {config.region}, and the images that are looked at are in {region}",
                hint=f"add --region {config.region}, or leave {file} out",
            )


def _unfinished(file: Path, url: str) -> Iterator[Record]:
    """Yield the unfinished rollouts of a journal. Raises `UserError` where it cannot be read, or there is none."""
    try:
        with closing(read_journal(url)) as journal:
            yield from [journal.load(one.id) for one in select_rollout.unfinished(journal.summaries())]
    except UserError as error:
        upgrade = rollout("db", "upgrade", "--config", str(file.absolute()))
        raise UserError(
            f"the rollouts of {file} are not known: {error.problem}",
            hint=f"look for the journal; if there never was one: {upgrade}",
            exit_code=error.exit_code,
        ) from error
