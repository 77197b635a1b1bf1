from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.simulated import Simulated, simulator


def write(world: Simulated, region: str = "eu-west-1") -> None:
    """Write the manifest of a run of Packer that built the world's new image."""
    build = {"packer_run_uuid": "run", "artifact_id": f"{region}:{world.ami}"}
    manifest = json.dumps({"builds": [build], "last_run_uuid": "run"})
    (world.directory / "manifest.json").write_text(manifest, encoding="utf-8")


@pytest.mark.timeout(180)
@pytest.mark.exhaustive
def test_a_rollout_starts_from_what_packer_wrote(tmp_path: Path) -> None:
    """It is the rollout of that image: with the same key it is the one that --ami means."""
    with simulator("short", tmp_path / "world") as world:
        begun = ("start", "--config", "rollout.yaml", "--key", "build-7")
        write(world, region="us-east-1")
        other = world.rollout(*begun, "--ami-from", "manifest.json")
        assert (other.code, other.out) == (2, "")
        assert "manifest.json names no AMI in eu-west-1, only in us-east-1" in other.err
        write(world)
        twice = world.rollout(*begun, "--ami-from", "manifest.json", "--ami", world.ami)
        assert (twice.code, "an AMI is given twice" in twice.err) == (2, True)
        neither = world.rollout(*begun)
        ways = "next: give one of --ami, --ami-from packer/manifest.json or --plan FILE\n"
        assert (neither.code, ways in neither.err) == (2, True)
        planned = world.rollout("plan", *begun[1:])
        ways = "next: give either --ami or --ami-from packer/manifest.json\n"
        assert (planned.code, ways in planned.err) == (2, True)
        done = world.rollout(*begun, "--ami-from", "manifest.json")
        assert done.code == 0, done
        again = world.rollout(*begun, "--ami", world.ami)
        assert again.rollout_id == done.rollout_id
        assert f"is done already: {world.ami}" in again.out
