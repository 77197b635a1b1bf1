"""What each phase looks at: no more than it needs, and never more often because there are more nodes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from rollout.model.budget import BudgetSeen
from rollout.model.effects import Written
from rollout.model.machine import Phase, Stage
from rollout.model.observation import GroupSeen, Observation, RefreshSeen, TemplateSeen, VersionSeen
from rollout.phases import observe
from rollout.phases.missing import missing
from tests.core.build import MARKER, SURGED, found, new, node, old, pod, record, row, surged, template, unsettled, use
from tests.core.toy import Toy
from tests.samples import END

KNOWN = (template(VersionSeen(2, "ami-new", "")),)
PROTECTED = {"g": Written(protection={"i-o1": True})}
ALWAYS = ["autoscaler", "follow", "groups", "in_touch", "marker", "nodes"]


class Watched:
    """A toy of which it is noted what is read."""

    def __init__(self, toy: Toy) -> None:
        self.toy = toy
        self.read: list[str] = []

    def __getattr__(self, verb: str) -> Callable[..., Any]:
        """Note the verb, then ask the toy."""
        self.read.append(verb)
        return getattr(self.toy, verb)  # type: ignore[no-any-return]


def look(phase: Phase, toy: Toy, **changes: Any) -> tuple[Observation, list[str]]:
    watched = Watched(toy)
    seen = observe(record(phase, **changes), watched, watched)
    return seen, sorted(watched.read)


@pytest.mark.parametrize(
    ("phase", "also"),
    [
        (Phase.PLANNED, []),
        (Phase.AUTOSCALER_OFF, ["pods"]),
        (Phase.LAUNCH_TEMPLATE, ["templates"]),
        (Phase.TAINT, []),
        (Phase.SURGE, []),
        (Phase.PROTECT, []),
        (Phase.READY, ["pods"]),
        (Phase.DRAIN, ["pods", "templates"]),
        (Phase.RESTORE, ["active_instance_refresh", "templates"]),
    ],
)
def test_reads(phase: Phase, also: list[str]) -> None:
    """Each part of the world is read once in a tick, and only where the phase decides by it."""
    toy = Toy(group_={"g": surged()}, marker_=MARKER)
    toy.add(pod())
    seen, read = look(phase, toy, written=PROTECTED)
    assert read == sorted([*ALWAYS, *also])
    assert seen.groups == (toy.group_["g"],)
    assert (bool(seen.pods), bool(seen.templates)) == tuple(part in also for part in ("pods", "templates"))
    assert seen.marker == MARKER


def test_an_instance_refresh_is_asked_for_while_something_of_ours_holds_it_up() -> None:
    """RESTORE asks no more once protection and the process are given back: what begins then is somebody else's."""
    held = Toy(group_={"g": surged()}, marker_=MARKER, refresh_={"g": RefreshSeen("08b9", "InProgress")})
    assert look(Phase.RESTORE, held, written=PROTECTED)[0].refreshes == held.refresh_
    given_back = found(old("o1", protected=False))
    seen, read = look(Phase.RESTORE, replace(held, group_={"g": given_back}), written=PROTECTED)
    assert ("active_instance_refresh" in read, seen.refreshes) == (False, {})


@pytest.mark.parametrize(
    ("stage", "young"), [(Stage.WAITING, False), (Stage.DRAINING, True), (Stage.RELEASED, True), (Stage.GONE, False)]
)
def test_what_ends_something_rests_on_a_look_of_now(stage: Stage, young: bool) -> None:  # noqa: FBT001
    """Nodes and pods are not taken from a watch that says nothing at the moment."""
    toy = Toy(group_={"g": surged()}, marker_=MARKER)
    look(Phase.DRAIN, toy, nodes=(row("i-o1", stage),))
    assert toy.young is young


@pytest.mark.parametrize(
    ("phase", "young"), [(Phase.AUTOSCALER_OFF, True), (Phase.RESTORE, True), (Phase.READY, False)]
)
def test_what_is_committed_or_given_back_rests_on_a_look_of_now(phase: Phase, young: bool) -> None:  # noqa: FBT001
    """The replicas that are found, and those that stand when they are given back, are no watch's of a while ago."""
    toy = Toy(group_={"g": surged()}, marker_=MARKER)
    look(phase, toy)
    assert toy.young is young


def test_a_group_that_is_gone_is_seen_as_one_that_is_gone() -> None:
    """A group that the plan names, and nobody has any more, is no world without it."""
    toy = Toy(group_={"g": surged()}, marker_=MARKER)
    toy.group_.clear()
    seen, _ = look(Phase.LAUNCH_TEMPLATE, toy)
    assert [(group.name, group.gone, group.instances) for group in seen.groups] == [("g", True, ())]


@pytest.mark.parametrize("phase", [Phase.LAUNCH_TEMPLATE, Phase.RESTORE])
def test_a_template_that_is_gone_is_seen_as_one_without_versions(phase: Phase) -> None:
    """What that means the phase decides; a single look is no fact, so it is looked for again first."""
    toy = Toy(group_={"g": surged()}, marker_=MARKER)
    toy.template_.clear()
    seen, _ = look(phase, toy)
    assert seen.template("lt").gone
    assert "launch template lt" in missing(seen, record(phase))


