"""What the simulated account holds: images, launch templates, Auto Scaling groups, their instances and activities.

Plain records without behaviour of their own; `cloud`, `asg` and their neighbours change them. Times are POSIX seconds
(UTC) of the virtual clock. Scenarios and tests build images, templates and groups from these and hand them to `Cloud`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from eks_simulator.clock import Timer

Lifecycle = Literal[
    "Pending",
    "Pending:Wait",
    "Pending:Proceed",
    "InService",
    "EnteringStandby",
    "Standby",
    "Terminating",
    "Terminating:Wait",
    "Terminating:Proceed",
]
State = Literal["pending", "running", "shutting-down", "terminated"]
Status = Literal["InProgress", "Successful", "Failed"]
Transition = Literal["launching", "terminating"]
Result = Literal["CONTINUE", "ABANDON"]

LATEST: Final = "$Latest"
DEFAULT: Final = "$Default"

#: Every process that can be suspended; SuspendProcesses and ResumeProcesses without a list mean all of them.
#: Source: Amazon EC2 Auto Scaling user guide, "Suspend and resume processes".
PROCESSES: Final = frozenset(
    {
        "AddToLoadBalancer",
        "AlarmNotification",
        "AZRebalance",
        "HealthCheck",
        "InstanceRefresh",
        "Launch",
        "ReplaceUnhealthy",
        "ScheduledActions",
        "Terminate",
    }
)


@dataclass(frozen=True, slots=True)
class Image:
    """An AMI. `owner` empty: the account itself; `public` only says what DescribeImages shows."""

    id: str
    name: str
    created: float = 0.0
    owner: str = ""
    state: str = "available"
    architecture: str = "x86_64"
    description: str = ""
    snapshot: str = ""
    root_device: str = "/dev/xvda"
    public: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)
    protected: bool = False
    retained: bool = False


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An EBS snapshot; `size` in GiB; `key`: ARN of the key that it is encrypted under, empty where it is not."""

    id: str
    started: float = 0.0
    owner: str = ""
    state: str = "completed"
    size: int = 20
    description: str = ""
    key: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def encrypted(self) -> bool:
        """Whether it is encrypted."""
        return bool(self.key)


@dataclass(frozen=True, slots=True)
class TemplateVersion:
    """One version: `data` is the API's LaunchTemplateData, `source` the version whose fields it inherited."""

    data: Mapping[str, Any]
    description: str = ""
    source: int | None = None
    created: float = 0.0

    @property
    def image(self) -> str:
        """The AMI that it launches, empty where it names none."""
        return str(self.data.get("ImageId", ""))


@dataclass(slots=True, eq=False)
class Template:
    """A launch template. `versions` has all that were ever made, numbered from 1: no number is used again.

    `deleted`: the numbers of those that somebody deleted. Without `id` the cloud gives one.
    """

    name: str
    versions: list[TemplateVersion]
    default: int = 1
    id: str = ""
    created: float = 0.0
    tags: Mapping[str, str] = field(default_factory=dict)
    deleted: set[int] = field(default_factory=set)

    @property
    def numbers(self) -> list[int]:
        """The numbers of the versions that exist, oldest first."""
        return [number for number in range(1, len(self.versions) + 1) if number not in self.deleted]

    @property
    def latest(self) -> int:
        """The number of the newest version that exists; the default one cannot be deleted."""
        return self.numbers[-1]

    def version(self, number: int) -> TemplateVersion:
        """Return the version of that number, which was made once; instances keep what they were launched from."""
        return self.versions[number - 1]


@dataclass(frozen=True, slots=True)
class Reference:
    """Which version a group launches: "$Latest", "$Default" or a number as text."""

    template: str
    version: str = DEFAULT


@dataclass(slots=True, eq=False)
class Instance:
    """An EC2 instance of a group. What it was launched from is fixed for its life.

    `ordinal` counts its group's launches from 1, `weight` is what it counts for in desired. `state` is EC2's
    view; `lifecycle` and `healthy` are Auto Scaling's, which learns late of what EC2 does. `at_risk`: EC2 has
    warned that it will take the instance back.
    """

    id: str
    ordinal: int
    group: str
    region: str
    zone: str
    template: str
    version: int
    image: str
    type: str
    ip: str
    launched: float
    weight: int = 1
    spot: bool = False
    protected: bool = False
    healthy: bool = True
    at_risk: bool = False
    lifecycle: Lifecycle = "Pending"
    state: State = "pending"
    reason: str = ""

    @property
    def living(self) -> bool:
        """Whether its group counts it: Pending or InService, the waits of a launch included."""
        return self.lifecycle.startswith(("Pending", "InService"))

    @property
    def leaving(self) -> bool:
        """Whether its end has begun, the wait of a hook included."""
        return self.lifecycle.startswith("Terminating")

    @property
    def spared(self) -> bool:
        """Whether scale-in passes it by: protection starts when the instance is InService."""
        return self.protected and self.lifecycle == "InService"

    @property
    def alive(self) -> bool:
        """Whether EC2 runs it, or is about to."""
        return self.state in {"pending", "running"}

    @property
    def dns(self) -> str:
        """Its private DNS name, which EKS takes for the name of the node."""
        domain = "ec2.internal" if self.region == "us-east-1" else f"{self.region}.compute.internal"
        return f"ip-{self.ip.replace('.', '-')}.{domain}"

    @property
    def provider_id(self) -> str:
        """What the node that runs on it says in `spec.providerID`."""
        return f"aws:///{self.zone}/{self.id}"


