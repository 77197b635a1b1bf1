"""What a client asks before it asks for anything else: version, groups, kinds, health, and a minimal OpenAPI.

Kinds that others bring are served by name alone: none of their objects is simulated.

The OpenAPI documents hold no schemas; they say only that PATCH, POST and PUT take `fieldValidation`, which is what
kubectl looks for before it sends anything unvalidated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eks_simulator.kube.resources import GROUP_VERSIONS, RESOURCES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from eks_simulator.kube.resources import Resource, Subresource

Object = dict[str, Any]

VERSION = {
    "major": "1",
    "minor": "33",
    "gitVersion": "v1.33.5-rollout-simulator",
    "gitCommit": "0" * 40,
    "gitTreeState": "clean",
    "buildDate": "2025-09-09T00:00:00Z",
    "goVersion": "none",
    "compiler": "none",
    "platform": "linux/amd64",
}
HEALTH = ("/healthz", "/livez", "/readyz")
_GROUPS = tuple(name.partition("/")[0] for name in GROUP_VERSIONS if "/" in name)


def document(path: str, definitions: Iterable[str] = ()) -> Object | None:
    """Return the discovery document at the path, or None; `definitions`: kinds of others, each KIND.GROUP."""
    brought = _brought(definitions)
    match path.strip("/").split("/"):
        case ["version"]:
            return VERSION
        case ["api"]:
            return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
        case ["apis"]:
            return {
                "kind": "APIGroupList",
                "apiVersion": "v1",
                "groups": [*map(_group, _GROUPS), *map(_versions, brought)],
            }
        case ["apis", name] if name in _GROUPS:
            return {"kind": "APIGroup", "apiVersion": "v1", **_group(name)}
        case ["api", "v1"]:
            return _resources("v1")
        case ["apis", group, version] if f"{group}/{version}" in GROUP_VERSIONS:
            return _resources(f"{group}/{version}")
        case ["openapi", "v3"]:
            paths = {_base(name)[1:]: {"serverRelativeURL": f"/openapi/v3{_base(name)}"} for name in GROUP_VERSIONS}
            return {"paths": paths}
        case ["openapi", "v3", *rest] if (name := "/".join(rest[1:])) in GROUP_VERSIONS:
            return _openapi(name)
    return _of_others(path, brought)


def _of_others(path: str, brought: Mapping[str, list[str]]) -> Object | None:
    match path.strip("/").split("/"):
        case ["apis", name] if name in brought:
            return {"kind": "APIGroup", "apiVersion": "v1", **_versions(name)}
        case ["apis", group, "v1"] if group in brought:
            return _listed(f"{group}/v1", [_definition(kind) for kind in brought[group]])
    return None


def knows_group(path: str) -> bool:
    """Tell whether the path lies in a group and version of the API."""
    return any(path.startswith(f"{_base(name)}/") for name in GROUP_VERSIONS)


def _base(group_version: str) -> str:
    return f"/apis/{group_version}" if "/" in group_version else f"/api/{group_version}"


def _brought(definitions: Iterable[str]) -> dict[str, list[str]]:
    """Return the kinds of each group that is none of the API server's own."""
    groups: dict[str, list[str]] = {}
    for definition in definitions:
        kind, _, group = definition.partition(".")
        if group not in _GROUPS:
            groups.setdefault(group, []).append(kind)
    return groups


def _definition(kind: str) -> Object:
    name = kind.lower()
    return {"name": f"{name}s", "singularName": name, "namespaced": True, "kind": kind, "verbs": []}


def _group(name: str) -> Object:
    return _versions(name, *(one for one in GROUP_VERSIONS if one.startswith(f"{name}/")))


def _versions(name: str, *group_versions: str) -> Object:
    named = group_versions or (f"{name}/v1",)
    versions = [{"groupVersion": one, "version": one.partition("/")[2]} for one in named]
    return {"name": name, "versions": versions, "preferredVersion": versions[0]}


def _of(group_version: str) -> list[Resource]:
    return [resource for resource in RESOURCES.values() if resource.group_version == group_version]


def _resources(group_version: str) -> Object:
    return _listed(group_version, [entry for resource in _of(group_version) for entry in _entries(resource)])


def _listed(group_version: str, entries: list[Object]) -> Object:
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": entries}


def _entries(resource: Resource) -> list[Object]:
    entry: Object = {
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(resource.verbs),
    }
    if resource.short:
        entry["shortNames"] = list(resource.short)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    return [entry, *(_subentry(resource, one) for one in resource.subresources)]


def _subentry(resource: Resource, subresource: Subresource) -> Object:
    entry: Object = {
        "name": f"{resource.plural}/{subresource.name}",
        "singularName": "",
        "namespaced": resource.namespaced,
        "kind": subresource.kind,
        "verbs": list(subresource.verbs),
    }
    if subresource.group_version != resource.group_version:
        group, _, version = subresource.group_version.rpartition("/")
        entry |= {"group": group, "version": version}
    return entry


def _openapi(group_version: str) -> Object:
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": VERSION["gitVersion"]},
        "paths": {f"{_base(group_version)}/{one.plural}/{{name}}": _operations(one) for one in _of(group_version)},
        "components": {"schemas": {}},
    }


def _operations(resource: Resource) -> Object:
    operation = {
        "parameters": [{"name": "fieldValidation", "in": "query", "schema": {"type": "string"}}],
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-group-version-kind": {
            "group": resource.group,
            "version": resource.version,
            "kind": resource.kind,
        },
    }
    return dict.fromkeys(("patch", "post", "put"), operation)
