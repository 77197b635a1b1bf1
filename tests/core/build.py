"""A small world with defaults, so that a row of a table shows only what matters to it.

One group `g` of two old instances (version 1) whose template `lt` is referred to by $Latest; version 2 is ours. An
instance `i-o1` has the node `o1`. Baseline sizes are 1/2/3, the surge makes them 1/4/4.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from rollout.model.effects import Effect
from rollout.model.machine import Phase, Stage
from rollout.model.observation import (
    AttachmentSeen,
    AutoscalerSeen,
    GroupSeen,
    InstanceSeen,
    MarkerSeen,
    NodeSeen,
    Observation,
    Owner,
    PodSeen,
    Taint,
    TemplateSeen,
    VersionSeen,
)
from rollout.model.plan import (
    Autoscaler,
    Baseline,
    NewVersion,
    Node,
    NodeGroup,
    Plan,
    Protected,
    Settings,
    Sizes,
    Source,
    Steady,
    Surge,
    TemplateUse,
)
from rollout.model.record import EffectRow, EffectState, Record
from rollout.phases.cluster_lock import checkpoint
from rollout.stages.node_view import NodeView, view

NOW = datetime(2025, 6, 1, 12, tzinfo=UTC)
ID = "r1"
KEY = "eks-rollout/replacing"
PROCESSES = ("AZRebalance", "AlarmNotification")
BASE, SURGED = Sizes(1, 2, 3), Sizes(1, 4, 4)

SETTINGS = Settings(
    protected=Protected(),
    unprotected="evict",  # what is not selected leaves: rows say what is protected
    autoscaler=Autoscaler("kube-system", "cluster-autoscaler"),
    node_selector={},
    taint_key=KEY,
    taint_early=False,
    processes=PROCESSES,
    surge=Surge(100, percent=True),
    max_draining=1,
    on_deadline="pod",
    on_blocked="halt",
    in_service_seconds=1800,
    ready_seconds=1200,
    drain_seconds=7200,
    blocked_seconds=900,
    patience_seconds=600,
    poll_seconds=10,
    parallel=2,
    steady=Steady(seconds=0),  # the toy's world is steady; what is not is tested for itself
)


def at(seconds: float) -> datetime:
    """So many seconds after NOW."""
    return NOW + timedelta(seconds=seconds)


# ---- the record -----------------------------------------------------------------------------------------------------


def use(reference: str = "$Latest", slot: str = "", template: str = "lt") -> TemplateUse:
    """The group's use of its template; another template is named like its id."""
    return TemplateUse(slot, template, {"lt": "workers"}.get(template, template), reference)


def node_group(name: str = "g", reference: str = "$Latest", source: int = 1, *more: Source) -> NodeGroup:
    """A group with the template `lt`; `more`: what its overrides name."""
    return NodeGroup(name, (Source(use(reference), source), *more))


def baseline(group: str = "g", sizes: Sizes = BASE, **changes: Any) -> Baseline:
    return replace(Baseline(group, sizes, protect_new=False, capacity_rebalance=False, suspended=()), **changes)


def plan(phase: Phase = Phase.DRAIN, **changes: Any) -> Plan:
    """As much of a plan as is committed when a phase is entered."""
    order = list(Phase)
    made = Plan(
        cluster="c",
        region="eu-west-1",
        ami="ami-new",
        description="",
        settings=SETTINGS,
        groups=(node_group(),),
        autoscaler_replicas=1,
        baselines=(baseline(),) if order.index(phase) > order.index(Phase.AUTOSCALER_OFF) else (),
        versions=(NewVersion("lt", 1, 2),) if order.index(phase) > order.index(Phase.LAUNCH_TEMPLATE) else (),
    )
    return replace(made, **changes)


def row(instance_id: str = "i-o1", stage: Stage = Stage.WAITING, **changes: Any) -> Node:
    name = instance_id.removeprefix("i-")
    return replace(Node(instance_id, "g", "old", stage, NOW, name, f"uid-{name}"), **changes)


def record(phase: Phase = Phase.DRAIN, **changes: Any) -> Record:
    """A record in this phase; `changes` name a field of the record, of its plan or of its settings."""
    of_settings = _of(Settings, changes)
    of_plan = {"settings": replace(SETTINGS, **of_settings), **_of(Plan, changes)}
    made = plan(phase, **of_plan)
    rows = (row("i-o1"), row("i-o2")) if made.versions else ()
    deadline = at(7200) if phase is Phase.DRAIN else None
    start = Record(id=ID, key=None, plan=made, phase=phase, since=NOW, drain_deadline=deadline, nodes=rows)
    return replace(start, **_of(Record, changes))


