"""The swarm is judged itself: with one safeguard of a rollout taken back, it must find the fault within ten minutes.

python -m tests.swarm.judged [NAME ...]; the names are those of mutants. Without any, all in turn.
"""

from __future__ import annotations

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
_MINUTES, _SEED = 10, 1000


def main() -> int:
    """Let the swarm look for each fault; return 1 if it misses one."""
    named = sys.argv[1:] or TAKEN_BACK
    found = [_finds(mutant) for mutant in MUTANTS if mutant.name in named]
    return not (found and all(found))


def _finds(mutant: Mutant) -> bool:
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="rollout-swarm-") as name:
        folder = Path(name)
        shadow(folder, mutant.file, mutant.text(PROJECT))
        command = ["--minutes", str(_MINUTES), "--seed", str(_SEED), "--first", "--quick"]
        ran = subprocess.run(
            [sys.executable, "-m", "tests.swarm", *command],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(folder)},
            capture_output=True,
            text=True,
            check=False,
        )
    finds = ran.returncode == 1 and ran.stdout.startswith("seed ")
    said = f"found within {time.monotonic() - began:.0f} s" if finds else "NOT found"
    sys.stdout.write(f"{mutant.name}: {said}\n{ran.stdout}{ran.stderr[-2000:]}\n")
    sys.stdout.flush()
    return finds


if __name__ == "__main__":
    sys.exit(main())
