"""LAUNCH_TEMPLATE: one version per (template, source), every group pinned to it, then the old nodes."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from rollout.model.decision import Act, Advance, Halt
from rollout.model.effects import CreateVersion, SetReference
from rollout.model.machine import Phase, Stage
from rollout.model.observation import Observation, TemplateSeen, VersionSeen
from rollout.model.plan import NewVersion, Source
from rollout.model.record import Record
from rollout.phases import launch_template
from rollout.phases.launch_template import LONGEST_DESCRIPTION, description
from tests.core.build import (
    BASE,
    baseline,
    found,
    new,
    node,
    node_group,
    old,
    ours_of,
    pinned,
    record,
    row,
    seen,
    template,
    use,
)
from tests.core.tables import Answer, acts, advances, case, check, halts

PHASE = Phase.LAUNCH_TEMPLATE
RECORD = record(PHASE)
BEFORE = template(VersionSeen(1, "ami-old", "as it was"))
BOTH = template(VersionSeen(11, "ami-old", ""), VersionSeen(1, "ami-old", "as it was"))
MADE = template()

CREATE = CreateVersion(
    template_id="lt",
    source_version=1,
    ami="ami-new",
    description="rollout r1",
    token="r1-lt-1-0",  # noqa: S106 - AWS's ClientToken, no secret
    occasion="0",
)
PIN = SetReference(group="g", before=(use("$Latest"),), uses=(use("2"),), occasion="pin.0")

TWO = (node_group("g"), node_group("h"))
SHARED = record(PHASE, groups=TWO, baselines=(baseline("g"), baseline("h")))
APART = record(PHASE, groups=(node_group("g"), node_group("h", source=11)), baselines=(baseline("g"), baseline("h")))
SOURCES = (ours_of(13, description="rollout r1 from 11"), ours_of(12, description="rollout r1 from 1"))

LABELLED = record(PHASE, node_selector={"role": "worker"})
WORKER = {"role": "worker"}


def labelled(*names: str) -> Observation:
    """The group, its template, and nodes that carry the label."""
    return seen(pinned(), MADE, *(node(name, labels=WORKER) for name in names))


@pytest.mark.parametrize(
    ("world", "journal", "now", "expected"),
    [
        case("nothing done yet", acts(CREATE), seen(found(), BEFORE), RECORD),
        case("resumed once: another occasion, another token",
             acts(replace(CREATE, occasion="1", token="r1-lt-1-1")),  # noqa: S106 - as above
             seen(found(), BEFORE), record(PHASE, resume_count=1)),
        case("another rollout's version is not ours", acts(CREATE),
             seen(found(), template(ours_of(2, description="rollout r2"), *BEFORE.versions)), RECORD),
        case("its template is deleted", halts("somebody has deleted launch template workers (lt): no instance can"),
             seen(found(), template(versions=())), RECORD),
        case("so it is with a template of another group, and another one given", halts("somebody has deleted launch"),
             seen(found(uses=(use("1", template="lt-x"),)), template(versions=())), RECORD),
        case("the version that ours is made of is deleted",
             halts("a version is to be made of workers 1, which somebody has deleted"),
             seen(found(), template(VersionSeen(3, "ami-x", ""))), RECORD),
        case("ours was made of it before", acts(PIN), seen(found(), template(ours_of(2))), RECORD),
        case("half done: made, not pinned", acts(PIN), seen(found(), MADE), RECORD),
        case("made and pinned", advances("2 old nodes"), seen(pinned(), MADE), RECORD),
        case("a later version of somebody else changes nothing", advances(),
             seen(pinned(), template(VersionSeen(3, "ami-x", ""), ours_of(2))), RECORD),
        case("$Default: pinned to the number", acts(replace(PIN, before=(use("$Default"),))),
             seen(found(uses=(use("$Default"),)), MADE), record(PHASE, groups=(node_group(reference="$Default"),))),
        case("a number: pinned to ours", acts(replace(PIN, before=(use("1"),))),
             seen(found(uses=(use("1"),)), MADE), record(PHASE, groups=(node_group(reference="1"),))),
        case("drift: somebody pinned it to a third version", halts("g launched workers $Latest when"),
             seen(found(uses=(use("7"),)), MADE), RECORD),
        case("drift: somebody gave it another template", halts("drift"),
             seen(found(uses=(use("$Latest", template="lt-x"),)), MADE), RECORD),
        case("drift of one group: nothing is sent for the other", halts("drift"),
             seen(found(), found(name="h", uses=(use("7"),)), MADE), SHARED),
        case("our description, a foreign image", halts("version 2 carries this rollout's description but image ami-x"),
             seen(found(), template(ours_of(2, image_id="ami-x"))), RECORD),
        case("a template of two groups: one version", acts(CREATE), seen(found(), found(name="h"), BEFORE), SHARED),
        case("a template of two groups: each is pinned", acts(PIN, replace(PIN, group="h")),
             seen(found(), found(name="h"), MADE), SHARED),
        case("a template of two groups: the second is left", acts(replace(PIN, group="h")),
             seen(pinned(), found(name="h"), MADE), SHARED),
        case("two sources of one template: a version each",
             acts("create-version:lt/1:0", "create-version:lt/11:0"), seen(found(), found(name="h"), BOTH), APART),
        case("two sources, one made: not taken for the other", acts("create-version:lt/1:0"),
             seen(found(), found(name="h"), template(SOURCES[0], *BOTH.versions)), APART),
        case("two sources, each group to its own", acts(replace(PIN, uses=(use("12"),)), "set-reference:h:pin.0"),
             seen(found(), found(name="h"), template(*SOURCES)), APART),
        case("a group of size 0 is switched too", acts("set-reference:g:pin.0"),
             seen(found(instances=()), MADE), record(PHASE, baselines=(baseline(sizes=replace(BASE, desired=0)),))),
        case("selector: exactly the groups' nodes", advances(), labelled("o1", "o2"), LABELLED),
        case("selector: a node of the group without the label",
             halts("role=worker and the groups disagree on 1 nodes: o2"), labelled("o1"), LABELLED),
        case("selector: a stranger with the label",
             halts("disagree on 1 nodes: x"), labelled("o1", "o2", "x"), LABELLED),
        case("selector: a node whose instance just left is explained", advances(),
             seen(pinned(old("o1"), old("o2", lifecycle="Terminating")), MADE,
                  node("o1", labels=WORKER), node("o2", labels=WORKER)), LABELLED),
    ],
)  # fmt: skip
def test_decides(world: Observation, journal: Record, now: datetime, expected: Answer) -> None:
    """The version first, then the references, then the cross-check; over when all of it shows."""
    check(launch_template, world, journal, now, expected)


ARM = use("3", "override 1", "lt-arm")
TWICE = use("$Default", "override 4")
MIXED = record(PHASE, groups=(node_group("g", "$Latest", 1, Source(ARM, 3), Source(TWICE, 1)),))
ARM_BEFORE = TemplateSeen("lt-arm", "arm", 3, 3, (VersionSeen(3, "ami-old", ""),))
ARM_MADE = replace(ARM_BEFORE, versions=(ours_of(4), *ARM_BEFORE.versions))
WAS = (use("$Latest"), ARM, TWICE)
PINNED = (use("2"), replace(ARM, reference="4"), replace(TWICE, reference="2"))
PIN_ALL = SetReference(group="g", before=WAS, uses=PINNED, occasion="pin.0")


@pytest.mark.parametrize(
    ("world", "journal", "now", "expected"),
    [
        case("one version of each template and source", acts("create-version:lt/1:0", "create-version:lt-arm/3:0"),
             seen(found(uses=WAS), BEFORE, ARM_BEFORE), MIXED),
        case("one of them is made", acts("create-version:lt-arm/3:0"), seen(found(uses=WAS), MADE, ARM_BEFORE), MIXED),
        case("all uses are pinned at once", acts(PIN_ALL), seen(found(uses=WAS), MADE, ARM_MADE), MIXED),
        case("pinned", advances("2 old nodes"), seen(found(uses=PINNED), MADE, ARM_MADE), MIXED),
        case("drift: half of it pinned, no matter by whom",
             halts("launched workers $Latest, lt-arm 3 (override 1), workers $Default (override 4) when"),
             seen(found(uses=(PINNED[0], *WAS[1:])), MADE, ARM_MADE), MIXED),
        case("drift: its overrides are gone", halts("now workers $Latest"),
             seen(found(uses=WAS[:1]), MADE, ARM_MADE), MIXED),
        case("drift: a launch configuration instead", halts("now no launch template"),
             seen(found(uses=()), MADE, ARM_MADE), MIXED),
    ],
)  # fmt: skip
def test_a_group_with_several_templates(world: Observation, journal: Record, now: datetime, expected: Answer) -> None:
    """Each template that a policy names gets its version, and one update pins them all."""
    check(launch_template, world, journal, now, expected)


@pytest.mark.parametrize("there", [(), (VersionSeen(3, "ami-x", ""),)], ids=["template", "version"])
def test_the_way_back_is_all_that_is_left_of_what_was_deleted(there: tuple[VersionSeen, ...]) -> None:
    """What was deleted never comes back in EC2: the hint is the way back."""
    halt = launch_template.decide(seen(found(), template(versions=there)), RECORD, RECORD.since)
    assert isinstance(halt, Halt)
    assert halt.hint.endswith("launch then: rollout abort r1")


def test_a_drift_that_no_one_command_puts_back_is_shown_by_one() -> None:
    """The plan does not know what else a policy's overrides say: the hint shows the group as it is now."""
    decision = launch_template.decide(seen(found(uses=WAS[:1]), MADE, ARM_MADE), MIXED, MIXED.since)
    assert isinstance(decision, Halt)
    look = "aws autoscaling describe-auto-scaling-groups --auto-scaling-group-names g"
    assert decision.hint.endswith(f"workers $Default (override 4) back ({look})")


