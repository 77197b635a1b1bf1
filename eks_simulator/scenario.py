"""Scenarios: the YAML file that says what the simulated world holds and what will happen to it.

A file is refused with the line of the fault. Durations are a number of seconds or a text such as `90s`, `15m`,
`1h30m`; a range `40s..90s` is drawn from by seed, for each thing by itself. Moments are durations from the
scenario's start, and may be negative: the world runs for `warm_up` before the first client comes. A scenario may say
only how it differs from a shipped one, its `base`: mappings are merged, everything else is replaced.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError

from eks_simulator.account import Group, Image, Limits, Template
from eks_simulator.faults import Fault
from eks_simulator.fields import Count, Duration, DurationRange, Moment, Part, Range, nearest
from eks_simulator.wellknown import DEFINITIONS
from eks_simulator.world.actions import Action
from eks_simulator.world.trouble import WorldFault

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from importlib.resources.abc import Traversable


def as_list(value: object) -> object:
    """Return a list: one value for all may be written without brackets."""
    return value if isinstance(value, list) else [value]


class ScenarioError(ValueError):
    """The scenario cannot be used; the text names file, line, cause and what would be right."""


class Autoscaler(Part):
    """A cluster-autoscaler that works while its Deployment has a running pod."""

    name: str = "cluster-autoscaler"
    namespace: str = "kube-system"
    replicas: Count = 1
    look_every: Duration = 10
    idle_before_removal: Duration = 600


class Named(Part):
    """What every workload has. `slots` is what each of its pods takes of a node's."""

    name: str
    namespace: str = "default"
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    node_selector: dict[str, str] = Field(default_factory=dict)
    tolerations: tuple[dict[str, str], ...] = ()
    slots: Count = 0
    grace: Duration = 30
    stop: DurationRange = Range(2, 8)


class Jobs(Named):
    """`count` Jobs named `name-0`, `name-1`, …, the i-th created `stagger` seconds after the one before.

    `runtime` is one range for all or a list, used in turn. The first `failures` attempts of each Job fail.
    """

    count: int = Field(default=1, ge=1)
    runtime: Annotated[tuple[DurationRange, ...], BeforeValidator(as_list)] = Field(min_length=1)
    failures: Count = 0
    backoff_limit: Count = 6
    start: Duration = -300
    stagger: Duration = 0
    slots: Count = 1


class Deployment(Named):
    """A Deployment; pods become Ready within `startup`."""

    replicas: Count = 1
    startup: DurationRange = Range(3, 15)


class StatefulSet(Deployment):
    """A StatefulSet: its pods have ordinal names, and begin one after the other.

    `volume`: each pod has a volume of its own, which stays attached for so long once the pod is gone.
    """

    volume: DurationRange | None = None


class DaemonSet(Named):
    """A DaemonSet: one pod on every node that its node selector fits."""


class Pods(Named):
    """`count` bare pods (nobody replaces them)."""

    count: int = Field(default=1, ge=1)


class MirrorPod(Part):
    """A static pod's mirror on every node of `group` (default: of all groups)."""

    name: str
    namespace: str = "kube-system"
    group: str | None = None


class Budget(Part):
    """A PodDisruptionBudget; until `never_allows_until` it allows nothing, with any pods."""

    name: str
    namespace: str = "default"
    selector: dict[str, str]
    min_available: int | str | None = None
    max_unavailable: int | str | None = None
    never_allows_until: Duration | None = None

    @model_validator(mode="after")
    def _one_bound(self) -> Budget:
        if (self.min_available is None) == (self.max_unavailable is None):
            raise ValueError(f"budget {self.name}: give either min_available or max_unavailable")
        return self


class Workloads(Part):
    """What runs on the cluster."""

    jobs: tuple[Jobs, ...] = ()
    deployments: tuple[Deployment, ...] = ()
    statefulsets: tuple[StatefulSet, ...] = ()
    daemonsets: tuple[DaemonSet, ...] = ()
    pods: tuple[Pods, ...] = ()
    mirror_pods: tuple[MirrorPod, ...] = ()
    budgets: tuple[Budget, ...] = ()


