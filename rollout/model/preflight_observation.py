"""What is looked at once, before the first effect: slim records of what can speak against a rollout.

Unlike `seen`, nothing here is asked again once a rollout has begun. Fields named as AWS and Kubernetes name them.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from rollout.model.plan import Autoscaler, TemplateUse


@dataclass(frozen=True, slots=True)
class Override:
    """One override of a MixedInstancesPolicy; None for what it leaves to the policy or to the template."""

    template: TemplateUse | None
    instance_type: str | None
    image_id: str | None
    weight: str | None


@dataclass(frozen=True, slots=True)
class GroupProbed:
    """What an Auto Scaling group is, apart from what a rollout changes on it.

    `template`: the group's own or its policy's, None for a launch configuration. `units`: DesiredCapacityType.
    `on_demand_base`, `on_demand_percent`: of its InstancesDistribution. `clusters`: the names in its tags
    kubernetes.io/cluster/NAME. `subnets`: those in which it launches, none where its template says where. `tags`: all.
    """

    name: str
    template: TemplateUse | None
    overrides: tuple[Override, ...] = ()
    units: str = "units"
    on_demand_base: int = 0
    on_demand_percent: int = 100
    warm_pool: bool = False
    clusters: frozenset[str] = frozenset()
    subnets: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def templates(self) -> tuple[TemplateUse, ...]:
        """Every template that it refers to, its own first, each once."""
        named = [self.template, *(override.template for override in self.overrides)]
        return tuple(dict.fromkeys(use for use in named if use))

    def launched_uses(self) -> Iterator[tuple[TemplateUse, str | None]]:
        """Yield each template that it launches, with the instance type that it names itself (None: the template's)."""
        if self.template and not self.overrides:
            yield self.template, None
        for override in self.overrides:
            if use := override.template or self.template:
                yield use, override.instance_type


@dataclass(frozen=True, slots=True)
class Kinds:
    """The kinds that the API server serves, each KIND, or KIND.GROUP where it is not of the core's.

    `unread`: what was answered where the API server could not be asked for all of them, "" where it could.
    """

    served: frozenset[str]
    unread: str = ""

    def missing(self, wanted: Iterable[str]) -> tuple[str, ...]:
        """Return those of these that are not among them; a KIND is there if any group has it."""
        bare = {kind.partition(".")[0] for kind in self.served}
        return tuple(kind for kind in wanted if kind not in self.served | bare)

    def nearest(self, kind: str) -> str:
        """Return the one that was probably meant, with its group where one was given; "" if there is none like it."""
        known = {one if "." in kind else one.partition(".")[0] for one in self.served}
        lower = {one.lower(): one for one in sorted(known)}
        near = difflib.get_close_matches(kind.lower(), lower, n=1)
        return lower[near[0]] if near else ""


@dataclass(frozen=True, slots=True)
class Right:
    """A verb on a Kubernetes resource, as RBAC words it; "pods/eviction" is a subresource, "/apis" a path.

    `namespace` "": in every one, or the resource has none. `name` "": of any name.
    """

    verb: str
    resource: str
    group: str = ""
    namespace: str = ""
    name: str = ""

    def __str__(self) -> str:
        resource = f"{self.resource}.{self.group}" if self.group else self.resource
        named = f" {self.name}" if self.name else ""
        return f"{self.verb} {resource}{named}" + (f" in {self.namespace}" if self.namespace else "")


#: Optional: without it no budget is known, and the API server alone says which eviction it lets pass.
LIST_BUDGETS = Right("list", "poddisruptionbudgets", "policy")
#: Optional: without them the marker is read at each look.
WATCH_MARKER = tuple(
    Right(verb, "configmaps", namespace="kube-system", name="eks-rollout") for verb in ("list", "watch")
)
#: Optional: without it nobody waits for the volumes of pods that left.
LIST_ATTACHMENTS = Right("list", "volumeattachments", "storage.k8s.io")
#: Optional: without it nobody is told when Jobs end at the latest. No rollout asks for it.
LIST_JOBS = Right("list", "jobs", "batch")


def watch_autoscaler(where: Autoscaler) -> tuple[Right, ...]:
    """Return optional rights, without which the autoscaler's Deployment is read at each look."""
    return tuple(Right(verb, "deployments", "apps", where.namespace, where.name) for verb in ("list", "watch"))
