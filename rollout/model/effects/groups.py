"""Effects on one Auto Scaling group and on its instances.

All set absolute values, but for `Terminate`, which takes one off desired: it leaves alone, and so does a resize.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import ClassVar, Literal, Self

from rollout.model.effects.base import Base, Landed, digest
from rollout.model.effects.written import Written
from rollout.model.observation import GroupSeen, Observation
from rollout.model.plan import Sizes, TemplateUse


@dataclass(frozen=True, slots=True, kw_only=True)
class OnGroup(Base):
    """An effect on one Auto Scaling group."""

    group: str

    @property
    def target(self) -> str:
        return self.group

    def leaves(self) -> Written:
        return Written()

    def shows(self, group: GroupSeen) -> Landed:
        """Tell whether the group shows this effect."""
        raise NotImplementedError

    def landed(self, seen: Observation) -> Landed:
        group = seen.group(self.group)
        return False if group.gone else self.shows(group)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetReference(OnGroup):
    """Let a group launch other versions of its templates, all in one update; `before`: the same uses until then."""

    kind: Literal["set-reference"] = "set-reference"
    before: tuple[TemplateUse, ...]
    uses: tuple[TemplateUse, ...]

    def describe(self) -> str:
        pairs = zip(self.before, self.uses, strict=True)
        return f"{self.kind} {self.target}: {', '.join(f'{before.label} → {use.reference}' for before, use in pairs)}"

    @property
    def writes(self) -> Mapping[str, object]:
        return {f"template of {self.group} {use.slot}": (use.template_id, use.reference) for use in self.uses}

    def shows(self, group: GroupSeen) -> Landed:
        return all(use in group.uses for use in self.uses)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resize(OnGroup):
    """Write sizes, and the flag by which new instances are born protected, in one update.

    Only what differs from `before` is written; `protect_new` None leaves the flag as it is.
    """

    serial: ClassVar[bool] = True

    kind: Literal["resize"] = "resize"
    before: Sizes
    sizes: Sizes
    protect_new: bool | None = None

    def describe(self) -> str:
        before, after = asdict(self.before), asdict(self.sizes)
        changes = (f"{name} {before[name]} → {value}" for name, value in after.items() if value != before[name])
        return f"{self.kind} {self.target}: {', '.join(changes)}"

    def leaves(self) -> Written:
        maximum = self.changed("maximum")
        return Written(
            minimum=self.changed("minimum"),
            desired=self.changed("desired"),
            maximum=maximum,
            found_maximum=None if maximum is None else self.before.maximum,
            protect_new=self.protect_new,
        )

    def changed(self, name: Literal["minimum", "desired", "maximum"]) -> int | None:
        """Return the field's new value, None where it stays as it was."""
        value: int = getattr(self.sizes, name)
        return None if value == getattr(self.before, name) else value

    @property
    def writes(self) -> Mapping[str, object]:
        changes = {
            "MinSize": self.changed("minimum"),
            "DesiredCapacity": self.changed("desired"),
            "MaxSize": self.changed("maximum"),
            "NewInstancesProtectedFromScaleIn": self.protect_new,
        }
        return {f"{field} of {self.group}": value for field, value in changes.items() if value is not None}

    def shows(self, group: GroupSeen) -> Landed:
        now = group.sizes
        sized = (
            self.changed("minimum") in {None, now.minimum}
            and self.changed("desired") in {None, now.desired}
            and self.changed("maximum") in {None, now.maximum}
        )
        return sized and self.protect_new in {None, group.protect_new}


