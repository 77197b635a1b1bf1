"""Effects are values with keys, and each asks the world whether it landed."""

from __future__ import annotations

import ast
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, get_args

import pytest

import rollout
from rollout.model.effects import (
    Base,
    Cordon,
    Effect,
    Killed,
    OfJob,
    OnGroup,
    OnNode,
    Protect,
    Resume,
    Suspend,
    Terminate,
    Written,
    digest,
)
from rollout.model.observation import AutoscalerSeen, MarkerSeen, Observation, Taint
from rollout.model.plan import Sizes
from tests import samples as e
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

ROLLOUT = Path(rollout.__file__).parent
LESS_ONE = Sizes(3, 3, 4)
WITHOUT_O1 = (old("o2"), new("n1"), new("n2"))
LEAVING = (old("o1", lifecycle="Terminating"), *WITHOUT_O1)
REMADE = node("o1", uid="another")


def case(name: str, effect: Effect, world: Observation, landed: bool | None) -> Any:  # noqa: FBT001 - a column of a table
    return pytest.param(effect, world, landed, id=f"{effect.kind}: {name}")


@pytest.mark.parametrize(
    ("effect", "world", "landed"),
    [
        case("ours", e.MARK, seen(marker=MARKER), True),
        case("none", e.MARK, seen(marker=None), False),
        case("somebody else's", e.MARK, seen(marker=MarkerSeen("r2", "x")), False),
        case("says so", e.REMARK, seen(marker=replace(MARKER, checkpoint=e.REMARK.mark)), True),
        case("says something else", e.REMARK, seen(marker=MARKER), False),
        case("none", e.REMARK, seen(marker=None), False),
        case("gone", e.UNMARK, seen(marker=None), True),
        case("another one since", e.UNMARK, seen(marker=MarkerSeen("r2", "x")), True),
        case("still there", e.UNMARK, seen(marker=MARKER), False),
        case("at 0 with our note", e.STOP, seen(autoscaler=OFF), True),
        case("at 0 without it", e.STOP, seen(autoscaler=replace(OFF, rollout_id=None)), False),
        case("our note, but scaled up again", e.STOP, seen(autoscaler=replace(OFF, replicas=1)), False),
        case("deleted", e.STOP, seen(autoscaler=None), False),
        case("our note is gone", e.START, seen(autoscaler=ON), True),
        case("any number of replicas", e.START, seen(autoscaler=AutoscalerSeen(4, None, None)), True),
        case("its note is gone, and it is not started", e.START, seen(autoscaler=AutoscalerSeen(0, None, None)), False),
        case("our note still there", e.START, seen(autoscaler=replace(OFF, replicas=1)), False),
        case("disabled with our note", e.DISABLE_SCALE_DOWN, seen(node("o1")), True),
        case("disabled by somebody else", e.DISABLE_SCALE_DOWN, seen(node("o1", scale_down_before=None)), False),
        case("scale-down not disabled", e.DISABLE_SCALE_DOWN, seen(node("o1", scale_down_disabled="false")), False),
        case("our note is gone", e.RESTORE_SCALE_DOWN,
             seen(node("o1", scale_down_disabled=None, scale_down_before=None)), True),
        case("our note is there", e.RESTORE_SCALE_DOWN, seen(node("o1", scale_down_disabled=None)), False),
        case("there", e.TAINT, seen(node("o1", "NoSchedule")), True),
        case("another effect", e.TAINT, seen(node("o1", "PreferNoSchedule")), False),
        case("another key", e.TAINT, seen(node("o1", taints=(Taint("x", "", "NoSchedule"),))), False),
        case("gone", e.UNTAINT, seen(node("o1")), True),
        case("there", e.UNTAINT, seen(node("o1", "PreferNoSchedule")), False),
        case("unschedulable", e.CORDON, seen(node("o1", unschedulable=True)), True),
        case("schedulable", e.CORDON, seen(node("o1")), False),
        case("schedulable", e.UNCORDON, seen(node("o1")), True),
        case("unschedulable", e.UNCORDON, seen(node("o1", unschedulable=True)), False),
        case("gone", e.EVICT, seen(), True),
        case("ends", e.EVICT, seen(pod(deleting=NOW)), True),
        case("finished", e.EVICT, seen(pod(phase="Succeeded")), True),
        case("runs", e.EVICT, seen(pod()), False),
        case("another pod of that name", e.EVICT, seen(pod(uid="x")), True),
        case("the fresh list counts, not the watch", e.EVICT, seen(pod(), fresh=("o1",)), False),
        case("gone from the fresh list", e.EVICT, replace(seen(pod()), fresh={"o1": ()}), True),
        case("ends", e.DELETE, seen(pod(deleting=NOW)), True),
        case("runs", e.DELETE, seen(pod()), False),
        case("gone", e.DELETE, seen(), True),
        case("at once: still ends", e.AT_ONCE, seen(pod(deleting=NOW)), False),
        case("at once: gone", e.AT_ONCE, seen(), True),
        case("its pod runs", e.END_JOB, seen(pod()), False),
        case("its pod ends", e.END_JOB, seen(pod(deleting=NOW)), True),
        case("its pod has finished", e.END_JOB, seen(pod(phase="Failed"), fresh=("o1",)), True),
        case("its pod is gone", e.END_JOB, seen(), True),
        case("there", e.VERSION, seen(template()), True),
        case("not there", e.VERSION, seen(template(ours_of(2, description="another"))), False),
        case("moved", e.DEFAULT, seen(template(default=2)), True),
        case("not moved", e.DEFAULT, seen(template(default=1)), False),
        case("written", e.REFERENCE, seen(pinned()), True),
        case("not written", e.REFERENCE, seen(found()), False),
        case("all of it", e.RESIZE, seen(surged()), True),
        case("the sizes, not the flag", e.RESIZE, seen(surged(protect_new=False)), False),
        case("MaxSize only", e.RESIZE, seen(surged(sizes=Sizes(1, 2, 4))), False),
        case("desired only", e.RESIZE, seen(surged(sizes=Sizes(1, 4, 9))), False),
        case("what it does not change is not asked for", e.RESIZE, seen(surged(sizes=Sizes(0, 4, 4))), True),
        case("MinSize", replace(e.RESIZE, sizes=Sizes(2, 2, 3)), seen(surged(sizes=Sizes(1, 2, 3))), False),
        case("the flag left alone", replace(e.RESIZE, protect_new=None), seen(surged(protect_new=False)), True),
        case("off", e.REBALANCE, seen(found()), True),
        case("on", e.REBALANCE, seen(found(capacity_rebalance=True)), False),
        case("all", e.SUSPEND, seen(surged()), True),
        case("and more", e.SUSPEND, seen(surged(suspended=frozenset({*PROCESSES, "Launch"}))), True),
        case("some", e.SUSPEND, seen(surged(suspended=frozenset(PROCESSES[:1]))), False),
        case("all", e.RESUME, seen(found()), True),
        case("another is suspended", e.RESUME, seen(found(suspended=frozenset({"Launch"}))), True),
        case("some", e.RESUME, seen(found(suspended=frozenset(PROCESSES[:1]))), False),
        case("all", e.PROTECT, seen(surged()), True),
        case("some", e.PROTECT, seen(surged(old("o1"), old("o2", protected=False))), False),
        case("one left in between", e.PROTECT, seen(surged(old("o1"))), True),
        case("one leaves, and takes none", e.PROTECT, seen(surged(old("o1"), old("o2", protected=False,
             lifecycle="Terminating"))), True),
        case("cleared", e.UNPROTECT, seen(surged(old("o1", protected=False), old("o2"))), True),
        case("not cleared", e.UNPROTECT, seen(surged()), False),
        case("leaves, decremented", e.END, seen(surged(*LEAVING, sizes=LESS_ONE)), True),
        case("gone, decremented", e.END, seen(surged(*WITHOUT_O1, sizes=LESS_ONE)), True),
        case("there, not decremented", e.END, seen(surged()), False),
        case("gone, not decremented: by itself", e.END, seen(surged(*WITHOUT_O1)), False),
        case("leaves, not decremented yet, or by itself", e.END, seen(surged(*LEAVING)), None),
        case("decremented, still listed as it was", e.END, seen(surged(sizes=LESS_ONE)), None),
        case("gone, and somebody else changed desired", e.END, seen(surged(*WITHOUT_O1, sizes=Sizes(1, 9, 9))), None),
    ],
)  # fmt: skip
def test_landed(effect: Effect, world: Observation, landed: bool | None) -> None:  # noqa: FBT001 - a column of a table
    """True: it shows. False: it certainly does not. None: the world does not tell yet."""
    assert effect.landed(world) is landed


