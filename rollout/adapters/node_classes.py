"""By which images and snapshots Karpenter launches nodes: its node classes, as a cluster's API server has them.

A class names its images itself, or describes them; then Karpenter writes into its status which these are:
https://karpenter.sh/docs/concepts/nodeclasses/
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

from rollout.adapters.kube_access import kube_api
from rollout.adapters.understanding import objects, text, understood
from rollout.ami.listing import NodeClasses
from rollout.errors import EdgeError, Retry

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from rollout.adapters.access import Account
    from rollout.adapters.kube_api import KubeApi
    from rollout.config import Config

_GROUP = "karpenter.k8s.aws"


def node_classes(config: Config, account: Account) -> NodeClasses:
    """Read the node classes of a configuration's cluster; if that fails, the result says why."""
    try:
        with closing(kube_api(config.access, config.cluster, account)) as api:
            return NodeClasses(config.cluster, _used(_classes(api)))
    except EdgeError as error:
        return NodeClasses(config.cluster, silent=error.detail)


def _classes(api: KubeApi) -> list[dict[str, Any]]:
    """Return all node classes; none where the API server serves no such thing, which it says itself."""
    document = api.document("/apis")
    with understood("GET /apis"):
        groups = {
            text(one["name"]): text(one["preferredVersion"]["groupVersion"]) for one in objects(document["groups"])
        }
    return api.collect(f"/apis/{groups[_GROUP]}/ec2nodeclasses")[0] if _GROUP in groups else []


def _used(classes: Iterable[Mapping[str, Any]]) -> dict[str, tuple[str, ...]]:
    """Return by image or snapshot the classes that name it. Raises `Retry` where one does not say what it launches."""
    found: dict[str, tuple[str, ...]] = {}
    for raw in classes:
        with understood("a node class"):
            name, things = text(raw["metadata"]["name"]), dict.fromkeys(_things(raw))
        for thing in things:
            found[thing] = (*found.get(thing, ()), name)
    return found


def _things(raw: Mapping[str, Any]) -> Iterator[str]:
    spec, status = raw["spec"], raw.get("status") or {}
    terms, found = objects(spec.get("amiSelectorTerms")), objects(status.get("amis"))
    if not found and not all("id" in one or "alias" in one for one in terms):
        raise Retry(f"node class {raw['metadata']['name']} does not say which images it found (status.amis)")
    yield from (text(one["id"]) for one in (*found, *terms) if "id" in one)
    for mapping in objects(spec.get("blockDeviceMappings")):
        if snapshot := (mapping.get("ebs") or {}).get("snapshotID"):
            yield text(snapshot)
