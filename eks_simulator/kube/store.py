"""The Kubernetes objects of the simulated cluster: one truth for the API server and for the world's controllers.

An object is never changed in place: each write puts a new `Revision` in its place, so code that holds one holds a state
that was really so, and its JSON is made only once. Every write gets the next number of one global sequence, is written
to the log of changes field by field, and is then told to the watches and to the world, in the order of the writes.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from eks_simulator import seeded
from eks_simulator.clock import iso
from eks_simulator.kube import errors as kube_errors
from eks_simulator.kube.deletion import GarbageCollector, deletion, released
from eks_simulator.kube.jsons import copied, differences, dumped
from eks_simulator.kube.resources import RESOURCES
from eks_simulator.kube.rules import defaulted, normalised

if TYPE_CHECKING:
    from collections.abc import Mapping

    from eks_simulator.clock import VirtualClock
    from eks_simulator.kube.eviction import Allowance
    from eks_simulator.kube.resources import Resource
    from eks_simulator.log import ChangeLog

Object = dict[str, Any]
Objects = list[Object]  # inside the class, `list` is a method
Key = tuple[str, str]
EventType = Literal["ADDED", "MODIFIED", "DELETED"]
Hook = Callable[[EventType, Object, Object | None], None]

NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")


class Revision:
    """One state of one object. `object` has no `kind` and `apiVersion`, as the items of a list have none."""

    __slots__ = ("_body", "_whole", "key", "object", "resource", "version")

    def __init__(self, resource: Resource, obj: Object, version: int) -> None:
        meta = obj["metadata"]
        self.resource = resource
        self.object = obj
        self.version = version
        self.key: Key = (meta.get("namespace", ""), meta["name"])
        self._body: bytes | None = None
        self._whole: bytes | None = None

    @property
    def body(self) -> bytes:
        """The object's JSON as an item of a list."""
        if self._body is None:
            self._body = dumped(self.object)
        return self._body

    @property
    def whole(self) -> bytes:
        """The object's JSON as an answer of its own, with its `kind` and `apiVersion`."""
        if self._whole is None:
            head = f'{{"kind":"{self.resource.kind}","apiVersion":"{self.resource.group_version}",'
            self._whole = head.encode() + self.body[1:]
        return self._whole


Revisions = list[Revision]


class Event(NamedTuple):
    """One write, as watches are told of it; DELETED carries the last state, with the version of the removal."""

    type: EventType
    revision: Revision
    previous: Revision | None


class _Collection:
    """The objects of one kind, in the order of their keys (namespace, name)."""

    def __init__(self) -> None:
        self._keys: list[Key] = []
        self._revisions: dict[Key, Revision] = {}

    def get(self, key: Key) -> Revision | None:
        return self._revisions.get(key)

    def put(self, revision: Revision) -> None:
        if revision.key not in self._revisions:
            insort(self._keys, revision.key)
        self._revisions[revision.key] = revision

    def drop(self, key: Key) -> None:
        del self._revisions[key]
        del self._keys[bisect_left(self._keys, key)]

    def within(self, namespace: str | None) -> list[Revision]:
        if namespace is None:
            return [self._revisions[key] for key in self._keys]
        first = bisect_left(self._keys, (namespace, ""))
        last = bisect_left(self._keys, (f"{namespace}\0", ""))
        return [self._revisions[key] for key in self._keys[first:last]]


