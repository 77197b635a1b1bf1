"""What is read before images are listed or removed: who may use each, and no more requests than there are images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

import pytest

from rollout.adapters.images import Builder
from rollout.ami.images import Disk, Image, Permissions, Snapshot
from rollout.ami.listing import AccountUsage
from rollout.ami.pruning import Pruner
from rollout.cli.commands.ami.inventory import Reader
from rollout.errors import Refused, Retry
from tests.ami import inventories as given


class Asked(given.Account):
    """An account that counts what it is asked. `silent`: things of which it does not say who may use them."""

    silent: Collection[str] = ()

    def __init__(self, images: list[Image], made: list[Snapshot]) -> None:
        super().__init__(images, made)
        self.requests = Counter[str]()

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if callable(found) and not name.startswith("_"):
            self.requests[name] += 1
        return found

    def permissions(self, thing: str) -> Permissions:
        if thing in self.silent:
            raise Refused("DescribeSnapshotAttribute: UnauthorizedOperation")
        return Permissions()


class Elsewhere:
    """An account in which nothing needs an image."""

    def __init__(self, asked: Counter[str]) -> None:
        self.asked = asked

    def usage(self, _images: Sequence[str], _pinned: Collection[str], *, every_version: bool) -> AccountUsage:
        self.asked["every version" if every_version else "usage"] += 1
        return AccountUsage(given.ACCOUNT)


def account(count: int) -> Asked:
    """So many images, each with its snapshot."""
    numbers = range(1, count + 1)
    return Asked([given.image(one) for one in reversed(numbers)], [given.snapshot(one) for one in numbers])


def reader(ours: Asked) -> Reader:
    builder: Any = Builder(ours, given.ACCOUNT, "eu-west-1", None)  # type: ignore[arg-type]
    elsewhere: Any = (Elsewhere(ours.requests),)
    return Reader(builder, elsewhere, {}, given.PREFIX)


def test_who_may_use_it_is_asked_of_images_of_their_snapshots_and_of_what_was_left_behind() -> None:
    """A snapshot may be shared by itself, and so may one that a person made into an image."""
    ours = account(3)
    ours.made += [given.snapshot(0xAA), given.snapshot(0xBB, tags={"Name": "database"})]
    by_hand = given.snapshot(0xCC, description="made by a person", tags={})
    ours.made.append(by_hand)
    ours.images.append(given.image(0, disks=(Disk("/dev/xvda", by_hand.id, 40, encrypted=True),)))
    asked = set(reader(ours).look().shared)
    assert asked >= {"ami-00000001", "snap-00000001", "snap-000000aa", by_hand.id}
    assert "snap-000000bb" not in asked


def test_what_aws_does_not_say_is_kept_as_not_known() -> None:
    """A right that is missing is no end: the rest is read."""
    ours = account(2)
    ours.silent = {"snap-00000001"}
    found = reader(ours).look()
    assert found.unasked == {"snap-00000001": "DescribeSnapshotAttribute: UnauthorizedOperation"}
    assert "snap-00000002" in found.shared


def test_an_answer_that_may_come_later_ends_it() -> None:
    """Throttled is not unknown: to continue would be to remove images on half of the facts."""
    ours = account(1)

    def throttled(thing: str) -> Permissions:
        raise Retry(f"DescribeImageAttribute: RequestLimitExceeded: {thing}")

    ours.permissions = throttled  # type: ignore[method-assign]
    with pytest.raises(Retry):
        reader(ours).look()


def test_a_snapshot_that_is_lent_meanwhile_stays_whatever_its_name() -> None:
    """It is asked about once more when its image is gone, though nothing but that image told that it concerns us."""
    by_hand = given.snapshot(1, description="made by a person", tags={})
    ours = Asked([given.image(2), given.image(1)], [given.snapshot(2), by_hand])
    lent = Permissions(frozenset({given.OTHER}))
    ours.permissions = lambda thing: lent if thing == by_hand.id and len(ours.images) == 1 else Permissions()  # type: ignore[method-assign]
    told = [one.line for one in Pruner(ours, reader(ours).look, lambda: None, given.PREFIX, 1).prune()]
    assert told[-1] == f"{by_hand.id} (of ami-00000001) stays: shared with {given.OTHER}, where nobody looked"
    assert ours.removed == ["ami-00000001"]


def test_requests_grow_with_the_images_and_not_with_their_square() -> None:
    """Twice as many images take twice as many requests, and every version of every template is read twice in all."""
    totals = []
    for count in (10, 20, 40):
        ours = account(count)
        look = reader(ours).look
        assert not any(one.left for one in Pruner(ours, look, lambda: None, given.PREFIX, 1).prune())
        assert ours.requests["every version"] == 2
        totals.append(sum(ours.requests.values()))
    assert totals[2] - totals[1] == 2 * (totals[1] - totals[0])
