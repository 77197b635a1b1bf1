from __future__ import annotations

import json
from typing import Any

import pytest

from eks_simulator.clock import VirtualClock
from eks_simulator.kube.errors import ApiError
from eks_simulator.kube.store import Store
from eks_simulator.log import ChangeLog

Object = dict[str, Any]


@pytest.fixture
def store() -> Store:
    """A store with nothing in it but namespaces, and a log that begins here."""
    clock = VirtualClock(1767600000.0)
    made = Store(clock, ChangeLog(clock))
    made.log.changes.clear()
    return made


def pod(name: str, *, node: str = "n", owner: Object | None = None, **meta: Any) -> Object:
    if owner:
        reference = {
            "apiVersion": "v1",
            "kind": "X",
            "name": owner["metadata"]["name"],
            "uid": owner["metadata"]["uid"],
        }
        meta["ownerReferences"] = [reference | {"controller": True, "blockOwnerDeletion": True}]
    return {"metadata": {"name": name, **meta}, "spec": {"nodeName": node} if node else {}}


def job(store: Store) -> Object:
    return store.create("jobs", {"metadata": {"name": "j"}, "spec": {}})


def changes(store: Store) -> list[tuple[str, str, Any, Any]]:
    return [(one.object, one.field, one.before, one.after) for one in store.log.changes]


def put(path: str, value: Any) -> Any:
    """A change that sets one field."""
    *parents, last = path.split(".")

    def change(obj: Object) -> None:
        for name in parents:
            obj = obj.setdefault(name, {})
        obj[last] = value

    return change


def test_created_object_is_completed(store: Store) -> None:
    """A new object gets a UID, a creation time of the virtual clock and the next version; what was given stays."""
    given = {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "p"}, "spec": {"nodeName": "n"}}
    before = store.resource_version
    made = store.create("pods", given)
    assert made["metadata"]["namespace"] == "default"
    assert made["metadata"]["creationTimestamp"] == "2026-01-05T08:00:00Z"
    assert made["metadata"]["resourceVersion"] == str(before + 1) == str(store.resource_version)
    assert made["status"]["phase"] == "Pending"
    assert "kind" not in made
    assert given["metadata"] == {"name": "p"}


def test_names_do_not_depend_on_what_else_happens(store: Store) -> None:
    """The second name generated for a prefix is the same, no matter what was created in between."""
    clock = VirtualClock(0)
    other = Store(clock, ChangeLog(clock))
    first = [store.create("pods", pod("", generateName="a-"))["metadata"]["name"] for _ in range(2)]
    second = []
    for number in range(2):
        other.create("pods", pod(f"noise-{number}"))
        second.append(other.create("pods", pod("", generateName="a-"))["metadata"]["name"])
    assert first == second
    assert len(set(first)) == 2


def test_stored_state_never_changes(store: Store) -> None:
    """A reader that holds an object keeps the state as it was; a write makes another."""
    old = store.create("nodes", {"metadata": {"name": "n"}})
    new = store.mutate("nodes", None, "n", put("spec.unschedulable", True))
    assert old["spec"] == {}
    assert new["spec"] == {"unschedulable": True}
    assert store.get("nodes", None, "n") is new


def test_json_is_made_once(store: Store) -> None:
    """The JSON of a state is made when it is first asked for, and never again."""
    store.create("nodes", {"metadata": {"name": "n"}})
    (listed,) = store.revisions("nodes")
    found = store.revision("nodes", None, "n")
    assert found
    assert found.body is listed.body
    assert found.whole is listed.whole
    assert json.loads(found.whole) == {"kind": "Node", "apiVersion": "v1"} | json.loads(found.body)


def test_no_change_no_version(store: Store) -> None:
    """A change that alters nothing gives no version, no line in the log, and is told to nobody."""
    store.create("nodes", {"metadata": {"name": "n"}})
    version, lines, told = store.resource_version, len(store.log.changes), []
    store.on("nodes", lambda *event: told.append(event))
    store.mutate("nodes", None, "n", put("spec.unschedulable", False))
    store.mutate("nodes", None, "n", put("metadata.annotations", {}))
    assert (store.resource_version, len(store.log.changes), told) == (version, lines, [])


