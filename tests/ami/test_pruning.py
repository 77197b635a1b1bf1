"""Which images go: never one that is needed, in any state of the account; and how they go: one look before each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

import pytest
from hypothesis import given as examples
from hypothesis import strategies as st

from rollout.ami.images import Image, Permissions
from rollout.ami.listing import AccountUsage, Inventory
from rollout.ami.pruning import Pruner, Told, orphans, verdicts
from rollout.errors import Refused, Retry, Unknown
from rollout.model.plan import NodeGroup, Source
from rollout.model.preflight_observation import GroupProbed, Override
from tests.ami import inventories as given
from tests.core import build

OWN = AccountUsage(given.ACCOUNT)
FIVE = tuple(given.image(number) for number in range(1, 6))


def going(inventory: Inventory, keep: int = 1) -> list[str]:
    """The numbers of the images that go, newest first."""
    return [one.image.id[-1] for one in verdicts(inventory, given.PREFIX, keep) if not one.kept]


# ---- deciding


@pytest.mark.parametrize(("keep", "gone"), [(1, "4321"), (3, "21"), (5, ""), (9, "")])
def test_the_newest_stay(keep: int, gone: str) -> None:
    """As many as are to be kept, by their age."""
    assert "".join(going(given.inventory(*FIVE), keep)) == gone


def test_only_available_images_count_as_the_newest() -> None:
    """A newer one that failed takes no place, and goes; one that is being made, or was set aside, stays."""
    failed, pending = replace(FIVE[3], state="failed"), replace(FIVE[4], state="pending")
    disabled = given.image(6, state="disabled")
    found = verdicts(given.inventory(*FIVE[:3], failed, pending, disabled), given.PREFIX, 2)
    assert [one.kept for one in found] == [
        ("disabled: somebody set it aside",),
        ("pending: it is being made",),
        (),
        ("one of the newest 2",),
        ("one of the newest 2",),
        (),
    ]


def test_an_image_without_a_date_stays_and_is_no_newest_one() -> None:
    """Nothing says whether it is old."""
    undated = replace(given.image(6), created=None)
    found = verdicts(given.inventory(*FIVE, undated), given.PREFIX, 1)
    assert [one.image.id[-1] for one in found if one.kept] == ["5", "6"]
    assert found[-1].kept == ("EC2 does not say when it was made",)


def test_the_newest_stay_of_each_prefix_that_packer_was_given() -> None:
    """eks-model means eks-model-gpu too: a new image of the one does not let go what was just built of the other."""
    tagged = [replace(one, tags={"ami_prefix": "eks-model-gpu" if one is FIVE[4] else "eks-model"}) for one in FIVE]
    assert "".join(going(given.inventory(*tagged))) == "321"


def test_other_names_are_not_touched() -> None:
    """Images whose names begin otherwise are in no verdict, and count for nothing."""
    strangers = tuple(replace(one, name=f"other-{one.name}") for one in FIVE[1:])
    assert [one.image.id for one in verdicts(given.inventory(FIVE[0], *strangers), given.PREFIX, 1)] == [FIVE[0].id]


def test_what_is_needed_stays_and_says_why() -> None:
    """All reasons are named, not the first alone."""
    usage = replace(OWN, groups=(given.group(),), templates=(given.template(2),), launched=(given.launched(7, 5, "g"),))
    found = {one.image.id[-1]: one.kept for one in verdicts(given.inventory(*FIVE, usages=(usage,)), given.PREFIX, 1)}
    assert found["5"] == ("the newest", "1 instance of group g")
    assert found["2"] == ("group workers (lt $Latest)",)
    assert found["1"] == found["3"] == found["4"] == ()


def test_an_image_shared_with_who_was_not_looked_at_stays() -> None:
    """An account that was looked into may prove that it does not need it; nobody proves it for another, or for all."""
    shared = {
        FIVE[0].id: Permissions(frozenset({given.OTHER})),
        FIVE[1].id: Permissions(others=frozenset({"all"})),
        FIVE[2].id: Permissions(frozenset({given.ACCOUNT})),
    }
    inventory = given.inventory(*FIVE, shared=shared)
    assert going(inventory) == ["4", "3"]
    assert verdicts(inventory, given.PREFIX, 1)[-1].kept == (f"shared with {given.OTHER}, where nobody looked",)
    assert going(replace(inventory, usages=(OWN, AccountUsage(given.OTHER)))) == ["4", "3", "1"]


def test_snapshots_go_with_the_last_image_that_is_made_of_them() -> None:
    """A snapshot that a kept image is made of stays; of two that go, the later one takes it along."""
    both = (given.image(2), replace(given.image(1), disks=given.image(2).disks))
    kept = replace(given.image(3), disks=(*given.image(3).disks, *given.image(4).disks))
    found = verdicts(
        given.inventory(*both, kept, replace(given.image(4), name="other"), given.image(5)), given.PREFIX, 2
    )
    assert [(one.image.id[-1], [snapshot[-1] for snapshot in one.snapshots]) for one in found] == [
        ("5", []),
        ("3", []),
        ("2", ["2"]),
        ("1", []),
    ]
    shared = given.inventory(given.image(5), replace(given.image(4), disks=given.image(5).disks))
    assert [one.snapshots for one in verdicts(shared, given.PREFIX, 1)] == [(), ()]


@pytest.mark.parametrize(
    ("description", "left"),
    [
        ("Created by CreateImage(i-0abc) for ami-000000aa", True),
        ("Created by CreateImage(i-0abc) for ami-000000aa from vol-1", True),
        ("Copied for DestinationAmi ami-000000aa from SourceAmi ami-00000001 for SourceSnapshot snap-1.", True),
        ("Created by CreateImage(i-0abc) for ami-00000001", False),
        ("Copied for DestinationAmi ami-00000001 from SourceAmi ami-000000aa for SourceSnapshot snap-1.", False),
        ("a backup of ami-000000aa", False),
        ("", False),
    ],
)
def test_orphans_are_those_whose_image_is_gone(description: str, left: bool) -> None:  # noqa: FBT001
    """By what AWS wrote into the description, and only if nobody wrote anything else."""
    inventory = given.inventory(FIVE[0], made=(given.snapshot(0xFF, description=description),))
    assert [one.kept for one in orphans(inventory, given.PREFIX)] == ([()] if left else [])


def test_orphans_of_others_are_left_alone() -> None:
    """Without a Name of the prefix, or made into another image, a snapshot is not ours to delete."""
    stranger = given.snapshot(0xAA, tags={"Name": "database"})
    nameless = given.snapshot(0xBB, tags={})
    reused = given.snapshot(0xCC)
    user = replace(FIVE[0], disks=(replace(FIVE[0].disks[0], snapshot=reused.id),))
    assert orphans(given.inventory(user, made=(stranger, nameless, reused)), given.PREFIX) == ()


SNAPSHOT = "snap-00000002"
#: What may keep a snapshot, with or without its image: what was read, and the words for it.
CLAIMS: dict[str, tuple[dict[str, Any], str]] = {
    "a template": (
        {"usages": (replace(OWN, mapped={SNAPSHOT: ("template lt 3",)}),)},
        "named by template lt 3",
    ),
    "another account's": (
        {"usages": (OWN, AccountUsage(given.OTHER, mapped={SNAPSHOT: ("launch configuration old",)}))},
        f"named by launch configuration old in account {given.OTHER}",
    ),
    "an account": (
        {"shared": {SNAPSHOT: Permissions(frozenset({"3" * 12}))}},
        f"shared with {'3' * 12}, where nobody looked",
    ),
    "everybody": (
        {"shared": {SNAPSHOT: Permissions(others=frozenset({"all"}))}},
        "shared with all, where nobody looked",
    ),
    "nobody may ask": (
        {"unasked": {SNAPSHOT: "UnauthorizedOperation"}},
        "AWS does not say with whom it is shared (UnauthorizedOperation)",
    ),
    "a service": (
        {"made": (given.snapshot(2, tags={"Name": given.PREFIX, "aws:dlm:lifecycle-policy-id": "policy-1"}),)},
        "made by Data Lifecycle Manager",
    ),
}


@pytest.mark.parametrize("claim", CLAIMS)
def test_a_snapshot_that_something_else_may_need_stays_with_its_image_and_without(claim: str) -> None:
    """If something other than its image names or may use it, the image stays; without the image, the snapshot does."""
    changes, words = CLAIMS[claim]
    changes = {"made": (given.snapshot(2),), **changes}
    kept = {one.image.id[-1]: one.kept for one in verdicts(given.inventory(*FIVE, **changes), given.PREFIX, 1)}
    assert kept["2"] == (f"{SNAPSHOT}: {words}",)
    assert kept["1"] == kept["3"] == ()
    (orphan,) = orphans(given.inventory(FIVE[0], FIVE[4], **changes), given.PREFIX)
    assert orphan.kept == (words,)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"protected": True}, "protected from deregistration"),
        ({"tags": {"aws:backup:source-resource": "arn:aws:ec2:::instance/i-1"}}, "made by AWS Backup"),
        ({"tags": {"Ec2ImageBuilderArn": "arn:aws:imagebuilder:::image/x"}}, "made by EC2 Image Builder"),
    ],
)
def test_an_image_that_aws_would_keep_or_that_a_service_made_stays(changes: dict[str, Any], words: str) -> None:
    """It says why, and nothing is tried."""
    found = verdicts(given.inventory(replace(FIVE[0], **changes), FIVE[4]), given.PREFIX, 1)
    assert found[-1].kept == (words,)


def test_an_image_of_which_nobody_may_ask_who_uses_it_stays() -> None:
    """What cannot be asked is said, and keeps; the others go."""
    inventory = given.inventory(*FIVE, unasked={FIVE[1].id: "UnauthorizedOperation"})
    assert going(inventory) == ["4", "3", "1"]


def test_what_is_left_of_an_image_in_the_recycle_bin_stays() -> None:
    """It may come back, but not without its snapshots; where nobody may ask, any image may."""
    inventory = given.inventory(FIVE[4], made=(given.snapshot(2), given.snapshot(3)))
    binned = orphans(replace(inventory, binned=frozenset({FIVE[1].id})), given.PREFIX)
    assert [one.kept for one in binned] == [(f"{FIVE[1].id} is in the Recycle Bin, and may come back",), ()]
    unknown = orphans(replace(inventory, binned=None), given.PREFIX)
    assert [bool(one.kept) for one in unknown] == [True, True]
    assert not any(one.snapshots for one in verdicts(given.inventory(*FIVE, binned=None), given.PREFIX, 1))


# ---- any state of the account

_NUMBERS = st.integers(1, 6)
_STATES = st.sampled_from(["available", "available", "pending", "failed", "disabled"])
_REFERENCES = st.sampled_from(["$Latest", "$Default", "1", "2", "3"])


@st.composite
def _usages(draw: st.DrawFn, account: str) -> AccountUsage:
    templates = tuple(
        given.template(*versions, default=draw(st.integers(1, len(versions))), name=name)
        for name in ("lt", "other")
        if (versions := draw(st.lists(_NUMBERS, max_size=3)))
    )
    groups = tuple(_group(draw, name) for name in draw(st.lists(st.sampled_from("ab"), unique=True)))
    instances = tuple(given.launched(one, one, "a") for one in draw(st.lists(_NUMBERS, max_size=2)))
    return AccountUsage(account, groups, templates, launched=instances)


def _group(draw: st.DrawFn, name: str) -> GroupProbed:
    own = given.use(draw(_REFERENCES), draw(st.sampled_from(["lt", "other", "gone"])))
    override = Override(
        template=given.use(draw(_REFERENCES), "other", "override 1") if draw(st.booleans()) else None,
        instance_type=None,
        image_id=f"ami-{draw(_NUMBERS):08x}" if draw(st.booleans()) else None,
        weight=None,
    )
    return given.group(override, name=name, of=own)


@st.composite
def _inventories(draw: st.DrawFn) -> Inventory:
    images = tuple(given.image(number, state=draw(_STATES)) for number in range(1, 7))
    rollouts = [build.record(ami=f"ami-{draw(_NUMBERS):08x}", groups=(_before(draw),))] if draw(st.booleans()) else []
    shared = {
        one.id: Permissions(frozenset(draw(st.lists(st.sampled_from([given.OTHER, "3" * 12]))))) for one in images
    }
    usages = (draw(_usages(given.ACCOUNT)), draw(_usages(given.OTHER)))
    return given.inventory(*images, usages=usages, rollouts=tuple(rollouts), shared=shared)


def _before(draw: st.DrawFn) -> NodeGroup:
    return NodeGroup("g", (Source(given.use(), draw(st.integers(1, 3))),))


def _used(inventory: Inventory) -> Iterator[str]:
    """Every image that something would launch or was launched from, told without the words of the listing."""
    templates = [one for usage in inventory.usages for one in usage.templates]
    for usage in inventory.usages:
        images = {(one.id, version.number): version.image_id for one in usage.templates for version in one.versions}
        heads = {one.id: {"$Latest": one.latest, "$Default": one.default} for one in usage.templates}
        for group in usage.groups:
            uses = [group.template, *(one.template for one in group.overrides)]
            for use in filter(None, uses):
                number = heads.get(use.template_id, {}).get(use.reference, use.reference)
                yield str(images.get((use.template_id, int(number) if str(number).isdecimal() else 0)))
            yield from (one.image_id or "" for one in group.overrides)
        yield from (one.image for one in usage.launched)
        yield from (str(images.get((one, number))) for one, named in heads.items() for number in named.values())
    for rollout in inventory.rollouts:
        yield rollout.plan.ami
        before = [(one.use.template_id, one.version) for group in rollout.plan.groups for one in group.sources]
        yield from (
            str(version.image_id) for one in templates for version in one.versions if (one.id, version.number) in before
        )


@examples(_inventories(), st.integers(1, 3))
def test_nothing_that_is_used_is_ever_pruned(inventory: Inventory, keep: int) -> None:
    """Everything that groups, templates, instances, rollouts and other accounts use stays, and so do the newest."""
    gone = {one.image.id for one in verdicts(inventory, given.PREFIX, keep) if not one.kept}
    assert gone.isdisjoint(_used(inventory))
    newest = [one.id for one in inventory.images if one.state == "available"][:keep]
    assert gone.isdisjoint(newest)
    assert gone.isdisjoint(one for one, who in inventory.shared.items() if "3" * 12 in who.accounts)


@examples(_inventories(), st.integers(1, 3))
def test_no_snapshot_goes_that_a_remaining_image_is_made_of(inventory: Inventory, keep: int) -> None:
    """Not even where images share one, and what is left behind by none is no orphan."""
    shared = tuple(replace(one, disks=inventory.images[index // 2].disks) for index, one in enumerate(inventory.images))
    found = verdicts(replace(inventory, images=shared), given.PREFIX, keep)
    gone = {snapshot for one in found for snapshot in one.snapshots}
    assert gone.isdisjoint(snapshot for one in found if one.kept for snapshot in one.image.snapshots)


# ---- removing


def pruner(account: given.Account, *then: AccountUsage) -> Pruner:
    """Prunes to the newest one; `then`: what the account is at each further look, the last one from then on."""
    looks = iter(then)
    usage = OWN

    def look(_ami: str | None) -> Inventory:
        nonlocal usage
        usage = next(looks, usage)
        return seen(account, usage)

    return Pruner(account, look, lambda: None, given.PREFIX, 1)


def seen(account: given.Account, usage: AccountUsage = OWN) -> Inventory:
    """What is read of an account now."""
    return given.inventory(*account.images, made=tuple(account.made), usages=(usage,), binned=account.binned)


def account(*images: Image, **failing: Exception) -> given.Account:
    """An account with these images and the snapshots of all five."""
    made = [given.snapshot(number) for number in range(1, 6)]
    return given.Account(list(images), made, {name.replace("_", "-"): error for name, error in failing.items()})


def test_the_oldest_goes_first_and_snapshots_last() -> None:
    """Images first: by the time their snapshots go, it shows whether one of them may come back."""
    ours = account(*FIVE[2:])
    told = [one.line for one in pruner(ours).prune()]
    assert ours.removed[:4] == ["ami-00000003", "ami-00000004", "snap-00000003", "snap-00000004"]
    assert told[0] == "ami-00000003 (eks-model-3) is deregistered"
    assert told[2] == "snap-00000003 (of ami-00000003) is deleted"


def test_snapshots_of_an_image_that_went_into_the_recycle_bin_stay_until_it_left() -> None:
    """A rule of the account's may keep what is deregistered; the next run finds the snapshot when that has ended."""
    ours = account(*FIVE[3:])
    ours.retained = frozenset({FIVE[3].id})
    told = list(pruner(ours).prune())
    words = f"snap-00000004 (of {FIVE[3].id}) stays: {FIVE[3].id} is in the Recycle Bin, and may come back"
    assert Told(words) in told
    assert "snap-00000004" not in ours.removed
    ours.binned = frozenset()
    assert Told(f"snap-00000004 (left behind by {FIVE[3].id}) is deleted") in list(pruner(ours).prune())


