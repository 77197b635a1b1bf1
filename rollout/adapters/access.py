"""Who we are on AWS: sessions whose credentials renew themselves, and the clients made from them.

No credential leaves this process or is written down; role sessions carry the run's id, so that CloudTrail can be read.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
from botocore.config import Config as ClientConfig
from botocore.credentials import (
    AssumeRoleCredentialFetcher,
    CredentialProvider,
    CredentialResolver,
    DeferredRefreshableCredentials,
)

from rollout.adapters.aws_errors import translated
from rollout.config import is_loopback

if TYPE_CHECKING:
    from botocore.credentials import Credentials

# Seconds to connect, and between two bytes of a reply. A mutating call is over within ten: the lease counts on it.
_WRITE: dict[str, Any] = {
    "connect_timeout": 3,
    "read_timeout": 7,
    "retries": {"total_max_attempts": 1, "mode": "standard"},
}
_READ: dict[str, Any] = {
    "connect_timeout": 3,
    "read_timeout": 10,
    "retries": {"total_max_attempts": 3, "mode": "standard"},
}
# Connections that are kept: as many as requests can ever leave side by side (`parallel` in the configuration).
_CONNECTIONS = 50


def user_agent(run_id: str) -> str:
    """The token by which a process of ours is told from others in logs and in the simulator."""
    return f"eks-rollout-run/{run_id}"


@dataclass(frozen=True, slots=True)
class Account:
    """One identity in one region. `endpoint_url`: where AWS is, if not at its own addresses."""

    session: boto3.Session
    run_id: str
    endpoint_url: str | None

    def reading(self, service: str) -> Any:
        """A client that retries by itself."""
        return self._client(service, _READ)

    def mutating(self, service: str) -> Any:
        """A client that sends each request once: what is sent again is the runner's decision."""
        return self._client(service, _WRITE)

    def _client(self, service: str, settings: dict[str, Any]) -> Any:
        return self.session.client(service, endpoint_url=self.endpoint_url, config=self._config(settings))

    def _config(self, settings: dict[str, Any]) -> ClientConfig:
        # A proxy of the environment cannot reach this machine's loopback.
        direct: dict[str, Any] = {"proxies": {}} if self.endpoint_url and is_loopback(self.endpoint_url) else {}
        agent = user_agent(self.run_id)
        return ClientConfig(user_agent_extra=agent, max_pool_connections=_CONNECTIONS, **settings, **direct)

    def assume(self, role: str) -> Account:
        """The identity that this one has in a role; assumed when first used, and again before it ends."""
        source = self.session.get_credentials()
        create = partial(
            botocore.session.Session().create_client,
            region_name=self.session.region_name,
            endpoint_url=self.endpoint_url,
            config=self._config(_READ),
        )
        fetcher = AssumeRoleCredentialFetcher(create, source, role, {"RoleSessionName": f"rollout-{self.run_id}"})
        inner = _session_of(DeferredRefreshableCredentials(fetcher.fetch_credentials, "assume-role"))
        session = boto3.Session(botocore_session=inner, region_name=self.session.region_name)
        return replace(self, session=session)

    def caller(self) -> tuple[str, str]:
        """Ask AWS who we are: account id and ARN."""
        with translated(mutating=False):
            answer = self.reading("sts").get_caller_identity()
        return answer["Account"], answer["Arn"]


def own_account(region: str, run_id: str, endpoint_url: str | None) -> Account:
    """The identity that AWS's default chain finds: environment, profile, web identity, instance role."""
    return Account(boto3.Session(region_name=region), run_id, endpoint_url)


def simulated_account(region: str, run_id: str, endpoint_url: str) -> Account:
    """An identity for a simulated AWS: real credentials are not even looked for."""
    session = boto3.Session(aws_access_key_id="simulator", aws_secret_access_key="simulator", region_name=region)  # noqa: S106 - no secret
    return Account(session, run_id, endpoint_url)


class _Given(CredentialProvider):  # type: ignore[misc]  # botocore ships no types
    """Hands out credentials that exist already."""

    METHOD = "assume-role"

    def __init__(self, credentials: Credentials) -> None:
        super().__init__()
        self._credentials = credentials

    def load(self) -> Credentials:
        return self._credentials


def _session_of(credentials: Credentials) -> botocore.session.Session:
    session = botocore.session.Session()
    session.register_component("credential_provider", CredentialResolver([_Given(credentials)]))
    return session
