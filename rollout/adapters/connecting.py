"""From the configuration to the outside: AWS, Kubernetes and the clock, connected and sure of where they are."""

from __future__ import annotations

from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from rollout.adapters import kube_records
from rollout.adapters.access import own_account, quieten, simulated_account
from rollout.adapters.aws import AwsAutoScaling
from rollout.adapters.aws_errors import translated
from rollout.adapters.cache import Watch
from rollout.adapters.clock import SimulatedClock, SystemClock
from rollout.adapters.kube import ApiKubernetes
from rollout.adapters.kube_access import kube_api
from rollout.adapters.node_events import ApiNodeEvents
from rollout.adapters.preflight_probe import EdgeProbe
from rollout.adapters.room_probe import EdgeRoom
from rollout.adapters.understanding import flag, understood
from rollout.config import is_loopback
from rollout.errors import RESUMABLE, Denied, EdgeError, Retry, UserError
from rollout.fence import Fence
from rollout.model.plan import ClusterId
from rollout.model.preflight_observation import Right
from rollout.redaction import redacted

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from rollout.adapters.access import Account
    from rollout.adapters.kube_api import KubeApi
    from rollout.config import Config
    from rollout.model.observation import MarkerSeen
    from rollout.ports import AutoScaling, Kubernetes, NodeEvents, PreflightProbe, RoomProbe


T = TypeVar("T")

#: Between two tries to be let in.
ASK_AGAIN = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Patience:
    """For how many seconds to wait until AWS and Kubernetes let us in. `tell`: is told, once, what is waited for."""

    seconds: float
    tell: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Edge:
    """The outside, connected. `identity`: our ARN on AWS; `server`: where the Kubernetes API is.

    `cluster_id`: asks which cluster it is; `marker`: whose it is for now, with the caller's patience.

    `fence`: what every request asks before it leaves; shut to mutating ones until a lease is held.
    """

    autoscaling: AutoScaling
    kubernetes: Kubernetes
    probe: PreflightProbe
    room: RoomProbe
    node_events: NodeEvents
    clock: SystemClock | SimulatedClock
    fence: Fence
    account: str
    identity: str
    server: str
    cluster_id: Callable[[], ClusterId]
    marker: Callable[[], MarkerSeen | None]
    close: Callable[[], None]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def clock_of(config: Config, run_id: str) -> SystemClock | SimulatedClock:
    """Return the clock of the world that is configured."""
    if config.simulator:
        return SimulatedClock(config.simulator, run_id, redacted(config.database).removeprefix("sqlite:///"))
    return SystemClock()


def connect(
    config: Config, run_id: str, stopping: Callable[[], bool] = lambda: False, patience: Patience | None = None
) -> Edge:
    """Connect to everything that a rollout needs; nothing is changed by it.

    `stopping`: whether somebody asked this process to stop; from then on no request leaves any more.
    `patience`: of who goes on with a rollout that is under way; None where nothing is lost by giving up at once.
    Raises `UserError`: exit 2 where the configuration or a permission is wrong, 75 where it may work later.
    """
    with ExitStack() as stack:
        quieten()
        clock = stack.enter_context(closing(clock_of(config, run_id)))
        fence = Fence(clock.readings, stopping)
        door = _Patient(clock, stopping, patience) if patience else _Door()
        account, number, arn = cluster_account(config, run_id, fence, door)
        api = door.ask("Kubernetes", lambda: kube_api(config.access, config.cluster, account))
        stack.callback(api.close)
        _in_one_world(config, api.host)
        news, barrier = _watching(clock, fence)
        nodes = Watch(api, "/api/v1/nodes", kube_records.node, news, barrier)
        pods = Watch(api, "/api/v1/pods", kube_records.pod, news, barrier)
        for watch in (nodes, pods):
            door.ask("Kubernetes", watch.start)
            stack.callback(watch.stop)

        def begin(path: str, slim: Callable[[dict[str, Any]], Any]) -> Watch[Any]:
            """Watch one object."""
            kind, _, name = path.rpartition("/")
            watch = Watch(api, kind, slim, news, barrier, [("fieldSelector", f"metadata.name={name}")])
            watch.start()
            stack.callback(watch.stop)
            return watch

        autoscaling, cluster = AwsAutoScaling(account, clock.now), ApiKubernetes(api, nodes, pods, begin)
        probe, room = EdgeProbe(account, api, clock), EdgeRoom(account)
        which = partial(door.ask, "Kubernetes", partial(_which, config, number, arn, api))
        marker = partial(door.ask, "Kubernetes", cluster.marker)
        return Edge(
            autoscaling,
            cluster,
            probe,
            room,
            ApiNodeEvents(api),
            clock,
            fence,
            number,
            arn,
            api.host,
            which,
            marker,
            stack.pop_all().close,
        )