def test_no_snapshot_goes_where_nobody_may_ask_what_is_in_the_recycle_bin() -> None:
    """The images go; what they are made of stays, and says why."""
    ours = account(*FIVE[3:])
    ours.binned = None
    told = list(pruner(ours).prune())
    assert ours.removed == [FIVE[3].id]
    assert all("from the Recycle Bin is not known" in one.line for one in told[1:])


def test_a_snapshot_that_was_given_a_use_meanwhile_stays() -> None:
    """The look before the snapshots counts: a template that was made since names it."""
    ours = account(*FIVE[3:])
    named = replace(OWN, mapped={"snap-00000004": ("template new 1",)})
    told = [one.line for one in pruner(ours, OWN, OWN, named).prune()]
    assert "snap-00000004 (of ami-00000004) stays: named by template new 1" in told
    assert "snap-00000004" not in ours.removed


def test_two_at_once_leave_what_one_would_have_left() -> None:
    """However their steps mingle: nothing is trouble, and the newest stays with its snapshot."""
    for turns in range(2, 9):
        ours = account(*FIVE)
        one, other = pruner(ours).prune(), pruner(ours).prune()
        told = [*islice(one, turns), *other, *one]
        assert not any(each.left for each in told)
        assert [one.id for one in ours.images] == [FIVE[4].id]
        assert [one.id for one in ours.made] == ["snap-00000005"]


