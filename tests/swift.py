"""Where tests write what need not outlive the machine: in memory where there is room, since a disk's fsync is slow.

A rollout's journal waits for the disk at every commit. Where the disk is shared with other work that takes seconds at
times, and tests of time fail by it.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

_MEMORY = Path("/dev/shm")  # noqa: S108  those who write there make folders with names of their own
#: Bytes that must be free: more than what one run of all tests leaves there.
_ROOM = 4 << 30


def folder() -> Path | None:
    """Return a folder in memory in which programs can be run, too; None: there is none, or it is small."""
    if not _MEMORY.is_dir() or not os.access(_MEMORY, os.W_OK | os.X_OK):
        return None
    roomy = shutil.disk_usage(_MEMORY).free >= _ROOM
    return _MEMORY if roomy and not os.statvfs(_MEMORY).f_flag & os.ST_NOEXEC else None
