"""What only a survey asks: other groups, instance types, rights and where this process runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rollout.adapters import Edge, probe_records
from rollout.adapters.preflight_probe import own_pod
from rollout.errors import Refused, Retry
from rollout.model.plan import TemplateUse
from rollout.model.preflight_observation import GroupProbed, Override, Right
from rollout.ports import PreflightProbe
from tests.adapters.living import Living

AMI = "ami-00000000000000bbb"
REVIEW = "POST selfsubjectaccessreviews"
LEAST = {"AutoScalingGroupName": "g"}
SPECIFICATION = {"LaunchTemplateId": "lt-1", "LaunchTemplateName": "one", "Version": "$Latest"}


@pytest.fixture
def probe(edge: Edge) -> PreflightProbe:
    return edge.probe


def template_of(edge: Edge, group: str) -> str:
    return edge.autoscaling.groups([group])[0].uses[0].template_id


# ---- groups


def test_every_group_of_the_region_is_described(probe: PreflightProbe) -> None:
    """Ours and others', with template, reference and the clusters that their tags name."""
    found = {group.name: group for group in probe.groups()}
    assert {"workers", "floor"} <= set(found)
    use = found["floor"].template
    assert use is not None
    assert (use.template_name, use.reference) == ("worker-lt", "1")
    assert found["floor"].clusters == {"eks-demo"}
    assert found["floor"].subnets == ("subnet-eu-west-1a", "subnet-eu-west-1b")


def test_a_group_says_only_what_differs_from_the_plainest() -> None:
    """What AWS leaves out means units, no base, all on demand, no pool, and $Default where a version is left out."""
    use = TemplateUse("", "lt-1", "one", "$Default")
    raw = {**LEAST, "LaunchTemplate": {"LaunchTemplateId": "lt-1", "LaunchTemplateName": "one"}}
    assert probe_records.group(raw) == GroupProbed("g", use)
    assert probe_records.group({**LEAST, "LaunchConfigurationName": "old"}) == GroupProbed("g", None)


def test_a_mixed_policy_is_described_with_its_overrides() -> None:
    """Each override with its own template, type, image and weight, and how much is on demand."""
    theirs = {"LaunchTemplateId": "lt-2", "LaunchTemplateName": "two", "Version": "3"}
    overrides: list[dict[str, Any]] = [
        {"InstanceType": "m5.large", "WeightedCapacity": "2"},
        {"InstanceType": "c5.large", "LaunchTemplateSpecification": theirs, "ImageId": "ami-1"},
    ]
    policy = {
        "LaunchTemplate": {"LaunchTemplateSpecification": SPECIFICATION, "Overrides": overrides},
        "InstancesDistribution": {"OnDemandBaseCapacity": 1, "OnDemandPercentageAboveBaseCapacity": 0},
    }
    one, two = TemplateUse("", "lt-1", "one", "$Latest"), TemplateUse("override 2", "lt-2", "two", "3")
    found = probe_records.group(
        {
            **LEAST,
            "MixedInstancesPolicy": policy,
            "DesiredCapacityType": "vcpu",
            "WarmPoolConfiguration": {"MinSize": 1},
        }
    )
    assert found.overrides == (Override(None, "m5.large", None, "2"), Override(two, "c5.large", "ami-1", None))
    assert (found.units, found.on_demand_base, found.on_demand_percent, found.warm_pool) == ("vcpu", 1, 0, True)
    assert found.templates == (one, two)
    assert list(found.launched_uses()) == [(one, "m5.large"), (two, "c5.large")]


# ---- instance types and images


def test_types_that_the_region_has_not_are_left_out(probe: PreflightProbe) -> None:
    """One wrong type does not take the others with it, however many there are."""
    many = [f"x9.{number}xlarge" for number in range(250)]
    assert probe.architectures(["m5.large", *many, "c5.large"]) == {
        "m5.large": {"x86_64"},
        "c5.large": {"x86_64"},
    }
    assert probe.architectures([]) == {}


def test_an_image_tells_what_it_needs(edge: Edge) -> None:
    """Architecture, and the size of the root volume's snapshot in GiB."""
    found = edge.autoscaling.image(AMI)
    assert found is not None
    assert (found.architecture, found.root_device, found.root_gib) == ("x86_64", "/dev/xvda", 20)


def test_a_version_tells_its_type(edge: Edge) -> None:
    """The instance type of each version, beside its image."""
    (template,) = edge.autoscaling.templates([template_of(edge, "floor")])
    assert {version.instance_type for version in template.versions} == {"m5.2xlarge"}


# ---- rights


