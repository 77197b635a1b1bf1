"""A case that fails is made smaller while it still fails in the same way: what is left is what it takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from tests.swarm.case import Case

Part = dict[str, Any]
#: Lists of a scenario whose items may go, outermost first: those that explain most when they are gone.
_LISTS = ("events", "request_faults", "world_faults")
_LOADS = ("jobs", "deployments", "statefulsets", "daemonsets", "pods", "mirror_pods", "budgets")
#: What a group may do without.
_TRAITS = ("mixed", "suspended", "hooks", "protect_new", "capacity_rebalance", "spot")


def shrunk(case: Case, fails: Callable[[Case], bool], seconds: float) -> Case:
    """Return the smallest case that is found within so many seconds of real time, and still fails."""
    until = time.monotonic() + seconds
    smaller = True
    while smaller and time.monotonic() < until:
        smaller = False
        for candidate in candidates(case):
            if time.monotonic() >= until:
                break
            if fails(candidate):
                case, smaller = candidate, True
                break
    return case


def candidates(case: Case) -> Iterator[Case]:
    """Yield cases that have one thing less."""
    if len(case.images) > 1:
        yield case.evolve(images=case.images[:-1])
    if case.engine != "sqlite":
        yield case.evolve(engine="sqlite")
    if case.acts:
        yield case.evolve(acts=())
    for number in range(len(case.acts)):
        yield case.evolve(acts=(*case.acts[:number], *case.acts[number + 1 :]))
    for name in _LISTS:
        yield from (case.evolve(world={**case.world, name: less}) for less in _less(case.world.get(name, [])))
    for name in _LOADS:
        loads = case.world["workloads"]
        for less in _less(loads.get(name, [])):
            yield case.evolve(world={**case.world, "workloads": {**loads, name: less}})
    yield from (case.evolve(world=world) for world in _plainer(dict(case.world)))


def _less(items: list[Any]) -> Iterator[list[Any]]:
    if len(items) > 1:
        yield []
    for number in range(len(items)):
        yield [*items[:number], *items[number + 1 :]]


def _plainer(world: Part) -> Iterator[Part]:
    for group in world["groups"][1:]:
        yield from _without(world, group)
    for number, group in enumerate(world["groups"]):
        for trait in _TRAITS:
            if trait in group:
                plain = {name: value for name, value in group.items() if name != trait}
                yield world | {"groups": [*world["groups"][:number], plain, *world["groups"][number + 1 :]]}
    for name in world.get("settings", {}):
        settings = {key: value for key, value in world["settings"].items() if key != name}
        yield world | {"settings": settings}
    if "autoscaler" in world:
        yield {name: value for name, value in world.items() if name != "autoscaler"}


def _without(world: Part, group: Part) -> Iterator[Part]:
    """Yield the world without a group, where nothing else names it."""
    named = [one.get("group") for name in _LISTS[::2] for one in world.get(name, [])]
    if group["name"] not in named:
        yield world | {"groups": [one for one in world["groups"] if one is not group]}
