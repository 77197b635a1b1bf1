"""The simulated world: one clock, one log, AWS and Kubernetes, and everything in them that acts by itself.

`build` makes a world of a scenario and lets it run for the scenario's warm-up, so that the first client finds nodes
that are Ready and pods that run. From then on it moves only as its clock is run.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from eks_simulator import account
from eks_simulator.clock import VirtualClock, iso
from eks_simulator.cloud import model as cloud_model
from eks_simulator.cloud.cloud import Cloud
from eks_simulator.cloud.errors import AwsError
from eks_simulator.judging.facts import Facts, ours
from eks_simulator.judging.promises import Promises
from eks_simulator.kube.errors import ApiError
from eks_simulator.kube.store import Store
from eks_simulator.log import ChangeLog
from eks_simulator.world import actions, manifests
from eks_simulator.world.autoscaler import ClusterAutoscaler
from eks_simulator.world.flaps import Flaps
from eks_simulator.world.kubelet import Kubelet
from eks_simulator.world.nodes import Nodes
from eks_simulator.world.pods import PodIndex
from eks_simulator.world.scheduler import Scheduler
from eks_simulator.world.stateful import StatefulSetController
from eks_simulator.world.trouble import Troubles
from eks_simulator.world.volumes import Volumes
from eks_simulator.world.workloads import DaemonSetController, DeploymentController, JobController

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from eks_simulator.account import Group, Image, TemplateVersion
    from eks_simulator.cloud.model import Instance
    from eks_simulator.faults import Fault
    from eks_simulator.log import Change
    from eks_simulator.scenario import Budget, Event, Scenario
    from eks_simulator.world.actions import Action
    from eks_simulator.world.pods import Object
    from eks_simulator.world.trouble import Kind, WorldFault

# After an outage: seconds until the node lifecycle controller looks (its --node-monitor-period is 5 s), and until the
# kubelets have renewed their leases and said that they are well.
MONITOR_PERIOD, LEASES_OLD = 2.0, 9.0
NODES_UP = 300.0  # seconds of the warm-up after which the workloads are applied, so that they find all nodes


class World:
    """Everything there is, at the clock's now. Create it with `build`."""

    store: Store
    scheduler: Scheduler
    kubelet: Kubelet
    nodes: Nodes
    flaps: Flaps

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.faults: tuple[Fault, ...] = scenario.request_faults
        self.missed: list[str] = []
        self.clock = clock = VirtualClock(scenario.start - scenario.warm_up)
        self.log = ChangeLog(clock)
        self.troubles = Troubles(clock)
        self._make_cluster()
        self.cloud = Cloud(
            clock, self.log, scenario.seed, scenario.region, scenario.account, broken=frozenset(scenario.broken)
        )
        self.autoscaler = ClusterAutoscaler(clock, self.store, self.cloud, self.scheduler, scenario)
        self.promised = Promises(Facts(scenario, self.store, self.cloud), self.log)
        self.cloud.on_launch.append(self.nodes.launched)
        self.cloud.on_terminate.append(self.nodes.shutting_down)

    def _make_cluster(self) -> None:
        """Make the Kubernetes half: its objects, and all that moves them."""
        scenario, clock = self.scenario, self.clock
        self.store = store = Store(clock, self.log, broken=frozenset(scenario.broken))
        self.scheduler = Scheduler(clock, store)
        index = PodIndex(store)
        for controller in (JobController, DeploymentController, StatefulSetController, DaemonSetController):
            controller(clock, store, index, scenario.seed)
        self.kubelet = Kubelet(clock, store, self.troubles, scenario.seed)
        self.scheduler.zone_of = Volumes(clock, store, self.kubelet, self.troubles, scenario.seed).zone_of
        self.nodes = Nodes(clock, store, scenario, self.kubelet, self.troubles)
        self.flaps = Flaps(clock, store)

    def do(self, action: Mapping[str, Any]) -> None:
        """Apply the world action `{do: NAME, …}` now; `ValueError` says what is wrong with it."""
        self.perform(actions.parse(action))

    def perform(self, action: Action) -> None:
        """Apply the action now, as a third party's act."""
        with self.log.acting("world", f"event {action.do}", 0):
            action.perform(self)

    def happen(self, event: Event) -> None:
        """Let the scenario's event happen; one that cannot any more, its object being gone, is remembered as missed."""
        try:
            self.perform(event.action)
        except (ValueError, ApiError, AwsError) as error:
            self.missed.append(f"{event.action.do} at {iso(self.clock.now)}: {error}")

    def judge_again(self) -> None:
        """Judge the promises of the rollout that comes next; those of the one before watch on, and nobody asks them."""
        self.promised = Promises(Facts(self.scenario, self.store, self.cloud), self.log)

    def begin(self, fault: WorldFault) -> None:
        """Let a world fault strike from now on."""
        until = None if fault.until is None else self.scenario.start + fault.until
        if fault.kind in ("shortage", "subnet_full") and fault.group:
            group = fault.group
            self.cloud.shortage(group, zones=fault.zones, subnet=fault.kind == "subnet_full")
            self.troubles.begin(fault, until, lambda: self.cloud.end_shortage(group, fault.zones))
        else:
            self.troubles.begin(fault, until)

    def mend(self, kind: Kind | None, victim: str | None) -> None:
        """End the world faults of that kind on that group or pod (`None`: of all)."""
        self.troubles.mend(kind, victim)

    def joined(self, group: str | None) -> list[Instance]:
        """Return the living instances (of one group) that have a node, in the order of launch."""
        living = (one for one in self.cloud.instances.values() if one.alive and group in (None, one.group))
        return sorted((one for one in living if self.nodes.has_joined(one)), key=lambda one: (one.group, one.ordinal))

    def not_ready(self, nodes: Iterable[str], seconds: float) -> None:
        """Let nodes be not Ready for a while, and their pods with them."""
        self.flaps.begin(list(nodes), seconds)

    def comes_back(self) -> None:
        """The API server is there again, after so long that every lease is old: no node counts as Ready at first."""
        self.clock.after(MONITOR_PERIOD, lambda: self.not_ready([one.dns for one in self.joined(None)], LEASES_OLD))

    def original(self, group: str, which: int) -> Instance:
        """Return the `which`-th instance of those with which the group began; `ValueError` when it is gone."""
        for instance in self.cloud.instances.values():
            if instance.group == group and instance.ordinal == which + 1 and instance.alive:
                return instance
        raise ValueError(f"group {group} has no original instance {which} any more")


