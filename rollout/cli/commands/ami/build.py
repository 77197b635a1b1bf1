"""`rollout ami build`: Packer's run, and what came of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rollout.adapters.packer import Packer
from rollout.ami.manifest import last_run
from rollout.cli import chosen_ami, output, screen
from rollout.errors import FOR_A_PERSON, UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Where the template's manifest post-processor writes, in the template's folder.
MANIFEST = "manifest.json"


def build(
    *,
    packer_dir: Annotated[
        Path, typer.Option(metavar="DIR", readable=False, help="The folder of the Packer template.")
    ] = Path("packer"),
    var: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A variable of the template; may be given again.")
    ] = None,
    var_file: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", readable=False, help="A file of variables; may be given again.")
    ] = None,
) -> None:
    """Build an AMI with Packer, and print its id.

    Packer says on stderr what it does. Exit 1 if it fails.
    """
    output.works()
    arguments = [*_variables(var or ()), *_files(var_file or ())]
    manifest = packer_dir / MANIFEST
    before = _text(manifest)
    Packer(packer_dir).build(arguments)
    after = _text(manifest)
    if after in {before, ""}:
        raise UserError(
            f"Packer ended well, but wrote nothing to {manifest}",
            hint=f'give the template the post-processor "manifest" with output = "${{path.root}}/{MANIFEST}"',
            exit_code=FOR_A_PERSON,
        )
    built = last_run(after, str(manifest))
    for region, images in built.images.items():
        for ami in images:
            screen.say(f"{ami} in {region}")
    screen.say(f"manifest: {manifest}")


def _variables(given: Sequence[str]) -> list[str]:
    wrong = [one for one in given if not re.match(r"[A-Za-z_][A-Za-z0-9_-]*=", one)]
    if wrong:
        raise UserError(f"no variables with a value: {', '.join(wrong)}", hint="--var NAME=VALUE")
    return [f"-var={one}" for one in given]


def _files(given: Sequence[Path]) -> list[str]:
    missing = [str(one) for one in given if not one.is_file()]
    if missing:
        raise UserError(f"there are no files of variables at {', '.join(missing)}", hint="--var-file FILE")
    # Packer runs in the template's folder; a path is meant from here.
    return [f"-var-file={one.absolute()}" for one in given]


def _text(manifest: Path) -> str:
    """Return what the manifest says now; it grows with every run. Nothing where there is none."""
    return chosen_ami.read(manifest) if manifest.exists() else ""
