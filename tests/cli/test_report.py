"""`rollout report`: one rollout as a page, as Markdown and as JSON."""

from __future__ import annotations

import json
import re
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rollout.cli.report import building, charts, keeping, model, page
from rollout.journal import SqlJournal, history
from rollout.journal.lease_row import Holder
from rollout.model.decision import Advance, Halt, Move, NodeWait
from rollout.model.effects import DeletePod, Resize, TaintNode, Terminate
from rollout.model.effects.occasions import closed_again
from rollout.model.machine import Phase, Stage, onward
from rollout.model.plan import Baseline, Node, NodeGroup, Sizes, Source, TemplateUse
from rollout.model.reasons import Reason
from rollout.model.record import Abort
from rollout.ports import Settled
from tests.cli import pages, samples
from tests.cli.run import Result, rollout
from tests.journal.samples import acquire, tamper

FORMS = (("--html", "report.html"), ("--markdown",), ("--json",))
DELETE = DeletePod(
    namespace="demo", name="long", uid="pod-1", node="ip-10-0-0-1", kills="demo/long", grace=None, occasion="graceful.0"
)


def report(folder: Path, *arguments: str) -> Result:
    """Ask with the journal in the folder."""
    return rollout("report", *arguments, "--database", samples.url(folder), cwd=folder)


def told(folder: Path) -> dict[str, Any]:
    """What it says to programs."""
    found: dict[str, Any] = json.loads(report(folder, "--json").out)
    return found


def written(folder: Path) -> pages.Seen:
    """The page; nothing in it runs, loads or is left open."""
    ended = report(folder, "--html", "report.html")
    assert (ended.code, ended.err) == (0, ""), ended
    assert ended.out == f"the report of rollout {samples.ID} is {folder / 'report.html'}\n"
    seen = pages.read((folder / "report.html").read_text(encoding="utf-8"))
    assert seen.faults == []
    assert "http" not in (folder / "report.html").read_text(encoding="utf-8").replace("http-equiv", "")
    return seen


def intend(journal: SqlJournal, minute: float, *effects: Any) -> None:
    """Save effects, and see them a minute later."""
    journal.intend(samples.ID, effects, (), (), (), samples.after(minute))
    journal.settle(samples.ID, [Settled(one.key, "done", "seen") for one in effects], samples.after(minute + 1))


# ---- what is told ---------------------------------------------------------------------------------------------------


def test_a_rollout_that_is_done(tmp_path: Path) -> None:
    """Its outcome, each phase with its time, each node with what it waited for, what stays different, the head."""
    journal = samples.done(tmp_path, "MaxSize of workers is 9, somebody's")
    found = told(tmp_path)
    assert (found["standing"], found["next"], found["now"]) == ("done", None, [])
    assert found["headline"] == "done: 2 nodes replaced by ami-0000000b in 2h05m"
    phases = [(one["phase"], one["begin"][11:16], (one["end"] or "")[11:16]) for one in found["phases"]]
    assert phases[:2] == [("PLANNED", "08:00", "08:01"), ("AUTOSCALER_OFF", "08:01", "08:02")]
    assert phases[-3:] == [("DRAIN", "08:07", "09:40"), ("RESTORE", "09:40", "10:05"), ("DONE", "10:05", "10:05")]
    assert [one["deadline"] for one in found["phases"] if one["deadline"]] == ["2026-01-05T10:07:00Z"]
    first, second = found["nodes"]
    assert [(one["stage"], one["begin"][11:16]) for one in second["stages"]] == [
        *(("WAITING", "08:07"), ("DRAINING", "08:08"), ("RELEASED", "09:30"), ("TERMINATING", "09:30")),
        ("GONE", "09:30"),
    ]
    assert [(one["waits_for"], one["reason"], one["end"][11:16]) for one in first["waits"]] == [
        ("pod demo/long of Job long", "JobsRunning", "09:31")
    ]
    assert [(one["kind"], one["text"].rpartition(": ")[2]) for one in found["others"]] == [
        ("node", "ended from outside"),
        ("left", "MaxSize of workers is 9, somebody's"),
    ]
    assert found["chain"]["head"] == journal.events(samples.ID)[-1].hash
    assert found["chain"]["verifies"]


