"""Options that the commands about AMIs share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rollout.adapters.images import Builder

Ami = Annotated[str | None, typer.Argument(metavar="[AMI]", help="The image's id.", show_default=False)]
From = Annotated[
    Path | None,
    typer.Option("--from", metavar="FILE", help="Packer's manifest, in place of the id: the image of its last run."),
]
Region = Annotated[
    str | None,
    typer.Option("--region", metavar="REGION", help="Where the images are; default: as AWS's own tools find it."),
]
AssumeRole = Annotated[
    str | None,
    typer.Option("--assume-role", metavar="ARN", help="A role of the account that builds images, assumed first."),
]


def connected(region: str | None, role: str | None) -> Builder:
    """Connect to where images are built. Raises `UserError` where no region is known."""
    from rollout.adapters.images import builder
    from rollout.cli import workplace

    return builder(region, role, workplace.new_run())
