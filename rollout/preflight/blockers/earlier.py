"""How to go on where a rollout before this one did not end: by its journal, then by its marker, and by hand last."""

from __future__ import annotations

from rollout.commands import with_its_journal
from rollout.preflight.survey import Survey


def go_on(found: Survey, rollout_id: str, by_hand: str) -> str:
    """Return how to end that rollout. `by_hand`: what undoes the trace, in words, for where nothing else is left.

    While its marker exists nothing is undone by hand: the marker rebuilds the journal, and then `resume` undoes it all.
    """
    marker = found.marker
    if marker and marker.rollout_id == rollout_id:
        first = with_its_journal(rollout_id, marker.journal)
        return f"{first}; only if that is lost: rollout doctor, then: rollout doctor --rebuild"
    return f"{with_its_journal(rollout_id)}; only if that is lost{by_hand}"
