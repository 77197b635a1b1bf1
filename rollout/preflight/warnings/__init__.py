"""What keeps no rollout from its start, and is told: one function each, which says in its docstring when.

Each answer says what will come of it, and what to do where something helps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rollout.model.reasons import Reason, tagged
from rollout.preflight.rights import IDENTITY
from rollout.preflight.survey import Request, Survey
from rollout.preflight.warnings import autoscaler, code, evictors, groups, reading, workloads

PreflightWarning = Callable[[Survey, Request], Iterator[str]]

#: Each of them, in the order in which they are told.
WARNINGS: dict[PreflightWarning, Reason] = {
    reading.missing: Reason.OPTIONAL_RIGHTS_MISSING,
    reading.kinds: Reason.KINDS_UNKNOWN,
    reading.no_pods: Reason.KIND_WITHOUT_PODS,
    reading.namespaces: Reason.NAMESPACE_NOT_FOUND,
    reading.autoscalers: Reason.AUTOSCALER_IGNORED,
    groups.unwell: Reason.HEALTH_CHECKS_SUSPENDED,
    groups.not_balanced: Reason.LOAD_BALANCER_SUSPENDED,
    workloads.blocked: Reason.BUDGET_ALLOWS_NO_EVICTION,
    workloads.two_budgets: Reason.TWO_BUDGETS,
    workloads.tolerant: Reason.JOBS_TOLERATE_TAINT,
    workloads.tolerant_of_all: Reason.PODS_TOLERATE_CORDON,
    evictors.descheduler: Reason.DESCHEDULER_EVICTS,
    autoscaler.other_groups: Reason.OTHER_GROUPS_NOT_SCALED,
    autoscaler.too_long: Reason.AUTOSCALER_OFF_TOO_LONG,
    autoscaler.window_closes: Reason.WINDOW_MAY_CLOSE,
    code.applied_by_people: Reason.INFRASTRUCTURE_CODE,
    code.applied_by_controllers: Reason.GROUP_RECONCILED,
}


def warnings(found: Survey, request: Request, *, identified: bool) -> tuple[str, ...]:
    """Return every warning, in words and in one word; `identified`: it is known which cluster this is."""
    looked = ((line, reason) for warning, reason in WARNINGS.items() for line in warning(found, request))
    told = tuple(tagged(line, reason) for line, reason in looked)
    if identified or IDENTITY in found.missing:
        return told
    return (tagged(unidentified(), Reason.CLUSTER_UNIDENTIFIED), *told)


def unidentified() -> str:
    """The cluster's uid could not be read, though we may."""
    return f"it is not checked {IDENTITY.unchecked}: namespace kube-system could not be read"
