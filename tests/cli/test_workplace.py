"""What `start` and `resume` share: signals that ask for an end, and names for people."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from rollout.cli import workplace


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Leave the test process's own handlers as they were."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_asks_for_an_end_and_ends_a_wait(number: signal.Signals) -> None:
    """Inside the block a signal interrupts nothing: it is remembered, and whoever waits is woken."""
    woken: list[bool] = []
    with workplace.heard() as signals:
        signals.wake = lambda: woken.append(True)
        assert not signals.came()
        os.kill(os.getpid(), number)
        assert signals.came()
    assert woken == [True]


def test_who_was_asked_to_stop_is_not_cut_short_on_the_way_out() -> None:
    """After a signal further ones are ignored, also after the block: only the end of the process follows it."""
    with workplace.heard():
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGINT)


def test_signals_mean_what_they_meant_before() -> None:
    """After a block in which none came the handlers are those of before."""
    before = signal.getsignal(signal.SIGINT)
    with workplace.heard():
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before


def test_the_actor_is_user_and_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """Events name who works; an account without a name is no reason not to."""
    monkeypatch.setenv("LOGNAME", "jenkins")
    assert workplace.actor().startswith("jenkins@")
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000_001)
    assert workplace.actor().startswith("uid-4000000001@")
