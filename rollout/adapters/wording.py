"""What the other side said, as one line that may be stored and shown: all details of errors go through `one_line`."""

from __future__ import annotations

from rollout.redaction import redacted

#: Longer answers carry nothing that a person reads (EC2's encoded authorization failures have kilobytes).
LONGEST = 400


def one_line(text: object) -> str:
    """Return `text` without line breaks and secrets, cut to `LONGEST` characters."""
    line = redacted(text)
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"
