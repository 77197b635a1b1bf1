"""A rollout that is aborted goes back to what was there before, from each point of its way, and killed at each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from rollout.engine.runner import Ended
from rollout.journal import SqlJournal
from rollout.model.machine import Phase, Stage, can_turn
from rollout.model.record import Abort
from tests.core.build import ID, NOW, ON, found, node_group, old, use
from tests.core.running import Killed, Once, again, begin, texts, to_the_end
from tests.core.toy import Asked, Toy

Apply = Callable[[], None]

ASKED = Abort(NOW, "tester")


@dataclass
class Watched:
    """A world in use in which somebody asks for an abort after so many calls; what must not be is noted.

    `killed`: the process dies with that call. `phase`: where the rollout stood when it was asked for.
    """

    journal: SqlJournal
    at: int | None
    killed: bool = False
    toy: Toy = field(default_factory=Toy.in_use)
    calls: int = 0
    phase: Phase | None = None
    broken: list[str] = field(default_factory=list)

    def __call__(self, asked: Asked, apply: Apply) -> None:
        """Take the place of a call."""
        running = {uid for uid, pod in self.toy.pod_.items() if not pod.finished and uid in self.toy.ends}
        apply()
        self.calls += 1
        if running - self.toy.pod_.keys():
            self.broken.append(f"{asked} killed a Job")
        serving = [node for node in self.toy.node_.values() if node.ready and not node.unschedulable]
        if len(serving) < 2:
            self.broken.append(f"{asked} left {len(serving)} nodes")
        if self.calls == self.at:
            self.phase = self.journal.load(ID).phase
            self.journal.ask_abort(ID, ASKED)
            if self.killed:
                raise Killed

    def run(self) -> Ended:
        """Run it to its end, in another process where one was killed."""
        return self.run_as(self)

    def run_as(self, disturb: Callable[[Asked, Apply], None]) -> Ended:
        """Run it to its end; `disturb`: what stands in its way, and calls this."""
        self.toy.disturb = disturb
        begin(self.journal, self.toy)
        for _ in range(3):
            try:
                return again(self.journal, self.toy).run()
            except Killed:
                pass
        raise AssertionError("it never ends")


def is_back(journal: SqlJournal, toy: Toy) -> None:
    """As many instances of what was there before, everything as it was found, and a history that verifies."""
    record, group = journal.load(ID), toy.group_["g"]
    assert record.phase is Phase.ABORTED
    assert replace(group, instances=()) == replace(found(), instances=())
    image = {one.number: one.image_id for one in toy.template_["lt"].versions}
    assert [image[one.version or 0] for one in group.instances] == ["ami-old", "ami-old"]
    assert image[toy.template_["lt"].resolve(group.uses[0].reference)] == "ami-old"
    assert not any(one.protected for one in group.instances)
    nodes = {(node.taints, node.scale_down_disabled, node.unschedulable) for node in toy.node_.values()}
    assert nodes == {((), None, False)}
    assert (toy.marker_, toy.autoscaler_) == (None, ON)
    assert {row.stage for row in record.nodes} <= {Stage.GONE, Stage.KEPT}
    assert journal.killed(ID) == ()
    assert journal.verify(ID)[1] == ()


#: As many calls as an undisturbed rollout makes in this world, and some more.
CALLS = range(1, 56)


@pytest.mark.parametrize("killed", [False, True], ids=["running", "killed"])
@pytest.mark.parametrize("at", CALLS)
def test_aborted_at_each_call(journal: SqlJournal, at: int, killed: bool) -> None:  # noqa: FBT001
    """By the process that runs it, or by the next one where it died: all is back, but for what RESTORE had begun."""
    watched = Watched(journal, at, killed)
    ended = watched.run()
    assert watched.broken == []
    if watched.phase is None or not can_turn(watched.phase):
        assert ended is Ended.DONE
        assert journal.load(ID).plan.direction == "forward"
        return
    assert ended is Ended.ABORTED
    is_back(journal, watched.toy)


def test_the_undisturbed_rollout_makes_no_more_calls(journal: SqlJournal) -> None:
    """The calls above are all there are."""
    watched = Watched(journal, None)
    assert watched.run() is Ended.DONE
    assert 40 < watched.calls <= CALLS.stop


@pytest.mark.parametrize("before", [True, False], ids=["before the rollout", "before ours"])
@pytest.mark.parametrize("at", CALLS)
def test_protection_of_somebody_else_stays(journal: SqlJournal, at: int, before: bool) -> None:  # noqa: FBT001
    """Wherever it is aborted: what we found protected is protected again, and nothing else is.

    Found, that is in the baseline, or set by somebody after that, before we came to it.
    """
    watched = Watched(journal, at)
    toy = watched.toy

    def protect() -> None:
        there = toy.group_["g"]
        theirs = (replace(one, protected=one.protected or one.id == "i-o1") for one in there.instances)
        toy.group_["g"] = replace(there, instances=tuple(theirs))

    def disturb(asked: Asked, apply: Apply) -> None:
        if asked[0] == "update_group":  # the group is pinned now: the baseline stands, and SURGE comes
            protect()
            toy.disturb = watched
        watched(asked, apply)

    if before:
        protect()
    watched.run_as(watched if before else disturb)
    if watched.phase is not None and can_turn(watched.phase):
        came = before or "update_group" in {name for name, _ in toy.applied}
        wanted = {"i-o1"} & {one.id for one in toy.group_["g"].instances if came}
        assert {one.id for one in toy.group_["g"].instances if one.protected} == wanted


#: From where it is aborted: call by which it stands there, of the undisturbed rollout.
FROM = {"SURGE": "suspend", "READY": "change_node", "DRAIN": "terminate"}


def _asked_in(journal: SqlJournal, phase: str, verb: str) -> Toy:
    """Run until that call of that phase, and ask for an abort there: the process is gone."""
    toy = Toy.in_use()

    def ask(asked: Asked, apply: Apply) -> None:
        apply()
        if asked[0] == verb and journal.load(ID).phase.value == phase:
            journal.ask_abort(ID, ASKED)
            raise Killed

    toy.disturb = ask
    with pytest.raises(Killed):
        begin(journal, toy).run()
    return toy


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("phase", "verb"), FROM.items())
def test_killed_at_each_call_of_the_way_back(journal: SqlJournal, phase: str, verb: str, after: bool) -> None:  # noqa: FBT001
    """Before and after each of its requests once: nothing is done twice, and all is back."""
    toy = _asked_in(journal, phase, verb)
    begun = len(toy.applied)
    assert to_the_end(journal, toy, Once(Killed(), after=after)) is Ended.ABORTED
    is_back(journal, toy)
    once = [call for call in toy.applied[begun:] if call[0] in {"terminate", "create_version"}]
    assert len(once) == len(set(once))


def test_a_lost_old_node_is_launched_again_before_a_new_one_goes(journal: SqlJournal) -> None:
    """Aborted after the first terminate: a copy of the version from before is launched, then both new nodes go."""
    toy = _asked_in(journal, "DRAIN", "terminate")
    toy.disturb = lambda _, apply: apply()
    begun = len(toy.applied)
    assert again(journal, toy).run() is Ended.ABORTED
    versions = sorted(one.version or 0 for one in toy.group_["g"].instances)
    assert versions == [1, 3]
    verbs = [verb for verb, _ in toy.applied[begun:]]
    assert verbs.count("terminate") == 2
    assert verbs.count("create_version") == 1
    is_back(journal, toy)


def test_a_new_node_that_came_without_a_surge_is_no_reason_to_halt(journal: SqlJournal) -> None:
    """The group replaced a lost node by ours, and nobody raised desired: the way back does, and no person has to."""
    toy = _asked_in(journal, "SURGE", "suspend")
    toy.disturb = lambda _, apply: apply()
    toy.vanish(old("o1").id)
    toy.fill("g")
    assert [one.version for one in toy.group_["g"].instances] == [1, 2]
    assert again(journal, toy).run() is Ended.ABORTED
    is_back(journal, toy)


def test_the_time_of_jobs_is_the_aborts_own(journal: SqlJournal) -> None:
    """Its deadline and that no Job is killed are in the plan of the way back, and the first request counts."""
    toy = Toy.in_use()
    begin(journal, toy)
    first = Abort(NOW, "alice", 600.0, keep_jobs=True)
    assert journal.ask_abort(ID, first) == first
    assert journal.ask_abort(ID, ASKED) == first
    assert journal.load(ID).abort == first
    assert again(journal, toy).run() is Ended.ABORTED
    settings = journal.load(ID).plan.settings
    assert (settings.drain_seconds, settings.on_deadline) == (600.0, "halt")
    assert texts(journal, "phase")[0].startswith("PLANNED → RESTORE: aborted by alice")
    assert toy.group_["g"] == found()


def test_launches_that_fail_are_not_tried_again(journal: SqlJournal) -> None:
    """Halted in SURGE without an instance: desired goes back before the group launches what was there before."""
    toy = Toy.in_use()
    toy.stuck = True
    begin(journal, toy)
    assert again(journal, toy).run() is Ended.HALTED
    toy.stuck = False
    journal.ask_abort(ID, ASKED)
    runner = again(journal, toy)
    runner.unhalt()
    assert runner.run() is Ended.ABORTED
    assert toy.launched == 0
    assert [one.id for one in toy.group_["g"].instances] == [old("o1").id, old("o2").id]
    is_back(journal, toy)


@pytest.mark.parametrize("reference", ["$Latest", "$Default", "1"])
def test_each_reference_comes_back(journal: SqlJournal, reference: str) -> None:
    """Only $Latest needs a copy on top; nothing is deleted, and no default moves."""
    toy = Toy.in_use()
    toy.group_["g"] = replace(toy.group_["g"], uses=(use(reference),))
    group = node_group(reference=reference)
    watched = Watched(journal, 30, toy=toy)
    toy.disturb = watched
    begin(journal, toy, groups=(group,))
    assert again(journal, toy).run() is Ended.ABORTED
    there = toy.template_["lt"]
    assert (there.default, there.latest) == (1, 3 if reference == "$Latest" else 2)
    assert toy.group_["g"].uses == (use(reference),)
