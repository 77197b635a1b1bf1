"""What is on the screen while a rollout works: the live page, the plain lines, and the end."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from rollout.cli import outcome, standing
from rollout.cli.screen import live, page
from rollout.cli.screen.format import folded, instant, runnable, span
from rollout.cli.screen.lines import Lines
from rollout.cli.screen.progress import bar
from rollout.engine.runner import Ended, Progress
from rollout.model.accepted import Deleted
from rollout.model.decision import Advance, NodeWait
from rollout.model.effects import Written
from rollout.model.machine import Phase, Stage
from rollout.model.plan import Autoscaler, Baseline, Sizes, Surge
from rollout.model.reasons import Reason
from rollout.model.record import EffectRow, Record
from rollout.model.sight import GroupSight, Sight
from tests.cli import samples
from tests.samples import RESIZE


def shown(record: Record, waiting: str = "", height: int = 30, width: int = 100) -> str:
    screen = io.StringIO()
    console = Console(file=screen, width=width, height=height, force_terminal=False)
    console.print(page.page(record, [waiting] if waiting else [], samples.after(60), console))
    return screen.getvalue()


def test_the_page_has_a_line_for_each_node(tmp_path: Path) -> None:
    """Clock, deadline, phases, and every old node with its stage and what it waits for."""
    lines = shown(samples.draining(tmp_path).load(samples.ID), "2 nodes to be done").splitlines()
    assert lines[0] == f"rollout {samples.ID}  eks-demo → ami-0000000b"
    assert lines[1].split() == ["2026-01-05T09:00:00Z", "deadline", "in", "1h07m"]
    assert "DRAIN RESTORE DONE" in lines[2]
    assert lines[4].split()[:3] == ["ip-10-0-0-2", "workers", "DRAINING"]
    assert lines[5].split(maxsplit=3)[3].strip() == "waits for pod demo/long of Job long"
    assert lines[-1].strip() == "2 nodes to be done"


def test_the_page_fits_the_screen(tmp_path: Path) -> None:
    """With more nodes than lines those at work are shown, the gone ones left out first, and the rest is counted."""
    record = samples.draining(tmp_path).load(samples.ID)
    nodes = [samples.node(number, Stage.GONE if number < 90 else Stage.WAITING) for number in range(100)]
    text = shown(replace(record, nodes=tuple(nodes)), height=24)
    assert len(text.splitlines()) == 22
    assert text.count("WAITING") == 10
    assert "90 of 100 nodes gone in workers\n84 nodes not shown" in text


def test_a_halt_stands_on_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason of a halt replaces what was waited for."""
    journal, screen = samples.draining(tmp_path), io.StringIO()
    monkeypatch.setattr(live, "Console", lambda **options: Console(file=screen, width=80, height=30, **options))
    with live.live(journal, samples.ID, lambda: samples.after(9)) as report:
        journal.halt(samples.ID, samples.HALT, samples.after(9))
        report(Progress(journal.load(samples.ID), "anything"))
    assert "node x is stuck" in screen.getvalue()
    assert "anything" not in screen.getvalue()


def test_plain_lines_are_told_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Only what is new since the last call is printed, with its time in UTC; nothing new prints nothing."""
    journal = samples.draining(tmp_path)
    lines = Lines(journal, samples.ID)
    lines.show()
    assert capsys.readouterr().out == ""
    for _ in range(2):
        journal.intend(samples.ID, (), (), [NodeWait("i-1", "pod demo/other of Job other")], (), samples.after(9))
        lines.show()
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("2026-01-05T08:09:00Z  ")
    assert "waits for pod demo/other of Job other" in line


def test_each_phase_s_end_names_the_head(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """After the line of a phase's end stands the hash of that event, whole: it is the chain's head at that moment."""
    journal = samples.draining(tmp_path)
    lines = Lines(journal, samples.ID)
    journal.advance(samples.ID, Advance("every node is gone", Phase.RESTORE), None, samples.after(9))
    lines.show()
    [event] = [event for event in journal.events(samples.ID) if "DRAIN → RESTORE" in event.text]
    assert capsys.readouterr().out.splitlines() == [
        "2026-01-05T08:09:00Z  DRAIN → RESTORE: every node is gone",
        f"  head {event.hash}",
    ]


def test_ends_of_phases_stay_above_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal each phase's end is told once, however narrow the screen is, and without the chain's head."""
    journal, screen = samples.draining(tmp_path), io.StringIO()
    monkeypatch.setattr(live, "Console", lambda **options: Console(file=screen, width=40, height=30, **options))
    with live.live(journal, samples.ID, lambda: samples.after(9)) as report:
        report(Progress(journal.load(samples.ID), ""))
        journal.advance(samples.ID, Advance("every node is gone", Phase.RESTORE), None, samples.after(9))
        for _ in range(2):
            report(Progress(journal.load(samples.ID), ""))
    told = screen.getvalue()
    assert told.count("2026-01-05T08:09:00Z  DRAIN → RESTORE: every node is gone\n") == 1
    assert not any(event.hash[:8] in told for event in journal.events(samples.ID))


