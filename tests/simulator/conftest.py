"""The API servers that the facts about Kubernetes are put to: the simulated one, and a real one where it is given."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.real_kube.servers import KUBECONFIG, with_policy
from tests.simulator.clusters import CONTAINERS, Api, Simulated, eventually, real, simulated

SERVERS = ("simulated", "real") if KUBECONFIG else ("simulated",)
PROBE = {"metadata": {"name": "probe"}, "spec": {"containers": CONTAINERS}}


@dataclass(frozen=True)
class Asked:
    """A server that is asked; `simulated`: its inside, where it is ours."""

    client: Callable[[], Api]
    simulated: Simulated | None = None


@pytest.fixture(scope="module", params=SERVERS)
def asked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    """Each server in turn."""
    if request.param == "real":
        with with_policy(Path(KUBECONFIG), tmp_path_factory.mktemp("kubeconfig")) as (kubeconfig, _):
            yield Asked(lambda: real(kubeconfig))
        return
    with simulated() as one:
        yield Asked(lambda: Api(one.url), one)


@pytest.fixture
def fresh(asked: Asked) -> Iterator[Api]:
    """A client of it with a namespace and a node of its own."""
    client = asked.client()
    client.begin()
    if asked.simulated is None:
        # A real cluster lets no pod in before its controllers have made the namespace's service account and its token.
        assert eventually(lambda: client("POST", f"{client.pods}?dryRun=All", PROBE).code == 201)
    yield client
    client.clean()
