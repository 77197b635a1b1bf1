from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import get_args

import pytest
from sqlalchemy import event
from sqlalchemy.exc import IntegrityError
from transitions import MachineError

from rollout.errors import Bug, UserError
from rollout.journal import SqlJournal, open_journal, read_journal
from rollout.journal.effect_index import LEFT_SECONDS
from rollout.model.decision import Advance, Halt, Move, NodeWait
from rollout.model.effects import (
    DeleteJob,
    Effect,
    OfJob,
    Resize,
    Resume,
    SetCapacityRebalance,
    SetReference,
    StartAutoscaler,
    StopAutoscaler,
    Suspend,
    Written,
)
from rollout.model.machine import Phase, Stage, onward
from rollout.model.plan import Sizes
from rollout.model.reasons import Reason
from rollout.model.record import LATE_SECONDS, LEFT_WITHIN, Late
from rollout.ports import Outcome, Settled
from tests.journal.samples import (
    ARM,
    DELETE,
    EVICT,
    ID,
    NOW,
    OLD,
    PLAN,
    RESIZE,
    SURPLUS,
    TAINT,
    TERMINATE,
    WHOLE,
    intend,
    later,
    receipt,
    settle,
    use,
)


def texts(journal: SqlJournal) -> list[str]:
    return [one.text for one in journal.events(ID)]


def finish(journal: SqlJournal, rollout_id: str = ID) -> None:
    while journal.load(rollout_id).phase is not Phase.DONE:
        journal.advance(rollout_id, Advance("seen", onward(journal.load(rollout_id).phase)), None, later(1))


# ---- rollouts -------------------------------------------------------------------------------------------------------


def test_begin(journal: SqlJournal) -> None:
    """A rollout that was begun is loaded as it was begun: in PLANNED, nothing intended."""
    record = journal.load(ID)
    assert (record.id, record.key, record.plan) == (ID, "build-17", PLAN)
    assert (record.phase, record.since, record.deadline, record.resume_count) == (Phase.PLANNED, NOW, None, 0)
    assert (record.nodes, record.unsettled, record.done, record.written) == ((), (), frozenset(), {})


def test_one_active_rollout_per_cluster(journal: SqlJournal) -> None:
    """A second rollout on the cluster is refused with the first one's id and the next command, and leaves nothing."""
    with pytest.raises(UserError, match=f"eks-demo has an unfinished rollout: {ID}") as refusal:
        journal.begin("second", None, PLAN, later(1))
    assert (refusal.value.exit_code, refusal.value.hint) == (76, f"rollout resume {ID}")
    assert [one.id for one in journal.summaries()] == [ID]


def test_done_rollout_makes_room(journal: SqlJournal) -> None:
    """A rollout that is done does not keep the next one of its cluster from beginning."""
    finish(journal)
    journal.begin("second", None, PLAN, later(2))
    assert [(one.id, one.ended) for one in journal.summaries()] == [("second", None), (ID, later(1))]


def test_clusters_side_by_side(journal: SqlJournal) -> None:
    """Each cluster has its own active rollout."""
    journal.begin("second", None, replace(PLAN, cluster="eks-other"), later(1))
    assert journal.summaries()[0].groups == ("workers", "spares")


def test_key_exists_once(journal: SqlJournal) -> None:
    """The same caller's key never begins a second rollout, on any cluster."""
    with pytest.raises(UserError, match=f"the key build-17 belongs to rollout {ID}"):
        journal.begin("second", "build-17", replace(PLAN, cluster="eks-other"), later(1))


def test_same_id(journal: SqlJournal) -> None:
    """A second rollout with the id of a first one, which nobody can ask for, is a fault and no operator's error."""
    with pytest.raises(IntegrityError):
        journal.begin(ID, "other", replace(PLAN, cluster="eks-other"), later(1))


def test_naive_time(journal: SqlJournal) -> None:
    """A time without a zone names no instant: it is not stored."""
    with pytest.raises(ValueError, match="has no time zone"):
        journal.note(ID, "note", "text", NOW.replace(tzinfo=None))


