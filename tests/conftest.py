"""What holds for all tests: how chance is treated, what a run says of itself, and one Postgres server for it."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from rollout.cli import stopping
from tests import swift
from tests.postgres import Server, running

if _SWIFT := swift.folder():
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_SWIFT))  # tmp_path lies there, for all workers
pytest_plugins = ["tests.proof.selection", "tests.ordering"]  # a run may take a part of the proof, long tests first
pytest.register_assert_rewrite("tests.e2e.proving")  # its asserts speak like those of a test
settings.register_profile("patient", deadline=None)  # a machine that is busy with other work is no fault of ours
settings.load_profile("patient")
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell has started this in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)  # what tests start hears Ctrl-C


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Do not count as covered what only chance reaches: the gate would open on one day and not on the next."""
    for item in items:
        if isinstance(item, pytest.Function) and getattr(item.obj, "is_hypothesis_test", False):
            item.add_marker("no_cover")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which API servers the Kubernetes facts were put to."""
    asked = "the simulator and a real API server (ROLLOUT_TEST_KUBECONFIG)"
    alone = "the simulator alone; with ROLLOUT_TEST_KUBECONFIG=FILE a real API server answers them too"
    terminalreporter.write_line(f"Kubernetes facts: {asked if os.environ.get('ROLLOUT_TEST_KUBECONFIG') else alone}")


#: What this process does with signals when it begins.
_SIGNALS = {number: signal.getsignal(number) for number in stopping.ASKED}


@pytest.fixture(autouse=True)
def _signals_as_they_were() -> Iterator[None]:
    """Undo what a test, or a fixture of many, made of signals: what is ignored, each program started later ignores."""
    _hear_as_at_first()
    yield
    _hear_as_at_first()


def _hear_as_at_first() -> None:
    for number, handler in _SIGNALS.items():
        signal.signal(number, handler)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A running server. It is never skipped: a journal on Postgres that was not tried is not known to work."""
    with tempfile.TemporaryDirectory(prefix="rollout-postgres-", dir=_SWIFT) as name:
        folder = Path(name)
        folder.chmod(0o755)  # the server's user passes through it
        with running(folder) as server:
            yield server