class Protected(Part):
    """The Jobs that a rollout must not kill: of these namespaces, with a name that begins with one of these prefixes.

    Without prefixes all of the namespaces' Jobs are meant, without namespaces those of every namespace.
    """

    namespaces: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()

    def covers(self, namespace: str, job: str) -> bool:
        """Tell whether the Job is protected."""
        return (not self.namespaces or namespace in self.namespaces) and (
            not self.prefixes or job.startswith(tuple(self.prefixes))
        )


def _split_action(value: object) -> object:
    """`{at, do, …}` as it stands in the file to `{at, action: {do, …}}`."""
    if not isinstance(value, dict) or "action" in value:
        return value
    rest = dict(value)
    moment = {name: rest.pop(name) for name in ("at", "change") if name in rest}
    return {"action": rest, **moment}


class Event(Part):
    """What somebody does to the world at a moment: `at` is counted from the scenario's start.

    With `change` it is counted from the moment at which the tool changes something for the so many-th time.
    """

    at: Duration | None = None
    change: int | None = Field(default=None, ge=1)
    action: Action

    @model_validator(mode="after")
    def _has_a_moment(self) -> Event:
        if self.at is None and self.change is None:
            raise ValueError("give at, change, or both")
        return self


#: Rules of the outside that can be switched off, so that promises can be seen to fail.
Breakage = Literal["ignore-min-size", "ignore-protection", "decrement-twice", "ignore-uid"]


class Expect(Part):
    """How the rollout of this scenario should come out, for the promises and the tests.

    `drain_deadline` and `max_duration` are seconds; `max_duration` bounds first to last request of the tool.
    """

    drain_deadline: Duration = 7200
    max_duration: Duration = 10800
    killed_jobs: Count = 0
    replaced: Count | None = None


class Scenario(Part):
    """A whole world and what happens to it; all chance in it comes from `seed`.

    `denied` is what access reviews say no to, such as `patch nodes`, `create pods/eviction` or `get /apis`.
    `definitions` are kinds that others have brought, each KIND.GROUP: the API server says that it serves them.
    """

    name: str = "unnamed"
    description: str = ""
    seed: int = 1
    start: Moment = 1767600000.0  # Monday 2026-01-05 08:00 UTC
    warm_up: Duration = 900
    request_seconds: tuple[Duration, Duration] = (0.0, 3.0)
    region: str = "eu-west-1"
    account: str = Field(default="123456789012", pattern=r"^\d{12}$")
    cluster: str
    target_ami: str
    images: tuple[Image, ...] = Field(min_length=1)
    templates: tuple[Template, ...] = Field(min_length=1)
    groups: tuple[Group, ...] = Field(min_length=1)
    limits: Limits = Limits()
    autoscaler: Autoscaler | None = None
    protected: Protected = Protected()
    workloads: Workloads = Workloads()
    world_faults: tuple[WorldFault, ...] = ()
    denied: frozenset[str] = frozenset()
    definitions: tuple[str, ...] = DEFINITIONS
    broken: frozenset[Breakage] = frozenset()
    request_faults: tuple[Fault, ...] = ()
    events: tuple[Annotated[Event, BeforeValidator(_split_action)], ...] = ()
    settings: dict[str, Any] = Field(default_factory=dict)
    expect: Expect = Expect()

    @model_validator(mode="after")
    def _references_known(self) -> Scenario:
        images = [image.id for image in self.images]
        _known("image", images, self.target_ami)
        for template in self.templates:
            _known("image", images, *(version.image for version in template.versions))
        templates = [template.name for template in self.templates]
        _known("template", templates, *(name for group in self.groups for name, _ in group.references))
        _known("image", images, *(one.image for group in self.groups for one in group.overrides if one.image))
        groups = [group.name for group in self.groups]
        _known("group", groups, *(fault.group for fault in self.world_faults if fault.group))
        _known("group", groups, *(pod.group for pod in self.workloads.mirror_pods if pod.group))
        actions = (getattr(event.action, "group", None) for event in self.events)
        _known("group", groups, *(group for group in actions if group))
        return self

    def group(self, name: str) -> Group:
        """Return the group of that name; `KeyError` when there is none."""
        for group in self.groups:
            if group.name == name:
                return group
        raise KeyError(name)


