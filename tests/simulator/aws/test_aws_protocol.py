"""The wire: how requests are recognised and read, how replies and refusals are written."""

from __future__ import annotations

import http.client
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError
from botocore.loaders import Loader
from botocore.model import ServiceModel

from eks_simulator.aws.app import FOLDERS, OPERATIONS
from eks_simulator.aws.shapes import to_xml
from eks_simulator.cloud.model import Group, Reference

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulator.aws.conftest import Served

SCOPE = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260105/eu-west-1/{}/aws4_request, SignedHeaders=host, Signature=0"


def raw(served: Served, body: str, service: str = "", **headers: str) -> tuple[int, str]:
    """One request as written, signed for a service or for none: status and body."""
    connection = http.client.HTTPConnection(urlsplit(served.url).netloc, timeout=60)
    signed = {"Authorization": SCOPE.format(service)} if service else {}
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", "/", body, {**form, **signed, **headers})
    reply = connection.getresponse()
    text = reply.read().decode()
    connection.close()
    return reply.status, text


def code_of(call: Callable[[], Any]) -> tuple[str, str, int]:
    with pytest.raises(ClientError) as refused:
        call()
    error, metadata = refused.value.response["Error"], refused.value.response["ResponseMetadata"]
    assert metadata["RequestId"]
    return error["Code"], error["Message"], metadata["HTTPStatusCode"]


UNKNOWN: list[tuple[str, str, dict[str, Any], str]] = [
    ("autoscaling", "describe_policies", {}, "DescribePolicies of autoscaling; it knows CancelInstanceRefresh, "),
    ("ec2", "describe_vpcs", {}, "DescribeVpcs of ec2; it knows CreateLaunchTemplateVersion, "),
    ("eks", "list_clusters", {}, "ListClusters of eks; it knows DescribeCluster, "),
    ("sts", "get_session_token", {}, "GetSessionToken of sts; it knows AssumeRole, "),
    ("ssm", "get_parameter", {"Name": "x"}, "ssm (GetParameter); it knows autoscaling, ec2, eks, kms, servicequotas"),
    ("iam", "list_roles", {}, "iam (ListRoles); it knows autoscaling, ec2, eks, kms, servicequotas, sts"),
]


@pytest.mark.parametrize(("service", "method", "params", "words"), UNKNOWN, ids=[one[1] for one in UNKNOWN])
def test_unknown_operation_names_itself_and_what_is_known(
    served: Served, service: str, method: str, params: dict[str, Any], words: str
) -> None:
    """What is not simulated is refused in its own protocol, with its name and the names of what is."""
    code, message, status = code_of(lambda: getattr(served.client(service), method)(**params))
    assert (code, status) == ("NotImplemented", 501)
    assert f"The simulator does not know {words}" in message


def test_field_without_effect_is_refused(served: Served) -> None:
    """A known parameter whose effect is not simulated is refused, never silently dropped."""
    client = served.client("autoscaling")
    code, message, _ = code_of(
        lambda: client.update_auto_scaling_group(AutoScalingGroupName="workers", MaxInstanceLifetime=86400)
    )
    assert code == "NotImplemented"
    assert "MaxInstanceLifetime" in message


