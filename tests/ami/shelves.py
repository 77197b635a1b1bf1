"""Two AWS accounts with the same images in them: the embedded simulator's, and moto's.

The port `Images` answers the same tests on both, because neither is AWS: what they agree on was written twice, from the
documentation, by people who did not know of each other. Where moto is known to differ the test says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rollout.adapters.access import simulated_account
from rollout.adapters.images import AwsImages
from tests.adapters.living import RUN, Living, living, open_fence
from tests.packer.recorded import REGION, recorded

OURS, OTHER = "123456789012", "222222222222"

#: Images, one of them under a key of ours, one under aws/ebs.
SCENARIO = Path(__file__).with_name("shelf.yaml")


@dataclass(frozen=True)
class Shelf:
    """An account with two images of the prefix eks-model, the newer one encrypted under `key`, and another image."""

    kind: str
    url: str
    images: AwsImages
    old: str
    new: str
    other: str
    key: str
    managed: str

    @property
    def environment(self) -> dict[str, str]:
        """What a shell must export so that AWS's tools talk to it."""
        keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
        return {"AWS_ENDPOINT_URL": self.url, "AWS_REGION": REGION, **keys}


def _images(url: str) -> AwsImages:
    return AwsImages(simulated_account(REGION, RUN, url, open_fence()))


def shelf_of(world: Living) -> Shelf:
    """Return the account of a simulator."""
    old, new, other, *_ = (one.id for one in world.simulator.scenario.images)
    keys = world.simulator.world.cloud.keys
    key, managed = keys.called("model").arn, keys.called("aws/ebs").arn
    return Shelf("simulator", world.endpoints.aws, _images(world.endpoints.aws), old, new, other, key, managed)


@contextmanager
def simulator(folder: Path) -> Iterator[Shelf]:
    """Run the simulator inside the block."""
    with living(folder, SCENARIO) as world:
        yield shelf_of(world)


@contextmanager
def moto() -> Iterator[Shelf]:
    """Run moto inside the block."""
    with recorded() as aws:
        ec2, kms = aws.client("ec2"), aws.client("kms")
        key = kms.create_key()["KeyMetadata"]["Arn"]
        managed = kms.describe_key(KeyId="alias/aws/ebs")["KeyMetadata"]["Arn"]
        source = ec2.register_image(Name="source", RootDeviceName="/dev/xvda", Architecture="x86_64")["ImageId"]
        instance = ec2.run_instances(ImageId=source, MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]
        tags = [{"ResourceType": "image", "Tags": [{"Key": "branch", "Value": "main"}]}]
        old, new, other = (
            ec2.create_image(InstanceId=instance, Name=name, TagSpecifications=tags)["ImageId"]
            for name in ("eks-model-1", "eks-model-2", "other-1")
        )
        yield Shelf("moto", aws.url, _images(aws.url), old, new, other, key, managed)
