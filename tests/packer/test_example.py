"""The example of a Job is one that Kubernetes takes, and that fits what the AMI has and what a rollout waits for."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.packer.building import TEMPLATE
from tests.simulator.clusters import Api, simulated

EXAMPLE = Path(__file__).parents[2] / "examples/job.yaml"


@pytest.fixture(scope="module")
def job() -> dict[str, Any]:
    """The Job as the file has it."""
    loaded = YAML(typ="safe").load(EXAMPLE.read_text(encoding="utf-8"))
    assert isinstance(loaded, dict)
    return loaded


@pytest.fixture(scope="module")
def taken(job: dict[str, Any]) -> dict[str, Any]:
    """The Job as the API server answers with it."""
    with simulated() as server:
        api = Api(server.url)
        api.begin()
        answer = api("POST", api.of("batch/v1", "jobs"), job)
        assert answer.code == 201, answer.body
        assert isinstance(answer.body, dict)
        return answer.body


def test_the_api_server_takes_it(job: dict[str, Any], taken: dict[str, Any]) -> None:
    """Nothing of the pod is dropped or changed on the way."""
    sent, kept = job["spec"]["template"]["spec"], taken["spec"]["template"]["spec"]
    assert {key: kept[key] for key in sent if key != "containers"} == {
        key: value for key, value in sent.items() if key != "containers"
    }
    assert kept["containers"][0]["volumeMounts"] == sent["containers"][0]["volumeMounts"]


def test_the_model_is_mounted_for_reading(taken: dict[str, Any]) -> None:
    """Every mount is, and the node's folder must be there."""
    pod = taken["spec"]["template"]["spec"]
    mounts = [mount for container in pod["containers"] for mount in container["volumeMounts"]]
    assert [mount["readOnly"] for mount in mounts] == [True]
    (volume,) = pod["volumes"]
    assert volume["hostPath"]["type"] == "Directory"


def test_the_folder_is_the_one_that_the_template_fills(taken: dict[str, Any]) -> None:
    """Template and script have the same place for the model unless told otherwise."""
    (root,) = re.findall(r"\$\{MODEL_ROOT:-([^}]*)\}", (TEMPLATE / "provision.sh").read_text(encoding="utf-8"))
    variables = (TEMPLATE / "variables.pkr.hcl").read_text(encoding="utf-8")
    (name,) = re.findall(r'variable "model" \{[^}]*?default +(?:= )"(\w+)"', variables)
    assert taken["spec"]["template"]["spec"]["volumes"][0]["hostPath"]["path"] == f"{root}/{name}"


def test_a_killed_pod_is_made_anew(taken: dict[str, Any]) -> None:
    """A rollout past its deadline may delete the pod; the Job goes on, on a node that is no old one."""
    assert taken["spec"]["backoffLimit"] > 0
    pod = taken["spec"]["template"]["spec"]
    assert pod["restartPolicy"] == "Never"
    assert [one for one in pod["tolerations"] if "key" not in one] == []


def test_the_scheduler_is_told_what_the_pod_needs(taken: dict[str, Any]) -> None:
    """Requests, and nodes that have the model."""
    pod = taken["spec"]["template"]["spec"]
    assert [set(one["resources"]["requests"]) for one in pod["containers"]] == [{"cpu", "memory"}]
    (term,) = pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert [expression["key"] for expression in term["matchExpressions"]] == ["model"]
