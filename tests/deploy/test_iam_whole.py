"""Whole commands call nothing on AWS that the policies of deploy/iam do not grant."""

from __future__ import annotations

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.deploy import policies
from tests.deploy.recording import EKS_ROLE, ROLE
from tests.e2e.simulated import Simulated, simulator

#: A rollout takes its minutes, though simulated ones.
pytestmark = pytest.mark.exhaustive

OTHER = ("--account", "222222222222")
PRUNING = str(Path(__file__).parents[1] / "ami" / "pruning.yaml")
#: An image in there that nobody needs.
UNUSED = "ami-00000000000000002"


def called(world: Simulated) -> set[str]:
    """The actions on AWS that all clients of a simulator made; to try one (DryRun) takes the same permission."""
    clients = world.get("/requests").values()
    words = [operation.split() for client in clients for operation in client["operations"]]
    return {f"{service}:{operation}" for service, operation, *_ in words if service != "kube"} - {
        "sts:GetCallerIdentity"
    }


def through_roles(configuration: Path) -> None:
    """Let a configuration assume both roles, and find its cluster through EKS."""
    yaml = YAML()
    content = yaml.load(configuration)
    roles = {"assume_role": ROLE, "eks_role": EKS_ROLE, "kubernetes": "eks"}
    content["access"] = {**roles, "endpoint_url": content["access"]["endpoint_url"]}
    yaml.dump(content, configuration)


def test_a_rollout_calls_what_its_policies_grant(tmp_path: Path) -> None:
    """Begun, looked at, ended: through both roles, with every verb that a rollout has."""
    with simulator("short", tmp_path / "world") as world:
        through_roles(world.directory / "rollout.yaml")
        assert world.rollout("plan", "--config", "rollout.yaml", "--ami", world.ami).code == 0
        done = world.start()
        assert done.code == 0, done
        assert world.rollout("doctor", "--config", "rollout.yaml").code == 0
        calls = called(world)
    granted = policies.actions("redeploy") | policies.actions("caller")
    assert calls <= granted
    # Of what is granted, only what is behind another call, for other settings, or for a Node without an instance of its
    # groups (DescribeInstances), was not made use of.
    unused = {"ec2:CreateTags", "iam:PassRole", "ec2:ModifyLaunchTemplate", "ec2:DescribeInstances"}
    assert granted - calls <= unused


def test_images_are_looked_after_with_what_their_policies_grant(tmp_path: Path) -> None:
    """Verified, shared, listed, pruned, taken back."""
    with simulator(PRUNING, tmp_path / "world") as world:
        assert world.rollout("db", "upgrade", "--config", "rollout.yaml").code == 0
        for arguments in (
            ("verify", UNUSED),
            ("share", UNUSED, *OTHER, "--snapshots"),
            ("list", "--prefix", "eks-model"),
            ("share", UNUSED, *OTHER, "--undo"),
            ("prune", "--prefix", "eks-model", "--keep", "1", "--yes"),
        ):
            done = world.rollout("ami", *arguments)
            assert done.code == 0, (arguments, done)
        calls = called(world)
    assert calls <= policies.actions("sharing") | policies.actions("inventory")
    assert {"ec2:DeregisterImage", "ec2:DeleteSnapshot", "ec2:ModifySnapshotAttribute"} <= calls
