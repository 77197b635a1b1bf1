"""Measures the figures of the README, and prints them as its table: `make bench`.

Real time is this machine's; requests and simulated time are the same everywhere.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from rollout.commands import OURS
from rollout.demo.simulator_process import simulated

#: Of so many runs the median counts.
RUNS = 11


def main() -> None:
    """Print the figures, one line each."""
    print("| what | figure | command |")
    print("|---|---|---|")
    for scenario in ("scale-20", "scale-100"):
        print(_whole_rollout(scenario))
    print(_help())


def _whole_rollout(scenario: str) -> str:
    with tempfile.TemporaryDirectory() as folder, simulated(Path(folder), scenario) as world:
        seconds = _seconds([*OURS, *world.to_start(world.ami)])
        report = world.get("/report")
        tallies = [tally for client, tally in world.get("/requests").items() if client != "other"]
    reads, writes = (sum(tally[kind] for tally in tallies) for kind in ("reads", "writes"))
    nodes, hours = report["nodes"]["replaced"], report["seconds"] / 3600
    figure = f"{hours:.1f} simulated hours in {seconds:.0f} s; {reads:,} reads, {writes:,} writes"
    return f"| {nodes} nodes replaced | {figure} | scenario `{scenario}` |"


def _help() -> str:
    bare = _median([sys.executable, "-c", "pass"])
    ours = _median([Path(sys.executable).with_name("rollout"), "--help"])
    figure = f"{ours / bare:.0f} times a bare interpreter"
    return f"| help | {figure} | `rollout --help`, `python -c pass` |"


def _median(command: Sequence[str | Path]) -> float:
    return statistics.median(_seconds(command) for _ in range(RUNS))


def _seconds(arguments: Sequence[str | Path]) -> float:
    began = time.perf_counter()
    subprocess.run(arguments, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