def build(scenario: Scenario) -> World:
    """Return the world of the scenario, at the scenario's start."""
    world = World(scenario)
    found_account(world)
    world.clock.after(NODES_UP, partial(deploy, world))
    world.clock.run_until(scenario.start)
    unfold(world)
    return world


def unfold(world: World) -> None:
    """Let the scenario's own doings begin, at its start."""
    scenario = world.scenario
    for group in scenario.groups:
        if group.refreshing:
            world.cloud.scaling.refreshes.start(world.cloud.groups[group.name])
    for fault in scenario.world_faults:
        world.begin(fault)
    for event in scenario.events:
        if event.change is None:
            world.clock.at(scenario.start + (event.at or 0.0), partial(world.happen, event))
    if any(event.change for event in scenario.events):
        world.log.subscribe(_Following(world).see)


class _Following:
    """Lets the events happen that follow a change of the tool's: once its request is through, or later."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._changes = 0

    def see(self, change: Change) -> None:
        """Count a change, if it is the tool's, and book what follows it."""
        if not ours(change):
            return
        self._changes += 1
        for event in self._world.scenario.events:
            if event.change == self._changes:
                self._world.clock.after(event.at or 0.0, partial(self._world.happen, event))


def found_account(world: World) -> None:
    """Give the account what the scenario says it has."""
    scenario, cloud = world.scenario, world.cloud
    cloud.add_cluster(cloud_model.Cluster(scenario.cluster))
    cloud.addresses = scenario.limits.addresses
    cloud.vcpus = dict(scenario.limits.vcpus)
    for image in scenario.images:
        _add_image(cloud, image, min(world.clock.now, scenario.start - image.age))
    for template in scenario.templates:
        versions = [_version(one) for one in template.versions]
        cloud.add_template(cloud_model.Template(template.name, versions, template.default))
    for group in scenario.groups:
        found = _group(group, scenario.cluster)
        found.suspended = dict.fromkeys(group.suspended, world.clock.now)
        cloud.add_group(found, group.standby)


