"""Messages about a rollout: what they say, at most one for each event, and that a rollout goes on without them."""

from __future__ import annotations

import io
import logging
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from rollout.cli import options
from rollout.cli.monitoring import telling
from rollout.config import Metrics, Notify
from rollout.engine.runner import Progress
from rollout.errors import UserError
from rollout.journal import SqlJournal, open_journal
from rollout.model.decision import Advance, Halt, NodeWait
from rollout.model.machine import Phase, onward, step
from rollout.model.reasons import Reason
from rollout.model.record import Extension
from tests.cli import samples
from tests.cli.channel import SECRET, VARIABLE, Channel, listening


@pytest.fixture(autouse=True)
def options_of_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands are completed with what this process was told, and other tests tell it something."""
    monkeypatch.setattr(options, "_typed", options._Typed())


@pytest.fixture
def channel(monkeypatch: pytest.MonkeyPatch) -> Iterator[Channel]:
    """A service whose URL the variable has."""
    with listening() as made:
        monkeypatch.setenv(VARIABLE, made.url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield made


def run(
    journal: SqlJournal,
    *ticks: Callable[[], None],
    minute: float = 8,
    settings: Notify | None = None,
    hurried: bool = False,
) -> None:
    """Be the process that runs the rollout: tell of it as it stands, and after each of these ticks."""
    wanted = telling.Wanted(Metrics(), settings or Notify(variable=VARIABLE), lambda: hurried)

    def now() -> datetime:
        return samples.after(minute)

    with telling.told(wanted, journal, samples.ID, now, lambda _: None) as tell:
        for tick in (lambda: None, *ticks):
            tick()
            tell(Progress(journal.load(samples.ID), "anything"))


def halt(journal: SqlJournal, minute: float = 8) -> None:
    journal.halt(samples.ID, Halt(Reason.POD_DOES_NOT_END, "node x is stuck", "rollout resume"), samples.after(minute))


def advance(journal: SqlJournal, minute: float = 8) -> None:
    on = onward(journal.load(samples.ID).phase)
    journal.advance(samples.ID, Advance("it holds", on), None, samples.after(minute))


def test_the_begin(channel: Channel, tmp_path: Path) -> None:
    """What began, on which cluster, what is true now, and what to type; no URL and no password."""
    run(samples.begun(tmp_path), minute=0)
    (message,) = channel.taken
    assert message["title"] == f"Rollout {samples.ID} of cluster eks-demo has begun"
    happened, now, then = message["message"].splitlines()
    assert happened == "rollout of ami-0000000b to workers of cluster eks-demo begun"
    assert now == "now: as the rollout last wrote it: sizes are as they were found; the rollout ends no protected pod"
    assert then == f"next: rollout status {samples.ID}"


def test_a_halt(channel: Channel, tmp_path: Path) -> None:
    """The reason, what is true now, what waiting costs, and the commands, as the screen has them."""
    journal = samples.draining(tmp_path)
    run(journal, lambda: halt(journal))
    message = channel.taken[-1]
    assert message["title"] == f"Rollout {samples.ID} of cluster eks-demo is halted: a person must act"
    assert message["type"] == "failure"
    lines = message["message"].splitlines()
    assert lines[0] == "halted (PodDoesNotEnd): node x is stuck"
    assert [line.partition(":")[0] for line in lines[1:]] == ["now", "waiting", "next", "or back to what was before"]


@pytest.mark.parametrize(("minute", "told"), [(111, False), (112.5, True), (126.9, True), (127.1, False)])
def test_jobs_at_risk(channel: Channel, tmp_path: Path, minute: float, *, told: bool) -> None:
    """Within the last 15 minutes before the drain deadline, while a node waits for Jobs."""
    run(samples.draining(tmp_path), minute=minute)
    assert channel.titles == ["kills Jobs soon"] * told
    if told:
        lines = channel.taken[0]["message"].splitlines()
        assert lines[0] == "1 node still waits for Jobs"
        assert lines[1].startswith("the drain deadline is 2026-01-05T10:07:00Z, in ")
        assert lines[2].endswith(" waits for pod demo/long of Job long")
        assert lines[3] == "at the deadline their pods are ended"
        assert lines[4] == f"next, for more time: rollout extend --by 1h {samples.ID}"


def test_of_many_nodes_some_are_named(channel: Channel, tmp_path: Path) -> None:
    """Ten of them; the rest is counted."""
    journal = samples.draining(tmp_path)
    more = tuple(samples.node(number) for number in range(3, 14))
    waits = [NodeWait(node.instance_id, "pod demo/x of Job x", Reason.JOBS_RUNNING) for node in more]
    journal.intend(samples.ID, (), (), waits, more, samples.after(100))
    run(journal, minute=120)
    lines = channel.taken[0]["message"].splitlines()
    assert lines[0] == "12 nodes still wait for Jobs"
    assert sum(" waits for pod demo/" in line for line in lines) == 10
    assert "and 2 more" in lines


def test_a_claim_that_fails_costs_no_other_message(
    channel: Channel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was due in the same look is told by the next one."""
    journal = samples.begun(tmp_path)
    halt(journal, 1)
    with closing(sqlite3.connect(tmp_path / "rollout.db", isolation_level=None)) as other:
        refuses = "NEW.kind = 'notified' AND NEW.text LIKE '%begin%'"
        other.execute(
            f"CREATE TRIGGER no_claim BEFORE INSERT ON events WHEN {refuses} BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    run(journal, lambda: None, minute=1)
    assert channel.titles == ["is halted: a person must act"]
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_node_that_waits_for_something_else_is_not_at_risk(channel: Channel, tmp_path: Path) -> None:
    """Its Jobs have ended: it waits for its turn, or for other nodes."""
    journal = samples.draining(tmp_path)
    waits = [NodeWait("i-1", "its turn", Reason.TURN)]
    journal.intend(samples.ID, (), (), waits, (), samples.after(100))
    run(journal, minute=120)
    assert channel.titles == []


def test_nobody_is_at_risk_where_a_deadline_halts(channel: Channel, tmp_path: Path) -> None:
    """Nothing is killed then: the message says that the rollout halts."""
    plan = replace(samples.PLAN, settings=replace(samples.SETTINGS, on_deadline="halt"))
    journal = samples.draining(tmp_path, plan)
    run(journal, minute=120)
    assert channel.titles == ["halts soon: Jobs still run"]
    assert "no Job is killed" in channel.taken[0]["message"]


def test_more_time_is_told_and_has_a_warning_of_its_own(channel: Channel, tmp_path: Path) -> None:
    """The extension is one message, and 15 minutes before the new deadline Jobs are at risk once more."""
    journal = samples.draining(tmp_path)

    def extend() -> None:
        asked = Extension(samples.after(120), "me@here", samples.after(187), "a long one")
        journal.extend(samples.ID, asked, samples.after(120))

    run(journal, extend, minute=120)
    run(journal, minute=180)
    assert channel.titles == ["kills Jobs soon", "gives Jobs more time", "kills Jobs soon"]
    assert channel.taken[1]["message"].startswith("the drain deadline is 2026-01-05 11:07:00 UTC now, asked for by me@")


def test_the_way_back_and_its_end(channel: Channel, tmp_path: Path) -> None:
    """That it turns round is one message, and that it was aborted another."""
    journal = samples.draining(tmp_path)

    def turn() -> None:
        record = journal.load(samples.ID)
        to = step(record.phase, "abort")
        back = replace(record.plan, direction="back")
        journal.advance(samples.ID, Advance("aborted by me", to, plan=back, turns=True), None, samples.after(8))

    def end() -> None:
        while journal.load(samples.ID).phase is not Phase.ABORTED:
            phase = journal.load(samples.ID).phase
            to = Phase.ABORTED if phase is Phase.RESTORE else onward(phase)
            until = samples.after(99) if to is Phase.DRAIN else None
            journal.advance(samples.ID, Advance("it holds", to, drain_deadline=until), None, samples.after(9))

    run(journal, turn, end)
    assert channel.titles[-2:] == ["goes back to what was before", "was aborted"]
    assert "aborted by me" in channel.taken[-2]["message"]
    assert channel.taken[-1]["message"].splitlines()[-1] == f"next: rollout report --markdown {samples.ID}"


def test_the_end(channel: Channel, tmp_path: Path) -> None:
    """What was done, and how to read all of it."""
    journal = samples.draining(tmp_path)
    run(journal, lambda: advance(journal), lambda: advance(journal))
    assert channel.titles[-1] == "is done"
    assert channel.taken[-1]["type"] == "success"
    assert channel.taken[-1]["message"].startswith("done: 0 nodes replaced by ami-0000000b in 8m")


def test_only_what_is_asked_for(channel: Channel, tmp_path: Path) -> None:
    """`events` names what is told; all else is not, and is not claimed."""
    journal = samples.draining(tmp_path)
    run(journal, lambda: halt(journal), settings=Notify(variable=VARIABLE, events=("halt",)))
    assert channel.titles == ["is halted: a person must act"]


def test_an_event_is_told_once(channel: Channel, tmp_path: Path) -> None:
    """Neither a resumed run nor another process tells what was told before; the history has each message."""
    journal = samples.draining(tmp_path)
    run(journal, lambda: halt(journal))
    first = len(channel.taken)
    run(journal)
    with closing(open_journal(samples.url(tmp_path), actor="another@there")) as another:
        run(another)
    assert len(channel.taken) == first
    claims = [event for event in journal.events(samples.ID) if event.kind == "notified"]
    assert len(claims) == first
    halted = next(event.seq for event in journal.events(samples.ID) if event.kind == "halted")
    assert claims[-1].text == f"a message is sent: halt, for event {halted}"
    assert journal.verify(samples.ID)[1] == ()


def test_who_died_after_the_claim_has_told_it(channel: Channel, tmp_path: Path) -> None:
    """Whether the message left nobody knows: it is not sent a second time."""
    journal = samples.begun(tmp_path)
    journal.note(samples.ID, "notified", "a message is sent: begin, for event 1", samples.after(0))
    run(journal, minute=1)
    assert channel.taken == []


def test_what_is_not_claimed_is_not_sent(channel: Channel, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A journal that takes no claim gets no message out: one warning, and the run goes on."""
    journal = samples.begun(tmp_path)
    with closing(sqlite3.connect(tmp_path / "rollout.db", isolation_level=None)) as other:
        other.execute("CREATE TRIGGER no_claims BEFORE INSERT ON events BEGIN SELECT RAISE(ABORT, 'no'); END")
    run(journal, lambda: None, lambda: None, minute=1)
    assert channel.taken == []
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("warning: a message is not sent: ")


def test_old_news_are_none(channel: Channel, tmp_path: Path) -> None:
    """Who switches messages on in the middle of a rollout does not get all that came before."""
    run(samples.draining(tmp_path), minute=60)
    assert channel.taken == []


def test_a_halt_that_was_resumed_is_not_told(channel: Channel, tmp_path: Path) -> None:
    """Of one that nobody told, and that does not stand any more, nothing is said."""
    journal = samples.draining(tmp_path)
    halt(journal)
    journal.resume(samples.ID, None, samples.after(9))
    run(journal, minute=9)
    assert "is halted: a person must act" not in channel.titles


def ends_at_a_halt(journal: SqlJournal, *answers: Callable[[], object]) -> None:
    """Be a run that halts: its last tick tells of the rollout as it was before. `answers`: what follows at once."""
    before = journal.load(samples.ID)

    def now() -> datetime:
        return samples.after(8)

    wanted = telling.Wanted(Metrics(), Notify(variable=VARIABLE))
    with telling.told(wanted, journal, samples.ID, now, lambda _: None) as tell:
        halt(journal)
        tell(Progress(before, "it halts"))
        for answer in answers:
            answer()
            tell(Progress(journal.load(samples.ID), "it goes on"))


def test_a_halt_that_is_answered_at_once_is_not_told(channel: Channel, tmp_path: Path) -> None:
    """No person must act. One that nobody answers is told at the end of the run."""
    journal = samples.draining(tmp_path)
    ends_at_a_halt(journal, lambda: journal.resume(samples.ID, None, samples.after(8)))
    assert "is halted: a person must act" not in channel.titles
    ends_at_a_halt(journal)
    assert channel.titles[-1] == "is halted: a person must act"


def test_a_halt_that_a_crash_left_is_told_by_the_next_process_where_it_stands(channel: Channel, tmp_path: Path) -> None:
    """Who died between the halt and its answer has claimed nothing."""
    journal = samples.draining(tmp_path)

    def dies() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ends_at_a_halt(journal, dies)
    assert "is halted: a person must act" not in channel.titles
    run(journal)
    assert channel.titles[-1] == "is halted: a person must act"


def test_a_service_that_refuses(channel: Channel, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One warning names the URL by its number, and the run goes on; the URL is nowhere."""
    channel.answers = 500
    journal = samples.draining(tmp_path)
    run(journal, lambda: halt(journal))
    ended = capsys.readouterr()
    (line,) = ended.err.splitlines()
    assert line.startswith(f"warning: a message was not sent to URL 1 of the environment variable {VARIABLE}: ")
    assert SECRET not in ended.err + ended.out


@pytest.mark.parametrize(("hurried", "seconds"), [(False, 8.0), (True, 4.0)])
def test_a_service_that_is_silent(
    channel: Channel, tmp_path: Path, capsys: pytest.CaptureFixture[str], *, hurried: bool, seconds: float
) -> None:
    """No tick waits for it, the end only for seconds, and less after a signal; another service has its messages."""
    channel.open.clear()
    journal = samples.begun(tmp_path)
    began = time.monotonic()
    ticks: list[float] = []
    run(journal, lambda: ticks.append(time.monotonic()), lambda: halt(journal), minute=1, hurried=hurried)
    assert time.monotonic() - began < seconds
    assert ticks[0] - began < 1.5
    assert "warning: a message was not sent" in capsys.readouterr().err


def test_no_more_wait_than_the_queue_holds(channel: Channel, tmp_path: Path) -> None:
    """A service that hangs while a rollout halts again and again fills no memory: the rest is left out."""
    channel.open.clear()
    journal = samples.draining(tmp_path)

    def again() -> None:
        halt(journal)
        journal.resume(samples.ID, None, samples.after(8))

    def told() -> None:
        halt(journal)

    steps: list[Callable[[], None]] = []
    for _ in range(15):
        steps += [told, lambda: journal.resume(samples.ID, None, samples.after(8))]
    run(journal, *steps, hurried=True)
    channel.open.set()
    assert len([event for event in journal.events(samples.ID) if event.kind == "notified"]) > 12
    assert len(channel.taken) <= 10


@pytest.mark.parametrize("url", ["nonsense-with-a-secret", "slack://only-one-token", "nosuch://a/b", "json://"])
def test_a_url_that_means_nothing(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """It is refused (exit 2) by its number; the URL is not shown."""
    monkeypatch.setenv(VARIABLE, f"json://127.0.0.1:1/{SECRET} {url}")
    with pytest.raises(UserError) as refusal:
        telling.require(Notify(variable=VARIABLE))
    assert refusal.value.exit_code == 2
    told = f"{refusal.value.problem} {refusal.value.hint}"
    assert f"URL 2 of the environment variable {VARIABLE}" in told
    assert url not in told
    assert SECRET not in told


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (Notify(variable="NOT_SET_ANYWHERE"), "the environment variable NOT_SET_ANYWHERE"),
        (Notify(file=Path("/nowhere/urls")), "cannot be read: No such file or directory"),
    ],
    ids=["variable", "file"],
)
def test_no_url_at_all(settings: Notify, told: str) -> None:
    """What the configuration names must be there before anything begins."""
    with pytest.raises(UserError, match="notify") as refusal:
        telling.require(settings)
    assert told in refusal.value.problem


def test_the_extra_is_missing(monkeypatch: pytest.MonkeyPatch, channel: Channel) -> None:
    """It is said what to install, before anything begins."""
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(UserError, match="its library is missing") as refusal:
        telling.require(Notify(variable=VARIABLE))
    assert refusal.value.hint == "pip install 'apprise>=2.3'"


def test_urls_from_a_file(channel: Channel, tmp_path: Path) -> None:
    """One in a line; comments and empty lines are none."""
    file = tmp_path / "urls"
    file.write_text(f"# the team's channel\n\n{channel.url}\n{channel.url}?format=text\n")
    run(samples.begun(tmp_path), minute=0, settings=Notify(file=file))
    assert channel.titles == ["has begun", "has begun"]


def test_a_rollout_that_runs_goes_on_without_a_url(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Who resumes where the variable is not set gets a warning, once."""
    journal = samples.draining(tmp_path)
    run(journal, lambda: halt(journal), settings=Notify(variable="NOT_SET_ANYWHERE"))
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("warning: no messages are sent: the environment variable NOT_SET_ANYWHERE")


def test_a_url_is_nowhere(
    channel: Channel, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not in the journal, not on the screen, and not in what Apprise logs, also where the service refuses.

    The name of a channel is no secret: hidden, it would be missing in texts about a cluster of that name.
    """
    channel.answers = 403
    monkeypatch.setenv(VARIABLE, f"{channel.url}/eks-production-eu-west-1")
    logged = io.StringIO()
    handler = logging.StreamHandler(logged)
    logging.root.addHandler(handler)  # as `--log-format json` does
    logging.getLogger("apprise").setLevel(logging.DEBUG)
    journal = samples.draining(tmp_path)
    try:
        run(journal, lambda: halt(journal))
    finally:
        logging.root.removeHandler(handler)
    assert channel.taken
    ended = capsys.readouterr()
    assert SECRET not in ended.out + ended.err + logged.getvalue()
    journal.note(samples.ID, "note", f"somebody quotes {channel.url} or {SECRET}", samples.after(9))
    journal.note(samples.ID, "note", "cluster eks-production-eu-west-1 is named", samples.after(9))
    assert journal.events(samples.ID)[-1].text == "cluster eks-production-eu-west-1 is named"
    with closing(sqlite3.connect(tmp_path / "rollout.db")) as database:
        assert SECRET not in "\n".join(database.iterdump())