@dataclass(slots=True, eq=False)
class Activity:
    """A scaling activity; `ended` is None while it is in progress."""

    id: str
    group: str
    instance: str
    description: str
    cause: str
    details: str
    started: float
    status: Status = "InProgress"
    message: str = ""
    progress: int = 0
    ended: float | None = None


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag of a group; `propagate`: new instances get it too."""

    value: str
    propagate: bool = True


@dataclass(frozen=True, slots=True)
class Hook:
    """A lifecycle hook; `heartbeat` in seconds, after which `result` is what counts.

    `completes`: seconds, from and to, after which somebody completes its action (None: nobody ever does).
    """

    name: str
    transition: Transition
    heartbeat: float = 3600.0
    result: Result = "ABANDON"
    completes: tuple[float, float] | None = None


@dataclass(slots=True, eq=False)
class Refresh:
    """An instance refresh; `percentage` and `left` (instances still to replace) as the API shows them."""

    id: str
    started: float
    left: int
    status: Literal["InProgress", "Successful", "Cancelled"] = "InProgress"
    percentage: int = 0
    ended: float | None = None


@dataclass(frozen=True, slots=True)
class WarmPool:
    """A warm pool: a fact that is shown, with `size` instances that are never used."""

    size: int = 0
    min_size: int = 0
    state: Literal["Stopped", "Running", "Hibernated"] = "Stopped"


@dataclass(frozen=True, slots=True)
class Shortage:
    """Why EC2 launches nothing, until a moment: no capacity, or no free address in the `subnet`."""

    until: float
    subnet: bool = False


@dataclass(slots=True, eq=False)
class Group:
    """An Auto Scaling group.

    `mixed` is the rest of a MixedInstancesPolicy (Overrides, InstancesDistribution) where the group has one; its
    template is in `reference` all the same. `suspended`: process → since when; `refreshes`: oldest first;
    `capacity_type`: what desired counts (API: DesiredCapacityType); `in_service`: seconds from a launch until the
    instance is InService; `gone`: from Terminating until the group lists it no more. `deleting`: somebody deleted it,
    and it goes with its last instance. The last block is the
    reconciler's: `launches` so far, the `instances` by id in order of launch, `rounds` of reconciliation, the one
    `booked`, the extra instance that is `balancing` zones, the user request that capacity still follows (`why`),
    and the zones in which EC2 launches nothing for it (`short`).
    """

    name: str
    reference: Reference
    min_size: int
    desired: int
    max_size: int
    zones: tuple[str, ...]
    protect_new: bool = False
    capacity_rebalance: bool = False
    mixed: Mapping[str, Any] | None = None
    spot: bool = False
    cooldown: int = 300
    tags: dict[str, Tag] = field(default_factory=dict)
    suspended: dict[str, float] = field(default_factory=dict)
    hooks: dict[str, Hook] = field(default_factory=dict)
    refreshes: list[Refresh] = field(default_factory=list)
    warm_pool: WarmPool | None = None
    capacity_type: str = "units"
    created: float = 0.0
    in_service: tuple[float, float] = (20.0, 60.0)
    gone: tuple[float, float] = (60.0, 120.0)
    deleting: bool = False

    number: int = 0
    launches: int = 0
    instances: dict[str, Instance] = field(default_factory=dict)
    rounds: int = 0
    booked: Timer | None = None
    balancing: Instance | None = None
    why: str = ""
    short: dict[str, Shortage] = field(default_factory=dict)

    @property
    def living(self) -> list[Instance]:
        """The instances that count as capacity, in order of launch."""
        return [instance for instance in self.instances.values() if instance.living]

    @property
    def deleted(self) -> bool:
        """AWS lists it no more."""
        return self.deleting and not self.instances

    @property
    def capacity(self) -> int:
        """What its living instances count for, in the units of desired."""
        return sum(instance.weight for instance in self.living)

    @property
    def overrides(self) -> Sequence[Mapping[str, Any]]:
        """The overrides of its MixedInstancesPolicy, empty where it has none."""
        return tuple((self.mixed or {}).get("Overrides", ()))

    @property
    def object(self) -> str:
        """Its name in the change log."""
        return f"asg/{self.name}"


@dataclass(slots=True, eq=False)
class Cluster:
    """What EKS says of a cluster; `endpoint` is the Kubernetes listener's URL, `authority` base64."""

    name: str
    endpoint: str = ""
    authority: str = "bm8gY2VydGlmaWNhdGU6IHBsYWluIEhUVFAgb24gbG9vcGJhY2s="
    version: str = "1.33"
    created: float = 0.0
    nodegroups: tuple[str, ...] = ()
