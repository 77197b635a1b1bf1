"""The configuration file: one model for each concern, each field with its unit, its default and the reason for it.

`load` returns a `Config` that can be worked with, or raises one `UserError` that lists everything that is wrong.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from rollout.config import yaml_file
from rollout.config.journal_files import is_of_journal, journal_file, real_path
from rollout.config.schema import Matches, OrNone, Shown
from rollout.model import plan, windows
from rollout.model.presets import PRESETS, PresetName

DEFAULT_FILE = Path("rollout.yaml")

_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
_DURATION = re.compile(r"(?:([0-9]+)d)?(?:([0-9]+)h)?(?:([0-9]+)m)?(?:([0-9]+)s)?")
_JOURNALS = r"sqlite:////.+|postgresql(\+psycopg)?://.+"
_LONGEST = 365 * 86400.0
_DURATION_SCHEMA = {"type": "string", "pattern": rf"^(?=.*[1-9]){_DURATION.pattern}$"}
_MOST = 10_000  # nodes: more than AWS has in a group


def seconds(text: object) -> object:
    """Return a duration such as "90s", "15m", "2h" or "1h30m" in seconds.

    Raises ValueError for anything without a unit: whether 30 means seconds or minutes must not be guessed. So it does
    for more than a year, which is no time that anybody waits.
    """
    found = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if found is None or not any(found.groups()):
        raise ValueError(f'"{text}" is no duration: write it with its unit, such as 90s, 15m, 2h or 1h30m')
    length = sum(float(count or 0) * unit for count, unit in zip(found.groups(), _UNITS.values(), strict=True))
    if length > _LONGEST:
        raise ValueError(f'"{found[0]}" is too long: 365d is the longest')
    return length


def is_loopback(url: str) -> bool:
    """Tell whether a URL's host is this machine, by address or as "localhost"; no name is looked up."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _http(url: str) -> str:
    if "@" in url:
        raise ValueError("an address with a password in it would end up in logs: leave the password out")
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f'"{url}" is not an address such as https://vpce-1.example:443')
    return url


def database_url(url: str) -> str:
    """Return a URL that names a journal; ValueError for any other."""
    if not re.fullmatch(_JOURNALS, url):
        said = f'"{url}"' if url.startswith("sqlite:") else "the value, not shown because it may have a password,"
        raise ValueError(
            f"{said} is neither sqlite:////ABSOLUTE/PATH (four slashes) "
            "nor postgresql+psycopg://USER@HOST:PORT/DATABASE"
        )
    return url


_Name = TypeVar("_Name", str, Path)


def _from_its_folder(name: _Name, info: ValidationInfo) -> _Name:
    """Return a path as it counts from the configuration's folder: a command means the same from anywhere."""
    return type(name)(Path(info.context["file"]).parent / name) if info.context else name


def _some(items: tuple[str, ...]) -> tuple[str, ...]:
    if not items:
        raise ValueError("the list is empty: give at least one entry")
    return items


def _distinct(items: tuple[str, ...]) -> tuple[str, ...]:
    for item in items:
        if items.count(item) > 1:
            raise ValueError(f'"{item}" stands there twice')
    return items


_DIFFERING, _NOT_EMPTY = Shown({"uniqueItems": True}), Shown({"minItems": 1})


def _at_most_ten(value: float) -> float:
    if value > 10:  # noqa: PLR2004  # waits last at most ten seconds, because each look renews the lease
        raise ValueError("10s is the longest: each look renews the lease")
    return value


