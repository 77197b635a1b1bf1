"""The five doors to the outside, in our own records: AWS, Kubernetes, the journal and time.

An adapter translates every failure into one of `errors` (EdgeError). Reads may be retried inside;
a mutating verb sends ONE request for each change (a read before it is allowed) and never repeats it.
Mutating verbs return the other side's request id (AWS) or None, when it said yes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

from rollout.model.budget import BudgetSeen
from rollout.model.checkpoint import Checkpoint
from rollout.model.decision import Advance, Halt, Move, NodeWait
from rollout.model.effects import Effect
from rollout.model.machine import Phase
from rollout.model.observation import (
    AttachmentSeen,
    AutoscalerSeen,
    GroupSeen,
    ImageSeen,
    MarkerSeen,
    NodeSeen,
    PodSeen,
    RefreshSeen,
    Taint,
    TemplateSeen,
)
from rollout.model.plan import Autoscaler, Direction, Node, Plan, TemplateUse
from rollout.model.preflight_observation import GroupProbed, Kinds, Right
from rollout.model.record import Extension, Left, Record
from rollout.model.sight import Sight
from rollout.model.steering import Force, Lift, Pause


@dataclass(frozen=True, slots=True)
class GroupChange:
    """The fields of one UpdateAutoScalingGroup; None leaves a field as it is.

    `uses`: the references that change; those of other slots, and all else in a MixedInstancesPolicy, stay.
    """

    minimum: int | None = None
    desired: int | None = None
    maximum: int | None = None
    protect_new: bool | None = None
    capacity_rebalance: bool | None = None
    uses: tuple[TemplateUse, ...] | None = None


@dataclass(frozen=True, slots=True)
class NodeChange:
    """Our own keys on one node, to be read, changed and written with the resourceVersion that was read.

    `taint`: put it there, in place of one with the same key; `untaint`: remove the taint with that key;
    `annotations`: value None removes the key; `unschedulable`: set or clear spec.unschedulable.
    """

    taint: Taint | None = None
    untaint: str | None = None
    annotations: Mapping[str, str | None] | None = None
    unschedulable: bool | None = None


class AutoScaling(Protocol):
    """AWS: Auto Scaling groups, launch templates and images of one account and region."""

    def groups(self, names: Sequence[str]) -> tuple[GroupSeen, ...]:
        """Describe groups in one paged call, in the order of `names`; a missing one is left out."""

    def templates(self, ids: Sequence[str]) -> tuple[TemplateSeen, ...]:
        """Describe launch templates with all their versions; a missing one is left out."""

    def image(self, ami: str) -> ImageSeen | None:
        """Describe an image, None if this account cannot see it."""

    def trouble(self, group: str) -> str:
        """Return what the group's newest failed scaling activity of the last hour said, "" if there is none."""

    def active_instance_refresh(self, group: str) -> RefreshSeen | None:
        """Return the instance refresh that is active on a group, None if there is none."""

    def states(self, ids: Collection[str]) -> Mapping[str, str]:
        """Return the state in EC2 (running, terminated, …) of those of these instances that it knows; of any group."""

    def create_version(self, template_id: str, source: int, ami: str, description: str, token: str) -> str | None:
        """Create a template version from `source` with another image."""

    def set_default_version(self, template_id: str, number: int) -> str | None:
        """Move a template's $Default."""

    def update_group(self, group: str, change: GroupChange) -> str | None:
        """Write the given fields of a group in one call; `Retry` if a slot of `uses` names another template by now."""

    def protect(self, group: str, instance_ids: Sequence[str], *, protected: bool) -> str | None:
        """Set or clear scale-in protection of at most 50 instances."""

    def suspend(self, group: str, processes: Sequence[str]) -> str | None:
        """Suspend scaling processes by name."""

    def resume(self, group: str, processes: Sequence[str]) -> str | None:
        """Resume scaling processes by name; never called without names."""

    def terminate(self, instance_id: str) -> str | None:
        """TerminateInstanceInAutoScalingGroup with ShouldDecrementDesiredCapacity."""