def test_the_page_and_markdown_tell_the_same(tmp_path: Path) -> None:
    """Every node, wait, phase, difference and the head stand in both; no Job was killed, says each at its top."""
    journal = samples.done(tmp_path, "MaxSize of workers is 9, somebody's")
    seen, markdown = written(tmp_path).text, report(tmp_path, "--markdown").out
    for words in (
        *("done: 2 nodes replaced by ami-0000000b in 2h05m", "No Job was killed.", "pod demo/long of Job long"),
        *("ip-10-0-0-1.eu-west-1.compute.internal", "ip-10-0-0-2.eu-west-1.compute.internal", "i-1", "i-2"),
        *("MaxSize of workers is 9, somebody's", "ended from outside", journal.events(samples.ID)[-1].hash),
        *(phase.value for phase in Phase if phase is not Phase.ABORTED),
    ):
        assert words in seen
        assert words in markdown.replace("\\", "")
    assert seen.index("No Job was killed.") < seen.index("Summary")


def test_killed_jobs_come_first(tmp_path: Path) -> None:
    """Each pod of the ledger is named, above all else, in every form."""
    journal = samples.draining(tmp_path)
    intend(journal, 130, DELETE)
    assert told(tmp_path)["killed_jobs"] == [
        {"job": "demo/long", "pod": "demo/long", "node": "ip-10-0-0-1", "at": "2026-01-05T10:11:00Z", "forced_by": None}
    ]
    for text in (written(tmp_path).text, report(tmp_path, "--markdown").out):
        assert "No Job was killed" not in text
        assert text.index("Job demo/long") < text.index("Summary")


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form[0])
def test_a_halt_says_what_to_type(tmp_path: Path, form: tuple[str, ...]) -> None:
    """Why it halted, what is true, and both whole commands, with the journal that they need."""
    samples.draining(tmp_path).halt(samples.ID, samples.HALT, samples.after(9))
    ended = report(tmp_path, *form)
    assert ended.code == 0
    text = (tmp_path / "report.html").read_text() if form[0] == "--html" else ended.out
    assert "halted in DRAIN (PodDoesNotEnd): node x is stuck" in text
    assert f"rollout resume --config FILE --database {samples.url(tmp_path)}" in text
    assert f"rollout abort {samples.ID} --config FILE --database {samples.url(tmp_path)}" in text
    assert "nothing gets worse" in text


def test_nobody_runs_it(tmp_path: Path) -> None:
    """An unfinished rollout without a process says so, with the command that continues it, and how far it knows."""
    samples.draining(tmp_path)
    found = told(tmp_path)
    assert (found["standing"], found["ended"], found["journal_written"]) == ("nobody", None, "2026-01-05T08:08:00Z")
    assert found["next"].startswith(f"rollout resume {samples.ID} ")
    assert "what happened after 2026-01-05T08:08:00Z, when it was last written" in found["unknown"]
    assert "NOBODY runs it" in written(tmp_path).text


def test_a_process_runs_it(tmp_path: Path) -> None:
    """A rollout that runs names its process, and asks nobody for anything; its last sign of life is what is known."""
    journal = samples.draining(tmp_path)
    with acquire(journal, Holder("agent-7", 77, "cccccccccccc", "ci/9"), time=600):
        journal.acquired(samples.ID, samples.after(10))
        found, seen = told(tmp_path), written(tmp_path).text
    assert (found["standing"], found["next"], found["now"]) == ("running", None, [])
    assert found["journal_written"] == "2026-01-05T08:10:00Z"
    assert [(one["run"], one["end"], one["how"]) for one in found["runs"]] == [("cccccccccccc", None, "works")]
    assert "DRAIN since 2026-01-05T08:07:00Z, run by process 77 on agent-7 for ci/9" in seen
    assert "08:10:00 to now (0s): process 77 on agent-7, run cccccccccccc for ci/9, works" in seen


