"""What is asked for, and everything that is read before the first effect.

A read that is refused does not end the survey: what can be read is, so that all reasons come at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from rollout.errors import Refused
from rollout.model.budget import BudgetSeen
from rollout.model.observation import (
    AutoscalerSeen,
    GroupSeen,
    ImageSeen,
    MarkerSeen,
    NodeSeen,
    Observation,
    PodSeen,
    RefreshSeen,
    TemplateSeen,
)
from rollout.model.plan import Autoscaler, Settings
from rollout.model.preflight_observation import GroupProbed, Kinds, Right
from rollout.ports import AutoScaling, Kubernetes, PreflightProbe
from rollout.preflight.launching import launches
from rollout.preflight.rights import BUDGETS, DEPLOYMENTS, DISCOVERY, NAMESPACES, Need, optional, rights
from rollout.stages.knowing import whereabouts

T = TypeVar("T")
#: Template, version, instance type and subnet; None for what the template says itself.
_Launching = tuple[str, int, str | None, str | None]


@dataclass(frozen=True, slots=True)
class Request:
    """What the operator asks for. `share_templates`: other groups may live on what a rollout moves."""

    cluster: str
    region: str
    groups: tuple[str, ...]
    ami: str
    description: str
    settings: Settings
    share_templates: bool = False


@dataclass(frozen=True, slots=True)
class Survey:
    """What was found before the first effect.

    `probed`: every group of the region, by name. `refreshes`: by group, the instance refresh at work on it.
    `unread`: by field, what was answered to a read that was refused; the field is empty then.
    `denied`: what was answered to a try that was refused; `lacking`: the rights that Kubernetes does not grant us;
    `missing`: those among the optional ones; `elsewhere`: as in `Observation`.
    `kinds`: that Kubernetes serves, None where it was not asked; `absent`:
    namespaces of the settings that do not exist; `lookalikes`: Deployments that look like a cluster-autoscaler, where
    the settings name none that is there.
    """

    image: ImageSeen | None = None
    groups: tuple[GroupSeen, ...] = ()
    probed: Mapping[str, GroupProbed] = field(default_factory=dict)
    templates: tuple[TemplateSeen, ...] = ()
    refreshes: Mapping[str, RefreshSeen] = field(default_factory=dict)
    architectures: Mapping[str, frozenset[str]] = field(default_factory=dict)
    nodes: tuple[NodeSeen, ...] = ()
    pods: tuple[PodSeen, ...] = ()
    autoscaler: AutoscalerSeen | None = None
    marker: MarkerSeen | None = None
    elsewhere: frozenset[str] = frozenset()
    own_pod: tuple[str, str] | None = None
    unread: Mapping[str, str] = field(default_factory=dict)
    denied: tuple[str, ...] = ()
    lacking: tuple[Right, ...] = ()
    missing: tuple[Need, ...] = ()
    kinds: Kinds | None = None
    absent: tuple[str, ...] = ()
    lookalikes: tuple[Autoscaler, ...] = ()
    budgets: tuple[BudgetSeen, ...] = ()

    def ours(self) -> tuple[GroupProbed, ...]:
        """Return the groups that are to be replaced, as they were probed."""
        return tuple(self.probed[group.name] for group in self.groups if group.name in self.probed)


def survey(
    request: Request,
    kubernetes: Kubernetes,
    autoscaling: AutoScaling,
    probe: PreflightProbe,
    before: Callable[[], None] = lambda: None,
) -> Survey:
    """Read what a plan is made from, and what can speak against it; no effect is sent.

    `before`: is called before each question, to renew a lease: all questions take minutes where a side throttles.
    Raises `Retry` where the other side does not answer for now.
    """
    asked = _Asked(before)
    groups = asked.read("groups", partial(autoscaling.groups, request.groups)) or ()
    probed = asked.read("probed", partial(_probed, probe)) or {}
    ours = [probed[group.name] for group in groups if group.name in probed]
    templates = asked.read("templates", partial(autoscaling.templates, _ids(ours, groups))) or ()
    image = asked.read("image", partial(autoscaling.image, request.ami))
    for template in templates if image else ():
        asked.attempt(partial(probe.try_version, template.id, template.latest, request.ami))
        asked.attempt(partial(probe.try_default, template.id, template.default))
    for template_id, version, named, subnet in _first_launches(ours, templates) if image else ():
        asked.attempt(partial(probe.try_launch, template_id, version, request.ami, named, subnet))
    settings, where = request.settings, request.settings.autoscaler
    missing = asked.read("lacking", partial(_missing, settings, probe, asked)) or ()
    autoscaler = asked.read("autoscaler", partial(kubernetes.autoscaler, where)) if where else None
    nodes = asked.ask(kubernetes.nodes)
    return Survey(
        image=image,
        groups=groups,
        probed=probed,
        templates=templates,
        refreshes=asked.read("refreshes", partial(_refreshes, groups, autoscaling, asked)) or {},
        architectures=asked.read("architectures", partial(_architectures, ours, templates, probe)) or {},
        nodes=nodes,
        elsewhere=asked.ask(partial(_elsewhere, groups, nodes, autoscaling)),
        pods=asked.ask(kubernetes.pods),
        autoscaler=autoscaler,
        marker=asked.read("marker", kubernetes.marker),
        own_pod=asked.ask(probe.own_pod),
        lacking=asked.read("lacking", partial(_lacking, settings, probe, asked)) or (),
        missing=missing,
        kinds=None if DISCOVERY in missing else asked.ask(partial(probe.kinds, settings.protected.kinds)),
        absent=asked.optional(partial(probe.absent, settings.protected.namespaces))
        if NAMESPACES not in missing
        else (),
        lookalikes=asked.optional(probe.autoscalers) if autoscaler is None and DEPLOYMENTS not in missing else (),
        budgets=asked.optional(lambda: kubernetes.budgets() or ()) if BUDGETS not in missing else (),
        unread=asked.unread,
        denied=tuple(asked.denied),
    )


class _Asked:
    """Remembers what was refused. `before`: is called before each question."""

    def __init__(self, before: Callable[[], None]) -> None:
        self._before = before
        self.unread: dict[str, str] = {}
        self.denied: list[str] = []

    def ask(self, question: Callable[[], T]) -> T:
        """Return the answer."""
        self._before()
        return question()

    def optional(self, question: Callable[[], tuple[T, ...]]) -> tuple[T, ...]:
        """Return the answer to a question that a rollout can do without; nothing where it is refused."""
        try:
            return self.ask(question)
        except Refused:
            return ()

    def read(self, what: str, question: Callable[[], T]) -> T | None:
        """Return the answer; where it is refused, note that and return None."""
        try:
            return self.ask(question)
        except Refused as error:
            self.unread[what] = error.detail
            return None

    def attempt(self, question: Callable[[], None]) -> None:
        """Ask whether something would be allowed."""
        try:
            self.ask(question)
        except Refused as error:
            self.denied.append(error.detail)


def _probed(probe: PreflightProbe) -> dict[str, GroupProbed]:
    return {group.name: group for group in probe.groups()}


def _elsewhere(groups: Sequence[GroupSeen], nodes: Sequence[NodeSeen], autoscaling: AutoScaling) -> frozenset[str]:
    seen = Observation(groups=tuple(groups), nodes=tuple(nodes))
    return whereabouts(seen, autoscaling).elsewhere if seen.unlisted else frozenset()


def _ids(ours: Sequence[GroupProbed], groups: Sequence[GroupSeen]) -> list[str]:
    """Return the templates of both looks at the groups: somebody may change one in between."""
    uses = (*(use for one in ours for use in one.templates), *(use for one in groups for use in one.uses))
    return sorted({use.template_id for use in uses})


def _architectures(
    ours: Sequence[GroupProbed], templates: Sequence[TemplateSeen], probe: PreflightProbe
) -> Mapping[str, frozenset[str]]:
    named = {launch.instance_type for group in ours for launch in launches(group, templates)}
    return probe.architectures(sorted(name for name in named if name))


def _first_launches(ours: Sequence[GroupProbed], templates: Sequence[TemplateSeen]) -> Iterable[_Launching]:
    """Return what each group launches first from each of its templates; what several do alike, once."""
    first: dict[tuple[str, str], _Launching] = {}
    for group in ours:
        subnet = next(iter(group.subnets), None)
        for launch in launches(group, templates):
            asked = (launch.template.id, launch.version.number, launch.instance_type, subnet)
            first.setdefault((group.name, launch.template.id), asked)
    return dict.fromkeys(first.values())


def _refreshes(groups: Sequence[GroupSeen], autoscaling: AutoScaling, asked: _Asked) -> dict[str, RefreshSeen]:
    there = [group.name for group in groups if not group.gone]
    found = {name: asked.ask(partial(autoscaling.active_instance_refresh, name)) for name in there}
    return {name: refresh for name, refresh in found.items() if refresh}


def _missing(settings: Settings, probe: PreflightProbe, asked: _Asked) -> tuple[Need, ...]:
    used = (need for need in optional(settings) if need.used(settings))
    return tuple(need for need in used if not all(asked.ask(partial(probe.allows, one)) for one in need.rights))


def _lacking(settings: Settings, probe: PreflightProbe, asked: _Asked) -> tuple[Right, ...]:
    return tuple(right for right in rights(settings) if not asked.ask(partial(probe.allows, right)))
