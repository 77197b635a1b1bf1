"""The look before the first effect: what is asked of whom, and what becomes of an answer that is refused."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from rollout.errors import Refused, Retry
from rollout.model.budget import BudgetSeen
from rollout.model.observation import GroupSeen, ImageSeen, VersionSeen
from rollout.model.plan import Autoscaler, Plan, Protected
from rollout.model.preflight_observation import GroupProbed, Kinds, Override, Right
from rollout.ports import AutoScaling, Kubernetes
from rollout.preflight import Request, Survey, make_plan, survey, warnings
from rollout.preflight.rights import DEPLOYMENTS, DISCOVERY, IDENTITY, NAMESPACES, OPTIONAL, Need
from tests.core.build import ON, SETTINGS, found, node, pod, template, use

ASKED = Request("c", "eu-west-1", ("g",), "ami-new", "", SETTINGS)
OURS = GroupProbed("g", use("$Latest"), (Override(use("1", "override 1", "lt-2"), "c5.large", None, None),))


@dataclass
class Outside:
    """AWS, Kubernetes and a scout in one; `wrong`: by verb, what it raises. It notes what it was asked."""

    wrong: Mapping[str, Exception] = field(default_factory=dict)
    probed: tuple[GroupProbed, ...] = (OURS,)
    asked: list[str] = field(default_factory=list)
    denied: Container[Right] = (Right("patch", "nodes"),)

    def answer(self, verb: str, value: Any) -> Any:
        self.asked.append(verb)
        if verb in self.wrong:
            raise self.wrong[verb]
        return value

    # AutoScaling and Kubernetes

    def templates(self, ids: Sequence[str]) -> Any:
        return self.answer(
            f"templates {' '.join(ids)}", tuple(template(VersionSeen(1, "a", ""), id=id_) for id_ in ids)
        )

    def active_instance_refresh(self, group: str) -> Any:
        return self.answer(f"refresh {group}", None)

    def image(self, ami: str) -> Any:
        return self.answer("image", ImageSeen(ami, "new", "available"))

    def nodes(self, *, young: bool = False) -> Any:  # noqa: ARG002
        return (node("o1"),)

    def pods(self, *, young: bool = False) -> Any:  # noqa: ARG002
        return (pod(),)

    def autoscaler(self, where: Autoscaler) -> Any:
        return self.answer(f"autoscaler {where.name}", ON)

    def marker(self) -> Any:
        return self.answer("marker", None)

    def budgets(self) -> Any:
        return self.answer("budgets", (BudgetSeen("ns", "b", ()),))

    def groups(self, names: Sequence[str] | None = None) -> Any:
        """Of AutoScaling with names, of PreflightProbe without."""
        return self.answer("probed", self.probed) if names is None else self.answer("groups", _seen(names))

    # PreflightProbe

    def architectures(self, types: Sequence[str]) -> Any:
        return self.answer(f"architectures {' '.join(types)}", {})

    def try_version(self, template_id: str, source: int, ami: str) -> None:
        self.answer(f"version {template_id} {source} {ami}", None)

    def try_default(self, template_id: str, number: int) -> None:
        self.answer(f"default {template_id} {number}", None)

    def try_launch(
        self, template_id: str, version: int, ami: str, instance_type: str | None, subnet: str | None
    ) -> None:
        self.answer(f"launch {template_id} {version} {ami} {instance_type} {subnet}", None)

    def allows(self, right: Right) -> Any:
        return self.answer("allows", right not in self.denied)

    def kinds(self, wanted: Sequence[str]) -> Any:
        return self.answer(f"kinds {' '.join(wanted)}", Kinds(frozenset({"Job.batch"})))

    def absent(self, namespaces: Sequence[str]) -> Any:
        return self.answer(f"absent {' '.join(namespaces)}", tuple(namespaces))

    def autoscalers(self) -> Any:
        return self.answer("autoscalers", (Autoscaler("scaling", "other"),))

    def own_pod(self) -> Any:
        return ("ns", "runner")


def _seen(names: Sequence[str]) -> tuple[GroupSeen, ...]:
    return tuple(found(name=name) for name in names)


def look(
    wrong: Mapping[str, Exception] | None = None,
    request: Request = ASKED,
    probed: tuple[GroupProbed, ...] = (OURS,),
    **how: Any,
) -> tuple[Survey, list[str]]:
    """The survey of an outside that raises `wrong` at some verbs, and what it was asked."""
    outside = Outside(wrong or {}, probed, **how)
    made = survey(request, cast("Kubernetes", outside), cast("AutoScaling", outside), outside)
    return made, outside.asked


def test_there_is_a_moment_before_each_question() -> None:
    """What the caller must do in between, such as to renew its lease, waits for one question at most."""
    outside = Outside({}, (OURS,))
    survey(
        EVERYTHING,
        cast("Kubernetes", outside),
        cast("AutoScaling", outside),
        outside,
        lambda: outside.asked.append("before"),
    )
    questions = [number for number, asked in enumerate(outside.asked) if asked != "before"]
    assert len(questions) > len(set(outside.asked)) / 2
    assert [number for number in questions if outside.asked[number - 1] != "before"] == []


def test_everything_is_asked_once() -> None:
    """Templates of overrides too, each type once, each template tried; a right that is granted is not told."""
    made, asked = look()
    assert {"templates lt lt-2", "version lt-2 1 ami-new", "default lt 1", "architectures c5.large"} <= set(asked)
    assert (made.lacking, made.missing) == ((Right("patch", "nodes"),), ())
    assert (made.unread, made.denied, made.own_pod) == ({}, (), ("ns", "runner"))
    assert made.budgets == (BudgetSeen("ns", "b", ()),)
    once = [verb for verb in asked if verb != "allows"]
    assert len(once) == len(set(once))


@pytest.mark.parametrize(
    ("verb", "missing"),
    [
        ("groups", "groups"),
        ("probed", "probed"),
        ("templates lt lt-2", "templates"),
        ("image", "image"),
        ("refresh g", "refreshes"),
        ("architectures c5.large", "architectures"),
        ("autoscaler cluster-autoscaler", "autoscaler"),
        ("marker", "marker"),
        ("allows", "lacking"),
    ],
)
def test_a_refused_read_leaves_its_field_empty_and_the_look_goes_on(verb: str, missing: str) -> None:
    """What was answered is kept under the field's name, and all else is read."""
    made, asked = look({verb: Refused("no")})
    assert made.unread == {missing: "no"}
    assert getattr(made, missing) == getattr(Survey(), missing)
    assert "allows" in asked