class PreflightProbe(Protocol):
    """What only a survey asks, of AWS, of Kubernetes and of this process; nothing is changed by it."""

    def groups(self) -> tuple[GroupProbed, ...]:
        """Describe every Auto Scaling group of the account and region, those of others too."""

    def architectures(self, types: Sequence[str]) -> Mapping[str, frozenset[str]]:
        """Return by instance type what it runs, such as x86_64; a type that the region has not is left out."""

    def try_version(self, template_id: str, source: int, ami: str) -> None:
        """Ask whether we might create a template version; `Refused` if not."""

    def try_default(self, template_id: str, number: int) -> None:
        """Ask whether we might move a template's $Default; `Refused` if not."""

    def try_launch(
        self, template_id: str, version: int, ami: str, instance_type: str | None, subnet: str | None
    ) -> None:
        """Ask whether we might launch an image from a template version as a group does; `Refused` if not.

        What else would keep EC2 from launching is no matter of rights and is passed over.
        """

    def allows(self, right: Right) -> bool:
        """Tell whether Kubernetes grants us a right."""

    def kinds(self, wanted: Sequence[str]) -> Kinds:
        """Ask which kinds Kubernetes serves; where all that are wanted are among the first ones, the rest is not read.

        Nothing is raised where it does not say so, nor where we may not ask: that is told beside what it said.
        """

    def absent(self, namespaces: Sequence[str]) -> tuple[str, ...]:
        """Return those of these namespaces that do not exist; `Refused` where we may not ask."""

    def autoscalers(self) -> tuple[Autoscaler, ...]:
        """Return the Deployments that look like cluster-autoscaler; `Refused` where we may not list them."""

    def own_pod(self) -> tuple[str, str] | None:
        """Return namespace and name of the pod of this cluster that we run in, None if we do not."""


@dataclass(frozen=True, slots=True)
class JobSeen:
    """A Job of batch/v1. `owner`: kind and name of its controller, such as a CronJob; "" for none.

    `started`: when it began; `completed`: when it was done, None for one that runs or failed. `ends`: when its
    activeDeadlineSeconds ends it, None where it has none, or has not begun.
    """

    uid: str
    namespace: str
    name: str
    owner: str = ""
    started: datetime | None = None
    completed: datetime | None = None
    ends: datetime | None = None


def ends_of(jobs: Sequence[JobSeen]) -> dict[str, datetime]:
    """Return, by uid, until when Jobs may run that say so."""
    return {job.uid: job.ends for job in jobs if job.ends}


class RoomProbe(Protocol):
    """For what AWS has room, as far as it can be asked. Each may be `Refused`: no rollout depends on the answer."""

    def addresses(self, subnets: Sequence[str]) -> Mapping[str, int]:
        """Return by subnet how many addresses are free; one that does not exist is left out."""

    def vcpus(self, types: Sequence[str]) -> Mapping[str, int]:
        """Return by instance type how many vCPUs it has; a type that the region has not is left out."""

    def running(self) -> Mapping[tuple[str, bool], int]:
        """Count the account's instances that run, or are about to, by type and whether they are spot instances."""

    def quota(self, code: str) -> float | None:
        """Return what a quota of EC2 allows in this account, None where there is no such quota."""