def unsettled(effect: Effect, state: EffectState = "intended", **changes: Any) -> EffectRow:
    """An effect that was sent at NOW and is not settled."""
    start = EffectRow(effect, "intended", intended=NOW, sent=1, answered=None, retry_at=None, detail="")
    return replace(start, state=state, **changes)


def _of(kind: type, changes: Mapping[str, Any]) -> dict[str, Any]:
    names = {field.name for field in fields(kind)}
    return {name: value for name, value in changes.items() if name in names}


# ---- what is seen ---------------------------------------------------------------------------------------------------


def instance(instance_id: str, launched: int, **changes: Any) -> InstanceSeen:
    start = InstanceSeen(instance_id, "InService", True, "a", "lt", launched, True)
    return replace(start, **changes)


def old(name: str = "o1", **changes: Any) -> InstanceSeen:
    return instance(f"i-{name}", 1, **changes)


def new(name: str = "n1", **changes: Any) -> InstanceSeen:
    return instance(f"i-{name}", 2, **changes)


def found(*instances: InstanceSeen, **changes: Any) -> GroupSeen:
    """A group as it was before our first effect; without instances named, its two old ones."""
    start = GroupSeen(
        name="g",
        sizes=BASE,
        uses=(use(),),
        protect_new=False,
        capacity_rebalance=False,
        suspended=frozenset(),
        zones=("a",),
        instances=instances or (old("o1", protected=False), old("o2", protected=False)),
    )
    return replace(start, **changes)


def pinned(*instances: InstanceSeen, **changes: Any) -> GroupSeen:
    """A group after LAUNCH_TEMPLATE."""
    return found(*instances, **{"uses": (use("2"),), **changes})


def surged(*instances: InstanceSeen, **changes: Any) -> GroupSeen:
    """A group from PROTECT to DRAIN; without instances named, two old and two new ones."""
    there = instances or (old("o1"), old("o2"), new("n1"), new("n2"))
    ours = {"sizes": SURGED, "protect_new": True, "suspended": frozenset(PROCESSES)}
    return pinned(*there, **{**ours, **changes})


def drained(*instances: InstanceSeen, **changes: Any) -> GroupSeen:
    """A group when RESTORE begins."""
    return surged(*(instances or (new("n1"), new("n2"))), **{"sizes": Sizes(2, 2, 4), **changes})


def node(name: str = "o1", taint: str | None = None, **changes: Any) -> NodeSeen:
    """A Ready node that we hold; `taint`: the effect of our taint on it."""
    taints = (Taint(KEY, ID, taint),) if taint else ()
    start = NodeSeen(
        name, f"uid-{name}", f"i-{name}", True, False, taints, {}, scale_down_disabled="true", scale_down_before=""
    )
    return replace(start, **changes)


def owned(kind: str = "Job", name: str = "job") -> Owner:
    """A controller of the API that is known for that kind."""
    api = {"Job": "batch/v1", "ReplicaSet": "apps/v1", "DaemonSet": "apps/v1"}.get(kind, "example.com/v1")
    return Owner(api, kind, name, f"uid-{kind}-{name}")


def pod(name: str = "job-1", on: str | None = "o1", **changes: Any) -> PodSeen:
    """A running pod of the Job `job`."""
    start = PodSeen("ns", name, f"uid-{name}", on, "Running", owned(), {})
    return replace(start, **changes)


def bare(name: str = "bare", **changes: Any) -> PodSeen:
    """A running pod without a controller: it leaves, but holds nothing."""
    return pod(name, **{"owner": None, **changes})


#: A finished pod of a training, on o1, and another that runs on a new node.
TRAIN = Owner("kubeflow.org/v1", "PyTorchJob", "train", "uid-train")
FINISHED = pod("w-0", owner=TRAIN, phase="Succeeded", restarts="Never", pinned=True)
OTHER_RUNS = pod("w-1", "n1", owner=TRAIN, restarts="Never", pinned=True)


