"""Before the first effect: a plan, or every reason against it with what to do next."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest

from rollout import preflight
from rollout.model.observation import (
    AutoscalerSeen,
    GroupSeen,
    ImageSeen,
    MarkerSeen,
    NodeSeen,
    PodSeen,
    RefreshSeen,
    Taint,
    VersionSeen,
)
from rollout.model.plan import Autoscaler, NodeGroup, Plan, Preset, Protected, Sizes, Source, TemplateUse
from rollout.model.preflight_observation import GroupProbed, Kinds, Override, Right
from rollout.model.presets import THROUGH, controls_pods, through
from rollout.preflight import Request, Survey
from rollout.preflight.blockers import REASONS, cluster, groups, images, protection, rights, templates
from tests.core.build import (
    ID,
    KEY,
    ON,
    PROCESSES,
    SETTINGS,
    bare,
    found,
    instance,
    new,
    old,
    ours_of,
    owned,
    pod,
    template,
    use,
)
from tests.core.build import node as new_node

LATEST = TemplateUse("", "lt", "workers", "$Latest")
ASKED = Request("c", "eu-west-1", ("g",), "ami-new", "", SETTINGS)
IMAGE = ImageSeen("ami-new", "new", "available", "x86_64", "/dev/xvda", 30)
VERSION = VersionSeen(1, "ami-old", "", "m5.large", {"/dev/xvda": 30, "/dev/xvdb": 5})


def node(name: str = "o1", taint: str | None = None, **changes: Any) -> NodeSeen:
    """A node that no rollout has touched, but for the changes."""
    return new_node(name, taint, **{"scale_down_disabled": None, "scale_down_before": None, **changes})


def probed(name: str = "g", use: TemplateUse | None = LATEST, **changes: Any) -> GroupProbed:
    return replace(GroupProbed(name, use), **changes)


def override(**changes: Any) -> tuple[Override, ...]:
    return (Override(**{"template": None, "instance_type": None, "image_id": None, "weight": None, **changes}),)


def two(first: str, second: str) -> dict[str, Any]:
    """The groups g and h of one template, each with its reference."""
    uses = {"g": TemplateUse("", "lt", "workers", first), "h": TemplateUse("", "lt", "workers", second)}
    return {
        "groups": (found(), found(old("o3"), name="h")),
        "probed": {name: probed(name, use) for name, use in uses.items()},
        "templates": (template(replace(VERSION, number=2), VERSION),),
        "nodes": (node("o1"), node("o2"), node("o3")),
    }


FINE = Survey(
    image=IMAGE,
    groups=(found(),),
    probed={"g": probed()},
    templates=(template(VERSION),),
    architectures={"m5.large": frozenset({"i386", "x86_64"})},
    nodes=(node("o1"), node("o2")),
    autoscaler=ON,
)


def surveyed(**changes: Any) -> Survey:
    """What speaks against nothing, but for the changes; one group may be given in place of a mapping."""
    probe = {"probed": {"g": changes.pop("group")}} if "group" in changes else {}
    every: dict[str, Any] = {**probe, **changes}
    return replace(FINE, **every)


def told(survey: Survey, **asked: Any) -> dict[str, str]:
    """Every reason against a rollout: problem → next step."""
    request = replace(ASKED, **asked)
    ours = tuple(group for group in survey.groups if group.name in request.groups)
    made = preflight.make_plan(replace(survey, groups=ours), request)
    return {} if isinstance(made, Plan) else {refusal.problem: refusal.hint for refusal in made}


def standing_by() -> GroupSeen:
    return found(old("o1"), old("o2", lifecycle="Standby"))


ELSEWHERE = Protected(namespaces=("x",))
SERVED = Kinds(frozenset({"Pod", "Job.batch", "CronJob.batch", "Job.batch.volcano.sh", "Deployment.apps"}))
BATCH = Taint("batch.amazonaws.com/batch-node", "true", "NoSchedule")
HYPERPOD = {"sagemaker.amazonaws.com/compute-type": "hyperpod"}
FARGATE = {"eks.amazonaws.com/compute-type": "fargate"}


def in_own_pod(node_name: str) -> dict[str, Any]:
    return {"pods": (pod("runner", on=node_name),), "own_pod": ("ns", "runner")}


ROWS = [
    ("no image", {"image": None}, {}, "ami-new does not exist in eu-west-1", "describe-images --image-ids ami-new"),
    ("image pending", {"image": replace(IMAGE, state="pending")}, {}, "ami-new is pending", "wait image-available"),
    ("other architecture", {"image": replace(IMAGE, architecture="arm64")}, {},
     "ami-new is built for arm64, but g launches m5.large", "image for i386 or x86_64"),
    ("other architecture of an override's type",
     {"group": probed(overrides=override(instance_type="m6g.large")), "architectures": {"m6g.large": {"arm64"}}}, {},
     "ami-new is built for x86_64, but g launches m6g.large", "image for arm64"),
    ("no such type", {"architectures": {}}, {}, "eu-west-1 has no instance type m5.large, which g launches",
     "describe-instance-type-offerings"),
    ("small root volume", {"image": replace(IMAGE, root_gib=40)}, {},
     "version 1 of workers gives the root volume /dev/xvda 30 GiB, the snapshot of ami-new needs 40 GiB",
     "at least 40 GiB"),
    ("group missing", {}, {"groups": ("g", "h")}, "Auto Scaling group h does not exist in eu-west-1", "`groups`"),
    ("being deleted", {"groups": (found(sizes=Sizes(0, 0, 0), gone=True),)}, {},
     "Auto Scaling group g is being deleted (Delete in progress), with its instances", "take g out of `groups`"),
    ("managed", {"groups": (found(nodegroup="ng"),)}, {}, "belongs to the EKS managed node group ng",
     "aws eks update-nodegroup-version --cluster-name c --nodegroup-name ng"),
    ("managed by one of an odd name", {"groups": (found(nodegroup="ng; reboot"),)}, {}, "node group ng; reboot",
     "--nodegroup-name 'ng; reboot'"),
    ("of AWS Batch", {"group": probed(tags={"AWSBatchServiceTag": "batch"})}, {},
     "g belongs to AWS Batch (tag AWSBatchServiceTag), which alone may change it", "update-compute-environment"),
    ("of AWS Batch by its name", {"groups": (found(name="AWSBatch-x"),),
                                  "probed": {"AWSBatch-x": probed("AWSBatch-x")}},
     {"groups": ("AWSBatch-x",)}, "(its name begins with AWSBatch)",
     "NAME --compute-resources imageId=ami-new, with the NAME that it has in: aws batch describe-"),
    ("of AWS Batch, named", {"groups": (found(name="AWSBatch-ml & co-asg-0a-1f"),),
                             "probed": {"AWSBatch-ml & co-asg-0a-1f": probed("AWSBatch-ml & co-asg-0a-1f")}},
     {"groups": ("AWSBatch-ml & co-asg-0a-1f",)}, "(its name begins with AWSBatch)",
     "aws batch update-compute-environment --compute-environment 'ml & co' --compute-resources imageId=ami-new"),
    ("of AWS Batch by its nodes", {"nodes": (node("o1", taints=(BATCH,)), node("o2", taints=(BATCH,)))}, {},
     "(taint batch.amazonaws.com/batch-node of o1)", "update-compute-environment"),
    ("of HyperPod", {"nodes": (node("o1"), node("o2", labels=HYPERPOD))}, {},
     "SageMaker HyperPod (label sagemaker.amazonaws.com/compute-type=hyperpod of o2)", "update-cluster-software"),
    ("of ECS", {"group": probed(tags={"AmazonECSManaged": ""})}, {}, "belongs to Amazon ECS", "out of `groups`"),
    ("Launch suspended", {"groups": (found(suspended=frozenset({"Launch", "AZRebalance"})),)}, {},
     "g has Launch suspended: no new instance would come",
     "resume-processes --auto-scaling-group-name g --scaling-processes Launch"),
    ("Launch and Terminate suspended", {"groups": (found(suspended=frozenset({"Terminate", "Launch"})),)}, {},
     "g has Launch and Terminate suspended: no new instance would come, and no old instance would go",
     "--scaling-processes Launch Terminate"),
    ("launch configuration", {"group": probed(use=None)}, {}, "g has no launch template", "--launch-template"),
    ("instance refresh", {"refreshes": {"g": RefreshSeen("08b9", "InProgress")}}, {},
     "an instance refresh is active on g (08b9, InProgress)", "cancel-instance-refresh --auto-scaling-group-name g"),
    ("warm pool", {"group": probed(warm_pool=True)}, {}, "g has a warm pool", "aws autoscaling delete-warm-pool"),
    ("weights", {"group": probed(overrides=override(weight="2"))}, {}, "gives its instance types weights",
     "WeightedCapacity"),
    ("vcpu", {"group": probed(units="vcpu")}, {}, "counts its sizes in vcpu", "all three sizes to instances (2 now)"),
    ("on-demand base", {"group": probed(on_demand_base=2, on_demand_percent=50)}, {},
     "OnDemandBaseCapacity 2 and 50 % on demand above it", "set OnDemandBaseCapacity to 0"),
    ("image of an override", {"group": probed(overrides=override(image_id="ami-mine"))}, {},
     "overrides of g launch ami-mine", "remove ImageId"),
    ("standby", {"groups": (standing_by(),)}, {}, "g has instances in Standby: i-o2",
     "aws autoscaling exit-standby --auto-scaling-group-name g --instance-ids i-o2"),
    ("standby without room", {"groups": (replace(standing_by(), sizes=Sizes(1, 2, 2)),)}, {},
     "g has instances in Standby: i-o2",
     ("aws autoscaling update-auto-scaling-group --auto-scaling-group-name g --max-size 3; "
      "aws autoscaling exit-standby --auto-scaling-group-name g --instance-ids i-o2")),
    ("retained", {"groups": (found(old("o1"), old("o2", lifecycle="Terminating:Retained")),)}, {},
     "g has instances that AWS retains (Terminating:Retained): i-o2",
     ("when nothing runs there that must not end: aws autoscaling terminate-instance-in-auto-scaling-group "
      "--instance-id i-o2 --no-should-decrement-desired-capacity")),
    ("wanted no more", {"groups": (found(sizes=Sizes(0, 0, 3)),)}, {},
     "g has DesiredCapacity 0 and still 2 instances at work: i-o1, i-o2", "set-desired-capacity --auto-scaling-group"),
    ("no template", {"templates": ()}, {}, "g refers to launch template workers (lt), which does not exist", "refer"),
    ("another template between two looks", {"groups": (found(uses=(use("$Latest", "", "lt-9"),)),)}, {},
     "g refers to launch template lt-9 (lt-9), which does not exist", "refer"),
    ("no such version", {"group": probed(use=replace(LATEST, reference="7"))}, {},
     "g refers to launch template workers 7, which does not exist", "refer"),
    ("several versions", two("1", "$Latest"), {"groups": ("g", "h")},
     "the groups launch several versions of workers: 1 (g), 2 (h)", "launch the same version"),
    ("shared latest", two("1", "$Latest"), {}, "h, which is not to be replaced, launches $Latest of workers",
     "`share_templates: true`"),
    ("shared default", two("$Default", "$Default"), {}, "launches $Default of workers", "add h to `groups`"),
    ("stranger", {"nodes": (node("x"),)}, {}, "no instance of g is a node of cluster c", "`groups`, `region`"),
    ("unmatched", {"nodes": (node("o1"), node("o2", instance_id=None))}, {},
     "instance i-o2 of g matches no node by providerID, and node o2 does not say on which instance it runs",
     "kubectl get nodes"),
    ("contradictory", {"nodes": (node("o1"), node("o2", doubt="its name says i-x"))}, {},
     "it is not clear on which instance of g o2 runs: its name says i-x", "kubectl get node o2"),
    ("tagged otherwise", {"group": probed(clusters=frozenset({"other"}))}, {},
     "g is tagged as a group of cluster other, not c", "`groups` and `cluster`"),
    ("selector", {}, {"settings": replace(SETTINGS, node_selector={"role": "worker"})},
     "the selector role=worker and the groups disagree on o1, o2", "`node_selector`"),
    ("own node", in_own_pod("o2"), {}, "this process runs on o2, a node of g that must go", "in none of the groups"),
    ("marker", {"marker": MarkerSeen("r0", "uid")}, {},
     "c is marked by ConfigMap kube-system/eks-rollout as that of rollout r0", "rollout doctor --rebuild"),
    ("no autoscaler", {"autoscaler": None}, {}, "kube-system/cluster-autoscaler does not exist", "`autoscaler: none`"),
    ("an autoscaler of another name", {"autoscaler": None, "lookalikes": (Autoscaler("scaling", "other"),)}, {},
     "kube-system/cluster-autoscaler does not exist; by image or labels it may be scaling/other",
     "write `autoscaler: {namespace: scaling, name: other}`"),
    ("a kind that nobody serves", {"kinds": SERVED},
     {"settings": replace(SETTINGS, protected=Protected(kinds=("Jbo",)))},
     "`protected.kinds` names Jbo, a kind that the API server does not serve", "write Job in `protected.kinds`"),
    ("a kind that controls no pods itself", {},
     {"settings": replace(SETTINGS, protected=Protected(kinds=("Deployment",)))},
     "`protected.kinds` names Deployment, which controls no pods itself: ReplicaSet does", "write ReplicaSet in"),
    ("a CronJob", {"kinds": SERVED},
     {"settings": replace(SETTINGS, protected=Protected(kinds=("CronJob.batch",)))},
     "`protected.kinds` names CronJob.batch, which controls no pods itself: Job.batch does", "write Job.batch in"),
    ("a JobSet", {}, {"settings": replace(SETTINGS, protected=Protected(kinds=("JobSet",)))},
     "`protected.kinds` names JobSet, which controls no pods itself: Job does", "write Job in `protected.kinds`"),
    ("a LeaderWorkerSet beside Jobs", {"pods": (pod(owner=owned("StatefulSet", "llm-0")),)},
     {"settings": replace(SETTINGS, protected=Protected(kinds=("Job", "LeaderWorkerSet.leaderworkerset.x-k8s.io")))},
     "names LeaderWorkerSet.leaderworkerset.x-k8s.io, which controls no pods itself: StatefulSet.apps does",
     "write StatefulSet.apps in `protected.kinds`"),
    ("a kind of the same name in another group", {"pods": (pod(owner=owned("JobSet")),)},
     {"settings": replace(SETTINGS, protected=Protected(kinds=("JobSet.jobset.x-k8s.io",)))},
     "names JobSet.jobset.x-k8s.io, which controls no pods itself", "write Job.batch"),
    ("unnamed", {"pods": (bare(), pod(), pod("web", owner=owned("ReplicaSet")))},
     {"settings": replace(SETTINGS, unprotected="refuse", protected=ELSEWHERE)},
     "2 pods that `protected` does not name, which end or which nobody replaces: ns/Job/job: 1, ns/Pod/bare: 1",
     "`unprotected: protect`"),
    ("our taint", {"nodes": (node("o1", "NoSchedule"), node("o2", "NoSchedule"))}, {},
     f"our taint {KEY} is on o1, o2: an earlier rollout was not ended",
     f"with its own journal: rollout resume {ID} --database URL; only if that is lost: kubectl"),
    ("our taint without a value", {"nodes": (node("o1", taints=(Taint(KEY, "", "NoSchedule"),)), node("o2"))}, {},
     f"our taint {KEY} is on o1", f"kubectl taint node o1 {KEY}-"),
    ("our annotation", {"nodes": (node("o1"), node("o2", scale_down_disabled="true", scale_down_before=""))}, {},
     "our annotation eks-rollout/scale-down-disabled-before is on o2",
     "kubectl annotate node o2 cluster-autoscaler.kubernetes.io/scale-down-disabled- eks-rollout/"),
    ("our annotation over theirs", {"nodes": (node("o1"),
     node("o2", scale_down_disabled="true", scale_down_before="true"))}, {},
     "our annotation eks-rollout/scale-down-disabled-before is on o2",
     "scale-down-disabled=true eks-rollout/scale-down-disabled-before- --overwrite"),
    ("as a rollout leaves it", {"groups": (found(uses=(use("2"),), suspended=frozenset(PROCESSES)),),
                               "templates": (template(ours_of(2, instance_type="m5.large"), VERSION),),
                               "group": probed(use=use("2"))}, {},
     f"g is as an unfinished rollout leaves it: it launches workers 2 of rollout {ID}",
     "with the ID of one on which nothing runs; then: aws autoscaling resume-processes --auto-scaling-group-name g"),
    ("scaled down autoscaler", {"autoscaler": AutoscalerSeen(0, 1, "r0")}, {}, "is still scaled to 0 by rollout r0",
     "rollout resume r0"),
    ("unread", {"unread": {"image": "DescribeImages: UnauthorizedOperation"}, "image": None}, {},
     "we may not read what a rollout must know: DescribeImages", "docs/rights.md"),
    ("denied", {"denied": ("ModifyLaunchTemplate: UnauthorizedOperation",)}, {}, "AWS would not let us: Modify",
     "docs/rights.md"),
    ("lacking", {"lacking": (Right("create", "pods/eviction"),)}, {},
     "Kubernetes would not let us: create pods/eviction", "docs/rights.md"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "asked", "problem", "hint"), [pytest.param(*row, id=name) for name, *row in ROWS])
def test_a_reason_is_told_with_what_to_do_next(
    changes: dict[str, Any], asked: dict[str, Any], problem: str, hint: str
) -> None:
    """One thing that is wrong gives one refusal, which names it and the next step."""
    ((said, then),) = told(surveyed(**changes), **asked).items()
    assert problem in said
    assert hint in then


def test_no_trace_of_a_rollout_is_undone_by_hand_while_its_marker_exists() -> None:
    """The marker rebuilds its journal, and `resume` then undoes all of it; each blocker says so."""
    traces = surveyed(
        marker=MarkerSeen(ID, "uid"),
        nodes=(node("o1", "NoSchedule"), node("o2", scale_down_disabled="true", scale_down_before="")),
        autoscaler=AutoscalerSeen(0, 1, ID),
        groups=(found(uses=(use("2"),), suspended=frozenset(PROCESSES)),),
        templates=(template(ours_of(2, instance_type="m5.large"), VERSION),),
        group=probed(use=use("2")),
    )
    hints = list(told(traces).values())
    rebuilt = "--database URL; only if that is lost: rollout doctor, then: rollout doctor --rebuild"
    assert len(hints) == 5
    assert [hint.endswith(rebuilt) for hint in hints] == [True] * 5, hints


def test_all_reasons_are_told_at_once() -> None:
    """An operator who corrects what is named has corrected everything: no reason hides another."""
    everything = surveyed(
        image=replace(IMAGE, architecture="arm64", state="pending"),
        groups=(standing_by(),),
        group=probed(warm_pool=True, units="vcpu"),
        refreshes={"g": RefreshSeen("08b9", "Pending")},
        marker=MarkerSeen("r0", "uid"),
        autoscaler=None,
        lacking=(Right("patch", "nodes"), Right("delete", "pods")),
    )
    assert len(told(everything, groups=("g", "h"))) == 11


@pytest.mark.parametrize(
    ("changes", "asked"),
    [
        pytest.param({}, {}, id="plain"),
        pytest.param({"groups": (found(suspended=frozenset(PROCESSES)),)}, {}, id="what may be suspended is"),
        pytest.param(
            {
                "groups": (
                    found(old("o1", lifecycle="Terminating"), sizes=Sizes(0, 0, 3), suspended=frozenset({"Launch"})),
                )
            },
            {},
            id="a group that launches nothing",
        ),
        pytest.param(
            {"nodes": (node("o1", labels={"batch.amazonaws.com/compute-environment-uuid": "x"}), node("o2"))},
            {},
            id="somebody's own node that Batch may use",
        ),
        pytest.param({"group": probed(on_demand_base=2)}, {}, id="a base, and all the rest on demand too"),
        pytest.param({"group": probed(on_demand_percent=0)}, {}, id="all spot"),
        pytest.param({"group": probed(clusters=frozenset({"c", "d"}))}, {}, id="tagged for us too"),
        pytest.param({"image": replace(IMAGE, root_gib=None)}, {}, id="AWS does not say how large the snapshot is"),
        pytest.param({"templates": (template(replace(VERSION, volumes={"/dev/xvdb": 5})),)}, {}, id="no root size"),
        pytest.param(two("1", "$Latest"), {"share_templates": True}, id="sharing is allowed"),
        pytest.param(two("1", "$Default"), {}, id="a $Default that is not moved"),
        pytest.param(two("$Latest", "1"), {}, id="others on a number"),
        pytest.param(two("2", "$Latest"), {"groups": ("g", "h")}, id="one version by two names"),
        pytest.param({"groups": (found(old("o1", lifecycle="Pending")),), "nodes": ()}, {}, id="nothing in service"),
        pytest.param(in_own_pod("elsewhere"), {}, id="our own node stays"),
        pytest.param({"nodes": (node("o1"),)}, {}, id="one has not joined, and every node says where it runs"),
        pytest.param({"nodes": (*FINE.nodes, node("x", instance_id=None))}, {}, id="a node of somewhere else"),
        pytest.param({"nodes": (node("o1"), node("f", instance_id=None, labels=FARGATE))}, {}, id="Fargate has none"),
        pytest.param(
            {"groups": (found(old("o1", lifecycle="Terminating"), sizes=Sizes(0, 0, 3)),)},
            {},
            id="the last one of an empty group is going",
        ),
        pytest.param({"autoscaler": None}, {"settings": replace(SETTINGS, autoscaler=None)}, id="no autoscaler"),
        pytest.param({"kinds": SERVED}, {}, id="a kind that is served"),
        pytest.param({"kinds": Kinds(frozenset(), "HTTP 503")}, {}, id="it does not say what it serves"),
        pytest.param(
            {"pods": (pod(owner=owned("Deployment")),)},
            {"settings": replace(SETTINGS, protected=Protected(kinds=("Deployment",)))},
            id="another API's Deployment controls pods",
        ),
        pytest.param({"pods": (bare(), pod())}, {"settings": replace(SETTINGS, protected=ELSEWHERE)}, id="they may go"),
        pytest.param(
            {
                "pods": (
                    *(bare("finished", phase="Succeeded"), bare("mirror", mirror=True), bare("pinned", pinned=True)),
                    *(pod(owner=owned("DaemonSet")), bare("far", on="n1"), pod("web", owner=owned("ReplicaSet"))),
                )
            },
            {"settings": replace(SETTINGS, unprotected="refuse", protected=ELSEWHERE)},
            id="nothing that only a setting protects",
        ),
        pytest.param(
            {"templates": (template(replace(VERSION, instance_type=None)),), "architectures": {}},
            {},
            id="AWS chooses types by requirements",
        ),
    ],
)
def test_what_looks_alike_and_does_no_harm_is_let_pass(changes: dict[str, Any], asked: dict[str, Any]) -> None:
    """Each neighbour of a reason leads to a plan."""
    assert told(surveyed(**changes), **asked) == {}


def test_a_plan_holds_what_was_asked_and_what_was_found() -> None:
    """The number that each reference means, and the autoscaler's replicas, are fixed with the plan."""
    uses = (use("$Latest"), use("1", "override 2"))
    plan = preflight.make_plan(surveyed(groups=(found(uses=uses),)), ASKED)
    assert isinstance(plan, Plan)
    assert plan.groups == (NodeGroup("g", (Source(uses[0], 1), Source(uses[1], 1)), mixed=False),)
    assert (plan.ami, plan.autoscaler_replicas) == ("ami-new", 1)