@pytest.mark.parametrize("effect", [one for one in e.ALL if isinstance(one, OnNode)], ids=lambda effect: effect.kind)
def test_a_node_that_is_gone_leaves_nothing_to_send(effect: Effect) -> None:
    """An effect on a node is never sent again once the node is gone, or another node has its name."""
    assert effect.landed(seen(surged(), unjoined=("o1",))) is True
    assert effect.landed(seen(REMADE)) is True


def test_an_effect_on_one_of_two_nodes_of_an_instance_is_seen_on_that_one() -> None:
    """Another Node object of the same instance does not stand for it."""
    cordon = Cordon(node="o1", uid="uid-o1", instance_id="i-o1")
    stale = node("a", instance_id="i-o1", ready=False, unschedulable=True)
    assert cordon.landed(seen(surged(), node("o1"), stale)) is False
    assert cordon.landed(seen(surged(), node("o1", unschedulable=True), replace(stale, unschedulable=False))) is True


def test_the_tables_know_every_kind() -> None:
    """Each kind of effect is in the table above, and its name is its class's, but for two that journals store."""
    stored = {"hold-node": "disablescaledown", "unhold-node": "restorescaledown"}
    assert {type(effect) for effect in e.ALL} == set(get_args(Effect))
    for effect in e.ALL:
        assert stored.get(effect.kind, effect.kind.replace("-", "")) == type(effect).__name__.lower()