def template(*versions: VersionSeen, default: int = 1, **changes: Any) -> TemplateSeen:
    """The template `lt`; without versions named, the old one and ours."""
    there = versions or (ours_of(2), VersionSeen(1, "ami-old", "as it was"))
    return replace(TemplateSeen("lt", "workers", default, there[0].number, there), **changes)


def ours_of(number: int, **changes: Any) -> VersionSeen:
    """Our version of the template."""
    return replace(VersionSeen(number, "ami-new", f"rollout {ID}"), **changes)


OFF = AutoscalerSeen(replicas=0, replicas_before=1, rollout_id=ID)
ON = AutoscalerSeen(replicas=1, replicas_before=None, rollout_id=None)
MARKER = MarkerSeen(ID, "uid-marker", checkpoint(record(Phase.PLANNED)))

Thing = GroupSeen | NodeSeen | PodSeen | TemplateSeen


def seen(*things: Thing, unjoined: tuple[str, ...] = (), fresh: tuple[str, ...] = (), **changes: Any) -> Observation:
    """An observation of these things; every living instance has a node as `node()` makes it, but for `unjoined`.

    `fresh`: the nodes whose pods were listed past the cache. The autoscaler is off, the marker is ours.
    """
    groups = tuple(thing for thing in things if isinstance(thing, GroupSeen))
    named = tuple(thing for thing in things if isinstance(thing, NodeSeen))
    pods = tuple(thing for thing in things if isinstance(thing, PodSeen))
    start = Observation(
        groups=groups,
        nodes=named + _joined(groups, {*unjoined, *(one.name for one in named)}),
        pods=pods,
        fresh={name: tuple(one for one in pods if one.node == name) for name in fresh},
        autoscaler=OFF,
        marker=MARKER,
        templates=tuple(thing for thing in things if isinstance(thing, TemplateSeen)),
    )
    return replace(start, **changes)


def marked(world: Observation, journal: Record) -> Observation:
    """The same observation, but our marker says what the journal says."""
    return replace(world, marker=replace(MARKER, checkpoint=checkpoint(journal))) if world.marker is MARKER else world


def _joined(groups: tuple[GroupSeen, ...], but: set[str]) -> tuple[NodeSeen, ...]:
    names = (one.id.removeprefix("i-") for group in groups for one in group.living)
    return tuple(node(name) for name in names if name not in but)


#: The old node that its host's first name left behind: another Node object of the same instance.
STALE = node("localhost", "NoSchedule", instance_id="i-o1", ready=False)
#: For `looked`: no Node was ever seen of the instance.
NEVER_JOINED: Any = {"unjoined": ("o1",), "row_": {"name": None, "uid": None}}

# ---- one node that must go ------------------------------------------------------------------------------------------


def looked(
    stage: Stage,
    *things: NodeSeen | PodSeen,
    o1: Any = None,
    sizes: Sizes = SURGED,
    now: datetime = NOW,
    fresh: tuple[str, ...] = ("o1",),
    unjoined: tuple[str, ...] = (),
    row_: dict[str, Any] | None = None,
    elsewhere: tuple[str, ...] = (),
    ended: tuple[str, ...] = (),
    volumes: tuple[AttachmentSeen, ...] | None = None,
    suspended: frozenset[str] = frozenset(PROCESSES),
    **changes: Any,
) -> NodeView:
    """The view of `o1`, closed to new pods, in a surged group, cordoned once it is drained; `changes`: as for `record`.

    `o1`: its instance (False: not listed any more); `row_`: what differs in its row.
    `elsewhere`, `ended`: as in `Observation`; `volumes`: its attachments; `suspended`: the group's processes.
    """
    others = (old("o2"), new("n1"), new("n2"))
    instances = others if o1 is False else (o1 or old("o1"), *others)
    named = {thing.name for thing in things if isinstance(thing, NodeSeen)}
    drained = stage in {Stage.RELEASED, Stage.TERMINATING}
    closed = () if "o1" in {*unjoined, *named} else (node("o1", "NoSchedule", unschedulable=drained),)
    there = surged(*instances, sizes=sizes, suspended=suspended)
    besides = {"elsewhere": frozenset(elsewhere), "ended": frozenset(ended), "attachments": volumes}
    world = seen(there, *closed, *things, fresh=fresh, unjoined=unjoined, **besides)
    return view(replace(row("i-o1", stage), **(row_ or {})), world, record(**changes), now)
