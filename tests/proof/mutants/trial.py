"""Tests run on a shadow of the project, by a pytest in a process of its own."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import dataclass
from pathlib import Path

from tests.proof.forkserver import Forkserver
from tests.proof.mutants import inside
from tests.proof.mutants.verdict import VERDICTS, End

#: Seconds after which a test hangs. Killers are quick.
TEST_SECONDS = 60
#: Seconds after which the whole pytest does.
TRIAL_SECONDS = 300

#: The name of the files of its output.
_OUTPUT = "trial"
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


def trial(forkserver: Forkserver, folder: Path, tests: tuple[str, ...]) -> Trial:
    """Run these tests in `folder`, one after the other, in a child of a forkserver that has loaded nothing of ours."""
    verdicts = folder / "verdicts"
    verdicts.touch()
    code = _ran(forkserver, folder, [*_OPTIONS, *tests], _environment(folder) | {VERDICTS: str(verdicts)})
    lines = verdicts.read_text(encoding="utf-8").splitlines()
    printed = "".join((folder / f"{_OUTPUT}.{kind}").read_text(encoding="utf-8") for kind in ("out", "err"))
    return Trial(code, dict(json.loads(line) for line in lines), printed)


def _ran(forkserver: Forkserver, folder: Path, arguments: list[str], environment: dict[str, str]) -> int:
    pid = forkserver.fork(f"{inside.__name__}:trial", folder, _OUTPUT, environment, arguments=arguments)
    code = forkserver.wait(pid, TRIAL_SECONDS)
    if code is None:
        os.kill(pid, signal.SIGKILL)
        forkserver.wait(pid, TRIAL_SECONDS)
        raise AssertionError(f"the trial has not ended after {TRIAL_SECONDS} s")
    return code


def _environment(folder: Path) -> dict[str, str]:
    """Return our environment without what tells a pytest, or a coverage, that it is part of ours.

    No plugin is loaded that is not asked for: a fifth of the time of a trial.
    """
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV"))}
    return ours | {"PYTHONPATH": str(folder), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