LONG = "pod team-a/a-training-run-with-a-long-name-0-4nvwp of Job a-training-run-with-a-long-name-0"


@pytest.mark.parametrize("height", [20, 50])
@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("nodes", [0, 1, 3, 100])
def test_nothing_is_cut_without_a_sign(width: int, height: int, nodes: int, tmp_path: Path) -> None:
    """On every size each line has room, the page leaves two lines free, and what is cut ends in "…"."""
    record = samples.draining(tmp_path).load(samples.ID)
    plan = replace(record.plan, cluster="a-cluster-with-a-name-that-says-where-it-is")
    rows = [replace(samples.node(number), group="batch-on-demand-x86", waits_for=LONG) for number in range(nodes)]
    text = shown(replace(record, nodes=tuple(rows), plan=plan), f"first {LONG} {LONG} last", height, width)
    lines = text.splitlines()
    assert len(lines) <= height - 2
    assert max(map(len, lines)) <= width
    whole = [f"rollout {samples.ID}  {plan.cluster} → {plan.ami}", *[f"waits for {LONG}"] * nodes]
    starts = ["rollout", *["waits for"] * nodes]
    for full, start in zip(whole, starts, strict=True):
        told = [line[line.index(start) :].rstrip() for line in lines if start in line]
        assert all(one in full or (one.endswith("…") and full.startswith(one[:-1])) for one in told)
    assert "DRAIN" in lines[2]
    assert ("PLANNED" in lines[2] and "DONE" in lines[2]) or "…" in lines[2]
    said = " ".join(line.strip() for line in lines[lines.index("") + 1 :])
    assert said.endswith(("last", "…"))
    drawn = sum("ip-10-0-0-" in line for line in lines)
    assert drawn == nodes or f"{nodes - drawn} nodes not shown" in text


def test_what_a_node_waits_for_is_whole_where_lines_are_left(tmp_path: Path) -> None:
    """At 80 columns it stands below its node, as long as the screen has lines for that."""
    record = samples.draining(tmp_path).load(samples.ID)
    rows = tuple(replace(samples.node(number), waits_for=LONG[:60]) for number in range(7))
    lines = shown(replace(record, nodes=rows), height=20, width=80).splitlines()
    assert [f"    waits for {LONG[:60]}" in lines, sum("…" in line for line in lines)] == [True, 2 + 1]
    assert len(lines) == 17


@pytest.mark.parametrize(("groups", "height", "bars"), [(1, 20, 1), (2, 20, 2), (3, 20, 1), (5, 50, 5), (6, 50, 1)])
def test_each_group_has_a_bar_where_there_is_room(groups: int, height: int, bars: int, tmp_path: Path) -> None:
    """As many as a tenth of the lines; for more groups there is one bar for all."""
    record = samples.draining(tmp_path).load(samples.ID)
    rows = tuple(replace(samples.node(number), group=f"g{number % groups}") for number in range(6))
    text = shown(replace(record, nodes=rows), height=height)
    assert text.count("[....................] ") == bars
    assert ("0 of 6 nodes gone\n" in text) == (bars < groups)


@pytest.mark.parametrize(
    ("width", "phase", "row"),
    [
        (90, Phase.SURGE, "PLANNED AUTOSCALER_OFF LAUNCH_TEMPLATE TAINT SURGE PROTECT READY DRAIN RESTORE DONE"),
        (80, Phase.SURGE, "… AUTOSCALER_OFF LAUNCH_TEMPLATE TAINT SURGE PROTECT READY DRAIN RESTORE DONE"),
        (40, Phase.DRAIN, "… SURGE PROTECT READY DRAIN RESTORE DONE"),
        (40, Phase.PLANNED, "PLANNED AUTOSCALER_OFF LAUNCH_TEMPLATE …"),
        (20, Phase.LAUNCH_TEMPLATE, "… LAUNCH_TEMPLATE …"),
        (10, Phase.LAUNCH_TEMPLATE, "… LAUNCH_…"),
    ],
)
def test_phases_around_the_own_one_have_room(width: int, phase: Phase, row: str, tmp_path: Path) -> None:
    """Where not all phases fit, those that are over leave the row first, and "…" stands for them."""
    record = replace(samples.draining(tmp_path).load(samples.ID), phase=phase)
    assert shown(record, width=width).splitlines()[2].strip() == row


