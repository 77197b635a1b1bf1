"""The policies of deploy/iam, judged: what they are for is allowed, and the same on anything else is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from tests.deploy import policies
from tests.deploy.policies import REGION, Request, allowed

Context = Mapping[str, str | Sequence[str]]

CLUSTER = "aws:ResourceTag/kubernetes.io/cluster/eks-demo"
OWNED: Context = {CLUSTER: "owned"}
HERE, BUILDER = "eu-west-1:111111111111", "eu-west-1:222222222222"
GROUP = f"arn:aws:autoscaling:{HERE}:autoScalingGroup:0-0-0:autoScalingGroupName/eks_worker-a"
TEMPLATE = f"arn:aws:ec2:{HERE}:launch-template/lt-1"
IMAGE, SNAPSHOT = "arn:aws:ec2:eu-west-1::image/ami-1", "arn:aws:ec2:eu-west-1::snapshot/snap-1"
KEY = f"arn:aws:kms:{BUILDER}:key/00000000-0000-0000-0000-000000000000"
FROM_TEMPLATE: Context = {"ec2:LaunchTemplate": TEMPLATE}
MADE_HERE: Context = {"aws:RequestTag/ami_prefix": "eks-model"}
OURS: Context = {"aws:ResourceTag/ami_prefix": "eks-model"}


def ec2(place: str, **known: Context) -> dict[str, Context]:
    """ARNs of EC2 with what is known of each; _ in a name stands for -."""
    return {f"arn:aws:ec2:{place}:{kind.replace('_', '-')}/one": context for kind, context in known.items()}


LAUNCH = Request(
    "ec2:RunInstances",
    {
        TEMPLATE: OWNED,
        IMAGE: {"ec2:Owner": "222222222222", **FROM_TEMPLATE},
        **ec2(
            HERE,
            instance=FROM_TEMPLATE,
            volume=FROM_TEMPLATE,
            network_interface=FROM_TEMPLATE,
            subnet=FROM_TEMPLATE,
            security_group=FROM_TEMPLATE,
        ),
    },
)
PROFILE = "arn:aws:iam::222222222222:instance-profile/packer-eks-model"
BUILD_INSTANCE: Context = {**MADE_HERE, "ec2:MetadataHttpTokens": "required", "ec2:InstanceProfile": PROFILE}
BUILD = Request(
    "ec2:RunInstances",
    {
        IMAGE: {"ec2:Owner": "amazon"},
        **ec2(
            BUILDER,
            instance=BUILD_INSTANCE,
            volume={**MADE_HERE, "ec2:Encrypted": "true"},
            network_interface=MADE_HERE,
            subnet={},
            security_group=OURS,
            key_pair=OURS,
        ),
    },
)
GRANT: Context = {
    "kms:GranteePrincipal": "arn:aws:iam::111111111111:root",
    "kms:GrantOperations": ("Decrypt", "CreateGrant"),
}
PASS: Context = {"iam:PassedToService": "ec2.amazonaws.com"}
NODES = "arn:aws:iam::111111111111:role/eks-nodes"


def one(action: str, resource: str, **known: str | Sequence[str]) -> Request:
    return Request(action, {resource: known})


def known(action: str, resource: str, context: Context) -> Request:
    return Request(action, {resource: context})


def launch(request: Request, resource: str, context: Context) -> Request:
    """A launch of which one thing is otherwise."""
    (arn,) = (arn for arn in request.resources if resource in arn)
    return replace(request, resources={**request.resources, arn: context})


@pytest.mark.parametrize(
    ("policy", "request_"),
    [
        ("redeploy", one("autoscaling:DescribeAutoScalingGroups", "*")),
        ("redeploy", one("ec2:DescribeSubnets", "*")),
        ("redeploy", one("servicequotas:GetServiceQuota", "*")),
        ("redeploy", known("autoscaling:UpdateAutoScalingGroup", GROUP, OWNED)),
        ("redeploy", known("autoscaling:TerminateInstanceInAutoScalingGroup", GROUP, OWNED)),
        ("redeploy", known("ec2:CreateLaunchTemplateVersion", TEMPLATE, OWNED)),
        ("redeploy", LAUNCH),
        ("redeploy", launch(LAUNCH, "image", {"ec2:Owner": "amazon", **FROM_TEMPLATE})),
        ("redeploy", known("ec2:CreateTags", f"arn:aws:ec2:{HERE}:volume/vol-1", {"ec2:CreateAction": "RunInstances"})),
        ("redeploy", known("iam:PassRole", NODES, PASS)),
        ("redeploy", one("eks:DescribeCluster", f"arn:aws:eks:{HERE}:cluster/eks-demo")),
        ("redeploy", one("sts:AssumeRole", "arn:aws:iam::111111111111:role/eks-admin")),
        ("caller", one("sts:AssumeRole", "arn:aws:iam::111111111111:role/redeploy")),
        ("inventory", one("ec2:DescribeInstances", "*")),
        ("sharing", known("ec2:ModifyImageAttribute", IMAGE, OURS)),
        ("sharing", known("ec2:ModifySnapshotAttribute", SNAPSHOT, {**OURS, "ec2:Add/userId": "111111111111"})),
        ("sharing", known("ec2:ModifySnapshotAttribute", SNAPSHOT, {**OURS, "ec2:Remove/userId": "111111111111"})),
        ("sharing", known("ec2:DeleteSnapshot", SNAPSHOT, OURS)),
        ("sharing", known("kms:CreateGrant", KEY, GRANT)),
        ("packer-builder", BUILD),
        ("packer-builder", known("ec2:TerminateInstances", f"arn:aws:ec2:{BUILDER}:instance/i-1", OURS)),
        ("packer-builder", known("ec2:CreateTags", IMAGE, {**MADE_HERE, "ec2:CreateAction": "CreateImage"})),
        ("packer-builder", known("ec2:CreateTags", SNAPSHOT, {**MADE_HERE, **OURS})),
        ("packer-builder", known("ec2:ModifyImageAttribute", IMAGE, {**OURS, "ec2:Attribute": "description"})),
        (
            "packer-instance",
            one("secretsmanager:GetSecretValue", f"arn:aws:secretsmanager:{BUILDER}:secret:github-token-AbCdEf"),
        ),
    ],
)
def test_what_it_is_for_is_allowed(policy: str, request_: Request) -> None:
    """The requests that a rollout, a build and its sharing are made of."""
    assert allowed(policy, request_)


@pytest.mark.parametrize(
    ("policy", "request_"),
    [
        ("redeploy", Request("autoscaling:DescribeAutoScalingGroups", {"*": {}}, {REGION: "us-east-1"})),
        ("redeploy", Request("servicequotas:GetServiceQuota", {"*": {}}, {REGION: "us-east-1"})),
        ("redeploy", one("servicequotas:RequestServiceQuotaIncrease", "*")),
        ("redeploy", known("autoscaling:UpdateAutoScalingGroup", GROUP, {})),
        ("redeploy", known("autoscaling:UpdateAutoScalingGroup", GROUP.replace("worker", "other"), OWNED)),
        ("redeploy", known("autoscaling:UpdateAutoScalingGroup", GROUP.replace("1111", "9999"), OWNED)),
        ("redeploy", known("autoscaling:DeleteAutoScalingGroup", GROUP, OWNED)),
        ("redeploy", known("autoscaling:SuspendProcesses", GROUP, {CLUSTER.replace("demo", "prod"): "owned"})),
        ("redeploy", known("ec2:ModifyLaunchTemplate", TEMPLATE, {})),
        ("redeploy", launch(LAUNCH, "launch-template", {})),
        ("redeploy", launch(LAUNCH, "image", {"ec2:Owner": "999999999999", **FROM_TEMPLATE})),
        ("redeploy", launch(LAUNCH, "instance/", {})),
        ("redeploy", known("ec2:CreateTags", f"arn:aws:ec2:{HERE}:instance/i-1", {})),
        ("redeploy", known("iam:PassRole", NODES, {"iam:PassedToService": "lambda.amazonaws.com"})),
        ("redeploy", known("iam:PassRole", "arn:aws:iam::111111111111:role/admin", PASS)),
        ("redeploy", one("sts:AssumeRole", "arn:aws:iam::111111111111:role/admin")),
        ("sharing", known("ec2:ModifyImageAttribute", IMAGE, {})),
        ("sharing", known("ec2:ModifySnapshotAttribute", SNAPSHOT, {**OURS, "ec2:Add/userId": "999999999999"})),
        ("sharing", known("ec2:ModifySnapshotAttribute", SNAPSHOT, {**OURS, "ec2:Add/group": "all"})),
        ("sharing", known("ec2:DeregisterImage", IMAGE, {"aws:ResourceTag/ami_prefix": "another"})),
        (
            "sharing",
            known("kms:CreateGrant", KEY, {**GRANT, "kms:GranteePrincipal": "arn:aws:iam::999999999999:root"}),
        ),
        ("sharing", known("kms:CreateGrant", KEY, {**GRANT, "kms:GrantOperations": ("Decrypt", "RetireGrant")})),
        ("packer-builder", launch(BUILD, "image", {"ec2:Owner": "999999999999"})),
        ("packer-builder", launch(BUILD, "instance/", {**BUILD_INSTANCE, "ec2:MetadataHttpTokens": "optional"})),
        ("packer-builder", launch(BUILD, "volume", {**MADE_HERE, "ec2:Encrypted": "false"})),
        ("packer-builder", launch(BUILD, "security-group", {})),
        ("packer-builder", known("ec2:TerminateInstances", f"arn:aws:ec2:{BUILDER}:instance/i-1", {})),
        ("packer-builder", known("ec2:CreateTags", IMAGE, MADE_HERE)),
        ("packer-builder", known("ec2:ModifyImageAttribute", IMAGE, {**OURS, "ec2:Attribute": "launchPermission"})),
        ("packer-builder", known("ec2:ModifyImageAttribute", IMAGE, OURS)),
        ("packer-builder", known("kms:Decrypt", KEY, {})),
        (
            "packer-instance",
            one("secretsmanager:GetSecretValue", f"arn:aws:secretsmanager:{BUILDER}:secret:another-AbCdEf"),
        ),
    ],
)
def test_anything_else_is_not(policy: str, request_: Request) -> None:
    """Another region, account, cluster, image, role, key, or the same without its tag."""
    assert not allowed(policy, request_)


def test_a_condition_that_the_judge_does_not_know_is_no_permission() -> None:
    """It fails, so that nothing is taken for judged that was not."""
    unknown = replace(policies.statements("caller")[0], conditions={("IpAddress", "aws:SourceIp"): ("10.0.0.0/8",)})
    with pytest.raises(KeyError):
        unknown.allows("sts:AssumeRole", "arn:aws:iam::111111111111:role/redeploy", {})
