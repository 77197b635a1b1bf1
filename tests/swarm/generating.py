"""From one integer a case: a random world, a person who meddles, bad luck with requests, and kills."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, TypeVar

from tests.swarm.case import Act, Case
from tests.swarm.faults import request_faults, world_faults
from tests.swarm.meddling import PROCESSES, deletions, events
from tests.swarm.operating import commands, of_nodes

T = TypeVar("T")
Part = dict[str, Any]

OLD, NEW, NEWER = "ami-00000000000000aaa", "ami-00000000000000bbb", "ami-00000000000000ccc"
#: Points that a run has, about; a kill beyond its last has no effect.
_POINTS = 300
# Small worlds in which much happens at a time find more than big ones, and many of them more than few: old nodes are
# drained from about the fourth minute on, most Jobs run then, and end soon.
_RUNTIMES = ("1m..3m", "3m..6m", "4m..8m", "6m..10m", "8m..15m", "20m..30m")
_STARTS = (-60, 0, 0, 60, 120, 240, 360)
_STARTUPS = ("3s..15s", "3s..15s", "20s..60s", "1m..3m")


class Chance(random.Random):
    """Chance, with a word for what may be or not."""

    def one_in(self, number: int) -> bool:
        """Tell whether it happens, as it does once in so many times."""
        return self.randrange(number) == 0

    def some(self, among: Sequence[T], most: int) -> list[T]:
        """Return up to `most` of them, in their order."""
        picked = self.sample(range(len(among)), self.randint(0, min(most, len(among))))
        return [among[number] for number in sorted(picked)]


def case(seed: int, *, operated: bool = True) -> Case:
    """Return the case of this seed, always the same. `operated`: with an operator, and deleted templates."""
    chance = Chance(seed)
    names = ["workers", "batch"][: chance.choice([1, 1, 1, 2])]
    templates = [_template(chance, name) for name in names]
    groups = [_group(chance, name, templates) for name in names]
    world: Part = {
        "name": f"swarm-{seed}",
        "seed": chance.randrange(10_000),
        "cluster": "eks-swarm",
        "target_ami": NEW,
        "images": [{"id": one, "name": f"eks-worker-{one[-3:]}"} for one in (OLD, NEW, NEWER)],
        "templates": templates,
        "groups": groups,
        "protected": {"namespaces": ["demo"]},
        "workloads": _workloads(chance),
        "settings": _settings(chance),
        "expect": {"drain_deadline": chance.choice(["4m", "6m", "10m", "20m"]), "max_duration": "24h"},
    }
    if not chance.one_in(5):
        idle = chance.choice(["10m", "4h"])
        world["autoscaler"] = {"replicas": chance.choice([1, 1, 1, 2]), "idle_before_removal": idle}
    world["events"] = events(chance, world)
    world["world_faults"] = world_faults(chance, names)
    world["request_faults"] = request_faults(chance)
    images = (NEW, NEWER, OLD)[: chance.choice([1, 1, 1, 1, 1, 2, 3])]
    acts, engine = _acts(chance), chance.choice(["sqlite", "sqlite", "postgres"])
    if operated:
        later = Chance(f"operator {seed}")  # a chance of its own: the rest of a seed's world does not depend on it
        world["events"] += deletions(later, world)
        acts = of_nodes(Chance(f"nodes {seed}"), commands(later, acts))
    return Case(seed, world, images, acts, engine)


def _template(chance: Chance, name: str) -> Part:
    versions = [{"image": OLD, "instance_type": "m5.2xlarge"} for _ in range(chance.choice([1, 1, 2]))]
    return {"name": f"{name}-lt", "versions": versions, "default": len(versions)}


def _group(chance: Chance, name: str, templates: list[Part]) -> Part:
    desired = chance.choice([1, 1, 2, 2, 3])
    template = chance.choice(templates) if chance.one_in(8) else templates[-1 if name == "batch" else 0]
    newest = str(len(template["versions"]))
    group: Part = {
        "name": name,
        "template": template["name"],
        "version": chance.choice(["$Latest", "$Default", newest]),
        "min": chance.randint(0, desired),
        "desired": desired,
        "max": desired + chance.choice([0, 0, 1, desired, 6]),
        "zones": ["eu-west-1a", "eu-west-1b"][: chance.choice([1, 2])],
        "boot": "10s..20s",
        "ready": "5s..10s",
    }
    if chance.one_in(5):
        group["mixed"] = {"overrides": _overrides(chance)}
    if chance.one_in(4):
        group["suspended"] = chance.sample(PROCESSES, chance.randint(1, 2))
    for field, rarely in (("protect_new", 6), ("capacity_rebalance", 8), ("spot", 8)):
        if chance.one_in(rarely):
            group[field] = True
    if chance.one_in(8):
        way = chance.choice(["launching", "terminating"])
        hook = {"name": "hook", "transition": way, "heartbeat": "5m", "result": "CONTINUE"}
        group["hooks"] = [hook | ({"completes": "5s..20s"} if chance.one_in(2) else {})]
    return group


def _overrides(chance: Chance) -> list[Part]:
    """Types of instances; now and then with weights, where sizes count no instances and a rollout must refuse."""
    types = [{"instance_type": one} for one in ("m5.2xlarge", "m5a.2xlarge", "m6i.2xlarge")]
    found = types[: chance.randint(1, 3)]
    return [one | {"weight": chance.randint(1, 2)} for one in found] if chance.one_in(6) else found


def _workloads(chance: Chance) -> Part:
    services = [f"web-{number}" for number in range(chance.choice([0, 1, 1, 2]))]
    deployments = [_service(chance, one) for one in services]
    sets = ["db"] if chance.one_in(3) else []
    budgets = [_budget(chance, one) for one in (*services, *sets) if chance.one_in(2)]
    loads: Part = {
        "jobs": [_jobs(chance, f"job-{letter}") for letter in "abc"[: chance.randint(1, 3)]],
        "deployments": deployments,
        "statefulsets": [_service(chance, one) for one in sets],
        "budgets": budgets,
    }
    if not chance.one_in(3):
        loads["daemonsets"] = [{"name": "aws-node", "namespace": "kube-system"}]
    if chance.one_in(4):
        loads["pods"] = [{"name": "bare", "namespace": chance.choice(["demo", "ci"]), "count": chance.randint(1, 2)}]
    if chance.one_in(6):
        loads["mirror_pods"] = [{"name": "static"}]
    return loads


def _service(chance: Chance, name: str) -> Part:
    return {
        "name": name,
        "namespace": "demo",
        "replicas": chance.randint(1, 3),
        "startup": chance.choice(_STARTUPS),
    }


def _jobs(chance: Chance, name: str) -> Part:
    jobs: Part = {
        "name": name,
        "namespace": chance.choice(["demo", "demo", "demo", "ci"]),
        "count": chance.randint(1, 3),
        "runtime": chance.choice(_RUNTIMES),
        "start": chance.choice(_STARTS),
        "stagger": chance.choice([0, 30, 120]),
    }
    if chance.one_in(6):
        jobs["failures"] = 1
    if chance.one_in(8):
        jobs["annotations"] = {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"}
    return jobs


def _budget(chance: Chance, name: str) -> Part:
    budget: Part = {"name": name, "namespace": "demo", "selector": {"app": name}}
    bounds = [{"max_unavailable": 1}] * 4 + [{"min_available": 1}, {"max_unavailable": 0}]
    budget |= chance.choice(bounds)
    return budget | ({"never_allows_until": chance.choice(["6m", "10m"])} if chance.one_in(3) else {})


def _settings(chance: Chance) -> Part:
    settings: Part = {
        "surge": chance.choice(["100%", "100%", "50%", 1]),
        "unprotected": chance.choice(["protect", "protect", "evict"]),
        "drain": {
            "on_deadline": chance.choice(["pod", "pod", "pod", "job", "halt"]),
            "on_blocked": chance.choice(["halt", "force", "force"]),
            "max_draining": chance.choice([1, 1, 2, 3]),
        },
        "deadlines": {"in_service": "10m", "ready": "10m", "blocked": chance.choice(["3m", "5m"])},
    }
    if chance.one_in(5):
        settings["taint"] = {"early": True}
    if chance.one_in(2):
        settings["parallel"] = 1
    return settings


def _acts(chance: Chance) -> tuple[Act, ...]:
    number = chance.choice([0, 0, 1, 1, 2])
    kinds = [chance.choice(["kill", "kill", "kill", "stop", "two"]) for _ in range(number)]
    return tuple(Act(kind, chance.randint(1, _POINTS)) for kind in kinds)