def test_a_halt_lasts_until_somebody_resumes(tmp_path: Path) -> None:
    """A halt is a span with the one who ended it, who is among those who gave commands."""
    journal = samples.draining(tmp_path)
    journal.halt(samples.ID, samples.HALT, samples.after(9))
    journal.resume(samples.ID, None, samples.after(30))
    found = told(tmp_path)
    assert [(one["begin"][11:16], one["end"][11:16], one["ended_by"]) for one in found["halts"]] == [
        ("08:09", "08:30", "tester@here")
    ]
    assert [(one["kind"], one["by"]) for one in found["commands"]] == [("resume or start", "tester@here")]
    assert (
        "08:09:00 to 08:30:00 (21m00s): node x is stuck (PodDoesNotEnd); ended by tester@here" in written(tmp_path).text
    )


def test_an_abort_is_told_with_who_asked_for_it(tmp_path: Path) -> None:
    """Who, when, with which options, and when it was obeyed; phases of the way back are marked."""
    journal = samples.draining(tmp_path)
    journal.ask_abort(samples.ID, Abort(samples.after(20), "ops@desk", 5400.0, keep_jobs=True))
    assert told(tmp_path)["commands"][0]["obeyed"] is None
    plan = replace(journal.load(samples.ID).plan, direction="back")
    turn = Advance("aborted by ops@desk", Phase.LAUNCH_TEMPLATE, plan=plan, turns=True)
    journal.advance(samples.ID, turn, None, samples.after(21))
    found = told(tmp_path)
    assert found["commands"] == [
        {
            "kind": "abort",
            "at": "2026-01-05T08:20:00Z",
            "by": "ops@desk",
            "reason": None,
            "details": ["deadline 1h30m", "keep jobs"],
            "obeyed": "2026-01-05T08:21:00Z",
        }
    ]
    assert (found["direction"], found["or_back"]) == ("back", None)
    assert [(one["phase"], one["back"]) for one in found["phases"]][-2:] == [
        ("DRAIN", False),
        ("LAUNCH_TEMPLATE", True),
    ]
    assert "abort (deadline 1h30m, keep jobs) ops@desk" in written(tmp_path).text


def test_an_extension_is_told_with_when_it_was_followed(tmp_path: Path) -> None:
    """Its words are a person's, and the phase has the deadline that counts."""
    journal = samples.draining(tmp_path)
    asked = journal.ask_extension(samples.ID, 3600, "ops@desk", "a long one", samples.after(20))
    found = told(tmp_path)
    assert (found["commands"][0]["obeyed"], found["phases"][-1]["deadline"]) == (None, "2026-01-05T10:07:00Z")
    journal.extend(samples.ID, asked, samples.after(21))
    found = told(tmp_path)
    assert found["commands"] == [
        {
            "kind": "extend",
            "at": "2026-01-05T08:20:00Z",
            "by": "ops@desk",
            "reason": "a long one",
            "details": ["until 2026-01-05T11:07:00Z"],
            "obeyed": "2026-01-05T08:21:00Z",
        }
    ]
    assert [one["deadline"] for one in found["phases"]][-2:] == [None, "2026-01-05T11:07:00Z"]


def test_an_extension_that_a_later_one_overtook_is_followed_with_it(tmp_path: Path) -> None:
    """On the way back, too, which is said; one that nothing followed is not noted."""
    journal = samples.draining(tmp_path)
    journal.ask_extension(samples.ID, 3600, "ops@desk", "", samples.after(20))
    plan = replace(journal.load(samples.ID).plan, direction="back")
    turn = Advance("aborted", Phase.LAUNCH_TEMPLATE, plan=plan, turns=True)
    journal.advance(samples.ID, turn, None, samples.after(21))
    while (phase := onward(journal.load(samples.ID).phase)) is not Phase.RESTORE:
        until = samples.after(200) if phase is Phase.DRAIN else None
        journal.advance(samples.ID, Advance("on", phase, drain_deadline=until), None, samples.after(21))
    journal.ask_extension(samples.ID, 600, "ops@desk", "", samples.after(22))
    last = journal.ask_extension(samples.ID, 600, "ops@desk", "", samples.after(22))
    journal.extend(samples.ID, last, samples.after(23))
    found = told(tmp_path)["commands"]
    assert [one["obeyed"] for one in found] == [None, *["2026-01-05T08:23:00Z"] * 2]
    assert found[1]["details"] == ["on the way back", "until 2026-01-05T11:30:00Z"]


