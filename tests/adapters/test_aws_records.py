"""What DescribeAutoScalingGroups says of templates, and what is written back of it."""

from __future__ import annotations

from typing import Any

import pytest

from rollout.adapters.aws_records import group, references
from rollout.model.observation import GroupSeen
from rollout.model.plan import TemplateUse

OWN = {"LaunchTemplateId": "lt-1", "LaunchTemplateName": "one", "Version": "$Latest"}
ARM = {"LaunchTemplateId": "lt-2", "LaunchTemplateName": "two"}
TYPE: dict[str, Any] = {"InstanceType": "c5.large"}
NEEDS: dict[str, Any] = {"InstanceRequirements": {"VCpuCount": {"Min": 2}}, "LaunchTemplateSpecification": ARM}
PLAIN: dict[str, Any] = {"LaunchTemplate": OWN}
MIXED: dict[str, Any] = {
    "MixedInstancesPolicy": {
        "LaunchTemplate": {"LaunchTemplateSpecification": OWN, "Overrides": [TYPE, NEEDS]},
        "InstancesDistribution": {"OnDemandPercentageAboveBaseCapacity": 0},
    }
}
WITHOUT_OVERRIDES: dict[str, Any] = {"MixedInstancesPolicy": {"LaunchTemplate": {"LaunchTemplateSpecification": OWN}}}


def use(reference: str, slot: str = "", template: str = "lt-1") -> TemplateUse:
    return TemplateUse(slot, template, "", reference)


def described(templates: dict[str, Any]) -> GroupSeen:
    sizes = {"MinSize": 0, "DesiredCapacity": 0, "MaxSize": 0}
    return group({"AutoScalingGroupName": "g", "Instances": [], **sizes, **templates})


@pytest.mark.parametrize(
    ("templates", "uses"),
    [
        ({}, ()),
        ({"LaunchConfigurationName": "old"}, ()),
        (PLAIN, (use("$Latest"),)),
        (WITHOUT_OVERRIDES, (use("$Latest"),)),
        (MIXED, (use("$Latest"), use("$Default", "override 2", "lt-2"))),
    ],
)
def test_uses(templates: dict[str, Any], uses: tuple[TemplateUse, ...]) -> None:
    """Every specification is a use; one without a version means $Default."""
    assert described(templates).uses == uses
    assert described(templates).mixed == ("MixedInstancesPolicy" in templates)


NUMBER = {"LaunchTemplateId": "lt-1", "Version": "7"}
AS_IT_WAS = {"LaunchTemplateId": "lt-1", "Version": "$Latest"}


@pytest.mark.parametrize(
    ("templates", "uses", "written"),
    [
        (PLAIN, (use("7"),), {"LaunchTemplate": NUMBER}),
        (
            MIXED,
            (use("7"),),
            {"MixedInstancesPolicy": {"LaunchTemplate": {"LaunchTemplateSpecification": NUMBER}}},
        ),
        (
            MIXED,
            (use("8", "override 2", "lt-2"),),
            {
                "MixedInstancesPolicy": {
                    "LaunchTemplate": {
                        "LaunchTemplateSpecification": AS_IT_WAS,
                        "Overrides": [
                            TYPE,
                            NEEDS | {"LaunchTemplateSpecification": {"LaunchTemplateId": "lt-2", "Version": "8"}},
                        ],
                    }
                }
            },
        ),
    ],
    ids=["a template", "a policy's own: its overrides are not sent", "an override: all of them are sent, as they are"],
)
def test_references(templates: dict[str, Any], uses: tuple[TemplateUse, ...], written: dict[str, Any]) -> None:
    """Ids without names, as AWS takes them; the version of what does not change is sent as it was found."""
    assert references(templates, uses) == written


def test_a_specification_without_a_version_is_sent_without_one() -> None:
    """What AWS did not say is not made up."""
    overrides = [NEEDS, {"LaunchTemplateSpecification": OWN}]
    raw = {"MixedInstancesPolicy": {"LaunchTemplate": {"LaunchTemplateSpecification": OWN, "Overrides": overrides}}}
    written = references(raw, (use("7", "override 2"),))
    assert written
    sent = written["MixedInstancesPolicy"]["LaunchTemplate"]["Overrides"]
    assert [one["LaunchTemplateSpecification"] for one in sent] == [{"LaunchTemplateId": "lt-2"}, NUMBER]


@pytest.mark.parametrize("uses", [(use("7", "override 1"),), (use("7"), use("7", "override 2"))], ids=str)
def test_what_does_not_fit_is_not_written(uses: tuple[TemplateUse, ...]) -> None:
    """A slot that names no template, or another one, means that the policy changed since it was looked at."""
    assert references(MIXED, uses) is None
