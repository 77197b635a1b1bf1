"""Karpenter's node classes: what they name is needed, and where they cannot be read everything may be."""

from __future__ import annotations

from typing import Any, cast

import pytest

from rollout.adapters import node_classes as adapter
from rollout.ami.listing import NodeClasses, needs
from rollout.ami.pruning import orphans, verdicts
from rollout.errors import Denied, EdgeError, Refused, Retry
from tests.ami import inventories as given

LIST = "/apis/karpenter.k8s.aws/v1/ec2nodeclasses"
KARPENTER = {"name": "karpenter.k8s.aws", "preferredVersion": {"groupVersion": "karpenter.k8s.aws/v1"}}
APPS = {"name": "apps", "preferredVersion": {"groupVersion": "apps/v1"}}
ONE, TWO, THREE = (given.image(number) for number in (1, 2, 3))


class Api:
    """An API server that serves these groups and node classes; an error is raised in place of an answer."""

    def __init__(self, groups: list[Any] | Exception, classes: list[Any] | Exception = ()) -> None:  # type: ignore[assignment]
        self.answers = {"/apis": groups, LIST: classes}

    def _answer(self, path: str) -> Any:
        answer = self.answers[path]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def document(self, path: str) -> Any:
        return {"groups": self._answer(path)}

    def collect(self, path: str) -> Any:
        return self._answer(path), "7"

    def close(self) -> None:
        """Nothing is open."""


def read(monkeypatch: pytest.MonkeyPatch, api: Api | EdgeError) -> NodeClasses:
    def connect(*_: object) -> Api:
        if isinstance(api, EdgeError):
            raise api
        return api

    monkeypatch.setattr(adapter, "kube_api", connect)
    config = cast("Any", type("Config", (), {"access": None, "cluster": "eks-demo"}))
    return adapter.node_classes(config, cast("Any", None))


def node_class(name: str = "gpu", *terms: dict[str, str], amis: list[Any] | None = None, **spec: Any) -> dict[str, Any]:
    status = {"status": {"amis": amis}} if amis is not None else {}
    return {"metadata": {"name": name}, "spec": {"amiSelectorTerms": [*terms], **spec}, **status}


def test_what_a_class_names_found_or_maps_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Images by id or by what Karpenter found, and the snapshots of its block devices; the others go."""
    mapped = {"blockDeviceMappings": [{"deviceName": "/dev/xvdb", "ebs": {"snapshotID": "snap-00000002"}}, {}]}
    classes = [
        node_class("gpu", {"tags": "x"}, amis=[{"id": ONE.id, "name": "eks-model-1"}]),
        node_class("cpu", {"id": THREE.id}, {"alias": "al2023@latest"}, **mapped),
    ]
    found = read(monkeypatch, Api([APPS, KARPENTER], classes))
    images = [given.image(number) for number in range(1, 6)]
    inventory = given.inventory(*images, classes=(found,))
    assert needs(inventory)[ONE.id] == ("Karpenter's node class gpu of cluster eks-demo",)
    kept = {one.image.id[-1]: one.kept for one in verdicts(inventory, given.PREFIX, 1)}
    assert kept["1"] == ("Karpenter's node class gpu of cluster eks-demo",)
    assert kept["2"] == ("snap-00000002: named by Karpenter's node class cpu of cluster eks-demo",)
    assert kept["3"] == ("Karpenter's node class cpu of cluster eks-demo",)
    assert kept["4"] == ()
    assert "snap-00000002" not in needs(inventory)


def test_a_cluster_without_karpenter_needs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The API server itself says that it serves no such thing."""
    assert read(monkeypatch, Api([APPS], Retry("never asked"))) == NodeClasses("eks-demo")


@pytest.mark.parametrize(
    "api",
    [
        Refused("not in a pod"),
        Retry("no answer"),
        Api(Retry("404 page not found")),
        Api(cast("Any", "a page")),
        Api([KARPENTER], Denied("ec2nodeclasses is forbidden")),
        Api([KARPENTER], [node_class("gpu", {"name": "eks-model-*"})]),
        Api([KARPENTER], [{"metadata": {"name": "gpu"}}]),
    ],
)
def test_where_it_is_not_known_what_karpenter_launches_everything_stays(
    monkeypatch: pytest.MonkeyPatch, api: Api | EdgeError
) -> None:
    """What cannot be asked is said, and keeps images and what was left behind."""
    found = read(monkeypatch, api)
    assert found.silent
    inventory = given.inventory(ONE, TWO, made=(given.snapshot(0xAA),), classes=(found,))
    (words,) = inventory.silent()
    assert words == f"what Karpenter launches in cluster eks-demo is not known ({found.silent})"
    assert [one.kept for one in verdicts(inventory, given.PREFIX, 1)] == [("the newest", words), (words,)]
    assert [one.kept for one in orphans(inventory, given.PREFIX)] == [(words,)]
