"""Whole rollouts on a real API server, with exactly the rights of deploy/kubernetes/access.yaml; AWS is simulated."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.proving import is_proven
from tests.real_kube.servers import Server
from tests.real_kube.worlds import Real, world

pytestmark = [pytest.mark.real_kube, pytest.mark.timeout(600)]

#: Seconds for which the API server is away: longer than a lease of a node lasts.
AWAY = 45.0
#: Seconds for which nodes flap.
FLAPS = 15

Worlds = Callable[[str], AbstractContextManager[Real]]


@pytest.fixture
def worlds(server: Server, token: str, tmp_path: Path, words: list[str]) -> Worlds:
    """What runs a world, and has what came of it said at the end."""

    @contextmanager
    def begin(what: str) -> Iterator[Real]:
        began, found = time.monotonic(), None
        try:
            with world(server, tmp_path / "world", token) as found:
                yield found
        finally:
            words.append(f"{what}: {time.monotonic() - began:.0f} s")
            said = "" if found is None else found.after
            words.extend(f"  {line}" for line in said.splitlines() if "as it was" not in line)

    return begin


def drains(changes: list[dict[str, Any]]) -> bool:
    """Whether a pod has been evicted."""
    return any(one["verb"] == "POST pods/eviction" for one in changes)


def surged(changes: list[dict[str, Any]]) -> bool:
    """Whether an old node has been cordoned: the new ones are Ready."""
    return any(one["field"] == "spec.unschedulable" for one in changes)


def test_killed_in_mid_drain(worlds: Worlds) -> None:
    """Killed while an eviction is answered, and resumed, it ends with every promise kept."""
    with worlds("killed in mid-drain, and resumed") as real:
        real.post("/faults", {"match": {"operation": "POST pods/eviction", "nth": 1}, "hang": {"when": "after"}})
        real.kill_at(real.spawn(*real.start_arguments))
        resumed = real.ended(real.spawn("resume", "--config", "rollout.yaml"))
        assert resumed.code == 0, resumed
        is_proven(real)


def test_away_and_flapping_in_drain(worlds: Worlds, server: Server) -> None:
    """New nodes that flap, and an API server that is away in DRAIN until every lease is old, hurt nobody."""
    with worlds(f"new nodes not Ready for {FLAPS} s, and the API server away for {AWAY:.0f} s") as real:
        process = real.spawn(*real.start_arguments)
        real.until(surged)
        for group in ("workers", "batch"):
            real.post("/world", {"do": "not_ready", "group": group, "age": "newest", "lasts": FLAPS})
        real.until(drains)
        server.cable.cut()
        time.sleep(AWAY)
        server.cable.mend()
        ended = real.ended(process)
        assert ended.code == 0, ended
        is_proven(real)
