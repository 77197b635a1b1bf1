"""Which AMI a command means: the one that is named, or the one that a manifest of Packer's names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollout.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path


def ami(named: str | None, manifest: Path | None, region: str, option: str = "--from") -> str:
    """Return the AMI that is meant in a region. Raises `UserError` where not exactly one is."""
    if named is not None and manifest is not None:
        raise UserError(f"an AMI is named, and {option} {manifest} too", hint="leave out one of them")
    if manifest is not None:
        return of_manifest(manifest, region)
    if named is None:
        raise UserError("no AMI is named", hint=f"give its id, or {option} with Packer's manifest")
    return named


def of_manifest(manifest: Path, region: str) -> str:
    """Return the AMI that Packer's last run built for a region. Raises `UserError` where it is not to be found."""
    from rollout.ami.manifest import last_run, only_image

    return only_image(last_run(read(manifest), str(manifest)), region, str(manifest))


def read(manifest: Path) -> str:
    """Return the text of a manifest. Raises `UserError` where there is none, or none that can be read."""
    try:
        return manifest.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"there is no manifest of Packer's at {manifest}", hint="rollout ami build") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{manifest} cannot be read: {error}") from error
