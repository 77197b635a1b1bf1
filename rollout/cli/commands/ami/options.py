"""Options that the commands about AMIs share."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import TypeAdapter, ValidationError

from rollout.cli import typed
from rollout.cli.session import new_run
from rollout.config import RoleArn
from rollout.errors import FOR_A_PERSON, RESUMABLE, Refused, Retry, Unknown, UserError

if TYPE_CHECKING:
    from rollout.adapters.images import Builder
    from rollout.ami.images import Image

#: Seconds between two looks.
PAUSE = 3.0

_WHO_WE_ARE = "check credentials, profile and region (aws sts get-caller-identity), and the rights: docs/rights.md"

Ami = Annotated[
    str | None, typer.Argument(metavar="[AMI]", help="The image's id.", show_default=False, callback=typed.ami)
]
From = Annotated[
    Path | None,
    typer.Option(
        "--from",
        metavar="FILE",
        readable=False,
        help="Packer's manifest, in place of the id: the image of its last run.",
    ),
]
Region = Annotated[
    str | None,
    typer.Option(
        "--region",
        metavar="REGION",
        help="Where the images are; default: as AWS's own tools find it.",
        callback=typed.region,
    ),
]
AssumeRole = Annotated[
    str | None,
    typer.Option("--assume-role", metavar="ARN", help="A role of the account that builds images, assumed first."),
]


def connected(region: str | None, role: str | None) -> Builder:
    """Connect to where images are built. Raises `UserError` where no region is known, or the role is none."""
    from rollout.adapters.images import builder  # noqa: PLC0415  a second of libraries, which a usage error need not wait for

    return builder(region, role and _arn(role), new_run())


def _arn(role: str) -> str:
    try:
        return TypeAdapter[str](RoleArn).validate_python(role)
    except ValidationError as error:
        problem = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise UserError(f"--assume-role: {problem}", hint="--assume-role arn:aws:iam::ACCOUNT:role/NAME") from None


def existing(builder: Builder, ami: str) -> Image:
    """Return an image. Raises `UserError`, exit 1, where there is none."""
    image = builder.images.image(ami)
    if image is None:
        raise UserError(
            f"{ami} does not exist in {builder.region}, or account {builder.account} may not see it",
            hint="look at region and credentials, or build one: rollout ami build",
            exit_code=FOR_A_PERSON,
        )
    return image


def pause() -> None:
    """Wait until it is worth while to look again at what AWS was told to change."""
    time.sleep(PAUSE)


@contextmanager
def explained() -> Iterator[None]:
    """Put what AWS said, or did not say, as `UserError`: exit 2 where it refuses, 75 where the same may work later."""
    try:
        yield
    except Refused as error:
        raise UserError(f"AWS: {error.detail}", hint=_WHO_WE_ARE) from error
    except Retry as error:
        raise UserError(f"AWS: {error.detail}", hint="try again", exit_code=RESUMABLE) from error
    except Unknown as error:
        raise UserError(
            f"AWS: no answer to a change, which may have been made: {error.detail}",
            hint="run the same command again: it looks first, and sends what is missing",
            exit_code=RESUMABLE,
        ) from error