# RFC 1123, as https://kubernetes.io/docs/concepts/overview/working-with-objects/names/ has it: what cannot be a name
# matches none.
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
Namespace = Annotated[str, Matches(_LABEL, "a namespace's name: small letters, digits and dashes, at most 63")]
# Auto Scaling takes more characters than anybody uses; none is no name, and what ends a line would be two.
GroupName = Annotated[
    str, Matches(r"(?=.*\S)[^\x00-\x1f\x7f]{1,255}", "the name of an Auto Scaling group: 1 to 255 characters")
]
Groups = Annotated[tuple[GroupName, ...], AfterValidator(_distinct), _DIFFERING, AfterValidator(_some), _NOT_EMPTY]
Deployment = Annotated[
    str, Matches(rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*", "a Deployment's name: small letters, digits and dashes")
]
Prefix = Annotated[
    str,
    Matches(r"[a-z0-9][a-z0-9.-]{0,252}", "how a name can begin: small letters, digits, dashes and dots, at most 253"),
]
_KEY = r"([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?"
#: Domains, with all below them, whose taints Kubernetes, its autoscalers and AWS set and remove.
_RESERVED = ("kubernetes.io", "k8s.io", "karpenter.sh", "k8s.aws", "amazonaws.com", "aws.amazon.com")
Kind = Annotated[
    str,
    Matches(
        # A plural, and what controls other controllers, would select nothing.
        rf"(?!(Job|CronJob|Pod|(Replica|Stateful|Daemon)Set|Deployment)s(\.|$))(?!(CronJob\.batch|Deployment\.apps)$)"
        rf"[A-Z][A-Za-z0-9-]{{0,62}}(\.{_LABEL})*",
        "a kind such as Job or ReplicaSet, as `kubectl api-resources` writes it, or one with its API group such as "
        "Job.batch; Deployment.apps and CronJob.batch control no pods themselves",
    ),
]
LabelValue = Annotated[
    str,
    Matches(
        r"([A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?)?",
        "a label's value: letters, digits, dashes, dots and underscores, at most 63",
    ),
]
Seconds = Annotated[float, BeforeValidator(seconds), Field(gt=0), WithJsonSchema(_DURATION_SCHEMA)]
Nodes = Annotated[int, Field(ge=1, le=_MOST)]
Account = Annotated[str, Matches(r"[0-9]{12}", "an account id: twelve digits, in quotes")]
RoleArn = Annotated[
    str, Matches(r"arn:aws[\w-]*:iam::[0-9]{12}:role/\S+", "a role's ARN (arn:aws:iam::ACCOUNT:role/NAME)")
]
InstanceType = Annotated[str, Matches(r"[a-z0-9-]{1,40}\.[a-z0-9-]{1,40}", "an instance type such as m5.large")]


def _time_of_week(text: str) -> str:
    windows.window(text)
    return text


TimeOfWeek = Annotated[str, Matches(windows.FORM, windows.SPELLING), AfterValidator(_time_of_week)]
Price = Annotated[float, Field(ge=0, le=_MOST, allow_inf_nan=False)]
Url = Annotated[str, AfterValidator(_http), Shown({"pattern": "^[Hh][Tt][Tt][Pp][Ss]?://[^@]+$"})]
DatabaseUrl = Annotated[str, AfterValidator(database_url), Shown({"pattern": f"^(?:{_JOURNALS})$"})]
#: The path of a file, relative to the configuration's folder.
FilePath = Annotated[Path, AfterValidator(_from_its_folder)]
LabelKey = Annotated[
    str,
    # https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
    Matches(_KEY, "a Kubernetes label key"),
]
TaintKey = Annotated[
    LabelKey,
    Matches(
        rf"(?!([a-z0-9.-]+\.)?({'|'.join(map(re.escape, _RESERVED))})/)"
        rf"(?!aws-node-termination-handler/|(ToBeDeletedBy|DeletionCandidateOf)ClusterAutoscaler$){_KEY}",
        "a key that nobody else sets or removes: Kubernetes, AWS or an autoscaler uses it, and RESTORE would remove "
        "their taint, such as a cordon; write one of your own, or leave it out",
    ),
]

# Launch and Terminate are missing on purpose: with either suspended a rollout never gets anywhere.
# https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-suspend-resume-processes.html
Process = Literal[
    "AZRebalance",
    "AddToLoadBalancer",
    "AlarmNotification",
    "HealthCheck",
    "InstanceRefresh",
    "ReplaceUnhealthy",
    "ScheduledActions",
]


class Section(BaseModel):
    """What all sections share: unknown keys are refused, nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Access(Section):
    """How the tool connects to AWS and Kubernetes. No secret belongs here."""

    assume_role: RoleArn | None = None
    """ARN of an IAM role that the tool assumes first. Its credentials are renewed automatically. Default: none, the
    process's own credentials."""

    eks_role: RoleArn | None = None
    """ARN of a second IAM role, only for the Kubernetes token; it is assumed after `assume_role`. Default: none, the
    token is for `assume_role`."""

    kubernetes: Literal["eks", "kubeconfig", "in-cluster"] = "eks"
    """Where the Kubernetes credentials come from. eks: a token that the tool makes itself. kubeconfig: a file.
    in-cluster: the pod's service account. Default eks: it needs no file and no AWS CLI."""

    kubeconfig: FilePath | None = None
    """Path of the kubeconfig file, relative to the configuration's folder, only with `kubernetes: kubeconfig`. Default:
    none, the file that kubectl would use."""

    context: str | None = None
    """The context in that file, only with `kubernetes: kubeconfig`. Default: none, the file's current context."""

    endpoint_url: Url | None = None
    """Address of the AWS API, for a VPC endpoint or a simulator. Default: none, AWS's own addresses."""

    @model_validator(mode="after")
    def _only_what_is_used(self) -> Access:
        if self.kubernetes != "kubeconfig" and (self.kubeconfig or self.context):
            raise ValueError(f"kubeconfig and context have no meaning with kubernetes: {self.kubernetes}")
        if self.kubernetes != "eks" and self.eks_role:
            raise ValueError(f"eks_role has no meaning with kubernetes: {self.kubernetes}")
        return self


class Protected(Section):
    """Which pods block their node until they end.

    A pod does so if it meets all of `namespaces`, `prefixes`, `labels` and `kinds`, or belongs to one of `presets`.
    """

    namespaces: Annotated[tuple[Namespace, ...], AfterValidator(_distinct), _DIFFERING] = ()
    """Namespaces of the pods. Default: none, which means all: too much protection only costs time."""

    prefixes: Annotated[tuple[Prefix, ...], AfterValidator(_distinct), _DIFFERING] = ()
    """How the names of the pods' controllers begin: with one of these texts. Default: none, which means any name."""

    labels: Mapping[LabelKey, LabelValue] = Field(default_factory=dict)
    """Labels that the pods must have, all of them. Default: none, no label is needed."""

    kinds: Annotated[tuple[Kind, ...], AfterValidator(_distinct), _DIFFERING, AfterValidator(_some), _NOT_EMPTY] = (
        "Job",
    )
    """Kinds of the pods' controllers. KIND means that kind in any API group, KIND.GROUP (such as Job.batch) only in
    this group. Default [Job]: other pods can be evicted."""

    presets: Annotated[tuple[PresetName, ...], AfterValidator(_distinct), _DIFFERING] = ()
    """Well-known workloads whose pods are protected too, in every namespace. Default: none, not every cluster has
    them."""


def _port(address: str) -> str:
    if not 1 <= int(address.rpartition(":")[2]) <= 65535:  # noqa: PLR2004 - as TCP has it
        raise ValueError(f'"{address}" has no port from 1 to 65535')
    return address


Address = Annotated[
    str,
    Matches(
        r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?):[0-9]{1,5}",
        "an address with its port, such as 127.0.0.1:9464",
    ),
    AfterValidator(_port),
]
# The node exporter reads no other file.
Textfile = Annotated[
    str,
    Matches(r"[^\x00-\x1f\x7f]*[^\x00-\x1f\x7f/]\.prom", "a file whose name ends with .prom"),
    AfterValidator(_from_its_folder),
]