@dataclass(frozen=True, slots=True, kw_only=True)
class SetCapacityRebalance(OnGroup):
    """Switch a group's proactive replacement of spot instances."""

    kind: Literal["set-capacity-rebalance"] = "set-capacity-rebalance"
    enabled: bool

    def leaves(self) -> Written:
        return Written(capacity_rebalance=self.enabled)

    @property
    def writes(self) -> Mapping[str, object]:
        return {f"CapacityRebalance of {self.group}": self.enabled}

    def shows(self, group: GroupSeen) -> Landed:
        return group.capacity_rebalance == self.enabled


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspend(OnGroup):
    """Suspend scaling processes of a group: the difference only."""

    kind: Literal["suspend"] = "suspend"
    processes: tuple[str, ...]

    def describe(self) -> str:
        return f"{self.kind} {self.target}: {', '.join(self.processes)}"

    def leaves(self) -> Written:
        return Written(suspended=frozenset(self.processes))

    @property
    def writes(self) -> Mapping[str, object]:
        return {f"{name} of {self.group}": "suspended" for name in self.processes}

    def shows(self, group: GroupSeen) -> Landed:
        return group.suspended.issuperset(self.processes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume(OnGroup):
    """Resume the scaling processes of a group that we suspended, by name: without names AWS resumes all."""

    kind: Literal["resume"] = "resume"
    processes: tuple[str, ...]

    def describe(self) -> str:
        return f"{self.kind} {self.target}: {', '.join(self.processes)}"

    def leaves(self) -> Written:
        return Written(resumed=frozenset(self.processes))

    @property
    def writes(self) -> Mapping[str, object]:
        return {f"{name} of {self.group}": "resumed" for name in self.processes}

    def shows(self, group: GroupSeen) -> Landed:
        return group.suspended.isdisjoint(self.processes)


#: SetInstanceProtection takes at most 50 instance ids (Amazon EC2 Auto Scaling API reference).
MOST_PROTECTED = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Protect(OnGroup):
    """Set or clear scale-in protection of as many instances as AWS takes in one call.

    `by`: what its key knows the batch by: all, or the first and their number in what an earlier version saved.
    """

    kind: Literal["protect"] = "protect"
    instance_ids: tuple[str, ...]
    protected: bool
    by: Literal["all", "first"] = "all"

    @classmethod
    def batches(cls, group: str, ids: Sequence[str], occasion: str, *, protected: bool = True) -> Iterator[Self]:
        """Yield what sets or clears the protection of these instances, as many in one call as AWS takes."""
        for start in range(0, len(ids), MOST_PROTECTED):
            some = tuple(ids[start : start + MOST_PROTECTED])
            yield cls(group=group, instance_ids=some, protected=protected, occasion=occasion)

    @property
    def target(self) -> str:
        verb = "on" if self.protected else "off"
        more = f"+{len(self.instance_ids) - 1}" if len(self.instance_ids) > 1 else ""
        return f"{self.group}/{self.instance_ids[0]}{more}={verb}"

    @property
    def key(self) -> str:
        members = f":{digest(self.instance_ids)}" if self.by == "all" and len(self.instance_ids) > 1 else ""
        return f"{self.kind}:{self.target}{members}:{self.occasion}"

    def leaves(self) -> Written:
        found = frozenset[str]() if self.protected else frozenset(self.instance_ids)
        return Written(protection=dict.fromkeys(self.instance_ids, self.protected), found_protected=found)

    @property
    def writes(self) -> Mapping[str, object]:
        return {f"protection of {one}": self.protected for one in self.instance_ids}

    def concerns(self, instance_id: str, node: str | None) -> bool:  # noqa: ARG002  as the base has it
        return instance_id in self.instance_ids

    def shows(self, group: GroupSeen) -> Landed:
        wanted = set(self.instance_ids)
        return all(i.protected == self.protected for i in group.instances if i.id in wanted and i.in_service)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminate(OnGroup):
    """Scale in exactly this instance: TerminateInstanceInAutoScalingGroup with decrement.

    `desired_before`: the desired capacity at which it may be sent; MinSize stands one below it.
    """

    serial: ClassVar[bool] = True
    absolute: ClassVar[bool] = False
    harms: ClassVar[bool] = True

    kind: Literal["terminate"] = "terminate"
    instance_id: str
    desired_before: int

    @property
    def target(self) -> str:
        return f"{self.group}/{self.instance_id}"

    def leaves(self) -> Written:
        return Written(desired=self.desired_before - 1)

    def concerns(self, instance_id: str, node: str | None) -> bool:  # noqa: ARG002  as the base has it
        return self.instance_id == instance_id

    @property
    def irreversible(self) -> bool:
        return True

    @property
    def writes(self) -> Mapping[str, object]:
        return {f"DesiredCapacity of {self.group}": self.desired_before - 1}

    def shows(self, group: GroupSeen) -> Landed:
        instance = next((i for i in group.instances if i.id == self.instance_id), None)
        leaving = instance is None or not instance.living
        if leaving and group.sizes.desired == self.desired_before - 1:
            return True
        if group.sizes.desired == self.desired_before and (instance is None or not leaving):
            # Still there; or gone altogether without a decrement, so by itself: our call was not applied.
            return False
        # Half of it shows: AWS is at it, or the instance went by itself while our call was under way.
        return None
