"""Whether disruption budgets know by now what became of their pods: after an outage their status is from before it.

A status does not say how old it is (observedGeneration follows edits, not pods). It counts as fresh when it has as many
pods, and as many healthy ones, as our own list of pods, in two looks one after the other. Only budgets that decide on a
pod of a node that must go matter. Where controllers want another number of pods than there are, a budget never agrees:
nobody waits for it longer than two minutes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from rollout.model.budget import BudgetSeen
from rollout.model.machine import terminal
from rollout.model.observation import Observation, PodSeen
from rollout.model.record import Record
from rollout.stages.knowing import names
from rollout.stages.pods import leaving

#: Looks, one after the other, at which a budget must agree.
LOOKS = 2
#: Seconds for which a budget is waited for, once the cluster is steady otherwise.
FRESH_WITHIN = 120.0


@dataclass(frozen=True, slots=True)
class Counted:
    """At how many looks in a row a budget agreed with us; `words`: what it says, and what there is."""

    looks: int
    words: str


def counted(seen: Observation, record: Record, before: Mapping[str, Counted]) -> dict[str, Counted]:
    """Compare every budget that matters with our own list of pods; `before`: what came of that at the last look."""
    found = {}
    pods = defaultdict(list)
    for pod in seen.pods if seen.budgets else ():
        pods[pod.namespace].append(pod)
    for budget in _that_matter(seen, record):
        name = f"{budget.namespace}/{budget.name}"
        agrees, words = _compared(budget, pods[budget.namespace])
        looks = before[name].looks if name in before else 0
        found[name] = Counted(looks + 1 if agrees else 0, words)
    return found


def stale(budgets: Mapping[str, Counted]) -> str:
    """Say which budget is not known to be fresh, "" where all are."""
    late = (f"budget {name} {one.words}" for name, one in sorted(budgets.items()) if one.looks < LOOKS)
    return next(late, "")


def _that_matter(seen: Observation, record: Record) -> Iterator[BudgetSeen]:
    pods = tuple(leaving(_going(seen, record)))
    spaces = {pod.namespace for pod in pods}
    for budget in seen.budgets or ():
        if budget.namespace in spaces and any(budget.selects(pod.namespace, pod.labels) for pod in pods):
            yield budget


def _going(seen: Observation, record: Record) -> Iterable[PodSeen]:
    rows = (row for row in record.nodes if not terminal(row.stage))
    return (pod for row in rows for name in names(row, seen.nodes_on(row.instance_id)) for pod in seen.pods_on(name))


def _compared(budget: BudgetSeen, pods: Iterable[PodSeen]) -> tuple[bool, str]:
    there = [pod for pod in pods if budget.selects(pod.namespace, pod.labels)]
    active = [pod for pod in there if not (pod.finished or pod.deleting)]
    healthy = sum(pod.ready for pod in active)
    agrees = budget.healthy == healthy and budget.expected in {len(there), len(active)}
    says = f"says that {budget.healthy} of {budget.expected} pods are healthy"
    if agrees:
        return agrees, f"{says}, as our list of pods does; one more look must show the same"
    return agrees, f"{says}, but our list of pods has {healthy} of {len(active)}"
