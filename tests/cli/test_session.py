"""What `start` and `resume` share: signals that ask for an end, and names for people."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollout.cli import session, stopping


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Leave the test process's own handlers as they were."""
    before = {number: signal.getsignal(number) for number in stopping.ASKED}
    for number in stopping.ASKED:  # one that started us may have had them ignored, and so would our children
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", stopping.ASKED)
def test_a_signal_asks_for_an_end_and_ends_a_wait(number: int) -> None:
    """Inside the block a signal interrupts nothing: it is remembered, and it ends a wait."""
    woken: list[bool] = []
    with session.heard() as signals:
        signals.wake = lambda: woken.append(True)
        assert not signals.came()
        os.kill(os.getpid(), number)
        assert signals.came()
    assert woken == [True]


def test_who_was_asked_to_stop_is_not_cut_short_on_the_way_out() -> None:
    """After a signal further ones are ignored, also after the block: only the end of the process follows it."""
    with session.heard():
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGINT)


def test_a_hang_up_that_nohup_ignores_stays_ignored() -> None:
    """A start with nohup means that the process must outlive the terminal; SIGTERM still asks it to end."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with session.heard() as signals:
        os.kill(os.getpid(), signal.SIGHUP)
        assert not signals.came()
        os.kill(os.getpid(), signal.SIGTERM)
        assert signals.came()


@pytest.mark.parametrize("number", stopping.ASKED)
def test_a_signal_before_anything_was_begun_is_exit_75(tmp_path: Path, number: int) -> None:
    """While libraries are loaded, and in a command that only looks: one line, the next command, no traceback."""
    hook = "import sys, os; sys.addaudithook(lambda event, args: event == 'import' and args[0] == LIBRARY and KILL)\n"
    for library in ("typer", "sqlalchemy"):
        kill = f"os.kill(os.getpid(), {number})"
        program = hook.replace("LIBRARY", repr(library)).replace("KILL", kill)
        program += "from rollout.__main__ import main\n"
        program += f"sys.argv = ['rollout', 'list', '--database', 'sqlite:///{tmp_path}/rollout.db']\nmain()"
        ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
        told = f"rollout: interrupted by {signal.Signals(number).name}\n  next: run the same command again\n"
        assert (ended.returncode, ended.stdout, ended.stderr) == (75, "", told), library


@pytest.mark.parametrize("number", stopping.ASKED)
@pytest.mark.parametrize("asked", ["gone = weakref.ref(One(), ask)", "ask()\nexcept BaseException: ask()"])
def test_no_signal_is_lost_where_python_drops_errors_or_we_are_leaving(number: int, asked: str) -> None:
    """What a handler raises in a destructor reaches nobody, and who asks twice means it: we leave at once with 75."""
    program = "import os, weakref\nfrom rollout.cli import stopping\nclass One: pass\n"
    program += f"def ask(_one=None): os.kill(os.getpid(), {number})\n"
    program += f"stopping.hear()\ntry: {asked}\nfinally: print('went on')"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (75, "", f"{stopping.told(number)}\n")


def test_nothing_is_loaded_before_signals_are_heard() -> None:
    """Until then Ctrl-C is the interpreter's: a traceback, and another exit code."""
    program = "import sys; before = set(sys.modules); import rollout.__main__; print(*set(sys.modules) - before)"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    ours = {"rollout", "rollout.__main__", "rollout.cli", "rollout.cli.stopping"}
    assert set(ended.stdout.split()) <= ours | {"__future__", "gc"}


def test_signals_mean_what_they_meant_before() -> None:
    """After a block in which none came the handlers are those of before."""
    before = signal.getsignal(signal.SIGINT)
    with session.heard():
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before


def test_the_actor_is_user_and_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """Events name who works; an account without a name is no reason not to."""
    monkeypatch.setenv("LOGNAME", "jenkins")
    assert session.actor().startswith("jenkins@")
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000_001)
    assert session.actor().startswith("uid-4000000001@")
