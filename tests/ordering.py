"""In which order a run takes its tests, so that no worker is left alone with a long one at the end.

A hook of pytest; tests/conftest.py makes it known. What may take longest, by its mark `timeout`, begins first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import pytest

One = TypeVar("One")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give each worker's share of the run some of the long tests, and those first."""
    workers = getattr(config, "workerinput", {}).get("workercount", 0)
    if workers:
        items[:] = shared(items, _limit, workers)


def shared(items: Sequence[One], limit: Callable[[One], float], workers: int) -> list[One]:
    """Return the items, reordered: xdist cuts them into shares of one length, and who has done his takes from others.

    `limit`: how long one may take, 0 for what is short; short ones stay beside each other, who share what they need.
    """
    long = sorted((one for one in items if limit(one)), key=limit, reverse=True)
    short = [one for one in items if not limit(one)]
    order: list[One] = []
    for worker, size in enumerate(_sizes(len(items), workers)):
        mine = long[worker::workers][:size]
        more, short = short[: size - len(mine)], short[size - len(mine) :]
        order += mine + more
    placed = {id(one) for one in order}
    return order + [one for one in items if id(one) not in placed]


def _sizes(count: int, workers: int) -> Iterator[int]:
    """Yield the lengths of the shares, as --dist=worksteal makes them."""
    for left in range(workers, 0, -1):
        yield count // left
        count -= count // left


def _limit(item: pytest.Item) -> float:
    mark = item.get_closest_marker("timeout")
    return float(mark.args[0]) if mark else 0