def test_a_try_changes_nothing(edge: Edge, world: Living) -> None:
    """What AWS would allow is allowed, no change is logged, and nothing counts as one."""
    applied, writes = len(world.simulator.world.log.changes), world.arrived()
    template = template_of(edge, "floor")
    edge.probe.try_version(template, 1, AMI)
    edge.probe.try_default(template, 1)
    edge.probe.try_launch(template, 1, AMI, "m5.large", "subnet-eu-west-1a")
    assert (len(world.simulator.world.log.changes), world.arrived()) == (applied, writes)


def test_what_aws_would_refuse_is_refused(edge: Edge, world: Living) -> None:
    """A missing permission comes as a refusal that names operation and code."""
    template = template_of(edge, "floor")
    world.fault({"error": {"status": 403, "code": "UnauthorizedOperation"}}, service="ec2")
    with pytest.raises(Refused, match="CreateLaunchTemplateVersion: UnauthorizedOperation"):
        edge.probe.try_version(template, 1, AMI)
    with pytest.raises(Refused, match="ModifyLaunchTemplate: UnauthorizedOperation"):
        edge.probe.try_default(template, 1)
    with pytest.raises(Refused, match="RunInstances: UnauthorizedOperation"):
        edge.probe.try_launch(template, 1, AMI, None, None)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (500, "InsufficientInstanceCapacity"),
        (400, "InsufficientFreeAddressesInSubnet"),
        (400, "VcpuLimitExceeded"),
        (400, "InvalidParameterCombination"),  # a subnet beside the template's network interfaces
        (400, "MissingParameter"),  # a type, where the template names requirements
        (400, "InvalidAMIID.Unavailable"),  # which is a reason of its own
        (503, "Unavailable"),
    ],
)
def test_only_a_missing_right_speaks_against_a_launch(edge: Edge, world: Living, status: int, code: str) -> None:
    """Nothing is concluded from what else EC2 answers: the group may launch all the same, or later."""
    world.fault({"error": {"status": status, "code": code}}, operation="RunInstances DryRun")
    edge.probe.try_launch(template_of(edge, "floor"), 1, AMI, None, None)


def test_a_launch_that_is_throttled_may_be_tried_again(edge: Edge, world: Living) -> None:
    """Neither allowed nor refused."""
    world.fault({"error": {"status": 503, "code": "RequestLimitExceeded"}}, operation="RunInstances DryRun")
    with pytest.raises(Retry):
        edge.probe.try_launch(template_of(edge, "floor"), 1, AMI, None, None)


def test_kubernetes_says_which_rights_we_have(probe: PreflightProbe) -> None:
    """What is granted, and what is not; a subresource is a right of its own."""
    assert probe.allows(Right("create", "pods/eviction"))
    assert probe.allows(Right("get", "configmaps", namespace="kube-system", name="eks-rollout"))
    assert not probe.allows(Right("delete", "jobs", "batch"))


def test_a_question_is_asked_again_where_the_server_stumbles(probe: PreflightProbe, world: Living) -> None:
    """It changes nothing, so it is repeated like a read; for good trouble it is `Retry`."""
    world.fault({"error": {"status": 503, "code": "ServiceUnavailable"}}, operation=REVIEW, times=1)
    assert probe.allows(Right("get", "nodes"))
    world.fault({"error": {"status": 503, "code": "ServiceUnavailable"}}, operation=REVIEW)
    with pytest.raises(Retry):
        probe.allows(Right("get", "nodes"))


# ---- where we run


def service_account(folder: Path, authority: str = "the cluster's\n") -> Path:
    (folder / "namespace").write_text("ci")
    (folder / "ca.crt").write_text(authority)
    return folder


def test_a_pod_knows_itself_by_its_service_account(tmp_path: Path) -> None:
    """Namespace from the mounted files, name from HOSTNAME."""
    found = own_pod(service_account(tmp_path), {"HOSTNAME": "agent-0"}, b"the cluster's")
    assert found == ("ci", "agent-0")


def test_a_namesake_in_another_cluster_is_not_us(tmp_path: Path) -> None:
    """A pod of a cluster whose API server another authority signs for is in none of this cluster's."""
    assert own_pod(service_account(tmp_path, "another's"), {"HOSTNAME": "agent-0"}, b"the cluster's") is None


def test_outside_of_a_pod_there_is_none(tmp_path: Path, probe: PreflightProbe) -> None:
    """Without the mounted files, or without a name, this process is in no pod."""
    assert own_pod(tmp_path / "nowhere", {"HOSTNAME": "laptop"}, b"") is None
    assert own_pod(service_account(tmp_path), {}, b"the cluster's") is None
    assert probe.own_pod() is None