def test_a_halt_that_an_abort_ends_was_resumed_by_nobody(tmp_path: Path) -> None:
    """The runner clears it on the way to the turn; a resume before the abort was asked for is a command of its own."""
    journal = samples.draining(tmp_path)
    for minute in (9, 15):
        journal.halt(samples.ID, samples.HALT, samples.after(minute))
        if minute == 15:
            journal.ask_abort(samples.ID, Abort(samples.after(20), "the setting on_not_ready"))
        journal.resume(samples.ID, None, samples.after(minute + 5))
    plan = replace(journal.load(samples.ID).plan, direction="back")
    turn = Advance("aborted", Phase.LAUNCH_TEMPLATE, plan=plan, turns=True)
    journal.advance(samples.ID, turn, None, samples.after(21))
    found = told(tmp_path)
    assert [one["ended_by"] for one in found["halts"]] == ["tester@here", "the setting on_not_ready"]
    assert [one["kind"] for one in found["commands"]] == ["resume or start", "abort"]


def test_an_abort_ends_a_halt(tmp_path: Path) -> None:
    """It lasted until the rollout turned, and who asked for that ended it."""
    journal = samples.draining(tmp_path)
    journal.halt(samples.ID, samples.HALT, samples.after(9))
    journal.ask_abort(samples.ID, Abort(samples.after(20), "ops@desk"))
    plan = replace(journal.load(samples.ID).plan, direction="back")
    turn = Advance("aborted by ops@desk", Phase.LAUNCH_TEMPLATE, plan=plan, turns=True)
    journal.advance(samples.ID, turn, None, samples.after(21))
    [halt] = told(tmp_path)["halts"]
    assert (halt["end"], halt["ended_by"]) == ("2026-01-05T08:21:00Z", "ops@desk")


def test_capacity_is_what_the_rollout_set_and_saw(tmp_path: Path) -> None:
    """From the baseline on each change when it was seen; old nodes from when they were known until they were gone."""
    journal = samples.draining(tmp_path)
    baseline = Baseline("workers", Sizes(1, 2, 3), protect_new=False, capacity_rebalance=False, suspended=())
    plan = replace(journal.load(samples.ID).plan, baselines=(baseline,))
    assert told(tmp_path)["groups"][0]["desired"] == []
    assert "its sizes were not noted yet" in written(tmp_path).text
    resize = Resize(group="workers", before=Sizes(1, 2, 3), sizes=Sizes(1, 4, 4), occasion="surge.0")
    intend(journal, 9, resize)
    intend(journal, 20, Terminate(group="workers", instance_id="i-2", desired_before=4))
    for trigger in ("release", "terminate", "gone"):
        journal.intend(samples.ID, (), [Move("i-2", trigger)], (), (), samples.after(22))
    journal.advance(samples.ID, Advance("aborted", Phase.LAUNCH_TEMPLATE, plan=plan), None, samples.after(30))
    [group] = told(tmp_path)["groups"]
    assert [(one["at"][11:16], one["count"]) for one in group["desired"]] == [("08:00", 2), ("08:10", 4), ("08:21", 3)]
    [left] = group["left"]
    assert [(one["at"][11:16], one["count"]) for one in left["steps"]] == [("08:07", 2), ("08:22", 1)]
    assert "2 → 4 at 08:10:00 → 3 at 08:21:00" in written(tmp_path).text


def test_what_was_done_again_is_somebody_elses_doing(tmp_path: Path) -> None:
    """A taint that a node had lost, and a halt for drift, are among what others changed."""
    journal = samples.draining(tmp_path)
    taint = TaintNode(node="ip-10-0-0-1", uid="uid-1", instance_id="i-1", taint_key="k", value="v", effect="NoSchedule")
    intend(journal, 9, replace(taint, occasion="close.0"), replace(taint, occasion=closed_again(0, 0)))
    journal.halt(samples.ID, Halt(Reason.DRIFT_SIZES, "workers desires 9", "rollout resume"), samples.after(12))
    assert [(one["kind"], one["text"].partition(":")[0]) for one in told(tmp_path)["others"]] == [
        ("undone", "done again, for it was not there any more"),
        ("halt", "workers desires 9 (DriftSizes)"),
    ]


