"""The loop, on a real journal and a toy world: whole rollouts, what is written when, halts and stops."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from rollout.cli import outcome
from rollout.engine.runner import BLIND_PAUSE, Ended, Progress
from rollout.engine.settle import STALE_AFTER
from rollout.errors import Blocked, Conflict, EdgeError, Failed, Refused, Retry, Unknown, UserError
from rollout.journal import SqlJournal
from rollout.model.machine import Phase, Stage
from rollout.model.observation import TemplateSeen
from rollout.model.plan import Planned, Sizes, Source, Surge
from rollout.model.reasons import Reason
from tests.core.build import (
    ID,
    MARKER,
    NOW,
    PROCESSES,
    at,
    baseline,
    found,
    node_group,
    old,
    owned,
    pod,
    use,
)
from tests.core.running import RESTORED, Apply, Ran, again, attempts, begin, texts, ticks
from tests.core.toy import Asked, Toy

#: Whole rollouts that differ by one row: one row or two are of every day, make exhaustive runs them all.
exhaustive = pytest.mark.exhaustive

# ---- a whole rollout ------------------------------------------------------------------------------------------------


def test_a_whole_rollout(ran: Ran) -> None:
    """The nodes are new, the Job ended by itself, and everything else is as it was."""
    assert ran.ended is Ended.DONE
    assert ran.toy.group_["g"] == RESTORED
    nodes = {
        name: (one.taints, one.scale_down_disabled, one.scale_down_before, one.unschedulable)
        for name, one in ran.toy.node_.items()
    }
    assert nodes == {"n1": ((), None, None, False), "n2": ((), None, None, False)}
    assert (ran.toy.marker_, ran.toy.autoscaler_) == (None, Toy().autoscaler_)
    assert ran.journal.killed(ID) == ()
    assert ran.toy.now_ >= at(60)


def test_the_record_of_a_whole_rollout(ran: Ran) -> None:
    """Every effect is settled, every node gone, and the plan's later halves were committed."""
    done = ran.journal.load(ID)
    assert done.unsettled == ()
    assert {row.stage for row in done.nodes} == {Stage.GONE}
    assert done.plan.baselines == (baseline(),)
    assert [version.number for version in done.plan.versions] == [2]
    assert ran.journal.verify(ID)[1] == ()


def test_all_phases_in_order(ran: Ran) -> None:
    """Every move of the table is made once, each told with its reason."""
    moves = [
        f"{one.value} → {other.value}" for one, other in pairwise(one for one in Phase if one is not Phase.ABORTED)
    ]
    assert [line.partition(":")[0] for line in texts(ran.journal, "phase")] == moves


def test_a_done_rollout_is_a_quiet_no_op(ran: Ran) -> None:
    """Started again it asks for nothing, writes nothing and says done."""
    before = (len(ran.journal.events(ID)), len(ran.toy.asked), len(ran.toy.waited), len(ran.told))
    assert again(ran.journal, ran.toy, report=ran.told.append).run() is Ended.DONE
    assert (len(ran.journal.events(ID)), len(ran.toy.asked), len(ran.toy.waited), len(ran.told)) == before


def test_groups_that_share_a_template(journal: SqlJournal) -> None:
    """They share one version and one $Default; a group of size 0 only gets its reference."""
    default = (use("$Default"),)
    groups = {
        "g": found(uses=default),
        "h": found(
            old("p1", protected=False), name="h", sizes=Sizes(0, 1, 5), protect_new=True, uses=(use("$Default"),)
        ),
        "z": found(name="z", instances=(), sizes=Sizes(0, 0, 5)),
    }
    toy = Toy(group_=groups)
    named = tuple(node_group(name, group.uses[0].reference) for name, group in groups.items())
    assert begin(journal, toy, groups=named).run() is Ended.DONE
    verbs = Counter(verb for verb, _ in toy.applied)
    assert (verbs["create_version"], verbs["set_default_version"], verbs["terminate"]) == (1, 1, 3)
    assert {name: (group.sizes, group.uses, len(group.instances)) for name, group in toy.group_.items()} == {
        "g": (Sizes(1, 2, 3), default, 2),
        "h": (Sizes(0, 1, 5), default, 1),
        "z": (Sizes(0, 0, 5), (use("$Latest"),), 0),
    }
    assert all(instance.protected for instance in toy.group_["h"].instances)


