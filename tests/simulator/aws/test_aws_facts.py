"""Facts of AWS's API, asked through boto3. Each names where it is documented or who has seen it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulator.aws.conftest import Served

    Ask = Callable[[Served], Any]

NOBODY = "i-0123456789abcdef0"
BELOW_MIN_SIZE = (
    "Currently, desiredSize equals minSize (2). Terminating instance without replacement will violate group's min size "
    "constraint. Either set shouldDecrementDesiredCapacity flag to false or lower group's min size."
)


def asg(served: Served, operation: str, **params: Any) -> Any:
    return getattr(served.client("autoscaling"), operation)(AutoScalingGroupName="workers", **params)


def ec2(served: Served, operation: str, **params: Any) -> Any:
    return getattr(served.client("ec2"), operation)(**params)


def update(**fields: Any) -> Ask:
    return lambda served: asg(served, "update_auto_scaling_group", **fields)


def desired(capacity: int) -> Ask:
    return lambda served: asg(served, "set_desired_capacity", DesiredCapacity=capacity)


def protect(*ids: str) -> Ask:
    return lambda served: asg(served, "set_instance_protection", InstanceIds=list(ids), ProtectedFromScaleIn=True)


def one(served: Served, position: int = 0) -> str:
    return list(served.account.group.instances)[position]


def end(served: Served, instance: str, *, decrement: bool) -> Any:
    return served.client("autoscaling").terminate_instance_in_auto_scaling_group(
        InstanceId=instance, ShouldDecrementDesiredCapacity=decrement
    )


def end_below_min_size(served: Served) -> None:
    served.account.cloud.update_group("workers", MinSize=2)
    end(served, one(served), decrement=True)


def protect_a_terminating_one(served: Served) -> None:
    served.account.cloud.terminate_in_group(one(served), decrement=False)
    protect(one(served))(served)


def new_version(served: Served, **params: Any) -> Any:
    data = params.pop("LaunchTemplateData", {"ImageId": "ami-00000000000000002"})
    return ec2(
        served,
        "create_launch_template_version",
        LaunchTemplateId=served.account.template.id,
        LaunchTemplateData=data,
        **params,
    )


def reuse_token(served: Served) -> None:
    new_version(served, ClientToken="token", SourceVersion="1")
    new_version(served, ClientToken="token", SourceVersion="1", VersionDescription="another")


def role_from_role(served: Served) -> None:
    first = served.client("sts").assume_role(RoleArn="arn:aws:iam::123456789012:role/first", RoleSessionName="ci")
    chained = served.client("sts", first["Credentials"]["AccessKeyId"])
    chained.assume_role(RoleArn="arn:aws:iam::123456789012:role/next", RoleSessionName="ci", DurationSeconds=4 * 3600)


def use_an_expired_session(served: Served) -> None:
    first = served.client("sts").assume_role(RoleArn="arn:aws:iam::123456789012:role/first", RoleSessionName="ci")
    served.account.wall += 3600
    served.client("ec2", first["Credentials"]["AccessKeyId"]).describe_images()


# (what is documented or was seen, and where; the request; error code; words of the message)
REFUSALS: list[tuple[str, Ask, str, str]] = [
    (
        "desired beyond MaxSize, aws-cdk #314",
        update(DesiredCapacity=11),
        "ValidationError",
        "Desired capacity:11 must be between the specified min size:0 and max size:10",
    ),
    (
        "desired beyond MaxSize, API_SetDesiredCapacity",
        desired(11),
        "ValidationError",
        "New SetDesiredCapacity value 11 is above max value 10 for the AutoScalingGroup.",
    ),
    ("MinSize above MaxSize, API_UpdateAutoScalingGroup", update(MinSize=5, MaxSize=4), "ValidationError", "min bound"),
    (
        "terminate below MinSize, aws-cli #47",
        end_below_min_size,
        "ValidationError",
        BELOW_MIN_SIZE,
    ),
    (
        "terminate of an unknown instance, API_TerminateInstanceInAutoScalingGroup",
        lambda served: end(served, NOBODY, decrement=True),
        "ValidationError",
        f"Instance Id not found - No managed instance found for instance ID {NOBODY}",
    ),
    (
        "more than 50 ids, API_SetInstanceProtection",
        protect(*(f"i-{number:017x}" for number in range(51))),
        "ValidationError",
        "50",
    ),
    ("an id of no group, API_SetInstanceProtection", protect(NOBODY), "ValidationError", "is not part of Auto Scaling"),
    (
        "protection before or after InService, riff-raff #510",
        protect_a_terminating_one,
        "ValidationError",
        "is not in InService or EnteringStandby or Standby.",
    ),
    (
        "a process that does not exist, API_SuspendProcesses",
        lambda served: asg(served, "suspend_processes", ScalingProcesses=["Sleep"]),
        "ValidationError",
        "Sleep is not a valid process",
    ),
    (
        "no such group, API_UpdateAutoScalingGroup",
        lambda served: served.client("autoscaling").update_auto_scaling_group(AutoScalingGroupName="no", MinSize=1),
        "ValidationError",
        "AutoScalingGroup name not found",
    ),
    (
        "a version by another word, terraform-provider-aws #9488",
        update(LaunchTemplate={"LaunchTemplateName": "worker", "Version": "newest"}),
        "ValidationError",
        "Invalid launch template version: either '$Default', '$Latest', or a numeric version are allowed.",
    ),
    (
        "a version that does not exist, hbfl #58",
        update(LaunchTemplate={"LaunchTemplateName": "worker", "Version": "9"}),
        "ValidationError",
        "You must use a valid fully-formed launch template.",
    ),
    (
        "template and policy in one request, API_UpdateAutoScalingGroup",
        update(
            LaunchTemplate={"LaunchTemplateName": "worker"},
            MixedInstancesPolicy={"InstancesDistribution": {"SpotInstancePools": 2}},
        ),
        "ValidationError",
        "either LaunchTemplate or MixedInstancesPolicy",
    ),
    (
        "a token used twice for different things, EC2 guide: Ensuring idempotency",
        reuse_token,
        "IdempotentParameterMismatch",
        "token",
    ),
    (
        "an image that does not exist, EC2 guide: Error codes",
        lambda served: ec2(served, "describe_images", ImageIds=["ami-00000000000000009"]),
        "InvalidAMIID.NotFound",
        "The image id '[ami-00000000000000009]' does not exist",
    ),
    (
        "an instance that does not exist, EC2 guide: Error codes",
        lambda served: ec2(served, "describe_instances", InstanceIds=[NOBODY]),
        "InvalidInstanceID.NotFound",
        f"The instance ID '{NOBODY}' does not exist",
    ),
    (
        "a template that does not exist, EC2 guide: Error codes",
        lambda served: ec2(served, "describe_launch_template_versions", LaunchTemplateId="lt-00000000000000009"),
        "InvalidLaunchTemplateId.NotFound",
        "does not exist",
    ),
    (
        "a name that does not exist, EC2 guide: Error codes",
        lambda served: ec2(served, "describe_launch_templates", LaunchTemplateNames=["nothing"]),
        "InvalidLaunchTemplateName.NotFoundException",
        "does not exist",
    ),
    (
        "a version that does not exist, EC2 guide: Error codes",
        lambda served: new_version(served, SourceVersion="9"),
        "InvalidLaunchTemplateId.VersionNotFound",
        "Could not find the specified version 9",
    ),
    (
        "versions of all templates, aws-cloudformation coverage roadmap #2089",
        lambda served: ec2(served, "describe_launch_template_versions", Versions=["1"]),
        "InvalidRequest",
        "To describe the launch template data for all your launch templates",
    ),
    (
        "permission tried out, EC2 API: DryRun",
        lambda served: new_version(served, DryRun=True),
        "DryRunOperation",
        "Request would have succeeded, but DryRun flag is set.",
    ),
    (
        "a filter that does not exist, EC2 API: Filter",
        lambda served: ec2(served, "describe_images", Filters=[{"Name": "colour", "Values": ["red"]}]),
        "InvalidParameterValue",
        "The filter 'colour' is invalid",
    ),
    (
        "what is no role, API_AssumeRole",
        lambda served: served.client("sts").assume_role(RoleArn="arn:aws:iam::1:user/somebody", RoleSessionName="ci"),
        "ValidationError",
        "is invalid",
    ),
    (
        "template named twice, API_DescribeLaunchTemplateVersions",
        lambda served: ec2(
            served,
            "describe_launch_template_versions",
            LaunchTemplateId="lt-00000000000000009",
            LaunchTemplateName="worker",
        ),
        "InvalidParameterCombination",
        "not both",
    ),
    (
        "an instance type that is not offered, EC2 guide: Error codes",
        lambda served: ec2(served, "describe_instance_types", InstanceTypes=["u7in-16tb.224xlarge"]),
        "InvalidInstanceType",
        "u7in-16tb.224xlarge",
    ),
    ("a role that assumes a role for longer than an hour, API_AssumeRole", role_from_role, "ValidationError", "1 hour"),
    ("an expired session, IAM guide: Troubleshooting", use_an_expired_session, "ExpiredToken", "is expired"),
    (
        "no such cluster, EKS API_DescribeCluster",
        lambda served: served.client("eks").describe_cluster(name="no"),
        "ResourceNotFoundException",
        "No cluster found for name: no.",
    ),
]


@pytest.mark.parametrize(("ask", "code", "words"), [fact[1:] for fact in REFUSALS], ids=[fact[0] for fact in REFUSALS])
def test_aws_refuses(served: Served, ask: Ask, code: str, words: str) -> None:
    """AWS refuses this request with this code and these words, and nothing comes of it."""
    with pytest.raises(ClientError) as refused:
        ask(served)
    assert refused.value.response["Error"]["Code"] == code
    assert words in refused.value.response["Error"]["Message"]


def test_a_bad_id_fails_the_whole_batch(served: Served) -> None:
    """SetInstanceProtection protects all of its ids or none (API_SetInstanceProtection)."""
    with pytest.raises(ClientError):
        protect(one(served), NOBODY)(served)
    assert served.account.log.changes == []


def test_same_token_and_parameters_do_nothing_twice(served: Served) -> None:
    """The same token with the same parameters gives the same answer (EC2 guide, Ensuring idempotency)."""
    first, again = (new_version(served, ClientToken="token", SourceVersion="1") for _ in range(2))
    assert first["LaunchTemplateVersion"] == again["LaunchTemplateVersion"]
    assert served.account.template.latest == 2


def test_a_token_is_forgotten_after_an_hour(served: Served) -> None:
    """How long tokens are kept is documented for RunInstances only; here it is an hour, so that nobody relies on it."""
    new_version(served, ClientToken="token")
    served.account.run(3600)
    assert new_version(served, ClientToken="token")["LaunchTemplateVersion"]["VersionNumber"] == 3


def test_new_version_inherits_from_its_source_number(served: Served) -> None:
    """Fields of the source stay unless overridden; snapshots do not (API_CreateLaunchTemplateVersion)."""
    device = {"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": "snap-00000000000000001", "VolumeSize": 30}}
    new_version(served, LaunchTemplateData={"InstanceType": "m5.xlarge", "BlockDeviceMappings": [device]})
    made = new_version(served, SourceVersion="2", VersionDescription="mine")["LaunchTemplateVersion"]
    assert (made["VersionNumber"], made["VersionDescription"], made["DefaultVersion"]) == (3, "mine", False)
    assert made["LaunchTemplateData"] == {
        "ImageId": "ami-00000000000000002",
        "InstanceType": "m5.xlarge",
        "BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 30}}],
    }
    assert served.account.fields(f"template/{served.account.template.id}")[1] == (
        "versions.3",
        None,
        {"ImageId": "ami-00000000000000002", "SourceVersion": 2, "VersionDescription": "mine"},
    )


def test_an_unknown_image_is_only_warned_of(served: Served) -> None:
    """CreateLaunchTemplateVersion succeeds with a warning (API_CreateLaunchTemplateVersion, Warning)."""
    made = new_version(served, LaunchTemplateData={"ImageId": "ami-00000000000000009"})
    assert made["Warning"]["Errors"][0]["Code"] == "InvalidAMIID.NotFound"


def test_versions_are_named_by_number_latest_and_default(served: Served) -> None:
    """$Latest and $Default are resolved, lists and ranges honoured (API_DescribeLaunchTemplateVersions)."""
    new_version(served)
    new_version(served)
    ec2(served, "modify_launch_template", LaunchTemplateName="worker", DefaultVersion="2")

    def numbers(**params: Any) -> list[int]:
        found = ec2(served, "describe_launch_template_versions", LaunchTemplateName="worker", **params)
        return [version["VersionNumber"] for version in found["LaunchTemplateVersions"]]

    assert numbers() == [3, 2, 1]
    assert numbers(Versions=["$Latest", "1"]) == [3, 1]
    assert numbers(Versions=["$Default"]) == [2]
    assert numbers(MinVersion="2") == [3, 2]
    assert served.account.fields(f"template/{served.account.template.id}")[-1] == ("DefaultVersionNumber", 1, 2)
    everywhere = ec2(served, "describe_launch_template_versions", Versions=["$Latest"])
    assert [version["VersionNumber"] for version in everywhere["LaunchTemplateVersions"]] == [3]


def test_a_group_shows_each_instance_with_the_number_it_was_launched_from(served: Served) -> None:
    """The group's reference stays "$Latest", its instances show numbers (API_DescribeAutoScalingGroups)."""
    new_version(served)
    served.account.cloud.set_desired("workers", 3)
    served.account.run(4)
    group = served.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"][0]
    assert group["LaunchTemplate"]["Version"] == "$Latest"
    assert [(one["LaunchTemplate"]["Version"], one["LifecycleState"]) for one in group["Instances"]] == [
        ("1", "InService"),
        ("1", "InService"),
        ("2", "Pending"),
    ]


