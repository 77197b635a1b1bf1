"""Effects are values with keys, and each asks the world whether it landed."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any, get_args

import pytest

from rollout.effects import Base, Effect, OnGroup, OnNode
from rollout.plan import Sizes
from rollout.seen import AutoscalerSeen, MarkerSeen, Seen, Taint
from tests.core.build import (
    MARKER,
    NOW,
    OFF,
    ON,
    PROCESSES,
    found,
    new,
    node,
    old,
    ours_of,
    pinned,
    pod,
    seen,
    surged,
    template,
)
from tests.samples import (
    ALL,
    AT_ONCE,
    CORDON,
    DEFAULT,
    DELETE,
    END,
    END_JOB,
    EVICT,
    HOLD,
    MARK,
    ON_O1,
    PROTECT,
    REBALANCE,
    REFERENCE,
    REMARK,
    RESIZE,
    RESUME,
    START,
    STOP,
    SUSPEND,
    TAINT,
    UNCORDON,
    UNHOLD,
    UNMARK,
    UNPROTECT,
    UNTAINT,
    VERSION,
)

LESS_ONE = Sizes(3, 3, 4)
WITHOUT_O1 = (old("o2"), new("n1"), new("n2"))
LEAVING = (old("o1", lifecycle="Terminating"), *WITHOUT_O1)
REMADE = node("o1", uid="another")


def case(name: str, effect: Effect, world: Seen, landed: bool | None) -> Any:  # noqa: FBT001 - a column of a table
    return pytest.param(effect, world, landed, id=f"{effect.kind}: {name}")


@pytest.mark.parametrize(
    ("effect", "world", "landed"),
    [
        case("ours", MARK, seen(marker=MARKER), True),
        case("none", MARK, seen(marker=None), False),
        case("somebody else's", MARK, seen(marker=MarkerSeen("r2", "x")), False),
        case("says so", REMARK, seen(marker=replace(MARKER, mark=REMARK.mark)), True),
        case("says something else", REMARK, seen(marker=MARKER), False),
        case("none", REMARK, seen(marker=None), False),
        case("gone", UNMARK, seen(marker=None), True),
        case("another one since", UNMARK, seen(marker=MarkerSeen("r2", "x")), True),
        case("still there", UNMARK, seen(marker=MARKER), False),
        case("at 0 with our note", STOP, seen(autoscaler=OFF), True),
        case("at 0 without it", STOP, seen(autoscaler=replace(OFF, rollout_id=None)), False),
        case("our note, but scaled up again", STOP, seen(autoscaler=replace(OFF, replicas=1)), False),
        case("deleted", STOP, seen(autoscaler=None), False),
        case("our note is gone", START, seen(autoscaler=ON), True),
        case("whatever its replicas", START, seen(autoscaler=AutoscalerSeen(0, None, None)), True),
        case("our note still there", START, seen(autoscaler=replace(OFF, replicas=1)), False),
        case("held with our note", HOLD, seen(node("o1")), True),
        case("held by somebody else", HOLD, seen(node("o1", held_before=None)), False),
        case("not held", HOLD, seen(node("o1", held="false")), False),
        case("our note is gone", UNHOLD, seen(node("o1", held=None, held_before=None)), True),
        case("our note is there", UNHOLD, seen(node("o1", held=None)), False),
        case("there", TAINT, seen(node("o1", "NoSchedule")), True),
        case("another effect", TAINT, seen(node("o1", "PreferNoSchedule")), False),
        case("another key", TAINT, seen(node("o1", taints=(Taint("x", "", "NoSchedule"),))), False),
        case("gone", UNTAINT, seen(node("o1")), True),
        case("there", UNTAINT, seen(node("o1", "PreferNoSchedule")), False),
        case("unschedulable", CORDON, seen(node("o1", unschedulable=True)), True),
        case("schedulable", CORDON, seen(node("o1")), False),
        case("schedulable", UNCORDON, seen(node("o1")), True),
        case("unschedulable", UNCORDON, seen(node("o1", unschedulable=True)), False),
        case("gone", EVICT, seen(), True),
        case("ends", EVICT, seen(pod(deleting=NOW)), True),
        case("finished", EVICT, seen(pod(phase="Succeeded")), True),
        case("runs", EVICT, seen(pod()), False),
        case("another pod of that name", EVICT, seen(pod(uid="x")), True),
        case("the fresh list counts, not the watch", EVICT, seen(pod(), fresh=("o1",)), False),
        case("gone from the fresh list", EVICT, replace(seen(pod()), fresh={"o1": ()}), True),
        case("ends", DELETE, seen(pod(deleting=NOW)), True),
        case("runs", DELETE, seen(pod()), False),
        case("gone", DELETE, seen(), True),
        case("at once: still ends", AT_ONCE, seen(pod(deleting=NOW)), False),
        case("at once: gone", AT_ONCE, seen(), True),
        case("its pod runs", END_JOB, seen(pod()), False),
        case("its pod ends", END_JOB, seen(pod(deleting=NOW)), True),
        case("its pod has finished", END_JOB, seen(pod(phase="Failed"), fresh=("o1",)), True),
        case("its pod is gone", END_JOB, seen(), True),
        case("there", VERSION, seen(template()), True),
        case("not there", VERSION, seen(template(ours_of(2, description="another"))), False),
        case("moved", DEFAULT, seen(template(default=2)), True),
        case("not moved", DEFAULT, seen(template(default=1)), False),
        case("written", REFERENCE, seen(pinned()), True),
        case("not written", REFERENCE, seen(found()), False),
        case("all of it", RESIZE, seen(surged()), True),
        case("the sizes, not the flag", RESIZE, seen(surged(protect_new=False)), False),
        case("MaxSize only", RESIZE, seen(surged(sizes=Sizes(1, 2, 4))), False),
        case("desired only", RESIZE, seen(surged(sizes=Sizes(1, 4, 9))), False),
        case("what it does not change is not asked for", RESIZE, seen(surged(sizes=Sizes(0, 4, 4))), True),
        case("MinSize", replace(RESIZE, sizes=Sizes(2, 2, 3)), seen(surged(sizes=Sizes(1, 2, 3))), False),
        case("the flag left alone", replace(RESIZE, protect_new=None), seen(surged(protect_new=False)), True),
        case("off", REBALANCE, seen(found()), True),
        case("on", REBALANCE, seen(found(capacity_rebalance=True)), False),
        case("all", SUSPEND, seen(surged()), True),
        case("and more", SUSPEND, seen(surged(suspended=frozenset({*PROCESSES, "Launch"}))), True),
        case("some", SUSPEND, seen(surged(suspended=frozenset(PROCESSES[:1]))), False),
        case("all", RESUME, seen(found()), True),
        case("another is suspended", RESUME, seen(found(suspended=frozenset({"Launch"}))), True),
        case("some", RESUME, seen(found(suspended=frozenset(PROCESSES[:1]))), False),
        case("all", PROTECT, seen(surged()), True),
        case("some", PROTECT, seen(surged(old("o1"), old("o2", protected=False))), False),
        case("one left meanwhile", PROTECT, seen(surged(old("o1"))), True),
        case("one leaves, and takes none", PROTECT, seen(surged(old("o1"), old("o2", protected=False,
             lifecycle="Terminating"))), True),
        case("cleared", UNPROTECT, seen(surged(old("o1", protected=False), old("o2"))), True),
        case("not cleared", UNPROTECT, seen(surged()), False),
        case("leaves, decremented", END, seen(surged(*LEAVING, sizes=LESS_ONE)), True),
        case("gone, decremented", END, seen(surged(*WITHOUT_O1, sizes=LESS_ONE)), True),
        case("there, not decremented", END, seen(surged()), False),
        case("gone, not decremented: by itself", END, seen(surged(*WITHOUT_O1)), False),
        case("leaves, not decremented yet, or by itself", END, seen(surged(*LEAVING)), None),
        case("decremented, still listed as it was", END, seen(surged(sizes=LESS_ONE)), None),
        case("gone, and somebody else changed desired", END, seen(surged(*WITHOUT_O1, sizes=Sizes(1, 9, 9))), None),
    ],
)  # fmt: skip
def test_landed(effect: Effect, world: Seen, landed: bool | None) -> None:  # noqa: FBT001 - a column of a table
    """True: it shows. False: it certainly does not. None: the world does not tell yet."""
    assert effect.landed(world) is landed


@pytest.mark.parametrize("effect", [one for one in ALL if isinstance(one, OnNode)], ids=lambda effect: effect.kind)
def test_a_node_that_is_gone_leaves_nothing_to_send(effect: Effect) -> None:
    """Neither without its node nor on a node made anew is an effect on a node ever sent again."""
    assert effect.landed(seen(surged(), unjoined=("o1",))) is True
    assert effect.landed(seen(REMADE)) is True


def test_the_tables_know_every_kind() -> None:
    """Each kind of effect is in the table above, and its name is its class's."""
    assert {type(effect) for effect in ALL} == set(get_args(Effect))
    for effect in ALL:
        assert effect.kind.replace("-", "") == type(effect).__name__.lower()


