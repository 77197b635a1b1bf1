"""Facts of groups with a MixedInstancesPolicy, asked through boto3. Each names where it is documented."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from eks_simulator.cloud.model import Group, Image, Reference, Template, TemplateVersion
from eks_simulator.cloud.types import TYPES, architecture

if TYPE_CHECKING:
    from tests.simulator.aws.conftest import Account, Served

OLD, NEW = "ami-00000000000000001", "ami-00000000000000002"
LONG = 600.0

Shown = dict[str, Any]


def overrides(*, own: bool = True) -> list[Shown]:
    """Three types; the second from a template of its own."""
    other = {"LaunchTemplateSpecification": {"LaunchTemplateName": "other", "Version": "2"}} if own else {}
    return [{"InstanceType": "m5.large"}, {"InstanceType": "c5.large", **other}, {"InstanceType": "r5.large"}]


@pytest.fixture
def mixed(served: Served) -> Served:
    """The group has a policy of three overrides, the second with a template of its own, and six instances."""
    versions = [TemplateVersion({"ImageId": OLD}), TemplateVersion({"ImageId": NEW})]
    served.account.cloud.add_template(Template("other", versions))
    policy = {"LaunchTemplate": {"LaunchTemplateSpecification": spec("worker"), "Overrides": overrides()}}
    update(served, MixedInstancesPolicy=policy, DesiredCapacity=6)
    served.account.run(LONG)
    return served


def spec(name: str, version: str = "$Latest") -> Shown:
    return {"LaunchTemplateName": name, "Version": version}


def update(served: Served, **fields: Any) -> None:
    served.client("autoscaling").update_auto_scaling_group(AutoScalingGroupName="workers", **fields)


def group(served: Served) -> Any:
    return served.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"][0]


def test_instances_take_turns_through_the_overrides(mixed: Served) -> None:
    """As many of each type; each says its own type (user guide: Multiple instance types; API_Instance)."""
    shown = group(mixed)["Instances"]
    assert Counter(one["InstanceType"] for one in shown) == {"m5.large": 2, "c5.large": 2, "r5.large": 2}


def test_an_override_launches_from_its_own_template(mixed: Served) -> None:
    """Each instance lists the template and number that it came from (user guide: Different launch templates)."""
    found = {
        (one["InstanceType"], one["LaunchTemplate"]["LaunchTemplateName"], one["LaunchTemplate"]["Version"])
        for one in group(mixed)["Instances"]
    }
    assert found == {("m5.large", "worker", "1"), ("c5.large", "other", "2"), ("r5.large", "worker", "1")}
    images = {one.type: one.image for one in mixed.account.group.living}
    assert (images["m5.large"], images["c5.large"]) == (OLD, NEW)


def test_overrides_are_shown_with_their_templates_in_full(mixed: Served) -> None:
    """Id and name stand there, even if only one was given (API_LaunchTemplateSpecification)."""
    shown = group(mixed)["MixedInstancesPolicy"]["LaunchTemplate"]["Overrides"]
    other = next(one for one in mixed.account.cloud.templates if one.name == "other")
    own = {"LaunchTemplateId": other.id, "LaunchTemplateName": "other", "Version": "2"}
    assert [one.get("LaunchTemplateSpecification") for one in shown] == [None, own, None]


def test_a_list_of_overrides_is_replaced_whole_and_an_absent_one_kept(mixed: Served) -> None:
    """Properties that are not specified are not changed, a list that is given replaces (API_UpdateAutoScalingGroup)."""
    before = group(mixed)["MixedInstancesPolicy"]["LaunchTemplate"]["Overrides"]
    update(mixed, MixedInstancesPolicy={"LaunchTemplate": {"LaunchTemplateSpecification": spec("worker", "1")}})
    after = group(mixed)["MixedInstancesPolicy"]["LaunchTemplate"]
    assert (after["Overrides"], after["LaunchTemplateSpecification"]["Version"]) == (before, "1")
    only = [{"InstanceType": "m5.xlarge"}]
    update(mixed, MixedInstancesPolicy={"LaunchTemplate": {"Overrides": only}})
    after = group(mixed)["MixedInstancesPolicy"]["LaunchTemplate"]
    assert (after["Overrides"], after["LaunchTemplateSpecification"]["Version"]) == (only, "1")


def test_a_plain_launch_template_takes_the_policys_place(mixed: Served) -> None:
    """A group has one or the other (API_UpdateAutoScalingGroup)."""
    update(mixed, LaunchTemplate=spec("worker"))
    assert "MixedInstancesPolicy" not in group(mixed)


def test_an_overrides_image_beats_the_templates(mixed: Served) -> None:
    """ImageId of an override is what it launches (API_LaunchTemplateOverrides)."""
    update(
        mixed, MixedInstancesPolicy={"LaunchTemplate": {"Overrides": [{"InstanceType": "t3.large", "ImageId": NEW}]}}
    )
    update(mixed, DesiredCapacity=7)
    mixed.account.run(LONG)
    assert (mixed.account.group.living[-1].type, mixed.account.group.living[-1].image) == ("t3.large", NEW)


def test_with_weights_desired_counts_units(served: Served) -> None:
    """Each instance counts for its type's weight, in a decrement too (user guide: Instance weights)."""
    weighted = [
        {"InstanceType": "m5.large", "WeightedCapacity": "1"},
        {"InstanceType": "m5.2xlarge", "WeightedCapacity": "4"},
    ]
    template = {"LaunchTemplateSpecification": spec("worker"), "Overrides": weighted}
    update(served, MixedInstancesPolicy={"LaunchTemplate": template}, DesiredCapacity=10)
    served.account.run(LONG)
    shown = group(served)["Instances"]
    assert [one["WeightedCapacity"] for one in shown] == ["1", "1", "4", "4"]
    served.client("autoscaling").terminate_instance_in_auto_scaling_group(
        InstanceId=shown[-1]["InstanceId"], ShouldDecrementDesiredCapacity=True
    )
    assert group(served)["DesiredCapacity"] == 6