def test_log_names_leaves(store: Store) -> None:
    """The log names each leaf that changed, lists as a whole, and nothing of the server's own bookkeeping."""
    store.create("nodes", {"metadata": {"name": "n", "annotations": {"a.b/c": "1"}}})
    taints = [{"key": "k", "effect": "NoSchedule"}]

    def change(node: Object) -> None:
        node["spec"] = {"taints": taints, "unschedulable": True}
        node["metadata"]["annotations"] = {"d": "2"}

    store.mutate("nodes", None, "n", change)
    store.delete("nodes", None, "n")
    assert changes(store) == [
        ("node/n", "exists", False, True),
        ("node/n", "metadata.annotations.a.b/c", "1", None),
        ("node/n", "metadata.annotations.d", None, "2"),
        ("node/n", "spec.taints", None, taints),
        ("node/n", "spec.unschedulable", None, True),
        ("node/n", "exists", True, False),
    ]


def test_generation_follows_the_spec(store: Store) -> None:
    """A Deployment's generation counts the changes of its spec, not those of its status."""
    store.create("deployments", {"metadata": {"name": "d"}, "spec": {"replicas": 1}})
    store.mutate("deployments", "default", "d", put("status.replicas", 1))
    after = store.mutate("deployments", "default", "d", put("spec.replicas", 0))
    assert after["metadata"]["generation"] == 2


def test_pods_are_found_by_node(store: Store) -> None:
    """The pods of a node are those bound to it now."""
    store.create("pods", pod("b"))
    store.create("pods", pod("a"))
    store.create("pods", pod("late", node=""))
    assert [one["metadata"]["name"] for one in store.pods_on("n")] == ["a", "b"]
    store.mutate("pods", "default", "late", put("spec.nodeName", "n"))
    store.delete("pods", "default", "a", grace=0)
    assert [one["metadata"]["name"] for one in store.pods_on("n")] == ["b", "late"]
    assert store.pods_on("other") == []


def test_lists_are_ordered_and_narrowed(store: Store) -> None:
    """A list is in the order of namespace and name; a namespace that begins like another is not mixed with it."""
    for namespace, name in (("b", "1"), ("a", "2"), ("a-b", "3"), ("a", "1")):
        store.create("pods", pod(name, namespace=namespace, labels={"n": name, "x": "y"}))
    keys = [(one["metadata"]["namespace"], one["metadata"]["name"]) for one in store.list("pods")]
    assert keys == [("a", "1"), ("a", "2"), ("a-b", "3"), ("b", "1")]
    assert [one["metadata"]["name"] for one in store.list("pods", "a")] == ["1", "2"]
    assert len(store.list("pods", labels={"n": "1", "x": "y"})) == 2


def test_writes_of_hooks_are_told_in_order(store: Store) -> None:
    """What a hook writes is told to all after the write that it answers, so that everybody sees one history."""
    seen: list[str] = []

    def answer(event: str, obj: Object, _before: Object | None) -> None:
        if event == "ADDED":
            store.mutate("pods", "default", obj["metadata"]["name"], put("status.phase", "Running"))

    store.on("pods", answer)
    store.on("pods", lambda event, obj, _before: seen.append(f"{event} {obj['status']['phase']}"))
    store.create("pods", pod("p"))
    assert seen == ["ADDED Pending", "MODIFIED Running"]


def test_missing_objects_are_refused(store: Store) -> None:
    """A write to what is not there is 404; a kubelet that removes what is gone is content."""
    with pytest.raises(ApiError, match='pods "p" not found'):
        store.mutate("pods", "default", "p", put("a", 1))
    store.remove("pods", "default", "p")


