"""Random worlds, one after the other: python -m tests.swarm [--minutes N] [--worlds N] [--seed S] [FILE ...].

Without minutes as many cases are run as are asked for, one if nothing is said: that of the seed and those after it, or
those in the files. One that fails is made smaller, and printed as
a scenario file with the command that repeats it.
"""

from __future__ import annotations

import argparse
import itertools
import os
import shutil
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

from tests import swift
from tests.postgres import running
from tests.proof.engines import Engine, Postgres, Sqlite
from tests.proof.forkserver import Forkserver
from tests.swarm.case import Case, read
from tests.swarm.generating import case
from tests.swarm.running import Outcome, run
from tests.swarm.shrinking import shrunk

#: Seconds of real time for which a failing case is made smaller, at most.
_SHRINKING = 120.0
# Alembic, which makes an engine's journal, is one thread's at a time.
_MAKING = threading.Lock()


class Swarm:
    """Runs cases and tells of each; `quick`: one that fails is told as it is. One for each thread."""

    def __init__(self, folder: Path, *, quick: bool) -> None:
        self._folder = folder
        self._forkserver = Forkserver()
        self._quick = quick
        self._started = ExitStack()
        with _MAKING:
            self._engines: dict[str, Engine] = {"sqlite": Sqlite(folder)}

    def of(self, case: Case) -> Outcome:
        """Run a case, say how it went, and where it fails, make it smaller."""
        outcome = self._run(case)
        if outcome.findings:
            findings = "".join(f"    {one}\n" for one in outcome.findings)
            _print(f"seed {case.seed}: {', '.join(outcome.endings)}\n{findings}")
            if not self._quick:
                self._tell(case, outcome.kinds)
        return outcome

    def _run(self, case: Case) -> Outcome:
        return run(case, self._forkserver, self._engine(case.engine), self._folder)

    def _engine(self, name: str) -> Engine:
        """Return the engine of this name; a server is started when it is needed first."""
        if name not in self._engines:
            place = self._folder / "server"
            place.mkdir(mode=0o755)
            server = self._started.enter_context(running(place))
            with _MAKING:
                self._engines[name] = Postgres(server)
        return self._engines[name]

    def _tell(self, case: Case, kinds: set[str]) -> None:
        smaller = shrunk(case, lambda one: bool(self._run(one).kinds & kinds), _SHRINKING)
        path = Path("build/swarm") / f"{case.seed}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(smaller.text(), "utf-8")
        again = f"make swarm SEED={case.seed} MINUTES=0; as it stands here: .venv/bin/python -m tests.swarm {path}"
        _print(f"{smaller.text()}# repeat it: {again}\n")

    def close(self) -> None:
        """End what was started."""
        self._forkserver.close()
        self._started.close()


def main() -> int:
    """Run what is asked for, say what came of it, and return 1 if something is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.swarm", description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, help="cases in files, as a failing seed is printed")
    parser.add_argument("--minutes", type=float, default=0, help="for how long cases are run, one after the other")
    parser.add_argument("--worlds", type=int, default=1, help="how many cases are run at least")
    parser.add_argument("--seed", default="1", help="a number, or any text: that of the first case")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="cases that are run side by side")
    parser.add_argument("--first", action="store_true", help="end with the first case that fails")
    parser.add_argument("--quick", action="store_true", help="do not make what fails smaller")
    told = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="rollout-swarm-", dir=swift.folder()))
    folder.chmod(0o755)  # a server's user passes through it
    began = time.monotonic()
    cases = map(read, told.files) if told.files else _cases(told.seed, told.worlds, began + 60 * told.minutes)
    outcomes = _all(cases, folder, told)
    _print(f"{_summary(outcomes, time.monotonic() - began)}\n")
    wrong = [one.seed for one in outcomes if one.findings]
    if wrong:
        _print(f"wrong: {', '.join(map(str, wrong))}; files: {folder}\n")
    else:
        shutil.rmtree(folder)
    return bool(wrong)


def _all(cases: Iterator[Case], folder: Path, told: argparse.Namespace) -> list[Outcome]:
    """Run the cases side by side, each thread the next one that there is; one alone where there is one."""
    outcomes: list[Outcome] = []
    lock = threading.Lock()
    first = list(itertools.islice(cases, told.jobs))
    rest = itertools.chain(first, cases)

    def work(number: int) -> None:
        place = folder / str(number)
        place.mkdir(mode=0o755)
        with closing(Swarm(place, quick=told.quick)) as swarm:
            while True:
                with lock:
                    found = None if told.first and any(one.findings for one in outcomes) else next(rest, None)
                if found is None:
                    return
                outcome = swarm.of(found)
                with lock:
                    outcomes.append(outcome)

    with ThreadPoolExecutor() as threads:
        for done in [threads.submit(work, number) for number in range(len(first))]:
            done.result()
    return outcomes


def _cases(seed: str, worlds: int, until: float) -> Iterator[Case]:
    """Yield the case of this seed and those after it: so many, and more until that moment."""
    first = int(seed) if seed.isdecimal() else zlib.crc32(seed.encode())
    for count in itertools.count():
        if count >= worlds and time.monotonic() >= until:
            return
        yield case(first + count)


def _summary(outcomes: Sequence[Outcome], seconds: float) -> str:
    endings = [ending for one in outcomes for ending in one.endings]
    counts = ", ".join(f"{endings.count(ending)} {ending}" for ending in sorted({*endings}))
    rate, runs, kills = (
        60 * len(outcomes) / seconds,
        sum(one.runs for one in outcomes),
        sum(one.kills for one in outcomes),
    )
    return (
        f"swarm: {len(outcomes)} worlds from seed {min(one.seed for one in outcomes)}, {rate:.1f} a minute; "
        f"{runs} runs, {kills} kills, {sum(one.hours for one in outcomes):.0f} simulated hours; rollouts: {counts}"
    )


def _print(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
