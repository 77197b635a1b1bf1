"""Who we are on Kubernetes: the token that we mint for an EKS cluster, a kubeconfig, or the pod's service account."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from kubernetes.client.configuration import Configuration
from kubernetes.config import ConfigException, load_incluster_config, load_kube_config

from rollout.adapters.access import user_agent
from rollout.adapters.aws_errors import translated
from rollout.adapters.eks_token import EksToken
from rollout.adapters.kube_api import KubeApi
from rollout.adapters.wording import one_line
from rollout.config import is_loopback
from rollout.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rollout.adapters.access import Account
    from rollout.config import Access


def kube_api(access: Access, cluster: str, account: Account) -> KubeApi:
    """Return the API server that the configuration names; only `eks` asks anybody about it.

    Raises `Refused` where there is no such thing as configured, `Retry` where AWS does not answer for now.
    """
    configuration = Configuration()
    match access.kubernetes:
        case "eks":
            renew = _eks(configuration, cluster, account, access.eks_role)
        case "kubeconfig":
            renew = _kubeconfig(configuration, access.kubeconfig, access.context)
        case "in-cluster":
            renew = _in_cluster(configuration)
    if is_loopback(configuration.host):
        # A proxy of the environment cannot reach this machine's loopback.
        configuration.proxy = None
    return KubeApi(configuration, user_agent(account.run_id), account.gate, renew)


def _eks(configuration: Configuration, name: str, account: Account, role: str | None) -> Callable[[], bool]:
    with translated(mutating=False):
        cluster = account.reading("eks").describe_cluster(name=name)["cluster"]
    configuration.host = cluster["endpoint"]
    if authority := cluster.get("certificateAuthority", {}).get("data"):
        configuration.ca_cert_data = base64.b64decode(authority).decode()
    token = EksToken(account.assume(role) if role else account, name)
    token.install(configuration)
    return token.drop


def _kubeconfig(configuration: Configuration, file: Path | None, context: str | None) -> Callable[[], bool]:
    try:
        # Its exec plugins and tokens are renewed by the client itself, from what the file says.
        load_kube_config(str(file) if file else None, context, configuration, persist_config=False)  # type: ignore[no-untyped-call]
    except Exception as error:  # what a file can have wrong is without end, and the client says it in as many ways
        raise Refused(one_line(f"kubeconfig {file or ''}: {error}")) from error
    return _no_better


def _in_cluster(configuration: Configuration) -> Callable[[], bool]:
    try:
        load_incluster_config(configuration)  # type: ignore[no-untyped-call]
    except ConfigException as error:
        raise Refused(one_line(f"not in a pod with a service account: {error}")) from error
    return _no_better


def _no_better() -> bool:
    """A token that is refused was as new as can be had."""
    return False