def test_wherever_it_is_killed_the_next_run_ends_it() -> None:
    """After each number of steps."""
    for steps in range(8):
        ours = account(*FIVE)
        list(islice(pruner(ours).prune(), steps))
        assert not any(one.left for one in pruner(ours).prune())
        assert [one.id for one in ours.images] == [FIVE[4].id]
        assert [one.id for one in ours.made] == ["snap-00000005"]


def test_what_an_earlier_run_left_behind_goes_too() -> None:
    """Snapshots whose image is gone already are found again, and deleted last."""
    ours = account(*FIVE[3:])
    told = list(pruner(ours).prune())
    assert ours.removed == ["ami-00000004", "snap-00000004", "snap-00000001", "snap-00000002", "snap-00000003"]
    assert told[-1] == Told("snap-00000003 (left behind by ami-00000003) is deleted")


def test_an_image_that_is_needed_meanwhile_stays() -> None:
    """The look right before each removal counts, not the one that was shown."""
    ours = account(*FIVE)
    needed = replace(OWN, launched=(given.launched(1, 2),))
    told = [one.line for one in pruner(ours, OWN, OWN, needed).prune()]
    assert "ami-00000002" not in ours.removed
    assert "snap-00000002" not in ours.removed
    assert "ami-00000002 stays: instance i-1" in told


