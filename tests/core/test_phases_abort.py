"""The way back, phase by phase: the same code with the roles changed."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from rollout.model.decision import Act, Advance, Decision, Halt, Move
from rollout.model.effects import (
    Cordon,
    CreateVersion,
    OnNode,
    Resize,
    SetReference,
    TaintNode,
    Uncordon,
    UntaintNode,
    Written,
)
from rollout.model.machine import Phase, Stage
from rollout.model.observation import NodeSeen, Observation, TemplateSeen, VersionSeen
from rollout.model.plan import NewVersion, Sizes, Source, TemplateUse
from rollout.model.reasons import Reason
from rollout.model.record import Abort, Late, Record
from rollout.phases import abort, cluster_lock, drain, launch_template, ready, restore, surge, taint
from rollout.phases.expected import unexpected
from rollout.phases.missing import missing
from rollout.phases.shared import leaving_rows, that_stay
from rollout.stages import decide as stage
from rollout.stages.node_view import terminate_key
from tests.core.build import (
    BASE,
    KEY,
    MARKER,
    NOW,
    ON,
    at,
    baseline,
    found,
    instance,
    looked,
    marked,
    new,
    node,
    node_group,
    old,
    ours_of,
    pinned,
    record,
    row,
    seen,
    surged,
    template,
    unsettled,
    use,
)
from tests.core.tables import Answer, acts, advances, case, check, halts, waits

ASKED = Abort(NOW, "alice")
KEPT = (row("i-o1", Stage.KEPT), row("i-o2", Stage.KEPT))
NEWS = (row("i-n1", role="new"), row("i-n2", role="new"))
COPY = NewVersion("lt", 1, 3)
LATEST = template(VersionSeen(3, "ami-old", "rollout r1 back to 1"), ours_of(2), VersionSeen(1, "ami-old", "as it was"))
WHOLE = (old("o1"), old("o2"), new("n1"), new("n2"))
BACK = {"direction": "back", "copies": (COPY,), "resume_count": 1}


def back(phase: Phase, **changes: object) -> Record:
    """A record on its way back: two old nodes stay, two new ones must go."""
    return record(phase, **{"nodes": (*KEPT, *NEWS), **BACK, **changes})


def world(*things: object, **changes: object) -> Observation:
    """A surged group that launches again what was there before."""
    return seen(surged(*(things or WHOLE), uses=(use("3"),), **changes), LATEST)  # type: ignore[arg-type]


# ---- the turn -------------------------------------------------------------------------------------------------------

PIN = SetReference(group="g", before=(use("$Latest"),), uses=(use("2"),), occasion="pin.0")


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase not in {Phase.RESTORE, Phase.DONE, Phase.ABORTED}])
def test_it_turns_where_it_was_asked_to(phase: Phase) -> None:
    """To RESTORE before the templates are touched, else to LAUNCH_TEMPLATE; the plan says how."""
    asked = replace(ASKED, drain_seconds=60.0, keep_jobs=True)
    turned = abort.turn(record(phase, abort=asked), NOW)
    assert isinstance(turned, Advance)
    early = phase in {Phase.PLANNED, Phase.AUTOSCALER_OFF}
    assert turned.to is (Phase.RESTORE if early else Phase.LAUNCH_TEMPLATE)
    assert turned.turns
    assert turned.plan is not None
    assert turned.plan.goes_back
    assert (turned.plan.settings.drain_seconds, turned.plan.settings.on_deadline) == (60.0, "halt")
    as_before = abort.turn(record(phase, abort=ASKED), NOW)
    assert isinstance(as_before, Advance)
    assert as_before.plan is not None
    assert as_before.plan.settings == record(phase).plan.settings


@pytest.mark.parametrize(
    "journal",
    [record(), record(Phase.RESTORE, abort=ASKED), back(Phase.TAINT, abort=ASKED)],
    ids=["nobody asked", "too late", "it goes back already"],
)
def test_it_turns_not(journal: Record) -> None:
    """Where nobody asked, where everything is replaced, and once only."""
    assert abort.turn(journal, NOW) is None


def test_nothing_crosses_the_turn() -> None:
    """It waits until what is under way is settled, and until what was not answered can arrive no more."""
    agrees(abort.turn(record(abort=ASKED, unsettled=(unsettled(PIN),)), NOW), waits("requests are to be settled"))
    late = record(abort=ASKED, unsettled=(unsettled(PIN, "not_applied"),), late=(Late(PIN, at(60)),))
    agrees(abort.turn(late, NOW), waits("may still arrive"))
    assert isinstance(abort.turn(late, at(60)), Advance)


def agrees(decision: Decision | None, expected: Answer) -> None:
    assert isinstance(decision, expected.kind), decision
    assert expected.says in decision.why


def test_it_turns_before_any_drift_is_answered_and_after_the_marker() -> None:
    """It is a way out of drift, too; but nothing is done on a cluster whose marker is another's."""
    drifted = seen(surged(*WHOLE, sizes=Sizes(1, 7, 9)))
    journal = record(Phase.READY, abort=ASKED)
    first = next(unexpected(marked(drifted, journal), journal, NOW))
    assert isinstance(first, Advance)
    foreign = replace(drifted, marker=replace(MARKER, rollout_id="r9"))
    agrees(next(unexpected(foreign, journal, NOW)), halts("belongs to rollout r9"))


