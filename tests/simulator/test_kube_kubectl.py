"""kubectl at work on the simulated cluster: what a person types while learning the tool, or in trouble."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.simulator.clusters import Api, Simulated, simulated

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")

KUBECONFIG = """
apiVersion: v1
kind: Config
clusters: [{{name: simulated, cluster: {{server: "{url}"}}}}]
contexts: [{{name: simulated, context: {{cluster: simulated, namespace: {namespace}}}}}]
current-context: simulated
"""
DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: example.com/web:1}]}
"""


class Kubectl:
    """kubectl on a simulated cluster with one node, in a namespace of its own."""

    def __init__(self, server: Simulated, directory: Path) -> None:
        self.server = server
        self.api = Api(server.url)
        self.api.begin()
        self.node = self.api.node
        self._directory = directory
        config = directory / "kubeconfig"
        config.write_text(KUBECONFIG.format(url=server.url, namespace=self.api.namespace), "utf-8")
        self._environment = {"PATH": os.environ["PATH"], "HOME": str(directory), "KUBECONFIG": str(config)}

    def run(self, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        command = ["kubectl", f"--cache-dir={self._directory}", *words]
        return subprocess.run(
            command, env=self._environment, input=given, capture_output=True, text=True, timeout=120, check=False
        )

    @contextmanager
    def started(self, *words: str) -> Iterator[Iterator[str]]:
        """The lines that a command prints, until the block ends it."""
        command = ["kubectl", f"--cache-dir={self._directory}", *words]
        with subprocess.Popen(
            command, env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            assert process.stdout
            yield iter(process.stdout)
            process.kill()

    def __call__(self, *words: str, given: str = "") -> str:
        """What a command that succeeds prints."""
        done = self.run(*words, given=given)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def json(self, *words: str) -> Any:
        """An object as the server has it."""
        return json.loads(self("get", *words, "-o", "json"))


@pytest.fixture(scope="module")
def server() -> Iterator[Simulated]:
    """A cluster whose kubelets are done with a deleted pod at once."""
    with simulated() as one:

        def stop(_event: str, pod: dict[str, Any], _before: dict[str, Any] | None) -> None:
            meta = pod["metadata"]
            if "deletionTimestamp" in meta:
                one.store.remove("pods", meta["namespace"], meta["name"], meta["uid"])

        one.store.on("pods", stop)
        yield one


@pytest.fixture
def kubectl(server: Simulated, tmp_path: Path) -> Kubectl:
    """kubectl, with a node and a namespace of its own."""
    return Kubectl(server, tmp_path)


def test_get_prints_tables(kubectl: Kubectl) -> None:
    """`kubectl get` prints the columns of the real server."""
    kubectl.api.pod("p", phase="Running")
    assert kubectl("get", "nodes", kubectl.node, "--no-headers").split()[:3] == [kubectl.node, "Ready", "<none>"]
    assert kubectl("get", "pods").split() == [
        "NAME",
        "READY",
        "STATUS",
        "RESTARTS",
        "AGE",
        "p",
        "0/1",
        "Running",
        "0",
        "0s",
    ]
    assert (
        kubectl("get", "pods", "-A", "-o", "wide", "--field-selector", f"spec.nodeName={kubectl.node}").count("\n") == 2
    )
    assert kubectl("get", "pods", "-l", "app in (x)", "-o", "name") == ""
    assert kubectl.json("pod", "p")["kind"] == "Pod"
    assert "not found" in kubectl.run("get", "pods", "nope").stderr


def test_watch_shows_changes(kubectl: Kubectl) -> None:
    """`kubectl get -w` prints a line for each change."""
    with kubectl.started("get", "node", kubectl.node, "-w", "--no-headers") as lines:
        assert next(lines).split()[:2] == [kubectl.node, "Ready"]
        kubectl("cordon", kubectl.node)
        assert next(lines).split()[:2] == [kubectl.node, "Ready,SchedulingDisabled"]


def test_taint_and_untaint(kubectl: Kubectl) -> None:
    """`kubectl taint` sets and removes its own taint and leaves the others."""
    kubectl("taint", "node", kubectl.node, "mine=1:PreferNoSchedule")
    kubectl("taint", "node", kubectl.node, "mine=2:PreferNoSchedule", "--overwrite")
    values = {one["key"]: one.get("value") for one in kubectl.json("node", kubectl.node)["spec"]["taints"]}
    assert values == {"mine": "2", "node.kubernetes.io/not-ready": None}
    kubectl("taint", "node", kubectl.node, "mine-")
    values = {one["key"]: one.get("value") for one in kubectl.json("node", kubectl.node)["spec"]["taints"]}
    assert values == {"node.kubernetes.io/not-ready": None}


def test_cordon_drain_uncordon(kubectl: Kubectl) -> None:
    """`kubectl drain` cordons, leaves DaemonSet pods, evicts the others and waits until they are gone."""
    daemons = kubectl.api.of("apps/v1", "daemonsets")
    template = {"metadata": {"labels": {"d": "d"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"selector": {"matchLabels": {"d": "d"}}, "template": template}
    daemon = kubectl.api("POST", daemons, {"metadata": {"name": "d"}, "spec": spec}).body["metadata"]
    owner = {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "d", "uid": daemon["uid"], "controller": True}
    kubectl.api.pod("d-1", phase="Running", ownerReferences=[owner])
    for name in ("p", "q"):
        kubectl.api.pod(name, phase="Running")
    drained = kubectl("drain", kubectl.node, "--ignore-daemonsets", "--force", "--timeout=90s")
    assert f"node/{kubectl.node} drained" in drained
    assert kubectl("get", "pods", "-o", "name").split() == ["pod/d-1"]
    assert kubectl.json("node", kubectl.node)["spec"]["unschedulable"]
    kubectl("uncordon", kubectl.node)
    assert "unschedulable" not in kubectl.json("node", kubectl.node)["spec"]


def test_drain_waits_for_a_budget(kubectl: Kubectl) -> None:
    """`kubectl drain` of a pod that a budget keeps says so, and waits."""
    kubectl.api.pod("p", phase="Running", labels={"app": "x"})
    budget = {"metadata": {"name": "b"}, "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "x"}}}}
    kubectl.api("POST", kubectl.api.of("policy/v1", "poddisruptionbudgets"), budget)
    with kubectl.started("drain", kubectl.node, "--force") as lines:
        assert any("violate the pod's disruption budget" in line for line in lines)
    assert kubectl("get", "pdb", "--no-headers").split()[:4] == ["b", "1", "N/A", "0"]


def test_create_by_itself(kubectl: Kubectl) -> None:
    """What `kubectl create` makes without a file, which it may send as protobuf, is there as it was typed."""
    kubectl("create", "configmap", "c", "--from-literal=rollout-id=r-1", "--from-literal=b=")
    assert kubectl.json("configmap", "c")["data"] == {"rollout-id": "r-1", "b": ""}
    kubectl("create", "job", "j", "--image=busybox", "--", "sleep", "60")
    pod = kubectl.json("job", "j")["spec"]["template"]["spec"]
    (made,) = pod["containers"]
    assert (made["name"], made["image"], made["command"], pod["restartPolicy"]) == (
        "j",
        "busybox",
        ["sleep", "60"],
        "Never",
    )
    kubectl("create", "deployment", "d", "--image=nginx", "--replicas=3", "--port=80")
    spec = kubectl.json("deployment", "d")["spec"]
    (made,) = spec["template"]["spec"]["containers"]
    assert (spec["replicas"], spec["selector"]["matchLabels"], made["ports"][0]["containerPort"]) == (
        3,
        {"app": "d"},
        80,
    )
    assert spec["template"]["metadata"]["labels"] == {"app": "d"}
    for name, bound in (("one", "1"), ("half", "50%")):
        kubectl("create", "poddisruptionbudget", name, "--selector=app=d", f"--min-available={bound}")
    assert kubectl.json("pdb", "one")["spec"]["minAvailable"] == 1
    assert kubectl.json("pdb", "half")["spec"]["minAvailable"] == "50%"


def test_scale(kubectl: Kubectl) -> None:
    """`kubectl scale` goes through the subresource, down to 0 and with its precondition."""
    kubectl("create", "-f", "-", given=DEPLOYMENT)
    kubectl("scale", "deployment", "web", "--replicas=0")
    assert kubectl.json("deployment", "web")["spec"]["replicas"] == 0
    assert kubectl.run("scale", "deployment", "web", "--replicas=3", "--current-replicas=1").returncode != 0


def test_apply_edits_in_place(kubectl: Kubectl) -> None:
    """`kubectl apply` creates, then patches what differs and nothing else."""
    kubectl("apply", "-f", "-", given=DEPLOYMENT)
    uid = kubectl.json("deployment", "web")["metadata"]["uid"]
    kubectl("apply", "-f", "-", given=DEPLOYMENT.replace("replicas: 2", "replicas: 5"))
    changed = kubectl.json("deployment", "web")
    assert (changed["metadata"]["uid"], changed["spec"]["replicas"]) == (uid, 5)
    assert "unchanged" in kubectl("apply", "-f", "-", given=DEPLOYMENT.replace("replicas: 2", "replicas: 5"))


def test_wait(kubectl: Kubectl) -> None:
    """`kubectl wait` sees conditions and deletions."""
    kubectl("wait", f"node/{kubectl.node}", "--for=condition=Ready", "--timeout=60s")
    kubectl.api.pod("p", phase="Running")
    kubectl("delete", "pod", "p", "--wait=false")
    kubectl("wait", "pod/p", "--for=delete", "--timeout=60s")


def test_describe(kubectl: Kubectl) -> None:
    """`kubectl describe` finds a node's pods and a pod's conditions."""
    kubectl.api.pod("some-pod", phase="Running")
    assert "some-pod" in kubectl("describe", "node", kubectl.node)
    assert "Ready" in kubectl("describe", "pod", "some-pod")


def test_annotate_label_and_patch(kubectl: Kubectl) -> None:
    """`kubectl annotate`, `label` and `patch` change what they name."""
    kubectl("annotate", "node", kubectl.node, "cluster-autoscaler.kubernetes.io/scale-down-disabled=true")
    kubectl("label", "node", kubectl.node, "nodegroup=x")
    kubectl("patch", "node", kubectl.node, "--type=json", "-p", '[{"op": "remove", "path": "/metadata/labels/a"}]')
    meta = kubectl.json("node", kubectl.node)["metadata"]
    assert meta["annotations"] == {"cluster-autoscaler.kubernetes.io/scale-down-disabled": "true"}
    assert meta["labels"] == {"nodegroup": "x"}
    kubectl("annotate", "node", kubectl.node, "cluster-autoscaler.kubernetes.io/scale-down-disabled-")
    assert "annotations" not in kubectl.json("node", kubectl.node)["metadata"]


def test_delete(kubectl: Kubectl) -> None:
    """`kubectl delete` waits until the object is gone, and forces when told to."""
    for name in ("p", "q"):
        kubectl.api.pod(name, phase="Running", finalizers=["a/b"] if name == "q" else [])
    assert "deleted" in kubectl("delete", "pod", "p")
    assert kubectl.run("delete", "pod", "q", "--force", "--grace-period=0", "--timeout=1s").returncode != 0
    kubectl("patch", "pod", "q", "--type=merge", "-p", '{"metadata": {"finalizers": null}}')
    assert kubectl("get", "pods", "-o", "name") == ""


def test_finds_its_way(kubectl: Kubectl) -> None:
    """`kubectl version` and `api-resources` find the server's kinds."""
    assert "Server Version: v1." in kubectl("version")
    assert {"nodes", "jobs.batch", "deployments.apps"} <= set(kubectl("api-resources", "-o", "name").split())