MARKETS = [(0, 100, 0), (0, 50, 3), (0, 0, 6), (2, 0, 4), (2, 50, 2)]


@pytest.mark.parametrize(("base", "percentage", "spots"), MARKETS)
def test_on_demand_comes_first_and_spot_above(make: type[Account], base: int, percentage: int, spots: int) -> None:
    """Base capacity is On-Demand, above it the percentage, rounded up (API_InstancesDistribution)."""
    cloud = make().cloud
    distribution = {"OnDemandBaseCapacity": base, "OnDemandPercentageAboveBaseCapacity": percentage}
    policy = {"Overrides": overrides(own=False), "InstancesDistribution": distribution}
    made = cloud.add_group(Group("mixed", Reference("worker"), 0, 6, 9, ("eu-west-1a",), mixed=policy))
    assert sum(one.spot for one in made.living) == spots


REFUSED: list[tuple[str, list[Shown], str]] = [
    (
        "some weights, user guide: Instance weights",
        [{"InstanceType": "m5.large", "WeightedCapacity": "1"}, {"InstanceType": "c5.large"}],
        "Weighted capacity must be specified for all",
    ),
    (
        "one type twice, user guide: Multiple instance types",
        [{"InstanceType": "m5.large"}, {"InstanceType": "m5.large"}],
        "Duplicate instance types",
    ),
    (
        "a template that does not exist, API_LaunchTemplateSpecification",
        [{"InstanceType": "m5.large", "LaunchTemplateSpecification": spec("nobody's")}],
        "You must use a valid fully-formed launch template.",
    ),
]


@pytest.mark.parametrize(("given", "words"), [one[1:] for one in REFUSED], ids=[one[0] for one in REFUSED])
def test_a_policy_that_makes_no_sense_is_refused(served: Served, given: list[Shown], words: str) -> None:
    """AWS refuses it with these words, and the group stays as it was."""
    before = group(served)
    with pytest.raises(ClientError, match=words):
        update(
            served,
            MixedInstancesPolicy={
                "LaunchTemplate": {"LaunchTemplateSpecification": spec("worker"), "Overrides": given}
            },
        )
    assert group(served) == before


def test_a_policy_without_a_template_is_refused_where_the_group_had_none(served: Served) -> None:
    """The policy's launch template is required to begin with (API_MixedInstancesPolicy)."""
    with pytest.raises(ClientError, match="launch template of the mixed instances policy must be specified"):
        update(served, MixedInstancesPolicy={"InstancesDistribution": {"OnDemandBaseCapacity": 1}})


def test_types_say_their_architecture(served: Served) -> None:
    """SupportedArchitectures of a type, and the filter by it (API_DescribeInstanceTypes, ProcessorInfo)."""
    client = served.client("ec2")
    found = client.describe_instance_types(InstanceTypes=["m7g.large", "m5.large"])["InstanceTypes"]
    assert [one["ProcessorInfo"]["SupportedArchitectures"] for one in found] == [["arm64"], ["x86_64"]]
    filters = [{"Name": "processor-info.supported-architecture", "Values": ["arm64"]}]
    pages = client.get_paginator("describe_instance_types").paginate(Filters=filters)
    arm = {one["InstanceType"] for page in pages for one in page["InstanceTypes"]}
    assert arm == {name for name in TYPES if architecture(name) == "arm64"}


def test_an_image_of_another_architecture_is_not_launched(served: Served) -> None:
    """The launch fails with EC2's words (terraform-provider-aws #28150; EC2 guide: Error codes)."""
    served.account.cloud.add_image(Image("ami-0000000000000000a", "arm", architecture="arm64"))
    trouble = failed_launch(served.account, {"ImageId": "ami-0000000000000000a", "InstanceType": "m5.large"})
    assert trouble.startswith("The architecture 'x86_64' of the specified instance type does not match the archi")


def test_a_volume_smaller_than_its_snapshot_is_not_launched(served: Served) -> None:
    """The launch fails with EC2's words (EC2 guide: Error codes, InvalidBlockDeviceMapping)."""
    device = {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 8}}
    trouble = failed_launch(served.account, {"ImageId": OLD, "BlockDeviceMappings": [device]})
    assert trouble.startswith("Volume of size 8GB is smaller than snapshot 'snap-00000000000000001', expect size >= 20")


def failed_launch(account: Account, data: Shown) -> str:
    account.template.versions.append(TemplateVersion(data))
    account.cloud.set_desired("workers", 3)
    account.run(30)
    return account.cloud.activities.of("workers")[0].message


def test_running_instances_alone_can_be_tried_out(served: Served) -> None:
    """RunInstances knows DryRun, by which a caller asks for its rights (EC2 API: DryRun); more is not simulated."""
    ask = {"LaunchTemplate": {"LaunchTemplateName": "worker"}, "MinCount": 1, "MaxCount": 1}
    with pytest.raises(ClientError, match="DryRunOperation"):
        served.client("ec2").run_instances(**ask, DryRun=True)
    with pytest.raises(ClientError, match="NotImplemented"):
        served.client("ec2").run_instances(**ask)