@pytest.mark.parametrize("field", sorted({need for rule in REASONS.values() for need in rule.needs}))
def test_nothing_is_concluded_from_what_could_not_be_read(field: str) -> None:
    """A read that was refused is the only reason told, no matter what its empty field looks like."""
    empty: Any = {} if isinstance(getattr(Survey(), field), dict) else getattr(Survey(), field)
    assert list(told(surveyed(**{field: empty, "unread": {field: "no"}}))) == [
        "we may not read what a rollout must know: no"
    ]


@pytest.mark.parametrize(
    "module", [cluster, groups, images, protection, rights, templates], ids=lambda one: str(one.__name__)
)
def test_every_reason_is_looked_for(module: ModuleType) -> None:
    """No function of the modules of reasons is left out of the table."""
    public = {one for name, one in vars(module).items() if callable(one) and one.__module__ == module.__name__}
    assert {one for one in public if not one.__name__.startswith("_")} <= set(REASONS)


@pytest.mark.parametrize(
    ("kind", "meant"),
    [
        ("Jbo", "Job"),
        ("jobs", "Job"),
        ("job", "Job"),
        ("cronjob", "CronJob"),
        ("Job.btach", "Job.batch"),
        ("Job.batch.volcano.io", "Job.batch.volcano.sh"),
        ("Zebra", ""),
    ],
)
def test_the_kind_that_was_meant(kind: str, meant: str) -> None:
    """The nearest one that is served, with its group only where one was typed."""
    assert SERVED.nearest(kind) == meant


