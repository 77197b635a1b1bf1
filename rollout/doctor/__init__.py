"""What differs between journal, marker, AWS and Kubernetes, and what a lost journal is rebuilt from. Pure."""

from __future__ import annotations

from rollout.doctor.comparing import Finding, differences, leftovers, lost
from rollout.doctor.rebuilding import Rebuilt, rebuilt, record_of

__all__ = ["Finding", "Rebuilt", "differences", "leftovers", "lost", "rebuilt", "record_of"]
