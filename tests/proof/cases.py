"""The worlds in which rollouts are killed everywhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_WORLDS = Path(__file__).with_name("worlds")


@dataclass(frozen=True, slots=True)
class Case:
    """A kind of world. `fault`: a request fault that is in force from the start.

    `pool`: effects leave side by side, as many as the configuration's default allows. Nobody can say in which order
    they do, so points have no fixed numbers then; in all other cases they leave one after the other.

    `long`: watches end and are opened again in mid-run, when a thread gets to it: points have no fixed numbers either.

    `timed`: the world is struck at a moment of its own, which finds a run that was killed in another phase than one
    that was not; what must be applied then is another matter, and only promises and ends are alike.
    """

    name: str
    scenario: str
    fault: Mapping[str, Any] | None = None
    pool: bool = False
    long: bool = False
    timed: bool = False


_REPLY_LOST: Mapping[str, Any] = {
    "match": {"operation": "TerminateInstanceInAutoScalingGroup", "nth": 2},
    "drop": {"when": "after"},
}
PLAIN = Case("plain", "proof-plain")
POOL = Case("pool", "proof-plain", pool=True)
#: What else goes wrong beside the kill.
OTHERS = (
    Case("deadline", "proof-deadline", long=True),
    Case("vanish", "proof-vanish", timed=True),
    Case("reply-lost", "proof-plain", _REPLY_LOST),
    Case("surplus", "proof-surplus", timed=True),
)
#: Between them they have every kind of effect that there is.
EFFECTS = Case("effects", str(_WORLDS / "effects.yaml"))
LATE_EFFECTS = Case("late-effects", str(_WORLDS / "late-effects.yaml"))
#: A no is believed when it is said twice, and halts.
IMPATIENT = Case("impatient", str(_WORLDS / "impatient.yaml"))
#: Smaller than all others, for runs of which there are hundreds; the second with effects side by side.
NONSENSE = Case("nonsense", str(_WORLDS / "nonsense.yaml"))
#: No node of the new image is ever usable: the rollout halts in READY, and is aborted.
BAD_IMAGE = Case("bad-image", str(_WORLDS / "bad-image.yaml"))
NONSENSE_POOL = Case("nonsense-pool", str(_WORLDS / "nonsense.yaml"), pool=True)
CASES = {
    case.name: case
    for case in (PLAIN, POOL, *OTHERS, EFFECTS, LATE_EFFECTS, IMPATIENT, NONSENSE, NONSENSE_POOL, BAD_IMAGE)
}
