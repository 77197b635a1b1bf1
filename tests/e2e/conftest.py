"""One fixture: a function that runs a simulator for a scenario until the test ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.simulated import Simulated, simulator

Worlds = Callable[[str], Simulated]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Worlds]:
    """Run simulators, each in a folder of its own, until the test ends."""
    with ExitStack() as stack:

        def begin(scenario: str) -> Simulated:
            place = tmp_path / f"world-{len(list(tmp_path.iterdir()))}"
            return stack.enter_context(simulator(scenario, place))

        yield begin
