"""Who we are on Kubernetes: the token that we mint for an EKS cluster, a kubeconfig, or the pod's service account."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import TYPE_CHECKING

import urllib3
from kubernetes.client.configuration import Configuration
from kubernetes.config import ConfigException
from kubernetes.config.incluster_config import (
    SERVICE_CERT_FILENAME,
    SERVICE_TOKEN_FILENAME,
    InClusterConfigLoader,
)

from rollout.adapters.access import user_agent
from rollout.adapters.aws_errors import translated
from rollout.adapters.eks_token import EksToken
from rollout.adapters.kube_api import KubeApi
from rollout.adapters.kubeconfig import Kubeconfig
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
            renew = _kubeconfig(configuration, access.kubeconfig, access.context, account.fence.stopping)
        case "in-cluster":
            renew = _in_cluster(configuration)
    if access.kubernetes != "kubeconfig" and is_loopback(configuration.host):
        # A proxy of the environment cannot reach this machine's loopback.
        configuration.proxy = None
    try:
        return KubeApi(configuration, user_agent(account.run_id), account.fence, renew)
    except (ImportError, ValueError, urllib3.exceptions.HTTPError) as error:
        # What the client finds wrong with it before the first request; SOCKS needs a package of its own.
        hint = " (pip install PySocks)" if isinstance(error, ImportError) else ""
        raise Refused(one_line(f"the proxy {configuration.proxy} cannot be used: {error}{hint}")) from error


def _eks(configuration: Configuration, name: str, account: Account, role: str | None) -> Callable[[], object]:
    with translated(mutating=False):
        cluster = account.reading("eks").describe_cluster(name=name)["cluster"]
        configuration.host = cluster["endpoint"]
        if authority := cluster.get("certificateAuthority", {}).get("data"):
            configuration.ca_cert_data = base64.b64decode(authority).decode()
    token = EksToken(account.assume(role) if role else account, name)
    token.install(configuration)
    return token.drop


def _kubeconfig(
    configuration: Configuration, file: Path | None, context: str | None, stopping: Callable[[], bool]
) -> Callable[[], object]:
    kubeconfig = Kubeconfig(file, context, stopping)
    kubeconfig.install(configuration)
    return kubeconfig.drop


def _in_cluster(configuration: Configuration) -> Callable[[], object]:
    loader = InClusterConfigLoader(SERVICE_TOKEN_FILENAME, SERVICE_CERT_FILENAME)  # type: ignore[no-untyped-call]
    try:
        loader.load_and_set(configuration)  # type: ignore[no-untyped-call]
    except (ConfigException, OSError) as error:
        raise Refused(one_line(f"not in a pod with a service account: {error}")) from error

    def read_again() -> None:
        """The client reads the token's file each minute; one that was not accepted makes it do so at once."""
        loader.token_expires_at = datetime.min  # noqa: DTZ901  the client's own clock has no zone

    return read_again
