"""Runs the command line in this process, with nothing of the tester's environment."""

from __future__ import annotations

import contextlib
import io
import os
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
