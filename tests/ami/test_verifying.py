from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rollout.ami.images import Disk, Image
from rollout.ami.verifying import Expected, complaints

NOW = datetime(2026, 1, 5, 8, tzinfo=UTC)
ROOT = Disk("/dev/xvda", "snap-1", 60, encrypted=True)
IMAGE = Image(
    "ami-1",
    "eks-model-1",
    "123456789012",
    "available",
    "x86_64",
    NOW - timedelta(days=2),
    "/dev/xvda",
    (ROOT,),
    {"branch": "main", "model": "m"},
)
ALL = Expected("x86_64", 60, True, (("branch", "main"), ("model", None)), timedelta(days=2))


def test_an_image_as_expected_gets_no_complaint() -> None:
    """Each bound holds at its very value."""
    assert complaints(IMAGE, ALL, NOW) == ()


def test_an_image_without_a_date_may_be_too_old() -> None:
    """It is no complaint where no age was asked for."""
    undated = replace(IMAGE, created=None)
    assert complaints(undated, ALL, NOW) == ("EC2 does not say when it was made",)
    assert complaints(undated, replace(ALL, max_age=None), NOW) == ()


def test_nothing_is_asked_but_that_it_is_available() -> None:
    """What the caller does not name does not matter."""
    bare = replace(IMAGE, disks=(), tags={}, architecture="arm64")
    assert complaints(bare, Expected(), NOW) == ()
    (told,) = complaints(replace(bare, state="failed", trouble="no room"), Expected(), NOW)
    assert told == "it is failed, not available: no room"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"state": "pending"}, "it is pending, not available"),
        ({"architecture": "arm64"}, "its architecture is arm64, not x86_64"),
        ({"disks": (replace(ROOT, size=59),)}, "its root volume has 59 GiB, not 60"),
        ({"disks": (ROOT, Disk("/dev/xvdb", "snap-2", 9, encrypted=False))}, "not encrypted: /dev/xvdb (snap-2)"),
        ({"disks": (ROOT, Disk("/dev/xvdb", "", 9, encrypted=False))}, "not encrypted: /dev/xvdb (empty)"),
        ({"tags": {"branch": "main"}}, "it has no tag model"),
        ({"tags": {"branch": "x", "model": "m"}}, "its tag branch is x, not main"),
        ({"created": NOW - timedelta(days=2, seconds=1)}, "it was made at 2026-01-03T07:59:59Z"),
    ],
    ids=str,
)
def test_each_expectation_can_be_missed(change: dict[str, Any], told: str) -> None:
    """The complaint names what is, and what should be."""
    (complaint,) = complaints(replace(IMAGE, **change), ALL, NOW)
    assert complaint.startswith(told)


def test_all_complaints_come_at_once() -> None:
    """Nobody corrects one thing only to be told the next."""
    wrong = replace(IMAGE, state="pending", architecture="arm64", tags={}, created=NOW - timedelta(days=9))
    assert len(complaints(wrong, ALL, NOW)) == 5


@pytest.mark.parametrize("encrypted", [True, False])
def test_without_a_disk_on_ebs_nothing_is_encrypted_or_not(*, encrypted: bool) -> None:
    """What cannot be known is not said to be as expected."""
    (told,) = complaints(replace(IMAGE, disks=()), Expected(encrypted=encrypted), NOW)
    assert told == "it has no disk on EBS, so nothing says whether it is encrypted"


def test_without_a_disk_on_ebs_there_is_no_size() -> None:
    """That is said; it is not taken for a small one, nor for an encrypted one."""
    (told,) = complaints(replace(IMAGE, disks=()), Expected(root_size=1), NOW)
    assert told == "its root device /dev/xvda is not on EBS, so that it has no size of its own"
    assert complaints(IMAGE, Expected(encrypted=False), NOW) == ("encrypted: /dev/xvda (snap-1)",)
