"""`rollout fleet`: what its commands print, write and refuse; workers and clusters are tested elsewhere."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from rollout.cli.screen.format import instant
from rollout.fleet.model import State, key
from rollout.journal import SqlJournal, open_journal
from rollout.model.decision import Halt
from rollout.model.reasons import Reason
from rollout.model.steering import Pause
from tests.cli.run import Result, rollout
from tests.fleet.test_spec import FLEET, MEMBER
from tests.fleet.virtual import ID, NOW, VirtualClock, look, script, worker
from tests.journal.samples import PLAN, later


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A fleet's file with its members' configurations, and a journal that is not there yet."""
    for name in "abcd":
        text = MEMBER.format(cluster=f"eks-{name}", region="eu-west-1")
        (tmp_path / f"{name}.yaml").write_text(_here(text, tmp_path), "utf-8")
    (tmp_path / "fleet.yaml").write_text(_here(FLEET, tmp_path), "utf-8")
    return tmp_path


def _here(text: str, folder: Path) -> str:
    return re.sub("sqlite:////[a-z]+/", f"sqlite:///{folder}/", text)


@pytest.fixture
def begun(place: Path) -> Path:
    """The same, and the fleet has begun."""
    assert fleet(place, "start").code == 0
    return place


def fleet(place: Path, *arguments: str) -> Result:
    return rollout("fleet", *arguments, cwd=place)


def work(place: Path, hours: float = 0, **codes: list[int | str]) -> None:
    """Let a worker work for a while, so many hours later."""
    script(place, **codes)
    with closing(open_journal(f"sqlite:///{place}/fleet.db", actor="tester")) as journal:
        turns = iter([False] * 40)
        clock = VirtualClock(NOW + timedelta(hours=hours))
        worker(journal, place, clock=clock, stopping=lambda: next(turns, True)).run()


def stands(place: Path) -> State:
    with closing(open_journal(f"sqlite:///{place}/fleet.db", actor="tester")) as journal:
        return look(journal)[0].state


def test_plan_says_who_is_in_which_wave(place: Path) -> None:
    """Waves, limits and the condition to stop; nothing is written."""
    ended = fleet(place, "plan")
    assert ended.code == 0, ended
    assert ended.out.splitlines()[:4] == [
        "wave 1 canary: 1 member, then a soak of 1h",
        "  a  eu-west-1  ami-0123456789abcdef0  a.yaml",
        "wave 2 some: 1 member",
        "  b  eu-west-1  ami-0123456789abcdef0  b.yaml",
    ]
    assert "wave 3 rest: after a person approves it, 2 members" in ended.out
    assert "a wave pauses when 1 member need a person" in ended.out
    assert ended.out.endswith(f"next: rollout fleet start --config {place}/fleet.yaml\n")
    assert not (place / "fleet.db").exists()


def test_start_is_idempotent(begun: Path) -> None:
    """The same file changes nothing; another text under the same name is refused."""
    again = fleet(begun, "start")
    assert (again.code, "had begun already" in again.out) == (0, True)
    file = begun / "fleet.yaml"
    file.write_text(file.read_text("utf-8").replace("soak: 1h", "soak: 2h"), "utf-8")
    other = fleet(begun, "start")
    assert other.code == 2
    assert f"fleet {ID} has begun with other waves" in other.err


def test_status_without_a_worker_says_so(begun: Path) -> None:
    """Each wave has its row, and the next command is a worker's."""
    lines = fleet(begun, "status").out.splitlines()
    assert lines[0] == "fleet january: running"
    assert [line.split()[:3] for line in lines[2:5]] == [
        ["canary", "waiting", "1"],
        ["some", "waiting", "1"],
        ["rest", "waiting", "2"],
    ]
    assert lines[-2:] == [
        "no worker takes the fleet's steps",
        f"  next: rollout fleet work --config {begun}/fleet.yaml",
    ]


def test_a_halted_member_is_told_with_its_commands(begun: Path) -> None:
    """Exit 1; why it needs a person, and what to type; the others say what they wait for."""
    work(begun, a=[1])
    told = fleet(begun, "status")
    assert told.code == 1
    assert "fleet january: paused (1 of its members need a person (a), and stop_when.halted is 1)" in told.out
    assert f"rollout fleet retry --config {begun}/fleet.yaml a or rollout fleet skip --config" in told.out
    why = fleet(begun, "why").out
    assert why.count("the fleet is paused: 1 of its members") == 3
    assert "a: halted: its rollout has not begun: what a says" in why