def test_every_refused_try_is_told() -> None:
    """One that is refused hides no other."""
    launch = "launch lt-2 1 ami-new c5.large None"
    wrong = {"version lt 1 ami-new": "version", "default lt-2 1": "default", launch: "launch"}
    made, _ = look({verb: Refused(answer) for verb, answer in wrong.items()})
    assert made.denied == ("version", "default", "launch")


def test_an_image_that_is_not_there_is_not_tried() -> None:
    """What AWS would say of a version without an image is no matter of rights."""
    _, asked = look({"image": Refused("no")})
    assert not [verb for verb in asked if verb.startswith(("version", "default", "launch"))]


def test_a_launch_is_tried_as_a_group_would_launch() -> None:
    """The version that it launches now with the new image, its first type and subnet; what two do alike, once."""
    own = use("$Default", template="lt-2")
    types = tuple(Override(None, name, None, None) for name in ("m5.large", "c5.large"))
    mixed = GroupProbed("mixed", own, types, subnets=("subnet-a", "subnet-b"))
    plain = GroupProbed("plain", use("1"), subnets=("subnet-b",))
    groups = (mixed, replace(mixed, name="alike"), plain, GroupProbed("bare", use("1")))
    _, asked = look(request=replace(ASKED, groups=tuple(one.name for one in groups)), probed=groups)
    assert [verb for verb in asked if verb.startswith("launch")] == [
        "launch lt-2 1 ami-new m5.large subnet-a",
        "launch lt 1 ami-new None subnet-b",
        "launch lt 1 ami-new None None",
    ]


def test_a_look_that_cannot_be_had_now_is_not_taken_for_a_refusal() -> None:
    """Throttled, or away: nothing is concluded, the caller may try again."""
    with pytest.raises(Retry):
        look({"marker": Retry("away")})


