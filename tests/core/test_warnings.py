"""What is warned of before the first effect: each warning, its neighbours, and what a start says of the autoscaler."""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import Any

import pytest

from rollout import preflight
from rollout.model.budget import BudgetSeen, Requirement
from rollout.model.observation import AutoscalerSeen, PodSeen, Toleration
from rollout.model.plan import Settings, spelled
from rollout.model.preflight_observation import GroupProbed
from rollout.model.windows import window
from rollout.preflight import Survey, warnings
from rollout.preflight.warnings import WARNINGS, autoscaler, code, evictors, groups, reading, workloads
from tests.core.build import KEY, ON, SETTINGS, bare, found, node, owned, pod, template, use
from tests.core.test_preflight import ASKED

APP = (Requirement("app", "In", frozenset({"web"})),)
WEB = pod("web-1", owner=owned("ReplicaSet", "web"), labels={"app": "web"})
OTHER = replace(WEB, name="web-2", uid="uid-web-2", node="n1")
SHUT = BudgetSeen("ns", "web", APP, expected=2, healthy=2, desired=2)
OURS = Toleration(KEY, exists=True, value="", effect="NoSchedule")
ALL = Toleration("", exists=True, value="", effect="")
FINE = Survey(groups=(found(),), probed={"g": GroupProbed("g", use())}, nodes=(node("o1"), node("o2")))


def told(settings: Settings = SETTINGS, **changes: Any) -> tuple[str, ...]:
    """Every warning of a survey in which nothing else is odd."""
    return warnings(replace(FINE, **changes), replace(ASKED, settings=settings), identified=True)


def kinds(*names: str) -> Settings:
    return replace(SETTINGS, protected=replace(SETTINGS.protected, kinds=names))


def suspended(*processes: str) -> dict[str, Any]:
    return {"groups": (found(suspended=frozenset(processes)),)}


def tagged(*, of_template: bool = False, **tags: str) -> dict[str, Any]:
    written = {key.replace("__", ":").replace("_", "-"): value for key, value in tags.items()}
    if of_template:
        return {"templates": (template(tags=written),)}
    return {"probed": {"g": GroupProbed("g", use(), tags=written)}}


def beside(**changes: Any) -> dict[str, Any]:
    """Another group, of which the survey knows as well."""
    return {"autoscaler": ON, "probed": {**FINE.probed, "h": GroupProbed("h", use(), **changes)}}


def tolerant(toleration: Toleration, **changes: Any) -> tuple[PodSeen, ...]:
    return (pod(tolerations=(toleration,), **changes),)


MODULES = (autoscaler, code, evictors, groups, reading, workloads)
REPLICA = pod("descheduler-5d8f7-x", "other", namespace="kube-system", owner=owned("ReplicaSet", "descheduler-5d8f7"))
RUN = pod("d-28371234-x", None, owner=owned("Job", "d-28371234"), labels={"app": "descheduler"}, phase="Succeeded")
LONG = replace(SETTINGS, drain_seconds=36000)
NIGHTS = replace(SETTINGS, windows=(window("Mon-Thu 22:00-02:00 Europe/Berlin"),))
#: Two windows that meet are as long as both; all week there is always one.
LONG_NIGHTS = replace(SETTINGS, windows=(window("Mon 22:00-24:00 UTC"), window("Tue 00:00-02:06 UTC")))
ALWAYS = replace(LONG, windows=(window("Mon-Sun 00:00-24:00 UTC"),), max_autoscaler_off_seconds=86400)