class Store:
    """All objects. `kind` is the plural name of the resource; `namespace` is None for what has none.

    What `get`, `list` and the hooks give out is the stored state itself: it must not be changed. `broken` switches
    off rules of Kubernetes, so that tests can see the promises fail: "ignore-uid" deletes any object of the name.
    """

    def __init__(self, clock: VirtualClock, log: ChangeLog, *, broken: frozenset[str] = frozenset()) -> None:
        self.clock = clock
        self.log = log
        self.broken = broken
        self.resource_version = 0
        # Budgets (namespace, name) that allow nothing, with any pods, until the world takes them out again.
        self.blocked_budgets: set[Key] = set()
        # What budgets said before many pods changed at once, and until when they say it still (`eviction.fall_behind`).
        self.old_budgets: dict[Key, Allowance] = {}
        self.budgets_behind_until = 0.0
        self.watches_behind_since, self.watches_behind_until, self.watches_lose = 0.0, 0.0, False  # see `Watches`
        self._collections = {plural: _Collection() for plural in RESOURCES}
        self._pods_on: defaultdict[str, dict[Key, None]] = defaultdict(dict)
        self._generated: Counter[tuple[str, str, str]] = Counter()
        self._observers: list[Callable[[Event], None]] = []
        self._hooks: defaultdict[str, list[Hook]] = defaultdict(list)
        self._untold: deque[Event] = deque()
        self._telling = False
        self._begin()

    def _begin(self) -> None:
        """What a new cluster has: its namespaces, and who removes the dependents of what is gone."""
        GarbageCollector(self)
        for name in NAMESPACES:
            self.create("namespaces", {"metadata": {"name": name}})

    def get(self, kind: str, namespace: str | None, name: str) -> Object | None:
        """Return the object, or None."""
        revision = self.revision(kind, namespace, name)
        return None if revision is None else revision.object

    def revision(self, kind: str, namespace: str | None, name: str) -> Revision | None:
        """Return the object's present state, or None."""
        return self._collections[kind].get((namespace or "", name))

    def list(self, kind: str, namespace: str | None = None, labels: Mapping[str, str] | None = None) -> Objects:
        """Return the objects (of one namespace, with all of these labels), in the order of namespace and name."""
        objects = [revision.object for revision in self.revisions(kind, namespace)]
        if not labels:
            return objects
        wanted = labels.items()
        return [obj for obj in objects if wanted <= (obj["metadata"].get("labels") or {}).items()]

    def revisions(self, kind: str, namespace: str | None = None) -> Revisions:
        """Return the present states of all objects (of one namespace), in the order of namespace and name."""
        return self._collections[kind].within(namespace)

    def pods_on(self, node_name: str) -> Objects:
        """Return the pods that are bound to the node, in the order of namespace and name."""
        return [revision.object for revision in self.pod_revisions_on(node_name)]

    def pod_revisions_on(self, node_name: str) -> Revisions:
        """Return the present states of the pods that are bound to the node, in the order of namespace and name."""
        pods = self._collections["pods"]
        return [revision for key in sorted(self._pods_on.get(node_name, ())) if (revision := pods.get(key))]

    def on(self, kind: str, callback: Hook) -> None:
        """Have `callback` called after each write to an object of the kind: (what, the object, its state before).

        Writes that a callback makes are told when all have heard of the one before.
        """
        self._hooks[kind].append(callback)

    def behind(self, since: float, now: float) -> float:
        """Return how many seconds old what watches told was at most, between these moments."""
        return max(min(now, self.watches_behind_until) - self.watches_behind_since, 0.0) * (
            self.watches_behind_until > since
        )

    def observe(self, observer: Callable[[Event], None]) -> None:
        """Have `observer` called after each write to any object, before the callbacks of `on` are."""
        self._observers.append(observer)

    def create(self, kind: str, obj: Object) -> Object:
        """Add an object; returns it as stored, with what the server fills in. A `uid` that it brings is kept.

        A namespace that it is the first of is made before it: a scenario need not name it twice.

        Raises `ApiError`: 409 AlreadyExists.
        """
        resource = RESOURCES[kind]
        new = {key: copied(value) for key, value in obj.items() if key not in ("kind", "apiVersion")}
        meta = new.setdefault("metadata", {})
        if resource.namespaced:
            meta["namespace"] = meta.get("namespace") or "default"
        namespace = meta.get("namespace", "")
        if namespace and self.revision("namespaces", None, namespace) is None:
            self.create("namespaces", {"metadata": {"name": namespace}})
        name = meta["name"] = meta.get("name") or self._generate(kind, namespace, meta["generateName"])
        if self.revision(kind, namespace, name):
            raise kube_errors.already_exists(resource, name)
        meta["uid"] = meta.get("uid") or seeded.uid(self.resource_version, kind, namespace, name)
        meta["creationTimestamp"] = iso(self.clock.now)
        if resource.counts_generations:
            meta["generation"] = 1
        return self._write("ADDED", resource, defaulted(resource, new), None)

    def mutate(self, kind: str, namespace: str | None, name: str, change: Callable[[Object], None]) -> Object:
        """Change a copy of the object and store it; a change that alters nothing writes nothing.

        An object that is being deleted goes away when its last finalizer does.

        Raises `ApiError`: 404 NotFound.
        """
        after = copied(self._existing(kind, namespace, name).object)
        change(after)
        return self.replace(kind, namespace, name, after)

    def replace(self, kind: str, namespace: str | None, name: str, after: Object) -> Object:
        """Store `after` as the object's new state, as `mutate` does; it must not be changed any more."""
        before = self._existing(kind, namespace, name)
        old = before.object
        if normalised(before.resource, after) == old:
            return old
        if released(after, old):
            return self._write("DELETED", before.resource, after, before)
        if before.resource.counts_generations and after.get("spec") != old.get("spec"):
            after["metadata"]["generation"] = old["metadata"]["generation"] + 1
        return self._write("MODIFIED", before.resource, after, before)

    def delete(
        self,
        kind: str,
        namespace: str | None,
        name: str,
        *,
        grace: int | None = None,
        propagation: str | None = None,
        uid: str | None = None,
        resource_version: str | None = None,
    ) -> Object:
        """Delete the object as a DELETE request does; returns its last state, which may be stored still.

        A pod that runs on a node is marked and stays until its kubelet calls `remove`; `grace` is in seconds, 0 ends
        it at once. Finalizers hold every object. `propagation` is "Orphan", "Background" or "Foreground" (None: the
        kind's default). `uid` and `resource_version` are preconditions.

        Raises `ApiError`: 404 NotFound, 409 Conflict when a precondition fails.
        """
        before = self._existing(kind, namespace, name)
        meta = before.object["metadata"]
        for what, wanted, found in (
            ("UID", None if "ignore-uid" in self.broken else uid, meta["uid"]),
            ("ResourceVersion", resource_version, meta["resourceVersion"]),
        ):
            if wanted and wanted != found:
                raise kube_errors.precondition_failed(before.resource, name, what, wanted, found)
        last, gone = deletion(before.resource, before.object, grace, propagation, self.clock.now)
        return (
            self._write("DELETED", before.resource, last, before) if gone else self.replace(kind, namespace, name, last)
        )

    def remove(self, kind: str, namespace: str | None, name: str, uid: str | None = None) -> None:
        """End the object for good: its kubelet is done. Finalizers hold it still.

        That it is gone already, or that another (`uid`) goes by that name, is fine.
        """
        revision = self.revision(kind, namespace, name)
        if revision and uid in (None, revision.object["metadata"]["uid"]):
            self.delete(kind, namespace, name, grace=0)

    def _existing(self, kind: str, namespace: str | None, name: str) -> Revision:
        revision = self.revision(kind, namespace, name)
        if revision is None:
            raise kube_errors.not_found(RESOURCES[kind], name)
        return revision

    def _generate(self, kind: str, namespace: str, prefix: str) -> str:
        """Return a name that depends on how many of that prefix there were, not on what else happened."""
        self._generated[kind, namespace, prefix] += 1
        count = self._generated[kind, namespace, prefix]
        return prefix + seeded.token(count, 5, kind, namespace, prefix)

    def _write(self, what: EventType, resource: Resource, obj: Object, before: Revision | None) -> Object:
        self.resource_version += 1
        obj["metadata"]["resourceVersion"] = str(self.resource_version)
        self._keep(what, Revision(resource, obj, self.resource_version), before)
        return obj

    def _keep(self, what: EventType, revision: Revision, before: Revision | None) -> None:
        """Put the state in its place, write down what it changes, and tell who listens."""
        plural = revision.resource.plural
        if what == "DELETED":
            self._collections[plural].drop(revision.key)
        else:
            self._collections[plural].put(revision)
        if plural == "pods":
            self._index(what, revision, before)
        self._note(what, revision, before)
        self._tell(Event(what, revision, before))

    def _index(self, what: EventType, revision: Revision, before: Revision | None) -> None:
        if before and (node := before.object["spec"].get("nodeName")):
            self._pods_on[node].pop(revision.key, None)
        if what != "DELETED" and (node := revision.object["spec"].get("nodeName")):
            self._pods_on[node][revision.key] = None

    def _note(self, what: EventType, revision: Revision, before: Revision | None) -> None:
        name = revision.resource.path(*revision.key)
        if what == "MODIFIED" and before:
            for field, old, new in differences(before.object, revision.object):
                self.log.applied(name, field, old, new)
        else:
            self.log.applied(name, "exists", what == "DELETED", what == "ADDED")

    def _tell(self, event: Event) -> None:
        self._untold.append(event)
        if self._telling:
            return
        self._telling = True
        try:
            while self._untold:
                self._tell_now(self._untold.popleft())
        finally:
            self._telling = False

    def _tell_now(self, event: Event) -> None:
        for observer in self._observers:
            observer(event)
        previous = None if event.previous is None else event.previous.object
        for hook in self._hooks[event.revision.resource.plural]:
            hook(event.type, event.revision.object, previous)
