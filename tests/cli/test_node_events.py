"""Events of Kubernetes on nodes: what they say, each under one name, and that a rollout goes on without them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from rollout.cli.monitoring import node_events, telling
from rollout.config import Metrics, Notify
from rollout.engine.runner import Progress
from rollout.errors import Denied
from rollout.journal import SqlJournal
from rollout.model.decision import Move, NodeWait
from rollout.model.reasons import Reason
from rollout.ports import NodeEvent
from tests.cli import samples

if TYPE_CHECKING:
    import pytest

NAME = "ip-10-0-0-1.eu-west-1.compute.internal"


def run(journal: SqlJournal, write: Callable[[NodeEvent], None], *ticks: Callable[[], None], minute: float = 8) -> None:
    """Be the process that runs the rollout: tell of it as it stands, and after each of these ticks."""
    wanted = telling.Wanted(Metrics(), Notify(), write=write)
    with telling.told(wanted, journal, samples.ID, lambda: samples.after(minute), lambda _: None) as tell:
        for tick in (lambda: None, *ticks):
            tick()
            tell(Progress(journal.load(samples.ID), "anything"))


def waits(journal: SqlJournal, what: str, reason: Reason) -> None:
    """The first node waits for this now."""
    journal.intend(samples.ID, (), (), [NodeWait("i-1", what, reason)], (), samples.after(8))


def test_what_a_node_waits_for_is_told_when_its_kind_changes(tmp_path: Path) -> None:
    """One Event for each change of the reason, on the Node of that uid; not for other words of the same."""
    journal, told = samples.draining(tmp_path), list[NodeEvent]()
    run(
        journal,
        told.append,
        lambda: waits(journal, "pod demo/b of Job b", Reason.JOBS_RUNNING),
        lambda: waits(journal, "its turn to drain", Reason.TURN),
        lambda: journal.intend(samples.ID, (), [Move("i-2", "release")], (), (), samples.after(8)),
    )
    assert [(one.node, one.reason, one.warns) for one in told if one.node == NAME][-1] == (NAME, "Turn", False)
    assert [one.reason for one in told if one.node == NAME].count("JobsRunning") == 1
    assert [one.reason for one in told if one.uid == "uid-2"] == ["Draining", "Drained"]
    assert told[-2].message == f"rollout {samples.ID}: waits for its turn to drain"
    assert len({one.name for one in told}) == len(told)


def test_a_halt_is_told_on_each_node_that_is_left(tmp_path: Path) -> None:
    """As a warning, with the reason of the halt."""
    journal, told = samples.draining(tmp_path), list[NodeEvent]()
    run(journal, told.append, lambda: journal.halt(samples.ID, samples.HALT, samples.after(8)))
    halts = [one for one in told if one.warns]
    assert [(one.uid, one.reason) for one in halts] == [("uid-1", "PodDoesNotEnd"), ("uid-2", "PodDoesNotEnd")]
    assert halts[0].message == f"rollout {samples.ID}: halted: node x is stuck"


def test_another_process_gives_the_same_names(tmp_path: Path) -> None:
    """So the API server refuses what was told before a crash; what is old is not sent again at all."""
    journal = samples.draining(tmp_path)
    first, second, late = (list[NodeEvent]() for _ in range(3))
    run(journal, first.append)
    run(journal, second.append)
    run(journal, late.append, minute=60)
    assert first
    assert second == first
    assert late == []


def test_a_failure_is_one_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A right that lacks stops nothing."""
    journal, asked = samples.draining(tmp_path), threading.Event()

    def write(_: NodeEvent) -> None:
        asked.set()
        raise Denied("we may not create events")

    run(journal, write, lambda: assert_set(asked), *[lambda: None] * 20)
    warnings = [line for line in capsys.readouterr().err.splitlines() if "an Event on a node is not written" in line]
    assert len(warnings) == 1
    assert "we may not create events" in warnings[0]


def assert_set(asked: threading.Event) -> None:
    """Wait until the thread has tried."""
    assert asked.wait(10)


def test_a_silent_server_holds_nothing_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Events are left out where too many wait, and the end of a run waits a moment only."""
    monkeypatch.setattr(node_events, "_AT_END", 0.05)
    monkeypatch.setattr(node_events, "_WAITING", 1)
    journal, released, told = samples.draining(tmp_path), threading.Event(), list[NodeEvent]()

    def write(event: NodeEvent) -> None:
        told.append(event)
        released.wait(10)

    try:
        run(journal, write, lambda: journal.halt(samples.ID, samples.HALT, samples.after(8)))
        assert len(told) <= 1
    finally:
        released.set()