def test_keys_are_unique_and_stable() -> None:
    """A key is kind, target and occasion; nothing in it changes between two runs."""
    keys = {effect.key for effect in ALL}
    assert len(keys) == len(ALL)
    assert keys == {replace(effect).key for effect in ALL}
    assert all(effect.key == f"{effect.kind}:{effect.target}:{effect.occasion}" for effect in ALL)
    assert all(replace(effect, occasion="other").key not in keys for effect in ALL)


@pytest.mark.parametrize(
    ("effect", "key"),
    [
        (MARK, "create-marker:marker:"),
        (STOP, "stop-autoscaler:kube-system/cluster-autoscaler:"),
        (replace(TAINT, occasion="close.0"), "taint-node:o1=NoSchedule:close.0"),
        (EVICT, "evict:ns/job-1/uid-job-1:"),
        (AT_ONCE, "delete-pod:ns/job-1/uid-job-1:now"),
        (END_JOB, "delete-job:ns/job/uid-job-1:"),
        (VERSION, "create-version:lt/1:"),
        (DEFAULT, "set-default-version:lt:"),
        (RESIZE, "resize:g:"),
        (PROTECT, "protect:g/i-o1+1=on:"),
        (UNPROTECT, "protect:g/i-o1=off:"),
        (END, "terminate:g/i-o1:"),
    ],
)
def test_keys_as_they_are_stored(effect: Effect, key: str) -> None:
    """A rollout that was begun by an earlier version is resumed by its keys: they must not change."""
    assert effect.key == key


def test_what_must_not_run_beside_others() -> None:
    """Sizes and terminates are sent one by one; absolute values side by side."""
    assert {effect.kind for effect in ALL if effect.serial} == {"resize", "terminate"}


def test_a_resize_writes_only_what_changes() -> None:
    """A field that stays is not written: somebody else may be changing it."""
    assert [RESIZE.changed(name) for name in ("minimum", "desired", "maximum")] == [None, 4, 4]


@pytest.mark.parametrize("effect", ALL, ids=lambda effect: effect.key)
def test_effects_are_frozen_values(effect: Effect) -> None:
    """Equal by content, hashable, not to be changed."""
    assert effect == replace(effect)
    assert hash(effect) == hash(replace(effect))
    with pytest.raises(AttributeError):
        setattr(effect, fields(effect)[0].name, "x")


@pytest.mark.parametrize("base", [Base(), OnNode(**ON_O1), OnGroup(group="g")], ids=lambda base: type(base).__name__)
def test_a_base_is_no_effect(base: Base) -> None:
    """Whoever adds a kind is told what it must say of itself."""
    with pytest.raises(NotImplementedError):
        base.landed(seen(surged(), node("o1")))
