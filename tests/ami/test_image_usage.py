"""What an account has that may need an image, read from moto: groups of the old kind, stopped instances, templates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from rollout.adapters.access import simulated_account
from rollout.adapters.image_usage import Neighbour
from rollout.ami.listing import AccountUsage, Launched, needs
from tests.adapters.living import RUN, open_fence
from tests.ami import inventories as given
from tests.packer.recorded import REGION, recorded


@pytest.fixture(scope="module")
def aws() -> Iterator[Any]:
    """An account of moto's."""
    with recorded() as found:
        yield found


def test_launch_configurations_and_instances_are_read(aws: Any) -> None:
    """A launch configuration needs its image, attached or not; a stopped instance its own, an ended one none."""
    ec2, scaling = aws.client("ec2"), aws.client("autoscaling")
    image = ec2.register_image(Name="eks-model-1", RootDeviceName="/dev/xvda", Architecture="x86_64")["ImageId"]
    scaling.create_launch_configuration(LaunchConfigurationName="old", ImageId=image, InstanceType="m5.large")
    stopped, ended = (
        one["InstanceId"] for one in ec2.run_instances(ImageId=image, MinCount=2, MaxCount=2)["Instances"]
    )
    ec2.stop_instances(InstanceIds=[stopped])
    ec2.terminate_instances(InstanceIds=[ended])
    usage = _read(aws, image)
    assert usage.configured == {"old": image}
    assert usage.launched == (Launched(stopped, image, ""),)
    assert needs(given.inventory(usages=(usage,))) == {image: ("launch configuration old", f"instance {stopped}")}


def test_a_version_that_a_group_names_by_number_is_read(aws: Any) -> None:
    """Of a template the default and the latest version are always read, those in between where a number names one."""
    ec2, scaling = aws.client("ec2"), aws.client("autoscaling")
    for number in range(1, 5):
        data = {"LaunchTemplateData": {"ImageId": f"ami-{number:08x}", "InstanceType": "m5.large"}}
        if number == 1:
            ec2.create_launch_template(LaunchTemplateName="workers", **data)
        else:
            ec2.create_launch_template_version(LaunchTemplateName="workers", **data)
    scaling.create_auto_scaling_group(
        AutoScalingGroupName="pinned",
        LaunchTemplate={"LaunchTemplateName": "workers", "Version": "2"},
        AvailabilityZones=[f"{REGION}a"],
        MinSize=0,
        MaxSize=0,
    )
    found = needs(given.inventory(usages=(_read(aws),)))
    assert found["ami-00000002"] == ("group pinned (workers 2)",)
    assert found["ami-00000001"] == ("template workers $Default",)
    assert found["ami-00000004"] == ("template workers $Latest",)
    assert "ami-00000003" not in found


def test_block_devices_are_read_in_every_version(aws: Any) -> None:
    """A snapshot counts that only an old version of a template names, or a launch configuration."""
    ec2, scaling = aws.client("ec2"), aws.client("autoscaling")

    def devices(snapshot: str) -> list[dict[str, Any]]:
        return [{"DeviceName": "/dev/xvdb", "Ebs": {"SnapshotId": snapshot}}]

    for number in range(1, 4):
        data = {"ImageId": "ami-0000000a", "BlockDeviceMappings": devices(f"snap-{number:08x}")}
        if number == 1:
            ec2.create_launch_template(LaunchTemplateName="mapped", LaunchTemplateData=data)
        else:
            ec2.create_launch_template_version(LaunchTemplateName="mapped", LaunchTemplateData=data)
    scaling.create_launch_configuration(
        LaunchConfigurationName="mapped",
        ImageId="ami-0000000a",
        InstanceType="m5.large",
        BlockDeviceMappings=devices("snap-00000009"),
    )
    every, some = (_read(aws, every_version=every).mapped for every in (True, False))
    assert every["snap-00000002"] == ("template mapped 2",)
    assert every["snap-00000009"] == ("launch configuration mapped",)
    assert set(every) - set(some) == {"snap-00000002"}


def _read(aws: Any, *images: str, every_version: bool = False) -> AccountUsage:
    account = Neighbour(given.ACCOUNT, simulated_account(REGION, RUN, aws.url, open_fence()))
    return account.usage(images, (), every_version=every_version)
