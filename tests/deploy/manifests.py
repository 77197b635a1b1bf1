"""The files of deploy/kubernetes/, and what Kubernetes would make of a Job's pod."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

Object = dict[str, Any]

FOLDER = Path(__file__).parents[2] / "deploy/kubernetes"


def objects(name: str) -> list[Object]:
    """The objects of one file."""
    return parsed((FOLDER / name).read_text("utf-8"))


def parsed(text: str) -> list[Object]:
    """The objects of a text."""
    return list(YAML(typ="safe").load_all(text))


def all_objects() -> list[Object]:
    """The objects of every file that Kubernetes reads."""
    names = sorted(path.name for path in FOLDER.glob("*.yaml"))
    return [one for name in names if name not in {"kustomization.yaml", "rollout.yaml"} for one in objects(name)]


def container(job: Object) -> Object:
    """The one container of a Job's pods."""
    (only,) = job["spec"]["template"]["spec"]["containers"]
    return dict(only)


def command(job: Object, **given: str) -> list[str]:
    """The arguments of a Job's container, references to its environment filled in, `given` before what stands there."""
    values = {one["name"]: one.get("value", "") for one in container(job)["env"]} | given
    return [re.sub(r"\$\((\w+)\)", lambda found: values[found[1]], one) for one in container(job)["args"]]
