"""The pods that nobody replaces, and what the configuration says of them."""

from __future__ import annotations

from collections.abc import Iterator

from rollout.errors import Refusal
from rollout.preflight.protection import standing, workloads
from rollout.preflight.survey import Request, Survey


def unnamed(found: Survey, request: Request) -> Iterator[Refusal]:
    """With `unprotected: refuse`: pods of Jobs, or without a controller, run that `protected` does not name."""
    pods = standing(found, request.settings).unnamed
    if pods and request.settings.unprotected == "refuse":
        hint = (
            "name them in `protected` (docs/protection.md), wait until they end, or set `unprotected: protect`, with "
            "which they hold their node too, or `unprotected: evict`, with which they are ended"
        )
        which = "1 pod" if len(pods) == 1 else f"{len(pods)} pods"
        what = f"{which} that `protected` does not name, a Job's or without a controller: {workloads(pods)}"
        yield Refusal(f"on nodes that must go run {what}", hint)