def test_a_small_surge(journal: SqlJournal, toy: Toy) -> None:
    """With one more at a time the group never has more than one more, and ends as with the doubling."""
    sizes: list[int] = []

    def watch(_: Asked, apply: Apply) -> None:
        apply()
        sizes.append(len(toy.group_["g"].instances))

    toy.disturb = watch
    assert begin(journal, toy, surge=Surge(1)).run() is Ended.DONE
    assert toy.group_["g"] == replace(RESTORED, instances=toy.group_["g"].instances)
    assert [one.id for one in toy.group_["g"].instances] == ["i-n1", "i-n2"]
    assert (min(sizes), max(sizes)) == (2, 3)


def test_a_policy_with_overrides(journal: SqlJournal) -> None:
    """One version of each pair, one update to pin all uses and one to give them back."""
    spare = use("1", "override 2")
    toy = Toy(group_={"g": found(uses=(use("$Latest"), spare))})
    assert begin(journal, toy, groups=(node_group("g", "$Latest", 1, Source(spare, 1)),)).run() is Ended.DONE
    assert toy.group_["g"].uses == (use("$Latest"), use("2", "override 2"))
    verbs = Counter(verb for verb, _ in toy.applied)
    pins = [one for one in toy.applied if "uses=(" in str(one)]
    assert (verbs["create_version"], len(pins)) == (1, 2)


def test_jobs_past_the_deadline_are_in_the_ledger(journal: SqlJournal, toy: Toy) -> None:
    """What we end is named: the Job, its pod, its node and when."""
    toy.ends.clear()
    assert begin(journal, toy, drain_seconds=60).run() is Ended.DONE
    (killed,) = journal.killed(ID)
    assert (killed.job, killed.pod, killed.node) == ("ns/job", "ns/job-1", "o1")
    deadline = journal.load(ID).drain_deadline
    assert deadline
    assert killed.at >= deadline


def test_an_autoscaler_that_is_off_for_long_is_warned_of_once(journal: SqlJournal, toy: Toy) -> None:
    """When `max_autoscaler_off` nears, and when it has passed; not again by the next process."""
    toy.add(pod("job-2", "o1"), seconds=900)
    begin(journal, toy, max_autoscaler_off_seconds=200)
    while not any("longer than" in line for line in texts(journal, "note")):
        ticks(journal, toy, 3)
    assert again(journal, toy).run() is Ended.DONE
    near, passed = (line for line in texts(journal, "note") if line.startswith("warning: cluster-autoscaler is off"))
    assert "2025-06-01T12:03:22Z makes it max_autoscaler_off (200s)" in near
    assert "that is longer than max_autoscaler_off (200s)" in passed
    assert journal.load(ID).autoscaler_off is None


def test_services_that_lack_replicas_at_the_end_of_drain_are_counted(journal: SqlJournal) -> None:
    """At a halt in DRAIN and at its end, each time as it is then; who has them all is not told."""
    toy = Toy.in_use()
    toy.add(pod("gone-1", owner=owned("StatefulSet", "gone"), on="o2"))
    begin(journal, toy).run()
    lacking = ["ns/ReplicaSet web: 0 of 1 replicas are Ready", "ns/StatefulSet gone: 0 of 1 replicas are Ready"]
    assert sorted(texts(journal, "replicas")) == sorted(lacking)
    told = list(outcome.lines(Ended.DONE, journal.load(ID), journal))
    assert [line.partition("Z: ")[2] for line in told if line.startswith("fewer replicas")] == sorted(lacking)