def _known(kind: str, known: Sequence[str], *names: str) -> None:
    for name in names:
        if name not in known:
            raise ValueError(f"no {kind} {name!r} in this scenario; {nearest(name, known)}")


def _shipped() -> Traversable:
    return resources.files("eks_simulator") / "scenarios"


def _shipped_text(name: str) -> str:
    return (_shipped() / f"{name}.yaml").read_text("utf-8")


def names() -> list[str]:
    """Return the names of the scenarios that come with the package, sorted."""
    return sorted(item.name.removesuffix(".yaml") for item in _shipped().iterdir() if item.name.endswith(".yaml"))


def load(name_or_path: str | Path) -> Scenario:
    """Return the shipped scenario of that name, or the one in that file; `ScenarioError` when it cannot be used."""
    path = Path(name_or_path)
    if str(name_or_path) in names():
        return parse(_shipped_text(str(name_or_path)), str(name_or_path))
    try:
        if not path.is_file():
            raise ScenarioError(f"no scenario {str(name_or_path)!r}: neither a file nor one of {', '.join(names())}")
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(f"scenario {path} cannot be read: {error}") from error
    return parse(text, path.stem)


def parse(text: str, name: str) -> Scenario:
    """Return the scenario that the YAML text describes; `ScenarioError` with a line number when it is wrong."""
    document = _document(text, name)
    try:
        return Scenario.model_validate({"name": name, **_on_base(document, name)})
    except ValidationError as error:
        raise ScenarioError("\n".join(_faults(error, YAML().load(text), name))) from error


def _document(text: str, name: str) -> dict[str, Any]:
    try:
        document = YAML(typ="safe", pure=True).load(text)
    except (YAMLError, ValueError, RecursionError) as error:
        raise ScenarioError(f"scenario {name}: {error}") from error
    if not isinstance(document, dict):
        raise ScenarioError(f"scenario {name}: line 1: a mapping is wanted; copy a shipped one of {', '.join(names())}")
    return document


def _on_base(document: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the document laid over the shipped scenario that it names as its `base`, if it does."""
    base = document.pop("base", None)
    if base is None:
        return document
    if base not in names():
        raise ScenarioError(f"scenario {name}: base: no shipped scenario {base!r}; {nearest(str(base), names())}")
    below = _document(_shipped_text(base), base)
    return _laid_over(_on_base(below, base), document)


def _laid_over(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Mappings are merged key by key; everything else is replaced."""
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(merged.get(key), dict) and isinstance(value, dict)
        merged[key] = _laid_over(merged[key], value) if both else value
    return merged


def _faults(error: ValidationError, document: CommentedMap, name: str) -> Iterator[str]:
    for fault in error.errors():
        where = ".".join(map(str, fault["loc"]))
        text = fault["msg"].removeprefix("Value error, ")
        place = (*fault["loc"], fault.get("ctx", {}).get("key", ""))
        yield f"scenario {name}: line {_line(document, place)}: {where + ': ' if where else ''}{text}"


def _line(document: CommentedMap, location: tuple[int | str, ...]) -> int:
    """Return the line (from 1) of the innermost place of `location` that the file holds."""
    node: object = document
    line = 0
    for key in location:
        if isinstance(node, CommentedMap) and key in node:
            line = node.lc.key(key)[0]
        elif isinstance(node, CommentedSeq) and isinstance(key, int) and key < len(node):
            line = node.lc.item(key)[0]
        else:
            break
        node = node[key]
    return int(line) + 1
