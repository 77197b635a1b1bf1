"""How good forecasts are: python -m tests.swarm.forecasting [--worlds N] [--seed S] [--history] [SCENARIO ...].

In each random world a plan is made, then its first rollout runs as in the swarm, with people who meddle, bad luck and
kills. A line for each says what was foretold and what came. With scenarios, these run instead, and nothing is added.
With --history the worlds are quiet ones, in which Jobs like those that run have ended before.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import swift
from tests.proof import cases as proof
from tests.proof.engines import Sqlite
from tests.proof.forkserver import Forkserver
from tests.proof.world import ProofWorld, proof_world
from tests.swarm.case import Case
from tests.swarm.generating import NEW, case
from tests.swarm.judging import Rollout
from tests.swarm.running import Outcome, _Runs


@dataclass(frozen=True, slots=True)
class Judged:
    """One forecast, and what came. `seconds`: from the plan to the end of the rollout; `halts`: how many there were."""

    name: str
    ending: str
    halts: int
    p10: float = 0.0
    p50: float = 0.0
    p90: float = 0.0
    seconds: float = 0.0

    @property
    def inside(self) -> bool:
        """It ended between p10 and p90."""
        return self.p10 <= self.seconds <= self.p90

    @property
    def off(self) -> float:
        """By how much of what came p50 was off."""
        return abs(self.p50 - self.seconds) / self.seconds

    def __str__(self) -> str:
        foretold = f"p10 {self.p10:6.0f}  p50 {self.p50:6.0f}  p90 {self.p90:6.0f}  came {self.seconds:6.0f}"
        told = f"{foretold}  {'inside ' if self.inside else 'outside'}  p50 off by {self.off:4.0%}" if self.p50 else ""
        return f"{self.name:16} {self.ending:8} {self.halts} halts  {told}"


def _told(case: Case, world: ProofWorld) -> Judged:
    outcome = Outcome(case.seed)
    runs = _Runs(case, world, outcome)
    rollout = Rollout(case.images[0], "swarm-0", parallel=1)
    arguments = ("plan", "--config", "rollout.yaml", "--ami", case.images[0], "--database", world.url, "--json")
    planned = world.fork(arguments, ("tests.swarm.child:hurried", {})).finish()
    began = runs._now()
    ending = runs._rollout(rollout)
    name = case.world.get("name", "")
    if planned.code or ending != "done":
        return Judged(name, ending if not planned.code else f"plan {planned.code}", len(outcome.halts))
    fields: dict[str, Any] = json.loads(planned.out)
    found = fields["forecast"]["seconds"]
    return Judged(name, ending, len(outcome.halts), found["p10"], found["p50"], found["p90"], runs._now() - began)


def judged(cases: Iterator[tuple[Case, str]], folder: Path) -> Iterator[Judged]:
    """Run each case's first rollout after a plan; `str`: its scenario, by name or as a file."""
    with closing(Forkserver()) as forkserver:
        engine = Sqlite(folder)
        for one, scenario in cases:
            with proof_world(proof.Case("swarm", scenario), engine, forkserver, folder) as world:
                yield _told(one, world)


def _worlds(seed: int, worlds: int, folder: Path) -> Iterator[tuple[Case, str]]:
    for number in range(seed, seed + worlds):
        one = case(number, operated=False)
        path = folder / f"swarm-{number}.yaml"
        path.write_text(one.text(), "utf-8")
        yield one, str(path)


def _quiet(seed: int, worlds: int, folder: Path) -> Iterator[tuple[Case, str]]:
    """Worlds in which one Job after the other begins: some have ended by now, others run, and some are yet to come."""
    for number in range(seed, seed + worlds):
        path = folder / f"quiet-{number}.yaml"
        jobs = "{name: nightly, namespace: demo, count: 24, runtime: 20m..40m, start: -7000, stagger: 400}"
        path.write_text(f"base: demo\nseed: {number}\nwarm_up: 7200\nworkloads: {{jobs: [{jobs}]}}\n", "utf-8")
        yield Case(0, {"name": path.stem}, (NEW,)), str(path)


def main() -> None:
    """Run what is asked for; print a line for each, and how good all of them were."""
    parser = argparse.ArgumentParser(prog="python -m tests.swarm.forecasting", description=__doc__)
    parser.add_argument("scenarios", nargs="*", help="shipped scenarios")
    parser.add_argument("--worlds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--history", action="store_true")
    told = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="rollout-forecasts-", dir=swift.folder()))
    named = ((Case(0, {"name": name}, (NEW,)), name) for name in told.scenarios)
    found = []
    worlds = (_quiet if told.history else _worlds)(told.seed, told.worlds, folder)
    for one in judged(named if told.scenarios else worlds, folder):
        found.append(one)
        print(one, flush=True)  # noqa: T201
    shutil.rmtree(folder)
    for name, some in (("all", found), ("without a halt", [one for one in found if not one.halts])):
        done = [one for one in some if one.p50]
        if done:
            inside, off = sum(one.inside for one in done), statistics.median(one.off for one in done)
            print(f"{name}: {len(done)} done, {inside} of them between p10 and p90; p50 off by {off:.0%} in the median")  # noqa: T201


if __name__ == "__main__":
    main()