def test_keys_are_unique_and_stable() -> None:
    """A key is kind, target and occasion; nothing in it changes between two runs."""
    keys = {effect.key for effect in e.ALL}
    assert len(keys) == len(e.ALL)
    assert keys == {replace(effect).key for effect in e.ALL}
    assert all(effect.key.startswith(f"{effect.kind}:{effect.target}:") for effect in e.ALL)
    assert all(replace(effect, occasion="x").key.endswith(":x") for effect in e.ALL)
    assert all(replace(effect, occasion="other").key not in keys for effect in e.ALL)


@pytest.mark.parametrize(
    ("effect", "key"),
    [
        (e.MARK, "create-marker:marker:"),
        (e.STOP, "stop-autoscaler:kube-system/cluster-autoscaler:"),
        (replace(e.TAINT, occasion="close.0"), "taint-node:o1=NoSchedule:uid-o1:close.0"),
        (e.EVICT, "evict:ns/job-1/uid-job-1:"),
        (e.AT_ONCE, "delete-pod:ns/job-1/uid-job-1:now"),
        (e.END_JOB, "delete-job:ns/job/uid-job-1:"),
        (e.VERSION, "create-version:lt/1:"),
        (e.DEFAULT, "set-default-version:lt:"),
        (e.RESIZE, "resize:g:"),
        (replace(e.TAINT, by="name", occasion="close.0"), "taint-node:o1=NoSchedule:close.0"),
        (e.PROTECT, f"protect:g/i-o1+1=on:{digest(('i-o1', 'i-o2'))}:"),
        (replace(e.PROTECT, by="first"), "protect:g/i-o1+1=on:"),
        (e.UNPROTECT, "protect:g/i-o1=off:"),
        (e.END, "terminate:g/i-o1:"),
    ],
)
def test_keys_as_they_are_stored(effect: Effect, key: str) -> None:
    """A rollout that was begun by an earlier version is resumed by its keys: they must not change."""
    assert effect.key == key


@pytest.mark.parametrize("effect", [one for one in e.ALL if isinstance(one, OnNode)], ids=lambda effect: effect.kind)
def test_a_node_of_the_same_name_is_another_thing(effect: OnNode) -> None:
    """What was done to a node is not taken for done on the next node of that name."""
    assert replace(effect, uid="another").key != effect.key


def test_a_batch_with_other_members_is_another_thing() -> None:
    """Two batches that begin with one instance and are of one size have two keys."""
    assert replace(e.PROTECT, instance_ids=("i-o1", "i-o3")).key != e.PROTECT.key


def test_what_must_not_run_beside_others() -> None:
    """Sizes and terminates are sent one by one; absolute values side by side."""
    assert {effect.kind for effect in e.ALL if effect.serial} == {"resize", "terminate"}