def test_unknown_rollout(journal: SqlJournal) -> None:
    """Every verb on a rollout that does not exist says so."""
    for verb in (journal.load, journal.events, journal.verify):
        with pytest.raises(UserError, match="there is no rollout nobody"):
            verb("nobody")
    with pytest.raises(UserError, match="there is no rollout nobody"):
        journal.note("nobody", "note", "text", NOW)


def test_advance(journal: SqlJournal) -> None:
    """A phase is left with its plan, nodes and deadlines in one transaction, and the history tells of it."""
    step = Advance("the marker is ours", Phase.AUTOSCALER_OFF, plan=WHOLE, nodes=(OLD,), drain_deadline=later(7200))
    journal.advance(ID, step, later(600), later(5))
    record = journal.load(ID)
    assert (record.phase, record.since, record.deadline) == (Phase.AUTOSCALER_OFF, later(5), later(600))
    assert (record.plan, record.nodes, record.drain_deadline) == (WHOLE, (OLD,), later(7200))
    assert "PLANNED → AUTOSCALER_OFF: the marker is ours (deadline 2026-01-05 08:10:00 UTC)" in texts(journal)


def test_a_phase_is_entered_once(journal: SqlJournal) -> None:
    """An advance names where it leads to: one that comes a second time, or that no move makes, changes nothing."""
    journal.advance(ID, Advance("seen", Phase.AUTOSCALER_OFF), None, later(5))
    for to in (Phase.AUTOSCALER_OFF, Phase.DRAIN, Phase.PLANNED):
        with pytest.raises(MachineError):
            journal.advance(ID, Advance("seen", to), None, later(6))
    assert journal.load(ID).phase is Phase.AUTOSCALER_OFF


def test_drain_deadline_stays(journal: SqlJournal) -> None:
    """The drain deadline is stored once: it is not moved, and nothing of the attempt is kept."""
    journal.advance(ID, Advance("drain", Phase.AUTOSCALER_OFF, drain_deadline=later(7200)), None, later(5))
    with pytest.raises(Bug, match="stored for good"):
        journal.advance(ID, Advance("again", Phase.LAUNCH_TEMPLATE, drain_deadline=later(9000)), None, later(6))
    record = journal.load(ID)
    assert (record.phase, record.drain_deadline) == (Phase.AUTOSCALER_OFF, later(7200))


def test_halt_and_resume(journal: SqlJournal) -> None:
    """A halt keeps the phase; its end is counted, gives a new deadline and forgives what was refused."""
    intend(journal, TAINT)
    journal.receive(ID, [receipt(TAINT, "rejected", "forbidden")])
    journal.halt(ID, Halt(Reason.EFFECT_REJECTED, "no rights", "give them"), later(10))
    halted = journal.load(ID)
    assert (halted.phase, halted.halted, halted.unsettled[0].retry_at) == (Phase.PLANNED, "no rights", None)
    journal.resume(ID, later(900), later(20))
    record = journal.load(ID)
    assert (record.halted, record.resume_count, record.deadline) == (None, 1, later(900))
    assert record.unsettled[0].retry_at == later(20)
    assert texts(journal)[-2] == "halted (EffectRejected): no rights; next: give them"


# ---- effects --------------------------------------------------------------------------------------------------------


def test_crash_before_the_answer(journal: SqlJournal, url: str) -> None:
    """After a crash between intent and answer, the journal still has the request as it was to be sent."""
    intend(journal, RESIZE, now=later(3))
    journal.close()
    other = read_journal(url)
    [row] = other.load(ID).unsettled
    assert (row.effect, row.state, row.sent, row.intended, row.answered) == (RESIZE, "intended", 1, later(3), None)
    other.close()


def test_yes_is_not_done(journal: SqlJournal) -> None:
    """An effect that was answered with yes stays intended until it is seen."""
    intend(journal, RESIZE)
    journal.receive(ID, [receipt(RESIZE)])
    [row] = journal.load(ID).unsettled
    assert (row.state, row.answered) == ("intended", later(2))
    settle(journal, RESIZE)
    record = journal.load(ID)
    assert (record.unsettled, set(record.done)) == ((), {RESIZE.key})


