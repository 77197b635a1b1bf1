"""Which actions our calls on AWS are: recorded by a simulator from every verb of every port, and read in our source."""

from __future__ import annotations

import ast
import inspect
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
from botocore import xform_name

from rollout.adapters import Edge, connect
from rollout.adapters.image_usage import neighbour
from rollout.model.plan import TemplateUse
from rollout.ports import GroupChange
from tests.adapters.living import RUN, Living, trusting
from tests.ami.shelves import OTHER, Shelf, shelf_of

AMI = "ami-00000000000000bbb"
ROLE = "arn:aws:iam::123456789012:role/redeploy_nodes-demo"
EKS_ROLE = "arn:aws:iam::123456789012:role/eks_admin_role-demo"

#: Modules that call AWS.
ADAPTERS = Path(inspect.getfile(connect)).parent


def _template(edge: Edge) -> TemplateUse:
    return edge.autoscaling.groups(["workers"])[0].uses[0]


def _instance(edge: Edge) -> str:
    return next(one.id for one in edge.autoscaling.groups(["workers"])[0].instances if one.in_service)


def _snapshot(shelf: Shelf, ami: str = "") -> str:
    """The snapshot that an image has, or had: the simulator names it like the image."""
    return (ami or shelf.old).replace("ami-", "snap-")


def _lend(shelf: Shelf) -> None:
    for thing in (shelf.old, _snapshot(shelf)):
        shelf.images.permit(thing, OTHER, allowed=True)


#: Every verb of the ports `AutoScaling`, `PreflightProbe` and `RoomProbe` that asks or changes something on AWS.
VERBS: dict[str, Callable[[Edge], object]] = {
    "AutoScaling.groups": lambda edge: edge.autoscaling.groups(["workers"]),
    "AutoScaling.templates": lambda edge: edge.autoscaling.templates([_template(edge).template_id]),
    "AutoScaling.image": lambda edge: edge.autoscaling.image(AMI),
    "AutoScaling.states": lambda edge: edge.autoscaling.states({"i-00000000000000000"}),
    "AutoScaling.trouble": lambda edge: edge.autoscaling.trouble("workers"),
    "AutoScaling.active_instance_refresh": lambda edge: edge.autoscaling.active_instance_refresh("workers"),
    "AutoScaling.create_version": lambda edge: edge.autoscaling.create_version(
        _template(edge).template_id, 1, AMI, "new", "token"
    ),
    "AutoScaling.set_default_version": lambda edge: edge.autoscaling.set_default_version(
        _template(edge).template_id, 1
    ),
    "AutoScaling.update_group": lambda edge: edge.autoscaling.update_group(
        "workers", GroupChange(uses=(_template(edge),))
    ),
    "AutoScaling.protect": lambda edge: edge.autoscaling.protect("workers", [_instance(edge)], protected=True),
    "AutoScaling.suspend": lambda edge: edge.autoscaling.suspend("workers", ["AZRebalance"]),
    "AutoScaling.resume": lambda edge: edge.autoscaling.resume("workers", ["AZRebalance"]),
    "AutoScaling.terminate": lambda edge: edge.autoscaling.terminate(_instance(edge)),
    "PreflightProbe.groups": lambda edge: edge.probe.groups(),
    "PreflightProbe.architectures": lambda edge: edge.probe.architectures(["m5.large"]),
    "PreflightProbe.try_version": lambda edge: edge.probe.try_version(_template(edge).template_id, 1, AMI),
    "PreflightProbe.try_default": lambda edge: edge.probe.try_default(_template(edge).template_id, 1),
    "PreflightProbe.try_launch": lambda edge: edge.probe.try_launch(_template(edge).template_id, 1, AMI, None, None),
    "RoomProbe.addresses": lambda edge: edge.room.addresses(["subnet-eu-west-1a"]),
    "RoomProbe.vcpus": lambda edge: edge.room.vcpus(["m5.large"]),
    "RoomProbe.running": lambda edge: edge.room.running(),
    "RoomProbe.quota": lambda edge: edge.room.quota("L-1216C47A"),
}
#: Those that ask Kubernetes or this process.
ELSEWHERE = {
    "PreflightProbe.absent",
    "PreflightProbe.allows",
    "PreflightProbe.autoscalers",
    "PreflightProbe.kinds",
    "PreflightProbe.own_pod",
}