# ---- LAUNCH_TEMPLATE ------------------------------------------------------------------------------------------------

LT = Phase.LAUNCH_TEMPLATE
TURNED = record(LT, direction="back", resume_count=1, versions=(NewVersion("lt", 1, 2),), nodes=())
MADE = template()
MAKE = CreateVersion(
    template_id="lt",
    source_version=1,
    ami="ami-old",
    description="rollout r1 back to 1",
    token="r1-lt-1-back-1",  # noqa: S106 - AWS's ClientToken, no secret
    occasion="copy.1",
)
AGAIN = SetReference(group="g", before=(use("2"),), uses=(use("3"),), occasion="pin.1")
FEWER = Resize(group="g", before=Sizes(3, 4, 4), sizes=Sizes(2, 2, 4), occasion="no-more.1")
OLDS = (row("i-o1", Stage.DRAINING), row("i-o2"))
ENDED = row("i-o1", Stage.TERMINATING)


def staying(answer: Decision) -> tuple[Move, ...]:
    assert isinstance(answer, Act)
    return answer.moves


def test_old_nodes_stay_but_for_those_that_were_ended() -> None:
    """From every stage, also where a terminate was not applied; one that was applied is followed to its end."""
    journal = replace(TURNED, nodes=(*OLDS, row("i-o3", Stage.TERMINATING), row("i-o4", Stage.GONE)))
    moves = staying(launch_template.decide(world(), journal, NOW))
    assert [(move.instance_id, move.trigger) for move in moves] == [
        ("i-o1", "keep"),
        ("i-o2", "keep"),
        ("i-o3", "keep"),
    ]
    journal = replace(TURNED, nodes=(ENDED, row("i-o2")), done=frozenset({terminate_key(ENDED)}))
    assert [move.instance_id for move in staying(launch_template.decide(world(), journal, NOW))] == ["i-o2"]


@pytest.mark.parametrize(
    ("seen", "record", "now", "expected"),
    [
        case(
            "launches that failed are not tried again",
            acts(FEWER),
            seen(surged(old("o1"), old("o2"), sizes=Sizes(3, 4, 4)), MADE),
            TURNED,
        ),
        case("as many are desired as live: nothing is lowered", acts(MAKE), seen(surged(), MADE), TURNED),
        case("$Latest means ours: a copy of what was before comes on top", acts(MAKE), seen(surged(), MADE), TURNED),
        case("the copy is there: pinned to it", acts(AGAIN), seen(surged(), LATEST), TURNED),
        case(
            "somebody's version is on top: no copy",
            acts(replace(AGAIN, uses=(use("1"),))),
            seen(surged(), template(ours_of(5, description="theirs"), ours_of(2), VersionSeen(1, "ami-old", ""))),
            TURNED,
        ),
        case(
            "no version of ours was made",
            acts(replace(AGAIN, before=(use(),), uses=(use("1"),))),
            seen(found(), template(VersionSeen(1, "ami-old", ""))),
            replace(TURNED, plan=replace(TURNED.plan, versions=())),
        ),
        case(
            "somebody deleted our version: it was ours, and the group is taken off it",
            acts(replace(AGAIN, uses=(use("1"),))),
            seen(surged(), template(VersionSeen(1, "ami-old", ""))),
            TURNED,
        ),
        case("somebody else changed the reference", halts("drift"), seen(surged(uses=(use("9"),)), LATEST), TURNED),
        case("new nodes must go", advances("2 new nodes are to go"), world(), TURNED),
        case("nothing was launched", advances("no new node is there"), world(old("o1"), old("o2"), sizes=BASE), TURNED),
        case("an old one is gone", advances("0 new nodes are to go"), world(old("o1"), sizes=BASE), TURNED),
    ],
)
def test_launch_template(seen: Observation, record: Record, now: datetime, expected: Answer) -> None:
    """What was there before is launched again, and nothing more of ours."""
    check(launch_template, seen, record, now, expected)


