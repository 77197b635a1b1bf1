"""The person who meddles: third parties' acts at random moments, each of a kind that people and their tools do."""

from __future__ import annotations

import random
from typing import Any

Part = dict[str, Any]

#: Seconds within which it happens: rollouts begin at 0, and take ten minutes to an hour.
_WITHIN = 2400
_TAINT = "eks-rollout/replacing"
_PROCESSES = ("AZRebalance", "AlarmNotification", "ScheduledActions", "InstanceRefresh", "HealthCheck", "Terminate")


def events(chance: random.Random, world: Part) -> list[Part]:
    """Return what somebody does, in the order of time."""
    number = chance.choice([0, 1, 2, 3, 5])
    found = [
        {"at": chance.randint(0, _WITHIN), **act} for _ in range(number) for act in chance.choice(ACTS)(chance, world)
    ]
    return sorted(found, key=lambda event: float(event["at"]))


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
    named = chance.sample(_PROCESSES, chance.randint(1, 3))
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
    where: Part = {"group": _group(chance, world)["name"]}
    return where | chance.choice([{"which": 0}, {"which": 1}, {"age": "oldest"}, {"age": "newest"}, {"age": "newest"}])


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
    return [chance.choice([scaled, scaled, tidied])] if "autoscaler" in world else []


def _service(chance: random.Random, world: Part) -> list[Part]:
    named = world["workloads"]["deployments"]
    if not named:
        return []
    name = {"namespace": "demo", "name": chance.choice(named)["name"]}
    return [{"do": "scale_deployment", **name, "replicas": chance.randint(0, 3)}]


def _pods(chance: random.Random, world: Part) -> list[Part]:
    prefix = chance.choice(["web-", "job-", "db-", "bare-"])
    return [{"do": "delete_pods", "namespace": "demo", "prefix": prefix, "force": chance.choice([True, False])}]


def _marker(chance: random.Random, world: Part) -> list[Part]:
    return [{"do": "delete_configmap", "namespace": "kube-system", "name": "eks-rollout"}]


#: Each kind of meddling; those that people do most stand twice.
ACTS = (
    *(_sizes, _sizes, _doubled, _reference, _flag, _processes, _scheduled, _template, _lost, _lost, _warned, _node),
    *(_cordon, _taint, _annotation, _protection, _unready, _standby, _refresh, _autoscaler, _autoscaler, _service),
    *(_pods, _marker),
)