@pytest.mark.parametrize(
    ("outcome", "retry_at", "since"),
    [
        ("not_sent", later(9), None),
        ("not_applied", later(9), None),
        ("blocked", later(9), later(2)),
        ("rejected", None, None),
        ("unknown", None, None),
    ],
)
def test_no_is_remembered(journal: SqlJournal, outcome: Outcome, retry_at: object, since: object) -> None:
    """What a request brought decides the effect's state; its words are kept, on one line."""
    intend(journal, EVICT)
    journal.receive(ID, [receipt(EVICT, outcome, "blocked\n by budget", retry_at)])  # type: ignore[arg-type]
    [row] = journal.load(ID).unsettled
    assert (row.state, row.retry_at, row.detail, row.blocked_since) == (outcome, retry_at, "blocked by budget", since)
    assert "blocked by budget" in texts(journal)[-1]


def test_each_yes_is_counted(journal: SqlJournal) -> None:
    """How often an effect was answered yes, and when first, is known however often it was sent in between."""
    for number, outcome in enumerate(("not_sent", "ok", "unknown", "ok")):
        intend(journal, EVICT, now=later(10 * number))
        journal.receive(ID, [replace(receipt(EVICT, outcome, "x"), ended=later(10 * number))])  # type: ignore[arg-type]
        if outcome != "not_sent":
            journal.settle(ID, [Settled(EVICT.key, "not_applied", "not seen")], later(10 * number))
    [row] = journal.load(ID).unsettled
    assert (row.sent, row.yeses, row.first_yes, row.tried) == (4, 2, later(10), later(0))


def test_the_first_no_of_a_budget_is_remembered(journal: SqlJournal) -> None:
    """The time of a budget's first no stays known, no matter what comes after it."""
    for number, outcome in enumerate((*get_args(Outcome)[2:], "blocked")):
        intend(journal, EVICT, now=later(10 * number))
        if outcome != "unknown":
            journal.receive(ID, [replace(receipt(EVICT, outcome, "no"), ended=later(10 * number))])
        else:
            journal.settle(ID, [Settled(EVICT.key, "not_applied", "not seen")], later(1))
    [row] = journal.load(ID).unsettled
    assert (row.state, row.blocked_since) == ("blocked", later(30))


def test_sent_again(journal: SqlJournal) -> None:
    """What certainly was not applied may be sent again, even changed; each request is counted, each answer kept."""
    changed = replace(RESIZE, before=Sizes(1, 3, 3))
    intend(journal, RESIZE)
    journal.receive(ID, [receipt(RESIZE, "unknown")])
    journal.settle(ID, [Settled(RESIZE.key, "not_applied", "not seen")], later(5))
    assert journal.load(ID).unsettled[0].retry_at == later(5)
    intend(journal, changed, now=later(6))
    journal.receive(ID, [receipt(changed)])
    [row] = journal.load(ID).unsettled
    assert (row.effect, row.sent, row.intended, row.state, row.retry_at) == (changed, 2, later(6), "intended", None)
    with journal.database.reading() as connection:
        attempts = connection.exec_driver_sql("SELECT number, outcome FROM attempts ORDER BY id").all()
    assert [tuple(row) for row in attempts] == [(1, "unknown"), (2, "ok")]
    assert journal.intents(ID) == ((NOW, changed),)


@pytest.mark.parametrize(
    ("effect", "line"),
    [
        (RESIZE, "resize workers: desired 2 → 4, maximum 3 → 5"),
        (
            SetReference(group="workers", before=(use("$Latest"), ARM), uses=(use("4"), replace(ARM, reference="6"))),
            "set-reference workers: worker $Latest → 4, arm $Default (override 2) → 6",
        ),
        (Suspend(group="workers", processes=("AZRebalance", "Launch")), "suspend workers: AZRebalance, Launch"),
        (EVICT, "evict demo/scraper-x/pod-1"),
    ],
    ids=lambda value: getattr(value, "kind", None),
)
def test_intent_names_its_values(journal: SqlJournal, effect: Effect, line: str) -> None:
    """An intent's line names the thing, and the values that its name does not tell."""
    intend(journal, effect)
    assert texts(journal)[-1] == f"intended: {line}"