def test_instances_of_any_of_our_versions_are_new() -> None:
    """No matter which override launched them; the same number of another template is no version of ours."""
    group = found(new("n1"), new("n2", template_id="lt-arm", version=4), new("o1", version=4), uses=PINNED)
    decision = launch_template.decide(seen(group, MADE, ARM_MADE), MIXED, MIXED.since)
    assert isinstance(decision, Advance)
    assert [node.instance_id for node in decision.nodes] == ["i-o1"]


def test_every_living_instance_that_is_not_of_our_version_is_old() -> None:
    """Pending ones too, with the node that runs on it, if any; those of our version and those leaving are not."""
    group = pinned(old("o1"), old("o2", lifecycle="Pending:Wait"), old("o3", lifecycle="Terminating"), new("n1"))
    decision = launch_template.decide(seen(group, MADE, unjoined=("o2",)), RECORD, RECORD.since)
    assert isinstance(decision, Advance)
    assert decision.nodes == (row("i-o1"), row("i-o2", Stage.WAITING, name=None, uid=None))


def test_an_instance_of_the_same_number_of_another_template_is_old() -> None:
    """What an instance was launched from is a template and a number."""
    group = pinned(new("o1", template_id="lt-before"), new("o2", template_id=None, version=None))
    decision = launch_template.decide(seen(group, MADE), RECORD, RECORD.since)
    assert isinstance(decision, Advance)
    assert [node.instance_id for node in decision.nodes] == ["i-o1", "i-o2"]


