"""The crash points: that none is missed, and which of them leave the same state."""

from __future__ import annotations

import inspect
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollout import ports
from tests.proof.crash_points import RENEWAL, Point, Trail, passed, same_state, states, verbs


@pytest.mark.parametrize("port", [ports.AutoScaling, ports.Kubernetes])
def test_each_verb_that_changes_something_is_watched(port: type) -> None:
    """A verb is watched if it returns no more than a request's id, but for two that prepare a look. All others read."""
    looking = {"follow", "in_touch"}
    changing = {
        name
        for name, verb in inspect.getmembers(port, inspect.isfunction)
        if name[0] != "_" and inspect.signature(verb).return_annotation in {"None", "str | None"}
    }
    assert set(verbs(port)) == changing - looking


def test_only_steps_part_states() -> None:
    """A state lasts from after a step to before the next; a renewal of the lease is none."""
    steps = [("commit", "intent"), ("commit", RENEWAL), ("effect", "terminate")]
    ends = [(when, *step) for step in steps for when in ("before", "after")]
    points = [Point(number, when, what, kind, kind) for number, (when, what, kind) in enumerate(ends, start=1)]
    assert [[point.number for point in state] for state in states(points)] == [[1], [2, 3, 4, 5], [6]]


@pytest.mark.parametrize(("at", "stops"), [("1", "1"), ("1+1", "1+1"), ("1+2", "2"), ("2", "2"), ("", "")])
def test_a_renewal_more_or_less_moves_no_point(at: str, stops: str, tmp_path: Path, struck: list[str]) -> None:
    """A run stops at the point that it is told, once; where it makes fewer renewals, in the state that they leave."""
    trail = Trail(tmp_path / "points", at, signal.SIGUSR1)
    for when, kind in (("after", "intent"), ("before", RENEWAL), ("before", "settling"), ("after", "settling")):
        trail.reach(when, "commit", kind, kind)
        struck += [passed(tmp_path / "points")[-1].at] if struck == ["struck"] else []
    assert struck == (["struck", stops] if stops else [])


def test_points_around_renewals_leave_the_same_state() -> None:
    """A renewal leaves the state of the point before it; the next change does not."""
    renewal = Point(1, "before", "commit", RENEWAL, RENEWAL, 1)
    before, after = (Point(number, when, "commit", "note", "note") for number, when in ((2, "before"), (3, "after")))
    assert same_state(renewal, before)
    assert same_state(before, before)
    assert not same_state(renewal, after)
    assert not same_state(before, after)


@pytest.fixture
def struck() -> Iterator[list[str]]:
    """What SIGUSR1 leaves while the test runs."""
    told: list[str] = []
    before = signal.signal(signal.SIGUSR1, lambda *_: told.append("struck"))
    yield told
    signal.signal(signal.SIGUSR1, before)