def test_services_with_fewer_replicas_are_told(tmp_path: Path) -> None:
    """What had fewer Ready replicas at the end of DRAIN stands among what is not as it was."""
    samples.draining(tmp_path).note(samples.ID, "replicas", "ReplicaSet demo/web: 1, was 3", samples.after(9))
    assert "fewer replicas than before: ReplicaSet demo/web: 1, was 3" in written(tmp_path).text


def test_a_rebuilt_journal_says_what_it_lacks(tmp_path: Path) -> None:
    """What was before the rebuild is not known, and effects that were taken for done were not sent."""
    record = samples.draining(tmp_path / "lost").load(samples.ID)
    resize = Resize(group="workers", before=Sizes(1, 2, 3), sizes=Sizes(1, 4, 4), occasion="adopted")
    with closing(samples.empty(tmp_path)) as journal:
        journal.rebuild(replace(record, unsettled=(), done=frozenset()), [resize], None)
    found = told(tmp_path)
    assert "what happened before this journal was rebuilt from the marker" in found["unknown"]
    assert [(one["kind"], one["requests"], one["slowest_seconds"]) for one in found["calls"]] == [("resize", 0, None)]
    assert written(tmp_path).faults == []


def test_a_history_that_was_changed_is_told(tmp_path: Path) -> None:
    """Every form says that it does not verify, and which event was changed."""
    tamper(samples.done(tmp_path), "UPDATE events SET text = 'nothing happened' WHERE seq = 4")
    assert not told(tmp_path)["chain"]["verifies"]
    for text in (written(tmp_path).text, report(tmp_path, "--markdown").out):
        assert "does not verify" in text
        assert f"event 4 of {samples.ID} was changed after it was written" in text


