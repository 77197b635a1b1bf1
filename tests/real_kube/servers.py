"""The real API server of ROLLOUT_TEST_KUBECONFIG, as the tests reach it: with policy/v1, and by a cable."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ruamel.yaml import YAML

from tests.real_kube.cable import Cable, cable
from tests.real_kube.policy import translating
from tests.simulator.clusters import Api, real

KUBECONFIG = os.environ.get("ROLLOUT_TEST_KUBECONFIG", "")


@dataclass(frozen=True)
class Server:
    """A real API server. `kubeconfig` leads to it by the cable; `words`: what is to be said of it."""

    kubeconfig: Path
    cable: Cable
    words: str

    @property
    def api(self) -> Api:
        """The administrator's requests to it, by the cable too."""
        return real(self.kubeconfig)


@contextmanager
def with_policy(kubeconfig: Path, directory: Path) -> Iterator[tuple[Path, str]]:
    """A kubeconfig of that server in which it has policy/v1, inside the block, and what is to be said of it."""
    api = real(kubeconfig)
    version = str(api("GET", "/version").body["gitVersion"])
    if api("GET", "/apis/policy/v1").code == 200:
        yield kubeconfig, f"Kubernetes {version}, as it is"
        return
    document = _read(kubeconfig)
    with translating(api.url, api.tls) as url:
        document["clusters"][0]["cluster"] = {"server": url}
        yield (
            _written(directory / "translated", document),
            f"Kubernetes {version} without policy/v1: evictions and budgets are translated to v1beta1 on the way",
        )


@contextmanager
def served(directory: Path) -> Iterator[Server]:
    """The server of ROLLOUT_TEST_KUBECONFIG, inside the block."""
    assert KUBECONFIG, "give the kubeconfig of a real cluster: ROLLOUT_TEST_KUBECONFIG=FILE"
    with ExitStack() as stack:
        kubeconfig, words = stack.enter_context(with_policy(Path(KUBECONFIG), directory))
        document = _read(kubeconfig)
        cluster = document["clusters"][0]["cluster"]
        parts = urlsplit(cluster["server"])
        port = parts.port or (443 if parts.scheme == "https" else 80)
        wire = stack.enter_context(cable(parts.hostname or "", port))
        cluster["server"] = f"{parts.scheme}://127.0.0.1:{wire.port}"
        if parts.scheme == "https":
            cluster.setdefault("tls-server-name", parts.hostname)
        yield Server(_written(directory / "by-cable", document), wire, words)


def _read(kubeconfig: Path) -> dict[str, Any]:
    """The kubeconfig; its first cluster and user are those that are meant, as for the facts."""
    return dict(copy.deepcopy(YAML(typ="safe").load(kubeconfig.read_text("utf-8"))))


def _written(file: Path, document: dict[str, Any]) -> Path:
    with file.open("w", encoding="utf-8") as stream:
        YAML().dump(document, stream)
    file.chmod(0o600)
    return file
