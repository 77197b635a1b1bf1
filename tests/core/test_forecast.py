"""When a rollout ends and what it costs, worked out before it begins."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollout.model.machine import Phase
from rollout.model.observation import VersionSeen
from rollout.model.plan import Sizes, Surge
from rollout.model.preflight_observation import GroupProbed, Override
from rollout.ports import JobSeen
from rollout.preflight import Survey, outline
from rollout.preflight.forecast import PLAYS, Forecast, Known, Pace, Spread, Took, forecast, learnt, shares
from tests.core.build import NOW, SETTINGS, at, found, node, owned, pod, template, use
from tests.core.build import plan as planned

JOB = ("ns", "Job", "train-3")
#: Each step takes no time, but for the beginning.
AT_ONCE = Pace(*(Spread(one, one, one) for one in (100.0, 0.0, 0.0, 0.0, 0.0, 0.0)))
STEPS = Pace(*(Spread(one, one, one) for one in (100.0, 50.0, 10.0, 5.0, 20.0, 30.0)))


def running(name: str = "train-3", age: float = 60, on: str = "o1", **changes: Any) -> Any:
    """A protected pod of a Job."""
    return pod(f"{name}-x", on, owner=owned("Job", name), **{"created": at(-age), **changes})


def job(name: str = "train-3", age: float | None = 60, lasted: float | None = None, **changes: Any) -> JobSeen:
    """A Job that began so long ago, and has ended if it `lasted` for a while."""
    started = None if age is None else at(-age)
    done = started + timedelta(seconds=lasted) if started and lasted is not None else None
    return replace(JobSeen(f"uid-Job-{name}", "ns", name, "", started, done), **changes)


def history(*lasted: float, **changes: Any) -> list[JobSeen]:
    """Jobs of the same name that have ended."""
    return [job(f"train-{number}", 90_000, span, **changes) for number, span in enumerate(lasted, 10)]


def known(
    *pods: Any, jobs: Sequence[JobSeen] = (), survey: Survey | None = None, prices: Any = None, **settings: Any
) -> Known:
    """What is known of the group of two nodes; `settings`: that differ."""
    there = survey or Survey(
        groups=(found(),),
        templates=(template(VersionSeen(1, "ami-old", "", "m5.large")),),
        probed={"g": GroupProbed("g", use())},
        nodes=(node("o1"), node("o2")),
    )
    there = replace(there, pods=pods)
    plan = planned(Phase.PLANNED, settings=replace(SETTINGS, **settings))
    groups = outline.groups(there, plan)
    workloads = outline.workloads(there, plan.settings, NOW, {one.uid: one.ends for one in jobs if one.ends})
    return Known(there, plan, groups, workloads, tuple(jobs), NOW, prices or {})


def told(*pods: Any, pace: Pace = AT_ONCE, **how: Any) -> Forecast:
    return forecast(known(*pods, **how), pace)


def test_without_jobs_it_takes_its_steps() -> None:
    """One node after the other: its pods leave, it is released, it is gone; then RESTORE."""
    made = told(pace=STEPS)
    # Both begin at 100; the second drains after the first, and waits for no launch: the surge is as large as the group.
    assert (made.seconds.p10, made.seconds.p50, made.seconds.p90) == (155 + 20, 175, 175)
    assert (made.late, made.cost, made.expected) == (0, None, {})


def test_a_small_surge_waits_for_launches() -> None:
    """With one node beside the old ones the second drains once the first one's successor is Ready."""
    assert told(pace=STEPS, surge=Surge(1)).seconds.p50 == 100 + (10 + 5 + 50) + (10 + 5 + 20) + 30


def test_more_turns_let_nodes_drain_side_by_side() -> None:
    """But one is released after the other."""
    assert told(pace=STEPS, max_draining=2).seconds.p50 == 100 + 10 + 5 + 5 + 20 + 30


def test_a_job_lasts_as_long_as_those_before_it() -> None:
    """Of the same name but for its number; those that were shorter than it is old already say nothing."""
    jobs = [job(age=600), *history(300, 1000, 1100, 1200, 1300, 1400)]
    one = told(running(age=600), jobs=jobs).expected[JOB]
    assert one.basis == "history"
    assert one.p50 == at(600)
    assert at(750) < one.p90 < at(900)


