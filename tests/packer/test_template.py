"""What the template says is what Packer reads, and a build of it asks AWS for what docs/baking.md says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.packer.building import TEMPLATE, assert_nothing_left, derived, packer, simulated, source_ami, variables
from tests.packer.recorded import ENVIRONMENT, Recorded, recorded

AMI = "ami-0123456789abcdef0"
COMMIT = "8f" * 20
#: As long as a branch may be.
BRANCH = "release/" + "7" * 192


def test_packer_validates_the_template(tmp_path: Path) -> None:
    """With the least that must be given, nothing is wrong."""
    ended = packer("validate", *variables(source_ami=AMI), derived(tmp_path / "packer"))
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout


def test_packer_would_not_format_it_otherwise() -> None:
    """All files are as `packer fmt` leaves them, those too that this Packer cannot validate."""
    ended = packer("fmt", "-check", "-diff", TEMPLATE)
    assert (ended.returncode, ended.stdout) == (0, "")


@pytest.mark.parametrize(
    ("variable", "value", "complaint"),
    [
        ("repository", "https://user:ghp_secret@github.com/example/model.git", "without user or token"),
        ("repository", "git@github.com:example/model.git", "must be an https:// address"),
        ("repository", "", "must be an https:// address"),
        ("repository", f"https://github.com/{'x' * 250}", "at most 256 characters"),
        ("repository", "https://github.com/example/modèle.git", "must be ASCII"),
        ("branch", "--upload-pack=touch /tmp/x", "The branch must be the name of a branch"),
        ("branch", "", "The branch must be"),
        ("branch", "b" * 201, "The branch must be"),
        ("git_tag", "--upload-pack=touch /tmp/x", "The git_tag must be the name of a tag"),
        ("jenkins_build", "j" * 257, "at most 256 characters"),
        ("volume_size", "7.5", "whole GiB, from 8 to 16384"),
        ("root_device", "xvda", "must be that of the source AMI"),
        ("root_device", "", "must be that of the source AMI"),
        ("commit", "8f8f8f8", "full commit id"),
        ("model", "../../etc", "plain name"),
        ("ami_prefix", "eks model", "must leave room for the time"),
        ("region", "", "give one with -var region=eu-central-1, or set AWS_REGION"),
        ("source_ami", "latest", "must be an AMI's id"),
    ],
)
def test_a_bad_value_is_refused_before_anything_is_asked_of_aws(
    tmp_path: Path, variable: str, value: str, complaint: str
) -> None:
    """Packer names the variable's rule, and what to give instead."""
    given = {"source_ami": AMI, variable: value}
    ended = packer("validate", *variables(**given), derived(tmp_path / "packer"))
    assert ended.returncode == 1
    assert complaint in " ".join((ended.stdout + ended.stderr).split())


def test_the_region_is_the_environments_unless_given(tmp_path: Path) -> None:
    """AWS_REGION is what every other tool of AWS reads."""
    given = ("-var", "repository=https://github.com/example/model.git", "-var", f"source_ami={AMI}")
    ended = packer("validate", *given, derived(tmp_path / "packer"), environment={"AWS_REGION": "eu-central-1"})
    assert ended.returncode == 0, ended.stdout


def test_the_plugins_file_holds_the_plugins_alone() -> None:
    """What Packer 1.6 cannot read is in that file, and nothing that a build needs is."""
    text = (TEMPLATE / "plugins.pkr.hcl").read_text(encoding="utf-8")
    assert re.findall(r"^(\w+)", text, flags=re.MULTILINE) == ["packer"]
    assert re.search(
        r'amazon = \{\n +source +(= "github\.com/hashicorp/amazon")\n +version += ">= [\d.]+, < [\d.]+"', text
    )


def test_the_source_ami_is_the_one_given_or_the_parameters() -> None:
    """Newer Packers alone can read this file: its text says that the parameter is asked, and when its value counts."""
    text = (TEMPLATE / "source.pkr.hcl").read_text(encoding="utf-8")
    assert "name   = var.source_parameter" in text
    assert 'var.source_ami != "" ? var.source_ami : data.amazon-parameterstore.eks_optimised.value' in text


def test_every_setting_that_only_newer_packers_know_is_there() -> None:
    """IMDSv2 alone, for the build's instance and for the AMI's nodes; SSH from the builder's own address alone."""
    text = (TEMPLATE / "eks-model.pkr.hcl").read_text(encoding="utf-8")
    assert re.search(r'^  imds_support = "v2\.0"$', text, flags=re.MULTILINE)
    assert re.search(
        r"^  temporary_security_group_source_public_ip = length\(var\.ssh_from\) == 0$", text, re.MULTILINE
    )
    assert re.search(r'metadata_options \{[^}]*http_tokens +(= "required")', text)


def test_nodes_do_not_share_the_builds_machine_id() -> None:
    """The last thing that is done on the instance empties the file: systemd then makes an id at the next start."""
    text = (TEMPLATE / "eks-model.pkr.hcl").read_text(encoding="utf-8")
    assert re.findall(r"^    (?:script|inline) +(?:= )(.*)$", text, flags=re.MULTILINE) == [
        '"${path.root}/provision.sh"',
        '["sudo truncate --size 0 /etc/machine-id"]',
    ]