def test_surplus_retires(journal: SqlJournal, toy: Toy) -> None:
    """An old node that left by itself and was replaced by AWS leaves no extra node behind."""

    def lose(asked: Asked, apply: Apply) -> None:
        apply()
        if asked[0] == "evict":
            toy.vanish("i-o1")
            toy.launch("g")

    toy.disturb = lose
    assert begin(journal, toy).run() is Ended.DONE
    assert toy.group_["g"].sizes == RESTORED.sizes
    assert len(toy.group_["g"].instances) == RESTORED.sizes.desired
    assert {(row.instance_id, row.role, row.reason) for row in journal.load(ID).nodes} == {
        ("i-o1", "old", "the instance left its group, not by us"),
        ("i-o2", "old", ""),
        ("i-n1", "surplus", ""),
    }


# ---- what is written when, and what stands then ---------------------------------------------------------------------


def test_nothing_is_sent_before_its_intent_is_committed(ran: Ran) -> None:
    """At every call the journal already holds the effect, whole, as intended."""
    assert len(ran.moments) > 30
    assert all(moment.asked in moment.intended for moment in ran.moments)


AWS = {"create_version", "update_group", "protect", "suspend", "resume", "terminate"}


def test_every_request_has_its_receipt(ran: Ran) -> None:
    """One receipt for each request; AWS's requests with their ids."""
    receipts = attempts(ran.journal)
    assert len(receipts) == len(ran.toy.asked)
    assert {outcome for outcome, _ in receipts} == {"ok"}
    on_aws = [f"request-{index}" for index, (verb, _) in enumerate(ran.toy.asked, start=1) if verb in AWS]
    assert [request for _, request in receipts if request] == on_aws


def test_what_stands_when_a_terminate_leaves(ran: Ran) -> None:
    """Alone in its group, its node empty, the floor set, and enough other Ready nodes."""
    moments = [moment for moment in ran.moments if moment.asked[0] == "terminate"]
    assert len(moments) == 2
    for moment in moments:
        node = str(moment.asked[1][0]).removeprefix("i-")
        assert moment.terminates == 1
        assert node not in moment.pods
        assert moment.group.sizes.minimum == moment.group.sizes.desired - 1
        assert moment.nodes - 1 >= RESTORED.sizes.desired


def test_a_wait_is_written_once(ran: Ran) -> None:
    """A minute of the same wait is one line of history, and each look is reported."""
    lines = texts(ran.journal, "wait")
    assert len([line for line in lines if "waits for pod ns/job-1 of Job job" in line]) == 1
    assert len(ran.told) > len(ran.toy.waited) > len(lines)
    assert ran.told[-1].waiting == "the baseline is restored"


# ---- halted, interrupted, blind -------------------------------------------------------------------------------------


def test_a_halt_ends_the_run_and_resume_goes_on(journal: SqlJournal, toy: Toy) -> None:
    """A halted rollout stays halted until a person resumes it."""
    toy.marker_ = replace(MARKER, rollout_id="r2")
    assert begin(journal, toy).run() is Ended.HALTED
    assert again(journal, toy).run() is Ended.HALTED
    assert (toy.asked, toy.waited) == ([], [at(15)])  # a second look says so too
    toy.marker_ = None
    again(journal, toy).unhalt()
    assert (journal.load(ID).halted, journal.load(ID).resume_count) == (None, 1)
    ticks(journal, toy, 2)
    assert journal.load(ID).phase is Phase.AUTOSCALER_OFF


def test_a_rollout_that_is_not_halted_is_not_resumed(journal: SqlJournal, toy: Toy) -> None:
    """Its count of resumes and its deadlines stay."""
    begin(journal, toy).unhalt()
    assert journal.load(ID).resume_count == 0


def test_a_deadline_that_passes_halts_and_resume_gives_a_new_one(journal: SqlJournal, toy: Toy) -> None:
    """Instances that do not come halt with AWS's reason; after the resume they have the same time again."""
    toy.failing, toy.stuck = "no capacity in zone a", True
    assert begin(journal, toy, in_service_seconds=60).run() is Ended.HALTED
    assert "no capacity in zone a" in str(journal.load(ID).halted)
    again(journal, toy).unhalt()
    assert journal.load(ID).deadline == toy.now_ + (at(60) - at(0))
    toy.fill("g")
    ticks(journal, toy, 1)
    assert journal.load(ID).phase is Phase.PROTECT


