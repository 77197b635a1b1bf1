"""The swarm is judged itself: with one safeguard of a rollout taken back, it must find the fault within ten minutes.

python -m tests.swarm.judged [NAME ...]; the names are those of mutants. Without any, eight in turn.
"""

from __future__ import annotations

import argparse
import os
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
_SEED = "1000"


def main() -> int:
    """Let the swarm look for each fault; return 1 if it misses one."""
    parser = argparse.ArgumentParser(prog="python -m tests.swarm.judged", description=__doc__)
    parser.add_argument("names", nargs="*", default=TAKEN_BACK)
    parser.add_argument("--minutes", default="10", help="for how long each is looked for, at most")
    parser.add_argument("--jobs", default=str(os.cpu_count()), help="cases that are run side by side")
    told = parser.parse_args()
    named = [mutant for mutant in MUTANTS if mutant.name in told.names]
    found = [_finds(mutant, "--minutes", told.minutes, "--jobs", told.jobs) for mutant in named]
    return not (found and all(found))


def _finds(mutant: Mutant, *options: str) -> bool:
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="rollout-swarm-") as name:
        folder = Path(name)
        shadow(folder, mutant.file, mutant.text(PROJECT))
        ran = subprocess.run(
            [sys.executable, "-m", "tests.swarm", *options, "--seed", _SEED, "--first", "--quick"],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(folder)},
            capture_output=True,
            text=True,
            check=False,
        )
    finds = ran.returncode == 1 and ran.stdout.startswith("seed ")
    if finds:
        said = f"found within {time.monotonic() - began:.0f} s"
    else:
        said = f"the swarm itself failed ({ran.returncode})" if ran.returncode else "NOT found"
    sys.stdout.write(f"{mutant.name}: {said}\n{ran.stdout}{ran.stderr[-2000:]}\n")
    sys.stdout.flush()
    return finds


if __name__ == "__main__":
    sys.exit(main())