GONE = template(versions=())
ONLY_OURS = template(ours_of(2))
GIVEN = template(VersionSeen(7, "ami-old", "hers"), ours_of(2))
OVERRIDE = use("3", "override 1", "lt-arm")
USED_TWICE = node_group("g", "1", 1, Source(OVERRIDE, 3))
TWO_USES = record(LT, direction="back", resume_count=1, nodes=(), groups=(USED_TWICE,),
                  versions=(NewVersion("lt", 1, 2), NewVersion("lt-arm", 3, 4)))  # fmt: skip
ARM = TemplateSeen("lt-arm", "arm", 3, 3, (VersionSeen(3, "ami-old", ""),))


@pytest.mark.parametrize(
    ("seen", "record", "now", "expected"),
    [
        case("the version before is deleted, and ours is launched",
             halts("g is to launch workers 1, which somebody has deleted"), seen(surged(), ONLY_OURS), TURNED),
        case("she gave it another one", advances("0 new nodes"),
             seen(surged(old("o1", version=7), uses=(use("7"),), sizes=BASE), GIVEN), TURNED),
        case("or its newest, which is hers", advances("0 new nodes"),
             seen(surged(old("o1", version=7), uses=(use("$Latest"),), sizes=BASE), GIVEN), TURNED),
        case("its newest is ours", halts("g is to launch workers 1, which somebody has deleted"),
             seen(surged(uses=(use("$Latest"),)), ONLY_OURS), TURNED),
        case("another one, while that from before is there", halts("drift"),
             seen(surged(uses=(use("7"),)), template(*GIVEN.versions, *MADE.versions[1:])), TURNED),
        case("none at all", halts("g is to launch workers 1, which"), seen(surged(uses=()), ONLY_OURS), TURNED),
        case("the template is deleted: what there is stays", advances("no new node"),
             seen(found(old("o1"), old("o2")), GONE), replace(TURNED, plan=replace(TURNED.plan, versions=()))),
        case("the template is deleted, and new nodes are to go", advances("2 new nodes are to go"),
             seen(surged(*WHOLE), GONE), TURNED),
        case("another template is left", advances("2 new nodes are to go"),
             seen(surged(*WHOLE, uses=(use("1", template="lt-x"),)), GONE), TURNED),
        case("the template is deleted, and an old one is to be launched",
             halts("g is to launch workers 1, whose launch template somebody has deleted"),
             seen(surged(old("o1"), new("n1"), sizes=BASE), GONE), TURNED),
        case("of two uses one is hers", acts("set-reference:g:pin.1"),
             seen(surged(uses=(use("7"), replace(OVERRIDE, reference="4"))), GIVEN, ARM), TWO_USES),
    ],
)  # fmt: skip
def test_what_somebody_deleted(seen: Observation, record: Record, now: datetime, expected: Answer) -> None:
    """An abort goes back past it; a person is told only where a group launches ours, or can launch nothing and must."""
    check(launch_template, seen, record, now, expected)


