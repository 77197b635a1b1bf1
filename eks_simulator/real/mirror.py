"""The objects of a real cluster, as its API server tells them; a write to them here sends it a request.

Each change that is told is written down with its author, as the simulated API server does, so that the same judge
judges it. What was told is what the judge knows: before anything in AWS is changed, `level` waits until that is all.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from eks_simulator.kube.jsons import copied
from eks_simulator.kube.resources import RESOURCES
from eks_simulator.kube.store import Revision, Store
from eks_simulator.real.api import LOST, path_of
from eks_simulator.real.outbox import Outbox, Request, changes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from eks_simulator.clock import VirtualClock
    from eks_simulator.kube.resources import Resource
    from eks_simulator.kube.store import EventType
    from eks_simulator.log import ChangeLog
    from eks_simulator.real.api import RealApi
    from eks_simulator.real.authors import Authors

Object = dict[str, Any]

#: What is mirrored: all that the judge and the simulated half look at; configmaps of the marker's namespace only.
MIRRORED = (
    *("namespaces", "nodes", "pods", "replicasets", "deployments", "statefulsets", "daemonsets", "jobs"),
    *("poddisruptionbudgets", "configmaps"),
)
_NAMESPACE = {"configmaps": "kube-system"}
#: What AWS's half must not be judged without.
_LEVELLED = ("nodes", "pods")
#: On every object that is made here, so that it can be found and removed again.
MADE_HERE = {"simulator/made-here": "true"}

_AGAIN = 0.5  # seconds after which a broken watch is opened again
_LEVEL = 20.0  # seconds to wait for the watches


class MirroredStore(Store):
    """What the API server has told so far."""

    def __init__(self, clock: VirtualClock, log: ChangeLog, api: RealApi, authors: Authors) -> None:
        super().__init__(clock, log)
        self._api = api
        self._authors = authors
        self._told: dict[str, int] = dict.fromkeys(MIRRORED, 0)  # by kind: the last version that was told
        self.outbox = Outbox(api, authors, log)
        self.unseen: list[str] = []  # gaps in what was told, in words

    def _begin(self) -> None:
        """A real cluster has what it has."""

    # ---- what is written here

    def create(self, kind: str, obj: Object) -> Object:
        """Have the object made, and its namespace before it; returns it as it was given."""
        resource, meta = RESOURCES[kind], obj["metadata"]
        namespace = meta.get("namespace", "default") if resource.namespaced else ""
        if namespace and self.revision("namespaces", None, namespace) is None:
            self._order_creation(RESOURCES["namespaces"], "", {"metadata": {"name": namespace}})
        labels = {**meta.get("labels", {}), **MADE_HERE}
        self._order_creation(resource, namespace, {**obj, "metadata": {**meta, "labels": labels}})
        return obj

    def _order_creation(self, resource: Resource, namespace: str, obj: Object) -> None:
        def requests() -> Iterator[Request]:
            head = {"apiVersion": resource.group_version, "kind": resource.kind}
            yield Request("POST", path_of(resource, namespace), head | obj)

        self.outbox.put(resource.path(namespace, obj["metadata"]["name"]), requests)

    def mutate(self, kind: str, namespace: str | None, name: str, change: Callable[[Object], None]) -> Object:
        """Have the object changed, as it is when the request is sent; returns it as it is now."""
        resource = RESOURCES[kind]
        uid = self._existing(kind, namespace, name).object["metadata"]["uid"]

        def requests() -> Iterator[Request]:
            now = self.get(kind, namespace, name)
            if now is not None and now["metadata"]["uid"] == uid:
                after = copied(now)
                change(after)
                yield from changes(resource, now, after)

        self.outbox.put(resource.path(namespace, name), requests)
        return self._existing(kind, namespace, name).object

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
        """Have the object deleted; returns it as it is now."""
        resource, found = RESOURCES[kind], self._existing(kind, namespace, name).object
        conditions = {"uid": uid or found["metadata"]["uid"], "resourceVersion": resource_version}
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "gracePeriodSeconds": grace,
            "propagationPolicy": propagation,
            "preconditions": {name: value for name, value in conditions.items() if value},
        }
        body = {name: value for name, value in options.items() if value is not None}

        def requests() -> Iterator[Request]:
            yield Request("DELETE", path_of(resource, namespace, name), body)

        self.outbox.put(resource.path(namespace, name), requests, ends=True)
        return found

    # ---- what is told

    async def follow(self, kind: str) -> None:
        """Take in what the API server tells of that kind, for ever."""
        version = ""
        while True:
            try:
                version = version or await self._list(kind)
                version = await self._watch(kind, version)
            except LOST:
                await asyncio.sleep(_AGAIN)

    async def begun(self) -> None:
        """Return when all kinds have been listed."""
        while not all(self._told.values()):  # noqa: ASYNC110 - once, and for all kinds
            await asyncio.sleep(0.05)

    def _path(self, kind: str) -> str:
        return path_of(RESOURCES[kind], _NAMESPACE.get(kind))

    async def _list(self, kind: str) -> str:
        found = await self._api.list(self._path(kind))
        version = str(found["metadata"]["resourceVersion"])
        again = bool(self._told[kind])
        items = {_key(item): item for item in found["items"]}
        gone = [one.object for one in self.revisions(kind) if _key(one.object) not in items]
        news = [item for item in found["items"] if self._is_news(kind, item)]
        if again:
            self.unseen.append(f"{kind}: the watch had to begin again; {len(gone) + len(news)} changes have no author")
        for obj in gone:
            await self._take(kind, "DELETED", obj)
        for item in news:
            await self._take(kind, "MODIFIED", item)
        self._told[kind] = int(version)
        return version

    def _is_news(self, kind: str, item: Object) -> bool:
        known = self.revision(kind, item["metadata"].get("namespace"), item["metadata"]["name"])
        return known is None or known.object["metadata"]["resourceVersion"] != item["metadata"]["resourceVersion"]

    async def _watch(self, kind: str, version: str) -> str:
        """Take events in until the stream ends; returns the version to go on from, "" where it is too old."""
        try:
            async for event in self._api.watch(self._path(kind), version):
                if event["type"] == "ERROR":
                    await asyncio.sleep(_AGAIN)
                    return ""
                if event["type"] != "BOOKMARK":
                    await self._take(kind, event["type"], event["object"])
                version = str(event["object"]["metadata"]["resourceVersion"])
                self._told[kind] = int(version)
        except LOST:
            await asyncio.sleep(_AGAIN)
        return version

    async def _take(self, kind: str, what: EventType, obj: Object) -> None:
        resource, meta = RESOURCES[kind], obj["metadata"]
        await self._authors.settled(resource.path(meta.get("namespace"), meta["name"]))
        known = self.revision(kind, meta.get("namespace"), meta["name"])
        if known is not None and known.object["metadata"]["uid"] != meta["uid"]:
            self._told_of("DELETED", known, known)
            known = None
        version = int(meta["resourceVersion"])
        if what == "DELETED" and known is None:
            return
        self._told_of(_what(what, known), Revision(resource, _slim(obj), version), known)

    def _told_of(self, what: EventType, revision: Revision, before: Revision | None) -> None:
        self.resource_version = max(self.resource_version, revision.version)
        was, meta = before.object["metadata"] if before else {}, revision.object["metadata"]
        end = "deletionTimestamp" not in was and (what == "DELETED" or "deletionTimestamp" in meta)
        author = self._authors.of(revision.resource.path(*revision.key), str(revision.version), end=end)
        with self.log.acting(author.actor, author.verb, author.request):
            self._keep(what, revision, before)

    # ---- whether all is told

    async def level(self) -> None:
        """Return when all that is so now of nodes and pods has been told; after a while in any case, which is noted."""
        try:
            found = {kind: await self._api.list(self._path(kind)) for kind in _LEVELLED}
        except LOST:
            self.unseen.append(
                "AWS was asked for a change while the API server did not answer: pods may be judged late"
            )
            return
        end = time.monotonic() + _LEVEL
        while not all(self._knows(kind, state) for kind, state in found.items()):
            if time.monotonic() > end:
                self.unseen.append("the watches were behind when AWS was asked for a change")
                return
            await asyncio.sleep(0.02)

    def _knows(self, kind: str, state: Object) -> bool:
        upto = int(state["metadata"]["resourceVersion"])
        there = {_key(item): int(item["metadata"]["resourceVersion"]) for item in state["items"]}
        known = {_key(one.object): one.version for one in self.revisions(kind)}
        behind = (known.get(key, self._told[kind]) < version for key, version in there.items())
        gone = (key not in there and version <= upto for key, version in known.items())
        return not any(behind) and not any(gone)


def _what(told: EventType, known: Revision | None) -> EventType:
    if told == "DELETED":
        return "DELETED"
    return "ADDED" if known is None else "MODIFIED"


def _key(obj: Object) -> tuple[str, str, str]:
    meta = obj["metadata"]
    return meta.get("namespace", ""), meta["name"], meta["uid"]


def _slim(obj: Object) -> Object:
    """Return the object without what only the server's bookkeeping needs."""
    meta = {key: value for key, value in obj["metadata"].items() if key != "managedFields"}
    rest = {key: value for key, value in obj.items() if key not in ("kind", "apiVersion", "metadata")}
    return {"metadata": meta, **rest}