def test_the_versions_are_committed_with_the_phase() -> None:
    """The plan's second half says which number replaces which."""
    world = seen(pinned(uses=(use("12"),)), pinned(name="h", uses=(use("13"),)), template(*SOURCES))
    decision = launch_template.decide(world, APART, APART.since)
    assert isinstance(decision, Advance)
    assert decision.plan
    assert decision.plan.versions == (NewVersion("lt", 1, 12), NewVersion("lt", 11, 13))


@pytest.mark.parametrize("journal", [RECORD, APART], ids=["one source", "two sources"])
@pytest.mark.parametrize("text", ["", "new kernel", "x" * 300])
def test_the_description_fits_and_finds_the_version_again(journal: Record, text: str) -> None:
    """However long the operator's text is, EC2 takes it, and it ends with what names rollout and source."""
    journal = replace(journal, plan=replace(journal.plan, description=text))
    made = {source: description(journal, "lt", source) for source in (1, 11)}
    assert all(len(line) <= LONGEST_DESCRIPTION for line in made.values())
    assert all(f"rollout {journal.id}" in line and line.startswith(text[:9]) for line in made.values())
    decision = launch_template.decide(
        seen(found(), found(name="h"), template(ours_of(12, description=made[1]), *BOTH.versions)),
        journal,
        journal.since,
    )
    assert isinstance(decision, Act)
    assert "create-version:lt/1:0" not in {effect.key for effect in decision.effects}
