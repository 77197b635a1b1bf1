"""What `rollout demo` and the tests run a rollout on, and how they judge it: simulator, journal and report."""

from __future__ import annotations