def _which(config: Config, account: str, identity: str, api: KubeApi) -> ClusterId:
    """Ask which cluster it is; where its namespace may not be read, the ARN alone says so."""
    partition = identity.split(":")[1]
    named = f"arn:{partition}:eks:{config.region}:{account}:cluster/{config.cluster}"
    try:
        found = api.get("/api/v1/namespaces/kube-system") or {}
    except Denied:
        if _may(api, Right("get", "namespaces", name="kube-system")):
            raise  # an API server that has just begun does not know us yet
        return ClusterId(named, "")
    return ClusterId(named, str((found.get("metadata") or {}).get("uid") or ""))


def _may(api: KubeApi, right: Right) -> bool:
    answer = api.ask(kube_records.REVIEWS, kube_records.review(right))
    with understood("our rights"):
        return flag(answer["status"]["allowed"])


def cluster_account(config: Config, run_id: str, fence: Fence, door: _Door | None = None) -> tuple[Account, str, str]:
    """Return who we are in the cluster's account, that account's id, and our ARN there.

    Raises `UserError` where AWS does not say so, or it is another account than the configuration's.
    """
    door = door or _Door()
    account = door.ask("AWS", lambda: _account(config, run_id, fence))
    number, arn = door.ask("AWS", account.caller)
    if config.account not in {None, number}:
        raise UserError(
            f"these credentials belong to account {number} ({arn}), the configuration says {config.account}",
            hint="set AWS_PROFILE or access.assume_role to an identity of that account",
        )
    return account, number, arn


def _account(config: Config, run_id: str, fence: Fence) -> Account:
    url = config.access.endpoint_url
    with translated(mutating=False):
        if config.simulator and url:
            account = simulated_account(config.region, run_id, url, fence)
        else:
            account = own_account(config.region, run_id, url, fence)
        return account.assume(config.access.assume_role) if config.access.assume_role else account


def _in_one_world(config: Config, server: str) -> None:
    """Raise `UserError` where simulated time would drive a real cluster."""
    if config.simulator and not is_loopback(server):
        raise UserError(
            f"the configuration names a simulator, but its Kubernetes server is {server}, which is not on this machine",
            hint="leave out `simulator`, or use the kubeconfig that the simulator wrote",
        )


def _watching(clock: SystemClock | SimulatedClock, fence: Fence) -> tuple[Callable[[], None], Callable[[], int] | None]:
    """Whom the watches tell their news, and which bookmark they must have seen before they are read."""
    if isinstance(clock, SystemClock):
        return clock.news, None

    def bookmark() -> int:
        fence.check_read()
        return clock.bookmark()

    # News end the simulator's own sleeps; a second call from here would come at a moment that nobody can predict.
    return lambda: None, bookmark


#: What helps where one of the two does not let us in.
_WHO_WE_ARE = {
    "AWS": "check credentials and profile (aws sts get-caller-identity --profile NAME; export AWS_PROFILE=NAME), "
    "and at access in the configuration",
    "Kubernetes": "check the identity (kubectl auth whoami), and access in the configuration",
}


class _Door:
    """Before a rollout is under way every failure is its starter's to see to."""

    def ask(self, what: str, action: Callable[[], T]) -> T:
        try:
            return action()
        except Retry as error:
            raise UserError(f"{what}: {error.detail}", hint="try again", exit_code=RESUMABLE) from error
        except EdgeError as error:
            raise _final(what, error) from error


def _final(what: str, error: EdgeError) -> UserError:
    return UserError(f"{what}: {error.detail}; nothing was sent that changes anything", hint=_WHO_WE_ARE[what])


class _Patient(_Door):
    """Once it is, a passing failure is asked for again; a lasting one ends the process, which may be started later."""

    def __init__(self, clock: SystemClock | SimulatedClock, stopping: Callable[[], bool], patience: Patience) -> None:
        self._clock = clock
        self._stopping = stopping
        self._patience = patience
        self._until = clock.now() + timedelta(seconds=patience.seconds)
        self._told = ""

    def ask(self, what: str, action: Callable[[], T]) -> T:
        while True:
            try:
                return action()
            except (Retry, Denied) as error:
                self._wait(what, error)
            except EdgeError as error:
                raise _final(what, error) from error

    def _wait(self, what: str, error: EdgeError) -> None:
        now = self._clock.now()
        if self._stopping() or now >= self._until:
            hint = f"nothing is lost: {_WHO_WE_ARE[what]}; or try again later"
            raise UserError(f"{what}: {error.detail}", hint=hint, exit_code=RESUMABLE) from error
        if error.detail != self._told:
            self._told = error.detail
            self._patience.tell(f"waiting for {what}: {error.detail}")
        self._clock.pause(min(self._until, now + ASK_AGAIN))