@pytest.mark.parametrize("newer", e.ALL, ids=lambda effect: effect.key)
@pytest.mark.parametrize("older", e.ALL, ids=lambda effect: effect.key)
def test_what_undoes_what(older: Effect, newer: Effect) -> None:
    """A late request undoes a newer one where both write one field, with other values, and nothing guards it."""
    shared = older.writes.keys() & newer.writes.keys()
    differ = any(older.writes[field] != newer.writes[field] for field in shared)
    relative = isinstance(older, Terminate) and bool(shared)
    assert older.undoes(newer) is (not older.guarded and (differ or relative))


def test_what_cannot_be_taken_back() -> None:
    """An instance and a pod that somebody protects do not come back; nor does one that is deleted past its budget."""
    assert {effect.kind for effect in e.ALL if effect.irreversible} == {"terminate", "delete-pod", "delete-job"}
    assert replace(e.EVICT, kills="ns/job").irreversible


def test_what_harms() -> None:
    """A cordon, and all that ends an instance or a pod, takes something from somebody."""
    harming = {"cordon", "evict", "delete-pod", "delete-job", "terminate"}
    assert {effect.kind for effect in e.ALL if effect.harms} == harming
    assert {effect.kind for effect in e.ALL if not effect.absolute} == {"terminate"}


def test_who_loses_a_pod() -> None:
    """A pod that nobody protects has no loser; a Job that is deleted loses all its pods."""
    assert (e.EVICT.victims(), e.TAINT.victims()) == ((), ())
    assert replace(e.EVICT, kills="ns/job").victims() == (Killed("ns/job", "ns/job-1", "uid-job-1", "o1"),)
    assert replace(e.END_JOB, pods=(OfJob("job-1", "u1", "o1"), OfJob("job-2", "u2", "n1"))).victims() == (
        Killed("ns/job", "ns/job-1", "u1", "o1"),
        Killed("ns/job", "ns/job-2", "u2", "n1"),
    )
    assert e.END_JOB.victims() == (Killed("ns/job", "uid-job-1", "uid-job-1", "o1"),)  # as an earlier version saved it


@pytest.mark.parametrize(
    ("effect", "left"),
    [
        (e.RESIZE, Written(desired=4, maximum=4, found_maximum=3, protect_new=True)),
        (e.END, Written(desired=3)),
        (e.REBALANCE, Written(capacity_rebalance=False)),
        (e.SUSPEND, Written(suspended=frozenset(e.SUSPEND.processes))),
        (e.RESUME, Written(resumed=frozenset(e.RESUME.processes))),
        (e.PROTECT, Written(protection={"i-o1": True, "i-o2": True})),
        (e.UNPROTECT, Written(protection={"i-o1": False}, found_protected=frozenset({"i-o1"}))),
        (e.TAINT, None),
    ],
    ids=lambda one: getattr(one, "kind", ""),
)
def test_what_an_effect_leaves_of_its_group(effect: Effect, left: Written | None) -> None:
    """Only fields that it changes; what is about no group leaves nothing."""
    assert effect.leaves() == left


def test_what_is_left_by_one_effect_after_another() -> None:
    """The last one counts, field by field and process by process, however they are put together."""
    both = Suspend(group="g", processes=("AZRebalance", "Launch")).leaves()
    one = Resume(group="g", processes=("Launch",)).leaves()
    assert both.then(one) == Written(suspended=frozenset({"AZRebalance"}), resumed=frozenset({"Launch"}))
    assert one.then(both) == both
    first, then, last = e.RESIZE.leaves(), e.END.leaves(), both
    assert first.then(then).then(last) == first.then(then.then(last))
    assert first.then(then) == Written(desired=3, maximum=4, found_maximum=3, protect_new=True)


@pytest.mark.parametrize(
    ("found", "theirs"),
    [
        pytest.param((3, 6), 3, id="ours over ours"),
        pytest.param((3, 5), 5, id="somebody changed ours"),
        pytest.param((4, 6), 4, id="somebody was first"),
    ],
)
def test_the_maximum_that_was_not_ours_is_known(found: tuple[int, int], theirs: int) -> None:
    """It is what stood there before each of our writes, if no write before had left it."""
    first, then = (
        replace(e.RESIZE, before=Sizes(1, 2, before), sizes=Sizes(1, 4, after)).leaves()
        for before, after in zip(found, (6, 8), strict=True)
    )
    assert first.then(then).then(e.END.leaves()).found_maximum == theirs


