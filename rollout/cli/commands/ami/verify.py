"""`rollout ami verify`: whether an AMI is what the nodes are to run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from rollout.ami.verifying import Expected, complaints
from rollout.cli import chosen_ami, screen, typed
from rollout.cli.commands.ami import options
from rollout.cli.screen.format import made
from rollout.errors import FOR_A_PERSON, UserError

if TYPE_CHECKING:
    from rollout.ami.images import Image


def verify(  # noqa: PLR0913  one parameter for each option
    ami: options.Ami = None,
    *,
    from_: options.From = None,
    architecture: Annotated[
        str | None, typer.Option(metavar="NAME", help="Its architecture, such as x86_64 or arm64.")
    ] = None,
    min_root_size: Annotated[
        int | None, typer.Option(metavar="GIB", min=1, help="The least that it boots from.")
    ] = None,
    encrypted: Annotated[
        bool | None, typer.Option("--encrypted/--unencrypted", help="Whether its disks are; default: not asked.")
    ] = None,
    tag: Annotated[
        list[str] | None, typer.Option(metavar="KEY[=VALUE]", help="A tag that it must have; may be given again.")
    ] = None,
    max_age: Annotated[str | None, typer.Option(metavar="TIME", help="How old it may be, such as 12h or 30d.")] = None,
    region: options.Region = None,
    assume_role: options.AssumeRole = None,
) -> None:
    """Say whether an AMI exists, is available, and is as expected.

    Exit 1 if it is not, with all that is wrong.
    """
    tags = tuple(_tag(one) for one in tag or ())
    expected = Expected(architecture, min_root_size, encrypted, tags, _age(max_age))
    with options.explained():
        builder = options.connected(region, assume_role)
        image = options.existing(builder, chosen_ami.ami(ami, from_, builder.region))
    found = complaints(image, expected, datetime.now(UTC))
    if found:
        reasons = "\n  ".join(found)
        problem = f"{image.id} ({image.name}) is not as expected:\n  {reasons}"
        raise UserError(problem, hint=_advice(image, builder.account), exit_code=FOR_A_PERSON)
    screen.say(f"{image.id} ({image.name}) is as expected: {_summary(image)}")


def _advice(image: Image, ours: str) -> str:
    if image.owner != ours:
        return f"AWS shows tags to the owner alone: ask for them with credentials of account {image.owner}"
    return "ask for less, or build one that is: rollout ami build"


def _tag(text: str) -> tuple[str, str | None]:
    key, sign, value = text.partition("=")
    if not key:
        raise UserError(f'--tag: "{text}" names no tag', hint="--tag KEY or --tag KEY=VALUE")
    return key, value if sign else None


def _age(text: str | None) -> timedelta | None:
    """Read a length of time as the configuration writes them. Raises `UserError` for anything else."""
    if text is None:
        return None
    try:
        return timedelta(seconds=typed.length(text))
    except ValueError as error:
        raise UserError(f"--max-age: {error}", hint="--max-age 12h, or 30d") from error


def _summary(image: Image) -> str:
    size = f"{image.root.size} GiB, " if image.root else ""
    return f"{image.state}, {image.architecture}, {size}{_encryption(image)}, made {made(image.created)}"


def _encryption(image: Image) -> str:
    encrypted = {disk.encrypted for disk in image.disks}
    if not encrypted:
        return "no disk on EBS"
    return "partly encrypted" if len(encrypted) > 1 else "encrypted" if encrypted == {True} else "unencrypted"