def test_a_look_that_fails_ends_it() -> None:
    """What cannot be read any more is an end, with nothing removed after it."""
    ours = account(*FIVE)
    looks = iter([given.inventory(*FIVE), given.inventory(*FIVE)])

    def look(_ami: str | None) -> Inventory:
        for one in looks:
            return one
        raise Refused("DescribeAutoScalingGroups: AccessDenied")

    with pytest.raises(Refused, match="AccessDenied"):
        list(Pruner(ours, look, lambda: None, given.PREFIX, 1).prune())
    assert ours.removed == ["ami-00000001"]


def test_an_image_that_somebody_else_removed_is_said() -> None:
    """Gone is what was wanted."""
    ours = account(FIVE[0], FIVE[4])
    first = iter([given.inventory(FIVE[0], FIVE[4])])
    told = Pruner(ours, lambda _: next(first, given.inventory(FIVE[4])), lambda: None, given.PREFIX, 1).prune()
    assert [one.line for one in told] == ["ami-00000001 is gone already"]


@pytest.mark.parametrize("error", [Refused("DeregisterImage: OperationNotPermitted: protected"), Retry("throttled")])
def test_a_refusal_is_told_and_the_rest_goes_on(error: Exception) -> None:
    """The image stays with its snapshots and a reason; the next one is tried."""
    ours = account(*FIVE[2:], ami_00000003=error)
    told = list(pruner(ours).prune())
    assert told[0] == Told(f"ami-00000003 (eks-model-3) stays: {error}", left=True)
    assert "snap-00000003" not in ours.removed
    assert "ami-00000004" in ours.removed