def test_kubelet_removes_only_its_pod(store: Store) -> None:
    """A kubelet that is done with a pod does not remove another that has taken its name."""
    store.create("pods", pod("p"))
    store.remove("pods", "default", "p", uid="another")
    assert store.get("pods", "default", "p")
    store.remove("pods", "default", "p", uid=store.list("pods")[0]["metadata"]["uid"])
    assert not store.get("pods", "default", "p")


def test_grace_is_virtual_time(store: Store) -> None:
    """A deleted pod's deadline is the virtual clock's time and its grace period, and moves forward when shortened."""
    store.create("pods", pod("p"))
    assert store.delete("pods", "default", "p", grace=60)["metadata"]["deletionTimestamp"] == "2026-01-05T08:01:00Z"
    store.clock.run_until(store.clock.now + 20)
    assert store.delete("pods", "default", "p", grace=30)["metadata"]["deletionTimestamp"] == "2026-01-05T08:00:30Z"


def test_last_finalizer_lets_go(store: Store) -> None:
    """A finished Job's pod goes when the Job controller drops its finalizer, and not before."""
    store.create("pods", pod("p", finalizers=["batch.kubernetes.io/job-tracking"]))
    store.remove("pods", "default", "p")
    assert store.get("pods", "default", "p")
    store.mutate("pods", "default", "p", put("metadata.finalizers", []))
    assert store.get("pods", "default", "p") is None


def test_grace_outlives_finalizers(store: Store) -> None:
    """A pod that loses its last finalizer within its grace period still has the rest of it."""
    store.create("pods", pod("p", finalizers=["a/b"]))
    store.delete("pods", "default", "p", grace=30)
    store.mutate("pods", "default", "p", put("metadata.finalizers", []))
    assert store.get("pods", "default", "p")


def test_background_deletion_follows_owners(store: Store) -> None:
    """An owner deleted in the background takes its dependents along, and theirs; all of it is its deleter's doing."""
    deployment = store.create("deployments", {"metadata": {"name": "d"}, "spec": {}})
    replicas = pod("r", node="", owner=deployment) | {"spec": {}}
    owned = store.create("replicasets", replicas)
    store.create("pods", pod("p", owner=owned))
    with store.log.acting("client:x", "DELETE deployments", 1):
        store.delete("deployments", "default", "d")
    assert store.get("replicasets", "default", "r") is None
    assert "deletionTimestamp" in store.list("pods")[0]["metadata"]
    assert {one.actor for one in store.log.changes if one.field == "metadata.deletionTimestamp"} == {"client:x"}


def test_dependents_of_a_living_owner_stay(store: Store) -> None:
    """A dependent with another owner that lives only loses the reference."""
    first, second = job(store), store.create("configmaps", {"metadata": {"name": "c"}})
    references = [{"uid": one["metadata"]["uid"], "kind": "X", "name": "x"} for one in (first, second)]
    store.create("pods", pod("p", ownerReferences=references))
    store.delete("jobs", "default", "j", propagation="Background")
    assert store.list("pods")[0]["metadata"]["ownerReferences"] == references[1:]


def test_orphans_are_cut_loose(store: Store) -> None:
    """A Job deleted by default leaves its pods, and its name is free at once."""
    store.create("pods", pod("p", owner=job(store)))
    store.delete("jobs", "default", "j")
    assert store.get("jobs", "default", "j") is None
    assert "ownerReferences" not in store.list("pods")[0]["metadata"]


def test_foreground_waits_for_dependents(store: Store) -> None:
    """An owner deleted in the foreground stays until its last blocking dependent is gone."""
    store.create("pods", pod("p", owner=job(store)))
    store.delete("jobs", "default", "j", propagation="Foreground")
    waiting = store.get("jobs", "default", "j")
    assert waiting
    assert waiting["metadata"]["finalizers"] == ["foregroundDeletion"]
    store.remove("pods", "default", "p")
    assert store.get("jobs", "default", "j") is None


def test_foreground_without_dependents_is_done(store: Store) -> None:
    """An owner without dependents does not linger under any policy."""
    job(store)
    store.delete("jobs", "default", "j", propagation="Foreground")
    assert store.get("jobs", "default", "j") is None