def test_those_of_its_controller_are_like_it_whatever_their_names() -> None:
    """And those of another controller are not."""
    mine, other = "CronJob/train", "CronJob/other"
    jobs = [job(owner=mine), job("a", 9000, 1060, owner=mine), *history(5000, 6000, owner=other), *history(7000)]
    assert told(running(), jobs=jobs).expected[JOB].p50 == at(1000)


def test_what_runs_of_one_kind_counts_together() -> None:
    """Three for an hour each, none has ended: half of them run for three hours more. Another kind does not count."""
    pods = (running(f"train-{number}", 3600) for number in (3, 4, 5))
    made = told(*pods, running("other", 3600), drain_seconds=10**6).expected
    assert made[JOB].p50 == at(3 * 3600)
    assert made["ns", "Job", "other"].p50 == at(3600)


@pytest.mark.parametrize("name", ["train-10", "train-28391020", "train-x7k2p", "train-bcdfg", "train-1-2", "train"])
def test_a_number_or_random_letters_make_no_other_name(name: str) -> None:
    """What a shell or a controller appends."""
    assert told(running(), jobs=[job(), job(name, 9000, 1060)]).expected[JOB].p50 == at(1000)


@pytest.mark.parametrize("name", ["training-10", "train-model-1", "train-again"])
def test_another_word_makes_another_name(name: str) -> None:
    """It is another kind of work."""
    assert told(running(), jobs=[job(), job(name, 9000, 1060)]).expected[JOB].basis == "age"


def test_failed_jobs_and_those_of_other_namespaces_say_nothing() -> None:
    """Only one that was completed lasted as long as it does."""
    jobs = [job(), *history(5000, namespace="other"), job("train-1", 9000), job("train-2", None)]
    assert told(running(), jobs=jobs).expected[JOB].basis == "age"


def test_without_others_half_run_for_as_long_again() -> None:
    """By its Job's age, which is older than its pod; a young one counts as one of ten minutes."""
    assert told(running(age=60), jobs=[job(age=7000)], drain_seconds=10**6).expected[JOB].p50 == at(7000)
    assert told(running(age=60)).expected[JOB].p50 == at(600)
    assert told(running(created=None)).expected[JOB].p50 == at(600)


def test_active_deadline_seconds_end_it_in_any_case() -> None:
    """Also where others ran for longer, and where it has passed."""
    for jobs in ([job(ends=at(200))], [job(ends=at(200)), *history(9000)]):
        one = told(running(), jobs=jobs).expected[JOB]
        assert (one.p90, one.late) == (at(200), 0)
    assert told(running(), jobs=[job(ends=at(-5))]).expected[JOB].p90 == NOW


def test_a_node_waits_for_the_last_of_its_jobs_and_the_rollout_for_the_last_node() -> None:
    """Both Jobs are known to the second."""
    jobs = [job(ends=at(1000)), job("b-1", ends=at(2000))]
    long = told(running(age=10**6), running("b-1", 10**6), jobs=jobs).seconds
    assert long.p90 == 2000
    assert told(running(age=10**6), running("b-1", 10**6, "o2"), jobs=jobs).seconds.p90 == 2000


def test_the_drain_deadline_ends_what_still_runs() -> None:
    """Which is told: how often, and for which workload."""
    made = told(running(), jobs=[job(), *history(9000)], drain_seconds=3600)
    assert made.seconds.p90 == 3700
    assert (made.late, made.expected[JOB].late) == (1, 1)


def test_the_share_that_is_late_is_that_of_the_plays() -> None:
    """Half of what runs for an hour runs for another one; the deadline is an hour and 100 s from now."""
    late = told(running(age=3700), drain_seconds=3600).expected[JOB].late
    assert late == pytest.approx(0.5, abs=2 / PLAYS)


def test_what_is_not_protected_holds_nothing() -> None:
    """Its pods leave by eviction."""
    made = told(pod("web", owner=owned("ReplicaSet", "web"), created=at(-9000)))
    assert (made.seconds.p90, made.expected) == (100, {})