class Autoscaler(Section):
    """The Deployment of cluster-autoscaler. It would interfere, so a rollout scales it to 0 replicas until RESTORE."""

    namespace: Namespace = "kube-system"
    """The Deployment's namespace. Default kube-system: where its charts put it."""

    name: Deployment = "cluster-autoscaler"
    """The Deployment's name. Default cluster-autoscaler: its usual name."""


class TaintSettings(Section):
    """Our taint on the nodes that must go."""

    key: TaintKey = "eks-rollout/replacing"
    """The taint's key. Default eks-rollout/replacing: nobody else uses it."""

    early: bool = False
    """With true, the taint is NoSchedule from the start. Default false: it is PreferNoSchedule until new nodes are
    Ready, so that new Jobs always find a node."""


class Drain(Section):
    """How old nodes are drained."""

    max_draining: Nodes = 1
    """Nodes of one group that may drain at the same time. Default 1: as few pods as possible leave at once."""

    unready_share: Annotated[int, Field(ge=1, le=100)] = 25
    """Percentage of the nodes, of the cluster or of a group. If so many turn not Ready within `unready_within`, nothing
    is drained until the cluster is steady again. Default 25: single nodes fail; if many turn at once, the API server or
    the network fails."""

    unready_nodes: Nodes = 2
    """Nodes that must turn not Ready at least; `unready_share` alone is not enough. Default 2: one node of a small
    group is no sign."""

    unready_within: Seconds = 60.0
    """The time within which so many nodes must turn not Ready. Default 1m: nodes that fail together do so within it."""

    steady_for: Seconds = 60.0
    """How long the cluster must be steady before anything is drained. This time begins after many nodes turned not
    Ready, after an outage, and when a process starts. Default 1m: nodes report every ten seconds; budgets are up to
    date by then."""

    on_deadline: plan.OnDeadline = "pod"
    """What happens to Jobs that still run at the drain deadline. pod: their pods are ended; the Jobs stay and may start
    new pods. job: the Jobs are deleted, with all their pods on any node. halt: a person decides. Default pod: the least
    that lets the rollout end."""

    on_blocked: plan.OnBlocked = "halt"
    """What happens to other pods that a budget still blocks at the blocked deadline, also to protected replicas of
    services. halt: a person decides. force: they are deleted. Default halt: the author of the budget meant it."""

    def steady(self) -> plan.Steady:
        """Return what counts as steady."""
        return plan.Steady(self.unready_share / 100, self.unready_nodes, self.unready_within, self.steady_for)


