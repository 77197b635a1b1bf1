"""The swarm is judged itself: with one safeguard of a rollout taken back, it must find the fault within ten minutes.

python -m tests.swarm.judged [NAME ...]; the names are those of mutants. Without any, eight in turn.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.proof.mutants.mutant import Mutant
from tests.proof.mutants.shadow import PROJECT, shadow
from tests.proof.mutants.table import MUTANTS

#: Safeguards, by the mutants that take them back.
TAKEN_BACK = (
    "a-cordoned-node-serves",
    "autoscaler-left-at-zero",
    "cordoned-though-too-few-serve",
    "evicted-into-nothing",
    "killed-before-the-deadline",
    "replicas-together",
    "restore-without-merge",
    "resumed-though-found-suspended",
)
_SEED = 1000


def main() -> int:
    """Let the swarm look for each fault; return 1 if it misses one."""
    parser = argparse.ArgumentParser(prog="python -m tests.swarm.judged", description=__doc__)
    parser.add_argument("names", nargs="*", default=TAKEN_BACK)
    parser.add_argument("--minutes", type=float, default=10, help="for how long each is looked for, at most")
    parser.add_argument("--jobs", default=str(os.cpu_count()), help="cases that are run side by side")
    told = parser.parse_args()
    named = [mutant for mutant in MUTANTS if mutant.name in told.names]
    found = [_finds(mutant, told.minutes, "--jobs", told.jobs) for mutant in named]
    return not (found and all(found))


def _finds(mutant: Mutant, minutes: float, *options: str) -> bool:
    """Look for the fault from seed to seed; what the whole product has too is not it, and the search goes on."""
    began, seed = time.monotonic(), _SEED
    with tempfile.TemporaryDirectory(prefix="rollout-swarm-") as name:
        folder = Path(name)
        shadow(folder, mutant.file, mutant.text(PROJECT))
        while True:
            left = minutes - (time.monotonic() - began) / 60
            ran = _swarm(folder, seed, *options, "--minutes", f"{left:.2f}")
            found = re.search(r"^seed (\d+): ", ran.stdout, re.MULTILINE) if ran.returncode == 1 else None
            if found is None or _swarm(PROJECT, int(found[1]), "--jobs", "1").returncode == 0:
                break
            sys.stdout.write(f"{mutant.name}: seed {found[1]} fails without it, too\n{ran.stdout}\n")
            seed = int(found[1]) + 1
    if found:
        said = f"found within {time.monotonic() - began:.0f} s, {int(found[1]) - _SEED + 1} worlds"
    else:
        said = f"the swarm itself failed ({ran.returncode})" if ran.returncode else "NOT found"
    sys.stdout.write(f"{mutant.name}: {said}, {_cpu():.0f} s of CPU by now\n{ran.stdout}{ran.stderr[-2000:]}\n")
    sys.stdout.flush()
    return bool(found)


def _cpu() -> float:
    """Return the seconds of CPU that all runs took, so far: those of the clock say little on a busy machine."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _swarm(folder: Path, seed: int, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.swarm", *options, "--seed", str(seed), "--first", "--quick"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


if __name__ == "__main__":
    sys.exit(main())
