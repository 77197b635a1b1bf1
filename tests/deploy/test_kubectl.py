"""The lines of kubectl that deploy/kubernetes/ and docs/running.md tell people to type."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from ruamel.yaml import YAML

from tests.deploy.manifests import FOLDER, Object, all_objects, command, objects
from tests.test_docs import parse

pytestmark = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")


def kubectl(*arguments: str) -> list[Object]:
    """The objects that kubectl prints, without any cluster."""
    ended = subprocess.run(["kubectl", *arguments], capture_output=True, text=True, check=False)  # noqa: S607
    assert ended.returncode == 0, ended.stderr
    return list(YAML(typ="safe").load_all(ended.stdout))


def test_kustomize_makes_what_the_jobs_need() -> None:
    """Namespace, access and the configuration under the name that the Jobs mount; no Job, and nothing optional."""
    made = kubectl("kustomize", str(FOLDER))
    (settings,) = (one for one in made if one["kind"] == "ConfigMap")
    (job,) = objects("job.yaml")
    (mounted,) = (volume for volume in job["spec"]["template"]["spec"]["volumes"] if "configMap" in volume)
    assert settings["metadata"] == {"name": mounted["configMap"]["name"], "namespace": job["metadata"]["namespace"]}
    assert settings["data"] == {"rollout.yaml": (FOLDER / "rollout.yaml").read_text("utf-8")}
    names = {(one["kind"], one["metadata"]["name"]) for one in made} - {("ConfigMap", "rollout")}
    optional = {"eks-rollout-jobs"}
    wanted = {(one["kind"], one["metadata"].get("name")) for one in all_objects() if one["kind"] != "Job"}
    assert names == {one for one in wanted if one[1] not in optional}


def test_the_line_at_the_head_of_the_job_gives_it_image_and_key() -> None:
    """AMI and KEY of that line are what the Job's command gets; everything else stays as it is in the file."""
    (made,) = kubectl(
        *("set", "env", "--local", "--filename", str(FOLDER / "job.yaml"), "AMI=ami-1", "KEY=a-key", "--output", "yaml")
    )
    assert command(made)[-4:] == ["--ami", "ami-1", "--key", "a-key"]
    parse(command(made))
    (shipped,) = objects("job.yaml")
    assert made["spec"]["podFailurePolicy"] == shipped["spec"]["podFailurePolicy"]
    assert made["metadata"]["generateName"] == shipped["metadata"]["generateName"]
