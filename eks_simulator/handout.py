"""The files that a running simulator hands out: how to reach it, and a configuration with which the tool works on it.

The directory then holds `kubeconfig` (0600, as any), `rollout.yaml`, `clock` (the time: `face`), and, written last,
`endpoints.json`: who finds it finds the others complete. It and `clock` are removed when the simulator ends; the others
stay, and lead nowhere.
"""

from __future__ import annotations

import fcntl
import io
import json
import os
import shlex
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from eks_simulator.scenario import Scenario

TOKEN = "simulator"  # noqa: S105 - the kubeconfig's, and no secret: who reaches this machine's loopback may use it
KEYS = {"simulator": "simulator"}  # the AWS user's: access key and secret key, as secret as that token

_HEAD = """\
# A configuration for the embedded simulator, written by it when it started; it works until the simulator ends.
# Scenario {name}: cluster {cluster}. Start a rollout with:
#   {start}
"""

_COMMENTS = {
    "cluster": "The EKS cluster, its region and account; the account is text, so that a leading zero survives.",
    "groups": "The Auto Scaling groups whose nodes are replaced.",
    "access": "How the tool connects to AWS and Kubernetes: both are on loopback here.",
    "protected": "Which pods block their node until they end.",
    "unprotected": "Pods that nobody replaces or that run to their end, not named above: protect, evict or refuse.",
    "autoscaler": "The cluster-autoscaler's Deployment, which a rollout scales to 0 until RESTORE; or none.",
    "deadlines": "After drain, drain.on_deadline says what happens to Jobs that still run.",
    "database": "Where the rollout's journal lives.",
    "simulator": "Only here: the simulator's clock. Refused unless AWS and Kubernetes are loopback addresses too.",
}


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where a running simulator listens (URLs on loopback), and the directory with its files.

    `token`: what the kubeconfig brings; `real_time`: time passes by itself, and nobody need ask for it.
    """

    aws: str
    kubernetes: str
    control: str
    directory: Path
    region: str
    target_ami: str
    token: str = TOKEN
    real_time: bool = False

    @property
    def kubeconfig(self) -> Path:
        """The file for kubectl and for the tool."""
        return self.directory.absolute() / "kubeconfig"

    @property
    def configuration(self) -> Path:
        """The tool's configuration file."""
        return self.directory.absolute() / "rollout.yaml"

    @property
    def database(self) -> Path:
        """Where that configuration puts the tool's journal."""
        return self.directory.absolute() / "rollout.db"

    @property
    def environment(self) -> dict[str, str]:
        """What a shell must export so that the AWS SDKs and kubectl talk to the simulator; the keys are no secret."""
        ((access_key, secret_key),) = KEYS.items()
        return {
            "AWS_ENDPOINT_URL": self.aws,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ACCESS_KEY_ID": access_key,
            "AWS_SECRET_ACCESS_KEY": secret_key,
            "KUBECONFIG": str(self.kubeconfig),
        }

    def as_json(self) -> dict[str, Any]:
        """Return what `endpoints.json` says."""
        return {
            "aws": self.aws,
            "kubernetes": self.kubernetes,
            "control": self.control,
            "kubeconfig": str(self.kubeconfig),
            "configuration": str(self.configuration),
            "target_ami": self.target_ami,
            "environment": self.environment,
        }


class InUseError(Exception):
    """The directory is that of a simulator that runs."""


@contextmanager
def claimed(directory: Path) -> Iterator[None]:
    """Hold the directory, which is made, inside the block; it is free again when the process ends in any way.

    Raises `InUseError` where another simulator holds it: its files would be overwritten.
    """
    directory.mkdir(parents=True, exist_ok=True)
    held = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise InUseError(f"another simulator runs with its files in {directory}") from error
    finally:
        os.close(held)


@contextmanager
def handed_out(scenario: Scenario, endpoints: Endpoints) -> Iterator[None]:
    """Have all files lie in the directory inside the block; those of an earlier simulator are replaced."""
    _put(endpoints.kubeconfig, _yaml(_kubeconfig(scenario.cluster, endpoints.kubernetes, endpoints.token)))
    _put(endpoints.configuration, configuration(scenario, endpoints))
    announcement = endpoints.directory / "endpoints.json"
    _put(announcement, json.dumps(endpoints.as_json(), indent=2) + "\n")
    try:
        yield
    finally:
        announcement.unlink(missing_ok=True)


def configuration(scenario: Scenario, endpoints: Endpoints) -> str:
    """Return the text of `rollout.yaml`: what follows from the scenario, and over it what its `settings` say."""
    settings = CommentedMap(_merged(_follows(scenario, endpoints), scenario.settings))
    for key, comment in _COMMENTS.items():
        if key in settings:
            settings.yaml_set_comment_before_after_key(key, before="\n" + comment)
    words = ("rollout", "start", "--config", str(endpoints.configuration), "--ami", scenario.target_ami)
    head = _HEAD.format(name=scenario.name, cluster=scenario.cluster, start=shlex.join(words))
    return head + _yaml(settings)


def _follows(scenario: Scenario, endpoints: Endpoints) -> dict[str, Any]:
    autoscaler = scenario.autoscaler
    return {
        "cluster": scenario.cluster,
        "region": scenario.region,
        "account": scenario.account,
        "groups": [group.name for group in scenario.groups],
        "access": {
            "kubernetes": "kubeconfig",
            "kubeconfig": str(endpoints.kubeconfig),
            "endpoint_url": endpoints.aws,
        },
        "protected": {
            "namespaces": list(scenario.protected.namespaces),
            "prefixes": list(scenario.protected.prefixes),
            "kinds": ["Job"],
        },
        "unprotected": "protect",
        "autoscaler": {"namespace": autoscaler.namespace, "name": autoscaler.name} if autoscaler else "none",
        "deadlines": {"drain": f"{scenario.expect.drain_deadline:.0f}s"},
        "database": f"sqlite:///{endpoints.database}",
        **({} if endpoints.real_time else {"simulator": endpoints.control}),
    }


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Both mappings as one, section by section; where both have a value, `over` wins."""
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merged(merged[key], value) if both else value
    return merged


def _kubeconfig(cluster: str, server: str, token: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": cluster,
        "contexts": [{"name": cluster, "context": {"cluster": cluster, "user": "simulator"}}],
        "clusters": [{"name": cluster, "cluster": {"server": server}}],
        "users": [{"name": "simulator", "user": {"token": token}}],
    }


def _yaml(document: Mapping[str, Any]) -> str:
    yaml = YAML()
    yaml.width = 4096
    text = io.StringIO()
    yaml.dump(document, text)
    return text.getvalue()


def _put(path: Path, text: str) -> None:
    """Replace the file in one step; readable by its owner only."""
    new = path.with_name(f".{path.name}.new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    new.replace(path)
