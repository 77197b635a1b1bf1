"""Which AMI a command means: the one that is named, or the one that a manifest of Packer's names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollout.ami.manifest import last_run, only_image
from rollout.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path


_WRITTEN = "name the file that Packer wrote, such as packer/manifest.json, or the image itself"


def ami(
    named: str | None,
    manifest: Path | None,
    region: str,
    options: tuple[str, str] = ("AMI", "--from"),
    more: tuple[str, ...] = (),
) -> str:
    """Return the AMI that is meant in a region; `options`: what the command calls the two ways to say it.

    `more`: what else could say it.

    Raises `UserError` where not exactly one is meant.
    """
    if named is not None and manifest is None:
        return named
    if manifest is not None and named is None:
        return of_manifest(manifest, region)
    name, file = options
    problem = "no AMI is given" if named is None else f"an AMI is given twice: {named}, and {file} {manifest}"
    *ways, last = name, f"{file} packer/manifest.json", *more
    raise UserError(problem, hint=f"give {'one of' if more else 'either'} {', '.join(ways)} or {last}")


def of_manifest(manifest: Path, region: str) -> str:
    """Return the AMI that Packer's last run built for a region. Raises `UserError` where it is not to be found."""
    return only_image(last_run(read(manifest), str(manifest)), region, str(manifest))


def read(manifest: Path) -> str:
    """Return the text of a manifest. Raises `UserError` where there is none, or none that can be read."""
    try:
        return manifest.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"there is no manifest of Packer's at {manifest}", hint=_WRITTEN) from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"{manifest} cannot be read: {getattr(error, 'strerror', None) or error}", hint=_WRITTEN
        ) from error
