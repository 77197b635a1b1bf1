"""`rollout ami share`: an AMI shared with other accounts, and taken back."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from rollout.ami import sharing
from rollout.cli import chosen_ami, output, screen
from rollout.cli.commands.ami import options
from rollout.errors import RESUMABLE, UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from rollout.adapters.images import Builder
    from rollout.ami.images import Image
    from rollout.ami.sharing import Looked, ShareAction
    from rollout.errors import Blocker

#: How often AWS is asked whether it shows what it was told. New grants take longest.
LOOKS = 10


def share(
    ami: options.Ami = None,
    *,
    account: Annotated[list[str], typer.Option(metavar="ID", help="The account; may be given again.")],
    from_: options.From = None,
    kms_grant: Annotated[
        bool, typer.Option("--kms-grant", help="Grant the accounts the use of the snapshots' KMS keys.")
    ] = False,
    snapshots: Annotated[
        bool, typer.Option("--snapshots", help="Share the snapshots too: only who copies the image needs them.")
    ] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Take back what this command gave.")] = False,
    region: options.Region = None,
    assume_role: options.AssumeRole = None,
) -> None:
    """Let other accounts launch an AMI.

    If asked, they may use its snapshots' keys, or copy it, too. What is so is left.
    """
    output.works()
    accounts = _accounts(account)
    with options.explained():
        builder = options.connected(region, assume_role)
        image = options.existing(builder, chosen_ami.ami(ami, from_, builder.region))
        if undo:
            _take_back(builder, image, accounts)
        else:
            _share(builder, image, accounts, grants=kms_grant, snapshots=snapshots)


def _accounts(given: Sequence[str]) -> tuple[str, ...]:
    """Return the accounts, each once. Raises `UserError` for what is no account id."""
    wrong = [one for one in given if not re.fullmatch(r"[0-9]{12}", one)]
    if wrong:
        raise UserError(f"no account ids, which have twelve digits: {', '.join(wrong)}", hint="--account 123456789012")
    return tuple(dict.fromkeys(given))


def _share(builder: Builder, image: Image, accounts: Sequence[str], *, grants: bool, snapshots: bool) -> None:
    look = partial(sharing.look, builder.images, image, grants=grants)
    looked = look()
    _refuse("not shared", sharing.blockers(looked, accounts, builder.account))
    _carry_out(builder, looked, sharing.to_share(looked, accounts, grants=grants, snapshots=snapshots), look)
    _say(sharing.advice(looked, accounts, grants=grants))


def _take_back(builder: Builder, image: Image, accounts: Sequence[str]) -> None:
    _refuse("not taken back", sharing.not_ours(image, accounts, builder.account))
    # The keys last: one that is gone, or that we may not look at, is no reason to leave the image open.
    look = partial(sharing.look, builder.images, image, keys=False, grants=False)
    looked = replace(look(), sharing_images=sharing.sharing_images(builder.images, image))
    _carry_out(builder, looked, sharing.to_take_back(looked, accounts), look)
    _say(sharing.still_lent(looked, accounts))
    look = partial(sharing.look, builder.images, image, grants=True)
    looked = look()
    _carry_out(builder, looked, sharing.to_revoke(looked, accounts), look)
    _say(sharing.left_behind(looked, accounts))


def _refuse(what: str, reasons: Sequence[Blocker]) -> None:
    """Raise `UserError` with all the reasons, if there are any."""
    if reasons:
        told = "\n  ".join(f"{one.problem}\n    next: {one.hint}" for one in reasons)
        raise UserError(f"{what}, because\n  {told}")


def _carry_out(builder: Builder, looked: Looked, steps: Sequence[ShareAction], look: Callable[[], Looked]) -> None:
    """Send what does not hold yet, one by one, and look until all of it is seen."""
    for step in steps:
        if step.holds(looked):
            screen.say(f"{step} already")
        else:
            step.send(builder.images, looked)
            screen.say(f"{step}: asked")
    if not all(step.holds(looked) for step in steps):
        _see(steps, look)
        screen.say("all of it is seen on AWS")


def _see(steps: Sequence[ShareAction], look: Callable[[], Looked]) -> None:
    """Look until every step holds. Raises `UserError`, exit 75, where AWS does not show one of them in time."""
    for _ in range(LOOKS):
        looked = look()
        missing = [step for step in steps if not step.holds(looked)]
        if not missing:
            return
        options.pause()
    raise UserError(
        "AWS accepted it, but does not show yet:\n  " + "\n  ".join(map(str, missing)),
        hint="run the same command again",
        exit_code=RESUMABLE,
    )


def _say(lines: Iterable[str]) -> None:
    for line in lines:
        screen.say(line)
