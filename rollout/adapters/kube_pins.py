"""How a pod says itself that it must not be disrupted, by the annotations of cluster-autoscaler and Karpenter."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# cluster-autoscaler takes no word but this one (its FAQ).
_UNSAFE, _NO = "cluster-autoscaler.kubernetes.io/safe-to-evict", "false"
# Karpenter's annotation had another name before v1beta1, which policies still write into Jobs.
_KARPENTER = ("karpenter.sh/do-not-disrupt", "karpenter.sh/do-not-evict")
# It takes a span of Go's too, from the pod's start (Karpenter, "Well-Known Annotations").
# Read from left to right without a second thought: an annotation may have 256 KiB.
_PART = r"(\d+(?:\.\d*)?|\.\d+)(h|ms|m|s)"
_SPAN, _SECONDS = re.compile(f"(?:{_PART})+", re.ASCII), {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
#: Seconds of the longest span that is believed; no date could be told beyond.
LONGEST = 1e9


def pin(annotations: Mapping[str, str], started: datetime | None) -> tuple[bool, datetime | None]:
    """Tell whether a pod says that it must stay, and until when; None for as long as it is there.

    Another word than Karpenter knows was meant as something, and too much protection costs no more than time.
    """
    if annotations.get(_UNSAFE) == _NO:
        return True, None
    said = [word for key in _KARPENTER if (word := annotations.get(key, "").strip()) not in {"", "false"}]
    ends = [_until(word, started) for word in said]
    return bool(said), max((end for end in ends if end), default=None) if None not in ends else None


def _until(word: str, started: datetime | None) -> datetime | None:
    if started is None or not _SPAN.fullmatch(word):
        return None
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in re.findall(_PART, word, re.ASCII))
    return started + timedelta(seconds=min(seconds, LONGEST))