def test_a_halt_with_an_early_taint_opens_the_old_nodes(journal: SqlJournal, toy: Toy) -> None:
    """The person who comes to look finds nodes on which new Jobs can start."""
    toy.stuck = True
    assert begin(journal, toy, taint_early=True, in_service_seconds=60).run() is Ended.HALTED
    assert {taint.effect for node in toy.node_.values() for taint in node.taints} == {"PreferNoSchedule"}


def test_asked_to_stop(journal: SqlJournal, toy: Toy) -> None:
    """It stops between two ticks, says so, and goes on from there when it is started again."""
    begin(journal, toy)
    assert ticks(journal, toy, 3) is Ended.INTERRUPTED
    assert texts(journal, "interrupted") == ["interrupted in AUTOSCALER_OFF"]
    assert again(journal, toy).run() is Ended.DONE


@pytest.mark.parametrize("error", [Retry("throttled"), Unknown("timed out")], ids=str)
def test_blind_it_waits(journal: SqlJournal, toy: Toy, error: EdgeError) -> None:
    """While nobody answers it looks again every ten seconds, tells it once, and sends nothing."""
    toy.blind = [error] * 3
    begin(journal, toy)
    told: list[Progress] = []
    ticks(journal, toy, 3, report=told.append)
    assert (toy.asked, toy.waited) == ([], [at(BLIND_PAUSE), at(2 * BLIND_PAUSE), at(3 * BLIND_PAUSE)])
    assert texts(journal, "note") == [f"cannot observe, trying again: {error.detail}"]
    assert [progress.waiting for progress in told] == [error.detail] * 3


def test_who_is_told_to_stop_is_not_blind(journal: SqlJournal, toy: Toy) -> None:
    """A look that did not leave because of a signal is no trouble: the history tells of the signal alone."""
    begin(journal, toy)
    stopped = iter([False, True, True])
    toy.blind = [Retry("not asked: this process was told to stop")]
    assert again(journal, toy, stop=lambda: next(stopped)).run() is Ended.INTERRUPTED
    assert [event.kind for event in journal.events(ID)] == ["begun", "interrupted"]
    assert toy.waited == []


def test_who_is_told_to_stop_intends_nothing_new(journal: SqlJournal, toy: Toy) -> None:
    """A signal that came during a look ends the tick there: nothing is written down that would not be sent."""
    begin(journal, toy)
    stopped = iter([False, True, True])
    assert again(journal, toy, stop=lambda: next(stopped)).run() is Ended.INTERRUPTED
    assert (journal.intents(ID), toy.asked) == ((), [])


def test_many_effects_leave_in_batches(journal: SqlJournal) -> None:
    """After four requests of each worker their receipts are committed, which renews the lease; all intents stand."""
    toy = Toy(
        group_={"g": found(*(old(f"o{number}", protected=False) for number in range(20)), sizes=Sizes(1, 20, 30))}
    )
    begin(journal, toy, parallel=2)
    received: list[int] = []

    def count(asked: Asked, apply: Apply) -> None:
        apply()
        if asked[0] == "change_node" and len(received) < 20:
            received.append(len(attempts(journal)))

    toy.disturb = count
    ticks(journal, toy, 6)
    first = received[0]
    assert [one - first for one in received] == [*[0] * 8, *[8] * 8, *[16] * 4]


def test_that_it_was_blind_is_told_once_and_so_is_its_end(journal: SqlJournal, toy: Toy) -> None:
    """Even if the reasons change in between; after a look that succeeded, it is news again."""
    begin(journal, toy)
    runner = again(journal, toy)
    for error in (Retry("a"), Retry("b"), Retry("b"), None, Retry("b")):
        toy.blind = [error] if error else []
        runner._tick(journal.load(ID))
        toy.now_ += timedelta(minutes=1)
    assert texts(journal, "note") == [
        "cannot observe, trying again: a",
        "observes again, after 4 min",
        "cannot observe, trying again: b",
    ]