def test_done_is_done(journal: SqlJournal) -> None:
    """A done effect is neither sent nor settled again."""
    intend(journal, RESIZE)
    settle(journal, RESIZE)
    with pytest.raises(Bug, match="must not be sent again"):
        intend(journal, RESIZE)
    with pytest.raises(Bug, match="settled already"):
        settle(journal, RESIZE)


def test_what_may_arrive_late(journal: SqlJournal) -> None:
    """A request without an answer may arrive for 5.5 min more, also where the effect was sent again since.

    Not one that was answered or never left, nor one that was sent once and shows.
    """
    late = timedelta(seconds=LATE_SECONDS)
    other, once = replace(TAINT, occasion="9"), replace(RESIZE, occasion="9")
    intend(journal, RESIZE, TAINT, other, once, now=later(1))
    journal.receive(ID, [receipt(RESIZE, "unknown"), receipt(TAINT), receipt(other, "not_sent")])
    journal.receive(ID, [receipt(once, "unknown")])
    settle(journal, once)
    assert journal.load(ID).late == (Late(RESIZE, later(2) + late),)
    journal.settle(ID, [Settled(RESIZE.key, "not_applied", "not seen")], later(8))
    assert journal.load(ID).late == (Late(RESIZE, later(2) + late),)
    intend(journal, RESIZE, now=later(9))
    journal.receive(ID, [receipt(RESIZE)])
    settle(journal, RESIZE)
    assert journal.load(ID).late == (Late(RESIZE, later(2) + late),)
    assert journal.load(ID).late_until == later(2) + late


def test_what_a_process_sent_before_it_died_may_arrive_late(journal: SqlJournal) -> None:
    """Nobody knows whether, or when, it left: as late as look and lease let it, but not after the next one began."""
    late, leaves = timedelta(seconds=LATE_SECONDS), timedelta(seconds=LEFT_SECONDS)
    intend(journal, RESIZE)
    assert journal.load(ID).late == (Late(RESIZE, NOW + leaves + late),)
    journal.settle(ID, [Settled(RESIZE.key, "not_applied", "not seen")], later(20))
    intend(journal, RESIZE, now=later(20))
    assert journal.load(ID).late == (Late(RESIZE, later(20) + leaves + late),)
    answered = replace(receipt(RESIZE), started=later(21), ended=later(22))
    journal.receive(ID, [answered])
    settle(journal, RESIZE)
    assert journal.load(ID).late == (Late(RESIZE, later(21) + late),)


def test_doubt_keeps_its_request(journal: SqlJournal) -> None:
    """While an effect may have been applied, no other request goes out under its key."""
    intend(journal, RESIZE)
    with pytest.raises(Bug, match="must not be sent with another request"):
        intend(journal, replace(RESIZE, sizes=Sizes(1, 9, 9)))


def test_never_intended(journal: SqlJournal) -> None:
    """Neither an answer nor a sight is written for what was never intended."""
    with pytest.raises(Bug, match="was never intended"):
        settle(journal, RESIZE)
    with pytest.raises(Bug, match="was never intended"):
        journal.receive(ID, [receipt(RESIZE)])


def test_all_or_nothing(journal: SqlJournal) -> None:
    """A verb that fails half-way leaves nothing, neither rows nor events."""
    intend(journal, RESIZE)
    settle(journal, RESIZE)
    before, told = journal.load(ID), texts(journal)
    with pytest.raises(Bug):
        journal.intend(ID, [TAINT, RESIZE], (), (), [OLD], later(1))
    assert (journal.load(ID), texts(journal)) == (before, told)


def test_written_sizes(journal: SqlJournal) -> None:
    """Of each group the sizes that the last settled effects left are known, not those of one still under way."""
    other = Resize(group="spares", before=Sizes(0, 0, 1), sizes=Sizes(0, 1, 1))
    steps = [replace(RESIZE, sizes=Sizes(1, desired, 9), occasion=str(desired)) for desired in (4, 3, 5)]
    intend(journal, other, *steps)
    settle(journal, other, steps[0], now=later(1))
    settle(journal, steps[1], now=later(2))
    assert journal.load(ID).written == {
        "spares": Written(None, 1),
        "workers": Written(None, 3, 9, RESIZE.before.maximum, protect_new=True),
    }