def test_terminate_answers_with_its_activity(served: Served) -> None:
    """The answer is an activity in progress, found again by its id (API_TerminateInstanceInAutoScalingGroup)."""
    activity = end(served, one(served), decrement=True)["Activity"]
    assert (activity["StatusCode"], activity["Progress"]) == ("InProgress", 0)
    served.account.run(300)
    found = served.client("autoscaling").describe_scaling_activities(ActivityIds=[activity["ActivityId"]])
    assert [(one["StatusCode"], "EndTime" in one) for one in found["Activities"]] == [("Successful", True)]


def test_ec2_terminates_behind_the_groups_back(served: Served) -> None:
    """TerminateInstances leaves desired alone; the group replaces what is lost (Auto Scaling guide, Health checks)."""
    lost = one(served)
    change = ec2(served, "terminate_instances", InstanceIds=[lost])["TerminatingInstances"][0]
    assert (change["PreviousState"]["Name"], change["CurrentState"]["Name"]) == ("running", "shutting-down")
    served.account.run(600)
    group = served.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"][0]
    assert group["DesiredCapacity"] == len(group["Instances"]) == 2
    assert lost not in {one["InstanceId"] for one in group["Instances"]}


def test_suspended_processes_say_since_when(served: Served) -> None:
    """SuspensionReason carries the moment (API_SuspendedProcess); suspending again changes nothing."""
    for _ in range(2):
        asg(served, "suspend_processes", ScalingProcesses=["AZRebalance"])
        served.account.run(60)
    group = served.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"][0]
    assert group["SuspendedProcesses"] == [
        {"ProcessName": "AZRebalance", "SuspensionReason": "User suspended at 2026-01-05T08:00:00Z"}
    ]
    assert served.account.fields("asg/workers") == [("SuspendedProcesses", [], ["AZRebalance"])]