def test_a_template_that_somebody_deleted_is_looked_for_again_and_halts(journal: SqlJournal, toy: Toy) -> None:
    """One look is no fact; what lasts is told by the phase that needs it."""
    toy.template_.clear()
    assert begin(journal, toy).run() is Ended.HALTED
    assert journal.events(ID)[-1].reason == Reason.LAUNCH_TEMPLATE_NOT_FOUND
    told = "somebody has deleted launch template workers (lt): no instance can be launched from it"
    assert journal.load(ID).halted == told


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        pytest.param(lambda toy: toy.blind.extend([Refused("not authorized")] * 99),
                     "PLANNED cannot observe: not authorized", id="no right to look"),
    ],
)  # fmt: skip
def test_what_cannot_be_looked_at_halts(journal: SqlJournal, toy: Toy, spoil: Callable[[Toy], None], says: str) -> None:
    """A person is told what is missing, by the phase that needs it, when our patience with it has ended."""
    spoil(toy)
    assert begin(journal, toy).run() is Ended.HALTED
    assert journal.load(ID).halted == says
    assert journal.events(ID)[-1].reason == Reason.OBSERVATION_DENIED
    assert "seen" not in journal.events(ID)[-1].data
    [blind] = [event.at for event in journal.events(ID) if event.text.startswith("cannot observe, trying again")]
    assert timedelta(minutes=10) <= toy.now_ - blind < timedelta(minutes=11)


@pytest.mark.parametrize("between", [None, Retry("503")])
def test_a_no_of_a_moment_is_no_fact(journal: SqlJournal, toy: Toy, between: EdgeError | None) -> None:
    """What is refused now and again, while looks succeed or are lost in between, halts nothing."""
    begin(journal, toy)
    runner = again(journal, toy)
    for error in [Refused("401"), between] * 20:
        toy.blind = [error] if error else []
        runner._tick(journal.load(ID))
        toy.now_ += timedelta(minutes=1)
    assert journal.load(ID).halted is None


def test_blindness_has_an_end(journal: SqlJournal, toy: Toy) -> None:
    """After an hour in which no look came about the process ends as resumable, halts nothing, and a new one goes on."""
    toy.blind = [Retry("503"), Unknown("timed out")] * 200
    with pytest.raises(
        UserError, match=r"nothing could be observed for 60 min in PLANNED: .*nothing is lost"
    ) as given_up:
        begin(journal, toy).run()
    assert (given_up.value.exit_code, given_up.value.hint) == (75, f"when it is there again: rollout resume {ID}")
    assert timedelta(minutes=60) <= toy.now_ - NOW < timedelta(minutes=61)
    assert (journal.load(ID).halted, toy.asked, len(texts(journal, "interrupted"))) == (None, [], 1)
    toy.blind = []
    assert again(journal, toy).run() is Ended.DONE


@pytest.mark.parametrize(
    "error",
    [
        Retry("throttled", after=60.0),
        Conflict("somebody else's change", after=60.0),
        Unknown("timed out"),
    ],
    ids=str,
)
def test_an_effect_that_never_comes_through_has_an_end(journal: SqlJournal, toy: Toy, error: EdgeError) -> None:
    """So has one that is throttled, meets another change or nobody's answer for an hour, in any phase; it says why."""
    begin(journal, toy)

    def meddle(asked: Asked, apply: Apply) -> None:
        if toy.now_ < at(7000) and asked[0] == "change_node" and "Taint" in str(asked):
            toy.now_ += timedelta(seconds=30)  # so long it was under way
            raise error
        apply()

    toy.disturb = meddle
    with pytest.raises(UserError, match="o1=PreferNoSchedule does not get through for 60 min in TAINT: ") as given_up:
        again(journal, toy).run()
    assert (given_up.value.exit_code, journal.load(ID).halted) == (75, None)
    assert error.detail in given_up.value.problem
    toy.now_ = at(9000)
    assert again(journal, toy).run() is Ended.DONE


