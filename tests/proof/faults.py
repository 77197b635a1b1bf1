"""What can go wrong with a request, and runs in which it goes wrong with every effect."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args, get_type_hints

from rollout.engine.settle import STALE_AFTER
from rollout.model.effects import Effect
from rollout.model.record import LATE_SECONDS
from rollout.phases.restore import RESTORE_ORDER
from tests.e2e.simulated import Result
from tests.proof.cases import LATE_EFFECTS, Case
from tests.proof.inject_faults import disturbed
from tests.proof.outcome import EACH_RUN, UNDISTURBED, Outcome, Reference
from tests.proof.results import record
from tests.proof.runs import Site
from tests.proof.world import Prepared, ProofWorld

#: Runs of a rollout that is disturbed, at most: one for each effect.
MOST = 150
#: Old nodes of a group.
OLD_NODES = 2
#: The fault after which nobody can tell for minutes whether the request arrives.
LOST = "500, not applied"


@dataclass(frozen=True, slots=True)
class RequestFault:
    """A fault of requests to AWS, and what it is on Kubernetes. `means`: what the ports may make of it.

    `stale`: reads of AWS are so many seconds old for as long as the rollout lasts; then its requests have no fault.
    """

    name: str
    aws: Mapping[str, Any]
    kube: Mapping[str, Any]
    means: frozenset[str]
    stale: float = 0.0

    def of_requests(self) -> list[dict[str, Any]]:
        """Return it for the next mutating request, of any service."""
        if self.stale:
            return []
        how = {"kube": self.kube, "autoscaling": self.aws, "ec2": self.aws}
        return [{"match": {"service": name, "mutating": True, "times": 1}, **fault} for name, fault in how.items()]

    def of_the_world(self, case: Case) -> list[dict[str, Any]]:
        """Return what is in force throughout; where the effects come late, from a moment before them on."""
        services = ("autoscaling", "ec2") if self.stale else ()
        when = {"since": "7m"} if case == LATE_EFFECTS else {}
        return [{"match": {"service": name}, "stale": {"seconds": self.stale}, **when} for name in services]


def _error(
    status: int, code: str, *, applied: bool = False, headers: Mapping[str, str] | None = None
) -> dict[str, Any]:
    return {"error": {"status": status, "code": code, "applied": applied, "headers": headers or {}}}


def _alike(name: str, fault: Mapping[str, Any]) -> RequestFault:
    return RequestFault(name, fault, fault, frozenset({"Unknown"}))


def _stale(seconds: float) -> RequestFault:
    return RequestFault(f"reads {seconds:.0f} s old", {}, {}, frozenset({"", "Retry"}), seconds)


_WENT_WRONG = frozenset({"Unknown", "Failed"})
EXPIRED = RequestFault(
    "expired credentials",
    _error(403, "ExpiredToken"),
    _error(401, "Unauthorized"),
    frozenset({"Denied", "Retry"}),
)
FAULTS = (
    RequestFault(
        "throttled",
        _error(400, "Throttling"),
        _error(429, "TooManyRequests", headers={"Retry-After": "1"}),  # without it, it is a no about the object
        frozenset({"Retry"}),
    ),
    RequestFault(LOST, _error(500, "InternalFailure"), _error(500, "InternalError"), _WENT_WRONG),
    RequestFault(
        "500, applied",
        _error(500, "InternalFailure", applied=True),
        _error(500, "InternalError", applied=True),
        _WENT_WRONG,
    ),
    _alike("timeout, applied", {"hang": {"when": "after"}}),
    _alike("reset, applied", {"drop": {"when": "after"}}),
    _alike("unparsable reply", {"garble": {}}),
    EXPIRED,
    _stale(1),
    _stale(5),
    _stale(60),
)


#: Kinds of effects that one world has, and the other does not.
LATE = ("delete-job", "uncordon", "untaint-node")


def kinds_of(case: Case) -> tuple[str, ...]:
    """Return the kinds of effects that are disturbed in a world; each kind that there is, in one world or another."""
    every = [get_args(get_type_hints(one)["kind"])[0] for one in get_args(Effect)]
    return LATE if case == LATE_EFFECTS else tuple(kind for kind in every if kind not in LATE)


def disturbing(site: Site, reference: Reference, fault: RequestFault, *, crash: bool) -> Outcome:
    """Run a rollout whose every effect is disturbed once; `crash`: the first of each kind, and the runner dies of it.

    It is started again by the same command until it ends.
    """
    with site.trial(reference.case) as (outcome, world):
        for one in fault.of_the_world(reference.case):
            world.post("/faults", one)
        kinds = kinds_of(reference.case)
        result, runs = _run(world, fault, kinds, crash=crash)
        # How a pod went, and where another began, is decided by when: after a fault that may be later.
        outcome.judge(world, result, reference, but=("pod/",))
        outcome.problems += _missed(world, fault, kinds)
        outcome.allow(_bound(fault, runs))
        _record(outcome, world, fault, crash=crash)
    return outcome


def _bound(fault: RequestFault, runs: int) -> float:
    """Return the simulated seconds within which it ends.

    Each process waits for a steady cluster, and for what those before it may have sent. What may have left and does
    not show is waited for before each step of RESTORE, and before a group's next terminate.
    """
    waits = len(RESTORE_ORDER) + OLD_NODES if fault.name == LOST else 0
    return UNDISTURBED + (runs - 1) * EACH_RUN + waits * (LATE_SECONDS + STALE_AFTER)


def _run(world: ProofWorld, fault: RequestFault, kinds: Sequence[str], *, crash: bool) -> tuple[Result, int]:
    """Return how the last run ended, and how many there were."""
    once = "kind" if crash or fault is EXPIRED else "key"
    path = str(world.directory / "disturbed")
    options = {"path": path, "faults": fault.of_requests(), "kinds": kinds, "once": once, "kill": crash}
    prepared: list[Prepared] = [("tests.proof.inject_faults:install", options)]
    if "hang" in fault.aws:
        prepared.append(("tests.proof.inject_faults:impatient", {}))
    runs = 1
    while _killed(result := world.fork(world.start_arguments, *prepared).finish()) and runs < MOST:
        runs += 1
    return result, runs


def _killed(result: Result) -> bool:
    return result.code == -signal.SIGKILL


def _missed(world: ProofWorld, fault: RequestFault, kinds: Sequence[str]) -> Iterator[str]:
    """Tell which effects were not disturbed, or not in the way that was meant."""
    found = disturbed(world.directory / "disturbed")
    for one in found:
        if one.came not in fault.means:
            yield f"{one.key}: {fault.name} came as {one.came or 'nothing'}"
    yield from (f"{kind} was never disturbed" for kind in {*kinds} - {one.kind for one in found})


def _record(outcome: Outcome, world: ProofWorld, fault: RequestFault, *, crash: bool) -> None:
    kinds = Counter(one.kind for one in disturbed(world.directory / "disturbed"))
    facts = {"engine": outcome.engine, "case": outcome.case, "fault": fault.name, "crash": crash, "effects": kinds}
    record("effect", passed=not outcome.problems, **facts)
