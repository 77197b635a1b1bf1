"""A simulated AWS before a real API server, and the command line on it as the user of deploy/kubernetes/access.yaml."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.e2e.simulated import ROLLOUT, Process, Result, Simulated, environment
from tests.real_kube.servers import Server
from tests.simulator.clusters import Api

ACCESS = Path(__file__).parents[2] / "deploy" / "kubernetes" / "access.yaml"
PATHS = {
    "Namespace": "/api/v1/namespaces",
    "ServiceAccount": "/api/v1/namespaces/{}/serviceaccounts",
    "ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "Role": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings",
}
#: Seconds after which a rollout that has not ended is taken for stuck.
WHOLE = 400.0


def documents() -> list[dict[str, Any]]:
    """What deploy/kubernetes/access.yaml holds, with the namespace that its README has one make."""
    held = list(YAML(typ="safe").load_all(ACCESS.read_text("utf-8")))
    return [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "eks-rollout"}}, *held]


@contextmanager
def access(api: Api) -> Iterator[str]:
    """Apply access.yaml inside the block; the token of its ServiceAccount, which may do that and no more."""
    made = [(PATHS[one["kind"]].format(one["metadata"].get("namespace")), one) for one in documents()]
    for path, one in made:
        answer = api("POST", path, one)
        if answer.code == 409 and one["kind"] != "Namespace":  # of a run before that was killed
            answer = api("PUT", f"{path}/{one['metadata']['name']}", one)
        assert answer.code in (200, 201, 409), answer.body
    try:
        accounts = "/api/v1/namespaces/eks-rollout/serviceaccounts/rollout/token"
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        answer = api("POST", accounts, request)
        assert answer.code == 201, answer.body
        yield str(answer.body["status"]["token"])
    finally:
        for path, one in reversed(made[1:]):
            api("DELETE", f"{path}/{one['metadata']['name']}")


class Real(Simulated):
    """The running simulator and the command line; `after`: what it said at its end."""

    patience = WHOLE

    def __init__(self, directory: Path, token: str) -> None:
        super().__init__(directory)
        self.after = ""
        document = YAML(typ="safe").load((directory / "kubeconfig").read_text("utf-8"))
        document["users"][0]["user"] = {"token": token}
        with (directory / "user").open("w", encoding="utf-8") as file:
            YAML().dump(document, file)

    def ended(self, process: Process) -> Result:
        """Wait for a rollout to end by itself, in real time; a stuck one is killed and shown."""
        try:
            out, err = process.communicate(timeout=WHOLE)
        except subprocess.TimeoutExpired:
            process.kill()
            raise AssertionError(f"stuck: {Result(-9, *process.communicate())}") from None
        return Result(process.wait(), out, err)

    def until(self, holds: Callable[[list[dict[str, Any]]], object]) -> None:
        """Wait until it holds of the changes so far that a runner made."""
        end = time.monotonic() + WHOLE
        while not holds(self.get("/log?actor=client:")):
            assert time.monotonic() < end, "it never came to that"
            time.sleep(0.5)


@contextmanager
def world(server: Server, directory: Path, token: str) -> Iterator[Real]:
    """Run the scenario `minutes` before that server inside the block, for a user with that token."""
    directory.mkdir(parents=True)
    scenario = directory / "scenario.yaml"
    settings = {"access": {"kubeconfig": str(directory / "user")}}
    scenario.write_text(json.dumps({"base": "minutes", "settings": settings}))
    arguments = ["simulator", "--scenario", scenario, "--directory", directory, "--exit-with-stdin"]
    arguments += ["--real-time", "--kubernetes", server.kubeconfig]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [ROLLOUT, *map(str, arguments)], env=environment(directory, {}), stdin=pipe, stdout=pipe, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        found = None
        try:
            assert any(line.startswith("# ") for line in process.stdout), "the simulator did not come up"
            found = Real(directory, token)
            yield found
        finally:
            process.stdin.close()
            said = process.stdout.read()
            if found is not None:
                found.after = said
