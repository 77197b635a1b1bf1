"""The policies of deploy/iam are well formed, and as small as AWS lets them be."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from tests.deploy import policies
from tests.deploy.policies import REGION, Statement

REFERENCE: dict[str, Any] = json.loads(Path(__file__).with_name("authorization.json").read_text(encoding="utf-8"))
#: Characters without white space that a managed policy may have (IAM user guide, "IAM and AWS STS quotas").
LARGEST = 6144

#: The keys by which things are told by their tags: those that they have, and those that they are given.
TAGGED = {"aws:ResourceTag/${TagKey}", "aws:RequestTag/${TagKey}"}
#: What is there already, with its maker's tags, and is only used; a launch is limited by its template or its profile.
USED = {
    ("ec2:CreateSecurityGroup", "vpc"),
    *(("ec2:RunInstances", name) for name in ("image", "key-pair", "security-group", "subnet")),
    *(("ec2:RunInstances", name) for name in ("instance", "network-interface", "volume")),
}
#: Limited by the call that makes the thing (ec2:CreateAction).
TAGGING = {"ec2:CreateTags"}

POLICIES = pytest.mark.parametrize("policy", policies.names())
TRUSTS = pytest.mark.parametrize("trust", ["trust-caller", "trust-instances"])


def types(action: str) -> dict[str, Any]:
    """The resource types of an action."""
    found: dict[str, Any] = REFERENCE[action]["resources"]
    return found


def touched(statement: Statement, action: str) -> Iterator[tuple[str, str]]:
    """The resource types of an action that a statement names, each with the statement's ARN."""
    for name, kind in types(action).items():
        yield from ((name, arn) for arn in statement.resources if arn != "*" and fnmatchcase(arn, kind["arn"]))


def pairs(policy: str) -> list[tuple[Statement, str]]:
    return [(statement, action) for statement in policies.statements(policy) for action in statement.actions]


@POLICIES
def test_the_grammar_is_iams(policy: str) -> None:
    """What a simulated IAM accepts; every statement allows, has a name of its own, and names actions in full."""
    document = json.loads(policies.text(policy))
    assert set(document) == {"Version", "Statement"}
    assert document["Version"] == "2012-10-17"
    with mock_aws():
        boto3.client("iam", region_name="eu-west-1").create_policy(
            PolicyName=policy, PolicyDocument=policies.text(policy)
        )
    for raw in document["Statement"]:
        assert set(raw) <= {"Sid", "Effect", "Action", "Resource", "Condition"}
        assert raw["Effect"] == "Allow"
        assert re.fullmatch(r"[A-Za-z0-9]+", raw["Sid"])
        assert "*" not in str(raw["Action"])
        for listed in (raw["Action"], raw["Resource"]):
            assert isinstance(listed, str) or (listed == sorted(listed) and len(listed) > 1)
    sids = [raw["Sid"] for raw in document["Statement"]]
    assert len(sids) == len(set(sids))


@TRUSTS
def test_a_trust_policy_is_accepted(trust: str) -> None:
    """By a simulated IAM, for a role; it names one principal."""
    with mock_aws():
        iam = boto3.client("iam", region_name="eu-west-1")
        iam.create_role(RoleName="role", AssumeRolePolicyDocument=policies.text(trust))
    (statement,) = json.loads(policies.text(trust))["Statement"]
    assert statement["Action"] == "sts:AssumeRole"
    assert "*" not in str(statement["Principal"])


@POLICIES
def test_a_policy_can_be_attached(policy: str) -> None:
    """It is not larger than IAM takes."""
    assert len("".join(policies.text(policy).split())) <= LARGEST


@POLICIES
def test_only_actions_without_resource_types_are_granted_on_everything(policy: str) -> None:
    """And then in one region, where there are regions: no action with resource types has the resource *."""
    for statement, action in pairs(policy):
        everything = statement.resources == ("*",)
        assert everything is not bool(types(action)), (statement.sid, action)
        assert not everything or ("StringEquals", REGION) in statement.conditions, statement.sid
        assert everything or "*" not in statement.resources


@POLICIES
def test_every_resource_is_one_of_an_action(policy: str) -> None:
    """An ARN that no action of its statement knows grants nothing, and an action without an ARN of its own neither."""
    for statement in policies.statements(policy):
        known = {arn for action in statement.actions for _, arn in touched(statement, action)}
        assert set(statement.resources) - known <= {"*"}, statement.sid
    for statement, action in pairs(policy):
        assert not types(action) or any(touched(statement, action)), (statement.sid, action)


@POLICIES
def test_every_required_resource_is_granted(policy: str) -> None:
    """AWS asks for an action on each of its required resource types."""
    granted = {(action, name) for statement, action in pairs(policy) for name, _ in touched(statement, action)}
    for action in policies.actions(policy):
        required = {name for name, kind in types(action).items() if kind["required"]}
        assert required == {name for name in required if (action, name) in granted}, action


@POLICIES
def test_every_condition_is_one_that_aws_can_answer(policy: str) -> None:
    """A key that AWS does not set for an action on that resource would deny it for ever."""
    for statement, action in pairs(policy):
        for _, key in statement.conditions:
            general = {REGION, *REFERENCE[action]["keys"]}
            for name, _ in touched(statement, action):
                known = general | set(types(action)[name]["keys"])
                assert _family(key) in known, (statement.sid, action, name, key)


def _family(key: str) -> str:
    """The key as the reference names it: a tag's own name is left open there."""
    return re.sub(r"Tag/.*", "Tag/${TagKey}", key)


@POLICIES
def test_whatever_carries_tags_is_told_by_them(policy: str) -> None:
    """A change asks for the tag of what it changes or makes, where AWS knows it."""
    for statement, action in pairs(policy):
        asked = {_family(key) for _, key in statement.conditions}
        for name, _ in touched(statement, action):
            known = TAGGED & set(types(action)[name]["keys"])
            told = asked & TAGGED or (action, name) in USED or action in TAGGING or action.startswith("ec2:Describe")
            assert told or not known, (statement.sid, action, name)


def test_placeholders_are_few_and_the_same_everywhere() -> None:
    """Every one is known to the tests, and none that is known is unused."""
    used = {name for file in policies.FOLDER.glob("*.json") for name in policies.placeholders(file.stem)}
    assert used == set(policies.VALUES)
    assert "$" not in "".join(policies.text(file.stem) for file in policies.FOLDER.glob("*.json"))