@pytest.mark.parametrize(
    ("kind", "there"),
    [("Pod", True), ("Job", True), ("Job.batch", True), ("Job.apps", False), ("batch", False), ("job", False)],
)
def test_a_kind_is_there_by_its_name_and_its_group(kind: str, there: bool) -> None:  # noqa: FBT001 - a column
    """Without a group, if any group has it."""
    assert (SERVED.missing((kind,)) == ()) == there


RAY = Preset("ray", kinds=("RayCluster.ray.io",))


@pytest.mark.parametrize(
    ("protected", "pods"),
    [
        pytest.param(Protected(kinds=("CronJob", "Job")), (), id="the kind that controls the pods is named too"),
        pytest.param(Protected(kinds=("CronJob.batch", "Job")), (), id="in every group"),
        pytest.param(Protected(kinds=("JobSet", "Job.batch")), (), id="with its group, which the other has not"),
        pytest.param(Protected(kinds=("RayJob.ray.io",), presets=(RAY,)), (), id="by a preset"),
        pytest.param(Protected(kinds=("Rollout",)), (pod(owner=owned("Rollout")),), id="another of that name does"),
        pytest.param(Protected(kinds=("MPIJob", "Job", "Pod", "Zebra")), (), id="kinds that are not known to be so"),
    ],
)
def test_a_kind_that_controls_no_pods_may_be_named_beside_the_one_that_does(
    protected: Protected, pods: tuple[PodSeen, ...]
) -> None:
    """Its pods are protected all the same."""
    asked = replace(ASKED, settings=replace(SETTINGS, protected=protected))
    assert list(protection.indirect(surveyed(pods=pods), asked)) == []


