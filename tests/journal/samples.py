"""A plan, some effects, and a journal with a bit of everything in it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from rollout.fence import Fence
from rollout.fleet import store
from rollout.fleet.model import Fixed, FleetPlan, Limits, Request, StopWhen, Wave
from rollout.journal import SqlJournal, lease_acquire, triggers
from rollout.journal.chain import Author
from rollout.journal.lease_row import Holder, simulated_time
from rollout.journal.lease_session import LeaseSession
from rollout.model.decision import Advance, Halt, Move, NodeWait
from rollout.model.effects import DeletePod, Effect, Evict, Resize, TaintNode, Terminate
from rollout.model.machine import Phase, Stage
from rollout.model.plan import (
    Baseline,
    NewVersion,
    Node,
    NodeGroup,
    Plan,
    Protected,
    Sizes,
    Source,
    Surge,
    TemplateUse,
)
from rollout.model.reasons import Reason
from rollout.model.record import Abort
from rollout.ports import Outcome, Receipt, Settled
from tests.core import build

#: Marks of a test of what one engine alone does.
on_sqlite = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
on_postgres = pytest.mark.parametrize("engine", ["postgres"], indirect=True)

NOW = datetime(2026, 1, 5, 8, tzinfo=UTC)
ID = "20260105-080000-3f9a"

SETTINGS = replace(
    build.SETTINGS,
    protected=Protected(("demo",), ("scraper",), {"team": "data"}, ("Job", "Workflow")),
    node_selector={"role": "worker"},
    processes=("AZRebalance",),
    surge=Surge(50, percent=True),
    ready_seconds=1200.5,
)
ARM = TemplateUse("override 2", "lt-3", "arm", "$Default")
PLAN = Plan(
    cluster="eks-demo",
    region="eu-west-1",
    ami="ami-0123456789abcdef0",
    description="January's image: “gültig”",
    settings=SETTINGS,
    groups=(
        NodeGroup("workers", (Source(TemplateUse("", "lt-1", "worker", "$Latest"), 3),)),
        NodeGroup("spares", (Source(TemplateUse("", "lt-2", "spare", "7"), 7), Source(ARM, 5))),
    ),
    autoscaler_replicas=1,
)
WHOLE = replace(
    PLAN,
    baselines=(Baseline("workers", Sizes(1, 2, 3), protect_new=False, capacity_rebalance=True, suspended=("Launch",)),),
    versions=(NewVersion("lt-1", 3, 4),),
)


def use(reference: str) -> TemplateUse:
    return TemplateUse("", "lt-1", "worker", reference)


OLD = Node("i-1", "workers", "old", Stage.WAITING, NOW, "ip-10-0-0-1", "uid-1")
SURPLUS = Node("i-9", "workers", "surplus", Stage.WAITING, NOW)

EVICT = Evict(namespace="demo", name="scraper-x", uid="pod-1", node="ip-10-0-0-1", kills="Job demo/scraper")
DELETE = DeletePod(
    namespace="demo", name="scraper-x", uid="pod-1", node="ip-10-0-0-1", kills="Job demo/scraper", grace=None
)
RESIZE = Resize(group="workers", before=Sizes(1, 2, 3), sizes=Sizes(1, 4, 5), protect_new=True, occasion="0")
ABORT = Abort(NOW + timedelta(seconds=200), "ops@desk", 600.0, keep_jobs=True)
TERMINATE = Terminate(group="workers", instance_id="i-1", desired_before=4)
TAINT = TaintNode(
    node="ip-10-0-0-1", uid="uid-1", instance_id="i-1", taint_key="k", value=ID, effect="PreferNoSchedule"
)


FLEET = FleetPlan(
    (Wave("canary", 3600.0), Wave("rest", gate=True)),
    Limits(2),
    StopWhen(halted=1),
    (
        Fixed("a", 1, "a.yaml", "ami-0123456789abcdef0", "eu-west-1", "123456789012"),
        Fixed("b", 2, "b.yaml", "ami-0123456789abcdef0", "eu-west-1"),
        Fixed("c", 2, "c.yaml", "ami-0123456789abcdef0", "us-east-1"),
    ),
)


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def receipt(
    effect: Effect,
    outcome: Outcome = "ok",
    detail: str = "",
    retry_at: datetime | None = None,
) -> Receipt:
    return Receipt(effect, outcome, later(1), later(2), detail, f"request-{effect.kind}", retry_at)


def intend(journal: SqlJournal, *effects: Effect, now: datetime = NOW) -> None:
    journal.intend(ID, effects, (), (), (), now)


def settle(journal: SqlJournal, *effects: Effect, now: datetime = NOW) -> None:
    journal.settle(ID, [Settled(effect.key, "done", "seen") for effect in effects], now)


def fence() -> Fence:
    """A fence of clocks that stand still."""
    return Fence(lambda: (0.0,))


def no_retry() -> bool:
    """Do not wait for a journal that is away."""
    return False


def seize(journal: SqlJournal, holder: Holder, seconds: float, assume_dead: str | None = None) -> LeaseSession:
    """Hold the cluster from so many seconds after the beginning on, and write under it: as a process that is killed."""
    acquisition = lease_acquire.Acquisition(
        journal.database, PLAN.cluster, holder, simulated_time(lambda: later(seconds)), assume_dead
    )
    lease = lease_acquire.open_session(acquisition, lambda: later(seconds), fence(), no_retry)
    journal.use_lease(lease)
    return lease


def acquire(journal: SqlJournal, holder: Holder, *, time: float = 0) -> AbstractContextManager[LeaseSession]:
    """Hold the cluster at a time that stands still, so many seconds after the beginning."""
    moment = later(time)
    return lease_acquire.acquire(
        journal, PLAN.cluster, holder, lambda: moment, fence(), no_retry, simulated_time(lambda: moment)
    )


def tamper(journal: SqlJournal, *statements: str) -> None:
    """Do what this tool never does, and what only those can do who may drop a trigger."""
    with journal.database.writing() as connection:
        triggers.drop(connection)
        for statement in statements:
            assert connection.exec_driver_sql(statement).rowcount
        triggers.create(connection)


def story(journal: SqlJournal) -> None:
    """Write a rollout in which a bit of everything happened: a killed runner, a retry, a killed Job, a difference."""
    journal.begin(ID, "build-17", PLAN, NOW)
    # A killed process runs no clean-up: its lock is freed, but nobody writes the end of its lease.
    first = Holder("agent-1", 101, "aaaaaaaaaaaa", "ci/17")
    seize(journal, first, 0)
    step = Advance("the marker is ours", Phase.AUTOSCALER_OFF, plan=WHOLE, nodes=(OLD,), drain_deadline=later(100))
    journal.advance(ID, step, later(600), later(60))
    intend(journal, RESIZE, TAINT, now=later(61))
    journal.receive(ID, [receipt(RESIZE)])
    second = Holder("agent-2", 202, "bbbbbbbbbbbb")
    with acquire(journal, second, time=121):
        _second_runner(journal)


def _second_runner(journal: SqlJournal) -> None:
    journal.acquired(ID, later(120))
    intend(journal, EVICT, now=later(120))
    journal.receive(ID, [receipt(EVICT, "blocked", "blocked by budget web", later(130))])
    intend(journal, EVICT, now=later(130))
    settle(journal, RESIZE, EVICT, now=later(140))
    for trigger in ("drain", "release", "terminate"):
        waits = NodeWait("i-1", f"what follows {trigger}")
        journal.intend(ID, (), [Move("i-1", trigger)], [waits], (), later(150))
    journal.halt(ID, Halt(Reason.INSTANCES_NOT_IN_SERVICE, "no capacity", "rollout resume"), later(160))
    journal.resume(ID, later(900), later(170))
    intend(journal, TERMINATE, now=later(180))
    journal.receive(ID, [receipt(TERMINATE)])
    settle(journal, TERMINATE, now=later(190))
    journal.intend(ID, (), [Move("i-1", "gone")], (), (), later(200))
    step = Advance("all gone", Phase.LAUNCH_TEMPLATE, report=("workers keeps maximum 5",))
    journal.advance(ID, step, None, later(210))
    journal.ask_abort(ID, ABORT)
    fleet(journal)


def fleet(journal: SqlJournal) -> None:
    """Write a fleet whose first wave has begun, and that somebody asks to pause."""
    moment = simulated_time(lambda: later(300))
    with journal.database.writing() as connection:
        assert store.begin(connection, "january", FLEET, "ops@desk", moment)
    with journal.database.writing() as connection:
        assert store.step(connection, "january", Author("worker@host"), moment)
    with journal.database.writing() as connection:
        store.ask(connection, "january", Request(0, "pause", "ops@desk"), moment)
