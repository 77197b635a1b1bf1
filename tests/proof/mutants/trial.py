"""Tests run on a shadow of the project, by a pytest of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.proof.mutants.verdict import VERDICTS, End

#: Seconds after which a test hangs. Killers are quick.
TEST_SECONDS = 60
#: Seconds after which the whole pytest does.
TRIAL_SECONDS = 300

_OPTIONS = (
    *("-o", "addopts=--import-mode=importlib"),
    *("-p", "tests.proof.mutants.verdict", "-p", "pytest_timeout", "-p", "no:cacheprovider"),
    *("-q", "--tb=short", f"--timeout={TEST_SECONDS}"),
)


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of it: pytest's exit code, how each test ended, and what was printed."""

    code: int
    ends: dict[str, End]
    printed: str

    def of(self, test: str) -> set[End]:
        """Return how the cases of a test ended; empty if none was run."""
        return {end for node, end in self.ends.items() if node == test or node.startswith(f"{test}[")}


def trial(folder: Path, tests: tuple[str, ...]) -> Trial:
    """Run these tests in `folder`, one after the other."""
    verdicts = folder / "verdicts"
    verdicts.touch()
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", *_OPTIONS, *tests],
        cwd=folder,
        env=_environment(folder) | {VERDICTS: str(verdicts)},
        capture_output=True,
        text=True,
        timeout=TRIAL_SECONDS,
        check=False,
    )
    lines = verdicts.read_text(encoding="utf-8").splitlines()
    return Trial(ran.returncode, dict(json.loads(line) for line in lines), ran.stdout + ran.stderr)


def _environment(folder: Path) -> dict[str, str]:
    """Return our environment without what tells a pytest, or a coverage, that it is part of ours.

    No plugin is loaded that is not asked for: a fifth of the time of a trial.
    """
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV"))}
    return ours | {"PYTHONPATH": str(folder), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