@pytest.mark.parametrize(
    ("changes", "settings", "said"),
    [
        pytest.param(suspended("HealthCheck"), SETTINGS, ("g has HealthCheck suspended: a new instance that dies",
                     "aws autoscaling resume-processes --auto-scaling-group-name g --scaling-processes HealthCheck"),
                     id="nobody looks whether an instance lives"),
        pytest.param(suspended("ReplaceUnhealthy", "HealthCheck"), SETTINGS,
                     ("g has HealthCheck and ReplaceUnhealthy suspended",), id="nor replaces one"),
        pytest.param(suspended("AddToLoadBalancer"), SETTINGS, ("no load balancer of its own gets the new instances",),
                     id="no load balancer"),
        pytest.param({"pods": (WEB,)}, kinds("CronTask.example.com"),
                     ("`protected.kinds` names CronTask.example.com, which controls no pod now: if it makes pods",),
                     id="a kind that nobody has heard of controls no pod"),
        pytest.param({"pods": (pod(owner=owned("CronTask")),)}, kinds("CronTask.example.org"),
                     ("`protected.kinds` names CronTask.example.org, which",), id="one of another group does"),
        pytest.param({"budgets": (SHUT,), "pods": (WEB,)}, SETTINGS,
                     ("budget ns/web allows no eviction as it is configured (it wants 2 of 2 Ready)",
                      "; it holds pod ns/web-1 of ReplicaSet web on o1: unless that changes, the rollout halts 2h15m"),
                     id="a budget that never allows anything"),
        pytest.param({"budgets": (replace(SHUT, expected=3),), "pods": (WEB,)}, SETTINGS,
                     ("budget ns/web allows no eviction now (2 of 3 are Ready, it wants 2)",),
                     id="one that allows none now"),
        pytest.param({"budgets": (BudgetSeen("ns", "web", APP),), "pods": (WEB,)}, SETTINGS,
                     ("its status counts no pod (kubectl describe pdb)",), id="one that knows no pods"),
        pytest.param({"budgets": (SHUT,), "pods": (WEB,)}, replace(SETTINGS, on_blocked="force"),
                     ("they are deleted 2h15m after", "drain.on_blocked: force"), id="one that is passed by"),
        pytest.param({"budgets": (replace(SHUT, selector=()),), "pods": tuple(
                      replace(WEB, name=f"web-{number}", uid=str(number)) for number in range(7))}, SETTINGS,
                     ("web-4 of ReplicaSet web on o1 and 2 more",), id="many pods"),
        pytest.param({"budgets": (replace(SHUT, allowed=1), replace(SHUT, name="all", selector=(), allowed=1)),
                      "pods": (WEB,)}, SETTINGS,
                     ("budgets web and all each select pod ns/web-1 of ReplicaSet web on o1, which Kubernetes",),
                     id="two budgets on one pod"),
        pytest.param({"budgets": (SHUT, replace(SHUT, name="all", selector=())), "pods": (WEB,)}, SETTINGS,
                     ("budgets web and all each select pod ns/web-1",), id="two that allow nothing: one line"),
        pytest.param({"pods": tolerant(OURS, on="elsewhere")}, SETTINGS,
                     (f"tolerate our taint {KEY}; new pods of them may begin on nodes that must go", "ns/Job/job: 1"),
                     id="a Job that tolerates the taint"),
        pytest.param({"pods": tolerant(ALL)}, SETTINGS,
                     ("tolerate our taint and a cordon; new pods of them may come", "ns/Job/job: 1"),
                     id="a Job that tolerates everything"),
        pytest.param({"pods": tolerant(ALL, owner=owned("ReplicaSet", "web"))}, SETTINGS, ("ns/ReplicaSet/web: 1",),
                     id="a service that tolerates everything"),
        pytest.param(beside(clusters=frozenset({"c"})), SETTINGS,
                     ("cluster-autoscaler is off during the rollout: nobody scales h either",),
                     id="another group of the cluster"),
        pytest.param(beside(tags={"k8s.io/cluster-autoscaler/c": "owned"}), SETTINGS, ("nobody scales h either",),
                     id="one that the autoscaler finds"),
        pytest.param({"autoscaler": ON}, LONG, ("for longer than max_autoscaler_off (6h): up to 12h5m by",), id="long"),
        pytest.param({"autoscaler": ON}, NIGHTS, ("the shortest maintenance window is open for 4h, and by the",
                     "takes up to 4h5m: if it closes in mid-drain, cluster-autoscaler stays off and the groups"),
                     id="a window that may close"),
        pytest.param({}, NIGHTS, ("4h5m: if it closes in mid-drain and the groups keep",), id="without an autoscaler"),
        pytest.param(tagged(aws__cloudformation__stack_name="eks"), SETTINGS,
                     ("g is CloudFormation's (tag aws:cloudformation:stack-name=eks): do not apply it", "ami-new"),
                     id="CloudFormation"),
        pytest.param(tagged(aws__cloudformation__logical_id="no"), SETTINGS,
                     ("g is CloudFormation's (tag aws:cloudformation:logical-id=no): do not apply it",),
                     id="CloudFormation, with any value of its tag"),
        pytest.param(tagged(repo="git/terraform-modules"), SETTINGS,
                     ("a tag of g mentions Terraform (repo=git/terraform-modules): if that writes it, do not apply",),
                     id="a mention of Terraform"),
        pytest.param(tagged(a_terraform="False", managed_by="Terraform"), SETTINGS,
                     ("a tag of g mentions Terraform (managed-by=Terraform)",), id="one tag denies, another not"),
        pytest.param(tagged(of_template=True, opentofu=""), SETTINGS,
                     ("a tag of launch template workers mentions OpenTofu (opentofu)",), id="the template alone"),
        pytest.param({**tagged(by="pulumi"), **tagged(of_template=True, by="pulumi")}, SETTINGS,
                     ("a tag of g and launch template workers mentions Pulumi (by=pulumi): if",),
                     id="a group and its template, in one line"),
        pytest.param({**tagged(aws__cloudformation__a="b", aws__cloudformation__stack_name="eks", repo="terraform"),
                      **tagged(of_template=True, aws__cloudformation__stack_name="eks")}, SETTINGS,
                     ("g and launch template workers are CloudFormation's (tag aws:cloudformation:stack-name=eks); a",
                      "); a tag of g mentions Terraform (repo=terraform): do not apply it before"),
                     id="several tools, in one line"),
        pytest.param({"templates": (template(id="lt-2", tags={"pulumi": "x"}),)}, SETTINGS,
                     ("a tag of launch template workers mentions Pulumi (pulumi=x)",),
                     id="a template that a group has no longer"),
        pytest.param(tagged(crossplane_name="g"), SETTINGS, ("g is Crossplane's", "pause it until the rollout is done"),
                     id="a controller"),
        pytest.param({"pods": (REPLICA, replace(REPLICA, name="descheduler-5d8f7-y"))}, SETTINGS,
                     ("Deployment kube-system/descheduler looks like descheduler",
                      f"it would evict Jobs from the old nodes when they carry the taint {KEY}; pause it",
                      "(kubectl -n kube-system scale deployment descheduler --replicas=0), or",
                      f"name {KEY} in excludedTaints"),
                     id="descheduler, with two replicas"),
        pytest.param({"pods": (RUN, replace(RUN, owner=owned("Job", "d-28371236"), phase="Running"))}, SETTINGS,
                     ("CronJob ns/d looks like descheduler",
                      """(kubectl -n ns patch cronjob d -p '{"spec":{"suspend":true}}'), or"""),
                     id="descheduler as a CronJob that ran and runs"),
        pytest.param({"pods": (replace(RUN, labels={}, owner=owned("Job", "descheduler-28371234")),)}, SETTINGS,
                     ("CronJob ns/descheduler looks like",), id="known by its Job's name"),
        pytest.param({"pods": (pod(owner=owned("StatefulSet", "x"), labels={"k8s-app": "descheduler"}),)}, SETTINGS,
                     ("StatefulSet ns/x looks like", "(kubectl -n ns scale statefulset x --replicas=0)"),
                     id="descheduler as a StatefulSet"),
        pytest.param({"pods": (bare(labels={"app.kubernetes.io/name": "descheduler"}),)}, SETTINGS,
                     ("pod ns/bare looks like", "pause it for the rollout, or name"), id="descheduler as a bare pod"),
    ],
)  # fmt: skip
def test_what_is_known_beforehand_is_told(changes: dict[str, Any], settings: Settings, said: tuple[str, ...]) -> None:
    """One warning, which names the thing, what comes of it and what helps."""
    (line,) = told(settings, **changes)
    assert all(text in line for text in said), line


