"""One tick, decided: from what is seen and what the journal says to what is done now. Pure.

The steps stand in `decide_tick`, in their order, and nowhere else: runner, doctor and tests ask it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from rollout.engine.settle import STALE_AFTER, TERMINATE_STALE_AFTER, possible, sift, unclear
from rollout.model.decision import Act, Advance, Decision, Halt, Wait
from rollout.model.effects import Protect
from rollout.model.observation import Observation
from rollout.model.plan import listed
from rollout.model.reasons import Reason
from rollout.model.record import Record
from rollout.phases import PHASES
from rollout.phases.cluster_lock import guard
from rollout.phases.deleted import without_groups
from rollout.phases.expected import soften, unexpected
from rollout.phases.guards import open_to_others, unprotected
from rollout.phases.pause import stand_still

#: Instances that one line names at most.
MOST_TOLD = 5


@dataclass(frozen=True, slots=True)
class Said:
    """What look after look has said that cannot be taken back, and since when; nothing while `what` is None."""

    what: object = None
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Ticked:
    """What is done now, and what the next tick has to be told of this look."""

    decision: Decision
    said: Said


def decide_tick(seen: Observation, record: Record, now: datetime, said: Said | None = None) -> Ticked:
    """Decide what is done now.

    `said`: what the looks before this one said; None where this one is believed at once, as by who looks only once.
    """
    if still := stand_still(seen, record, now):
        return Ticked(sift(still, record, now), Said())
    answer = unclear(record, now) or next(answers(seen, record, now))
    answer = _protecting(answer, seen, record, now)
    says = _says(answer, record, now, said)
    answer = answer if said is None else _believed(answer, says, now)
    answer = soften(answer, seen, record)
    return Ticked(sift(answer, record, now), says)


def answers(seen: Observation, record: Record, now: datetime) -> Iterator[Decision]:
    """Yield what is answered to a look, of which the first counts: what drifted, and last what the phase says.

    Of each there is only what may be sent now.
    """
    record = without_groups(seen, record)
    for drifted in unexpected(seen, record, now):
        yield sift(drifted, record, now)
    yield sift(PHASES[record.phase].decide(seen, record, now), record, now)


def _protecting(answer: Decision, seen: Observation, record: Record, now: datetime) -> Decision:
    """Put back what protects running Jobs, first; nothing where the cluster's marker itself makes us halt.

    A halt waits until that shows; all else goes on.
    """
    if isinstance(guard(seen, record), Halt):
        return answer
    record = without_groups(seen, record)
    bare = tuple(unprotected(seen, record, halts=isinstance(answer, Halt)))
    if isinstance(answer, Halt):
        # What was reverted once more is what a person is asked about: put back it would show no more.
        others = () if answer.reason is Reason.EFFECT_REVERTED else open_to_others(seen, record)
        effects = possible((*bare, *others), record, now)
        act = Act("keep others off our instances before the halt", effects, tell=_told(bare))
        return sift(act, record, now) if effects else answer
    first = sift(Act("protect instances that are not protected", bare, tell=_told(bare)), record, now)
    return answer if not bare or isinstance(first, Wait) else first


def _told(bare: Sequence[Protect]) -> str:
    names = [one for effect in bare for one in effect.instance_ids]
    return f"{listed(names, MOST_TOLD)} had no protection from scale-in: protected now" if names else ""


def _says(decision: Decision, record: Record, now: datetime, before: Said | None) -> Said:
    what = _for_good(decision, record)
    if what is None:
        return Said()
    return before if before and before.what == what else Said(what, now)


def _believed(decision: Decision, said: Said, now: datetime) -> Decision:
    """Believe what cannot be taken back only when looks have said so for a while: AWS answers from a moment ago."""
    # Sizes move with each terminate, for which AWS may answer from before it for longer.
    sizes = isinstance(decision, Halt) and decision.reason is Reason.DRIFT_SIZES
    until = said.since + timedelta(seconds=TERMINATE_STALE_AFTER if sizes else STALE_AFTER) if said.since else now
    return decision if now >= until else Wait(until, Reason.OBSERVATION_UNCONFIRMED, f"looked at again: {decision.why}")


def _for_good(decision: Decision, record: Record) -> object:
    """Return what cannot be taken back, None for nothing: a halt, with any words, and the baseline."""
    match decision:
        case Halt():
            return Halt
        case Advance(plan=plan) if plan and plan.baselines != record.plan.baselines:
            return plan.baselines
    return None