class Kubernetes(Protocol):
    """One Kubernetes cluster."""

    def nodes(self, *, young: bool = False) -> tuple[NodeSeen, ...]:
        """Return all nodes, from the watch; `young`: past it where it says nothing at the moment."""

    def pods(self, *, young: bool = False) -> tuple[PodSeen, ...]:
        """Return all pods, from the watch; `young`: as well."""

    def pods_on(self, node: str) -> tuple[PodSeen, ...]:
        """List the pods of one node straight from the API, past the watch."""

    def budgets(self) -> tuple[BudgetSeen, ...] | None:
        """List all disruption budgets; None where we lack the right, which is optional."""

    def attachments(self) -> tuple[AttachmentSeen, ...] | None:
        """List all volumes that are attached to nodes; None where we lack the right, which is optional."""

    def jobs(self) -> tuple[JobSeen, ...] | None:
        """List all Jobs of batch/v1, also those that ended; None where we lack the right, which is optional."""

    def follow(self, where: Autoscaler | None) -> None:
        """Watch the marker and the autoscaler's Deployment from now on; what we may not watch is read each time."""

    def autoscaler(self, where: Autoscaler, *, young: bool = True) -> AutoscalerSeen | None:
        """Return cluster-autoscaler's Deployment, None if it does not exist; past a silent watch where `young`."""

    def marker(self, *, young: bool = True) -> MarkerSeen | None:
        """Return the cluster's marker, None if nobody's rollout is at work; past a silent watch where `young`."""

    def in_touch(self) -> None:
        """Make sure that the API server is there: it is asked where it was silent for a while. `Retry` if it is not."""

    def silence(self) -> float:
        """Return for how many seconds at most nothing was heard of the API server since this was asked last."""

    def write_marker(self, checkpoint: Checkpoint, uid: str | None) -> None:
        """Write the marker of this uid with the resourceVersion that was read; `Retry` if it is not there any more.

        None: create it; `Refused` if there is one already.
        """

    def delete_marker(self, uid: str) -> None:
        """Delete the marker of this uid; one that is gone already is a success."""

    def scale(self, where: Autoscaler, replicas: int, annotations: Mapping[str, str | None]) -> None:
        """Write replicas and annotations of a Deployment in one PATCH with the resourceVersion that was read."""

    def change_node(self, name: str, uid: str, instance_id: str, change: NodeChange) -> None:
        """Change our own keys on a node, if it still is that node; `Retry` on a conflict, and if it is not."""

    def evict(self, namespace: str, name: str, uid: str) -> None:
        """Evict a pod (policy/v1). Gone or another uid is a success; `Retry` names the budget that blocks."""

    def delete_pod(self, namespace: str, name: str, uid: str, grace: int | None) -> None:
        """Delete a pod of this uid, with `grace` seconds (None: its own). Gone or another uid is a success."""

    def delete_job(self, namespace: str, name: str, uid: str) -> None:
        """Delete a Job of this uid with its pods (propagation Background). `Gone` where there is none of that uid."""


@dataclass(frozen=True, slots=True)
class NodeEvent:
    """What people are told on a node, as an Event of Kubernetes; `name`: the Event's, the same for the same news."""

    name: str
    node: str
    uid: str
    reason: str
    message: str
    at: datetime
    warns: bool = False


class NodeEvents(Protocol):
    """Events of Kubernetes about nodes; no rollout rests on them."""

    def write(self, event: NodeEvent) -> None:
        """Write an Event; one of that name that is there already is a success."""


Outcome = Literal["ok", "gone", "unknown", "not_sent", "not_applied", "blocked", "rejected"]


@dataclass(frozen=True, slots=True)
class Receipt:
    """What one attempt brought.

    `outcome`: ok, the other side said yes; gone, nothing was left to do; unknown, look before anything else; the others
    are states of `EffectRow`, all certainly without effect: all but rejected may be sent again at `retry_at`.
    `failed`: it is unknown, and the API server itself said that it went wrong.
    """

    effect: Effect
    outcome: Outcome
    started: datetime
    ended: datetime
    detail: str = ""
    request_id: str | None = None
    retry_at: datetime | None = None
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Settled:
    """How an unsettled effect ended by what was seen: done, or not_applied (it may be sent again now).

    `ours`: False if the world shows that a pod ended by itself, not by our request.
    """

    key: str
    state: Literal["done", "not_applied"]
    detail: str
    ours: bool = True


@dataclass(frozen=True, slots=True)
class Worker:
    """The process that holds a cluster, or held it last.

    `who`: in words. `works`: whether it still does. `since`: when it began. `last_sign`: when it last wrote, or read
    where the journal is on a server. `ended`: when it gave the cluster up; None: it works, or died without a word.
    `silent`: whether it leaves no sign while it only waits; beside a file its lock alone says that it lives.
    """

    who: str
    host: str
    pid: int
    run_id: str
    build_url: str | None
    works: bool
    since: datetime
    last_sign: datetime | None
    ended: datetime | None
    silent: bool


