"""The delay after a takeover: everything goes on but what cannot be taken back."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from rollout.engine.settle import sift
from rollout.model.decision import Wait
from rollout.model.effects import Terminate
from rollout.model.machine import Stage
from rollout.model.observation import NodeSeen
from rollout.model.plan import Sizes
from rollout.model.reasons import Reason
from rollout.phases import drain
from rollout.stages import decide
from rollout.stages.node_view import NodeView
from tests.core.build import NOW, at, bare, looked, new, node, old, pod, record, row, seen, surged, unsettled
from tests.core.tables import acts, agrees

FLOORED = Sizes(3, 4, 4)
BARE = old("o1", protected=False)
DELAY_ENDS = at(9000)
LATE = at(8000)  # after the drain deadline, and still in the takeover delay
END = Terminate(group="g", instance_id="i-o1", desired_before=4)
REFUSED = unsettled(END, "not_sent", retry_at=NOW)
CORDONED: NodeSeen = node("o1", "NoSchedule", unschedulable=True)

ENDING = {"o1": BARE, "sizes": FLOORED}


@pytest.mark.parametrize(
    ("stage", "things", "changes", "keys"),
    [
        pytest.param(Stage.RELEASED, (), ENDING, ("terminate:g/i-o1:",), id="terminate"),
        pytest.param(Stage.TERMINATING, (), {**ENDING, "unsettled": (REFUSED,)}, ("terminate:g/i-o1:",),
                     id="terminate, once more"),
        pytest.param(Stage.DRAINING, (CORDONED, pod("a")), {}, ("evict:ns/a/uid-a:0",), id="evict a Job's pod"),
        pytest.param(Stage.DRAINING, (CORDONED, pod("a")), {"on_deadline": "job"}, ("delete-job:ns/job/uid-a:",),
                     id="delete a Job"),
        pytest.param(Stage.DRAINING, (CORDONED, pod("a", deleting=at(0))), {}, ("delete-pod:ns/a/uid-a:now.0",),
                     id="delete a pod"),
    ],
)  # fmt: skip
def test_what_cannot_be_taken_back_waits(
    stage: Stage, things: tuple[Any, ...], changes: dict[str, Any], keys: tuple[str, ...]
) -> None:
    """Until the takeover delay is over it does not leave, nor does the node move; the wait says until when and why."""

    def asked(now: datetime, takeover_delay_until: datetime | None) -> tuple[NodeView, Any]:
        it = looked(stage, *things, now=now, takeover_delay_until=takeover_delay_until, **changes)
        return it, decide(it)

    for takeover_delay_until, now in ((None, LATE), (DELAY_ENDS, DELAY_ENDS)):
        assert tuple(effect.key for effect in asked(now, takeover_delay_until)[1].effects) == keys
    _, step = asked(LATE, DELAY_ENDS)
    assert (step.effects, step.trigger) == ((), None)
    told = "the takeover delay until 14:30:00 UTC: the previous runner's last requests may still take effect"
    assert (told in step.waits_for, step.reason) == (True, Reason.TAKEOVER_DELAY)


def test_what_can_be_taken_back_goes_on() -> None:
    """In the takeover delay pods that nobody protects are evicted, and a node is made ready for its end."""
    eviction = decide(looked(Stage.DRAINING, CORDONED, bare("b"), takeover_delay_until=DELAY_ENDS))
    assert [effect.key for effect in eviction.effects] == ["evict:ns/b/uid-b:0"]
    assert decide(looked(Stage.WAITING, takeover_delay_until=DELAY_ENDS)).trigger == "drain"
    assert decide(looked(Stage.DRAINING, CORDONED, takeover_delay_until=DELAY_ENDS)).trigger == "release"
    assert [
        effect.key for effect in decide(looked(Stage.RELEASED, o1=BARE, takeover_delay_until=DELAY_ENDS)).effects
    ] == ["resize:g:floor.i-o1.0.0"]


def test_a_node_is_never_terminating_without_its_terminate() -> None:
    """The phase waits and looks again when the takeover delay ends; then move and intent are one act."""
    world = seen(surged(BARE, new("n1"), new("n2"), sizes=Sizes(2, 3, 4)), CORDONED, fresh=("o1",))
    journal = record(nodes=(row("i-o1", Stage.RELEASED), row("i-o2", Stage.GONE)), takeover_delay_until=at(4))
    early = sift(drain.decide(world, journal, NOW), journal, NOW)
    assert isinstance(early, Wait)
    assert (early.until, "may still take effect" in early.waits[0].waits_for) == (at(4), True)
    agrees(sift(drain.decide(world, journal, at(4)), journal, at(4)), acts(END.key, moves=("i-o1:terminate",)))