def _add_image(cloud: Cloud, image: Image, made: float) -> None:
    snapshot = cloud.add_snapshot(
        cloud_model.Snapshot(
            f"snap-{image.id.removeprefix('ami-')}",
            made,
            image.owner,
            size=image.root_size,
            description=f"Created by CreateImage(i-{image.id.removeprefix('ami-')}) for {image.id}",
            key=cloud.keys.called(image.key).arn if image.key else "",
            tags=image.tags,
        )
    )
    cloud.add_image(
        cloud_model.Image(
            image.id,
            image.name,
            made,
            image.owner,
            image.state,
            image.architecture,
            snapshot=snapshot.id,
            tags=image.tags,
            protected=image.protected,
            retained=image.retained,
        )
    )


def _version(version: TemplateVersion) -> cloud_model.TemplateVersion:
    data: dict[str, Any] = {"ImageId": version.image, "InstanceType": version.instance_type}
    volumes = (("/dev/xvda", "VolumeSize", version.root_size), ("/dev/xvdb", "SnapshotId", version.snapshot))
    if mappings := [{"DeviceName": device, "Ebs": {key: value}} for device, key, value in volumes if value]:
        data["BlockDeviceMappings"] = mappings
    return cloud_model.TemplateVersion(data, version.description)


def _group(group: Group, cluster: str) -> cloud_model.Group:
    tags = {f"kubernetes.io/cluster/{cluster}": "owned", **group.tags}
    hooks = (
        cloud_model.Hook(one.name, one.transition, one.heartbeat, one.result, one.completes) for one in group.hooks
    )
    pool = group.warm_pool
    return cloud_model.Group(
        group.name,
        cloud_model.Reference(group.template, group.version),
        group.min,
        group.desired,
        group.max,
        tuple(group.zones),
        protect_new=group.protect_new,
        capacity_rebalance=group.capacity_rebalance,
        mixed=account.policy(group.mixed) if group.mixed else None,
        spot=group.spot,
        tags={key: cloud_model.Tag(value) for key, value in tags.items()},
        hooks={hook.name: hook for hook in hooks},
        warm_pool=cloud_model.WarmPool(pool.size, state=pool.state) if pool else None,
        capacity_type=group.unit,
        in_service=group.in_service,
        gone=group.gone,
    )


def deploy(world: World) -> None:
    """Apply the workloads; Jobs at their time, which may come later."""
    store, workloads = world.store, world.scenario.workloads
    if world.scenario.autoscaler is not None:
        store.create("deployments", manifests.autoscaler(world.scenario.autoscaler))
    for deployment in workloads.deployments:
        store.create("deployments", manifests.deployment(deployment))
    for stateful_set in workloads.statefulsets:
        store.create("statefulsets", manifests.stateful_set(stateful_set))
    for daemon_set in workloads.daemonsets:
        store.create("daemonsets", manifests.daemon_set(daemon_set))
    for budget in workloads.budgets:
        _set_up_budget(world, budget)
    for pods in workloads.pods:
        for number in range(pods.count):
            store.create("pods", manifests.bare_pod(pods, number))
    for jobs in workloads.jobs:
        for number in range(jobs.count):
            when = world.scenario.start + jobs.start + number * jobs.stagger
            world.clock.at(when, partial(_create, store, "jobs", manifests.job(jobs, number)))


def _create(store: Store, kind: str, obj: Object) -> None:
    store.create(kind, obj)


def _set_up_budget(world: World, budget: Budget) -> None:
    world.store.create("poddisruptionbudgets", manifests.budget(budget))
    if budget.never_allows_until is not None:
        key = (budget.namespace, budget.name)
        world.store.blocked_budgets.add(key)
        world.clock.at(
            world.scenario.start + budget.never_allows_until, partial(world.store.blocked_budgets.discard, key)
        )
