"""examples/kubernetes: an overlay of deploy/kubernetes that names what is there, and grants what it asks for."""

from __future__ import annotations

import copy
import shutil
import subprocess
from typing import Any

import pytest
from ruamel.yaml import YAML

from rollout import __version__, config
from rollout.preflight.rights import rights
from tests.deploy.manifests import FOLDER, Object, command, container, objects, parsed
from tests.deploy.test_kubernetes import rights_of, shaped
from tests.test_docs import ROOT

OVERLAY = ROOT / "examples/kubernetes"
KUSTOMIZATION: dict[str, Any] = YAML(typ="safe").load((OVERLAY / "kustomization.yaml").read_text("utf-8"))
BASE: dict[str, Any] = YAML(typ="safe").load((FOLDER / "kustomization.yaml").read_text("utf-8"))

with_kubectl = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")


def patch(name: str) -> Any:
    """A patch of the overlay, as it stands in its file."""
    return YAML(typ="safe").load((OVERLAY / name).read_text("utf-8"))


def base() -> list[Object]:
    """The objects that the overlay starts from."""
    return [one for name in BASE["resources"] for one in objects(name)]


def made() -> list[Object]:
    """The overlay's objects, by the two kinds of patches that it has, as kustomize makes them."""
    found = copy.deepcopy(base())
    for entry in KUSTOMIZATION["patches"]:
        change = patch(entry["path"])
        wanted = entry.get("target") or {"kind": change["kind"], "name": change["metadata"]["name"]}
        (one,) = (one for one in found if (one["kind"], one["metadata"]["name"]) == (wanted["kind"], wanted["name"]))
        if isinstance(change, list):
            (operation,) = change
            assert (operation["op"], operation["path"]) == ("add", "/rules/-")
            one["rules"].append(operation["value"])
        else:
            assert change["metadata"]["namespace"] == one["metadata"]["namespace"]
            assert change["metadata"]["annotations"].keys() == one["metadata"]["annotations"].keys()
            one["metadata"]["annotations"] |= change["metadata"]["annotations"]
    return found


def test_what_it_names_is_there() -> None:
    """Its base is a kustomization, all files of the folder are used, and no base of it contains it."""
    (resource,) = KUSTOMIZATION["resources"]
    assert (OVERLAY / resource).resolve() == FOLDER
    assert not OVERLAY.is_relative_to(FOLDER), "kustomize takes no base around its overlay"
    assert all((FOLDER / name).is_file() for name in BASE["resources"])
    (settings,) = KUSTOMIZATION["configMapGenerator"]
    named = {*settings["files"], *(one["path"] for one in KUSTOMIZATION["patches"])}
    assert named | {"kustomization.yaml"} == {path.name for path in OVERLAY.iterdir()}


def test_its_configuration_takes_the_place_of_the_base_s() -> None:
    """Under the name that the Jobs mount; it loads as it stands, and is one for a pod."""
    (mine,), (theirs,) = KUSTOMIZATION["configMapGenerator"], BASE["configMapGenerator"]
    assert mine.pop("behavior") == "replace"
    assert mine == theirs
    assert KUSTOMIZATION["generatorOptions"] == BASE["generatorOptions"]
    assert config.load(OVERLAY / "rollout.yaml", {}).access.kubernetes == "in-cluster"


def test_its_roles_grant_what_its_configuration_asks_for() -> None:
    """All of it and no more; each object is one that Kubernetes takes."""
    for one in made():
        shaped(one)
    roles = [one for one in made() if one["kind"].endswith("Role") and "optional" not in one["metadata"]["name"]]
    asked = config.load(OVERLAY / "rollout.yaml", {}).settings()
    assert asked.on_deadline == "job"
    assert {right for role in roles for right in rights_of(role)} == set(rights(asked))


def kubectl(*arguments: str, given: str = "") -> str:
    ended = subprocess.run(["kubectl", *arguments], input=given, capture_output=True, text=True, check=False)  # noqa: S607
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@with_kubectl
def test_kustomize_makes_the_same_of_it() -> None:
    """Built by kubectl: the same objects, and the configuration as it stands."""
    built = parsed(kubectl("kustomize", str(OVERLAY)))
    (settings,) = (one for one in built if one["kind"] == "ConfigMap")
    assert settings["metadata"] == {"name": "rollout", "namespace": "eks-rollout"}
    assert settings["data"] == {"rollout.yaml": (OVERLAY / "rollout.yaml").read_text("utf-8")}
    others = [one for one in built if one["kind"] != "ConfigMap"]

    def key(one: Object) -> tuple[str, str]:
        return one["kind"], one["metadata"]["name"]

    assert sorted(others, key=key) == sorted(made(), key=key)


@with_kubectl
@pytest.mark.parametrize("name", ["job.yaml", "database.yaml"])
def test_the_image_can_be_set_where_a_job_is_created(name: str) -> None:
    """As docs/running.md types it: nothing else of the Job changes."""
    image = f"registry.example/rollout:{__version__}"
    typed = ("set", "image", "--local", "--filename", str(FOLDER / name), f"rollout={image}", "--output", "yaml")
    (job,), (shipped,) = parsed(kubectl(*typed)), objects(name)
    assert container(job)["image"] == image
    assert command(job) == command(shipped)
    assert job["metadata"]["generateName"] == shipped["metadata"]["generateName"]
    assert " ".join(typed).replace(f"{FOLDER}", "deploy/kubernetes").partition(" --output")[0] in (
        (ROOT / "docs/running.md").read_text("utf-8").replace("database.yaml", name)
    )
