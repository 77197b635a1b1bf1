"""One simulator for each test module, and an edge that is connected to it; faults never outlive a test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.adapters.living import RUN, Living, living

from rollout.adapters import Edge, connect


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Living]:
    """A simulator that runs for the whole module."""
    with living(tmp_path_factory.mktemp("simulator")) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def edge(running: Living) -> Iterator[Edge]:
    """Everything connected, for the whole module."""
    with connect(running.config(), RUN) as connected:
        yield connected


@pytest.fixture
def world(running: Living) -> Iterator[Living]:
    """The module's simulator, with no fault in force when the test is over."""
    yield running
    running.mend()
