"""From the configuration to the outside: AWS, Kubernetes and the clock, connected and sure of where they are."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from rollout.adapters import kube_records
from rollout.adapters.access import own_account, quieten, simulated_account
from rollout.adapters.aws import AwsFleet
from rollout.adapters.aws_errors import translated
from rollout.adapters.cache import Watch
from rollout.adapters.clock import SimulatedClock, SystemClock
from rollout.adapters.kube import KubeCluster
from rollout.adapters.kube_access import kube_api
from rollout.adapters.scout import EdgeScout
from rollout.config import is_loopback
from rollout.errors import RESUMABLE, EdgeError, Refused, Retry, UserError
from rollout.gate import Gate
from rollout.plan import ClusterId

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType
    from typing import Self

    from rollout.adapters.access import Account
    from rollout.adapters.kube_api import KubeApi
    from rollout.config import Config
    from rollout.ports import Cluster, Fleet, Scout


@dataclass(frozen=True, slots=True)
class Edge:
    """The outside, connected. `identity`: our ARN on AWS; `server`: where the Kubernetes API is.

    `cluster_id`: asks which cluster it is.

    `gate`: what every request asks before it leaves; shut to mutating ones until a lease is held.
    """

    fleet: Fleet
    cluster: Cluster
    scout: Scout
    clock: SystemClock | SimulatedClock
    gate: Gate
    account: str
    identity: str
    server: str
    cluster_id: Callable[[], ClusterId]
    close: Callable[[], None]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def connect(config: Config, run_id: str, stopping: Callable[[], bool] = lambda: False) -> Edge:
    """Connect to everything that a rollout needs; nothing is changed by it.

    `stopping`: whether somebody asked this process to stop; from then on no request leaves any more.
    Raises `UserError`: exit 2 where the configuration or a permission is wrong, 75 where it may work later.
    """
    with ExitStack() as stack:
        quieten()
        clock = SimulatedClock(config.simulator, run_id) if config.simulator else SystemClock()
        stack.callback(clock.close)
        gate = Gate(clock.readings, stopping)
        account, number, arn = cluster_account(config, run_id, gate)
        with _explained("Kubernetes"):
            api = kube_api(config.access, config.cluster, account)
        stack.callback(api.close)
        _in_one_world(config, api.host)
        news, barrier = _watching(clock, gate)
        nodes = Watch(api, "/api/v1/nodes", kube_records.node, news, barrier)
        pods = Watch(api, "/api/v1/pods", kube_records.pod, news, barrier)
        with _explained("Kubernetes"):
            for watch in (nodes, pods):
                watch.start()
                stack.callback(watch.stop)
        fleet, cluster = AwsFleet(account, clock.now), KubeCluster(api, nodes, pods)
        scout = EdgeScout(account, api, clock)
        which = partial(_which, config, number, arn, api)
        return Edge(fleet, cluster, scout, clock, gate, number, arn, api.host, which, stack.pop_all().close)


def _which(config: Config, account: str, identity: str, api: KubeApi) -> ClusterId:
    """Ask which cluster it is; where its namespace may not be read, the ARN alone says so."""
    partition = identity.split(":")[1]
    named = f"arn:{partition}:eks:{config.region}:{account}:cluster/{config.cluster}"
    with _explained("Kubernetes"):
        try:
            found = api.get("/api/v1/namespaces/kube-system") or {}
        except Refused:
            return ClusterId(named, "")
    return ClusterId(named, str((found.get("metadata") or {}).get("uid") or ""))


def cluster_account(config: Config, run_id: str, gate: Gate) -> tuple[Account, str, str]:
    """Return who we are in the cluster's account, that account's id, and our ARN there.

    Raises `UserError` where AWS does not say so, or it is another account than the configuration's.
    """
    account = _account(config, run_id, gate)
    return account, *_identity(config, account)


def _account(config: Config, run_id: str, gate: Gate) -> Account:
    url = config.access.endpoint_url
    with _explained("AWS"), translated(mutating=False):
        if config.simulator and url:
            account = simulated_account(config.region, run_id, url, gate)
        else:
            account = own_account(config.region, run_id, url, gate)
        return account.assume(config.access.assume_role) if config.access.assume_role else account


def _identity(config: Config, account: Account) -> tuple[str, str]:
    with _explained("AWS"):
        number, arn = account.caller()
    if config.account not in {None, number}:
        raise UserError(
            f"these credentials belong to account {number} ({arn}), the configuration says {config.account}",
            hint="set AWS_PROFILE or access.assume_role to an identity of that account",
        )
    return number, arn


def _in_one_world(config: Config, server: str) -> None:
    """Raise `UserError` where simulated time would drive a real cluster."""
    if config.simulator and not is_loopback(server):
        raise UserError(
            f"the configuration names a simulator, but its Kubernetes server is {server}, which is not on this machine",
            hint="leave out `simulator`, or use the kubeconfig that the simulator wrote",
        )


def _watching(clock: SystemClock | SimulatedClock, gate: Gate) -> tuple[Callable[[], None], Callable[[], int] | None]:
    """Whom the watches tell their news, and what they must have seen before they are read."""
    if isinstance(clock, SystemClock):
        return clock.news, None

    def version() -> int:
        gate.read()
        return clock.version()

    # News end the simulator's own sleeps; a second call from here would come at a moment that nobody can predict.
    return lambda: None, version


@contextmanager
def _explained(what: str) -> Iterator[None]:
    """Before a rollout is under way every failure is its starter's to see to."""
    try:
        yield
    except Retry as error:
        raise UserError(f"{what}: {error.detail}", hint="try again", exit_code=RESUMABLE) from error
    except EdgeError as error:
        raise UserError(f"{what}: {error.detail}", hint="see access in the configuration") from error
