"""How old a look at the Auto Scaling groups may be: old enough to wait by, and of now for all that is done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from rollout.engine.runner import Ended
from rollout.journal import SqlJournal
from rollout.model.machine import Phase, Stage
from rollout.model.observation import GroupSeen
from tests.core.build import ID, node_group, pod
from tests.core.running import again, begin
from tests.core.toy import Asked, Toy


@dataclass
class Looked(Toy):
    """A toy that knows when its groups were looked at."""

    looks: list[datetime] = field(default_factory=list)

    def groups(self, names: Sequence[str]) -> tuple[GroupSeen, ...]:
        self.looks.append(self.now_)
        return super().groups(names)


def waiting(journal: SqlJournal, seconds: float) -> Looked:
    """A rollout in DRAIN, both of whose old nodes wait for Jobs that run so long."""
    toy = Looked()
    toy.add(pod("job-1", "o1"), seconds=seconds)
    toy.add(pod("job-2", "o2"), seconds=seconds + 27)
    begin(journal, toy)
    _until(journal, toy, lambda: all(row.waits_for for row in journal.load(ID).nodes))
    return toy


def _until(journal: SqlJournal, toy: Toy, reached: Callable[[], bool]) -> None:
    runner = again(journal, toy)
    for _ in range(500):
        if journal.load(ID).nodes and reached():
            return
        runner._tick(journal.load(ID))
    pytest.fail("never reached")


def test_while_jobs_are_waited_for_the_groups_are_asked_for_once_a_minute(journal: SqlJournal) -> None:
    """Kubernetes tells by itself what changes there."""
    toy = waiting(journal, 1800)
    began, ticks = toy.now_, len(toy.waited)
    runner = again(journal, toy)
    while toy.now_ < began + timedelta(minutes=20):
        runner._tick(journal.load(ID))
    looks = [look for look in toy.looks if look > began]
    assert len(toy.waited) - ticks > 100
    assert 19 <= len(looks) <= 21
    assert max(other - one for one, other in pairwise(looks)) <= timedelta(seconds=70)


def test_all_that_is_done_rests_on_a_look_of_now(journal: SqlJournal) -> None:
    """Each request of the rest of a rollout leaves at most some seconds after a look at the groups."""
    toy, late = waiting(journal, 1000), []

    def watch(call: Asked, apply: Callable[[], None]) -> None:
        if toy.now_ > toy.looks[-1] + timedelta(seconds=5):  # each call takes a second
            late.append(call)
        apply()

    toy.disturb = watch
    assert again(journal, toy).run() is Ended.DONE
    assert len(toy.asked) > 20
    assert late == []


def test_an_instance_that_leaves_its_group_is_noticed_within_a_minute(journal: SqlJournal) -> None:
    """And is believed to be gone after the time for which any such answer is looked at again."""
    toy = waiting(journal, 3600)
    group, left = toy.group_["g"], toy.now_
    toy.group_["g"] = replace(group, instances=tuple(one for one in group.instances if one.id != "i-o1"))
    del toy.node_["o1"]
    toy.pod_ = {uid: one for uid, one in toy.pod_.items() if one.node != "o1"}
    _until(journal, toy, lambda: _stage(journal, "i-o1") is Stage.GONE)
    assert toy.now_ - left <= timedelta(seconds=100)


def test_before_old_nodes_drain_each_look_is_of_now(journal: SqlJournal) -> None:
    """What SURGE waits for is in the groups alone."""
    toy = Looked(stuck=True)
    begin(journal, toy, groups=(node_group(),))
    runner = again(journal, toy)
    while journal.load(ID).phase is not Phase.SURGE or len(toy.waited) < 30:
        runner._tick(journal.load(ID))
    assert set(toy.waited[10:]) <= set(toy.looks) | {toy.waited[-1]}


def _stage(journal: SqlJournal, instance: str) -> Stage:
    return next(row.stage for row in journal.load(ID).nodes if row.instance_id == instance)