def test_a_bar_is_full_when_all_is_done() -> None:
    """And only then."""
    assert [bar(part, 1000).count("#") for part in (0, 49, 50, 999, 1000)] == [0, 0, 1, 19, 20]
    assert bar(0, 0) == "[....................]"


def test_the_end_says_what_was_done(tmp_path: Path) -> None:
    """A done rollout names what differs, with a head that stands for it too, counts its nodes and tells the time."""
    journal = samples.done(tmp_path, "MaxSize of workers is 9, somebody's")
    lines = list(outcome.lines(Ended.DONE, journal.load(samples.ID), journal))
    assert lines == [
        "left as it is: MaxSize of workers is 9, somebody's",
        f"  head {journal.events(samples.ID)[-1].hash}",
        "done: 2 nodes replaced by ami-0000000b in 2h05m",
    ]


def test_a_halt_is_told_in_five_lines(tmp_path: Path) -> None:
    """What happened, how the cluster stands, what waiting costs and until when, the next command, the way back."""
    journal = samples.draining(tmp_path)
    journal.halt(samples.ID, samples.HALT, samples.after(9))
    state = (
        "not seen at this halt; as the rollout last wrote it: sizes are as they were found; 2 old nodes left, "
        "with our taint; instances are protected from scale-in until their turn; the rollout ends no protected pod"
    )
    until = "by itself; from 2026-01-05T10:07:00Z on a resume ends the protected pods on old nodes that are older"
    assert list(outcome.lines(Ended.HALTED, journal.load(samples.ID), journal)) == [
        "halted (PodDoesNotEnd): node x is stuck",
        f"  now: {state}",
        f"  waiting: costs nothing; nothing gets worse {until}",
        "  next: rollout resume",
        f"  or back to what was before: rollout abort {samples.ID}",
    ]


def test_an_aborted_rollout_says_what_became_of_it(tmp_path: Path) -> None:
    """What was taken away and launched again; halted on its way, it names no other way back."""
    journal = samples.draining(tmp_path)
    record = journal.load(samples.ID)
    gone = tuple(replace(row, stage=Stage.GONE) for row in record.nodes)
    back = replace(record, plan=replace(record.plan, direction="back"), nodes=gone)
    assert list(outcome.lines(Ended.ABORTED, back, journal))[-1].startswith(
        "aborted: the groups run what they ran before ami-0000000b; 0 new nodes taken away, "
        "2 old nodes had gone and were launched again, in "
    )
    one = replace(back, nodes=gone[:1])
    assert "1 old node had gone and was launched again" in list(outcome.lines(Ended.ABORTED, one, journal))[-1]
    without = replace(back, accepted=frozenset({Deleted("workers")}))
    assert list(outcome.lines(Ended.ABORTED, without, journal))[-1].startswith(
        "aborted: the groups but workers, which somebody deleted, run what they ran before ami-0000000b; "
        "0 new nodes taken away, in "
    )
    on = replace(without, plan=record.plan)
    assert list(outcome.lines(Ended.DONE, on, journal))[-1].startswith(
        "done: 0 nodes replaced by ami-0000000b, without workers, which somebody deleted, in "
    )
    journal.halt(samples.ID, samples.HALT, samples.after(9))
    told = list(outcome.lines(Ended.HALTED, back, journal))
    assert told[-1] == "  next: rollout resume"
    assert told[1].startswith(
        "  now: not seen at this halt; as the rollout last wrote it: it goes back to what was before; "
    )