def test_every_variable_is_described_and_used() -> None:
    """A variable that nothing reads, or that says nothing of itself, is a mistake."""
    blocks = re.split(r"^variable ", (TEMPLATE / "variables.pkr.hcl").read_text(encoding="utf-8"), flags=re.MULTILINE)
    named = {block.split('"')[1]: block for block in blocks[1:]}
    assert [name for name, block in named.items() if 'description = "' not in block] == []
    files = "".join((TEMPLATE / f"{name}.pkr.hcl").read_text(encoding="utf-8") for name in ("eks-model", "source"))
    assert set(re.findall(r"var\.(\w+)", files)) == set(named)


@dataclass(frozen=True)
class Build:
    """A build that was carried out, and what it asked of AWS."""

    aws: Recorded
    source: str
    manifest: dict[str, Any]
    printed: str

    @property
    def image(self) -> dict[str, Any]:
        """The AMI that it made."""
        (image,) = self.aws.client("ec2").describe_images(Filters=[{"Name": "tag:model", "Values": ["*"]}])["Images"]
        assert isinstance(image, dict)
        return image


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Build]:
    """The template built on simulated EC2 by the real Packer."""
    with recorded() as aws:
        source = source_ami(aws)
        folder = simulated(tmp_path_factory.mktemp("build") / "packer", aws.url)
        given = variables(source_ami=source, commit=COMMIT, branch=BRANCH, jenkins_build="jenkins-model-12")
        given += ["-var", "kms_key_id=alias/model", "-var", 'ssh_from=["10.1.0.0/16"]']
        ended = packer("build", *given, folder, environment=ENVIRONMENT)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        yield Build(aws, source, json.loads((folder / "manifest.json").read_text(encoding="utf-8")), ended.stdout)


def test_a_build_writes_the_manifest(build: Build) -> None:
    """It names the AMI with its region, and what it was made of."""
    (made,) = build.manifest["builds"]
    assert made["artifact_id"] == f"eu-central-1:{build.image['ImageId']}"
    assert made["packer_run_uuid"] == build.manifest["last_run_uuid"]
    assert made["custom_data"] == {
        "Name": "eks-model",
        "ami_prefix": "eks-model",
        "model": "model",
        "repository": "https://github.com/example/model.git",
        "branch": BRANCH,
        "commit": COMMIT,
        "jenkins_build": "jenkins-model-12",
        "source_ami": build.source,
    }


def test_the_ami_and_its_snapshot_carry_the_same_tags(build: Build) -> None:
    """They are the manifest's: what made the AMI can be asked of the AMI itself."""
    wanted = build.manifest["builds"][0]["custom_data"]
    (mapping,) = build.image["BlockDeviceMappings"]
    (snapshot,) = build.aws.client("ec2").describe_snapshots(SnapshotIds=[mapping["Ebs"]["SnapshotId"]])["Snapshots"]
    for thing in (build.image, snapshot):
        assert {tag["Key"]: tag["Value"] for tag in thing["Tags"]} == wanted


def test_the_ami_is_named_for_prefix_and_time(build: Build) -> None:
    """Names of one prefix sort by age, and two builds do not meet."""
    assert re.fullmatch(r"eks-model-20\d{6}-\d{6}", build.image["Name"])


def test_the_description_is_one_that_ec2_takes(build: Build) -> None:
    """At most 255 characters, with any values of the build: EC2 says so only when all else is done."""
    (description,) = (one["Description.Value"] for one in build.aws.asked("ModifyImageAttribute"))
    assert len(description) == 255
    assert description.startswith("model from https://github.com/example/model.git, branch release/7777")


def test_the_builds_volume_is_fast_and_encrypted(build: Build) -> None:
    """The request for the instance asks for gp3 with throughput, and for encryption under the given key."""
    (asked,) = build.aws.asked("RunInstances")
    volume = {name.partition("Ebs.")[2]: value for name, value in asked.items() if "BlockDeviceMapping.1.Ebs" in name}
    assert volume == {
        "VolumeType": "gp3",
        "VolumeSize": "40",
        "Iops": "3000",
        "Throughput": "250",
        "Encrypted": "true",
        "KmsKeyId": "alias/model",
        "DeleteOnTermination": "true",
    }
    assert asked["BlockDeviceMapping.1.DeviceName"] == "/dev/xvda"
    assert asked["IamInstanceProfile.Name"] == "packer-eks-model"


def test_the_builds_instance_is_reached_from_the_given_networks_alone(build: Build) -> None:
    """Not from everywhere, which is Packer's default and ours."""
    asked = build.aws.asked("AuthorizeSecurityGroupIngress")
    assert [one["IpPermissions.1.IpRanges.1.CidrIp"] for one in asked] == ["10.1.0.0/16"]


def test_nothing_of_a_build_but_the_ami_is_left(build: Build) -> None:
    """Instance, key and security group are gone."""
    assert_nothing_left(build.aws)