def test_tags_come_and_go(served: Served) -> None:
    """CreateOrUpdateTags, DeleteTags and the filter by tag (API_CreateOrUpdateTags, API_Filter)."""
    client = served.client("autoscaling")
    tag = {"ResourceId": "workers", "ResourceType": "auto-scaling-group", "Key": "team", "PropagateAtLaunch": True}
    client.create_or_update_tags(Tags=[{**tag, "Value": "batch"}])
    filters = [{"Name": "tag:team", "Values": ["batch"]}]
    group = client.describe_auto_scaling_groups(Filters=filters)["AutoScalingGroups"][0]
    assert group["Tags"] == [{**tag, "Value": "batch"}]
    found = ec2(served, "describe_instances", Filters=[{"Name": "tag:aws:autoscaling:groupName", "Values": ["work*"]}])
    assert len(found["Reservations"]) == 2
    client.delete_tags(Tags=[{"ResourceId": "workers", "ResourceType": "auto-scaling-group", "Key": "team"}])
    assert client.describe_auto_scaling_groups(Filters=filters)["AutoScalingGroups"] == []


def test_groups_have_no_hooks_pools_or_refreshes(served: Served) -> None:
    """A group that has none shows none (API_DescribeLifecycleHooks, API_DescribeWarmPool, …InstanceRefreshes)."""
    assert asg(served, "describe_lifecycle_hooks")["LifecycleHooks"] == []
    assert asg(served, "describe_warm_pool")["Instances"] == []
    assert "WarmPoolConfiguration" not in asg(served, "describe_warm_pool")
    assert asg(served, "describe_instance_refreshes")["InstanceRefreshes"] == []