@pytest.mark.parametrize("ended", [Ended.HALTED, Ended.INTERRUPTED])
def test_the_end_says_what_stays_so_until_somebody_goes_on(ended: Ended, tmp_path: Path) -> None:
    """The surge that is paid for, the autoscaler that is off, and the deadline, after which nothing protects."""
    journal = samples.draining(tmp_path)
    journal.halt(samples.ID, samples.HALT, samples.after(9))
    plan = replace(
        samples.PLAN,
        settings=replace(samples.SETTINGS, autoscaler=Autoscaler("kube-system", "ca")),
        baselines=(Baseline("workers", Sizes(1, 2, 4), protect_new=False, capacity_rebalance=False, suspended=()),),
    )
    written = {"workers": Written(desired=3)}
    record = replace(journal.load(samples.ID), plan=plan, written=written, autoscaler_off=samples.after(1))
    told = list(outcome.lines(ended, record, journal))
    state, waiting, command = told[1:4]
    assert "sizes: workers desires 3 (2 before); cluster-autoscaler is at 0 since 2026" in state
    assert waiting.startswith("  waiting: costs 1 more instance; nobody scales the groups (for longer than")
    assert f"nothing gets worse by itself; from {instant(samples.after(127))} on a resume ends the" in waiting
    assert command.startswith("  next: rollout resume")
    halting = replace(record, plan=replace(plan, settings=replace(plan.settings, on_deadline="halt")))
    assert any("nothing gets worse, however long it takes" in line for line in outcome.lines(ended, halting, journal))
    surging = replace(record, phase=Phase.SURGE)
    assert any("costs up to 1 more instance;" in line for line in outcome.lines(ended, surging, journal))
    ending = tuple(replace(row, stage=Stage.TERMINATING) for row in record.nodes)
    both = "costs 1 more instance, and 2 instances that AWS has not ended; "
    assert any(both in line for line in outcome.lines(ended, replace(record, nodes=ending), journal))
    alone = replace(journal.load(samples.ID), nodes=ending[:1])
    assert any("costs 1 instance that AWS has not ended; " in line for line in outcome.lines(ended, alone, journal))
    early = replace(record, phase=Phase.AUTOSCALER_OFF, autoscaler_off=None, nodes=())
    assert "cluster-autoscaler is not stopped" in "".join(outcome.lines(ended, early, journal))


CALM = GroupSight("workers", Sizes(1, 2, 4), living=2, in_service=2)


@pytest.mark.parametrize(
    ("group", "more", "now", "waiting"),
    [
        pytest.param(
            {}, {}, "sizes are as they were found; cluster-autoscaler is at 0 since", "nobody scales", id="calm"
        ),
        pytest.param({"sizes": None}, {}, "workers is deleted; cluster-autoscaler", "nobody scales", id="deleted"),
        pytest.param(
            {"sizes": Sizes(1, 3, 4), "living": 3},
            {},
            "sizes: workers desires 3 (2 before);",
            "costs 1 more",
            id="more",
        ),
        pytest.param({"living": 3, "ending": 1}, {}, "found;", "more instance, and 1 instance that AWS", id="ending"),
        pytest.param({"sizes": Sizes(1, 4, 4)}, {}, "desires 4", "costs up to 2 more instances", id="some to come"),
        pytest.param({}, {"autoscaler": 2}, "cluster-autoscaler has 2 replicas;", "costs nothing; nothing", id="on"),
        pytest.param({}, {"autoscaler": None}, "cluster-autoscaler is not there;", "costs nothing", id="no autoscaler"),
        pytest.param({}, {"tainted": 2}, "; 2 old nodes left, with our taint; instances are pro", "", id="all tainted"),
        pytest.param({}, {"tainted": 1}, "; 2 old nodes left, 1 of them with our taint;", "", id="one tainted"),
        pytest.param({}, {}, "; 2 old nodes left, without our taint;", "", id="none tainted"),
        pytest.param({}, {"left": 0}, "; no old node is left;", "", id="none left"),
        pytest.param(
            {"unprotected": 1}, {}, "; 1 of 2 instances not protected from scale-in: Auto Scaling may", "", id="bare"
        ),
    ],
)
@pytest.mark.parametrize("reason", [Reason.JOBS_RUNNING, Reason.DRIFT_SIZES, Reason.EFFECT_REVERTED])
def test_a_halt_tells_what_was_seen_at_it(
    reason: Reason, group: dict[str, Any], more: dict[str, Any], now: str, waiting: str, tmp_path: Path
) -> None:
    """For each reason: the journal knows what the rollout wrote, and somebody may have changed that since."""
    journal = samples.draining(tmp_path)
    sight = replace(Sight((replace(CALM, **group),), autoscaler=0, left=2, tainted=0), **more)
    journal.halt(samples.ID, replace(samples.HALT, reason=reason), samples.after(9), sight)
    plan = replace(
        samples.PLAN,
        settings=replace(samples.SETTINGS, autoscaler=Autoscaler("kube-system", "ca")),
        baselines=(Baseline("workers", Sizes(1, 2, 4), protect_new=False, capacity_rebalance=False, suspended=()),),
    )
    off, written = samples.after(1), {"workers": Written(desired=9)}
    record = replace(journal.load(samples.ID), plan=plan, written=written, autoscaler_off=off)
    _, state, costs, *_ = outcome.lines(Ended.HALTED, record, journal)
    assert (now in state, waiting in costs, "last wrote" in state) == (True, True, False), (state, costs)


