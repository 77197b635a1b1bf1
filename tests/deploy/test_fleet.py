"""deploy/kubernetes/fleet/: a Job in work-queue mode, whose pods are workers, and the files that they read."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from rollout import __version__
from rollout.errors import BUG, FOR_A_PERSON, OTHER_VERSION, RESUMABLE, USAGE
from rollout.fleet import spec
from tests.deploy.manifests import FOLDER, command, container, objects, parsed
from tests.deploy.test_kubernetes import shaped
from tests.test_docs import parse

FLEET = FOLDER / "fleet"
(JOB,), (SINGLE,), (POLICY,) = objects("fleet/job.yaml"), objects("job.yaml"), objects("fleet/network.yaml")
POD, SINGLE_POD = JOB["spec"]["template"]["spec"], SINGLE["spec"]["template"]["spec"]


def test_every_field_is_one_that_kubernetes_knows() -> None:
    """Job and network policy are read by the schemas of their kinds."""
    shaped(JOB)
    shaped(POLICY)


def test_it_is_a_work_queue() -> None:
    """Several pods, and no number of completions: the Job is complete when workers find the fleet over."""
    assert JOB["spec"]["parallelism"] > 1
    assert not {"completions", "completionMode", "activeDeadlineSeconds"} & JOB["spec"].keys()


def test_its_command_can_be_typed() -> None:
    """Its arguments are those of the command line, and the file that they name is mounted there."""
    parse(command(JOB))
    (mount,) = (one for one in container(JOB)["volumeMounts"] if one["name"] == "configuration")
    assert command(JOB)[command(JOB).index("--config") + 1] == f"{mount['mountPath']}/fleet.yaml"


def test_pods_are_as_those_of_a_single_rollout() -> None:
    """Image, password, restrictions and the nodes that they may run on are the same."""
    for name in ("affinity", "securityContext", "serviceAccountName", "restartPolicy"):
        assert POD[name] == SINGLE_POD[name], name
    assert container(JOB)["image"] == f"rollout:{__version__}"
    assert container(JOB)["securityContext"] == container(SINGLE)["securityContext"]
    (password,) = container(JOB)["env"]
    assert password in container(SINGLE)["env"]
    assert POD["terminationGracePeriodSeconds"] > SINGLE_POD["terminationGracePeriodSeconds"]


def test_the_policy_is_for_these_pods() -> None:
    """It selects the Job's pods alone, lets nobody in, and lets them out to the database, names and HTTPS."""
    labels, selected = JOB["spec"]["template"]["metadata"]["labels"], POLICY["spec"]["podSelector"]["matchLabels"]
    assert selected.items() <= labels.items()
    assert not selected.items() <= SINGLE["spec"]["template"]["metadata"]["labels"].items()
    assert "ingress" not in POLICY["spec"]
    anywhere = [rule for rule in POLICY["spec"]["egress"] if "to" not in rule]
    assert {one["port"] for rule in anywhere for one in rule["ports"]} == {53, 443, 5432}


@pytest.mark.parametrize(
    ("code", "action"),
    [(USAGE, "FailJob"), (OTHER_VERSION, "FailJob"), (RESUMABLE, "Count"), (BUG, "Count"), (137, "Count")],
)
def test_exit_codes_decide_whether_another_pod_comes(code: int, action: str) -> None:
    """A worker that cannot work ends the Job; one that was interrupted or killed is replaced."""
    first, second = JOB["spec"]["podFailurePolicy"]["rules"]
    assert ("FailJob" if code in first["onExitCodes"]["values"] else "Count") == action
    assert FOR_A_PERSON not in first["onExitCodes"]["values"]
    assert second["onPodConditions"] == [{"type": "DisruptionTarget", "status": "True"}]


def test_the_files_are_a_fleet(tmp_path: Path) -> None:
    """Filled in, the fleet can begin, and its ConfigMap has its file and every member's."""
    for file in FLEET.glob("*.yaml"):
        shutil.copy(file, tmp_path)
        copied = tmp_path / file.name
        copied.write_text(copied.read_text("utf-8").replace("REPLACE_ME", "mine"), "utf-8")
    fleet = spec.load(tmp_path / "fleet.yaml")
    spec.plan(fleet, tmp_path)
    (customized,) = parsed((FLEET / "kustomization.yaml").read_text("utf-8"))
    (generated,) = customized["configMapGenerator"]
    assert generated["files"] == ["fleet.yaml", *(str(one.config) for one in fleet.members)]
    (volume,) = (one for one in POD["volumes"] if one["name"] == "configuration")
    assert volume["configMap"]["name"] == generated["name"]