@pytest.mark.parametrize(
    ("there", "uses", "drifts"),
    [(GIVEN, "7", False), (GIVEN, "2", True), (GONE, "2", False), (MADE, "7", True)],
    ids=["hers", "ours", "nothing", "the one from before is there"],
)
def test_what_stands_in_its_place_is_no_drift(there: TemplateSeen, uses: str, drifts: bool) -> None:  # noqa: FBT001
    """In the phases after it, too."""
    journal = replace(back(Phase.READY), plan=replace(back(Phase.READY).plan, copies=()))
    answers = unexpected(marked(seen(surged(*WHOLE, uses=(use(uses),)), there), journal), journal, NOW)
    assert any(isinstance(one, Halt) and one.reason is Reason.DRIFT_LAUNCH_TEMPLATE for one in answers) is drifts


def hint(there: TemplateSeen, *uses: TemplateUse, reference: str = "$Latest", lives: bool = True) -> str:
    plan = replace(TURNED.plan, groups=(node_group("g", reference),))
    group = surged(*(WHOLE if lives else (new("n1"),)), sizes=BASE, uses=uses or (use("2"),))
    halt = launch_template.decide(seen(group, there), replace(TURNED, plan=plan), NOW)
    assert isinstance(halt, Halt)
    return halt.hint


IMAGE = "IMAGE=$(aws ec2 describe-instances --instance-ids i-o1 --query 'Reservations[0].Instances[0].ImageId'"
VERSION = "VERSION=$(aws ec2 create-launch-template-version --launch-template-id lt --source-version 2 "


def test_the_hint_makes_a_version_with_the_image_from_before() -> None:
    """The image is read off an old node; the group gets the reference that it had."""
    assert IMAGE in hint(ONLY_OURS)
    assert VERSION in hint(ONLY_OURS)
    assert """--launch-template-data '{"ImageId": "'"$IMAGE"'"}'""" in hint(ONLY_OURS)
    assert "Version=$Latest'" in hint(ONLY_OURS)
    assert """Version='"$VERSION"''""" in hint(ONLY_OURS, reference="1")
    assert """--launch-template-data '{"ImageId": "AMI"}'""" in hint(ONLY_OURS, lives=False)
    assert "LaunchTemplateId=ID,Version=$Default" in hint(GONE, lives=False)


def acts_of(decision: Decision) -> tuple[object, ...]:
    assert isinstance(decision, Act), decision
    return decision.effects


GIVEN_FOR_OURS = template(VersionSeen(4, "ami-new", "hers"), VersionSeen(1, "ami-old", "as it was"))


def test_what_has_our_image_leaves_whoever_made_its_version() -> None:
    """A person gave the group another version with it in DRAIN; what was there before, or is a copy of it, stays."""
    given = [old("o1"), old("o3"), new("n1"), new("n4", version=4), old("n5", version=3), old("n6", version=9)]
    there = template(VersionSeen(3, "ami-new", "a copy"), *GIVEN_FOR_OURS.versions)
    journal = replace(TURNED, nodes=(*OLDS, row("i-o3")), plan=replace(TURNED.plan, copies=(COPY,)))
    world_ = seen(surged(*given, uses=(use("1"),)), there)
    assert [one.instance_id for one in leaving_rows(world_, journal, NOW)] == ["i-n1", "i-n4"]
    known = replace(journal, nodes=(*OLDS, row("i-o3"), row("i-n4", role="new"), row("i-n1", role="surplus")))
    stay = that_stay(seen(surged(*given, uses=(use("1"),))), known, known.plan.group("g"))
    assert [one.id for one in stay] == ["i-o1", "i-o3", "i-n5", "i-n6"]


def test_what_a_person_gave_in_place_of_ours_is_pinned_back() -> None:
    """It is no drift: ours was deleted, and it has our image; any other reference is."""
    journal = replace(TURNED, plan=replace(TURNED.plan, groups=(node_group("g", "1"),)))
    gives = seen(surged(uses=(use("4"),)), GIVEN_FOR_OURS)
    agrees(
        launch_template.decide(gives, journal, NOW),
        acts(SetReference(group="g", before=(use("4"),), uses=(use("1"),), occasion="pin.1")),
    )
    other = seen(surged(uses=(use("1", template="x"),)), GIVEN_FOR_OURS)
    agrees(launch_template.decide(other, journal, NOW), halts("drift: g launched workers 1"))