# ---- text of others -------------------------------------------------------------------------------------------------

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=y>`|*_\x1b[31m\u202e {{ 7 * 7 }} javascript:z"


def test_text_of_others_is_only_text(tmp_path: Path) -> None:
    """What is called like HTML, a template, Markdown or an escape is shown as it is, and does nothing."""
    journal = samples.draining(tmp_path)
    journal.intend(samples.ID, (), (), [NodeWait("i-1", EVIL, Reason.JOBS_RUNNING)], (), samples.after(9))
    journal.halt(samples.ID, Halt(Reason.POD_DOES_NOT_END, EVIL, EVIL), samples.after(10))
    journal.ask_abort(samples.ID, Abort(samples.after(20), EVIL))
    ended = report(tmp_path, "--html", "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    seen = pages.read(text)
    assert [one for one in seen.faults if one != "javascript: in it"] == []
    assert "<script>alert(1)</script>" in seen.text
    assert "{{ 7 * 7 }}" in seen.text
    for out in (ended.out, text, report(tmp_path, "--markdown").out):
        assert not set("\x1b\u202e") & set(out)
    markdown = report(tmp_path, "--markdown").out
    cells = [line for line in markdown.splitlines() if not line.startswith("    ")]
    assert not any(re.search(r"(?<!\\)<", line) for line in cells)


def test_the_same_journal_gives_the_same_page(tmp_path: Path) -> None:
    """Nothing of the moment at which it is made stands in it: two pages can be compared."""
    samples.done(tmp_path)
    written(tmp_path)
    first = (tmp_path / "report.html").read_text()
    written(tmp_path)
    assert (tmp_path / "report.html").read_text() == first


# ---- many nodes -----------------------------------------------------------------------------------------------------


def many(folder: Path, number: int) -> SqlJournal:
    """A journal with a rollout of so many nodes, which go one after the other."""
    journal = samples.empty(folder)
    use = TemplateUse("", "lt-1", "template", "$Latest")
    baseline = Baseline("workers", Sizes(1, number, number), False, False, ())
    plan = replace(samples.PLAN, groups=(NodeGroup("workers", (Source(use, 1),)),), baselines=(baseline,))
    journal.begin(samples.ID, None, plan, samples.NOW)
    for minute in range(1, 7):
        journal.advance(
            samples.ID, Advance("it holds", onward(journal.load(samples.ID).phase)), None, samples.after(minute)
        )
    nodes = tuple(
        Node(f"i-{one:017x}", "workers", "old", Stage.WAITING, samples.NOW, f"ip-{one}.x", f"u-{one}")
        for one in range(number)
    )
    ready = Advance("new nodes are Ready", Phase.DRAIN, nodes=nodes, drain_deadline=samples.after(127))
    journal.advance(samples.ID, ready, None, samples.after(7))
    waits = [
        NodeWait(one.instance_id, f"pod batch/run-{one.instance_id}-x7k2p of Job run", Reason.JOBS_RUNNING)
        for one in nodes
    ]
    journal.intend(samples.ID, (), (), waits, (), samples.after(8))
    for start in range(0, number, 25):
        some = nodes[start : start + 25]
        for second, trigger in enumerate(("drain", "release", "terminate", "gone")):
            moves = [Move(one.instance_id, trigger) for one in some]
            journal.intend(samples.ID, (), moves, (), (), samples.after(9 + start / 5 + second))
    return journal


def test_many_changes_of_a_size_are_counted(tmp_path: Path) -> None:
    """In words the lowest, the highest and the last; the picture has each."""
    journal = many(tmp_path, page.FEW)
    for left in range(20, 0, -1):
        intend(journal, 60 - left, Terminate(group="workers", instance_id=f"i-{left}", desired_before=left + 40))
    assert "20 changes: 40 at least, 59 at most, 40 since 09:00:00" in written(tmp_path).text


def test_a_node_that_waited_for_nothing_has_a_row_too(tmp_path: Path) -> None:
    """Before anything is waited for each of many nodes has its row."""
    journal = samples.empty(tmp_path)
    waiting = many(tmp_path / "other", page.FEW + 1)
    plan = waiting.load(samples.ID).plan
    journal.begin(samples.ID, None, plan, samples.NOW)
    nodes = tuple(replace(one, stage=Stage.WAITING) for one in waiting.load(samples.ID).nodes)
    journal.intend(samples.ID, (), (), (), nodes, samples.after(1))
    text = written(tmp_path).text
    assert [one for one in range(page.FEW + 1) if f"ip-{one} i-{one:017x} workers old WAITING" not in text] == []


def test_500_nodes_are_one_small_page(tmp_path: Path) -> None:
    """Each node is named, with its line in the picture, on a page of less than a megabyte."""
    many(tmp_path, 500)
    seen = written(tmp_path)
    assert (tmp_path / "report.html").stat().st_size < 1_000_000
    assert [one for one in range(500) if f"ip-{one} i-{one:017x}" not in seen.text] == []
    assert "All 500 nodes" in seen.text
    assert seen.tags.count("rect") > 1500
    assert len(told(tmp_path)["nodes"]) == 500


@pytest.mark.parametrize(("number", "folded"), [(page.FEW, False), (page.FEW + 1, True)])
def test_few_nodes_have_a_row_each(tmp_path: Path, number: int, *, folded: bool) -> None:
    """Up to forty nodes are shown with all their waits, more are folded."""
    many(tmp_path, number)
    seen = written(tmp_path)
    assert ("details" in seen.tags) is folded
    assert (f"pod batch/run-i-{number - 1:017x}-x7k2p of Job run (JobsRunning)" in seen.text) is not folded


# ---- the axis -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("minutes", "labels"),
    [
        (0, ["08:00:01"]),
        (0.75, ["08:00:10", "08:00:20", "08:00:30", "08:00:40"]),
        (80, ["08:15", "08:30", "08:45", "09:00", "09:15"]),
        (20 * 60, ["12:00", "18:00", "01-06"]),
        (2 * 1440, ["12:00", "01-06", "12:00", "01-07"]),
        (40 * 1440, ["01-08", "01-15", "01-22", "01-29", "02-05", "02-12"]),
    ],
)
def test_the_axis_has_round_moments(minutes: float, labels: list[str]) -> None:
    """Marks stand at moments that people read off a clock or a calendar."""
    axis = charts.Axis(samples.NOW, max(samples.after(minutes), samples.after(1 / 60)))
    assert [mark.label for mark in axis.marks()] == labels


@pytest.mark.parametrize("days", [400, 3000, 100_000])
def test_the_axis_has_room_for_its_marks(days: int) -> None:
    """A rollout that somebody forgot for years has few marks, too."""
    assert 1 <= len(charts.Axis(samples.NOW, samples.after(days * 1440)).marks()) <= 7


def test_a_bar_lies_on_the_axis() -> None:
    """In percent of its width; what lasts ends with the axis, and what lies outside is at its end."""
    axis = charts.Axis(samples.NOW, samples.after(100))
    bars = [
        axis.bar(model.Span(samples.after(25), samples.after(50)), "WAITING"),
        axis.bar(model.Span(samples.after(90), None), "WAITING"),
        axis.bar(model.Span(samples.after(-5), samples.after(200)), "WAITING"),
    ]
    assert [(bar.x, bar.width) for bar in bars] == [("25%", "25%"), ("90%", "10%"), ("0%", "100%")]


def test_instants_have_their_day_where_there_are_several(tmp_path: Path) -> None:
    """A rollout over midnight names the day with each moment."""
    journal = samples.draining(tmp_path)
    journal.halt(samples.ID, samples.HALT, samples.after(1200))
    axis = charts.Axis.of(building.report(history.read(journal.database, samples.ID)))
    assert axis.clock(samples.after(1200)) == "01-06 04:00:00"


# ---- the command ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [(), ("--json", "--markdown"), ("--html", "x.html", "--json")])
def test_it_must_be_clear_what_to_write(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """None, or two of the three: exit 2 with a whole command, and nothing is written."""
    samples.draining(tmp_path)
    ended = report(tmp_path, *arguments)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.endswith(f"  next: rollout report --database {samples.url(tmp_path)} --html report.html\n")
    assert not list(tmp_path.glob("*.html"))


def test_a_page_that_cannot_be_written(tmp_path: Path) -> None:
    """A folder, and a place that is not there: exit 2, with what is wrong and what to give."""
    samples.draining(tmp_path)
    ended = report(tmp_path, "--html", ".")
    assert (ended.code, ended.err) == (2, f"rollout: {tmp_path} is a folder\n  next: name a file in it with --html\n")
    ended = report(tmp_path, "--html", "nowhere/report.html")
    assert ended.code == 2
    assert ended.err == (
        f"rollout: {tmp_path}/nowhere/report.html cannot be written: there is no folder {tmp_path}/nowhere\n"
        "  next: name another file with --html\n"
    )


def test_a_page_replaces_an_older_one(tmp_path: Path) -> None:
    """The report of yesterday is gone with the next one of the same name."""
    samples.draining(tmp_path)
    written(tmp_path)
    page = tmp_path / "report.html"
    page.write_text(page.read_text() + "yesterday's " * 100_000)
    assert "yesterday" not in written(tmp_path).text


def test_the_journal_is_only_read(tmp_path: Path) -> None:
    """Nothing in the journal's file changes, also where it may not be written."""
    samples.done(tmp_path).close()
    before = (tmp_path / "rollout.db").read_bytes()
    for form in FORMS:
        assert report(tmp_path, *form).code == 0
    assert (tmp_path / "rollout.db").read_bytes() == before


# ---- at the end of a run --------------------------------------------------------------------------------------------


def test_a_run_keeps_its_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The file that the configuration names gets the page, and its path is said."""
    journal = samples.done(tmp_path)
    keeping.keep(journal, samples.ID, tmp_path / "kept.html")
    assert capsys.readouterr().out == f"report: {tmp_path / 'kept.html'}\n"
    written(tmp_path)
    assert (tmp_path / "kept.html").read_text() == (tmp_path / "report.html").read_text()


@pytest.mark.parametrize("name", ["nowhere/kept.html", "."])
def test_a_report_that_cannot_be_kept_ends_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """Why there is none, and the command that writes one later; nothing is raised."""
    journal = samples.done(tmp_path)
    keeping.keep(journal, samples.ID, tmp_path / name)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("no report was written: ")
    assert f"  next: rollout report {samples.ID} " in said.err
    keeping.keep(journal, "nonsense", tmp_path / "kept.html")
    assert "no report was written: there is no rollout nonsense" in capsys.readouterr().err