def test_what_went_with_a_deleted_group_is_not_left(tmp_path: Path) -> None:
    """Neither its nodes, nor what it desired, nor what would become of its pods."""
    plan = replace(
        samples.PLAN,
        baselines=(Baseline("workers", Sizes(1, 2, 4), protect_new=False, capacity_rebalance=False, suspended=()),),
    )
    record = replace(samples.draining(tmp_path).load(samples.ID), plan=plan, written={"workers": Written(desired=4)})
    assert "workers desires 4 (2 before); 2 old nodes left, with our taint" in next(standing.now(record))
    state, costs = standing.now(replace(record, accepted=frozenset({Deleted("workers")})))
    assert "sizes are as they were found; no old node is left;" in state
    assert costs == "  waiting: costs nothing; nothing gets worse, however long it takes"


def test_before_the_baseline_a_halt_tells_the_sizes(tmp_path: Path) -> None:
    """Nothing is known that they could differ from; and on the way back it says that it goes back."""
    journal = samples.draining(tmp_path)
    journal.halt(samples.ID, samples.HALT, samples.after(9), Sight((CALM,), autoscaler=None, left=0, tainted=0))
    early = replace(journal.load(samples.ID), phase=Phase.AUTOSCALER_OFF)
    state = list(outcome.lines(Ended.HALTED, early, journal))[1]
    assert state == "  now: sizes: workers desires 2; the rollout ends no protected pod"
    back = replace(early, plan=replace(early.plan, direction="back"))
    assert list(outcome.lines(Ended.HALTED, back, journal))[1].startswith("  now: it goes back to what was before; si")


def test_what_another_version_saw_counts_as_not_seen(tmp_path: Path) -> None:
    """A field that this one does not know may change what the others mean."""
    journal = samples.draining(tmp_path)
    sight = Sight((CALM,), autoscaler=None, left=0, tainted=0)
    journal.halt(samples.ID, samples.HALT, samples.after(9), sight)
    *_, halt = journal.events(samples.ID)
    newer = replace(halt, data={**halt.data, "seen": {**halt.data["seen"], "colour": "red"}})
    assert "not seen at this halt" in next(standing.now(journal.load(samples.ID), newer))


def test_a_group_that_can_launch_nothing_gets_worse(tmp_path: Path) -> None:
    """Halted in RESTORE for a version that somebody deleted: no instance that ends is replaced."""
    journal = samples.draining(tmp_path)
    halt = replace(samples.HALT, reason=Reason.LAUNCH_TEMPLATE_NOT_FOUND)
    journal.halt(samples.ID, halt, samples.after(9))
    record = replace(journal.load(samples.ID), phase=Phase.RESTORE)
    waiting = next(line for line in outcome.lines(Ended.HALTED, record, journal) if "waiting" in line)
    assert waiting == "  waiting: costs nothing; no instance that ends is replaced"


def drained(folder: Path, **changes: Any) -> str:
    """What is said of a record in DRAIN, on one line; its surge was 1 of 2."""
    folder.mkdir(exist_ok=True)
    journal = samples.draining(folder)
    plan = replace(
        samples.PLAN,
        settings=replace(samples.SETTINGS, autoscaler=Autoscaler("kube-system", "ca"), surge=Surge(1)),
        baselines=(Baseline("workers", Sizes(1, 2, 3), protect_new=False, capacity_rebalance=False, suspended=()),),
    )
    return "; ".join(outcome.lines(Ended.INTERRUPTED, replace(journal.load(samples.ID), plan=plan, **changes), journal))


def test_after_the_last_old_node_what_is_still_ours_is_told(tmp_path: Path) -> None:
    """Desired is as before by then, MinSize and MaxSize are not; and no protected pod is on an old node any more."""
    gone = tuple(samples.node(number, Stage.GONE) for number in (1, 2))
    told = drained(tmp_path, nodes=gone, written={"workers": Written(2, 2, 4)})
    assert "sizes: workers has MinSize 2 (1 before) and has MaxSize 4 (3 before)" in told
    assert "no old node is left" in told
    assert "nothing gets worse, however long it takes" in told


