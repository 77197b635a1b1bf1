"""Rollouts whose journal is in trouble at each of its verbs, once; what comes of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import make_url

from tests.e2e.simulated import Result
from tests.proof.journal_faults import VERBS, met
from tests.proof.outcome import Outcome, Reference
from tests.proof.results import record
from tests.proof.runs import Site
from tests.proof.world import ProofWorld

#: Faults by which the rollout halts once, and cannot look for a moment: a halt is written, a resume, and notes.
FAULTS: tuple[dict[str, Any], ...] = (
    {
        "match": {"operation": "TerminateInstanceInAutoScalingGroup", "times": 3},
        "error": {"status": 403, "code": "ExpiredToken"},
    },
    {
        "match": {"operation": "DescribeAutoScalingGroups"},
        "since": "2m",
        "lasts": "15s",
        "error": {"status": 400, "code": "ResourceContention"},
    },
)
#: What a run may end with, and be started again: halted; the journal is away.
AGAIN = frozenset({1, 75})
#: Runs of one rollout, at most: one for each verb, and some that find the lease of one that could not release it.
MOST = 30


def in_trouble(site: Site, reference: Reference, trouble: str, *, lasting: bool) -> Outcome:
    """Run a rollout whose journal is in trouble once at each verb, and start it again until it ends.

    `lasting`: until the runner gives up.
    """
    with site.trial(reference.case) as (outcome, world):
        for fault in FAULTS:
            world.post("/faults", fault)
        result = _to_the_end(world, trouble, outcome, lasting=lasting)
        outcome.judge(world, result, reference, but=("pod/",))
        found = met(world.directory / "met")
    # A file that is full or locked can be read.
    expected = {*VERBS} - ({"renewal"} if site.engine.name == "sqlite" else set())
    outcome.problems += [f"no trouble was met at {verb}" for verb in expected - found]
    facts = {"engine": outcome.engine, "trouble": trouble, "lasting": lasting, "verbs": sorted(found)}
    record("database", passed=not outcome.problems, **facts)
    return outcome


def _to_the_end(world: ProofWorld, trouble: str, outcome: Outcome, *, lasting: bool) -> Result:
    options = {"path": str(world.directory / "met"), "trouble": trouble, "url": _plain(world.url), "lasting": lasting}
    for _ in range(MOST):
        result = world.fork(world.start_arguments, ("tests.proof.journal_faults:install", options)).finish()
        if result.code not in AGAIN:
            break
        outcome.problems += _unclear(result)
    return result


def _unclear(result: Result) -> Iterator[str]:
    """Tell what is missing in the words of a run that gave up."""
    # The world throttles, too: a start may meet that before there is a rollout that would wait.
    told = "the journal" in result.err or "injected by a fault" in result.err
    if result.code == 75 and not (told and "next: " in result.err):
        yield f"it does not say what is the matter, and what to type: {result}"


def _plain(url: str) -> str:
    """Return a journal's URL as its own driver reads it, or the path of its file."""
    if url.startswith("sqlite"):
        return url.removeprefix("sqlite:///")
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