def test_a_person_brings_a_fleet_to_its_end(begun: Path) -> None:
    """By skip, resume and approve; each is in the history with who asked."""
    work(begun, a=[1])
    asked = (("skip", "a"), ("resume",), ("approve", "--wave", "rest"))
    assert [fleet(begun, *words).code for words in asked] == [0, 0, 0]
    work(begun)
    work(begun, hours=2)
    assert stands(begun) is State.DONE, fleet(begun, "status").out + fleet(begun, "events").out
    events = fleet(begun, "events").out
    for said in ("a is skipped, asked for by", "resumed, with what had failed", "wave rest may begin, asked for by"):
        assert said in events
    over = fleet(begun, "pause")
    assert (over.code, "fleet january is over: done" in over.err) == (2, True)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("skip", ""), "the member's name is empty"),
        (("skip", "nobody"), "fleet january has no member nobody"),
        (("retry", "a"), "a is waiting, and cannot be tried again"),
        (("resume",), "fleet january is running: there is nothing to resume"),
        (("approve", "--wave", "none"), "fleet january has no wave none"),
        (("status", "--fleet", "february"), "there is no fleet february in this journal"),
    ],
)
def test_what_cannot_be_is_refused_at_once(begun: Path, words: tuple[str, ...], says: str) -> None:
    """With exit 2 and the next command; nothing is asked for."""
    ended = fleet(begun, *words)
    assert ended.code == 2
    assert says in ended.err
    assert "  next: " in ended.err


def test_the_journal_alone_will_do(begun: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """From another host the fleet is found without its file: the newest that is unfinished."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    for words in (("status",), ("why",), ("events",), ("pause",)):
        ended = rollout("fleet", *words, "--database", f"sqlite:///{begun}/fleet.db", cwd=elsewhere)
        assert ended.code == 0, ended
    work(begun)
    assert stands(begun) is State.PAUSED


def test_a_worker_of_a_fleet_that_has_not_begun(place: Path) -> None:
    """It says what to type, and ends."""
    ended = fleet(place, "work")
    assert ended.code == 2
    assert "there is no fleet january in this journal" in ended.err


ROLLOUT = "20260105-080000-3f9a"


def member(place: Path, steer: Callable[[SqlJournal], None]) -> None:
    """Let member a's rollout have begun, with what somebody does to it; its run has ended with 1."""
    with closing(open_journal(f"sqlite:///{place}/fleet.db", actor="tester")) as journal:
        journal.begin(ROLLOUT, key(ID, "a"), PLAN, later(0))
        steer(journal)
    work(place, a=[1])


def pause(journal: SqlJournal) -> None:
    journal.steer(ROLLOUT, Pause(later(1), "ann@host"), None, later(2))


def halt(journal: SqlJournal) -> None:
    journal.halt(ROLLOUT, Halt(Reason.INSTANCES_NOT_IN_SERVICE, "no capacity", "look"), later(2))


def test_a_paused_member_is_resumed_not_retried(begun: Path) -> None:
    """A retry lifts no pause: what does is told, with the member's own configuration."""
    member(begun, pause)
    for verb, code in (("status", 1), ("why", 0)):
        told = fleet(begun, verb)
        assert (told.code, told.out.count("a: halted: ")) == (code, 1), told
        assert f"a: halted: rollout {ROLLOUT}: paused by a person since {instant(later(1))}\n" in told.out, told
        assert f"then: rollout resume --config {begun}/a.yaml {ROLLOUT} or rollout fleet skip --config" in told.out
        assert "fleet retry" not in told.out


@pytest.mark.parametrize(
    ("steer", "way"), [(pause, "rollout resume --config {place}/a.yaml {id}"), (halt, "rollout status {id} --config")]
)
def test_after_a_stop_what_is_unfinished_needs_a_person(
    begun: Path, steer: Callable[[SqlJournal], None], way: str
) -> None:
    """Exit 1, and no command of the fleet, which would be refused; a worker says it too."""
    member(begun, steer)
    assert fleet(begun, "stop").code == 0
    ended = fleet(begun, "work")
    assert ended.code == 0, ended
    assert f"fleet january is over: stopped\na: rollout {ROLLOUT} is unfinished\n  next: rollout status" in ended.out
    for verb, code in (("status", 1), ("why", 0)):
        told = fleet(begun, verb)
        assert (told.code, f"a: halted: rollout {ROLLOUT}" in told.out) == (code, True), told
        assert way.format(place=begun, id=ROLLOUT) in told.out, told
        assert not re.search("fleet (retry|skip|resume)", told.out), told


def test_after_a_stop_a_member_that_never_began_needs_nobody(begun: Path) -> None:
    """It was refused, and there is nothing left to do for it."""
    work(begun, a=[2])
    assert (fleet(begun, "status").code, fleet(begun, "stop").code, fleet(begun, "work").code) == (1, 0, 0)
    told = fleet(begun, "status")
    assert (told.code, "a: refused: its rollout has not begun" in told.out, "next" in told.out) == (0, True, False)


@pytest.mark.parametrize("verb", ["status", "why", "events", "pause"])
@pytest.mark.parametrize("begins", [False, True])
def test_a_fleet_that_is_not_there(place: Path, verb: str, *, begins: bool) -> None:
    """Without a journal, or in one of another fleet: exit 2, and the file that was given begins it."""
    (place / "fleet.yaml").rename(place / "march.yaml")
    file = place / "march.yaml"
    if begins:
        assert fleet(place, "start", "--config", "march.yaml").code == 0
        file.write_text(file.read_text("utf-8").replace("fleet: january", "fleet: march"), "utf-8")
    ended = fleet(place, verb, "--config", "march.yaml")
    assert (ended.code, ended.out) == (2, ""), ended
    assert ended.err.endswith(f"  next: rollout fleet start --config {file}\n"), ended
