"""Which object or collection a path of the Kubernetes API means, and what a request for it is called."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from eks_simulator.faults import RequestInfo
from eks_simulator.kube.resources import RESOURCES, Resource

if TYPE_CHECKING:
    from aiohttp import web


class Location(NamedTuple):
    """What a path means; without a name it is the collection, `namespace` None is all of them (or none)."""

    resource: Resource
    namespace: str | None
    name: str
    subresource: str

    @property
    def what(self) -> str:
        """`pods`, `pods/eviction`."""
        return f"{self.resource.plural}/{self.subresource}" if self.subresource else self.resource.plural

    @property
    def target(self) -> str:
        """`NAME` or `NAMESPACE/NAME`; of a collection the namespace, or nothing."""
        return "/".join(part for part in (self.namespace, self.name) if part)


def locate(path: str) -> Location | None:
    """Return what the path means; None where the API has nothing."""
    match path.strip("/").split("/"):
        case ["api", version, *rest]:
            group_version = version
        case ["apis", group, version, *rest]:
            group_version = f"{group}/{version}"
        case _:
            return None
    namespace: str | None = None
    if rest[:1] == ["namespaces"] and len(rest) > 2 and rest[2] not in ("status", "finalize"):  # noqa: PLR2004 - /NS/KIND
        namespace, rest = rest[1], rest[2:]
    plural, *names = rest or [""]
    resource = RESOURCES.get(plural)
    if resource is None or resource.group_version != group_version:
        return None
    return _location(resource, namespace, names)


def _location(resource: Resource, namespace: str | None, names: list[str]) -> Location | None:
    name, subresource, *more = [*names, "", ""][: max(2, len(names))]
    misplaced = bool(namespace) != resource.namespaced and bool(namespace or name)
    if more or misplaced or (subresource and resource.subresource(subresource) is None):
        return None
    return Location(resource, namespace, name, subresource)


def is_watch(request: web.Request) -> bool:
    """Tell whether the request opens a stream of events."""
    return request.method == "GET" and request.query.get("watch") in ("1", "true")


def describe(request: web.Request) -> RequestInfo | None:
    """Return the request in the simulator's words; None for watches, discovery and health, which cost nothing."""
    location = locate(request.path)
    if location is None or is_watch(request):
        return None
    reads = request.method in ("GET", "HEAD") or location.resource.verbs == ("create",)
    return RequestInfo("kube", f"{request.method} {location.what}", not reads, location.target)
