"""What there is in a world at this moment, as JSON: for a test that compares two moments by its own rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eks_simulator.cloud.update import FIELDS, shown_template

if TYPE_CHECKING:
    from eks_simulator.cloud.model import Group, Instance, Template
    from eks_simulator.world.pods import Object
    from eks_simulator.world.world import World

#: What of the cluster is shown, each object by NAMESPACE/NAME.
KINDS = ("nodes", "pods", "jobs", "deployments", "statefulsets", "configmaps", "poddisruptionbudgets")


def state(world: World) -> dict[str, Any]:
    """Groups with their instances, templates, and the objects of the cluster; each by the name that the log uses."""
    cloud = world.cloud
    return {
        "at": world.clock.now,
        "groups": {name: {**_group(world, group)} for name, group in sorted(cloud.groups.items()) if not group.deleted},
        "templates": {one.id: _template(one) for one in cloud.templates},
        **{kind: {_name(obj): obj for obj in world.store.list(kind)} for kind in KINDS},
    }


def _group(world: World, group: Group) -> dict[str, Any]:
    return {
        **{name: getattr(group, attribute) for name, attribute in FIELDS.items()},
        "LaunchTemplate": None,
        "MixedInstancesPolicy": None,
        **shown_template(world.cloud, group),
        "SuspendedProcesses": sorted(group.suspended),
        "Instances": {one.id: _instance(one) for one in group.instances.values()},
    }


def _instance(instance: Instance) -> dict[str, Any]:
    return {
        "LifecycleState": instance.lifecycle,
        "ProtectedFromScaleIn": instance.protected,
        "LaunchTemplateId": instance.template,
        "Version": instance.version,
        "ImageId": instance.image,
        "Node": instance.dns,
    }


def _template(template: Template) -> dict[str, Any]:
    return {
        "Name": template.name,
        "DefaultVersionNumber": template.default,
        "LatestVersionNumber": template.latest,
        "Images": [version.image for version in template.versions],
    }


def _name(obj: Object) -> str:
    meta = obj["metadata"]
    return "/".join(filter(None, (meta.get("namespace"), meta["name"])))
