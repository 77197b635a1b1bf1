from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from rollout.ami.images import Disk, Grant, Image, Key, Permissions, Snapshot
from rollout.ami.sharing import (
    KeyGrant,
    Looked,
    Permit,
    advice,
    blockers,
    left_behind,
    look,
    not_ours,
    still_lent,
    to_revoke,
    to_share,
    to_take_back,
)
from tests.ami import inventories as given
from tests.ami.shelves import OTHER, OURS

THIRD = "333333333333"
NOW = datetime(2026, 1, 5, 8, tzinfo=UTC)
KEY = f"arn:aws-cn:kms:cn-north-1:{OURS}:key/1"
DISKS = (Disk("/dev/xvda", "snap-1", 20, encrypted=True), Disk("/dev/xvdb", "snap-2", 20, encrypted=False))
IMAGE = Image("ami-1", "eks-model-1", OURS, "available", "x86_64", NOW, "/dev/xvda", DISKS)
SNAPSHOTS = (Snapshot("snap-1", "completed", 20, NOW, key=KEY), Snapshot("snap-2", "completed", 20, NOW))


def looked(**changes: Any) -> Looked:
    """An image with two snapshots, one of them encrypted, that nobody else may use."""
    nobody = {thing: Permissions() for thing in ("ami-1", "snap-1", "snap-2")}
    seen = Looked(IMAGE, SNAPSHOTS, nobody, {KEY: Key(KEY, managed=False, state="Enabled")}, {KEY: ()})
    return replace(seen, **changes)


def told(steps: tuple[Any, ...]) -> list[str]:
    """What steps say of themselves, without the key's long name."""
    return [str(step).replace(KEY, "key") for step in steps]


def test_the_image_is_shared_last_and_taken_back_first() -> None:
    """At no moment can somebody launch an image whose disks they cannot read."""
    assert told(to_share(looked(), [OTHER], grants=True, snapshots=True)) == [
        f"key: grant eks-rollout/ami-1/{OTHER}",
        f"snap-1: shared with {OTHER}",
        f"snap-2: shared with {OTHER}",
        f"ami-1: shared with {OTHER}",
    ]
    assert told((*to_take_back(looked(), [OTHER]), *to_revoke(looked(), [OTHER]))) == [
        f"ami-1: not shared with {OTHER}",
        f"snap-1: not shared with {OTHER}",
        f"snap-2: not shared with {OTHER}",
        f"key: no grant eks-rollout/ami-1/{OTHER}",
    ]


def test_keys_are_lent_only_where_that_is_asked_for() -> None:
    """The key's policy may do the same, and then no grant is needed."""
    steps = to_share(looked(), [OTHER, THIRD], grants=False, snapshots=True)
    assert len(steps) == 6
    assert all(isinstance(step, Permit) for step in steps)


def test_snapshots_are_lent_only_where_that_is_asked_for() -> None:
    """EC2 gives instances the snapshots of a shared image by itself."""
    assert told(to_share(looked(), [OTHER], grants=False, snapshots=False)) == [f"ami-1: shared with {OTHER}"]


@pytest.mark.parametrize(
    ("who", "stays"),
    [
        (Permissions(frozenset({OTHER})), True),
        (Permissions(others=frozenset({"all"})), True),
        (None, True),
        (Permissions(frozenset({THIRD})), False),
    ],
    ids=["shared too", "public", "not known", "shared with another"],
)
def test_nothing_is_taken_that_another_image_still_lends(who: Permissions | None, stays: bool) -> None:  # noqa: FBT001
    """A snapshot stays shared while a second image is made of it that the account may launch, and that is said."""
    second = replace(IMAGE, id="ami-2", disks=DISKS[1:])
    lent = {thing: Permissions(frozenset({OTHER})) for thing in ("ami-1", "snap-1", "snap-2")}
    seen = looked(permissions=lent, sharing_images=((second, who),))
    taken = [f"ami-1: not shared with {OTHER}", f"snap-1: not shared with {OTHER}"]
    assert told(to_take_back(seen, [OTHER])) == [*taken, *([] if stays else [f"snap-2: not shared with {OTHER}"])]
    words = f"snap-2: stays shared with {OTHER}, which may launch ami-2 by it"
    assert still_lent(seen, [OTHER]) == ((words,) if stays else ())


