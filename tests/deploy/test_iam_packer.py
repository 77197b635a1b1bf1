"""What the real Packer calls when it builds the template is granted to the user who runs it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.deploy import policies
from tests.packer.building import packer, simulated, source_ami, variables
from tests.packer.recorded import ENVIRONMENT, recorded

#: What Packer's own part of the list has beyond this build, by what would show it.
ELSEWHERE = {
    "ssm:GetParameter": "source.pkr.hcl, which Packer 1.6.6 cannot read",
    "ec2:DescribeSubnets": "a build in a subnet that is given",
    "ec2:DeregisterImage": "a build that fails after the AMI was made",
    "ec2:DeleteSnapshot": "a build that fails after the AMI was made",
}
#: The one action that is not EC2's.
IAM = {"GetInstanceProfile"}


@pytest.fixture(scope="module")
def requests(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, Mapping[str, Any]]]:
    """The requests of a build on simulated EC2."""
    with recorded() as aws:
        given = variables(source_ami=source_ami(aws))
        before = len(aws.requests)
        folder = simulated(tmp_path_factory.mktemp("build") / "packer", aws.url)
        ended = packer("build", *given, folder, environment=ENVIRONMENT)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return aws.requests[before:]


def test_what_packer_calls_is_what_the_list_says(requests: list[tuple[str, Mapping[str, Any]]]) -> None:
    """Packer 1.6.6, whose plugin calls what newer ones do; what it did not call here is said above."""
    called = {f"{'iam' if name in IAM else 'ec2'}:{name}" for name, _ in requests}
    own = {entry["action"] for entry in policies.dependent() if entry["behind"] == "packer"}
    assert called | set(ELSEWHERE) == own
    assert called.isdisjoint(ELSEWHERE)


def test_the_tag_that_the_policy_goes_by_is_the_templates(requests: list[tuple[str, Mapping[str, Any]]]) -> None:
    """Instance, volume, AMI and snapshot are given it; newer plugins give it to all that they make, as they make it."""
    tagging = [parameters for name, parameters in requests if name in {"RunInstances", "CreateTags"}]
    assert len(tagging) == 3
    assert [one for one in tagging if "ami_prefix" not in one.values()] == []