def test_instances_beside_those_desired_cost_until_the_old_ones_are_gone() -> None:
    """From their launch on: two for as long as both old ones are there."""
    pace = replace(AT_ONCE, boot=Spread(40, 40, 40))
    jobs = [job(ends=at(1000)), job("b-1", ends=at(2000))]
    pods = running(age=10**6), running("b-1", 10**6, "o2")
    made = told(*pods, jobs=jobs, pace=pace, prices={"m5.large": 0.5})
    hours = ((1000 - 60) + (2000 - 60)) / 3600
    assert made.node_hours.p90 == pytest.approx(hours)
    assert made.cost
    assert made.cost.p90 == pytest.approx(hours / 2)
    half = told(*pods, jobs=jobs, pace=pace, surge=Surge(1))
    assert half.node_hours.p90 == pytest.approx((2000 - 60) / 3600)


def test_the_dearest_type_of_a_group_counts_and_one_without_a_price_is_named() -> None:
    """AWS chooses among them; what it chooses by requirements has no price either."""
    probed = {"g": GroupProbed("g", use(), (Override(None, "c5.large", None, None), Override(None, None, None, None)))}
    world = known().found
    mixed = replace(world, probed=probed)
    assert told(survey=mixed, prices={"c5.large": 1}).unpriced == ("m5.large",)
    made = told(survey=mixed, prices={"c5.large": 1, "m5.large": 2}, pace=STEPS)
    assert made.cost
    assert made.cost.p50 == pytest.approx(2 * made.node_hours.p50)
    required = replace(mixed, templates=(template(VersionSeen(1, "ami-old", "")),))
    assert told(survey=required, prices={"c5.large": 1}).unpriced == ("chosen by requirements",)
    assert told(survey=required).unpriced == ()


def test_a_group_of_size_0_launches_nothing_and_costs_nothing() -> None:
    """Its image is exchanged all the same."""
    empty = replace(known().found, groups=(replace(found(sizes=Sizes(0, 0, 3)), instances=()),))
    made = told(survey=empty, prices={"m5.large": 1})
    assert (made.seconds.p50, made.node_hours.p90, made.unpriced) == (100, 0, ())


def test_earlier_rollouts_of_the_cluster_say_how_long_the_steps_around_the_jobs_take() -> None:
    """The middle one of them; each step stays as uncertain as it was."""
    earlier = [Took(200, 30), Took(100, 90), Took(900, 60)]
    pace = learnt(earlier, replace(STEPS, begin=Spread(50, 100, 200)))
    assert (pace.begin, pace.boot, pace.restore) == (Spread(100, 200, 400), Spread(100, 100, 100), Spread(60, 60, 60))
    assert (pace.drain, learnt([], STEPS)) == (STEPS.drain, STEPS)


ages = st.floats(0, 10**6)


@settings(max_examples=25)
@given(st.lists(st.tuples(ages, st.sampled_from(["o1", "o2"])), max_size=6), st.lists(ages, max_size=6), ages)
def test_a_forecast_is_always_in_order_and_within_its_bounds(
    pods: list[tuple[float, str]], lasted: list[float], drain: float
) -> None:
    """p10, p50 and p90 grow; nothing ends before it began, or long after the drain deadline; twice is the same."""
    running_pods = [running(f"train-{number}", age, on) for number, (age, on) in enumerate(pods)]
    world = known(*running_pods, jobs=history(*lasted), drain_seconds=drain + 1, prices={"m5.large": 1})
    made = forecast(world, STEPS)
    for one in (made.seconds, made.node_hours, made.cost):
        assert one
        assert 0 <= one.p10 <= one.p50 <= one.p90
    assert made.seconds.p10 >= 100
    assert made.seconds.p90 <= 100 + drain + 1 + 2 * (10 + 5) + 20 + 30 + 1
    assert 0 <= made.late <= 1
    assert forecast(world, STEPS) == made


@given(st.lists(st.floats(0, 10**6), min_size=1), st.floats(0, 1), st.floats(0, 1))
def test_a_spread_grows_with_the_share(numbers: list[float], one: float, other: float) -> None:
    """And is where it says at its three points."""
    spread = Spread.of(numbers)
    assert min(numbers) <= spread.p10 <= spread.p50 <= spread.p90 <= max(numbers)
    low, high = sorted((one, other))
    assert spread.at(low) <= spread.at(high) + 1e-6
    assert [spread.at(share) for share in (0.1, 0.5, 0.9)] == pytest.approx([spread.p10, spread.p50, spread.p90])