def test_what_launch_template_commits() -> None:
    """Both versions, and the new nodes as those that must go; RESTORE comes next where there are none."""
    decision = launch_template.decide(world(), TURNED, NOW)
    assert isinstance(decision, Advance)
    assert decision.plan is not None
    assert (decision.plan.copies, decision.to) == ((COPY,), Phase.TAINT)
    assert [(one.instance_id, one.role) for one in decision.nodes] == [("i-n1", "new"), ("i-n2", "new")]
    nothing = launch_template.decide(world(old("o1"), old("o2"), sizes=BASE), TURNED, NOW)
    assert isinstance(nothing, Advance)
    assert nothing.to is Phase.RESTORE


def test_a_version_that_somebody_deleted_stays_committed() -> None:
    """What is committed is never changed: the journal would not take it. It tells which nodes are new, too."""
    there = seen(surged(uses=(use("1"),)), template(VersionSeen(1, "ami-old", "")))
    decision = launch_template.decide(there, TURNED, NOW)
    assert isinstance(decision, Advance)
    assert decision.plan is not None
    assert decision.plan.versions == TURNED.plan.versions
    assert [one.instance_id for one in decision.nodes] == ["i-n1", "i-n2"]


# ---- TAINT to READY -------------------------------------------------------------------------------------------------

CLOSED = node("o1", "NoSchedule", unschedulable=True)
CORDONED = Cordon(**OnNode.of(CLOSED), occasion="0.0")
OPEN = UntaintNode(**OnNode.of(CLOSED), taint_key=KEY, occasion="reopen.1")
UNCORDON = Uncordon(**OnNode.of(CLOSED), occasion="1")
SOFT = tuple(
    TaintNode(**OnNode.of(node(name)), taint_key=KEY, value="r1", effect="PreferNoSchedule", occasion="1")
    for name in ("n1", "n2")
)
RAISE = Resize(group="g", before=Sizes(1, 3, 4), sizes=Sizes(1, 4, 4), occasion="surge.1")
LESS = (old("o1"), new("n1"), new("n2"))
LOST = (row("i-o1", Stage.KEPT), row("i-o2", Stage.GONE), *NEWS)
AS_LEFT = {"sizes": Sizes(1, 3, 4)}


def tainted(*names: str, effect: str = "NoSchedule") -> tuple[NodeSeen, ...]:
    return tuple(node(name, effect) for name in names)