@pytest.mark.parametrize(
    "verb", ["change_node", *(pytest.param(verb, marks=exhaustive) for verb in ("write_marker", "scale", "evict"))]
)
def test_what_the_api_server_fails_at_for_ever_halts(journal: SqlJournal, toy: Toy, verb: str) -> None:
    """Its own 5xx, even with other errors in between: a phase's deadline, or an hour, ends it; a resume tries again."""
    begin(journal, toy, in_service_seconds=7200)
    others: list[EdgeError] = [Retry("throttled"), Blocked("a budget")]

    def meddle(asked: Asked, apply: Apply) -> None:
        if asked[0] == verb and toy.now_ < at(7000):
            toy.now_ += timedelta(seconds=30)  # the webhook's time is out
            raise others.pop() if others else Failed("HTTP 500 InternalError: failed calling webhook")
        apply()

    toy.disturb = meddle
    assert again(journal, toy).run() is Ended.HALTED
    assert "does not get through for 60 min: HTTP 500 InternalError" in (journal.load(ID).halted or "")
    assert timedelta(minutes=60) <= toy.now_ - NOW < timedelta(minutes=70)
    toy.now_ = at(9000)
    runner = again(journal, toy)
    runner.unhalt()
    assert runner.run() is Ended.DONE


def test_a_phases_deadline_counts_while_effects_are_outstanding(journal: SqlJournal, toy: Toy) -> None:
    """The autoscaler cannot be stopped: after its phase's time a person is asked, before an hour is over."""

    def meddle(asked: Asked, apply: Apply) -> None:
        if asked[0] == "scale":
            raise Unknown("timed out")
        apply()

    toy.disturb = meddle
    assert begin(journal, toy, in_service_seconds=900).run() is Ended.HALTED
    why = "stop-autoscaler of kube-system/cluster-autoscaler does not get through, and AUTOSCALER_OFF is out of time"
    assert (journal.load(ID).halted or "").startswith(why)
    assert timedelta(minutes=15) <= toy.now_ - NOW < timedelta(minutes=17)


@pytest.mark.parametrize(
    ("error", "on_blocked"),
    [
        pytest.param(Failed("HTTP 500: a dead webhook"), "force", id="a dead webhook, force"),
        pytest.param(Retry("throttled"), "force", id="throttled, force"),
        pytest.param(Failed("HTTP 500: a dead webhook"), "halt", id="a dead webhook, halt", marks=exhaustive),
        pytest.param(Retry("throttled"), "halt", id="throttled, halt", marks=exhaustive),
    ],
)
def test_an_eviction_that_does_not_come_through_keeps_nobody(
    journal: SqlJournal, toy: Toy, error: EdgeError, on_blocked: str
) -> None:
    """Its node gives back its turn, the deadlines end it, and nothing is deleted to which nobody said no."""
    toy.add(pod("web-1", owner=owned("ReplicaSet", "web"), on="o1"))

    def meddle(asked: Asked, apply: Apply) -> None:
        if asked[0] == "evict":
            raise error
        apply()

    toy.disturb = meddle
    times = {"drain_seconds": 600, "blocked_seconds": 300}
    assert begin(journal, toy, on_blocked=on_blocked, **times).run() is Ended.HALTED
    assert "cannot be drained 5 min after the deadline" in (journal.load(ID).halted or "")
    assert timedelta(minutes=15) <= toy.now_ - NOW < timedelta(minutes=18)
    assert "delete_pod" not in {verb for verb, _ in toy.asked}


