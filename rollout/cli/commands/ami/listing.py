"""`rollout ami list`: the images of a prefix, newest first, and what needs each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rollout.ami.listing import needs, unread
from rollout.cli import screen
from rollout.cli.commands.ami import inventory, options
from rollout.cli.screen.format import made, table

if TYPE_CHECKING:
    from rollout.ami.images import Image
    from rollout.ami.listing import Inventory


def list_(
    prefix: inventory.Prefix,
    *,
    config: inventory.Configs = None,
    region: options.Region = None,
    assume_role: options.AssumeRole = None,
) -> None:
    """List the AMIs of a prefix, newest first, and what needs each.

    Groups, templates, instances and rollouts may need one.
    """
    with options.explained():
        found = inventory.reader(prefix, config, region, assume_role).look()
    for line in page(found, prefix):
        screen.say(line)
    for problem in unread(found):
        screen.say(f"not known: {problem.problem}; {problem.hint}", err=True)
    for words in found.silent():
        screen.say(words, err=True)


def page(found: Inventory, prefix: str) -> Iterator[str]:
    """Yield the lines: a table, and below each image what needs it."""
    images = found.named(prefix)
    if not images:
        yield f"account {found.account} has no image in {found.region} whose name begins with {prefix}"
        return
    needed = needs(found)
    head, *lines = table(
        ("AMI", "NAME", "CREATED", "SIZE", "STATE", "SHARED WITH"), [_row(found, one) for one in images]
    )
    yield head
    for image, line in zip(images, lines, strict=True):
        yield line
        yield from (f"  {who}" for who in needed.get(image.id, ()))


def _row(found: Inventory, image: Image) -> tuple[str, ...]:
    size = f"{sum(disk.size for disk in image.disks)} GiB"
    shared = ", ".join(found.sharing(image.id)) or ("?" if image.id in found.unasked else "-")
    return image.id, image.name, made(image.created), size, image.state, shared
