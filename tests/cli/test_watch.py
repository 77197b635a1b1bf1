"""`rollout status --watch`: the page of a rollout that another process runs, on a terminal of a given size."""

from __future__ import annotations

import os
import secrets
import signal
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from rollout.fence import Fence
from rollout.journal import SqlJournal, lease_acquire, open_journal
from rollout.journal.lease_row import Holder
from rollout.model.decision import Move, NodeWait
from tests.cli import samples
from tests.cli.run import rollout
from tests.e2e.simulated import ROLLOUT, environment
from tests.postgres import Server
from tests.terminal import terminal

#: The smallest is of every day.
SIZES = [(80, 20), *(pytest.param(*size, marks=pytest.mark.exhaustive) for size in [(80, 50), (200, 20), (200, 50)])]
LONG = "pod team-a/a-training-run-with-a-long-name-0-4nvwp of Job a-training-run-with-a-long-name-0"


def watch(folder: Path) -> list[str]:
    return [str(ROLLOUT), "status", "--watch", "--database", samples.url(folder)]


def with_nodes(folder: Path, number: int) -> SqlJournal:
    """A rollout in DRAIN whose nodes, so many more than two, wait for Jobs with long names."""
    journal = samples.draining(folder)
    more = [samples.node(one) for one in range(3, 3 + number)]
    waits = [NodeWait(one.instance_id, LONG) for one in more]
    journal.intend(samples.ID, (), (), (), more, samples.after(9))
    journal.intend(samples.ID, (), (), waits, (), samples.after(9))
    return journal


def shows(text: str) -> Callable[[list[str]], bool]:
    return lambda lines: any(text in line for line in lines)


def whole(*texts: str) -> Callable[[list[str]], bool]:
    """Whether these are on the page, all of it is in sight, and each line that is cut says so."""

    def holds(lines: list[str]) -> bool:
        nodes = [line for line in lines if "ip-10-0-0-" in line or line.startswith("    waits for")]
        ends = (LONG, "Job long", "DRAINING", "WAITING", "GONE", "…")
        top = len(lines) > 2 and lines[0].startswith(f"rollout {samples.ID}  eks-demo → ami-") and "DRAIN" in lines[2]
        return (
            top and bool(nodes) and all(one.endswith(ends) for one in nodes) and all(shows(one)(lines) for one in texts)
        )

    return holds


@pytest.mark.parametrize(("columns", "lines"), SIZES)
def test_it_shows_what_happens_until_a_halt(columns: int, lines: int, tmp_path: Path) -> None:
    """Each change is seen without a key being pressed; a halt that nobody works on ends it with 1 and the command."""
    journal = with_nodes(tmp_path, 30)
    with terminal(watch(tmp_path), columns, lines, tmp_path, environment(tmp_path, {})) as screen:
        screen.until(whole("0 of 32 nodes gone", f"NOBODY runs rollout {samples.ID}", "next: rollout resume"))
        for trigger in ("release", "terminate", "gone"):
            journal.intend(samples.ID, (), [Move("i-2", trigger)], (), (), samples.after(90))
        screen.until(whole("1 of 32 nodes gone"))
        journal.halt(samples.ID, samples.HALT, samples.after(91))
        assert screen.ended() == 1
        assert shows("node x is stuck")(screen.lines)
        assert shows(f"next: rollout status {samples.ID} --database")(screen.lines)
    assert journal.load(samples.ID).halted == samples.HALT.why


def test_it_ends_with_the_rollout(tmp_path: Path) -> None:
    """Exit 0, and the last page says what was done."""
    journal = samples.draining(tmp_path)
    with terminal(watch(tmp_path), 80, 20, tmp_path, environment(tmp_path, {})) as screen:
        screen.until(shows("0 of 2 nodes gone"))
        samples.finish(journal)
        assert screen.ended() == 0
    assert screen.lines[-1] == "done: 2 nodes replaced by ami-0000000b in 2h05m"


def test_it_says_who_runs_it_and_ctrl_c_ends_watching_alone(tmp_path: Path) -> None:
    """The process and its host; a halt of one that is run ends nothing. Ctrl-C ends with 0, and nothing is written."""
    journal = samples.draining(tmp_path)
    holder = Holder("host", os.getpid(), "run")
    with (
        lease_acquire.acquire(journal, samples.PLAN.scope, holder, lambda: samples.NOW, Fence(lambda: ()), bool),
        terminal(watch(tmp_path), 80, 20, tmp_path, environment(tmp_path, {})) as screen,
    ):
        screen.until(shows(f"run by process {os.getpid()} on host"))
        screen.until(shows("and lives"))
        journal.halt(samples.ID, samples.HALT, samples.after(91))
        screen.until(shows("node x is stuck"))
        before = journal.events(samples.ID)
        screen.process.send_signal(signal.SIGINT)
        assert screen.ended() == 0
        assert not shows("interrupted")(screen.lines)
        assert journal.events(samples.ID) == before


def test_it_works_from_every_host_that_reaches_a_server(tmp_path: Path, postgres: Server) -> None:
    """With a journal on Postgres it says when its runner gave the last sign of life, and shows the end."""
    name = f"watched_{secrets.token_hex(4)}"
    postgres.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    url = postgres.url(name)
    assert rollout("db", "upgrade", "--database", url, cwd=tmp_path).code == 0
    command = [str(ROLLOUT), "status", "--watch", "--database", url]
    holder = Holder("ci-3", 12, "run")
    with closing(open_journal(url, actor="tester@here")) as journal, ExitStack() as stack:
        journal.begin(samples.ID, "build-7", samples.PLAN, samples.NOW)
        samples.drain(journal)
        held = lease_acquire.acquire(journal, samples.PLAN.scope, holder, lambda: samples.NOW, Fence(lambda: ()), bool)
        stack.enter_context(held)
        screen = stack.enter_context(terminal(command, 200, 20, tmp_path, environment(tmp_path, {})))
        screen.until(shows("run by process 12 on ci-3"))
        screen.until(shows("last sign of life 20"))
        samples.finish(journal)
        assert screen.ended() == 0
    assert screen.lines[-1].startswith("done: 2 nodes replaced")


@pytest.mark.parametrize(("more", "says"), [((), "there is none"), (("--json",), "prints no JSON")])
def test_without_a_terminal_it_is_refused(more: tuple[str, ...], says: str, tmp_path: Path) -> None:
    """Exit 2, and the command that does the same for pipes and programs."""
    samples.draining(tmp_path)
    ended = rollout("status", "--watch", *more, "--database", samples.url(tmp_path), cwd=tmp_path)
    follow = f"rollout events {samples.ID} --database {samples.url(tmp_path)} --follow{' --json' * bool(more)}"
    assert (ended.code, ended.out) == (2, "")
    assert says in ended.err
    assert ended.err.endswith(f"  next: {follow}\n")
