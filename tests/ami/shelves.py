"""Two AWS accounts with the same images in them: the embedded simulator's, and moto's.

The port `Images` answers the same tests on both, because neither is AWS: what they agree on was written twice, from the
documentation, by people who did not know of each other. Where moto is known to differ the test says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from moto.server import ThreadedMotoServer

from rollout.adapters.access import simulated_account
from rollout.adapters.images import AwsImages
from tests.adapters.living import RUN, living, open_gate

REGION = "eu-west-1"
OURS, OTHER = "123456789012", "222222222222"

_SCENARIO = Path(__file__).with_name("shelf.yaml")


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
    return AwsImages(simulated_account(REGION, RUN, url, open_gate()))


@contextmanager
def simulator(folder: Path) -> Iterator[Shelf]:
    """Run the simulator inside the block."""
    with living(folder, _SCENARIO) as world:
        old, new, other, *_ = (one.id for one in world.simulator.scenario.images)
        keys = world.simulator.world.cloud.keys
        key, managed = keys.called("model").arn, keys.called("aws/ebs").arn
        yield Shelf("simulator", world.endpoints.aws, _images(world.endpoints.aws), old, new, other, key, managed)


@contextmanager
def moto() -> Iterator[Shelf]:
    """Run moto inside the block."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield _filled(f"http://{host}:{port}")
    finally:
        server.stop()


def _filled(url: str) -> Shelf:
    options: dict[str, Any] = {"endpoint_url": url, "region_name": REGION}
    options |= {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    ec2, kms = boto3.client("ec2", **options), boto3.client("kms", **options)
    key = kms.create_key()["KeyMetadata"]["Arn"]
    managed = kms.describe_key(KeyId="alias/aws/ebs")["KeyMetadata"]["Arn"]
    source = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    instance = ec2.run_instances(ImageId=source, MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]
    tags = [{"ResourceType": "image", "Tags": [{"Key": "branch", "Value": "main"}]}]
    old, new, other = (
        ec2.create_image(InstanceId=instance, Name=name, TagSpecifications=tags)["ImageId"]
        for name in ("eks-model-1", "eks-model-2", "other-1")
    )
    return Shelf("moto", url, _images(url), old, new, other, key, managed)
