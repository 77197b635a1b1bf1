"""The person who meddles: third parties' acts at random moments, each of a kind that people and their tools do."""

from __future__ import annotations

import random
from typing import Any

from tests.swarm.person import SPARE

Part = dict[str, Any]

#: Seconds within which it happens: rollouts begin at 0, and most of them end within half an hour.
_WITHIN = 1500
#: Changes that a rollout makes, about.
_CHANGES = 60
_TAINT = "eks-rollout/replacing"
#: Processes that people suspend, those that a rollout suspends among them.
PROCESSES = ("AZRebalance", "AlarmNotification", "ScheduledActions", "InstanceRefresh", "HealthCheck")


def events(chance: random.Random, world: Part) -> list[Part]:
    """Return what somebody does: on several occasions, each with one or more acts, some of them again and again."""
    return [
        {**occasion, "at": occasion["at"] + later, **act}
        for occasion in (_occasion(chance) for _ in range(chance.choice([0, 1, 2, 2, 3, 4])))
        for kind in chance.choices(ACTS, k=chance.choice([1, 1, 2]))
        for later in _times(chance)
        for act in kind(chance, world)
    ]


def deletions(chance: random.Random, world: Part) -> list[Part]:
    """Return, in a few worlds, how somebody deletes a launch template, or one of its versions.

    That may be the one that a group launched first, or ours. EC2 keeps the default one: it is moved away before. Where
    a template is deleted, there is another one that a person can take.
    """
    if chance.randrange(6):
        return []
    occasion, template = _occasion(chance), chance.choice(world["templates"])
    name, newest = template["name"], len(template["versions"])
    if chance.randrange(3) == 0:
        world["templates"].append({"name": SPARE, "versions": template["versions"][:1]})
        return [{**occasion, "do": "delete_template", "template": name}]
    version = str(chance.choice([newest, newest, newest + 1]))
    moved = {**occasion, "do": "set_default", "template": name, "version": str(newest + 1)}
    deleted = {**occasion, "do": "delete_version", "template": name, "version": version}
    return [deleted] if chance.randrange(2) else [moved, deleted]


def _occasion(chance: random.Random) -> Part:
    """Return a moment: by the clock, or by what the rollout does, just then or a while after it."""
    if chance.randrange(3):
        return {"change": chance.randint(1, _CHANGES), "at": chance.choice([0, 0, 5, 30, 90])}
    return {"at": chance.randint(0, _WITHIN)}


def _times(chance: random.Random) -> list[int]:
    """Return after how many seconds an act is done: at once, and where somebody or something keeps at it, again."""
    again = chance.choice([0, 0, 0, 0, 1, 3])
    pause = chance.choice([15, 60, 180])
    return [number * pause for number in range(1 + again)]


def _group(chance: random.Random, world: Part) -> Part:
    group: Part = chance.choice(world["groups"])
    return group


def _sizes(chance: random.Random, world: Part) -> list[Part]:
    group = _group(chance, world)
    field = chance.choice(["MinSize", "MaxSize", "DesiredCapacity"])
    value = group[{"MinSize": "min", "MaxSize": "max", "DesiredCapacity": "desired"}[field]] + chance.choice([-1, 1, 2])
    return [{"do": "update_group", "group": group["name"], "fields": {field: max(0, value)}}]


def _doubled(chance: random.Random, world: Part) -> list[Part]:
    """What a person sets may be just what we would set."""
    group = _group(chance, world)
    sizes = {"DesiredCapacity": 2 * group["desired"], "MaxSize": max(group["max"], 2 * group["desired"])}
    return [{"do": "update_group", "group": group["name"], "fields": sizes}]


def _reference(chance: random.Random, world: Part) -> list[Part]:
    group = _group(chance, world)
    version = chance.choice(["1", "2", "$Latest", "$Default"])
    reference = {"LaunchTemplateName": group["template"], "Version": version}
    return [{"do": "update_group", "group": group["name"], "fields": {"LaunchTemplate": reference}}]


def _flag(chance: random.Random, world: Part) -> list[Part]:
    field = chance.choice(["NewInstancesProtectedFromScaleIn", "CapacityRebalance"])
    fields = {field: chance.choice([True, False])}
    return [{"do": "update_group", "group": _group(chance, world)["name"], "fields": fields}]


def _processes(chance: random.Random, world: Part) -> list[Part]:
    named = chance.sample((*PROCESSES, "Terminate"), chance.randint(1, 3))
    act = {"do": "processes", "group": _group(chance, world)["name"], "processes": named}
    return [act | {"on": chance.choice([True, False])}]


def _scheduled(chance: random.Random, world: Part) -> list[Part]:
    group = _group(chance, world)
    return [{"do": "scheduled_action", "group": group["name"], "fields": {"DesiredCapacity": group["max"]}}]


def _template(chance: random.Random, world: Part) -> list[Part]:
    name = _group(chance, world)["template"]
    made = {"do": "new_version", "template": name}
    moved = {"do": "set_default", "template": name, "version": chance.choice(["1", "2"])}
    return [chance.choice([made, moved])]


