"""Workers run members to the end of a fleet, however they and their members end."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from rollout.fleet import store
from rollout.fleet.model import Limits, Standing, State, StopWhen
from rollout.fleet.store import Hand
from rollout.journal import SqlJournal, audit, open_journal
from rollout.journal.lease_row import simulated_time
from tests.fleet.virtual import ID, NOW, VirtualClock, ask, begin, look, plan, ran, script, told, worker


def stands(journal: SqlJournal) -> dict[str, Standing]:
    return {name: one.stands for name, one in look(journal)[1].items()}


def test_a_fleet_is_worked_to_its_end(journal: SqlJournal, tmp_path: Path) -> None:
    """Each member is run once, wave by wave, with its configuration, image and key; the history verifies."""
    begin(journal, plan("a", "b", "c", waves=3))
    script(tmp_path)
    lines: list[str] = []
    assert worker(journal, tmp_path, say=lines.append).run() == 0
    assert (look(journal)[0].state, ran(tmp_path)) == (State.DONE, ["a", "b", "c"])
    assert told(journal, "member") == [f"{name} begins, by host/7/one" for name in "abc"]
    assert "a  what a says" in lines
    heads = [line for line in lines if line.startswith("  head ")]
    assert len(heads) == 4
    [verdict] = audit.verify(journal.database)
    assert (verdict.problems, heads[-1]) == ((), f"  head {verdict.head}")


@pytest.mark.parametrize(
    ("codes", "ends", "runs"),
    [
        pytest.param([75, 70, 0], Standing.DONE, 3, id="interrupted, a fault of ours, done"),
        pytest.param([76], Standing.REFUSED, 1, id="another rollout is at work there"),
        pytest.param([2], Standing.REFUSED, 1, id="refused"),
        pytest.param([77], Standing.REFUSED, 1, id="another version's journal"),
        pytest.param([1], Standing.HALTED, 1, id="halted"),
    ],
)
def test_how_a_run_ends(journal: SqlJournal, tmp_path: Path, codes: list[int | str], ends: Standing, runs: int) -> None:
    """What the README says to run again is run again, after a pause; what a person must see pauses the fleet."""
    begin(journal, plan("a"))
    script(tmp_path, a=codes)
    assert until_paused(journal, tmp_path) == (0 if ends is Standing.DONE else 75)
    assert (stands(journal), ran(tmp_path)) == ({"a": ends}, ["a"] * runs)
    if ends is not Standing.DONE:
        assert look(journal)[0].state is State.PAUSED
        assert look(journal)[1]["a"].said == "what a says"


def until_paused(journal: SqlJournal, folder: Path) -> int:
    """Work until the fleet is over, or paused: a person would not come."""
    return worker(journal, folder, stopping=lambda: look(journal)[0].state is State.PAUSED).run()


def test_a_person_retries_and_goes_on(journal: SqlJournal, tmp_path: Path) -> None:
    """A halted member is run once more while the fleet is paused; after a resume the others begin."""
    begin(journal, plan("a", "b", limits=Limits(1)))
    script(tmp_path, a=[1, 0])
    assert until_paused(journal, tmp_path) == 75
    assert ran(tmp_path) == ["a"]
    ask(journal, "retry", "a")
    ask(journal, "resume")
    assert worker(journal, tmp_path).run() == 0
    assert ran(tmp_path) == ["a", "a", "b"]
    assert stands(journal) == {"a": Standing.DONE, "b": Standing.DONE}


def test_no_member_begins_after_the_stop_condition(journal: SqlJournal, tmp_path: Path) -> None:
    """Those that were let begin and had no worker yet stay where they are."""
    begin(journal, plan("a", "b", "c"))
    script(tmp_path, a=[1])
    assert worker(journal, tmp_path, slots=1, stopping=lambda: look(journal)[0].state is State.PAUSED).run() == 75
    assert ran(tmp_path) == ["a"]
    assert stands(journal) == {"a": Standing.HALTED, "b": Standing.WAITING, "c": Standing.WAITING}


def test_a_worker_that_is_told_to_stop_takes_its_runs_with_it(journal: SqlJournal, tmp_path: Path) -> None:
    """They get SIGTERM and are waited for; the member goes on at once with another worker."""
    begin(journal, plan("a"))
    script(tmp_path, a=["forever", 0])
    assert worker(journal, tmp_path, stopping=lambda: ran(tmp_path) != []).run() == 75
    assert stands(journal) == {"a": Standing.READY}
    assert worker(journal, tmp_path, name="two").run() == 0
    assert told(journal, "member") == ["a begins, by host/7/one", "a runs again, by host/7/two"]


def test_a_stopped_fleet_lets_runs_end(journal: SqlJournal, tmp_path: Path) -> None:
    """No member begins any more, and workers end with 0."""
    begin(journal, plan("a", "b", waves=2))
    script(tmp_path)
    ask(journal, "stop")
    assert worker(journal, tmp_path).run() == 0
    assert (look(journal)[0].state, ran(tmp_path)) == (State.STOPPED, [])


def test_a_journal_that_is_away_is_waited_for(tmp_path: Path) -> None:
    """The worker says so, tells how the run ended when the journal is back, and goes on."""
    with closing(open_journal(f"sqlite:///{tmp_path}/fleet.db", actor="tester")) as journal:
        begin(journal, plan("a", "b", limits=Limits(1)))
        script(tmp_path)
        file, away = tmp_path / "fleet.db", tmp_path / "away"
        lines: list[str] = []

        def say(line: str) -> None:
            lines.append(line)
            if line == "a  what a says":
                file.rename(away)
            elif "was deleted, moved or replaced" in line and away.exists():
                away.rename(file)

        assert worker(journal, tmp_path, say=say).run() == 0
        assert any("was deleted, moved or replaced" in line for line in lines)
        assert stands(journal) == {"a": Standing.DONE, "b": Standing.DONE}
        assert ran(tmp_path) == ["a", "b"]


def test_a_worker_is_told_to_stop_while_the_journal_is_away(tmp_path: Path) -> None:
    """Its runs end all the same, and it ends with 75; its claim ends by itself."""
    with closing(open_journal(f"sqlite:///{tmp_path}/fleet.db", actor="tester")) as journal:
        begin(journal, plan("a"))
        script(tmp_path, a=["forever", 0])
        file, away, lines = tmp_path / "fleet.db", tmp_path / "away", list[str]()

        def say(line: str) -> None:
            lines.append(line)
            if line == "a  what a says":
                file.rename(away)

        assert worker(journal, tmp_path, say=say, stopping=away.exists).run() == 75
        assert lines[-1].startswith("interrupted; nothing is lost")
        away.rename(file)
        assert stands(journal) == {"a": Standing.RUNNING}
        assert worker(journal, tmp_path, name="two").run() == 0


# ---- several workers


def test_many_workers_share_a_fleet(journal: SqlJournal, url: str, tmp_path: Path) -> None:
    """Each member begins once, no limit is passed, and all workers end when the fleet is over."""
    names = [f"m{number}" for number in range(12)]
    begin(journal, plan(*names, limits=Limits(5), stop_when=StopWhen(halted=1)))
    script(tmp_path)
    clock = VirtualClock(most=0.2)

    def work(number: int) -> int:
        with closing(open_journal(url, actor="tester")) as opened:
            return worker(opened, tmp_path, clock=clock, name=f"w{number}", slots=2).run()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(4))) == [0] * 4
    assert sorted(ran(tmp_path)) == sorted(names)
    with journal.database.reading() as connection:
        kinds = [event.kind for event in store.events(connection, ID) if event.kind in {"member", "ended"}]
    under_way = list(itertools.accumulate(1 if kind == "member" else -1 for kind in kinds))
    assert (kinds.count("member"), under_way[-1]) == (len(names), 0)
    assert 1 < max(under_way) <= 5


def hand(name: str, seconds: float) -> Hand:
    return Hand(ID, name, f"{name}@host", simulated_time(lambda: NOW + timedelta(seconds=seconds)))


def opened(journal: SqlJournal, folder: Path) -> None:
    """Let both members of a fleet begin, with no worker that would run them."""
    begin(journal, plan("a", "b"))
    script(folder)
    worker(journal, folder, slots=0, stopping=iter([False, True]).__next__).run()


def test_a_claim_is_one_worker_s(journal: SqlJournal, tmp_path: Path) -> None:
    """Two workers that claim get two members, a third one none; a claim that is not kept is taken over."""
    opened(journal, tmp_path)
    with journal.database.writing() as connection:
        assert [hand(name, 0).claim(connection) for name in ("x", "y", "z")] == ["a", "b", None]
        assert hand("x", 50).renew(connection, ["a", "b"]) == {"a"}
    with journal.database.writing() as connection:
        assert [hand("z", 70).claim(connection) for _ in range(2)] == ["b", None]
        assert hand("y", 71).renew(connection, ["b"]) == set()


def test_claims_do_not_wait_for_each_other(journal: SqlJournal, url: str, tmp_path: Path) -> None:
    """On a server a worker passes over a member whose claim is under way, and gets the next one."""
    if url.startswith("sqlite"):
        pytest.skip("a file has one writer at a time")
    opened(journal, tmp_path)
    other = open_journal(url, actor="tester")
    with journal.database.writing() as first, other.database.writing() as second:
        assert (hand("x", 0).claim(first), hand("y", 0).claim(second)) == ("a", "b")
    other.close()


def test_a_run_whose_claim_was_taken_over_tells_nothing(journal: SqlJournal, tmp_path: Path) -> None:
    """How it ended is told by the worker that has the member now."""
    opened(journal, tmp_path)
    with journal.database.writing() as connection:
        hand("x", 0).claim(connection)
    with journal.database.writing() as connection:
        assert hand("x", 1).begin(connection, "a")
    with journal.database.writing() as connection:
        assert hand("y", 70).claim(connection) == "a"
    with journal.database.writing() as connection:
        assert hand("x", 71).begin(connection, "a") is None
        hand("x", 71).end(connection, "a", 1, "lost")
    assert told(journal, "ended") == []


def test_a_member_that_was_taken_back_is_not_run(journal: SqlJournal, tmp_path: Path) -> None:
    """A worker that has claimed it finds that the fleet was paused, and runs nothing."""
    opened(journal, tmp_path)
    with journal.database.writing() as connection:
        assert hand("x", 0).claim(connection) == "a"
    ask(journal, "pause")
    worker(journal, tmp_path, slots=0, stopping=iter([False, True]).__next__).run()
    with journal.database.writing() as connection:
        assert hand("x", 1).begin(connection, "a") is None
    assert stands(journal) == {"a": Standing.WAITING, "b": Standing.WAITING}


def test_the_clock_of_the_tests_jumps() -> None:
    """A pause in which nothing happens takes no time."""
    clock = VirtualClock()
    clock.pause(NOW + timedelta(days=3))
    assert clock.now() == NOW + timedelta(days=3)
