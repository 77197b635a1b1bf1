from __future__ import annotations

import json
from typing import Any

import pytest

from rollout.ami.manifest import last_run, only_image
from rollout.errors import UserError


def manifest(*builds: tuple[str, str], last: str = "run-2") -> str:
    """A manifest of Packer's with builds as (run, artifact)."""
    told = [{"name": "eks", "packer_run_uuid": run, "artifact_id": artifact} for run, artifact in builds]
    return json.dumps({"builds": told, "last_run_uuid": last})


def test_only_the_last_run_counts() -> None:
    """A manifest keeps what earlier runs built."""
    text = manifest(("run-1", "eu-west-1:ami-0a"), ("run-2", "eu-west-1:ami-0b"))
    assert only_image(last_run(text, "m"), "eu-west-1", "m") == "ami-0b"


def test_a_regions_name_is_read_whole() -> None:
    """Not every region's name begins with two letters."""
    assert last_run(manifest(("run-2", "eusc-de-east-1:ami-0a")), "m").images == {"eusc-de-east-1": ("ami-0a",)}


def test_a_run_may_have_built_for_several_regions() -> None:
    """Copies stand in one artifact, sources of the template in several."""
    text = manifest(("run-2", "eu-west-1:ami-0a,us-gov-east-1:ami-0b"), ("run-2", "eu-west-1:ami-0c"))
    built = last_run(text, "m")
    assert built.images == {"eu-west-1": ("ami-0a", "ami-0c"), "us-gov-east-1": ("ami-0b",)}
    assert only_image(built, "us-gov-east-1", "m") == "ami-0b"
    with pytest.raises(UserError, match="several AMIs in eu-west-1: ami-0a, ami-0c"):
        only_image(built, "eu-west-1", "m")
    with pytest.raises(UserError, match="no AMI in eu-west-2, only in eu-west-1, us-gov-east-1"):
        only_image(built, "eu-west-2", "m")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"builds": null}',
        '{"builds": [7], "last_run_uuid": "run-2"}',
        manifest(last=""),
        manifest(("run-1", "eu-west-1:ami-0a")),
        manifest(("run-2", "docker.io/image:tag")),
    ],
)
def test_what_names_no_image_is_refused_by_its_name(text: Any) -> None:
    """The message says which file it is, and what to type."""
    with pytest.raises(UserError, match=r"build/m\.json") as refused:
        last_run(text, "build/m.json")
    assert refused.value.hint == "rollout ami build"
