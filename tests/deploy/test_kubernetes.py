"""deploy/kubernetes/: what it holds is what Kubernetes takes, what a rollout needs, and no more.

``ROLLOUT_TEST_KUBECONFIG=FILE pytest tests/deploy`` puts it to a real API server too.
"""

from __future__ import annotations

import copy
import os
import re
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
from kubernetes.client import models
from pydantic import ValidationError

from rollout import __version__, config
from rollout.adapters.kube_records import review
from rollout.cli import app, outcome
from rollout.errors import ANOTHER_ACTIVE, BUG, RESUMABLE
from rollout.model.preflight_observation import Right
from rollout.preflight.rights import NODE_EVENTS, optional, rights
from tests.deploy.manifests import FOLDER, Object, all_objects, command, container, objects, parsed
from tests.simulator.clusters import Api, real, simulated
from tests.test_docs import README, parse

(JOB,), (DATABASE,) = objects("job.yaml"), objects("database.yaml")
POD = JOB["spec"]["template"]["spec"]


def _filled_in() -> config.Config:
    """The configuration with names in place of what stands for them, as a person puts them there."""
    text = (FOLDER / "rollout.yaml").read_text("utf-8")
    with tempfile.TemporaryDirectory() as folder:
        filled = Path(folder, "rollout.yaml")
        filled.write_text(text.replace("REPLACE_ME", "mine"), "utf-8")
        return config.load(filled, {})


CONFIG = _filled_in()