@pytest.mark.parametrize(
    ("phase", "seen", "record", "now", "expected"),
    [
        (
            taint,
            *case(
                "old nodes are opened",
                acts(OPEN, UNCORDON),
                seen(surged(*WHOLE, uses=(use("3"),)), CLOSED),
                back(Phase.TAINT, done=frozenset({CORDONED.key})),
            ).values,
        ),
        (taint, *case("another's cordon stays", acts(OPEN), seen(surged(*WHOLE), CLOSED), back(Phase.TAINT)).values),
        (taint, *case("then new nodes are tainted", acts(*SOFT), world(), back(Phase.TAINT)).values),
        (
            taint,
            *case(
                "tainted",
                advances("every new node"),
                seen(surged(*WHOLE), *tainted("n1", "n2", effect="PreferNoSchedule")),
                back(Phase.TAINT),
            ).values,
        ),
        (surge, *case("as many as before are there", advances(), world(), back(Phase.SURGE)).values),
        (
            surge,
            *case(
                "one is missing: it is launched", acts(RAISE), world(*LESS, **AS_LEFT), back(Phase.SURGE, nodes=LOST)
            ).values,
        ),
        (
            surge,
            *case(
                "born protected",
                acts(replace(RAISE, before=Sizes(1, 4, 4), protect_new=True)),
                world(protect_new=False),
                back(Phase.SURGE),
            ).values,
        ),
        (
            surge,
            *case(
                "it is waited for",
                waits("1 of g"),
                world(*LESS, old("n3", version=3, lifecycle="Pending")),
                back(Phase.SURGE, nodes=LOST),
            ).values,
        ),
        (
            surge,
            *case(
                "an instance that we ended is none that stays",
                waits("1 of g"),
                world(),
                back(Phase.SURGE, nodes=(row("i-o1", Stage.TERMINATING), row("i-o2", Stage.KEPT), *NEWS)),
            ).values,
        ),
        (
            ready,
            *case(
                "one is missing",
                waits("old nodes to be Ready: 1 more in g"),
                world(*LESS),
                back(Phase.READY, nodes=LOST),
            ).values,
        ),
        (
            ready,
            *case(
                "what the abort launched is not Ready",
                waits("n3 (not Ready)"),
                seen(surged(*LESS, old("n3", version=3)), node("n3", ready=False)),
                back(Phase.READY, nodes=LOST),
            ).values,
        ),
        (
            ready,
            *case(
                "an old node that stays is DRAIN's matter",
                acts(),
                seen(surged(*WHOLE), node("o1", ready=False)),
                back(Phase.READY),
            ).values,
        ),
        (
            ready,
            *case(
                "closed",
                advances("old nodes are Ready; new ones drain until"),
                seen(surged(*WHOLE), *tainted("n1", "n2")),
                back(Phase.READY),
            ).values,
        ),
    ],
)
def test_the_phases_before_drain(
    phase: object, seen: Observation, record: Record, now: datetime, expected: Answer
) -> None:
    """The roles change places: old nodes take pods, new ones are closed to them."""
    decision = phase.decide(seen, record, now)  # type: ignore[attr-defined]
    agrees(decision, expected)
    if expected.kind is Act and expected.sends:
        assert acts_of(decision) == expected.sends


@pytest.mark.parametrize(("wrote", "ours"), [(Written(desired=4), 4), (Written(), 2)], ids=["surged", "never raised"])
def test_sizes_that_somebody_changed_are_drift_from_surge_on(wrote: Written, ours: int) -> None:
    """An abort raises what it found; who changed it meant something else. Processes may not be suspended yet."""
    journal = back(Phase.SURGE, written={"g": wrote})
    drifted = marked(seen(surged(*WHOLE, uses=(use("3"),), sizes=Sizes(1, 6, 9), suspended=frozenset())), journal)
    answer = next(unexpected(drifted, journal, NOW))
    agrees(answer, halts(f"drift: DesiredCapacity of g is 6, not {ours}"))
    assert "resumed" not in answer.why
    fine = marked(seen(surged(*WHOLE, uses=(use("3"),), sizes=Sizes(1, ours, 4), suspended=frozenset())), journal)
    assert list(unexpected(fine, journal, NOW)) == []


# ---- DRAIN and RESTORE ----------------------------------------------------------------------------------------------


def test_what_stays_serves_and_what_goes_counts_while_it_runs() -> None:
    """An old node that stays is none to be drained, and takes the pods of one that goes."""
    journal = back(Phase.DRAIN)
    answers = drain.answer(seen(surged(*WHOLE, uses=(use("3"),)), *tainted("n1", "n2")), journal, NOW)
    assert {one.instance_id: step.trigger for one, _, step in answers.nodes} == {"i-n1": "drain", "i-n2": None}
    assert answers.raises == ()


def test_what_goes_is_topped_up_by_all_that_are_left() -> None:
    """Somebody ended one of those that stay: as many as before are launched beside all that are to go."""
    (effect,) = drain.top_ups(world(*WHOLE, **AS_LEFT), back(Phase.DRAIN))
    assert effect.sizes == Sizes(1, 4, 4)


def test_what_was_launched_too_much_is_surplus() -> None:
    """Once the new ones are gone: those that stay from before are not counted as what is to go."""
    gone = tuple(replace(one, stage=Stage.GONE) for one in NEWS)
    three = world(old("o1"), old("o2"), old("n3", version=3), sizes=Sizes(1, 3, 4))
    (one,) = drain.surplus(three, back(Phase.DRAIN, nodes=(*KEPT, *gone)), NOW)
    assert (one.instance_id, one.role) == ("i-n3", "surplus")