def test_a_lost_answer_is_looked_after() -> None:
    """Where the image is not seen to go, the run says so and takes no snapshot: the next run looks again."""
    ours = account(*FIVE[3:], ami_00000004=Unknown("timeout"))
    told = list(pruner(ours).prune())
    assert told[0] == Told("ami-00000004 (eks-model-4) is still there: run the same command again", left=True)
    assert "snap-00000004" not in ours.removed


def test_a_lost_answer_of_a_removal_that_happened_is_no_trouble() -> None:
    """A removal counts as done when it is observed, even if its answer was lost."""
    ours = account(*FIVE[3:])
    remove = ours.deregister

    def lost(ami: str) -> None:
        remove(ami)
        raise Unknown("timeout")

    ours.deregister = lost  # type: ignore[method-assign]
    told = list(pruner(ours).prune())
    assert told[:2] == [
        Told("ami-00000004 (eks-model-4) is deregistered"),
        Told("snap-00000004 (of ami-00000004) is deleted"),
    ]


def test_a_thing_that_goes_slowly_is_waited_for() -> None:
    """Between two looks at it there is a pause."""
    ours = account(*FIVE[3:])
    pauses: list[None] = []
    shown = iter([FIVE[3], FIVE[3]])

    def image(ami: str) -> Image | None:
        return next(shown, None)

    ours.image = image  # type: ignore[method-assign]
    inventory = given.inventory(*FIVE[3:])
    prune = Pruner(ours, lambda _: inventory, lambda: pauses.append(None), given.PREFIX, 1).prune()
    assert next(prune) == Told("ami-00000004 (eks-model-4) is deregistered")
    assert len(pauses) == 2