def test_a_rebuilt_journal_tells_what_it_adopted(tmp_path: Path) -> None:
    """Since when cluster-autoscaler stands at 0 it does not know; a group whose sizes are the surge's has them."""
    done = frozenset({"stop-autoscaler:kube-system/ca:adopted"})
    told = drained(tmp_path, written={}, done=done, autoscaler_off=samples.after(9))
    assert "workers desires 3 (2 before); cluster-autoscaler is at 0 since 2026-01-05T08:09:00Z or longer" in told
    assert "costs 1 more instance; nobody scales the groups" in told


@pytest.mark.parametrize("phase", [Phase.LAUNCH_TEMPLATE, Phase.TAINT])
def test_on_the_way_back_sizes_are_the_surges_from_its_first_phase_on(phase: Phase, tmp_path: Path) -> None:
    """The groups are still surged where it turned, and cost what they cost before; before any surge they are not."""
    plan = replace(
        samples.PLAN,
        direction="back",
        baselines=(Baseline("workers", Sizes(1, 2, 3), protect_new=False, capacity_rebalance=False, suspended=()),),
    )
    journal = samples.draining(tmp_path)
    record = replace(journal.load(samples.ID), plan=plan, phase=phase, written={"workers": Written(2, 3, 4)})
    told = "; ".join(outcome.lines(Ended.INTERRUPTED, record, journal))
    assert "sizes: workers desires 3 (2 before)" in told
    assert "costs 1 more instance" in told
    never = "; ".join(outcome.lines(Ended.INTERRUPTED, replace(record, written={}), journal))
    assert ("sizes are as they were found" in never, "costs nothing" in never) == (True, True)


def test_what_was_not_seen_since_is_not_told_as_what_is(tmp_path: Path) -> None:
    """A request that is under way may change sizes, so nothing says that they are as they were."""
    resize = EffectRow(RESIZE, "intended", samples.NOW, 1, None, None, "")
    told = drained(tmp_path, phase=Phase.RESTORE, unsettled=(resize,))
    assert "last wrote it: cluster-autoscaler is not stopped; 1 change of ours not seen yet; the rollout" in told
    started = frozenset({"start-autoscaler:kube-system/ca:0"})
    assert "cluster-autoscaler is started again" in drained(tmp_path / "1", phase=Phase.RESTORE, done=started)


@pytest.mark.parametrize(
    ("ended", "code"), [(Ended.DONE, 0), (Ended.ABORTED, 1), (Ended.HALTED, 1), (Ended.INTERRUPTED, 75)]
)
def test_each_end_has_its_exit_code(ended: Ended, code: int) -> None:
    """The codes are those of the README."""
    assert outcome.exit_code(ended) == code
    assert outcome.exit_code(ended, wanted=ended) == 0


@pytest.mark.parametrize(
    ("seconds", "words"), [(-5, "0s"), (59, "59s"), (61, "1m01s"), (3600, "1h00m"), (7384, "2h03m"), (90000, "25h00m")]
)
def test_spans_are_told_in_two_units(seconds: int, words: str) -> None:
    """A length of time is never longer than it needs to be."""
    assert span(timedelta(seconds=seconds)) == words


def test_a_command_is_runnable_from_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where no shell finds `rollout` by its name, a printed command names the program's path; else it stays short."""
    (tmp_path / "rollout").touch(mode=0o755)
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", "/nowhere")
    assert runnable("rollout events") == f"{tmp_path}/rollout events"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert runnable("rollout events") == "rollout events"


def test_a_page_folds_between_words_and_never_in_a_command() -> None:
    """At 80 characters. A command can be copied whole; at most, what follows it begins a new line."""
    words = "a word " * 30
    assert all(len(line) <= 80 for line in folded(words, "  - "))
    assert " ".join(line.removeprefix("  - ").strip() for line in folded(words, "  - ")) == words.strip()
    command = 'kubectl -n demo patch pod a-pod-with-a-long-name --type=merge -p \'{"metadata": {"finalizers": null}}\''
    lines = list(folded(f"something holds it, and this lets it go: {command}; then it ends", "  "))
    assert any(command in line for line in lines)
    assert list(folded("", "  - ")) == ["  -"]