def test_an_instance_that_never_joined_takes_nothing_with_it() -> None:
    """It goes though as many as must serve do not, once it is known that it has no node."""
    young = {"unjoined": ("o1",), "row_": {"name": None, "uid": None}}
    few = {"sizes": Sizes(1, 4, 4), "baselines": (baseline(sizes=Sizes(1, 4, 4)),)}
    at_first = looked(Stage.WAITING, **young, **few, drain_deadline=at(7200))  # type: ignore[arg-type]
    assert stage(at_first).trigger is None
    later = looked(Stage.WAITING, now=at(1200), **young, **few, drain_deadline=at(7200))  # type: ignore[arg-type]
    assert later.unknown == ""
    assert later.enough


def test_restore_ends_elsewhere_and_says_what_of_the_new_is_left() -> None:
    """ABORTED is the end; a new node that could not go is reported, an old one is not."""
    journal = back(Phase.RESTORE, nodes=KEPT)
    there = found(
        old("o1", protected=False), new("n1", protected=False), new("n9", lifecycle="Standby", protected=False)
    )
    after = replace(
        seen(
            there,
            LATEST,
            node("o1", scale_down_disabled=None, scale_down_before=None),
            node("n1", scale_down_disabled=None, scale_down_before=None),
        ),
        marker=None,
        autoscaler=ON,
    )
    decision = restore.decide(after, journal, NOW)
    assert isinstance(decision, Advance), decision
    assert decision.to is Phase.ABORTED
    told = "\n".join(decision.report)
    assert "i-n1 of g runs version 2, the new one: left" in told
    assert "on our new version" in told
    assert "i-o1" not in told


def test_before_sizes_were_committed_there_is_little_to_restore() -> None:
    """Aborted in PLANNED: the reference was never ours, and no group has a size of ours."""
    journal = replace(record(Phase.PLANNED, direction="back", autoscaler_replicas=None), phase=Phase.RESTORE)
    world_ = replace(seen(found(), template(VersionSeen(1, "ami-old", "as it was"))), marker=None)
    world_ = replace(world_, nodes=tuple(replace(one, scale_down_before=None) for one in world_.nodes))
    assert missing(world_, journal) == frozenset()
    decision = restore.decide(world_, journal, NOW)
    assert isinstance(decision, Advance), decision
    assert (decision.to, decision.report) == (Phase.ABORTED, ())


def test_the_markers_order_knows_the_way_back() -> None:
    """A marker of DRAIN is no sign of an outdated journal that has turned; the other way round it is."""
    turned, before = back(Phase.TAINT), record(Phase.DRAIN)
    old_marker = replace(MARKER, checkpoint=cluster_lock.checkpoint(replace(before, nodes=turned.nodes)))
    assert cluster_lock.ahead(old_marker, turned) == ""
    new_marker = replace(MARKER, checkpoint=cluster_lock.checkpoint(turned))
    assert cluster_lock.ahead(new_marker, before) == "phase TAINT of an abort, while the journal says DRAIN"


def test_a_pinned_reference_is_looked_for_on_the_way_back() -> None:
    """RESTORE looks again where our pin is gone, as in the other direction."""
    journal = back(Phase.RESTORE, nodes=(), done=frozenset({AGAIN.key}))
    assert missing(seen(pinned(old("o1"), old("o2"), uses=(use(),))), journal) >= {"our launch template version of g"}


def test_an_instance_without_a_template_stays() -> None:
    """Nobody knows what it was launched from: it is not what the rollout launched."""
    odd = instance("i-x", 1, template_id=None, version=None)
    decision = launch_template.decide(world(*WHOLE, odd, sizes=Sizes(1, 5, 5)), TURNED, NOW)
    assert isinstance(decision, Advance)
    assert "i-x" not in {one.instance_id for one in decision.nodes}


def test_a_copy_is_for_latest_alone() -> None:
    """A group that names $Default of the same template, or a number, gets its own version back: no default moves."""
    back = record(Phase.RESTORE, direction="back", copies=(COPY,)).plan
    assert {name: back.number(node_group("g", name).sources[0]) for name in ("$Latest", "$Default", "1")} == {
        "$Latest": 3,
        "$Default": 1,
        "1": 1,
    }
