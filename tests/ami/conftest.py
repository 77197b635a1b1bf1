"""Both accounts with images, once for each module."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager

import pytest

from tests.ami import shelves
from tests.ami.shelves import Shelf


@pytest.fixture(scope="module", params=["simulator", "moto"])
def shelf(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    """Each of the two implementations in turn."""
    place = tmp_path_factory.mktemp("shelf")
    running: AbstractContextManager[Shelf]
    running = shelves.simulator(place) if request.param == "simulator" else shelves.moto()
    with running as found:
        yield found
