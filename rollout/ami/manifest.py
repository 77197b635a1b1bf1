"""What Packer's manifest post-processor wrote: the AMIs of its last run, by region.

Source: the post-processor's page in Packer's documentation; an artifact of the amazon builders is written as
`region:ami`, several of them with commas between.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rollout.errors import UserError

_ARTIFACT = re.compile(r"(?<![a-z0-9-])(?P<region>[a-z]{2,}(?:-[a-z]+)+-[0-9]+):(?P<ami>ami-[0-9a-f]+)")
_BUILD_ANEW = "rollout ami build"


@dataclass(frozen=True, slots=True)
class Built:
    """What one run of Packer left. `run`: Packer's id of it; `images`: AMIs by region, in the manifest's order."""

    run: str
    images: Mapping[str, tuple[str, ...]]


def last_run(text: str, source: str) -> Built:
    """Return what the last run of a manifest built; `source` is how messages name it.

    Raises `UserError` for what is no manifest of Packer's, and where the last run left no AMI.
    """
    document = _document(text, source)
    run = str(document.get("last_run_uuid", ""))
    images: dict[str, tuple[str, ...]] = {}
    for region, ami in _artifacts(document, run):
        images[region] = (*images.get(region, ()), ami)
    if not run or not images:
        raise UserError(f"{source} names no AMI of Packer's last run", hint=_BUILD_ANEW)
    return Built(run, images)


def _document(text: str, source: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{source} is no manifest of Packer's: {error}", hint=_BUILD_ANEW) from error
    if not isinstance(document, dict) or not isinstance(document.get("builds"), list):
        raise UserError(f"{source} is no manifest of Packer's: it has no list of builds", hint=_BUILD_ANEW)
    return document


def _artifacts(document: Mapping[str, Any], run: str) -> Iterator[tuple[str, str]]:
    builds = (one for one in document["builds"] if isinstance(one, dict) and one.get("packer_run_uuid") == run)
    for build in builds:
        for found in _ARTIFACT.finditer(str(build.get("artifact_id", ""))):
            yield found["region"], found["ami"]


def only_image(built: Built, region: str, source: str) -> str:
    """Return the one AMI that a run built for a region. Raises `UserError` where it built none, or several."""
    images = built.images.get(region, ())
    if len(images) == 1:
        return images[0]
    if images:
        raise UserError(f"{source} names several AMIs in {region}: {', '.join(images)}", hint="name one of them")
    raise UserError(
        f"{source} names no AMI in {region}, only in {', '.join(built.images)}",
        hint=f"rollout ami build --var region={region}, or work in a region that it names",
    )
