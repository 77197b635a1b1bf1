"""The way in that EKS users have: assumed roles, an EKS token minted in process, and nothing of it written down."""

from __future__ import annotations

from pathlib import Path

from ruamel.yaml import YAML

from tests.e2e.conftest import Worlds
from tests.e2e.proving import broken

ROLES = {
    "assume_role": "arn:aws:iam::123456789012:role/redeploy_nodes-demo",
    "eks_role": "arn:aws:iam::123456789012:role/eks_admin_role-demo",
}
#: What would betray a secret: an issued key, a session token's parameter, a signature, an EKS token, a bearer.
SECRETS = ("ASIA", "X-Amz-Security-Token", "X-Amz-Signature", "X-Amz-Credential", "k8s-aws-v1", "Bearer ")


def test_a_rollout_through_assumed_roles_and_an_eks_token_leaves_no_secret_behind(world: Worlds) -> None:
    """Two roles are assumed, the token is minted in process; output, events and the journal's files hold none of it."""
    simulated = world("proof-plain")
    _through_roles(simulated.directory / "rollout.yaml")
    result = simulated.start()
    assert result.code == 0, result
    assert broken(simulated) == {}
    (counts,) = simulated.get("/requests").values()
    assert counts["operations"]["sts AssumeRole"] >= len(ROLES)
    events = simulated.rollout("events", "--config", "rollout.yaml", "--json").out
    journal = list(simulated.directory.glob("rollout.db*"))
    assert {file.stat().st_mode & 0o777 for file in journal} == {0o600}
    told = [result.out, result.err, events, *(file.read_bytes().decode("latin-1") for file in journal)]
    assert [secret for secret in SECRETS for text in told if secret in text] == []


def _through_roles(configuration: Path) -> None:
    yaml = YAML()
    content = yaml.load(configuration)
    endpoint = content["access"]["endpoint_url"]
    content["access"] = {**ROLES, "kubernetes": "eks", "endpoint_url": endpoint}
    yaml.dump(content, configuration)