MALFORMED: list[tuple[str, str, str, str]] = [
    ("autoscaling", "Action=SetDesiredCapacity&DesiredCapacity=1", "ValidationError", "autoScalingGroupName' failed"),
    ("autoscaling", "Action=DescribeAutoScalingGroups&Names.member.1=x", "ValidationError", "Names is not recognized"),
    ("autoscaling", "Action=DescribeAutoScalingGroups&MaxRecords=many", "ValidationError", "'many' is no integer"),
    ("autoscaling", "Action=DescribeAutoScalingGroups&IncludeInstances=si", "ValidationError", "'si' is no boolean"),
    ("autoscaling", "Action=SuspendProcesses&AutoScalingGroupName=", "ValidationError", "greater than or equal to 1"),
    ("autoscaling", "Action=DescribeAutoScalingGroups&NextToken.x=1", "ValidationError", "NextToken has no parts"),
    ("autoscaling", "Action=DescribeAutoScalingGroups&Filters=x", "ValidationError", "not a value"),
    ("autoscaling", "Action=DescribeAutoScalingGroups&Filters.1.Name=x", "ValidationError", "Filters is a list"),
    ("autoscaling", "Action=DescribeAutoScalingGroups&Filters.x=1&Filters=2", "ValidationError", "not a value"),
    ("autoscaling", "Action=SuspendProcesses&AutoScalingGroupName=" + "x" * 256, "ValidationError", "or equal to 255"),
    ("ec2", "Action=TerminateInstances", "MissingParameter", "must contain the parameter InstanceIds"),
    ("ec2", "Action=DescribeImages&Colour=red", "UnknownParameter", "Colour is not recognized"),
    ("ec2", "Action=DescribeInstances&Filter.x.Name=a", "UnknownParameter", "Filter.x is not recognized"),
    (
        "ec2",
        "Action=CreateLaunchTemplateVersion&LaunchTemplateName=worker&LaunchTemplateData.InstanceType=tiny",
        "InvalidParameterValue",
        "LaunchTemplateData.InstanceType is invalid",
    ),
]


@pytest.mark.parametrize(("service", "body", "code", "words"), MALFORMED, ids=[one[1][:70] for one in MALFORMED])
def test_parameters_are_checked_against_the_service_model(
    served: Served, service: str, body: str, code: str, words: str
) -> None:
    """Missing, unknown and misshapen parameters are refused in the service's own words."""
    status, text = raw(served, body, service)
    assert status == 400
    assert f"<Code>{code}</Code>" in text
    assert words in text


@pytest.mark.parametrize(
    ("body", "element"),
    [
        ("Action=DescribeAutoScalingGroups&Version=2011-01-01", "DescribeAutoScalingGroupsResult"),
        ("Action=DescribeImages&Version=2016-11-15", "imagesSet"),
        ("Action=GetCallerIdentity&Version=2011-06-15", "GetCallerIdentityResult"),
    ],
)
def test_unsigned_request_is_recognised_by_its_version(served: Served, body: str, element: str) -> None:
    """Without a credential scope the API version in the form says which service is meant."""
    status, text = raw(served, body)
    assert status == 200
    assert f"<{element}>" in text


def test_request_of_no_service_is_refused(served: Served) -> None:
    """What no service can be made out of is refused too, with what there is."""
    status, text = raw(served, "hello")
    assert status == 501
    assert "it knows autoscaling, ec2, eks, kms, servicequotas, sts" in text


def test_presigned_identity_request_is_answered(served: Served) -> None:
    """The URL inside an EKS token is a GET with its signature in the query."""
    url = served.client("sts").generate_presigned_url("get_caller_identity", HttpMethod="GET")
    connection = http.client.HTTPConnection(urlsplit(served.url).netloc, timeout=60)
    connection.request("GET", url.removeprefix(served.url))
    assert "<Account>123456789012</Account>" in connection.getresponse().read().decode()
    connection.close()


def test_every_reply_has_its_own_request_id(served: Served) -> None:
    """Request ids are there in every protocol and never the same twice."""
    replies = [
        served.client("autoscaling").describe_auto_scaling_groups(),
        served.client("ec2").describe_images(),
        served.client("sts").get_caller_identity(),
        served.client("eks").describe_cluster(name="demo"),
    ]
    assert len({reply["ResponseMetadata"]["RequestId"] for reply in replies}) == 4