def test_images_and_snapshots_are_found_by_owner_and_filter(served: Served) -> None:
    """Owners, ids and filters with wildcards narrow what is shown (API_DescribeImages, API_DescribeSnapshots)."""
    images = ec2(served, "describe_images", Owners=["self"], Filters=[{"Name": "name", "Values": ["*-2"]}])["Images"]
    assert [image["ImageId"] for image in images] == ["ami-00000000000000002"]
    assert ec2(served, "describe_images", Owners=["amazon"])["Images"] == []
    volume = images[0]["BlockDeviceMappings"][0]["Ebs"]
    snapshots = ec2(served, "describe_snapshots", SnapshotIds=[volume["SnapshotId"]], OwnerIds=["self"])["Snapshots"]
    assert [(one["State"], one["VolumeSize"]) for one in snapshots] == [("completed", volume["VolumeSize"])]


def test_instance_types_say_what_they_offer(served: Served) -> None:
    """CPUs and memory of a type (API_DescribeInstanceTypes)."""
    found = ec2(served, "describe_instance_types", InstanceTypes=["m5.large"])["InstanceTypes"][0]
    assert (found["VCpuInfo"]["DefaultVCpus"], found["MemoryInfo"]["SizeInMiB"]) == (2, 8192)


def test_subnets_say_how_many_addresses_are_free(served: Served) -> None:
    """Each instance has one; a subnet that is full has none (API_Subnet, AvailableIpAddressCount)."""
    served.account.cloud.addresses = 3
    names = {"SubnetIds": ["subnet-eu-west-1a"]}
    filters = [{"Name": "subnet-id", "Values": ["subnet-eu-west-1b", "subnet-none"]}]
    for params in (names, {"Filters": filters}):
        assert [one["AvailableIpAddressCount"] for one in ec2(served, "describe_subnets", **params)["Subnets"]] == [2]
    served.account.cloud.shortage("workers", zones=["eu-west-1a"], subnet=True)
    assert [one["AvailableIpAddressCount"] for one in ec2(served, "describe_subnets", **names)["Subnets"]] == [0]
    with pytest.raises(ClientError, match=r"InvalidSubnetID\.NotFound"):
        ec2(served, "describe_subnets", SubnetIds=["subnet-none"])


