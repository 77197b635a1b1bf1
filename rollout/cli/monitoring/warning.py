"""What is said where monitoring fails: a line, and the rollout goes on."""

from __future__ import annotations

from rollout.cli import screen
from rollout.redaction import redacted


def warn(what: str, error: Exception) -> None:
    """Say that something was not told, and why."""
    said = str(error) or type(error).__name__
    if isinstance(error, OSError) and error.filename and error.strerror:
        said = f"{error.filename}: {error.strerror}"
    screen.say(f"warning: {what}: {redacted(said)}; the rollout goes on", err=True)