@pytest.mark.parametrize("phase", [Phase.TAINT, Phase.SURGE, Phase.PROTECT, Phase.READY, Phase.DRAIN])
@pytest.mark.parametrize(
    ("direction", "launches", "asked"), [("forward", "7", False), ("back", "7", True), ("back", "1", False)]
)
def test_templates_are_looked_at_where_a_group_is_off_its_pin(
    phase: Phase,
    direction: str,
    launches: str,
    asked: bool,  # noqa: FBT001
) -> None:
    """After an abort what a person gave it may stand in place of what was deleted."""
    toy = Toy(group_={"g": surged(uses=(use(launches),))}, marker_=MARKER)
    _, read = look(phase, toy, direction=direction, nodes=())
    assert ("templates" in read) is (asked or (launches == "7" and phase is Phase.DRAIN))


LEFT = (row("i-o1"),)
SHORT = surged(old("o1"), new("n1"), new("n2"))


@pytest.mark.parametrize(
    ("there", "changes", "within"),
    [
        (surged(), {"nodes": LEFT}, 600.0),
        (SHORT, {"nodes": LEFT}, 60.0),
        (surged(uses=(use("3"),)), {"nodes": LEFT}, 0.0),
        (surged(), {"nodes": (row("i-o1", Stage.TERMINATING),)}, None),
        (surged(uses=(use("1"),)), {"direction": "back", "nodes": (row("i-n1", role="new"),)}, 600.0),
    ],
)
def test_how_young_a_look_at_what_groups_launch_is_in_drain(
    there: GroupSeen, changes: dict[str, Any], within: float | None
) -> None:
    """While nodes must go: of the last ten minutes, of the last one while AWS is to launch, of now after a change."""
    asked: list[float] = []

    def known(seconds: float) -> tuple[TemplateSeen, ...]:
        asked.append(seconds)
        return KNOWN

    toy = Toy(group_={"g": there}, marker_=MARKER)
    seen = observe(record(Phase.DRAIN, **changes), toy, toy, None, known)
    assert asked == ([] if within is None else [within])
    assert seen.templates == (() if within is None else KNOWN)


def test_without_an_autoscaler_none_is_asked_for() -> None:
    """A cluster that has none is not asked for it."""
    seen, read = look(Phase.TAINT, Toy(), autoscaler=None)
    assert "autoscaler" not in read
    assert seen.autoscaler is None


@pytest.mark.parametrize(
    ("stage", "changes", "fresh"),
    [
        (Stage.WAITING, {}, []),
        (Stage.DRAINING, {}, ["o1"]),
        (Stage.RELEASED, {}, ["o1"]),
        (Stage.TERMINATING, {}, ["o1"]),
        (Stage.TERMINATING, {"unsettled": (unsettled(END, "rejected"),)}, ["o1"]),
        (Stage.TERMINATING, {"done": frozenset({END.key})}, []),
        (Stage.GONE, {}, []),
        (Stage.KEPT, {}, []),
    ],
)
def test_pods_past_the_cache(stage: Stage, changes: dict[str, Any], fresh: list[str]) -> None:
    """Only the pods of nodes that are about to be hurt are listed straight from the API."""
    toy = Toy.in_use()
    seen, read = look(Phase.DRAIN, toy, nodes=(row("i-o1", stage), row("i-o2")), **changes)
    assert list(seen.fresh) == fresh
    assert read.count("pods_on") == len(fresh)
    assert all(one.node == name for name, there in seen.fresh.items() for one in there)


@pytest.mark.parametrize(("stage", "asks"), [(Stage.WAITING, False), (Stage.DRAINING, True), (Stage.RELEASED, False)])
def test_budgets_are_read_while_pods_leave(stage: Stage, *, asks: bool) -> None:
    """Nobody else goes by them."""
    toy = Toy.in_use()
    toy.budget_ = (BudgetSeen("ns", "web", None),)
    seen, read = look(Phase.DRAIN, toy, nodes=(row("i-o1", stage), row("i-o2")))
    assert ("budgets" in read, seen.budgets) == (asks, toy.budget_ if asks else None)


def test_pods_of_a_node_without_an_object() -> None:
    """They are listed by the name in the record; an instance that never joined has none."""
    toy = Toy.in_use()
    del toy.node_["o1"]
    rows = (row("i-o1", Stage.DRAINING), row("i-x", Stage.DRAINING, name=None, uid=None))
    seen, _ = look(Phase.DRAIN, toy, nodes=rows)
    assert list(seen.fresh) == ["o1"]


@pytest.mark.parametrize(
    ("sizes", "instances", "asks"),
    [
        pytest.param(SURGED, 3, True, id="one is missing"),
        pytest.param(SURGED, 4, False, id="none is missing"),
        pytest.param(replace(SURGED, desired=2), 2, False, id="they were not asked for yet"),
    ],
)
def test_why_launches_fail_is_asked_while_instances_are_missing(sizes: Any, instances: int, asks: bool) -> None:  # noqa: FBT001 - a column of a table
    """AWS is asked for its reason in SURGE only, and only once the sizes stand."""
    group = surged(*surged().instances[:instances], sizes=sizes)
    toy = Toy(group_={"g": group}, failing="no capacity")
    toy.node_["o1"] = node("o1")
    seen, read = look(Phase.SURGE, toy)
    assert ("trouble" in read) is asks
    assert seen.troubles == ({"g": "no capacity"} if asks else {})