def _which(chance: random.Random, world: Part) -> Part:
    """Return one node: of those that were there first, or, more often, of those that are to take their place."""
    where: Part = {"group": _group(chance, world)["name"]}
    return where | chance.choice([{"which": 0}, {"which": 1}, {"age": "oldest"}, *[{"age": "newest"}] * 4])


def _lost(chance: random.Random, world: Part) -> list[Part]:
    return [{"do": "terminate_instance", **_which(chance, world), "spot": chance.choice([True, False])}]


def _warned(chance: random.Random, world: Part) -> list[Part]:
    return [{"do": "spot_warning", "group": _group(chance, world)["name"], "which": chance.randint(0, 2)}]


def _node(chance: random.Random, world: Part) -> list[Part]:
    where = _which(chance, world)
    return chance.choice([[{"do": "delete_node", **where}], [{"do": "delete_node", **where}, _reboot(where)]])


def _reboot(where: Part) -> Part:
    return {"do": "reboot_instance", **where}


def _cordon(chance: random.Random, world: Part) -> list[Part]:
    return [{"do": "cordon", **_which(chance, world), "on": chance.choice([True, True, False])}]


def _taint(chance: random.Random, world: Part) -> list[Part]:
    where = _which(chance, world)
    effect = chance.choice(["NoSchedule", "PreferNoSchedule", "NoExecute"])
    theirs = {"do": "taint", **where, "key": "maintenance", "effect": effect}
    return [chance.choice([theirs, {"do": "untaint", **where, "key": _TAINT}])]


def _annotation(chance: random.Random, world: Part) -> list[Part]:
    key = "cluster-autoscaler.kubernetes.io/scale-down-disabled"
    value = chance.choice([{"value": "true"}, {"value": "false"}, {}])
    return [{"do": "annotate", **_which(chance, world), "key": key, **value}]


def _protection(chance: random.Random, world: Part) -> list[Part]:
    return [{"do": "protect_instance", **_which(chance, world), "on": chance.choice([True, False])}]


def _unready(chance: random.Random, world: Part) -> list[Part]:
    where = chance.choice([_which(chance, world), {}])
    return [{"do": "not_ready", **where, "lasts": chance.choice([10, 60, 300])}]


def _watches(chance: random.Random, _world: Part) -> list[Part]:
    return [{"do": "delay_watches", "lasts": chance.choice([5, 20, 50]), "lose": chance.choice([True, False])}]


def _standby(chance: random.Random, world: Part) -> list[Part]:
    group = _group(chance, world)["name"]
    act = {"do": "enter_standby", "group": group, "which": 0, "decrement": chance.choice([True, False])}
    return [chance.choice([act, {"do": "exit_standby", "group": group}])]


def _refresh(chance: random.Random, world: Part) -> list[Part]:
    return [{"do": "start_refresh", "group": _group(chance, world)["name"]}]


def _autoscaler(chance: random.Random, world: Part) -> list[Part]:
    name = {"namespace": "kube-system", "name": "cluster-autoscaler"}
    scaled = {"do": "scale_deployment", **name, "replicas": chance.choice([0, 1, 1, 2])}
    tidied = {"do": "annotate_deployment", **name, "key": "eks-rollout/rollout-id"}
    return [chance.choice([scaled, tidied])] if "autoscaler" in world else []


def _service(chance: random.Random, world: Part) -> list[Part]:
    named = world["workloads"]["deployments"]
    if not named:
        return []
    name = {"namespace": "demo", "name": chance.choice(named)["name"]}
    return [{"do": "scale_deployment", **name, "replicas": chance.randint(0, 3)}]


def _pods(chance: random.Random, world: Part) -> list[Part]:
    prefix = chance.choice(["web-", "job-", "db-", "bare-"])
    return [{"do": "delete_pods", "namespace": "demo", "prefix": prefix, "force": chance.choice([True, False])}]


def _budget(chance: random.Random, world: Part) -> list[Part]:
    """Somebody makes, narrows, widens or deletes the budget of a service."""
    loads = world["workloads"]
    services = [one["name"] for one in (*loads["deployments"], *loads["statefulsets"])]
    if not services:
        return []
    name = chance.choice(services)
    bound = chance.choice([{"max_unavailable": 0}, {"max_unavailable": 1}, {"min_available": 1}, {"min_available": 2}])
    which = {"namespace": "demo", "name": name}
    made = {"do": "set_budget", **which, "selector": {"app": name}, **bound}
    return [chance.choice([made, made, {"do": "delete_budget", **which}])]


def _marker(chance: random.Random, world: Part) -> list[Part]:
    return [{"do": "delete_configmap", "namespace": "kube-system", "name": "eks-rollout"}]


#: Each kind of meddling; those that people, and bad luck with nodes, do most stand more than once.
ACTS = (
    *(_sizes, _sizes, _doubled, _reference, _flag, _flag, _processes, _scheduled, _template, _lost, _lost, _lost),
    *(_warned, _node, _cordon, _cordon, _cordon, _taint, _annotation, _protection, _unready, _unready, _unready),
    *(_standby, _refresh, _autoscaler, _autoscaler, _service, _service, _budget, _budget, _pods, _pods, _marker),
    *(_watches, _watches),
)
