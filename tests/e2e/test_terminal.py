"""A whole rollout on a terminal, and somebody who watches it on another one."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.simulated import ROLLOUT, environment, simulator
from tests.terminal import terminal

#: The rollout stands here until somebody watches it.
FIRST_TERMINATE = {
    "match": {"operation": "TerminateInstanceInAutoScalingGroup", "nth": 1},
    "hang": {"when": "after"},
}


def shows(text: str) -> Callable[[list[str]], bool]:
    return lambda lines: any(text in line for line in lines)


@pytest.mark.parametrize(("columns", "lines"), [(80, 20), pytest.param(200, 50, marks=pytest.mark.exhaustive)])
def test_start_on_a_terminal_and_a_watcher(columns: int, lines: int, tmp_path: Path) -> None:
    """Both show the page to the end, in the world's time; no head of the chain is on the screen, and all of it fits."""
    with simulator("short", tmp_path) as world:
        around = environment(tmp_path, world.environment)
        start = [str(ROLLOUT), *world.start_arguments]
        watch = [str(ROLLOUT), "status", "--watch", "--config", "rollout.yaml"]
        world.post("/faults", FIRST_TERMINATE)
        with terminal(start, columns, lines, tmp_path, around) as first:
            world.get("/hung")
            first.until(shows("deadline in 1h"))
            with terminal(watch, columns, lines, tmp_path, around) as second:
                second.until(shows("deadline in 1h"))
                second.until(shows("run by process"))
                assert re.search(
                    r"^  drain +deadline \S+Z \(in 1h\d\dm\)$",
                    world.rollout("status", "--config", "rollout.yaml").out,
                    re.MULTILINE,
                )
                world.release()
                assert (first.ended(), second.ended()) == (0, 0)
        told = [*first.scrolled, *first.lines]
        assert not any(line.startswith("  head ") for line in told)
        (head,) = (line for line in told if line.startswith("rollout 2026"))
        for seen in (first.lines, second.lines):
            page = seen[seen.index(head) :]
            assert page[1].startswith("2026-01-05T")
            assert page[2].endswith("READY DRAIN RESTORE DONE")
            assert [line.split()[-1] for line in page[4:8]] == ["GONE"] * 4
            bar = "[####################] 2 of 2 nodes gone in eks_"
            assert page[8:10] == [f"{bar}batch-demo", f"{bar}worker-demo"]
            assert page[10].startswith(f"done: 4 nodes replaced by {world.ami} in ")
