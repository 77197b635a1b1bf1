"""Runs the command line in a process of its own, with nothing of the tester's environment."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Result:
    """How it ended."""

    code: int
    out: str
    err: str


def rollout(*arguments: str, cwd: Path, **environment: str) -> Result:
    """Run `rollout ARGUMENTS` in `cwd`, which is HOME too."""
    kept = {name: os.environ[name] for name in os.environ if name.startswith("COVERAGE")}
    ended = subprocess.run(
        [sys.executable, "-m", "rollout", *arguments],
        cwd=cwd,
        env={"PATH": os.defpath, "HOME": str(cwd), "LANG": "C.UTF-8", **kept, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return Result(ended.returncode, ended.stdout, ended.stderr)
