"""What becomes of an object that is deleted, and of those that it owns.

A DELETE either removes an object at once or marks it; then it stays until its grace period is over (for pods on a node
the kubelet says when) and its last finalizer is gone. The garbage collector does at once, and in the name of the client
that deleted the owner, what the real one does a moment later in its own: so that client counts as who ended the pod.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from eks_simulator.clock import iso
from eks_simulator.kube.jsons import copied
from eks_simulator.kube.resources import RESOURCES

if TYPE_CHECKING:
    from collections.abc import Callable

    from eks_simulator.kube.resources import Resource
    from eks_simulator.kube.store import Store

Object = dict[str, Any]
Address = tuple[str, str | None, str]

_ORPHAN = "orphan"
_FOREGROUND = "foregroundDeletion"
_FINALIZERS = {"Orphan": _ORPHAN, "Foreground": _FOREGROUND}


class Deletion(NamedTuple):
    """What a DELETE makes of an object: its last state, and whether it is gone already."""

    last: Object
    gone: bool


def deletion(resource: Resource, obj: Object, grace: int | None, propagation: str | None, now: float) -> Deletion:
    """Return what a DELETE at `now` makes of the object; `grace` in seconds can only be shortened by a second DELETE.

    Source: `rest.BeforeDelete` of kube-apiserver, and `updateForGracefulDeletionAndFinalizers` of its generic registry.
    """
    old = obj["metadata"]
    pending = old.get("deletionGracePeriodSeconds") or 0
    if pending and (grace is None or grace >= pending):
        return Deletion(obj, gone=False)
    graceful = resource.plural == "pods"
    # A deletion that has no grace left gets none again: only finalizers can hold the object then.
    seconds = _grace(obj, grace) if graceful and (pending or "deletionTimestamp" not in old) else 0
    finalizers = _finalizers(resource, old.get("finalizers") or [], propagation)
    gone = not seconds and not finalizers
    new: Object = copied(obj)
    if graceful or not gone:
        _mark(new["metadata"], seconds, now)
    if finalizers:
        new["metadata"]["finalizers"] = finalizers
    return Deletion(new, gone)


def _mark(meta: Object, seconds: int, now: float) -> None:
    began, pending = meta.get("deletionTimestamp"), meta.get("deletionGracePeriodSeconds") or 0
    if began is None:
        meta["deletionTimestamp"] = iso(now + seconds)
    elif pending:
        meta["deletionTimestamp"] = iso(datetime.fromisoformat(began).timestamp() - pending + seconds)
    meta["deletionGracePeriodSeconds"] = seconds


def _grace(pod: Object, grace: int | None) -> int:
    """Return the seconds that the pod has; none when no kubelet runs it."""
    if not pod["spec"].get("nodeName") or pod.get("status", {}).get("phase") in ("Succeeded", "Failed"):
        return 0
    if grace is None:
        grace = int(pod["spec"].get("terminationGracePeriodSeconds") or 0)
    return max(grace, 1) if grace < 0 else grace


def _finalizers(resource: Resource, old: list[str], propagation: str | None) -> list[str]:
    """Return the finalizers with the garbage collector's own; those there are outrank the kind's default policy."""
    if propagation is None:
        if _ORPHAN in old or _FOREGROUND in old:
            return old
        propagation = "Orphan" if resource.orphans else "Background"
    own = [_FINALIZERS[propagation]] if propagation in _FINALIZERS else []
    return [name for name in old if name not in (_ORPHAN, _FOREGROUND)] + own


def released(obj: Object, before: Object) -> bool:
    """Tell whether a write to an object that is being deleted lets it go: no finalizer is left, and no grace."""
    meta = before["metadata"]
    ending = "deletionTimestamp" in meta and not meta.get("deletionGracePeriodSeconds")
    return ending and not obj["metadata"].get("finalizers")


class GarbageCollector:
    """Follows ownerReferences when an owner goes: dependents go too, or are cut loose."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._dependents: defaultdict[str, dict[Address, None]] = defaultdict(dict)
        self._owners: dict[str, Address] = {}
        for plural in RESOURCES:
            store.on(plural, self._follower(plural))

    def _follower(self, plural: str) -> Callable[[str, Object, Object | None], None]:
        def follow(event: str, obj: Object, previous: Object | None) -> None:
            meta = obj["metadata"]
            address = (plural, meta.get("namespace"), meta["name"])
            self._index(address, event, obj, previous)
            if event == "DELETED":
                self._gone(meta)
            elif "deletionTimestamp" in meta:
                self._ending(address, meta)

        return follow

    def _index(self, address: Address, event: str, obj: Object, previous: Object | None) -> None:
        uid = obj["metadata"]["uid"]
        before = set() if previous is None else _owners_of(previous)
        after = set() if event == "DELETED" else _owners_of(obj)
        for owner in after - before:
            self._dependents[owner][address] = None
        for owner in before - after:
            self._dependents[owner].pop(address, None)
        if event == "ADDED":
            self._owners[uid] = address
        elif event == "DELETED":
            self._owners.pop(uid, None)

    def _ending(self, address: Address, meta: Object) -> None:
        finalizers = meta.get("finalizers") or ()
        if _ORPHAN in finalizers:
            for dependent in list(self._dependents.get(meta["uid"], ())):
                self._cut_loose(dependent, meta["uid"])
            self._finish(address, meta["uid"], _ORPHAN)
        elif _FOREGROUND in finalizers:
            for dependent in list(self._dependents.get(meta["uid"], ())):
                self._delete(dependent)
            self._finish_foreground(meta["uid"])

    def _gone(self, meta: Object) -> None:
        for dependent in list(self._dependents.pop(meta["uid"], ())):
            if self._living_owners(dependent):
                self._cut_loose(dependent, meta["uid"])
            else:
                self._delete(dependent)
        for reference in meta.get("ownerReferences") or ():
            self._finish_foreground(reference["uid"])

    def _living_owners(self, dependent: Address) -> bool:
        obj = self._store.get(*dependent)
        return obj is not None and any(uid in self._owners for uid in _owners_of(obj))

    def _finish_foreground(self, uid: str) -> None:
        address = self._owners.get(uid)
        owner = address and self._store.get(*address)
        if address is None or not owner or _FOREGROUND not in (owner["metadata"].get("finalizers") or ()):
            return
        if not any(self._blocks(dependent, uid) for dependent in self._dependents.get(uid, ())):
            self._finish(address, uid, _FOREGROUND)

    def _blocks(self, dependent: Address, uid: str) -> bool:
        obj = self._store.get(*dependent)
        references = (obj["metadata"].get("ownerReferences") or ()) if obj else ()
        return any(one["uid"] == uid and one.get("blockOwnerDeletion") for one in references)

    def _delete(self, dependent: Address) -> None:
        if self._store.get(*dependent):
            self._store.delete(*dependent, propagation="Background")

    def _cut_loose(self, dependent: Address, uid: str) -> None:
        def drop_reference(obj: Object) -> None:
            references = obj["metadata"].get("ownerReferences") or []
            obj["metadata"]["ownerReferences"] = [one for one in references if one["uid"] != uid]

        if self._store.get(*dependent):
            self._store.mutate(*dependent, drop_reference)

    def _finish(self, address: Address, uid: str, finalizer: str) -> None:
        def drop_finalizer(obj: Object) -> None:
            obj["metadata"]["finalizers"] = [one for one in obj["metadata"]["finalizers"] if one != finalizer]

        owner = self._store.get(*address)
        if owner and owner["metadata"]["uid"] == uid and finalizer in (owner["metadata"].get("finalizers") or ()):
            self._store.mutate(*address, drop_finalizer)


def _owners_of(obj: Object) -> set[str]:
    return {reference["uid"] for reference in obj["metadata"].get("ownerReferences") or ()}
