"""What an operator is told of a fault of ours, and where its traceback goes.

The rollout itself is safe: its journal is left as after a crash, and the next start goes on from it.
"""

from __future__ import annotations

import os
import tempfile
import traceback
from datetime import UTC, datetime
from pathlib import Path


def told(error: Exception) -> str:
    """Save the traceback and return what to print."""
    from rollout import __version__

    last = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{Path(last.filename).name}:{last.lineno}"
    return (
        f"rollout: this is a bug in rollout {__version__}: {type(error).__name__} at {where}\n"
        f"  the traceback is in {_saved(error)}; nothing that was written down is lost\n"
        "  next: run the same command again, and report the file"
    )


def _saved(error: Exception) -> Path:
    """Write the traceback to the state folder, or else to a temporary file: 0600, without secrets."""
    text = "".join(map(_scrubbed, "".join(traceback.format_exception(error)).splitlines()))
    try:
        from platformdirs import user_state_path

        folder = user_state_path("eks-rollout") / "crashes"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = folder / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{os.getpid()}.txt"
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except OSError:
        descriptor, name = tempfile.mkstemp(prefix="rollout-crash-", suffix=".txt")
        path = Path(name)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def _scrubbed(line: str) -> str:
    from rollout.redaction import redacted

    return f"{line[: len(line) - len(line.lstrip())]}{redacted(line)}\n"
