"""Three promises that no world can judge alone: they join the journal with the simulator's log of applied changes.

7. No write by a runner whose lease has ended. 8. At most one active rollout per cluster. 9. The event chain verifies;
every application has an earlier intent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rollout.model import effects

if TYPE_CHECKING:
    from rollout.journal import SqlJournal
    from rollout.model.effects import Effect
    from rollout.ports import Summary

MARKER = "configmap/kube-system/eks-rollout"
#: A change as the simulator's control listener shows it: `object`, `field`, `at` (POSIX seconds), `actor`, `verb`.
Change = Mapping[str, Any]

# The journal keeps microseconds; a request may be applied in the moment in which it was written down.
_ROUNDED = 1e-6


@dataclass(frozen=True, slots=True)
class Judged:
    """A promise with the number of checks made and what violated it. None made is a violation too."""

    number: int
    text: str
    checks: int
    violations: tuple[str, ...]

    @property
    def kept(self) -> bool:
        """Tell whether it was put to the test and held."""
        return self.checks > 0 and not self.violations


def fenced(journal: SqlJournal, changes: Iterable[Change]) -> Judged:
    """Judge promise 7 by the epochs of the runs, in the order in which their changes were applied."""
    epochs = journal.epochs()
    ours = [change for change in changes if _by_us(change)]
    violations, newest = [], 0
    for change in ours:
        run = str(change["actor"]).removeprefix("client:")
        epoch = epochs.get(run)
        if epoch is None or epoch < newest:
            held = "never held the cluster" if epoch is None else f"held epoch {epoch}, while {newest} was at work"
            violations.append(f"{change['object']} {change['field']}: run {run} {held}")
        newest = max(newest, epoch or 0)
    return Judged(7, "nothing is changed by a runner whose lease has ended", len(ours), tuple(violations))


def one_at_a_time(rollouts: Sequence[Summary], *, refused: bool | None = None) -> Judged:
    """Judge promise 8 by the times at which a journal's rollouts began and ended.

    `refused`: whether a second start was, while one was active; None if nobody tried.
    """
    violations = ["a second rollout was not refused while the first was active"] if refused is False else []
    for one in rollouts:
        for other in rollouts:
            together = other.ended is None or one.begun < other.ended
            if one.cluster == other.cluster and other.begun < one.begun and together:
                violations.append(f"{one.id} began while {other.id} was active on {one.cluster}")
    checks = len(rollouts) + (refused is not None)
    return Judged(8, "at most one rollout is active per cluster", checks, tuple(violations))


def written_first(journal: SqlJournal, rollout_id: str, changes: Iterable[Change]) -> Judged:
    """Judge promise 9 by the chain of events, and by the intents before each change that a client of ours made.

    An Event on a node is no effect: it only tells a line of the history, by which it is named.
    """
    events, broken = journal.verify(rollout_id)
    told = f"event/default/{rollout_id}."
    ours = [change for change in changes if _by_us(change) and not str(change["object"]).startswith(told)]
    violations = (*broken, *_unintended(ours, journal.intents(rollout_id)))
    return Judged(
        9, "each effect was written down before it was sent, in a chain that verifies", events + len(ours), violations
    )


def _by_us(change: Change) -> bool:
    return str(change["actor"]).startswith("client:") and change["actor"] != "client:other"


def _unintended(changes: Sequence[Change], intents: Sequence[tuple[datetime, Effect]]) -> Iterator[str]:
    first: dict[str, float] = {}
    for at, effect in intents:
        for thing in touched(effect):
            first.setdefault(thing, at.timestamp())
    for change in changes:
        named = (first[thing] for thing in (change["object"], _of_one_job(change["object"])) if thing in first)
        if min(named, default=float("inf")) > change["at"] + _ROUNDED:
            yield f"{change['object']} {change['field']}: {change['verb']} without an earlier intent"


def _of_one_job(thing: str) -> str:
    """Return what the pods of one Job are called together: it gives each its own name and five characters more."""
    return f"{thing.rpartition('-')[0]}-*"


def touched(effect: Effect) -> tuple[str, ...]:
    """Return the things that an effect may change, as the simulator's log names them."""
    match effect:
        case effects.CreateMarker() | effects.UpdateMarker() | effects.DeleteMarker():
            return (MARKER,)
        case effects.StopAutoscaler() | effects.StartAutoscaler():
            return (f"deployment/{effect.namespace}/{effect.name}",)
        case effects.OnNode():
            return (f"node/{effect.node}",)
        case effects.OnPod():
            return (f"pod/{effect.namespace}/{effect.name}",)
        case effects.DeleteJob():
            # Its pods go with it.
            return (f"job/{effect.namespace}/{effect.name}", f"pod/{effect.namespace}/{effect.name}-*")
        case effects.CreateVersion() | effects.SetDefaultVersion():
            return (f"template/{effect.template_id}",)
        case effects.Protect():
            return tuple(f"instance/{instance}" for instance in effect.instance_ids)
        case effects.Terminate():
            return (f"asg/{effect.group}", f"instance/{effect.instance_id}")
        case _:
            return (f"asg/{effect.group}",)