#: Every verb of the port `Images`, on a shelf.
IMAGE_VERBS: dict[str, Callable[[Shelf], object]] = {
    "Images.image": lambda shelf: shelf.images.image(shelf.old),
    "Images.named": lambda shelf: shelf.images.named("eks-model"),
    "Images.snapshots": lambda shelf: shelf.images.snapshots([_snapshot(shelf)]),
    "Images.made_for_images": lambda shelf: shelf.images.made_for_images(),
    "Images.in_recycle_bin": lambda shelf: shelf.images.in_recycle_bin(),
    "Images.permissions": lambda shelf: [shelf.images.permissions(one) for one in (shelf.old, _snapshot(shelf))],
    "Images.permit": _lend,
    "Images.key": lambda shelf: shelf.images.key(shelf.key),
    "Images.grants": lambda shelf: shelf.images.grants(shelf.key),
    "Images.grant": lambda shelf: shelf.images.grant(shelf.key, "name", f"arn:aws:iam::{OTHER}:root", ["Decrypt"]),
    "Images.revoke": lambda shelf: shelf.images.revoke(shelf.key, shelf.images.grants(shelf.key)[0].id),
    "Images.deregister": lambda shelf: shelf.images.deregister(shelf.other),
    "Images.delete_snapshot": lambda shelf: shelf.images.delete_snapshot(_snapshot(shelf, shelf.other)),
}

#: What botocore calls for us, by an object of its own that the adapters are made with.
BY_BOTOCORE = {"sts:AssumeRole"}


def verbs(port: type) -> set[str]:
    """The verbs of a port, as VERBS names them."""
    return {f"{port.__name__}.{name}" for name in vars(port) if not name.startswith("_")}


def rollout_calls(world: Living) -> set[str]:
    """The actions of a rollout that finds its cluster through EKS and speaks to it in another role."""
    run = "0000000000aa"
    access = {"kubernetes": "eks", "kubeconfig": None, "context": None, "eks_role": EKS_ROLE}
    with connect(world.config(access=access), run) as edge:
        trusting(edge)
        for verb in VERBS.values():
            verb(edge)
    return recorded(world, run)


def callers_calls(world: Living) -> set[str]:
    """The actions of who only assumes the role of a rollout: what that takes beyond connecting without it."""
    plain, through = "0000000000bb", "0000000000cc"
    connect(world.config(), plain).close()
    connect(world.config(access={"assume_role": ROLE}), through).close()
    return recorded(world, through) - recorded(world, plain)


def image_calls(world: Living) -> set[str]:
    """The actions that it takes to verify, share, list and prune images where they were built."""
    shelf = shelf_of(world)
    for verb in IMAGE_VERBS.values():
        verb(shelf)
    return recorded(world, RUN)


def inventory_calls(world: Living) -> set[str]:
    """The actions that it takes to look in a cluster's account for what needs an image."""
    run = "0000000000dd"
    templates = [one.id for one in world.simulator.world.cloud.templates]
    neighbour(world.config(), run).usage([AMI], templates, every_version=True)
    return recorded(world, run)


def recorded(world: Living, run: str) -> set[str]:
    """The actions on AWS that a run's requests were; to try one (DryRun) takes the same permission."""
    counted: Counter[str] = world.simulator.requests.tallies[run].operations
    words = (operation.split() for operation in counted)
    return {f"{service}:{operation}" for service, operation, *_ in words if service != "kube"}


def calls_in_source(folder: Path = ADAPTERS) -> set[str]:
    """The actions whose methods on a client are named in our source, by attribute or as a paginator's text."""
    return {action for module in sorted(folder.glob("*.py")) for action in _calls(ast.parse(module.read_text("utf-8")))}


def _calls(module: ast.Module) -> Iterator[str]:
    nodes = list(ast.walk(module))
    named = {node.attr for node in nodes if isinstance(node, ast.Attribute)} | set(_texts(nodes))
    for service in _services(nodes):
        yield from (
            f"{_prefix(service)}:{operation}" for method, operation in _methods(service).items() if method in named
        )


def _services(nodes: Iterable[ast.AST]) -> set[str]:
    """The services for which a module makes clients: account.reading("ec2")."""
    calls = (node for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute))
    makers = (call for call in calls if getattr(call.func, "attr", "") in {"reading", "mutating"})
    return {text for call in makers for text in _texts(call.args)}


def _texts(nodes: Iterable[ast.AST]) -> Iterator[str]:
    return (node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str))


def _prefix(service: str) -> str:
    """How a service's actions begin in a policy: as it is named in a signature."""
    return str(_model(service).signing_name)


@cache
def _model(service: str) -> Any:
    return botocore.session.Session().get_service_model(service)


@cache
def _methods(service: str) -> dict[str, str]:
    """The methods of a client and the operations that they call."""
    return {xform_name(name): name for name in _model(service).operation_names}
