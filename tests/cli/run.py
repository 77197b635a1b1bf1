"""Runs the command line in this process, with nothing of the tester's environment."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from rollout.cli import app


@dataclass(frozen=True)
class Result:
    """How it ended."""

    code: int
    out: str
    err: str


def rollout(*arguments: str, cwd: Path, **environment: str) -> Result:
    """Run `rollout ARGUMENTS` in `cwd`, which is HOME too."""
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.chdir(cwd),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        patch.dict(os.environ, {"PATH": os.defpath, "HOME": str(cwd), **environment}, clear=True),
        patch("sys.argv", ["rollout", *arguments]),
    ):
        try:
            app.main()
        except SystemExit as end:
            return Result(end.code if isinstance(end.code, int) else 0, out.getvalue(), err.getvalue())


def broken(home: Path, fault: str) -> tuple[str, Path]:
    """Run a command in a process of its own that comes upon a fault of ours; return its stderr and the file of it."""
    crash = (
        "from rollout.cli import app, options\n"
        "def broken(*args):\n"
        f"    raise RuntimeError({fault!r})\n"
        "options.journal_url = broken\n"
        "import sys\n"
        "sys.argv = ['rollout', 'list']\n"
        "app.main()\n"
    )
    environment = {"PATH": os.defpath, "HOME": str(home)}
    ended = subprocess.run([sys.executable, "-c", crash], env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 70
    (file,) = (home / ".local/state/eks-rollout/crashes").iterdir()
    return ended.stderr, file
