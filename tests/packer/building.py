"""The template as Packer 1.6.6 can read it, and a build of it on simulated EC2.

Left out is what only newer versions know: plugins.pkr.hcl, the data source of source.pkr.hcl (the build is given its
source AMI), the two settings on IMDSv2, and the builder's own address as the one that may log in. A build on simulated
EC2 has no machine to log in to: it has no communicator, and no provisioner. All else is the template's own.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.ec2.models import ec2_backends

from tests.packer.recorded import REGION, Recorded
from tests.tools import tool

TEMPLATE = Path(__file__).parents[2] / "packer"

#: The least that a build must be given.
GIVEN = {"repository": "https://github.com/example/model.git", "region": REGION}

_NEWER = (
    r'^  imds_support = "v2\.0"\n',
    r"^  temporary_security_group_source_public_ip = .*\n",
    r"^  metadata_options \{\n(?:    .*\n)*  \}\n",
)
_MACHINE = (r'^  provisioner "shell" \{\n(?:.*\n)*?  \}\n', r"^  ssh_(?:username|clear_authorized_keys) .*\n")


def derived(folder: Path) -> Path:
    """Copy the template into a new folder as Packer 1.6.6 can read it; return the folder."""
    folder.mkdir()
    for name in ("variables.pkr.hcl", "provision.sh"):
        shutil.copy(TEMPLATE / name, folder)
    (folder / "source.pkr.hcl").write_text("locals {\n  source_ami = var.source_ami\n}\n", encoding="utf-8")
    text = (TEMPLATE / "eks-model.pkr.hcl").read_text(encoding="utf-8")
    (folder / "eks-model.pkr.hcl").write_text(_without(text, *_NEWER), encoding="utf-8")
    return folder


def simulated(folder: Path, endpoint: str) -> Path:
    """Copy the template into a new folder such that its build needs nothing but the EC2 at that address."""
    model = derived(folder) / "eks-model.pkr.hcl"
    text = _without(model.read_text(encoding="utf-8"), *_MACHINE)
    here = f'  communicator        = "none"\n  custom_endpoint_ec2 = "{endpoint}"\n'
    # Nobody is waited for where nothing takes time.
    text = text.replace("  region  ", here + "  region  ", 1).replace("delay_seconds = 15", "delay_seconds = 1")
    model.write_text(text, encoding="utf-8")
    return folder


def source_ami(aws: Recorded) -> str:
    """Register what stands for the EKS-optimised AMI, and make the instance profile that a build names."""
    aws.client("iam").create_instance_profile(InstanceProfileName="packer-eks-model")
    root = {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 20}}
    registered = aws.client("ec2").register_image(
        Name="amazon-eks-node-al2023-x86_64-standard-1.33-v20260101",
        RootDeviceName="/dev/xvda",
        BlockDeviceMappings=[root],
        Architecture="x86_64",
        VirtualizationType="hvm",
    )
    # moto's own images are all backed by EBS, those that it registers never are; Packer wants EBS.
    ec2_backends[DEFAULT_ACCOUNT_ID][REGION].amis[registered["ImageId"]].root_device_type = "ebs"
    return str(registered["ImageId"])


def packer(*arguments: str | Path, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run Packer in an environment of its own; it never calls home."""
    return subprocess.run(
        [tool("packer"), *arguments],
        env={"PATH": "/usr/bin:/bin", "CHECKPOINT_DISABLE": "1", "PACKER_NO_COLOR": "1", **(environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def assert_nothing_left(aws: Recorded) -> None:
    """Instance, key and security group of a build are gone."""
    ec2 = aws.client("ec2")
    states = [i["State"]["Name"] for r in ec2.describe_instances()["Reservations"] for i in r["Instances"]]
    assert states == ["terminated"]
    assert ec2.describe_key_pairs()["KeyPairs"] == []
    assert [g for g in ec2.describe_security_groups()["SecurityGroups"] if g["GroupName"] != "default"] == []


def variables(**values: str) -> list[str]:
    """Return the command line's arguments for the variables that must be given, and for these."""
    return [argument for name, value in {**GIVEN, **values}.items() for argument in ("-var", f"{name}={value}")]


def _without(text: str, *patterns: str) -> str:
    for pattern in patterns:
        text, found = re.subn(pattern, "", text, flags=re.MULTILINE)
        if not found:
            raise LookupError(f"the template has no {pattern} any more: say here what Packer 1.6.6 must not see")
    return text