class Deadlines(Section):
    """How long the rollout waits before it halts, and a person must act.

    `drain.on_deadline` decides what happens at the drain deadline, `drain.on_blocked` at the blocked deadline.
    """

    in_service: Seconds = 1800.0
    """How long it may take until new instances are InService, until cluster-autoscaler's pod has ended, and until
    RESTORE is done. Default 30m: a launch takes minutes, and a shortage may end in that time."""

    ready: Seconds = 1200.0
    """How long it may take until the new instances' nodes are Ready. Default 20m: a node that takes longer never
    becomes Ready."""

    drain: Seconds = 7200.0
    """How long Jobs may run on old nodes, from the start of DRAIN. Default 2h: as long as the longest Jobs of the
    tool's first users."""

    blocked: Seconds = 900.0
    """How long budgets may block the last evictions, after the drain deadline. Default 15m: new replicas start in that
    time."""


class Metrics(Section):
    """Metrics of the running rollout for Prometheus (docs/signals.md). Nothing that fails here stops a rollout."""

    textfile: Textfile | None = None
    """A file for the node exporter's textfile collector, relative to the configuration's folder. Its name ends with
    .prom. It is replaced as a whole, and the last state stays in it. It replaces only an older one of ours. Default:
    none, no file."""

    listen: Address | None = None
    """An address with its port, such as 127.0.0.1:9464, on which Prometheus reads the metrics while the process runs.
    There is no password and no TLS. Default: none, no listener."""

    @property
    def wanted(self) -> bool:
        """Whether metrics are to be published."""
        return self.textfile is not None or self.listen is not None


Occasion = Literal["begin", "halt", "jobs-at-risk", "extend", "abort", "end"]


class Notify(Section):
    """Messages about a rollout to Slack, Teams, PagerDuty, mail and others, by Apprise (docs/signals.md).

    Apprise's URLs are secrets, so they do not stand in this file. Messages need the extra `notify`.
    """

    variable: Annotated[str, Matches(r"[A-Za-z_][A-Za-z0-9_]*", "the name of an environment variable")] | None = None
    """Name of an environment variable that has Apprise's URLs, with blanks between them. Default: none, no variable."""

    file: FilePath | None = None
    """A file that has Apprise's URLs, one in a line, relative to the configuration's folder. Default: none, no file. A
    secret of Kubernetes or of CI may be one."""

    events: Annotated[
        tuple[Occasion, ...], AfterValidator(_distinct), _DIFFERING, AfterValidator(_some), _NOT_EMPTY
    ] = ("begin", "halt", "jobs-at-risk", "extend", "abort", "end")
    """What a message is sent for. Default: everything, six kinds."""

    @property
    def wanted(self) -> bool:
        """Whether any message is to be sent."""
        return self.variable is not None or self.file is not None


_SURGE_SCHEMA = {
    "anyOf": [
        {"type": "integer", "minimum": 1, "maximum": _MOST},
        {"type": "string", "pattern": "^(0{0,2}[1-9]|0?[1-9][0-9]|100)%$"},
    ]
}


def _surge(value: object) -> object:
    """Read "50%" or a whole number."""
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _MOST:
        return plan.Surge(value)
    found = re.fullmatch(r"([0-9]{1,3})%", value) if isinstance(value, str) else None
    if found and 1 <= int(found[1]) <= 100:  # noqa: PLR2004 - percent
        return plan.Surge(int(found[1]), percent=True)
    raise ValueError(f'"{value}" is neither a percentage from 1% to 100% nor a whole number from 1 to {_MOST}')