def test_rights_follow_the_settings() -> None:
    """A cluster without an autoscaler needs no rights on its Deployment, and is not asked for it."""
    made, asked = look(request=replace(ASKED, settings=replace(SETTINGS, autoscaler=None, on_deadline="job")))
    assert made.autoscaler is None
    assert not [verb for verb in asked if verb.startswith("autoscaler ")]
    assert "deployments" not in {right.resource for right in made.lacking}


#: With these settings every optional right is made use of.
EVERYTHING = replace(ASKED, settings=replace(SETTINGS, autoscaler=None, protected=Protected(namespaces=("demo",))))


@pytest.mark.parametrize("need", OPTIONAL, ids=lambda need: str(need.rights[0]))
def test_a_missing_optional_right_keeps_nothing_from_its_start(need: Need) -> None:
    """It is a warning that says what is not checked and which right that takes, and none where it is granted."""
    missing, _ = look(request=EVERYTHING, denied=need.rights)
    assert (missing.lacking, missing.missing, missing.unread) == ((), (need,), {})
    lines = warnings(missing, EVERYTHING, identified=need is not IDENTITY)
    (said,) = (line for line in lines if need.unchecked in line)
    assert f"we may not {need.rights[0]}" in said
    granted = warnings(look(request=EVERYTHING, denied=())[0], EVERYTHING, identified=True)
    assert [line for line in granted if need.unchecked in line] == []


def test_rights_of_an_older_version_lead_to_a_plan() -> None:
    """Without a single optional right nothing of that is asked, and the survey speaks against nothing."""
    missing, asked = look(request=EVERYTHING, denied=[right for need in OPTIONAL for right in need.rights])
    assert [verb for verb in asked if verb.startswith(("kinds", "absent", "autoscalers", "budgets"))] == []
    fine = replace(missing, probed={"g": GroupProbed("g", use("$Latest"))}, nodes=(node("o1", scale_down_before=None),))
    assert isinstance(make_plan(replace(fine, groups=(found(),)), EVERYTHING), Plan)


def test_rights_that_the_settings_do_not_need_are_not_missed() -> None:
    """No namespace is named, and the autoscaler is where it should be: nobody is told of what would not be asked."""
    made, asked = look(denied=(*NAMESPACES.rights, *DEPLOYMENTS.rights))
    assert (made.missing, warnings(made, ASKED, identified=True)) == ((), ())
    assert "autoscalers" not in asked


@pytest.mark.parametrize("verb", ["absent demo", "autoscalers", "budgets"])
def test_a_refused_read_that_a_rollout_can_do_without_is_no_reason(verb: str) -> None:
    """Nothing is concluded, no matter what Kubernetes said of the right."""
    made, _ = look({verb: Refused("no")}, request=EVERYTHING)
    assert made.unread == {}
    assert () in {made.absent, made.lookalikes, made.budgets}


def test_a_lookalike_is_looked_for_where_no_autoscaler_was_found() -> None:
    """Not by name, or not named at all."""
    assert look()[0].lookalikes == ()
    assert look(request=EVERYTHING)[0].lookalikes == (Autoscaler("scaling", "other"),)


@pytest.mark.parametrize(
    ("survey", "identified", "said"),
    [
        pytest.param(Survey(), False, IDENTITY.unchecked, id="it does not say which cluster it is"),
        pytest.param(Survey(kinds=Kinds(frozenset(), "HTTP 503")), True, f"{DISCOVERY.unchecked}: HTTP 503",
                     id="it does not say what it serves"),
        pytest.param(Survey(absent=("demo",)), True, "names demo, a namespace that does not exist", id="no namespace"),
        pytest.param(Survey(lookalikes=(Autoscaler("scaling", "other"),)), True,
                     "scaling/other looks like cluster-autoscaler", id="an autoscaler after all"),
    ],
)  # fmt: skip
def test_what_looks_like_a_slip_is_told(survey: Survey, identified: bool, said: str) -> None:  # noqa: FBT001 - a column
    """One warning each, and none where there is nothing to tell."""
    (line,) = warnings(survey, EVERYTHING, identified=identified)
    assert said in line
    assert warnings(Survey(kinds=Kinds(frozenset())), EVERYTHING, identified=True) == ()
