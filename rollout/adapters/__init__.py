"""The ports of AWS, Kubernetes and time on the real thing: the only importers of boto3 and kubernetes.

Every failure of theirs leaves here as one of `rollout.errors`, with a detail that holds no secret.
"""

from __future__ import annotations

from rollout.adapters.connecting import Edge, Patience, clock_of, connect

__all__ = ["Edge", "Patience", "clock_of", "connect"]