@dataclass(frozen=True, slots=True)
class Summary:
    """One rollout in a list."""

    id: str
    key: str | None
    cluster: str
    ami: str
    groups: tuple[str, ...]
    phase: Phase
    halted: str | None
    begun: datetime
    ended: datetime | None
    scope: str = ""
    direction: Direction = "forward"
    pause: Pause | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a rollout's history; `kind` is a word like phase, effect, node, halted, and `actor` who wrote it.

    `hash`: in hex, of this and all events before it. `data`: what a program needs of it.
    """

    seq: int
    at: datetime
    kind: str
    actor: str
    text: str
    hash: str
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def reason(self) -> str | None:
        """Why it halted, or a node waits, in one word (`reasons`); None for other kinds, and in older journals."""
        return self.data.get("reason") if self.kind in {"halted", "wait"} else None


@dataclass(frozen=True, slots=True)
class KilledJob:
    """One entry of the ledger of killed Jobs. `job`: a Job's name, or kind and name of another owner of a pod.

    `forced_by`: who had asked that its node goes now, and why; "" where nobody had.
    """

    job: str
    pod: str
    node: str
    at: datetime
    forced_by: str = ""

    @property
    def loser(self) -> str:
        """Who lost it, with its kind."""
        return self.job if " " in self.job else f"Job {self.job}"

    @property
    def where(self) -> str:
        """On which node, and who had asked that it goes."""
        return f"{self.node}, forced by {self.forced_by}" if self.forced_by else self.node


class Journal(Protocol):
    """The database: the only truth about what was intended and settled. Each verb is one transaction."""

    def begin(self, rollout_id: str, key: str | None, plan: Plan, now: datetime) -> None:
        """Create a rollout in PLANNED; `UserError` (exit 76) where the cluster has an active one."""

    def summaries(self) -> tuple[Summary, ...]:
        """List all rollouts, newest first."""

    def load(self, rollout_id: str) -> Record:
        """Read the record; `UserError` if there is no such rollout."""

    def settle(self, rollout_id: str, settled: Sequence[Settled], now: datetime) -> None:
        """Write what was seen of unsettled effects; a done one with `kills` enters the ledger with it."""

    def intend(
        self,
        rollout_id: str,
        effects: Sequence[Effect],
        moves: Sequence[Move],
        waits: Sequence[NodeWait],
        nodes: Sequence[Node],
        now: datetime,
    ) -> None:
        """Save effects before they are sent (again), step nodes, note what they wait for, add rows: one transaction."""

    def receive(self, rollout_id: str, receipts: Sequence[Receipt]) -> None:
        """Write what attempts brought."""

    def advance(self, rollout_id: str, step: Advance, deadline: datetime | None, now: datetime) -> None:
        """Enter the next phase and commit plan, rows, deadlines and event with it; `deadline`: of the new phase."""

    def halt(self, rollout_id: str, halt: Halt, now: datetime, sight: Sight | None = None) -> None:
        """Mark the rollout as halted; its phase stays. The hint is written as it is, with the command that goes on.

        `sight`: what was seen of the cluster at it, None where nothing was.
        """

    def resume(self, rollout_id: str, deadline: datetime | None, now: datetime) -> None:
        """Clear the halt, count the resume, store the phase's new deadline; what was rejected may be sent again now."""

    def asked(self, rollout_id: str) -> int:
        """Return how often people have asked this rollout for something, as `Record.asked` says."""

    def extend(self, rollout_id: str, asked: Extension, now: datetime) -> None:
        """Move the drain deadline, to later only, and tell who asked for it."""

    def steer(self, rollout_id: str, asked: Pause | Lift, deadline: datetime | None, now: datetime) -> None:
        """Tell that the rollout is paused, or is so no more, with the `deadline` that its phase then has."""

    def force(self, rollout_id: str, asked: Force, now: datetime) -> None:
        """Write down that a node goes now, and tell who asked for it."""

    def note(self, rollout_id: str, kind: str, text: str, now: datetime) -> None:
        """Append an event."""

    def events(self, rollout_id: str, after: int = 0) -> tuple[Event, ...]:
        """Return the events with a seq above `after`, in order."""

    def evicted(self, rollout_id: str) -> tuple[Left, ...]:
        """Return all pods that left because the rollout asked for it, oldest first."""

    def killed(self, rollout_id: str) -> tuple[KilledJob, ...]:
        """Return the ledger of killed Jobs."""


def nobody_asked() -> bool:
    """Tell that nobody has asked for anything."""
    return False


class Clock(Protocol):
    """Time: the wall clock, or a simulator's."""

    def now(self) -> datetime:
        """Return the current instant, in UTC."""

    def wait(self, until: datetime, asked: Callable[[], bool] = nobody_asked) -> None:
        """Return at `until`, or earlier when the world moved (a watch event) or a signal came.

        `asked`: tells whether somebody has asked for something, which ends a wait within five seconds.
        """

    def wake(self) -> None:
        """End a wait from another thread or a signal handler."""