@pytest.mark.parametrize(
    ("changes", "settings"),
    [
        pytest.param({}, SETTINGS, id="plain"),
        pytest.param(suspended("AZRebalance"), SETTINGS, id="a process that nobody needs"),
        pytest.param({"budgets": (replace(SHUT, allowed=1),), "pods": (WEB,)}, SETTINGS, id="a budget with room"),
        pytest.param({"budgets": (SHUT,), "pods": (OTHER,)}, SETTINGS, id="its pods are elsewhere"),
        pytest.param({"budgets": (SHUT,), "pods": (replace(WEB, labels={}),)}, SETTINGS, id="it selects others"),
        pytest.param({"budgets": (replace(SHUT, selector=()),), "pods": (pod(), bare())}, SETTINGS,
                     id="work is deleted past it"),
        pytest.param({"pods": (*tolerant(replace(OURS, key="other")), pod("a", tolerations=()))}, SETTINGS,
                     id="another taint"),
        pytest.param({"pods": tolerant(replace(OURS, exists=False, value="r0"))}, SETTINGS, id="that of one rollout"),
        pytest.param({"pods": tolerant(replace(OURS, effect="NoExecute"))}, SETTINGS, id="another effect of it"),
        pytest.param({"pods": tolerant(OURS, owner=owned("ReplicaSet"))}, SETTINGS, id="a service: it goes again"),
        pytest.param({"pods": tolerant(ALL, owner=owned("DaemonSet"))}, SETTINGS, id="a DaemonSet stays"),
        pytest.param(beside(clusters=frozenset({"d"})), SETTINGS, id="a group of another cluster"),
        pytest.param({**beside(clusters=frozenset({"c"})), "autoscaler": AutoscalerSeen(0, None, None)}, LONG,
                     id="it is off already"),
        pytest.param(beside(clusters=frozenset({"c"})), replace(LONG, autoscaler=None), id="it is none of ours"),
        pytest.param({"pods": (pod(owner=owned("CronTask"), phase="Failed"),)}, kinds("CronTask"), id="it had a pod"),
        pytest.param({}, kinds("Job", "StatefulSet.apps", "PyTorchJob", "TaskRun.tekton.dev"), id="they control pods"),
        pytest.param({}, kinds("JobSet"), id="one that controls none: that blocks"),
        pytest.param(tagged(team="batch"), SETTINGS, id="a tag of somebody"),
        pytest.param(tagged(Terraform="false", managed_by_pulumi=" No "), SETTINGS, id="tags that deny it"),
        pytest.param({"pods": (replace(RUN, owner=owned("Job", "d-2")),)}, SETTINGS, id="descheduler ran once"),
        pytest.param({"pods": (replace(REPLICA, phase="Failed"),)}, SETTINGS, id="a replica of it that is over"),
        pytest.param({"pods": (pod("my-descheduler", labels={"app": "x", "tier": "descheduler"}),)}, SETTINGS,
                     id="a name and a label like its own"),
        pytest.param({"pods": (pod(labels={"app": "kube-scheduler"}),)}, SETTINGS, id="the scheduler"),
        pytest.param({"autoscaler": ON}, LONG_NIGHTS, id="two windows that meet are long enough"),
        pytest.param({"autoscaler": ON}, ALWAYS, id="windows that never close"),
    ],
)  # fmt: skip
def test_what_looks_alike_is_not_told(changes: dict[str, Any], settings: Settings) -> None:
    """Each neighbour of a warning says nothing: a warning that is always there is read by nobody."""
    assert told(settings, **changes) == ()


def test_every_warning_is_looked_for() -> None:
    """No public rule of the modules of warnings is left out of the table."""
    found = {(name, one) for module in MODULES for name, one in vars(module).items() if inspect.isfunction(one)}
    rules = {one for name, one in found if one.__annotations__.get("return") == "Iterator[str]" and name[0] != "_"}
    assert rules == set(WARNINGS)


def test_a_start_says_for_how_long_nothing_is_scaled() -> None:
    """The deadlines together, where there is an autoscaler that works."""
    line = "cluster-autoscaler is off during the rollout: up to 4h5m by the deadlines"
    assert preflight.told(replace(FINE, autoscaler=ON), SETTINGS)[-1].startswith(line)
    assert not preflight.told(FINE, SETTINGS)[-1].startswith("cluster-autoscaler")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (45, "45s"), (90, "90s"), (600, "10m"), (8100, "2h15m"), (86400, "1d"), (90061, "1d1h1m1s")],
)
def test_a_length_of_time_is_spelled_as_people_write_it(seconds: float, text: str) -> None:
    """As the configuration takes it."""
    assert spelled(seconds) == text