def _or_none(value: Any) -> Any:
    """Read `autoscaler: none`; an empty value stays an error, so that commented-out lines never switch it off."""
    if value is None:
        raise ValueError("empty value: write `none`, or namespace and name of its Deployment")
    return None if value == "none" else value


def default_database() -> str:
    """Return a file in the platform's state folder: a workspace that is wiped must not take the journal with it."""
    from platformdirs import user_state_path

    return f"sqlite:///{user_state_path('eks-rollout').absolute() / 'rollout.db'}"


class Config(Section):
    """One cluster, the Auto Scaling groups whose nodes are to be replaced, and how."""

    cluster: Annotated[str, Matches(r"[0-9A-Za-z][\w-]{0,99}", "the name of an EKS cluster")]
    """The EKS cluster's name."""

    region: Annotated[str, Matches(r"[a-z]{2,}(-[a-z]+)+-[0-9]+", "the name of an AWS region such as eu-west-1")]
    """The AWS region of the cluster and its groups."""

    groups: Groups
    """Names of the Auto Scaling groups whose nodes are replaced."""

    account: Account | None = None
    """Id of the AWS account, in quotes. If it is set, the tool refuses to work in another account. Default: none, any
    account."""

    access: Access = Access()
    protected: Protected = Protected()

    unprotected: plan.Unprotected = "protect"
    """What happens to pods that `protected` does not name, but that nobody replaces or that run to their end
    (docs/protection.md). protect: they block their node too. evict: they are evicted. refuse: no rollout begins while
    one runs; one that appears later blocks its node. Default protect: too much protection costs time, too little costs
    work."""

    autoscaler: Annotated[Autoscaler | None, BeforeValidator(_or_none), OrNone()] = Autoscaler()

    max_autoscaler_off: Seconds = 21600.0
    """How long cluster-autoscaler may be off before the rollout records a warning in its events. A first warning comes
    shortly before. The setting has no other effect. Default 6h: longer than all deadlines together."""

    windows: Annotated[tuple[TimeOfWeek, ...], AfterValidator(_distinct), _DIFFERING] = ()
    """Maintenance windows (docs/windows.md), such as "Mon-Thu 22:00-06:00 Europe/Berlin". Outside of them no rollout
    begins, no further node is drained and no Job is ended. Days are those on which a window begins; times are those of
    the time zone. Default: none, it is always open."""

    node_selector: Mapping[LabelKey, LabelValue] = Field(default_factory=dict)
    """Labels that all nodes of the groups have, and no other node. If that is not so, a rollout does not begin, or
    halts. Default: none, no cross-check."""

    share_templates: bool = False
    """With true, groups outside of `groups` may launch the $Latest or $Default version of a template that a rollout
    changes. Their next instances get the new image. With false, such a rollout does not begin. Default false: no group
    gets an image that nobody asked for."""

    taint: TaintSettings = TaintSettings()

    processes: Annotated[tuple[Process, ...], AfterValidator(_distinct), _DIFFERING] = (
        "AZRebalance",
        "AlarmNotification",
        "ScheduledActions",
        "InstanceRefresh",
    )
    """Scaling processes of the groups that a rollout suspends until RESTORE. Default: the four that terminate or launch
    instances on their own."""

    on_not_ready: Literal["halt", "abort"] = "halt"
    """What happens when the new nodes do not become Ready within `deadlines.ready`. halt: a person decides. abort: the
    rollout goes back to what was before by itself, as by `rollout abort` (docs/rolling-back.md), and the run ends with
    exit code 1. It is not stored with the rollout: the run that meets the deadline reads it. Default halt: to clear the
    cause costs less than the way back."""

    surge: Annotated[plan.Surge, BeforeValidator(_surge), WithJsonSchema(_SURGE_SCHEMA)] = plan.Surge(100, percent=True)
    """Instances that each group gets at a time, in addition to its old ones. A percentage of the group, rounded up, or
    a whole number; at most as many as the group has. Default 100%: in a doubled group, every old node may drain at
    once."""

    drain: Drain = Drain()
    deadlines: Deadlines = Deadlines()

    patience: Seconds = 600.0
    """How long a "no" of AWS or Kubernetes (401, 403, a missing object) must last before a rollout believes it. Default
    10m: an API server that is replaced, and rights that were just granted, take minutes."""

    poll: Annotated[Seconds, AfterValidator(_at_most_ten)] = 10.0
    """The longest time between two observations, at most 10s. Default 10s: the lease's renewal allows no more."""

    parallel: Annotated[int, Field(ge=1, le=50)] = 8
    """Requests that may be sent at the same time. One that changes a group's sizes is always sent alone. Default 8: far
    below AWS's request limits."""

    database: DatabaseUrl = Field(default_factory=default_database)
    """Where the journal is: sqlite:////PATH, or postgresql+psycopg://USER@HOST:PORT/DATABASE. The password comes from
    PGPASSWORD, from a passfile, or from ${NAME} in this text. Default: rollout.db in the platform's user state
    folder."""

    report: FilePath | None = None
    """A file that gets a page about the rollout each time a run ends it or halts (docs/report.md), relative to the
    configuration's folder. It replaces only an older page. Default: none, no page. If it cannot be written, the run
    says so and ends as it would have."""

    prices: Mapping[InstanceType, Price] = Field(default_factory=dict)
    """What an hour of an instance costs, by instance type, in a currency of your choice, such as `m5.large: 0.107`.
    `rollout plan` works out with it what the extra instances cost. Default: none, no cost is told; the tool looks up no
    price."""

    node_events: bool = False
    """With true, Events of Kubernetes on the nodes say what each waits for, that it drains, and halts. `kubectl
    describe node` shows them (docs/signals.md). Default false: it needs the right to create events in the namespace
    default."""

    metrics: Metrics = Metrics()
    notify: Notify = Notify()

    simulator: Url | None = None
    """Address of the simulator's control listener. A rollout then uses the simulator's clock. Default: none, real
    time."""

    @field_validator("simulator")
    @classmethod
    def _simulated_time_only_here(cls, url: str | None, info: ValidationInfo) -> str | None:
        access = info.data.get("access")
        endpoint = access.endpoint_url if access else None
        if url is not None and not (is_loopback(url) and endpoint and is_loopback(endpoint)):
            raise ValueError("simulated time is for a simulator here: both it and access.endpoint_url must be loopback")
        return url

    @field_validator("report", "metrics")
    @classmethod
    def _written_beside_what_is_read(cls, value: Path | Metrics | None, info: ValidationInfo) -> Path | Metrics | None:
        named = value.textfile if isinstance(value, Metrics) else value
        if named is None:
            return value
        file, journal = Path(named), journal_file(info.data.get("database", ""))
        if journal and is_of_journal(file, journal):
            raise ValueError(f"{file} belongs to the journal: name another file")
        if info.context and real_path(file) == real_path(info.context["file"]):
            raise ValueError(f"{file} is this configuration: name another file")
        return value

    def settings(self) -> plan.Settings:
        """Return the part that a rollout lives by, to be fixed in its plan."""
        return plan.Settings(
            protected=self._protected(),
            unprotected=self.unprotected,
            autoscaler=plan.Autoscaler(**self.autoscaler.model_dump()) if self.autoscaler else None,
            node_selector=dict(self.node_selector),
            taint_key=self.taint.key,
            taint_early=self.taint.early,
            processes=self.processes,
            surge=self.surge,
            max_draining=self.drain.max_draining,
            on_deadline=self.drain.on_deadline,
            on_blocked=self.drain.on_blocked,
            in_service_seconds=self.deadlines.in_service,
            ready_seconds=self.deadlines.ready,
            drain_seconds=self.deadlines.drain,
            blocked_seconds=self.deadlines.blocked,
            patience_seconds=self.patience,
            poll_seconds=self.poll,
            parallel=self.parallel,
            steady=self.drain.steady(),
            max_autoscaler_off_seconds=self.max_autoscaler_off,
            windows=tuple(map(windows.window, self.windows)),
        )

    def _protected(self) -> plan.Protected:
        named = self.protected
        presets = tuple(PRESETS[name] for name in named.presets)
        return plan.Protected(named.namespaces, named.prefixes, dict(named.labels), named.kinds, presets)


def load(path: Path = DEFAULT_FILE, environment: Mapping[str, str] | None = None) -> Config:
    """Read and check a configuration; `environment` (default: the process's) fills in `${NAME}`.

    Raises `UserError` (exit 2) that names every problem with its line.
    """
    return yaml_file.read(path, Config, os.environ if environment is None else environment)
