from __future__ import annotations

from datetime import UTC, datetime

import pytest

from rollout.adapters import image_records as records
from rollout.ami.images import Grant, Permissions
from rollout.ami.sharing import OPERATIONS
from rollout.errors import Refused
from tests.ami.shelves import OTHER, OURS, Shelf

GRANTEE = f"arn:aws:iam::{OTHER}:root"


def test_an_image_is_shown_with_its_disk_and_tags(shelf: Shelf) -> None:
    """What a person asks about an image is in the record."""
    image = shelf.images.image(shelf.old)
    assert image is not None
    assert (image.id, image.name, image.owner, image.state) == (shelf.old, "eks-model-1", OURS, "available")
    assert image.tags == {"branch": "main"}
    assert image.root is not None
    assert image.root.size > 0
    assert image.snapshots == (image.root.snapshot,)
    assert image.created is not None
    assert image.created < datetime.now(UTC)


@pytest.mark.parametrize("missing", ["ami-0123456789abcdef0", "ami-nonsense"])
def test_an_image_that_is_not_there_is_none(shelf: Shelf, missing: str) -> None:
    """A wrong id is an answer, not an error."""
    assert shelf.images.image(missing) is None


def test_images_are_found_by_the_beginning_of_their_names(shelf: Shelf) -> None:
    """Those of others are not, and a star is a star."""
    assert {one.id for one in shelf.images.named("eks-model-")} == {shelf.old, shelf.new}
    assert shelf.images.named("eks-*") == ()


def test_snapshots_that_are_not_there_are_left_out(shelf: Shelf) -> None:
    """One wrong id does not hide the others."""
    (wanted,) = _snapshots(shelf, shelf.old)
    found = shelf.images.snapshots([wanted, "snap-0123456789abcdef0"])
    assert [(one.id, one.state, one.key) for one in found] == [(wanted, "completed", None)]
    assert shelf.images.snapshots([]) == ()


def test_what_was_made_for_an_image_says_for_which(shelf: Shelf) -> None:
    """So that the snapshots of an image that is gone can be found."""
    made = {one.description.rpartition(" ")[2] for one in shelf.images.made_for_images()}
    assert {shelf.old, shelf.new, shelf.other} <= made


@pytest.mark.parametrize("kind", ["image", "snapshot"])
def test_a_permission_is_given_and_taken(shelf: Shelf, kind: str) -> None:
    """Each as often as one likes: the same again changes nothing."""
    thing = shelf.old if kind == "image" else _snapshots(shelf, shelf.old)[0]
    for _ in range(2):
        shelf.images.permit(thing, OTHER, allowed=True)
        assert shelf.images.permissions(thing) == Permissions(frozenset({OTHER}))
    for _ in range(2):
        shelf.images.permit(thing, OTHER, allowed=False)
        assert shelf.images.permissions(thing) == Permissions()


def test_keys_are_ours_or_managed_by_aws(shelf: Shelf) -> None:
    """The difference decides whether an image can be shared."""
    assert (shelf.images.key(shelf.key).managed, shelf.images.key(shelf.key).state) == (False, "Enabled")
    assert shelf.images.key(shelf.managed).managed is (shelf.kind != "moto")  # moto says CUSTOMER of aws/ebs too


def test_a_grant_is_made_once_and_revoked(shelf: Shelf) -> None:
    """The same grant again, by its name, is the same grant."""
    for _ in range(1 if shelf.kind == "moto" else 2):  # moto makes another one each time
        shelf.images.grant(shelf.key, "eks-rollout/a/b", GRANTEE, OPERATIONS)
    (made,) = shelf.images.grants(shelf.key)
    assert made == Grant(made.id, "eks-rollout/a/b", GRANTEE)
    shelf.images.revoke(shelf.key, made.id)
    assert shelf.images.grants(shelf.key) == ()


def test_a_snapshot_is_deleted_after_its_image(shelf: Shelf) -> None:
    """While the image is there it is in use; what is gone already may be removed again."""
    (snapshot,) = _snapshots(shelf, shelf.other)
    if shelf.kind != "moto":  # which deletes it
        with pytest.raises(Refused, match=r"InvalidSnapshot\.InUse"):
            shelf.images.delete_snapshot(snapshot)
    for _ in range(2):
        shelf.images.deregister(shelf.other)
    for _ in range(2):
        shelf.images.delete_snapshot(snapshot)
    assert shelf.images.snapshots([snapshot]) == ()
    assert shelf.other not in {one.id for one in shelf.images.named("")}


@pytest.mark.parametrize("key", ["1234abcd", "alias/aws/ebs", "arn:aws:kms:eu-west-1", "arn:aws:s3:::bucket"])
def test_a_key_that_is_no_key_is_an_answer_that_makes_no_sense(key: str) -> None:
    """Region and partition are read from it: a command with wrong ones would work nowhere."""
    raw = {"SnapshotId": "snap-1", "State": "completed", "VolumeSize": 1, "StartTime": datetime.now(UTC)}
    with pytest.raises(ValueError, match="no key's ARN"):
        records.snapshot({**raw, "KmsKeyId": key})


def _snapshots(shelf: Shelf, ami: str) -> tuple[str, ...]:
    image = shelf.images.image(ami)
    assert image is not None
    return image.snapshots


def test_an_image_may_have_no_date() -> None:
    """EC2 says none of some that are not made yet."""
    said = {"ImageId": "ami-1", "State": "pending"}
    assert records.image(said).created is None
    assert records.image({**said, "CreationDate": "2026-01-05T08:00:00.000Z"}).created == datetime(
        2026, 1, 5, 8, tzinfo=UTC
    )
