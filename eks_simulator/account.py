"""The AWS account of a scenario, as its file says it: images, launch templates, Auto Scaling groups."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from eks_simulator.fields import Count, Duration, DurationRange, Part, Range

Unit = Literal["units", "vcpu", "memory-mib"]


def _label(name: str) -> str:
    """Return the name: it is a label of its nodes here, so it must be one that Kubernetes takes."""
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?", name):
        raise ValueError(f"{name!r} is no label's value: letters, digits, dashes, dots and underscores, at most 63")
    return name


class Image(Part):
    """An AMI; `root_size` (GiB) is the size of the snapshot that its root volume is made of.

    `age`: how long before the start it was made. `key`: the KMS key that the snapshot is encrypted under, aws/ebs
    or a name of your choice. `owner`: an account id, or amazon; absent, the account itself. `protected`: from
    deregistration; `retained`: by a rule of the Recycle Bin, once it is deregistered.
    """

    id: str = Field(pattern=r"^ami-[0-9a-f]{8,17}$")
    name: str
    architecture: Literal["x86_64", "arm64"] = "x86_64"
    state: Literal["available", "pending", "failed", "deregistered"] = "available"
    root_size: int = Field(default=20, ge=1)
    age: Duration = 0
    tags: dict[str, str] = Field(default_factory=dict)
    key: str = ""
    owner: str = Field(default="", pattern=r"^(\d{12}|amazon|)$")
    protected: bool = False
    retained: bool = False


class TemplateVersion(Part):
    """One version of a launch template; versions are numbered from 1 in the order of the file.

    `root_size` (GiB): the size that it gives the root volume; absent, that of the image's snapshot. `snapshot`: of
    what it makes a second volume.
    """

    image: str
    instance_type: str = "m5.2xlarge"
    description: str = ""
    root_size: int | None = Field(default=None, ge=1)
    snapshot: str = ""


class Template(Part):
    """A launch template."""

    name: str
    versions: tuple[TemplateVersion, ...] = Field(min_length=1)
    default: int = 1


class Override(Part):
    """One override of a MixedInstancesPolicy; `version` is of its own `template`, where it has one."""

    instance_type: str
    template: str | None = None
    version: str = "$Latest"
    weight: int | None = Field(default=None, ge=1)
    image: str | None = None


class Mixed(Part):
    """The rest of a MixedInstancesPolicy, whose template is the group's.

    On-Demand are the first `base` instances, and `percentage` of those above.
    """

    overrides: tuple[Override, ...] = ()
    base: Count = 0
    percentage: int = Field(default=100, ge=0, le=100)


class Limits(Part):
    """What the account has room for, as AWS shows it: no launch is refused for it.

    `addresses`: that each zone's subnet has. `vcpus`: by the code of a quota of EC2, how many may run.
    """

    addresses: Count = 4091
    vcpus: dict[str, Count] = Field(default={"L-1216C47A": 1152, "L-34B43A08": 1152})


class Hook(Part):
    """A lifecycle hook. Somebody completes its action within `completes`; absent, it runs into its `heartbeat`."""

    name: str
    transition: Literal["launching", "terminating"]
    heartbeat: Duration = 3600
    result: Literal["CONTINUE", "ABANDON"] = "ABANDON"
    completes: DurationRange | None = None


class WarmPool(Part):
    """A warm pool with `size` instances, which is shown and never used."""

    size: Count = 1
    state: Literal["Stopped", "Running", "Hibernated"] = "Stopped"


class Group(Part):
    """An Auto Scaling group whose instances are nodes of the cluster.

    `version` is `$Latest`, `$Default` or a number. `in_service` lasts from the launch of an instance until its
    group counts on it, `gone` from its end until the group lists it no more. `boot` lasts from the launch until the
    node joins, `ready` from then until the node is Ready. `slots` is what one node offers to Jobs. `standby`:
    instances in Standby beside those desired. `refreshing`: an instance refresh is under way.
    """

    name: Annotated[str, AfterValidator(_label)]
    template: str
    version: str = "$Latest"
    mixed: Mixed | None = None
    min: Count = 0
    desired: Count
    max: Count
    unit: Unit = "units"
    zones: tuple[str, ...] = Field(default=("eu-west-1a", "eu-west-1b"), min_length=1)
    nodegroup: str = ""
    in_service: DurationRange = Range(20, 60)
    gone: DurationRange = Range(60, 120)
    boot: DurationRange = Range(40, 90)
    ready: DurationRange = Range(15, 40)
    slots: Count = 4
    max_pods: Count = 58
    spot: bool = False
    protect_new: bool = False
    capacity_rebalance: bool = False
    suspended: tuple[str, ...] = ()
    hooks: tuple[Hook, ...] = ()
    warm_pool: WarmPool | None = None
    standby: Count = 0
    refreshing: bool = False
    tags: dict[str, str] = Field(default_factory=dict)

    @property
    def labels(self) -> dict[str, str]:
        """The labels that the kubelet of each of its nodes sets, without the well-known ones."""
        return {"nodegroup": self.nodegroup or self.name}

    @property
    def overrides(self) -> tuple[Override, ...]:
        """The overrides of its MixedInstancesPolicy."""
        return self.mixed.overrides if self.mixed else ()

    @property
    def references(self) -> tuple[tuple[str, str], ...]:
        """Every (template, version) that it launches from, the group's own first."""
        own = ((one.template, one.version) for one in self.overrides if one.template)
        return ((self.template, self.version), *own)

    @model_validator(mode="after")
    def _sizes_in_order(self) -> Group:
        if not self.min <= self.desired <= self.max:
            raise ValueError(
                f"group {self.name}: min {self.min}, desired {self.desired} and max {self.max} are not in order"
            )
        return self


def policy(mixed: Mixed) -> dict[str, Any]:
    """Overrides and distribution in the API's form."""
    return {
        "Overrides": [_override(one) for one in mixed.overrides],
        "InstancesDistribution": {
            "OnDemandBaseCapacity": mixed.base,
            "OnDemandPercentageAboveBaseCapacity": mixed.percentage,
        },
    }


def _override(override: Override) -> dict[str, Any]:
    own = {"LaunchTemplateName": override.template, "Version": override.version} if override.template else None
    found = {
        "InstanceType": override.instance_type,
        "WeightedCapacity": str(override.weight) if override.weight else None,
        "LaunchTemplateSpecification": own,
        "ImageId": override.image,
    }
    return {name: value for name, value in found.items() if value is not None}
