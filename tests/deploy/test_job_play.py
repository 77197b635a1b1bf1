"""A Job of deploy/kubernetes/, played with the real command line: what its pods run, and which comes after which."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen

import pytest
from ruamel.yaml import YAML

from tests.deploy.manifests import Object, command, objects
from tests.deploy.test_kubernetes import verdict
from tests.e2e.proving import broken
from tests.e2e.simulated import Result, Simulated, empty_database, environment, finish, says, simulator
from tests.postgres import PASSWORD, Server

#: A whole rollout with two interruptions: make exhaustive runs it, and CI a sixth.
pytestmark = pytest.mark.exhaustive

#: A terminate of the drain, while the answer is under way.
IN_DRAIN = {"match": {"operation": "TerminateInstanceInAutoScalingGroup", "nth": 1}, "hang": {"when": "after"}}

#: The command on a host with the pod's name.
_HOSTED = """
import socket, sys
name = sys.argv.pop(1)
socket.gethostname = lambda: name
from rollout.cli.app import main
main()
"""


@dataclass(frozen=True)
class Namespace:
    """A namespace with ConfigMap and Secret in it, on a simulated cluster."""

    world: Simulated
    url: str

    def pod(self, name: str, job: Object) -> Popen[str]:
        """Start a pod of a Job: its command on a host of its own, with nothing of a home to write to."""
        mounted = str(self.world.directory / "rollout.yaml")
        typed = [
            mounted if one == "/etc/rollout/rollout.yaml" else one for one in command(job, AMI=self.world.ami, KEY="k")
        ]
        given = {"PGPASSWORD": PASSWORD, "HOSTNAME": name}
        return Popen(
            [sys.executable, "-c", _HOSTED, name, *typed],
            env=environment(Path("/dev/null"), {**self.world.environment, **given}),
            cwd="/",
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=PIPE,
            text=True,
        )

    def run(self, name: str, job: Object) -> Result:
        """Run a pod to its end."""
        return finish(self.pod(name, job))


@pytest.fixture
def namespace(tmp_path: Path, postgres: Server) -> Iterator[Namespace]:
    """A world whose configuration names a database on a server, without a password."""
    with simulator("proof-plain", tmp_path / "world") as world:
        url = empty_database(world, postgres)
        (world.directory / ".pgpass").unlink()
        yaml, file = YAML(), world.directory / "rollout.yaml"
        content = yaml.load(file)
        content["database"] = url
        yaml.dump(content, file)
        yield Namespace(world, url)


def test_pods_come_and_go_and_the_rollout_is_one(
    namespace: Namespace, postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One pod is killed in the drain, the next is evicted, a third ends it, and a fourth finds nothing to do."""
    (job,), (database,) = objects("job.yaml"), objects("database.yaml")
    assert namespace.run("rollout-database-1", database).code == 0

    namespace.world.post("/faults", IN_DRAIN)
    namespace.world.kill_at(namespace.pod("rollout-1-a", job))
    assert verdict(128 + signal.SIGKILL) == "Count"

    evicted = namespace.pod("rollout-1-b", job)
    says(evicted, "took over from process")
    evicted.terminate()
    code = finish(evicted).code
    assert verdict(code, "DisruptionTarget") == "Ignore"

    last = namespace.run("rollout-1-c", job)
    assert (last.code, "done: 4 nodes replaced" in last.out) == (0, True), last
    again = namespace.run("rollout-1-d", job)
    assert (again.code, "is done already" in again.out) == (0, True), again

    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    assert broken(namespace.world, namespace.url) == {}
    held = postgres.execute("SELECT host, ended FROM lease_history ORDER BY epoch", namespace.url.rpartition("/")[2])
    assert held == [("rollout-1-a", "killed"), ("rollout-1-b", "released"), ("rollout-1-c", "released")]
    assert postgres.execute("SELECT caller_key FROM rollouts", namespace.url.rpartition("/")[2]) == [("k",)]