def test_written_sizes_of_resizes_and_terminates(journal: SqlJournal) -> None:
    """A terminate leaves one less than it found; what an effect did not change was left by an earlier one."""
    floor = Resize(group="workers", before=RESIZE.sizes, sizes=replace(RESIZE.sizes, minimum=3), occasion="floor")
    seen = floor.sizes
    top_up = Resize(group="workers", before=seen, sizes=replace(seen, desired=4), occasion="top-up")
    flag = replace(floor, before=top_up.sizes, sizes=top_up.sizes, protect_new=False, occasion="inherit")
    left = []
    steps: tuple[Effect, ...] = (TERMINATE, floor, RESIZE, top_up, flag)
    for second, effect in enumerate(steps):
        intend(journal, effect)
        settle(journal, effect, now=later(second))
        left.append(journal.load(ID).written["workers"])
    sizes = [(None, 3), (3, 3), (3, 4), (3, 4), (3, 4)]
    assert [(one.minimum, one.desired) for one in left] == sizes
    assert [one.protect_new for one in left] == [None, None, True, True, False]


@pytest.mark.parametrize("flag", [None, True, False])
@pytest.mark.parametrize("occasion", ["0", "surge.0", "top-up.0", "restore.0"])
def test_written_whatever_is_written_with_it(journal: SqlJournal, occasion: str, flag: bool | None) -> None:  # noqa: FBT001
    """Each field that a resize left is known, with anything else that it wrote: a flag that stood is not written."""
    before, sizes = Sizes(2, 2, 2), Sizes(1, 4, 5)
    resize = Resize(group="workers", before=before, sizes=sizes, protect_new=flag, occasion=occasion)
    later_one = replace(resize, before=sizes, sizes=replace(sizes, minimum=3), protect_new=None, occasion="floor")
    intend(journal, resize, later_one)
    settle(journal, resize, later_one)
    assert journal.load(ID).written == {"workers": Written(3, 4, 5, found_maximum=2, protect_new=flag)}


def test_written_flags_and_processes(journal: SqlJournal) -> None:
    """What our requests suspended and have not resumed is known, and how we left CapacityRebalance."""
    suspend = Suspend(group="workers", processes=("AZRebalance", "ScheduledActions"), occasion="0")
    resume = Resume(group="workers", processes=("ScheduledActions",), occasion="restore.0")
    switch = SetCapacityRebalance(group="workers", enabled=False, occasion="0")
    under_way = replace(suspend, processes=("Launch",), occasion="1")
    left = []
    steps: tuple[Effect, ...] = (suspend, switch, resume)
    for second, effect in enumerate(steps):
        intend(journal, effect)
        settle(journal, effect, now=later(second))
        left.append(journal.load(ID).written["workers"])
    intend(journal, under_way)
    both, one = frozenset(suspend.processes), frozenset({"AZRebalance"})
    assert left == [
        Written(suspended=both),
        Written(suspended=both, capacity_rebalance=False),
        Written(suspended=one, resumed=both - one, capacity_rebalance=False),
    ]
    assert journal.load(ID).written["workers"] == left[-1]


def test_since_when_the_autoscaler_is_off(journal: SqlJournal) -> None:
    """Since our first request of those that stopped it; no more once it is started."""
    stop = StopAutoscaler(namespace="kube-system", name="a", rollout_id=ID, replicas_before=1, occasion="0")
    start = StartAutoscaler(namespace="kube-system", name="a", rollout_id=ID, replicas=1, occasion="0")
    seen = []
    both: tuple[Effect, ...] = (stop, replace(stop, occasion="0.again"), start)
    for seconds, effect in enumerate(both):
        journal.intend(ID, (effect,), (), (), (), later(seconds))
        seen.append(journal.load(ID).autoscaler_off)
        journal.settle(ID, [Settled(effect.key, "done", "seen")], later(seconds))
        seen.append(journal.load(ID).autoscaler_off)
    assert seen == [None, NOW, NOW, NOW, NOW, None]


