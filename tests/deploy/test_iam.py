"""The policies of deploy/iam grant what is called, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rollout.ami.images import Images
from rollout.ports import AutoScaling, PreflightProbe, RoomProbe
from tests.adapters.living import Living, living
from tests.ami import shelves
from tests.deploy import policies, recording

#: AWS answers it without any permission (STS API reference, GetCallerIdentity).
FREE = {"sts:GetCallerIdentity"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Living]:
    with living(tmp_path_factory.mktemp("simulator")) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def of_rollout(world: Living) -> set[str]:
    """What a rollout calls."""
    return recording.rollout_calls(world)


@pytest.fixture(scope="module")
def of_caller(world: Living) -> set[str]:
    """What it takes to assume a rollout's role."""
    return recording.callers_calls(world)


@pytest.fixture(scope="module")
def of_images(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """What `rollout ami` calls where images are built."""
    with living(tmp_path_factory.mktemp("shelf"), shelves.SCENARIO) as world:
        return recording.image_calls(world)


@pytest.fixture(scope="module")
def of_inventory(world: Living) -> set[str]:
    """What `rollout ami list` and `prune` call in each account."""
    return recording.inventory_calls(world)


def listed(policy: str) -> set[str]:
    """What the list of dependent actions says of a policy."""
    return {entry["action"] for entry in policies.dependent() if entry["policy"] == policy}


def test_every_verb_is_recorded() -> None:
    """A verb that a port gets is called here too, or said to ask somebody else."""
    ports = (AutoScaling, PreflightProbe, RoomProbe)
    assert set(recording.VERBS) | recording.ELSEWHERE == {verb for port in ports for verb in recording.verbs(port)}
    assert set(recording.IMAGE_VERBS) == recording.verbs(Images)


def test_every_call_in_the_source_is_recorded(
    of_rollout: set[str], of_caller: set[str], of_images: set[str], of_inventory: set[str]
) -> None:
    """No call hides from the recording, and the recording has none that the source has not."""
    every = of_rollout | of_caller | of_images | of_inventory
    assert recording.calls_in_source() == every - recording.BY_BOTOCORE


def test_a_call_that_nobody_records_is_seen_in_the_source(tmp_path: Path) -> None:
    """As a method, handed on as one, or as the name of a paginator; of the services that the module has clients for."""
    module = """
def look(account):
    ec2 = account.reading("ec2")
    ec2.describe_volumes()
    later(ec2.describe_hosts)
    pages(ec2, "describe_addresses")
    describe_alarms()
"""
    (tmp_path / "looking.py").write_text(module, encoding="utf-8")
    seen = {"ec2:DescribeVolumes", "ec2:DescribeHosts", "ec2:DescribeAddresses"}
    assert recording.calls_in_source(tmp_path) == seen


def test_a_rollouts_role_is_granted_what_it_calls(of_rollout: set[str]) -> None:
    """Every call and every dependent action is in the policy, and the policy has no other."""
    assert policies.actions("redeploy") == of_rollout - FREE | listed("redeploy")


def test_who_assumes_that_role_is_granted_nothing_else(of_caller: set[str]) -> None:
    """The runner's own identity."""
    assert policies.actions("caller") == of_caller


def test_who_shares_images_is_granted_what_that_calls(of_images: set[str]) -> None:
    """In the builder's account, keys included."""
    assert policies.actions("sharing") == of_images - FREE


def test_who_looks_for_what_needs_an_image_is_granted_what_that_calls(of_inventory: set[str]) -> None:
    """In every account that may need one; nothing is changed by it."""
    assert policies.actions("inventory") == of_inventory - FREE | listed("inventory")
    assert all(action.split(":")[1].startswith(("Describe", "Get")) for action in policies.actions("inventory"))


@pytest.mark.parametrize("policy", ["packer-builder", "packer-instance"])
def test_other_programs_are_granted_what_the_list_says(policy: str) -> None:
    """Neither more nor less."""
    assert policies.actions(policy) == listed(policy)


def test_every_entry_of_the_list_is_explained(of_rollout: set[str], of_inventory: set[str]) -> None:
    """A policy that exists, a call that is made, a reason and a source; none of them twice."""
    entries = list(policies.dependent())
    made = of_rollout | of_inventory | policies.actions("packer-builder") | {"packer", "packer/provision.sh"}
    for entry in entries:
        assert set(entry) == {"policy", "action", "behind", "why", "source"}
        assert entry["policy"] in policies.names()
        assert entry["behind"] in made
        assert entry["why"].endswith(".")
        assert entry["source"].startswith("https://")
    pairs = [(entry["policy"], entry["action"]) for entry in entries]
    assert len(pairs) == len(set(pairs))
