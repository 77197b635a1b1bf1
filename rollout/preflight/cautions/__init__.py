"""What keeps no rollout from its start, and is told: one function each, which says in its docstring when.

Each answer says what will come of it, and what to do where something helps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rollout.preflight.cautions import autoscaler, code, evictors, groups, reading, workloads
from rollout.preflight.rights import IDENTITY
from rollout.preflight.survey import Request, Survey

Caution = Callable[[Survey, Request], Iterator[str]]

#: Each of them, in the order in which they are told.
CAUTIONS: tuple[Caution, ...] = (
    reading.missing,
    reading.kinds,
    reading.namespaces,
    reading.autoscalers,
    groups.unwell,
    groups.not_balanced,
    workloads.blocked,
    workloads.two_budgets,
    workloads.tolerant,
    workloads.tolerant_of_all,
    evictors.descheduler,
    autoscaler.other_groups,
    autoscaler.too_long,
    code.applied_by_people,
    code.applied_by_controllers,
)


def cautions(found: Survey, request: Request, *, identified: bool) -> tuple[str, ...]:
    """Return every warning, in words; `identified`: it is known which cluster this is."""
    told = tuple(line for caution in CAUTIONS for line in caution(found, request))
    return told if identified or IDENTITY in found.missing else (_unidentified(), *told)


def _unidentified() -> str:
    """The cluster's uid could not be read, though we may."""
    return f"it is not checked {IDENTITY.unchecked}: namespace kube-system could not be read"
