"""Volumes of the pods that left: an instance waits for them, others do not, and not for ever."""

from __future__ import annotations

from typing import Any

import pytest

from rollout.model.effects import Evict
from rollout.model.machine import Phase, Stage
from rollout.model.observation import AttachmentSeen
from rollout.model.record import Left
from rollout.stages import draining, released
from rollout.stages.node_view import NodeView
from tests.core.build import at, looked, node, old, owned, pod, row
from tests.core.tables import Told, check_stage, goes, sends, stays
from tests.core.test_phases_observe import look
from tests.core.test_stages import BARE, END, FLOORED, FREE
from tests.core.toy import Toy

ONE, TWO = AttachmentSeen("o1", "pvc-1"), AttachmentSeen("o1", "pvc-2")
DAEMON = pod("daemon", owner=owned("DaemonSet"), claims=1)
WEB = pod("web-1", owner=owned("StatefulSet", "web"), claims=1)
CORDONED = node("o1", "NoSchedule", unschedulable=True)
BEFORE = node("localhost", "NoSchedule", instance_id="i-o1", ready=False, unschedulable=True)


def left(seconds: float, on: str = "o1") -> dict[str, Any]:
    """A pod was asked to leave then."""
    return {"left": (Left(Evict(namespace="ns", name="web-1", uid="u", node=on), at(seconds)),)}


def drained(*things: Any, volumes: Any = (ONE,), **changes: Any) -> NodeView:
    return looked(Stage.DRAINING, CORDONED, *things, volumes=volumes, **changes)


def free(**changes: Any) -> NodeView:
    return looked(Stage.RELEASED, **{"o1": BARE, "sizes": FLOORED, "volumes": (ONE,), **changes})


@pytest.mark.parametrize(
    ("it", "expected"),
    [
        pytest.param(drained(), stays("volume pvc-1 to be detached, until 12:06:00 UTC at most"), id="one is attached"),
        pytest.param(drained(volumes=(TWO, ONE)), stays("volume pvc-1 and 1 more to be detached"), id="two are"),
        pytest.param(drained(now=at(359)), stays("pvc-1"), id="just before six minutes"),
        pytest.param(drained(now=at(360)), goes("release"), id="not for ever"),
        pytest.param(drained(now=at(700), **left(350)), stays("until 12:11:50 UTC"), id="six minutes of the last pod"),
        pytest.param(drained(now=at(710), **left(350)), goes("release"), id="not for ever after it either"),
        pytest.param(drained(now=at(700), **left(350, on="o2")), goes("release"), id="a pod left another node"),
        pytest.param(drained(volumes=(AttachmentSeen("o2", "pvc-1"),)), goes("release"), id="attached elsewhere"),
        pytest.param(drained(volumes=()), goes("release"), id="none is attached"),
        pytest.param(drained(volumes=None), goes("release"), id="they may not be read: nothing is waited for"),
        pytest.param(drained(DAEMON), goes("release"), id="that of a pod which stays"),
        pytest.param(drained(DAEMON, volumes=(ONE, TWO)), stays("pvc-1 and 1 more"), id="another one beside it"),
        pytest.param(drained(WEB), sends("evict:ns/web-1/uid-web-1:0"), id="it is in use yet"),
        pytest.param(drained(BEFORE, volumes=(AttachmentSeen("localhost", "pvc-1"),), fresh=("o1", "localhost")),
                     stays("pvc-1"), id="on its other Node"),
    ],
)  # fmt: skip
def test_a_node_that_is_empty_waits_for_volumes(it: NodeView, expected: Told) -> None:
    """Six minutes at most, counted from the journal alone: the next process waits no longer."""
    check_stage(draining, it, expected)


@pytest.mark.parametrize(
    ("it", "expected"),
    [
        pytest.param(free(), stays("volume pvc-1 to be detached, until 12:00:30 UTC at most"), id="attached"),
        pytest.param(free(now=at(30)), goes("terminate", END), id="not for ever"),
        pytest.param(free(now=at(100), **left(0)), stays("until 12:06:00 UTC"), id="a pod left lately"),
        pytest.param(free(volumes=()), goes("terminate", END), id="detached"),
        pytest.param(free(o1=old("o1")), sends(FREE, waits="protection off"), id="protection goes while it waits"),
    ],
)  # fmt: skip
def test_an_instance_does_not_end_before_they_are_detached(it: NodeView, expected: Told) -> None:
    """A pod may have taken longer than that to end, or a volume may have been attached again."""
    check_stage(released, it, expected)


def test_who_waits_for_volumes_is_in_nobodys_way() -> None:
    """Its turn to drain goes to the next."""
    assert draining.decide(drained()).stuck
    assert not draining.decide(drained(WEB)).stuck


@pytest.mark.parametrize(("on", "asks"), [("o1", False), ("o2", True)])
def test_volumes_are_read_where_a_node_is_empty(on: str, asks: bool) -> None:  # noqa: FBT001 - a column
    """Not at every look: there may be thousands of them in a cluster."""
    toy = Toy(attachment_=(ONE,))
    toy.add(pod(on=on))
    seen, read = look(Phase.DRAIN, toy, nodes=(row("i-o1", Stage.DRAINING), row("i-o2")))
    assert ("attachments" in read, seen.attachments) == (asks, (ONE,) if asks else None)