@pytest.mark.parametrize("kind", THROUGH)
def test_who_controls_pods_through_others_is_known_with_the_kind_that_does(kind: str) -> None:
    """Each is known by its name alone too, and the kind to be written instead controls pods itself."""
    direct = through(kind)
    assert through(kind.partition(".")[0]) == direct
    assert (controls_pods(direct), controls_pods(kind), through(direct)) == (True, False, "")


NEW = replace(VERSION, number=2, image_id=ASKED.ami)


@pytest.mark.parametrize(
    ("changes", "done"),
    [
        pytest.param({}, False, id="the old image"),
        pytest.param({"groups": (found(),), "templates": (template(NEW, VERSION),)}, False, id="old instances"),
        pytest.param({"groups": (found(new("n1")),), "templates": (template(NEW, VERSION),)}, True, id="all run it"),
        pytest.param({"groups": (found(new("n1"), uses=(use("1"),)),), "templates": (template(NEW, VERSION),)}, False,
                     id="the next ones would not"),
        pytest.param({"groups": (found(new("n1"), old("o2", lifecycle="Standby")),),
                      "templates": (template(NEW, VERSION),)}, False, id="one in Standby does not"),
        pytest.param({"groups": (found(new("n1"), instance("i-x", 9)),), "templates": (template(NEW, VERSION),)}, False,
                     id="one of a version that is gone"),
    ],
)  # fmt: skip
def test_nothing_to_replace(changes: dict[str, Any], done: bool) -> None:  # noqa: FBT001 - a column
    """Where all groups launch the image, and every instance runs it, no rollout is begun."""
    assert preflight.up_to_date(surveyed(**changes), ASKED.ami) is done