def test_quotas_say_how_many_vcpus_may_run(served: Served) -> None:
    """By code; one that the account has no value of is no such resource (API_GetServiceQuota)."""
    served.account.cloud.vcpus = {"L-1216C47A": 64}
    client = served.client("service-quotas")
    found = client.get_service_quota(ServiceCode="ec2", QuotaCode="L-1216C47A")["Quota"]
    assert (found["Value"], found["QuotaName"].startswith("Running On-Demand Standard")) == (64, True)
    for code in ({"ServiceCode": "ec2", "QuotaCode": "L-34B43A08"}, {"ServiceCode": "vpc", "QuotaCode": "L-1216C47A"}):
        with pytest.raises(ClientError, match="NoSuchResourceException"):
            client.get_service_quota(**code)


def test_assumed_role_is_who_the_caller_is(served: Served) -> None:
    """The new key stands for the role's session, until a moment of REAL time (API_AssumeRole)."""
    answer = served.client("sts").assume_role(
        RoleArn="arn:aws:iam::123456789012:role/ops/redeploy", RoleSessionName="rollout-1", DurationSeconds=900
    )
    assert answer["Credentials"]["Expiration"].timestamp() == served.account.wall + 900
    caller = served.client("sts", answer["Credentials"]["AccessKeyId"]).get_caller_identity()
    assert caller["Arn"] == "arn:aws:sts::123456789012:assumed-role/redeploy/rollout-1"
    assert caller["Account"] == "123456789012"


