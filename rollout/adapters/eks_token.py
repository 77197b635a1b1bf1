"""Tokens for an EKS cluster, minted in this process: no command line tool is needed, and none is written down.

A token is a presigned STS GetCallerIdentity request that names the cluster in a signed header; the cluster accepts it
for 15 minutes. Source: kubernetes-sigs/aws-iam-authenticator, "API Authorization from Outside a Cluster".
"""

from __future__ import annotations

import base64
import threading
from typing import TYPE_CHECKING, Any

from botocore.config import Config as ClientConfig
from botocore.model import ServiceId
from botocore.signers import RequestSigner

from rollout.adapters.aws_errors import translated
from rollout.adapters.clock import uptime

if TYPE_CHECKING:
    from collections.abc import Callable

    from rollout.adapters.access import Account

# Seconds for which a token is used, of the 900 that it lasts.
_USE = 600.0
# What the authenticator demands of the presigned URL (its own server takes 15 minutes from the date in it).
_EXPIRES_IN = 60

_PREFIX = "k8s-aws-v1."
_CLUSTER_HEADER = "x-k8s-aws-id"


class EksToken:
    """The current token of one identity for one cluster; thread-safe."""

    def __init__(self, account: Account, cluster: str, seconds: Callable[[], float] = uptime) -> None:
        self._account = account
        self._cluster = cluster
        self._seconds = seconds
        self._lock = threading.Lock()
        self._token = ""
        self._minted = 0.0

    def install(self, configuration: Any) -> None:
        """Have every request that uses this configuration of the Kubernetes client carry the current token."""
        configuration.api_key["BearerToken"] = "minted before the first request"
        configuration.refresh_api_key_hook = self._refresh

    def _refresh(self, configuration: Any) -> None:
        configuration.api_key["BearerToken"] = f"Bearer {self.current()}"

    def current(self) -> str:
        """Return a token that is good for minutes. Raises `Retry` or `Refused` where there are no credentials."""
        with self._lock:
            if not self._token or self._seconds() - self._minted > _USE:
                self._token = self._mint()
                self._minted = self._seconds()
            return self._token

    def drop(self) -> None:
        """Forget a token that was not accepted: the next request mints a new one."""
        with self._lock:
            self._token = ""

    def _mint(self) -> str:
        with translated(mutating=False):
            url = self._presigned()
        return _PREFIX + base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")

    def _presigned(self) -> str:
        session = self._account.session
        # The cluster asks the real STS of the region, also when this process uses another endpoint.
        config = ClientConfig(ignore_configured_endpoint_urls=True)
        sts = session.client("sts", config=config).meta
        credentials = session.get_credentials()
        signer = RequestSigner(ServiceId("STS"), session.region_name, "sts", "v4", credentials, session.events)
        request = {
            "method": "GET",
            "url": f"{sts.endpoint_url}/?Action=GetCallerIdentity&Version=2011-06-15",
            "body": {},
            "headers": {_CLUSTER_HEADER: self._cluster},
            "context": {},
        }
        url: str = signer.generate_presigned_url(
            request, region_name=session.region_name, expires_in=_EXPIRES_IN, operation_name=""
        )
        return url