def test_what_moves_after_a_plan_was_compared_is_asked_about(journal: SqlJournal, toy: Toy) -> None:
    """Also by a process that takes over: the journal has what the plan said. A resume goes on with what is there."""

    def meddle(asked: Asked, apply: Apply) -> None:
        apply()
        if asked[0] == "scale":
            toy.group_["g"] = replace(toy.group_["g"], sizes=replace(toy.group_["g"].sizes, maximum=7))

    toy.disturb = meddle
    there = toy.group_["g"]
    ids = tuple(sorted(one.id for one in there.living))
    as_found = Planned("g", there.sizes, protect_new=False, capacity_rebalance=False, suspended=(), instances=ids)
    begin(journal, toy, planned=(as_found,))
    ticks(journal, toy, 2)
    assert again(journal, toy).run() is Ended.HALTED
    assert journal.events(ID)[-1].reason == Reason.PLAN_MOVED
    assert {verb for verb, _ in toy.applied} & {"update_group", "suspend", "protect"} == set()
    resumed = again(journal, toy)
    resumed.unhalt()
    assert resumed.run() is Ended.DONE
    assert toy.group_["g"].sizes.maximum == 7


def test_drift_halts_before_anything_is_terminated(journal: SqlJournal, toy: Toy) -> None:
    """Somebody resumes a process in mid-drain: a person looks first."""

    def meddle(asked: Asked, apply: Apply) -> None:
        apply()
        if asked[0] == "evict":
            toy.group_["g"] = replace(toy.group_["g"], suspended=frozenset(PROCESSES[1:]))

    toy.disturb = meddle
    assert begin(journal, toy).run() is Ended.HALTED
    assert journal.load(ID).halted == f"drift: g has {PROCESSES[0]} resumed"
    [group] = journal.events(ID)[-1].data["seen"]["groups"]
    assert (group["name"], group["unprotected"]) == ("g", 0)
    assert "terminate" not in {verb for verb, _ in toy.applied}


class Looking(Toy):
    """A toy that notes when templates are looked at while nodes drain."""

    def templates(self, ids: Sequence[str]) -> tuple[TemplateSeen, ...]:
        if "evict" in {verb for verb, _ in self.applied}:
            self.looks.append(self.now_)
        return super().templates(ids)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.looks: list[datetime] = []


def _long_job() -> Looking:
    toy = Looking.in_use()
    assert isinstance(toy, Looking)
    toy.add(pod("job-2", "o1"), seconds=3600)
    return toy


def test_drain_looks_every_ten_minutes_whether_what_groups_launch_exists(journal: SqlJournal) -> None:
    """No more often, however often groups are looked at, and until RESTORE begins."""
    toy = _long_job()
    assert begin(journal, toy).run() is Ended.DONE
    looks = [one for one in toy.looks if one < toy.looks[0] + timedelta(minutes=45)]
    apart = [(later - sooner).total_seconds() for sooner, later in pairwise(looks)]
    assert (len(apart), [one for one in apart if not 600 <= one < 700]) == (4, [])


def test_nothing_more_leaves_once_what_groups_launch_was_deleted(journal: SqlJournal) -> None:
    """Several looks must say so. A version with our image in its place is as good as ours; another image is not."""
    toy = _long_job()

    def meddle(asked: Asked, apply: Apply) -> None:
        apply()
        if asked[0] == "evict":
            toy.template_["lt"] = replace(toy.template_["lt"], versions=toy.template_["lt"].versions[1:])

    toy.disturb = meddle
    assert begin(journal, toy).run() is Ended.HALTED
    assert journal.events(ID)[-1].reason == Reason.LAUNCH_TEMPLATE_NOT_FOUND
    assert len([one for one in toy.looks if one >= journal.events(ID)[-1].at - timedelta(seconds=STALE_AFTER)]) >= 2
    ended = [asked for asked in toy.applied if asked[0] == "terminate"]
    again(journal, toy).unhalt()
    assert again(journal, toy).run() is Ended.HALTED
    assert [asked for asked in toy.applied if asked[0] == "terminate"] == ended
    toy.create_version("lt", 1, "ami-new", "hers", "hers")
    toy.group_["g"] = replace(toy.group_["g"], uses=(use("3"),))
    again(journal, toy).unhalt()
    assert again(journal, toy).run() is Ended.DONE
    assert toy.group_["g"].uses == (use("3"),)