KUBECONFIG = os.environ.get("ROLLOUT_TEST_KUBECONFIG", "")
SERVERS = ("simulated", "real") if KUBECONFIG else ("simulated",)
#: Kinds that the simulated API server does not have: of these only the shape is known to be right.
SHAPE_ONLY = {"ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}


def called(one: Object) -> str:
    meta = one["metadata"]
    return f"{one['kind']}/{meta.get('name') or meta['generateName']}"


# ---- what Kubernetes takes


def shaped(one: Object) -> None:
    """Read an object by Kubernetes' own schema of its kind, in which no field is unknown."""
    getattr(models, f"V1{one['kind']}").model_validate(one)


@pytest.mark.parametrize("one", all_objects(), ids=called)
def test_every_field_is_one_that_kubernetes_knows(one: Object) -> None:
    """Each object is read by the schema of its kind, which refuses a field that it does not know, at any depth."""
    shaped(one)
    broken = copy.deepcopy(one)
    broken["metadata"]["lables"] = {}
    with pytest.raises(ValidationError, match="lables"):
        shaped(broken)


@pytest.fixture(params=SERVERS)
def api(request: pytest.FixtureRequest) -> Iterator[Api]:
    """Each API server in turn, with the namespaces that are there anyway or made first."""
    if request.param == "real":
        client = real(Path(KUBECONFIG))
        yield client
        client.clean()
        return
    with simulated() as server:
        client = Api(server.url)
        client("POST", "/api/v1/namespaces", {"metadata": {"name": "kube-system"}})
        yield client


def collection(one: Object) -> str:
    """The path that an object is posted to."""
    version, kind = one["apiVersion"], one["kind"].lower()
    root = f"/api/{version}" if version == "v1" else f"/apis/{version}"
    namespace = one["metadata"].get("namespace")
    return f"{root}/namespaces/{namespace}/{kind}s" if namespace else f"{root}/{kind}s"


def first_the_namespace(one: Object) -> bool:
    return bool(one["kind"] != "Namespace")


def test_the_api_server_takes_every_object(api: Api) -> None:
    """Each is created; what the simulated server does not have is exactly what it is known not to have."""
    made = {called(one): api("POST", collection(one), one) for one in sorted(all_objects(), key=first_the_namespace)}
    absent = {name.partition("/")[0] for name, reply in made.items() if reply.code == 404}
    assert absent == (set() if api.url.startswith("https") else SHAPE_ONLY)
    refused = {name: reply.body for name, reply in made.items() if reply.code not in {201, 404}}
    assert refused == {}


# ---- what a rollout needs


#: What a rollout can go without.
OPTIONALS = {right for need in optional(CONFIG.settings()) for right in need.rights}


def granted(*files: str, optional: bool = False) -> set[Right]:
    """Every right that the roles of these files grant, where their bindings grant it: required or optional ones."""
    found = [one for file in files for one in objects(file) if one["kind"].endswith("Role")]
    roles = (one for one in found if one["metadata"]["name"].endswith("-optional") == optional)
    return {right for role in roles for right in rights_of(role)}


def rights_of(role: Object) -> Iterator[Right]:
    """Every right that a role grants."""
    for rule in role["rules"]:
        for group in rule.get("apiGroups", [""]):
            for resource in rule.get("resources") or rule["nonResourceURLs"]:
                for verb in rule["verbs"]:
                    for name in rule.get("resourceNames", [""]):
                        yield Right(verb, resource, group, role["metadata"].get("namespace", ""), name)


@pytest.mark.parametrize(
    ("on_deadline", "files"), [("pod", ["access.yaml"]), ("job", ["access.yaml", "access-to-jobs.yaml"])]
)
def test_roles_grant_what_a_rollout_asks_for(on_deadline: Literal["pod", "job"], files: list[str]) -> None:
    """The rights that a rollout with this configuration cannot go without, all of them and no other."""
    assert granted(*files) == set(rights(replace(CONFIG.settings(), on_deadline=on_deadline)))


def test_a_role_of_its_own_grants_what_is_optional() -> None:
    """All of it and no other: an operator who does not want it leaves that role out. But for Events it only reads."""
    assert granted("access.yaml", optional=True) == OPTIONALS
    assert {right.verb for right in OPTIONALS.difference(NODE_EVENTS.rights)} <= {"get", "list", "watch"}


def test_the_rights_that_an_older_version_asked_for_are_enough() -> None:
    """Nothing is required now that the roles of an older version do not grant: an upgrade is never refused for it."""
    before = (Path(__file__).parent / "access-before.yaml").read_text(encoding="utf-8")
    older = {right for one in parsed(before) if one["kind"].endswith("Role") for right in rights_of(one)}
    assert set(rights(CONFIG.settings())) <= older
    assert older.isdisjoint(OPTIONALS)


def test_nothing_is_granted_by_a_star() -> None:
    """No rule says `*` but of paths: what a later version of Kubernetes brings is not granted beforehand."""
    every = granted("access.yaml", "access-to-jobs.yaml") | granted("access.yaml", optional=True)
    assert [right for right in every if "*" in f"{right}" and not right.resource.startswith("/")] == []


def test_each_role_is_bound_to_who_the_job_is() -> None:
    """Role and binding have one name and one place, and the subject is the service account of the Job's pods."""
    found = [*objects("access.yaml"), *objects("access-to-jobs.yaml")]
    (account,) = (one["metadata"] for one in found if one["kind"] == "ServiceAccount")
    assert (account["name"], account["namespace"]) == (POD["serviceAccountName"], JOB["metadata"]["namespace"])
    who = [{"kind": "ServiceAccount", "name": account["name"], "namespace": account["namespace"]}]
    roles = {(one["kind"], *_place(one)) for one in found if one["kind"].endswith("Role")}
    bindings = [one for one in found if one["kind"].endswith("Binding")]
    assert {(one["roleRef"]["kind"], *_place(one)) for one in bindings} == roles
    assert all(one["roleRef"]["name"] == one["metadata"]["name"] and one["subjects"] == who for one in bindings)


def _place(one: Object) -> tuple[str, str]:
    return one["metadata"]["name"], one["metadata"].get("namespace", "")


@pytest.mark.skipif(not KUBECONFIG, reason="asks a real API server: ROLLOUT_TEST_KUBECONFIG")
def test_rbac_of_a_real_cluster_agrees() -> None:
    """Asked on behalf of the Job, its authorizer allows each right that is needed, and none beside them."""
    api = real(Path(KUBECONFIG))
    try:
        for one in objects("access.yaml"):
            # Roles and bindings; an account need not be there to be asked about.
            assert one["kind"] == "ServiceAccount" or api("POST", collection(one), one).code == 201
        assert [right for right in (*rights(CONFIG.settings()), *OPTIONALS) if not allows(api, right)] == []
        beside = (
            Right("delete", "nodes"),
            Right("create", "pods"),
            Right("get", "secrets", namespace="kube-system"),
            Right("delete", "jobs", "batch"),
            Right("patch", "configmaps", namespace="kube-system", name="coredns"),
            Right("patch", "deployments", "apps", "kube-system", "coredns"),
        )
        assert [right for right in beside if allows(api, right)] == []
    finally:
        api.clean()


def allows(api: Api, right: Right) -> bool:
    spec = {"user": "system:serviceaccount:eks-rollout:rollout", **review(right)["spec"]}
    answer = api("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", {"spec": spec})
    return bool(answer.body["status"]["allowed"])


def test_the_configuration_is_one_for_a_pod() -> None:
    """It checks; Kubernetes is reached from inside, and the journal is on a server, without a password in it."""
    assert CONFIG.access.kubernetes == "in-cluster"
    assert CONFIG.database.startswith("postgresql+psycopg://rollout@")


@pytest.mark.parametrize("job", [JOB, DATABASE], ids=called)
def test_the_command_can_be_typed(job: Object) -> None:
    """Its arguments are those of the command line, and the configuration that they name is mounted there."""
    typed = command(job)
    parse(typed)
    assert "$" not in " ".join(typed)
    (mount,) = (one for one in container(job)["volumeMounts"] if one["name"] == "configuration")
    assert typed[typed.index("--config") + 1] == f"{mount['mountPath']}/rollout.yaml"


@pytest.mark.parametrize("job", [JOB, DATABASE], ids=called)
def test_secrets_are_referred_to(job: Object) -> None:
    """The password comes from a Secret, into the environment; none stands in a file here."""
    (password,) = (one for one in container(job)["env"] if one["name"] == "PGPASSWORD")
    assert password.keys() == {"name", "valueFrom"}
    assert "secretKeyRef" in password["valueFrom"]
    assert [called(one) for one in all_objects() if one["kind"] == "Secret"] == []


@pytest.mark.parametrize("job", [JOB, DATABASE], ids=called)
def test_the_image_is_this_version(job: Object) -> None:
    """The Jobs run the image of the version that they are shipped with."""
    assert container(job)["image"] == f"rollout:{__version__}"


@pytest.mark.parametrize("job", [JOB, DATABASE], ids=called)
def test_pods_are_restricted(job: Object) -> None:
    """Each pod keeps Kubernetes' standard `restricted`, which its namespace enforces, and writes to /tmp alone.

    https://kubernetes.io/docs/concepts/security/pod-security-standards/
    """
    (namespace,) = objects("namespace.yaml")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    pod, only = job["spec"]["template"]["spec"], container(job)
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert only["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {one["mountPath"] for one in only["volumeMounts"] if not one.get("readOnly")} == {"/tmp"}  # noqa: S108
    assert {key for volume in pod["volumes"] for key in volume} == {"name", "configMap", "emptyDir"}


# ---- what happens when a pod ends


def verdict(code: int, *conditions: str) -> str:
    """What the Job controller does about a pod that ended with this code: its first rule that fits decides."""
    for rule in JOB["spec"]["podFailurePolicy"]["rules"]:
        if "onExitCodes" in rule:
            assert rule["onExitCodes"]["operator"] == "In"
            fits = code in rule["onExitCodes"]["values"]
        else:
            fits = any(one["type"] in conditions for one in rule["onPodConditions"])
        if fits:
            return str(rule["action"])
    return "Count"


def test_exit_codes_decide_whether_another_pod_comes() -> None:
    """What the README says to run again is run again; what a person must see ends the Job."""
    table = re.findall(r"^\| (\d+) \|.*\| (.*) \|$", README, flags=re.MULTILINE)
    again = {int(code) for code, what in table if "run the same command again" in what}
    assert again == {BUG, RESUMABLE}
    verdicts = {int(code): verdict(int(code)) for code, _ in table if code != "0"}
    assert verdicts == {code: "Count" if code in again else "FailJob" for code in verdicts}
    assert {*outcome._CODES.values(), *app._CODES.values(), ANOTHER_ACTIVE} - {0} <= verdicts.keys()


def test_killed_pods_are_replaced() -> None:
    """SIGKILL and an unheard SIGTERM, by signal number, count as a try; what Kubernetes did itself does not."""
    assert [verdict(128 + number) for number in (9, 15)] == ["Count", "Count"]
    assert verdict(RESUMABLE, "DisruptionTarget") == "Ignore"


def test_a_halt_stays_a_halt_on_a_drained_node() -> None:
    """A pod that halted while its node was drained is not begun again: that would clear the halt."""
    assert verdict(1, "DisruptionTarget") == "FailJob"


def test_exit_codes_are_looked_at() -> None:
    """A policy asks for pods that are never restarted, and for a next pod only after the last one ended."""
    assert POD["restartPolicy"] == "Never"
    assert JOB["spec"]["podReplacementPolicy"] == "Failed"
    assert JOB["spec"].get("parallelism", 1) == 1


def test_nobody_cuts_a_rollout_short() -> None:
    """There is time to give the lease back, no deadline but the rollout's own, and autoscalers leave the pod alone."""
    assert POD["terminationGracePeriodSeconds"] >= 30
    assert "activeDeadlineSeconds" not in JOB["spec"].keys() | POD.keys()
    notes = JOB["spec"]["template"]["metadata"]["annotations"]
    assert notes["cluster-autoscaler.kubernetes.io/safe-to-evict"] == "false"
    assert notes["karpenter.sh/do-not-disrupt"] == "true"


# ---- where it runs


def schedulable(labels: dict[str, str]) -> bool:
    """Whether the Job's pod may run on a node with these labels; of the terms one must hold."""
    wanted = POD["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert {one["operator"] for term in wanted for one in term["matchExpressions"]} == {"Exists"}
    return any(all(one["key"] in labels for one in term["matchExpressions"]) for term in wanted)


#: Labels that nodes carry: EKS user guide (managed node groups), Karpenter's and eksctl's documentation.
NODES: list[tuple[dict[str, Any], bool]] = [
    ({"eks.amazonaws.com/nodegroup": "system", "eks.amazonaws.com/capacityType": "ON_DEMAND"}, True),
    ({"karpenter.sh/nodepool": "default", "karpenter.sh/capacity-type": "spot"}, True),
    ({"node.kubernetes.io/instance-type": "m5.2xlarge", "topology.kubernetes.io/zone": "eu-west-1a"}, False),
    ({"alpha.eksctl.io/nodegroup-name": "workers", "node-lifecycle": "on-demand"}, False),
]


@pytest.mark.parametrize(("labels", "may"), NODES, ids=["managed", "karpenter", "self-managed", "eksctl"])
def test_it_runs_on_nodes_that_no_rollout_replaces(labels: dict[str, str], may: bool) -> None:  # noqa: FBT001
    """A node of a managed node group or of Karpenter will do; a self-managed one will not."""
    assert schedulable(labels) == may


def test_the_pod_can_be_told_from_others() -> None:
    """`rollout start` finds its own pod by the host name, which is the pod's as long as nothing gives it another."""
    assert not {"hostname", "hostNetwork", "setHostnameAsFQDN"} & POD.keys()
    assert "HOSTNAME" not in {one["name"] for one in container(JOB)["env"]}
