"""The crash points: that none is missed, and which of them leave the same state."""

from __future__ import annotations

import inspect

import pytest

from rollout import ports
from tests.proof.points import RENEWAL, Point, states, verbs


@pytest.mark.parametrize("port", [ports.Fleet, ports.Cluster])
def test_each_verb_that_changes_something_is_watched(port: type) -> None:
    """A verb is watched if and only if it returns no more than a request's id: all others read."""
    changing = {
        name
        for name, verb in inspect.getmembers(port, inspect.isfunction)
        if name[0] != "_" and inspect.signature(verb).return_annotation in {"None", "str | None"}
    }
    assert set(verbs(port)) == changing


def test_only_steps_part_states() -> None:
    """A state lasts from after a step to before the next; a renewal of the lease is none."""
    steps = [("commit", "intent"), ("commit", RENEWAL), ("effect", "terminate")]
    ends = [(when, *step) for step in steps for when in ("before", "after")]
    points = [Point(number, when, what, kind, kind) for number, (when, what, kind) in enumerate(ends, start=1)]
    assert [[point.number for point in state] for state in states(points)] == [[1], [2, 3, 4, 5], [6]]
