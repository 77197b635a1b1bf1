"""The operator's own commands in mid-run, and what is judged of each: a pause, more time, the way back.

A command is saved in a moment. Requests of ours that are under way then may still be applied: as many as go side by
side. Of later ones what it asks for must be true.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import inf
from typing import Any

from tests.swarm.case import Act

Change = Mapping[str, Any]

#: What an operator types.
COMMANDS = frozenset({"pause", "extend", "abort", "skip", "force"})
#: Those about one node that must go.
OF_A_NODE = frozenset({"skip", "force"})
#: Points that a run has, about; a command that is due beyond its last is typed when it has ended.
_POINTS = 300
_MARKER = "configmap/kube-system/eks-rollout"
_UNTIL = r"ones drain until (\S+)"


@dataclass(slots=True)
class Asked:
    """A command that was accepted. `at`: when; `request`: the number of the newest request then.

    `seconds`: of more time. `lifted`: the newest request when somebody lifted the pause. `keeps`: no Job is to be
    killed on the way back. `node`: the one that is to stay, or to go now.
    """

    do: str
    at: float
    request: int
    seconds: float = 0.0
    lifted: float = inf
    keeps: bool = False
    node: str = ""


def of_nodes(chance: random.Random, acts: tuple[Act, ...]) -> tuple[Act, ...]:
    """Return what happens to the runs, in a few cases with a command about one node among it."""
    if chance.randrange(4):
        return acts
    found = list(acts)
    act = Act(chance.choice(["skip", "force"]), chance.randint(60, _POINTS))
    found.insert(chance.randint(0, len(found)), act)
    return tuple(found)


def commands(chance: random.Random, acts: tuple[Act, ...]) -> tuple[Act, ...]:
    """Return what happens to the runs, with the operator's commands among it."""
    found = list(acts)
    for _ in range(chance.choice([0, 0, 1, 1, 1, 2])):
        do = chance.choice(["pause", "pause", "extend", "abort", "abort"])
        lasts = chance.choice({"pause": [20, 300, 1200, 5400], "extend": [60, 300, 1200], "abort": [0]}[do])
        then = chance.choice({"pause": ["extend", "--kill-now"], "extend": [""], "abort": ["", "", "--keep-jobs"]}[do])
        found.insert(chance.randint(0, len(found)), Act(do, chance.randint(1, _POINTS), lasts, then))
    return tuple(found)


def while_paused(changes: Sequence[Change], asked: Sequence[Asked], parallel: int) -> Iterator[str]:
    """Yield what we changed in a pause, beyond the requests that may have been under way."""
    for pause in (one for one in asked if one.do == "pause"):
        ours = [one for one in changes if _by_us(one) and pause.request < one["request"] <= pause.lifted]
        other = [one for one in ours if one["object"] != _MARKER]
        requests = sorted({one["request"] for one in other})[parallel:]
        for one in other:
            if one["request"] in requests:
                yield f"{one['object']} {one['field']} by {one['verb']} at {one['at']}, paused at {pause.at}"


class Deadlines:
    """From when on a request may end a protected pod, by our own output and by what was asked for before it."""

    def __init__(self, said: Sequence[str], asked: Sequence[Asked], parallel: int) -> None:
        self._old, self._new = (_told(said, which) for which in ("old", "new"))
        self._asked, self._parallel = asked, parallel

    def of(self, change: Change, node: str | None = None) -> float:
        """Return it for the request that made a change, in POSIX seconds; `node`: on which the pod runs."""
        due = self._old
        for one in self._asked:
            if change["request"] <= one.request + self._parallel:
                break
            if one.do == "extend":
                due = max(due, one.at) + one.seconds
            elif one.do == "abort":
                due = inf if one.keeps else self._new
            elif one.do == "force" and one.node == node:
                due = min(due, one.at)
        return due


def _told(said: Sequence[str], which: str) -> float:
    found = next((match[1] for line in said if (match := re.search(f"{which} {_UNTIL}", line))), None)
    return datetime.fromisoformat(found).timestamp() if found else inf


def _by_us(change: Change) -> bool:
    return str(change["actor"]).startswith("client:") and change["actor"] != "client:other"