def test_pages_follow_each_other_to_the_end(served: Served) -> None:
    """boto3's own paginators find everything, page by page."""
    for number in range(4):
        served.account.cloud.add_group(Group(f"g{number}", Reference("worker"), 0, 1, 1, ("eu-west-1a",)))
    groups = served.client("autoscaling").get_paginator("describe_auto_scaling_groups")
    pages = [page["AutoScalingGroups"] for page in groups.paginate(PaginationConfig={"PageSize": 2})]
    assert [len(page) for page in pages] == [2, 2, 1]
    assert [group["AutoScalingGroupName"] for page in pages for group in page] == ["workers", "g0", "g1", "g2", "g3"]
    instances = served.client("ec2").get_paginator("describe_instances")
    pages = [page["Reservations"] for page in instances.paginate(PaginationConfig={"PageSize": 5})]
    assert [len(page) for page in pages] == [5, 1]


def test_page_that_nobody_gave_out_is_refused(served: Served) -> None:
    """A token that was never given and a size out of bounds are refused."""
    client = served.client("autoscaling")
    assert code_of(lambda: client.describe_auto_scaling_groups(NextToken="page-2"))[0] == "InvalidNextToken"
    assert code_of(lambda: client.describe_auto_scaling_groups(MaxRecords=101))[0] == "ValidationError"


def test_text_survives_the_way_there_and_back(served: Served) -> None:
    """Characters that mean something to XML or to forms come back as they were."""
    text = 'a <b> & "c" = d + é %20'
    served.client("ec2").create_launch_template_version(
        LaunchTemplateName="worker", VersionDescription=text, LaunchTemplateData={"KeyName": text}
    )
    found = served.client("ec2").describe_launch_template_versions(LaunchTemplateName="worker", Versions=["2"])
    version = found["LaunchTemplateVersions"][0]
    assert (version["VersionDescription"], version["LaunchTemplateData"]["KeyName"]) == (text, text)


def test_numbers_and_moments_survive_too(served: Served) -> None:
    """Values of every type that a launch template can hold come back as they were."""
    data = {
        "InstanceMarketOptions": {
            "MarketType": "spot",
            "SpotOptions": {"ValidUntil": datetime(2026, 2, 1, tzinfo=UTC)},
        },
        "InstanceRequirements": {"VCpuCount": {"Min": 2}, "MemoryGiBPerVCpu": {"Min": 1.5}, "MemoryMiB": {"Min": 4096}},
        "EbsOptimized": True,
    }
    client = served.client("ec2")
    made = client.create_launch_template_version(LaunchTemplateName="worker", LaunchTemplateData=data)
    assert made["LaunchTemplateVersion"]["LaunchTemplateData"] == data


def test_handlers_are_named_as_in_the_models() -> None:
    """Every operation that is simulated exists in botocore's model of its service."""
    for service, operations in OPERATIONS.items():
        model = ServiceModel(Loader().load_service_model(FOLDERS.get(service, service), "service-2"), service)
        assert operations.keys() <= set(model.operation_names)


def test_template_data_can_be_shown_as_it_was_given() -> None:
    """What a request may say of a launch template, a reply can say too: the data is kept as it came."""
    model = ServiceModel(Loader().load_service_model("ec2", "service-2"), "ec2")
    differences = list(
        _missing(model.shape_for("RequestLaunchTemplateData"), model.shape_for("ResponseLaunchTemplateData"))
    )
    assert differences == []


def _missing(request: Any, response: Any) -> list[str]:
    if request.type_name == "list":
        return _missing(request.member, response.member)
    if request.type_name != "structure":
        return []
    lost = [f"{request.name}.{name}" for name in request.members if name not in response.members]
    shared = request.members.keys() & response.members.keys()
    return lost + [one for name in shared for one in _missing(request.members[name], response.members[name])]


def test_reply_with_a_strange_field_is_a_bug() -> None:
    """A handler cannot answer with a field that AWS does not have."""
    model = ServiceModel(Loader().load_service_model("sts", "service-2"), "sts")
    with pytest.raises(KeyError, match="GetCallerIdentityResponse has no Colour"):
        to_xml(model.shape_for("GetCallerIdentityResponse"), {"Colour": "red"}, "x")
