"""Who we are on AWS: sessions whose credentials renew themselves, and the clients made from them.

Every request asks the run's fence in the moment in which it would leave, signed already: reading ones, with those by
which credentials are found and renewed, whether we were told to stop; mutating ones whether the lease is trusted too.
No credential leaves this process or is written down; role sessions carry the run's id, so that CloudTrail can be read.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from functools import cache, partial
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
    from collections.abc import Callable

    from botocore.credentials import Credentials

    from rollout.fence import Fence

# Seconds to connect, and between two bytes of a reply. A request is over within ten: the lease counts on it, and so
# does a signal that asks us to stop.
_TIMEOUTS = {"connect_timeout": 3, "read_timeout": 7}
_WRITE: dict[str, Any] = {**_TIMEOUTS, "retries": {"total_max_attempts": 1, "mode": "standard"}}
_READ: dict[str, Any] = {**_TIMEOUTS, "retries": {"total_max_attempts": 3, "mode": "standard"}}
# The event of botocore's that comes after signing; each attempt has its own.
_LEAVING = "before-send"
# Connections that are kept: as many as requests can ever leave side by side (`parallel` in the configuration).
_CONNECTIONS = 50


def user_agent(run_id: str) -> str:
    """The token by which a process of ours is told from others in logs and in the simulator."""
    return f"eks-rollout-run/{run_id}"


@dataclass(frozen=True, slots=True)
class Account:
    """One identity in one region. `endpoint_url`: where AWS is, if not at its own addresses.

    `fence`: what every request asks before it leaves.
    """

    session: boto3.Session
    run_id: str
    endpoint_url: str | None
    fence: Fence

    def reading(self, service: str) -> Any:
        """A client that retries by itself."""
        return self._client(service, _READ)

    def mutating(self, service: str) -> Any:
        """A client that sends each request once: what is sent again is the runner's decision."""
        client = self._client(service, _WRITE)
        client.meta.events.register(_LEAVING, _asking(self.fence.check_write))
        return client

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
            _session(self.fence).create_client,
            region_name=self.session.region_name,
            endpoint_url=self.endpoint_url,
            config=self._config(_READ),
        )
        fetcher = AssumeRoleCredentialFetcher(create, source, role, {"RoleSessionName": f"rollout-{self.run_id}"})
        inner = _session(self.fence)
        given = _Given(DeferredRefreshableCredentials(fetcher.fetch_credentials, "assume-role"))
        inner.register_component("credential_provider", CredentialResolver([given]))
        session = boto3.Session(botocore_session=inner, region_name=self.session.region_name)
        return replace(self, session=session)

    def caller(self) -> tuple[str, str]:
        """Ask AWS who we are: account id and ARN."""
        with translated(mutating=False):
            answer = self.reading("sts").get_caller_identity()
            return answer["Account"], answer["Arn"]


def quieten() -> None:
    """Keep what the clients' own loggers say off the operator's screen: each failure of theirs becomes one of ours."""
    for name in ("botocore", "urllib3"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def own_account(region: str, run_id: str, endpoint_url: str | None, fence: Fence) -> Account:
    """The identity that AWS's default chain finds: environment, profile, web identity, instance role."""
    return Account(boto3.Session(botocore_session=_session(fence), region_name=region), run_id, endpoint_url, fence)


def simulated_account(region: str, run_id: str, endpoint_url: str, fence: Fence) -> Account:
    """An identity for a simulated AWS: real credentials are not even looked for."""
    inner = _session(fence)
    inner.set_credentials("simulator", "simulator")
    return Account(boto3.Session(botocore_session=inner, region_name=region), run_id, endpoint_url, fence)


def _session(fence: Fence) -> botocore.session.Session:
    """A session whose clients, those that it makes for itself in order to find credentials too, ask the fence."""
    session = botocore.session.Session()
    session.register_component("data_loader", _models())
    session.register(_LEAVING, _asking(fence.check_read))
    session.set_default_client_config(ClientConfig(**_READ))
    return session


def _asking(fence: Callable[[], None]) -> Callable[..., None]:
    """A handler of botocore's: what the fence raises comes out of the call, as it is, and the request stays."""
    return lambda **_event: fence()


@cache
def _models() -> Any:
    """What botocore knows of services: megabytes of JSON, which a process reads once, however many sessions it has."""
    return botocore.session.Session().get_component("data_loader")


class _Given(CredentialProvider):  # type: ignore[misc]  # botocore ships no types
    """Hands out credentials that exist already."""

    METHOD = "assume-role"

    def __init__(self, credentials: Credentials) -> None:
        super().__init__()
        self._credentials = credentials

    def load(self) -> Credentials:
        return self._credentials
