"""What a caller may change on an Auto Scaling group. Each request is checked whole before anything is changed.

Sources: API reference of UpdateAutoScalingGroup, SetDesiredCapacity, SetInstanceProtection, SuspendProcesses,
ResumeProcesses and CreateOrUpdateTags; wordings as users have quoted them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eks_simulator.cloud.activities import resized
from eks_simulator.cloud.errors import AwsError, invalid
from eks_simulator.cloud.model import DEFAULT, LATEST, PROCESSES, Reference

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from eks_simulator.cloud.account import Account
    from eks_simulator.cloud.instances import Lives
    from eks_simulator.cloud.model import Group, Instance, Tag

#: Ids that one SetInstanceProtection may name (its API reference).
MOST_IDS = 50

#: The API's name of each plain field that can be changed → the group's attribute.
FIELDS = {
    "MinSize": "min_size",
    "MaxSize": "max_size",
    "DesiredCapacity": "desired",
    "NewInstancesProtectedFromScaleIn": "protect_new",
    "CapacityRebalance": "capacity_rebalance",
    "DefaultCooldown": "cooldown",
}


class Updates:
    """The requests that change groups; the reconciler makes the instances follow."""

    def __init__(self, account: Account, lives: Lives) -> None:
        self._account = account
        self._lives = lives

    def update(self, group: Group, fields: Mapping[str, Any]) -> None:
        """UpdateAutoScalingGroup: `fields` by the API's names. Absent ones stay, MixedInstancesPolicy too.

        A MaxSize below desired lowers desired, a MinSize above it raises it. A LaunchTemplate takes the place of a
        MixedInstancesPolicy. `AwsError` for sizes out of order, for a template or version that does not exist, and for
        fields whose effect is not simulated: nothing is ignored.
        """
        _refuse_unknown(fields)
        sizes = _sizes(group, fields)
        template = self._template(group, fields)
        before, desired = _template_fields(self._account, group), group.desired
        plain = {name: fields[name] for name in FIELDS if name in fields} | sizes
        for name, value in plain.items():
            self._set(group, name, value)
        if template is not None:
            group.reference, group.mixed = template
        for name, after in _template_fields(self._account, group).items():
            self._account.log.applied(group.object, name, before[name], after)
        if group.desired != desired:
            group.why = resized(self._account.clock.now, group, desired)
        self._account.looks.wake(group)

    def set_desired(self, group: Group, desired: int) -> None:
        """SetDesiredCapacity, which unlike an update words the bound that was broken."""
        for broken, word, bound, limit in (
            (desired < group.min_size, "below", "min", group.min_size),
            (desired > group.max_size, "above", "max", group.max_size),
        ):
            if broken:
                raise invalid(
                    f"New SetDesiredCapacity value {desired} is {word} {bound} value {limit} for the AutoScalingGroup."
                )
        self.update(group, {"DesiredCapacity": desired})

    def protect(self, group: Group, ids: Sequence[str], *, protected: bool) -> None:
        """SetInstanceProtection: all of the ids or none. Only what is InService can be protected."""
        if len(ids) > MOST_IDS:
            raise invalid(f"The number of instance IDs ({len(ids)}) exceeds the maximum of {MOST_IDS} in one call.")
        for instance in [_protectable(group, instance_id) for instance_id in ids]:
            before, instance.protected = instance.protected, protected
            self._account.log.applied(f"instance/{instance.id}", "ProtectedFromScaleIn", before, protected)
        self._account.looks.wake(group)

    def suspend(self, group: Group, processes: Iterable[str]) -> None:
        """SuspendProcesses; no process named means all of them. Those suspended before keep their moment."""
        now = self._account.clock.now
        self._set_suspended(group, {**dict.fromkeys(_known(processes), now), **group.suspended})

    def resume(self, group: Group, processes: Iterable[str]) -> None:
        """ResumeProcesses; no process named means ALL of them. What was held back happens soon."""
        resumed = _known(processes)
        self._set_suspended(group, {name: at for name, at in group.suspended.items() if name not in resumed})
        self._lives.check_health(group)

    def _set_suspended(self, group: Group, suspended: dict[str, float]) -> None:
        before, group.suspended = group.suspended, suspended
        self._account.log.applied(group.object, "SuspendedProcesses", sorted(before), sorted(suspended))

    def tag(self, group: Group, key: str, tag: Tag | None) -> None:
        """Set a tag of the group, or remove it (None); removing one that is not there is no error."""
        before = group.tags.pop(key, None)
        if tag is not None:
            group.tags[key] = tag
        self._account.log.applied(group.object, f"Tags.{key}", before and before.value, tag and tag.value)

    def _set(self, group: Group, name: str, value: object) -> None:
        before = getattr(group, FIELDS[name])
        setattr(group, FIELDS[name], value)
        self._account.log.applied(group.object, name, before, value)

    def _template(self, group: Group, fields: Mapping[str, Any]) -> tuple[Reference, Mapping[str, Any] | None] | None:
        """Return the group's new reference and policy, None where the request names neither."""
        if "LaunchTemplate" in fields and "MixedInstancesPolicy" in fields:
            raise invalid("Valid requests must contain either LaunchTemplate or MixedInstancesPolicy parameter.")
        if "LaunchTemplate" in fields:
            return self._reference(fields["LaunchTemplate"]), None
        if "MixedInstancesPolicy" in fields:
            return self._policy(group, fields["MixedInstancesPolicy"])
        return None

    def _policy(self, group: Group, policy: Mapping[str, Any]) -> tuple[Reference, Mapping[str, Any]]:
        """Leave what is not specified as it was (UpdateAutoScalingGroup): a list of overrides is replaced whole."""
        template = policy.get("LaunchTemplate", {})
        named = template.get("LaunchTemplateSpecification")
        if named is None and group.mixed is None:
            raise invalid("The launch template of the mixed instances policy must be specified.")
        new = {key: value for key, value in {**template, **policy}.items() if not key.startswith("LaunchTemplate")}
        reference = self._reference(named) if named else group.reference
        return reference, {**(group.mixed or {}), **self.known_policy(new)}

    def known_policy(self, policy: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the policy with its overrides' templates named in full; `AwsError` where it makes no sense.

        Either all overrides have a weight or none has (user guide, "Configure overrides with weights").
        """
        overrides = [self._override(one) for one in policy.get("Overrides", ())]
        if len({"WeightedCapacity" in one for one in overrides}) > 1:
            raise invalid("Weighted capacity must be specified for all instance types, or for none.")
        types = [one["InstanceType"] for one in overrides if "InstanceType" in one]
        if len(types) != len(set(types)):
            raise invalid("Duplicate instance types are not allowed in the overrides of a mixed instances policy.")
        return {**policy, "Overrides": overrides} if "Overrides" in policy else policy

    def _override(self, override: Mapping[str, Any]) -> dict[str, Any]:
        own = override.get("LaunchTemplateSpecification")
        if own is None:
            return dict(override)
        return {**override, "LaunchTemplateSpecification": specification(self._account, self._reference(own))}

    def _reference(self, specification: Mapping[str, str]) -> Reference:
        version = specification.get("Version", DEFAULT)
        if version not in {DEFAULT, LATEST} and not version.isdecimal():
            raise invalid(
                "Invalid launch template version: either '$Default', '$Latest', or a numeric version are allowed."
            )
        try:
            template = self._account.templates.find(
                specification.get("LaunchTemplateId"), specification.get("LaunchTemplateName")
            )
            self._account.templates.number(template, version)
        except AwsError as refused:
            raise invalid(f"You must use a valid fully-formed launch template. {refused.message}") from refused
        return Reference(template.id, version)


def _refuse_unknown(fields: Mapping[str, Any]) -> None:
    known = {*FIELDS, "LaunchTemplate", "MixedInstancesPolicy"}
    for name in sorted(fields.keys() - known):
        text = f"The simulator does not know {name} of UpdateAutoScalingGroup; it knows {', '.join(sorted(known))}."
        raise AwsError("NotImplemented", text, 501)


def _sizes(group: Group, fields: Mapping[str, Any]) -> dict[str, int]:
    """Return the changed sizes, with the desired capacity that follows from new bounds; `AwsError` if out of order."""
    low, high = fields.get("MinSize", group.min_size), fields.get("MaxSize", group.max_size)
    if low > high:
        raise invalid(f"Max bound, {high}, must be greater than or equal to min bound, {low}")
    desired = fields.get("DesiredCapacity", min(max(group.desired, low), high))
    if not low <= desired <= high:
        raise invalid(f"Desired capacity:{desired} must be between the specified min size:{low} and max size:{high}")
    return {"MinSize": low, "MaxSize": high, "DesiredCapacity": desired}


def _template_fields(account: Account, group: Group) -> dict[str, Any]:
    """Return the group's template as the log shows it: under LaunchTemplate or MixedInstancesPolicy."""
    return {name: shown_template(account, group).get(name) for name in ("LaunchTemplate", "MixedInstancesPolicy")}


def shown_template(account: Account, group: Group) -> dict[str, Any]:
    """Return the group's template in the API's form: `LaunchTemplate` or, with a policy, `MixedInstancesPolicy`."""
    named = specification(account, group.reference)
    if group.mixed is None:
        return {"LaunchTemplate": named}
    policy: dict[str, Any] = {"LaunchTemplate": {"LaunchTemplateSpecification": named}}
    if "Overrides" in group.mixed:
        policy["LaunchTemplate"]["Overrides"] = group.mixed["Overrides"]
    if "InstancesDistribution" in group.mixed:
        policy["InstancesDistribution"] = group.mixed["InstancesDistribution"]
    return {"MixedInstancesPolicy": policy}


def specification(account: Account, reference: Reference) -> dict[str, str]:
    """Return the reference as the API shows it, with the template's id and name."""
    template = account.templates[reference.template]
    return {
        "LaunchTemplateId": template.id,
        "LaunchTemplateName": template.name,
        "Version": reference.version,
    }


def _protectable(group: Group, instance_id: str) -> Instance:
    instance = group.instances.get(instance_id)
    if instance is None:
        raise invalid(f"The instance {instance_id} is not part of Auto Scaling group {group.name}.")
    if instance.lifecycle not in {"InService", "EnteringStandby", "Standby"}:
        raise invalid(f"The instance {instance_id} is not in InService or EnteringStandby or Standby.")
    return instance


def _known(processes: Iterable[str]) -> frozenset[str]:
    named = frozenset(processes)
    for name in sorted(named - PROCESSES):
        raise invalid(f"{name} is not a valid process; valid ones are {', '.join(sorted(PROCESSES))}.")
    return named or PROCESSES
