"""The command line: one small file for each command, wired in `app`."""

from __future__ import annotations