def test_what_we_did_not_end_is_not_in_the_ledger(journal: SqlJournal) -> None:
    """A pod that was gone when our request came, or that is seen to have ended by itself, was not killed by us."""
    other = replace(EVICT, uid="pod-2")
    intend(journal, EVICT, other)
    journal.receive(ID, [receipt(EVICT, "gone", "HTTP 404 NotFound"), receipt(other)])
    settle(journal, EVICT)
    journal.settle(ID, [Settled(other.key, "done", "it ended by itself", ours=False)], NOW)
    assert journal.killed(ID) == ()
    assert journal.verify(ID)[1] == ()


def test_ledger(journal: SqlJournal) -> None:
    """A Job's pod that was evicted and then deleted is entered once, in the transaction that saw it; others never."""
    harmless = replace(EVICT, uid="pod-2", kills=None)
    intend(journal, EVICT, harmless)
    assert journal.killed(ID) == ()
    settle(journal, EVICT, harmless, now=later(5))
    intend(journal, DELETE)
    settle(journal, DELETE, now=later(6))
    [entry] = journal.killed(ID)
    assert (entry.job, entry.pod, entry.node, entry.at) == (EVICT.kills, "demo/scraper-x", "ip-10-0-0-1", later(5))


def test_a_deleted_job_is_entered_with_each_of_its_pods(journal: SqlJournal) -> None:
    """Each once, with its name and its node, though two of them were on old nodes and each asked for the Job's end."""
    pods = (OfJob("train-0", "u0", "o1"), OfJob("train-1", "u1", "n1"), OfJob("train-2", "u2", "o2"))
    one = DeleteJob(namespace="ns", name="train", pod_uid="u0", node="o1", kills="ns/train", job_uid="j", pods=pods)
    asked = (one, replace(one, pod_uid="u2", node="o2"))
    intend(journal, *asked)
    settle(journal, *asked, now=later(5))
    assert [(entry.job, entry.pod, entry.node) for entry in journal.killed(ID)] == [
        ("ns/train", f"ns/{pod.name}", pod.node) for pod in pods
    ]
    assert journal.verify(ID)[1] == ()


def test_cost_of_loading(journal: SqlJournal) -> None:
    """Loading takes the same few statements however many effects are settled."""
    statements: list[str] = []
    event.listen(journal.database._engine, "before_cursor_execute", lambda *told: statements.append(told[2]))
    counts = []
    for start in (0, 200):
        effects: list[Effect] = [replace(EVICT, uid=f"pod-{number}") for number in range(start, start + 200)]
        intend(journal, *effects)
        settle(journal, *effects)
        statements.clear()
        assert len(journal.load(ID).done) == start + 200
        counts.append(len(statements))
    assert counts[0] == counts[1] <= 8


# ---- nodes ----------------------------------------------------------------------------------------------------------


def test_node_moves(journal: SqlJournal) -> None:
    """A node goes where the table leads; a way back is counted and what it waited for is over with each move."""
    journal.intend(ID, (), (), (), [OLD, SURPLUS], NOW)
    journal.intend(ID, (), [Move("i-1", "drain")], [NodeWait("i-1", "pod demo/web")], (), later(1))
    assert journal.load(ID).nodes == (
        replace(OLD, stage=Stage.DRAINING, since=later(1), waits_for="pod demo/web"),
        SURPLUS,
    )
    journal.intend(ID, (), [Move("i-1", "back")], (), (), later(2))
    journal.intend(ID, (), [Move("i-9", "vanish", "spot reclaimed it")], (), (), later(3))
    old, surplus = journal.load(ID).nodes
    assert (old.stage, old.drain_attempt, old.waits_for) == (Stage.WAITING, 1, "")
    assert (surplus.stage, surplus.since, surplus.reason) == (Stage.GONE, later(3), "spot reclaimed it")
    assert texts(journal)[-1] == "i-9 WAITING → GONE: spot reclaimed it"