def test_jobs_alike_whose_length_nobody_knows_last_alike() -> None:
    """Of twenty names one lasts long in most plays; of twenty Jobs of one name, which may all be short, in fewer."""
    alike = told(*(running(f"train-{number}", 1) for number in range(20)), drain_seconds=10**6)
    words = "abcdefghijklmnopqrst"
    others = told(*(running(f"{word}-job") for word in words), drain_seconds=10**6)
    one = told(running(), drain_seconds=10**6)
    assert one.seconds.p10 < alike.seconds.p10 < others.seconds.p10 / 2
    assert one.seconds.p50 < alike.seconds.p50 < others.seconds.p50 / 2


@pytest.mark.parametrize("name", ["a-job", "train-3"])
def test_one_job_ends_by_the_rule_of_its_age_whatever_its_name(name: str) -> None:
    """Nine in ten end before nine times its age, and one in ten before a ninth; the deadline is far away."""
    one = told(running(name, 660), pace=Pace(*[Spread(0, 0, 0)] * 6), drain_seconds=10**7).seconds
    assert (one.p10 / 660, one.p50 / 660, one.p90 / 660) == pytest.approx((1 / 9, 1, 9), rel=0.02)


@pytest.mark.parametrize("alike", [False, True])
def test_each_of_ten_jobs_is_late_as_often_as_its_age_says(*, alike: bool) -> None:
    """Also those that are drawn late: as many still run at a tenth of their age, at it and at nine times it."""
    names = [f"train-{number}" if alike else f"{word}-job" for number, word in enumerate("abcdefghij")]
    age = 6600 if alike else 660  # ten of one name count together
    for times, share in ((1 / 9, 0.9), (1, 0.5), (9, 0.1)):
        pods = (running(name, 660) for name in names)
        made = told(*pods, pace=Pace(*[Spread(0, 0, 0)] * 6), drain_seconds=age * times)
        for one in made.expected.values():
            assert one.late == pytest.approx(share, abs=0.06)


def test_what_is_drawn_for_one_thing_says_nothing_of_another() -> None:
    """For the first ten workloads and the steps after them: none goes with another, nor do their ends."""
    for one, other in combinations(range(1, 16), 2):
        assert sorted(shares(one)) == sorted(shares(other))
        assert abs(statistics.correlation(shares(one), shares(other))) < 0.2
        both = [left > 0.8 and right > 0.8 for left, right in zip(shares(one), shares(other), strict=True)]
        assert sum(both) / PLAYS == pytest.approx(0.04, abs=0.03)


def test_jobs_that_begin_before_the_new_nodes_are_ready_hold_old_ones() -> None:
    """As many as began in the last hour, as long as those that ended; in other namespaces they are nobody's concern."""
    hourly = [job(f"train-{number}", 60 * number, 50) for number in range(60)]
    long_ago = [job(f"train-{number}", 90_000, 3000) for number in range(60, 120)]
    mine = job(age=4000, ends=at(200))
    pace = replace(AT_ONCE, begin=Spread(600, 600, 600))
    assert told(running(), jobs=[mine, *hourly, *long_ago], pace=pace).seconds.p90 > 3000
    few = told(running(), jobs=[mine, *long_ago], pace=pace).seconds
    elsewhere = [replace(one, namespace="other") for one in (*hourly, *long_ago)]
    none = told(running(), jobs=[mine, *elsewhere], pace=pace).seconds
    assert few.p90 == none.p90 == pytest.approx(600)


def test_jobs_that_come_last_for_a_guess_where_none_has_ended() -> None:
    """Ten minutes in half of the cases, as any other that has just begun."""
    hourly = [job(f"train-{number}", 60 * number) for number in range(60)]
    pace = replace(AT_ONCE, begin=Spread(60, 60, 60))
    assert told(running(), jobs=[job(ends=at(50)), *hourly], pace=pace).seconds.p90 > 600