def test_the_first_request_for_an_instance_tells_whose_its_protection_was() -> None:
    """Ours where it put protection on; who had it before is not forgotten when it is put back."""
    on, off = Protect(group="g", instance_ids=("i-o1",), protected=True), e.UNPROTECT
    ours = on.leaves().then(off.leaves()).then(on.leaves())
    assert (ours.protection, ours.found_protected) == ({"i-o1": True}, frozenset())
    theirs = off.leaves().then(on.leaves())
    assert (theirs.protection, theirs.found_protected) == ({"i-o1": True}, frozenset({"i-o1"}))


def test_batches_are_as_large_as_aws_takes() -> None:
    """Each instance is in one of them; without instances there is none."""
    ids = [f"i-{number}" for number in range(101)]
    some = list(Protect.batches("g", ids, "0", protected=False))
    assert [len(one.instance_ids) for one in some] == [50, 50, 1]
    assert [name for one in some for name in one.instance_ids] == ids
    assert {(one.group, one.occasion, one.protected) for one in some} == {("g", "0", False)}
    assert not list(Protect.batches("g", [], "0"))


def test_only_sending_goes_through_the_kinds() -> None:
    """A new kind touches its record, the union, `perform` and a port: nobody else asks for three kinds or more.

    The demo's judge does, and names by itself what each one changes: what it judges it does not ask.
    """
    kinds = {type(effect).__name__ for effect in e.ALL}

    def asks(node: ast.AST) -> bool:
        asked = isinstance(node, ast.Match) or (isinstance(node, ast.Call) and ast.unparse(node.func) == "isinstance")
        names = (getattr(one, "attr", getattr(one, "id", "")) for one in ast.walk(node)) if asked else ()
        return len(kinds.intersection(names)) > 2

    files = [file for file in ROLLOUT.rglob("*.py") if file.parent.name != "effects"]
    asking = {file.name for file in files if any(map(asks, ast.walk(ast.parse(file.read_text()))))}
    assert asking == {"send.py", "journal_promises.py"}


def test_every_kind_says_what_it_writes() -> None:
    """Each kind writes something; what sets a field and what gives it back name the same field."""
    assert all(effect.writes for effect in e.ALL)
    for one, other in ((e.MARK, e.UNMARK), (e.STOP, e.START), (e.DISABLE_SCALE_DOWN, e.RESTORE_SCALE_DOWN),
    (e.TAINT, e.UNTAINT),
                       (e.CORDON, e.UNCORDON), (e.SUSPEND, e.RESUME)):  # fmt: skip
        assert one.writes.keys() == other.writes.keys()
        assert all(one.writes[field] != other.writes[field] for field in one.writes)
    assert e.PROTECT.undoes(e.UNPROTECT)
    assert e.UNPROTECT.undoes(e.PROTECT)
    assert e.RESIZE.undoes(e.END)
    assert e.END.undoes(e.RESIZE)
    assert e.END.undoes(e.END)


def test_another_request_under_one_key_is_not_forgotten() -> None:
    """What else an older request of the same key writes would still be written when it arrives."""
    assert e.RESIZE.undoes(replace(e.RESIZE, protect_new=None))
    assert not e.RESIZE.undoes(replace(e.RESIZE, protect_new=None, occasion="another"))


def test_a_resize_writes_only_what_changes() -> None:
    """A field that stays is not written: somebody else may be changing it."""
    assert [e.RESIZE.changed(name) for name in ("minimum", "desired", "maximum")] == [None, 4, 4]


@pytest.mark.parametrize("effect", e.ALL, ids=lambda effect: effect.key)
def test_effects_are_frozen_values(effect: Effect) -> None:
    """Equal by content, hashable, not to be changed."""
    assert effect == replace(effect)
    assert hash(effect) == hash(replace(effect))
    with pytest.raises(AttributeError):
        setattr(effect, fields(effect)[0].name, "x")


@pytest.mark.parametrize("base", [Base(), OnNode(**e.ON_O1), OnGroup(group="g")], ids=lambda base: type(base).__name__)
def test_a_base_is_no_effect(base: Base) -> None:
    """An error tells the author of a new kind what the kind must say of itself."""
    with pytest.raises(NotImplementedError):
        base.landed(seen(surged(), node("o1")))
    with pytest.raises(NotImplementedError):
        _ = base.writes