def test_a_step_holds_when_the_world_shows_it() -> None:
    """No matter who made it so."""
    shared = looked(permissions={"ami-1": Permissions(frozenset({OTHER}))})
    assert Permit("ami-1", OTHER, allowed=True).holds(shared)
    assert not Permit("ami-1", OTHER, allowed=False).holds(shared)
    assert not Permit("ami-1", THIRD, allowed=True).holds(shared)
    lent = looked(grants={KEY: (Grant("g-1", f"eks-rollout/ami-1/{OTHER}", "arn"),)})
    assert KeyGrant(KEY, "ami-1", OTHER, allowed=True).holds(lent)
    assert not KeyGrant(KEY, "ami-2", OTHER, allowed=True).holds(lent)
    assert not KeyGrant(KEY, "ami-1", OTHER, allowed=False).holds(lent)


def test_what_can_be_shared_is_not_refused() -> None:
    """An available image of ours, under a key of ours."""
    assert blockers(looked(), [OTHER], OURS) == ()


@pytest.mark.parametrize(
    ("changes", "problem", "hint"),
    [
        ({"image": replace(IMAGE, owner=THIRD)}, f"ami-1 belongs to account {THIRD}", "--assume-role"),
        ({"image": replace(IMAGE, owner=OTHER)}, f"account {OTHER} owns ami-1", "another --account"),
        ({"image": replace(IMAGE, state="pending")}, "ami-1 is pending, not available", "rollout ami verify ami-1"),
        (
            {"snapshots": SNAPSHOTS[:1]},
            "ami-1 is made of snap-2, which is not in this account",
            "build the image again",
        ),
        ({"keys": {KEY: Key(KEY, managed=True, state="Enabled")}}, "a key that AWS manages", "--kms-key-id KEY"),
        ({"keys": {KEY: Key(KEY, managed=False, state="Disabled")}}, f"{KEY} is Disabled", "aws kms enable-key"),
    ],
    ids=["foreign", "theirs", "pending", "missing", "default key", "disabled key"],
)
def test_what_cannot_be_shared_is_refused_with_the_way_out(changes: dict[str, Any], problem: str, hint: str) -> None:
    """The reason names the thing, the hint what to do."""
    found = blockers(looked(**changes), [OTHER], OURS)
    assert any(problem in one.problem and hint in one.hint for one in found)


def test_only_the_owner_takes_back() -> None:
    """Nothing else speaks against it: an image that failed is taken back too."""
    assert not_ours(replace(IMAGE, state="failed"), [OTHER], OURS) == ()
    assert len(not_ours(replace(IMAGE, owner=THIRD), [OTHER], OURS)) == 1


def test_who_may_launch_what_nobody_can_launch_is_not_asked() -> None:
    """EC2 does not say it of an image that failed or was set aside; its snapshots are taken back all the same."""
    account = given.Account([], [given.snapshot(1)])
    account.permissions = lambda thing: {"snap-00000001": Permissions(frozenset({OTHER}))}[thing]  # type: ignore[method-assign]
    seen = look(account, given.image(1, state="disabled"), keys=False, grants=False)
    image, snapshot = to_take_back(seen, [OTHER])
    assert (image.holds(seen), snapshot.holds(seen)) == (True, False)


def test_what_others_must_do_is_told() -> None:
    """Without a grant the key's policy decides; Auto Scaling's role needs one in any case: the command is printed."""
    without, command = advice(looked(), [OTHER], grants=False)
    assert f"account {OTHER} can launch only if the policy of {KEY} lets it kms:CreateGrant, kms:Decrypt" in without
    assert "aws kms create-grant" in command
    (granted,) = advice(looked(), [OTHER], grants=True)
    assert f"--region cn-north-1 --key-id {KEY} --grantee-principal arn:aws-cn:iam::{OTHER}:role/aws-service" in granted
    assert advice(looked(keys={}), [OTHER], grants=False) == ()


def test_grants_of_others_stay_and_are_named() -> None:
    """They may serve another image; only what lets the account in question use the key is named."""
    grants = (
        Grant("g-1", f"eks-rollout/ami-1/{OTHER}", f"arn:aws-cn:iam::{OTHER}:root"),
        Grant("g-2", "", f"arn:aws-cn:iam::{OTHER}:role/autoscaling"),
        Grant("g-3", "", f"arn:aws-cn:iam::{OURS}:role/ci"),
    )
    (line,) = left_behind(looked(grants={KEY: grants}), [OTHER])
    assert "grant g-2" in line
    assert "--grant-id g-2" in line
