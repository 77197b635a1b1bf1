"""`rollout ami prune`: images that nothing needs are deregistered, and their snapshots deleted; a dry run first."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from rollout.ami import pruning
from rollout.ami.listing import unread
from rollout.ami.pruning import Pruner
from rollout.cli import output, screen
from rollout.cli.commands.ami import inventory, options
from rollout.cli.screen.format import count, made
from rollout.errors import FOR_A_PERSON, UserError

if TYPE_CHECKING:
    from rollout.ami.listing import Inventory
    from rollout.ami.pruning import Orphan, Verdict


def prune(
    prefix: inventory.Prefix,
    keep: Annotated[int, typer.Option(metavar="N", min=1, help="How many of the newest available images stay.")],
    *,
    config: inventory.Configs = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without it only say what would be done.")] = False,
    region: options.Region = None,
    assume_role: options.AssumeRole = None,
) -> None:
    """Deregister the AMIs of a prefix that nothing needs.

    The newest N stay. The snapshots of the others are deleted, too. Without --yes nothing is changed: each image is
    named with what becomes of it, and why it stays.
    """
    output.works()
    with options.explained():
        reader = inventory.reader(prefix, config, region, assume_role)
        going = _say(_look(reader), prefix, keep)
        if yes:
            _remove(reader, keep)
        elif going:
            screen.say("nothing was changed; next: the same command with --yes")


def _look(reader: inventory.Reader, ami: str | None = None) -> Inventory:
    """Read everything, or what concerns one image. Raises `UserError` where something needed may not be known."""
    found = reader.look(ami)
    if problems := unread(found):
        reasons = "\n  ".join(f"{one.problem}\n    next: {one.hint}" for one in problems)
        raise UserError(f"nothing is pruned, because\n  {reasons}")
    return found


def _say(found: Inventory, prefix: str, keep: int) -> bool:
    """Print what becomes of each image; tell whether anything goes."""
    decided, left = pruning.verdicts(found, prefix, keep), pruning.orphans(found, prefix)
    for line in page(decided, left):
        screen.say(line)
    if found.binned is None:
        screen.say("all snapshots stay: AWS does not say which images may come back from the Recycle Bin")
        screen.say("  next: give the right ec2:ListImagesInRecycleBin, see docs/rights.md")
    return not (all(one.kept for one in decided) and all(one.kept for one in left))


def page(decided: tuple[Verdict, ...], left: tuple[Orphan, ...]) -> Iterator[str]:
    """Yield a line for each image and each snapshot that was left behind, and how many go."""
    for one in decided:
        image = one.image
        fate = (
            f"stays: {', '.join(one.kept)}" if one.kept else f"goes, with {', '.join(one.snapshots) or 'no snapshot'}"
        )
        yield f"{image.id}  {image.name}  {made(image.created)}  {fate}"
    for orphan in left:
        fate = f"stays: {', '.join(orphan.kept)}" if orphan.kept else "goes"
        yield f"{orphan.snapshot.id}  {fate}: left behind ({orphan.snapshot.description})"
    going = sum(not one.kept for one in decided)
    snapshots = sum(not one.kept for one in left) + sum(len(one.snapshots) for one in decided)
    yield f"{going} of {count(len(decided), 'image')} and {count(snapshots, 'snapshot')} to go"


def _remove(reader: inventory.Reader, keep: int) -> None:
    """Remove what goes. Raises `typer.Exit` (1) if something could not be."""
    pruner = Pruner(reader.builder.images, partial(_look, reader), options.pause, reader.prefix, keep)
    left = False
    for told in pruner.prune():
        screen.say(told.line)
        left = left or told.left
    if left:
        raise typer.Exit(FOR_A_PERSON)
