"""One simulator for each test module, and an edge that is connected to it; faults never outlive a test."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from rollout.adapters import Edge, connect
from tests.adapters.living import RUN, Living, living, trusting


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reads that are repeated do not pause in between."""
    hasty = SimpleNamespace(sleep=lambda _seconds: None, time=time.time)
    monkeypatch.setattr("botocore.endpoint.time", hasty)
    monkeypatch.setattr("urllib3.util.retry.time", hasty)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Living]:
    """A simulator that runs for the whole module."""
    with living(tmp_path_factory.mktemp("simulator")) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def edge(running: Living) -> Iterator[Edge]:
    """Everything connected, for the whole module."""
    with connect(running.config(), RUN) as connected:
        yield trusting(connected)


@pytest.fixture
def world(running: Living) -> Iterator[Living]:
    """The module's simulator, with no fault in force when the test is over."""
    yield running
    running.mend()