def test_a_node_registers(journal: SqlJournal) -> None:
    """A row gets the name and uid by which its kubelet reports now; all else of it stays, and history tells of it."""
    journal.intend(ID, (), (), (), [OLD, SURPLUS], NOW)
    again = replace(OLD, name="another", uid="u-another")
    journal.intend(ID, (), (), (), [again], later(1))
    assert journal.load(ID).nodes == (again, SURPLUS)
    assert "has registered as another, uid u-another" in texts(journal)[-1]


def test_no_such_move(journal: SqlJournal) -> None:
    """A move that the table does not know, or of a node that must not go, is refused and nothing is kept."""
    journal.intend(ID, (), (), (), [OLD], NOW)
    with pytest.raises(MachineError):
        journal.intend(ID, [RESIZE], [Move("i-1", "terminate")], (), (), later(1))
    with pytest.raises(Bug, match="i-7 is not among the nodes"):
        journal.intend(ID, [RESIZE], [Move("i-7", "drain")], (), (), later(1))
    with pytest.raises(Bug, match="i-1 is among the nodes"):
        journal.intend(ID, (), (), (), [OLD], NOW)
    assert (journal.load(ID).nodes, journal.load(ID).unsettled) == ((OLD,), ())


def test_wait_is_told_once(journal: SqlJournal) -> None:
    """What a node waits for is written when it changes, and only then."""
    journal.intend(ID, (), (), (), [OLD], NOW)
    count = len(texts(journal))
    for text in ("pod a", "pod a", "pod b", "", ""):
        journal.intend(ID, (), (), [NodeWait("i-1", text)], (), later(1))
    assert texts(journal)[count:] == [
        f"ip-10-0-0-1 (i-1) waits for {what}" for what in ("pod a", "pod b", "nothing more")
    ]


# ---- events ---------------------------------------------------------------------------------------------------------


def test_events_in_order(journal: SqlJournal) -> None:
    """Events are numbered from 1 without gaps, on one line each, and are read from any number on."""
    journal.note(ID, "note", "two\nlines", later(1))
    journal.note(ID, "interrupted", "SIGTERM", later(2))
    told = journal.events(ID)
    assert [(one.seq, one.kind, one.actor) for one in told] == [
        (1, "begun", "tester"),
        (2, "note", "tester"),
        (3, "interrupted", "tester"),
    ]
    assert (told[1].text, told[1].at) == ("two lines", later(1))
    assert journal.events(ID, after=2) == told[2:]


def test_two_writers(journal: SqlJournal, url: str) -> None:
    """Two processes that write in turns give no number twice and break no chain."""
    other = open_journal(url, actor="other")
    for number in range(3):
        journal.note(ID, "note", f"one {number}", NOW)
        other.note(ID, "note", f"two {number}", NOW)
    assert other.verify(ID) == (7, ())
    other.close()


# ---- who has left ---------------------------------------------------------------------------------------------------


def drain(journal: SqlJournal) -> None:
    while journal.load(ID).phase is not Phase.DRAIN:
        journal.advance(ID, Advance("seen", onward(journal.load(ID).phase)), None, NOW)


def test_who_left_lately_is_known_while_pods_leave(journal: SqlJournal) -> None:
    """Done, on its way, or late on its way, with the time of the last request; what was not let go has not left."""
    first, second, third = (replace(EVICT, uid=uid, service="demo/ReplicaSet web", ready=3) for uid in "abc")
    intend(journal, first, second, third)
    settle(journal, first)
    journal.receive(ID, [receipt(third, "blocked", retry_at=later(2))])
    assert journal.load(ID).left == ()
    drain(journal)
    assert [(one.effect, one.at) for one in journal.load(ID).left] == [(first, NOW), (second, NOW)]
    intend(journal, third, now=later(9))
    journal.settle(ID, [Settled(third.key, "not_applied", "not seen")], later(30))
    assert [one.at for one in journal.load(ID).left] == [NOW, NOW, later(9)]
    intend(journal, DELETE, now=later(LEFT_WITHIN))
    assert [one.effect for one in journal.load(ID).left] == [third, DELETE]


def test_nobody_has_left_before_somebody_did(journal: SqlJournal) -> None:
    """A drain that begins knows of nobody."""
    drain(journal)
    assert journal.load(ID).left == ()
