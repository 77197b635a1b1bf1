"""KEPT: a surplus node that was still busy at the drain deadline. It stays, and RESTORE reports it.

This stage is final. Old nodes are never kept.
"""

from __future__ import annotations

from rollout.decision import Step
from rollout.stages.view import View


def decide(view: View) -> Step:
    """Nothing is left to do."""
    return Step()