def test_cluster_tells_where_its_api_is(served: Served) -> None:
    """Endpoint, authority, version and status of a cluster (EKS API_DescribeCluster, API_ListNodegroups)."""
    cluster = served.client("eks").describe_cluster(name="demo")["cluster"]
    assert (cluster["status"], cluster["endpoint"]) == ("ACTIVE", "http://127.0.0.1:1")
    assert cluster["certificateAuthority"]["data"]
    assert served.client("eks").list_nodegroups(clusterName="demo")["nodegroups"] == []


def test_mixed_instances_policy_is_shown_as_it_was_set(served: Served) -> None:
    """A group has a LaunchTemplate or a policy, and shows the one it has (API_MixedInstancesPolicy)."""
    template_id = served.account.template.id

    def policy(**name: str) -> dict[str, Any]:
        template = {"LaunchTemplateId": template_id, "Version": "$Default", **name}
        return {
            "LaunchTemplate": {"LaunchTemplateSpecification": template, "Overrides": [{"InstanceType": "m5.xlarge"}]},
            "InstancesDistribution": {"OnDemandBaseCapacity": 1, "SpotAllocationStrategy": "capacity-optimized"},
        }

    asg(served, "update_auto_scaling_group", MixedInstancesPolicy=policy())
    group = served.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"][0]
    assert group["MixedInstancesPolicy"] == policy(LaunchTemplateName="worker")
    assert "LaunchTemplate" not in group


def test_instances_of_all_groups_are_shown_alone(served: Served) -> None:
    """DescribeAutoScalingInstances names the group, the health in capitals (API_AutoScalingInstanceDetails)."""
    second = one(served, 1)
    found = served.client("autoscaling").describe_auto_scaling_instances(InstanceIds=[second])["AutoScalingInstances"]
    assert [(each["InstanceId"], each["AutoScalingGroupName"], each["HealthStatus"]) for each in found] == [
        (second, "workers", "HEALTHY")
    ]


def test_resumed_processes_are_those_named(served: Served) -> None:
    """ResumeProcesses with a list resumes just that (API_ResumeProcesses)."""
    asg(served, "suspend_processes", ScalingProcesses=["AZRebalance", "AlarmNotification"])
    asg(served, "resume_processes", ScalingProcesses=["AZRebalance"])
    assert list(served.account.group.suspended) == ["AlarmNotification"]


def test_desired_capacity_set_within_bounds_is_followed(served: Served) -> None:
    """SetDesiredCapacity launches what is missing (API_SetDesiredCapacity)."""
    desired(4)(served)
    served.account.run(70)
    assert served.account.lifecycles() == ["InService"] * 4


def test_templates_are_found_by_id_name_and_filter(served: Served) -> None:
    """Each way to name a template finds it (API_DescribeLaunchTemplates)."""
    by_name = [{"Name": "launch-template-name", "Values": ["work*"]}]
    for params in (
        {"LaunchTemplateIds": [served.account.template.id]},
        {"LaunchTemplateNames": ["worker"]},
        {"Filters": by_name},
    ):
        found = ec2(served, "describe_launch_templates", **params)["LaunchTemplates"]
        assert [(one["LaunchTemplateName"], one["LatestVersionNumber"]) for one in found] == [("worker", 1)]
