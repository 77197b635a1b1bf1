"""What needs an image, in words: each kind of need by itself, and what is not known."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rollout.ami.images import Permissions
from rollout.ami.listing import AccountUsage, Inventory, needs, unread
from rollout.cli.commands.ami.listing import page
from rollout.model.observation import TemplateSeen, VersionSeen
from rollout.model.preflight_observation import Override
from tests.ami import inventories as given
from tests.core import build

OWN = AccountUsage(given.ACCOUNT)
OLD, NEW = "ami-00000001", "ami-00000002"


def needed(usage: AccountUsage, **changes: object) -> dict[str, tuple[str, ...]]:
    return needs(given.inventory(usages=(usage,), **changes))


@pytest.mark.parametrize(
    ("reference", "default", "ami"), [("$Latest", 1, NEW), ("$Default", 1, OLD), ("$Default", 2, NEW), ("1", 2, OLD)]
)
def test_a_group_needs_what_its_reference_means(reference: str, default: int, ami: str) -> None:
    """$Latest, $Default and a number: the image of the version that the next launch would take."""
    usage = replace(
        OWN, groups=(given.group(of=given.use(reference)),), templates=(given.template(1, 2, default=default),)
    )
    assert f"group workers (lt {reference})" in needed(usage)[ami]


def test_each_template_of_a_mixed_group_counts() -> None:
    """An override's own template is needed, and so is an image that an override names itself."""
    mixed = given.group(
        Override(given.use("1", "arm", "override 1"), "m6g.large", None, None),
        Override(None, None, "ami-00000007", None),
    )
    usage = replace(OWN, groups=(mixed,), templates=(given.template(1), given.template(4, 5, name="arm")))
    found = needed(usage)
    assert found["ami-00000004"] == ("group workers (arm 1 (override 1))",)
    assert found["ami-00000007"] == ("group workers (an override's own image)",)
    assert "group workers (lt $Latest)" in found[OLD]


def test_a_template_of_nobody_s_needs_its_default_and_its_latest() -> None:
    """A launch that names no version gets one of these two; nobody gets a version in between."""
    found = needed(replace(OWN, templates=(given.template(1, 2, 3),)))
    assert found == {OLD: ("template lt $Default",), "ami-00000003": ("template lt $Latest",)}
    assert needed(replace(OWN, templates=(given.template(1),))) == {OLD: ("template lt $Default and $Latest",)}


def test_a_version_that_is_gone_needs_nothing() -> None:
    """A group whose template or version was deleted cannot launch; a version may name no image."""
    usage = replace(
        OWN,
        groups=(given.group(of=given.use("9")), given.group(of=given.use(name="gone"))),
        templates=(replace(given.template(1), versions=(VersionSeen(1, None, ""),)),),
    )
    assert needed(usage) == {}


def test_launch_configurations_and_instances_count() -> None:
    """A launch configuration, attached or not, instances by their groups, and each instance that has none."""
    usage = replace(
        OWN,
        configured={"legacy": OLD},
        launched=(
            given.launched(1, 1, "g"),
            given.launched(2, 1, "g"),
            given.launched(3, 2, "g"),
            given.launched(4, 2),
        ),
    )
    assert needed(usage) == {
        OLD: ("launch configuration legacy", "2 instances of group g"),
        NEW: ("1 instance of group g", "instance i-4"),
    }


def test_an_unfinished_rollout_needs_both_images() -> None:
    """The one that it brings, and the one of the version that its groups launched before."""
    rollout = build.record()
    usage = replace(OWN, templates=(build.template(),))
    found = needed(usage, rollouts=(rollout,))
    assert "rollout r1" in found["ami-new"]
    assert "rollout r1 (what g had before)" in found["ami-old"]


def test_a_rollout_elsewhere_is_named_as_not_known() -> None:
    """Where no account has its templates, nobody knows what it may have to go back to."""
    rollout = build.record()
    assert unread(given.inventory(usages=(replace(OWN, templates=(build.template(),)),), rollouts=(rollout,))) == ()
    (problem,) = unread(given.inventory(rollouts=(rollout,)))
    assert problem.problem.startswith("rollout r1 on cluster c is unfinished")


def test_a_parameter_that_aws_does_not_resolve_is_named_as_not_known() -> None:
    """It may be any image: nothing can be told to be unneeded."""
    alias = "resolve:ssm:/images/workers"
    template = TemplateSeen("id-lt", "lt", 1, 1, (VersionSeen(1, alias, ""),))
    (problem,) = unread(given.inventory(usages=(replace(OWN, groups=(given.group(),), templates=(template,)),)))
    assert problem.problem == f"AWS does not say which image {alias} is, which group workers (lt $Latest) would launch"
    assert problem.hint.endswith("--name /images/workers")


def test_accounts_are_named_where_there_are_several() -> None:
    """Groups of the same name in two accounts are told apart."""
    usage = replace(OWN, groups=(given.group(),), templates=(given.template(1),))
    inventory = given.inventory(usages=(usage, replace(usage, account=given.OTHER)))
    groups = [who for who in needs(inventory)[OLD] if who.startswith("group")]
    assert groups == [
        f"group workers (lt $Latest) in account {given.ACCOUNT}",
        f"group workers (lt $Latest) in account {given.OTHER}",
    ]


def test_the_page_has_a_line_for_each_image_and_each_need() -> None:
    """Newest first: id, name, created, size, state, shared with; indented below it what needs it."""
    shared = {NEW: Permissions(frozenset({given.OTHER}), frozenset({"all"}))}
    usage = replace(OWN, groups=(given.group(),), templates=(given.template(1),))
    stranger = given.image(9, name="other")
    lines = list(
        page(given.inventory(given.image(1), given.image(2), stranger, usages=(usage,), shared=shared), given.PREFIX)
    )
    assert [line.split() for line in lines] == [
        ["AMI", "NAME", "CREATED", "SIZE", "STATE", "SHARED", "WITH"],
        [NEW, "eks-model-2", "2026-01-07T08:00:00Z", "40", "GiB", "available", f"{given.OTHER},", "all"],
        [OLD, "eks-model-1", "2026-01-06T08:00:00Z", "40", "GiB", "available", "-"],
        ["group", "workers", "(lt", "$Latest)"],
    ]


def test_no_image_is_a_sentence() -> None:
    """An empty list says where was looked."""
    empty = Inventory(given.ACCOUNT, "eu-west-1", ())
    assert list(page(empty, "x")) == [f"account {given.ACCOUNT} has no image in eu-west-1 whose name begins with x"]
