"""What we changed and must put back: each field's value before our first change to it, beside its value now.

A field must end as it was, with two exceptions that are the purpose of the rollout: a group that referred to a
template by number, be it in an override of its policy, ends at the number of our version, and a template on whose
default a group lives has our version as default. A group stays pinned to our version where somebody else has moved what
its reference means.

Where somebody else changed a field just before we wrote to the same thing, we may not have seen it. What was there
before them will do, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from eks_simulator.cloud import policy
from eks_simulator.judging.facts import REFERENCES, SIZES, UNSEEN, by_third_party, specifications

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eks_simulator.judging.facts import Facts, Seen
    from eks_simulator.log import Change

# Things that stay; other promises judge what happens to pods and instances.
LASTING = ("asg/", "template/", "deployment/", "configmap/", "node/")
INHERIT = "NewInstancesProtectedFromScaleIn"
PROTECTED = "ProtectedFromScaleIn"


@dataclass(frozen=True, slots=True)
class Restored:
    """One field that we changed. `drift`: it is not restored, and that is not our doing."""

    object: str
    field: str
    before: Any
    now: Any
    restored: bool
    drift: bool
    why: str


class Baseline:
    """The fields that we have changed so far."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._first: dict[tuple[str, str], Any] = {}
        self._now: dict[tuple[str, str], Any] = {}
        self._third: dict[tuple[str, str], str] = {}  # who else changed it after us
        self._others: dict[tuple[str, str], Change] = {}  # the newest that somebody else did to a field
        self._unseen: dict[tuple[str, str], Any] = {}  # what was there before them, where we may not have seen them
        self._gone: set[str] = set()
        self._own: dict[str, bool] = {}  # the protection that somebody else gave an instance, or took from it
        self._before: set[str] = set()  # the instances to which they gave it before our first change to it
        self._touched: set[str] = set()  # those whose protection we changed
        self._moved: dict[tuple[str, str], str] = {}  # (template, "$Latest" or "$Default") → who else moved it

    def see(self, seen: Seen) -> None:
        """Take a change in."""
        change = seen.change
        key = (change.object, change.field)
        if change.field == "exists":
            self._see_existence(change)
        if change.object.startswith("template/") and by_third_party(change) and self._facts.first is not None:
            self._see_template(change)
        if change.field == PROTECTED:
            self._see_protection(seen)
        self._see_others(seen)
        if seen.ours and change.object.startswith(LASTING) and not change.field.startswith("versions."):
            self._first.setdefault(key, change.before)
        if key in self._first:
            self._now[key] = change.after
            if by_third_party(change):
                self._third[key] = change.verb

    def _see_others(self, seen: Seen) -> None:
        change = seen.change
        if by_third_party(change) and change.object.startswith(LASTING):
            self._others[change.object, change.field] = change
        if seen.ours:
            for key, other in self._others.items():
                if key[0] == change.object and change.at - other.at <= UNSEEN:
                    self._unseen[key] = other.before

    def _see_protection(self, seen: Seen) -> None:
        change = seen.change
        if seen.ours:
            self._touched.add(change.object)
        elif by_third_party(change):
            self._own[change.object] = change.after
            if change.object not in self._touched:
                self._before.add(change.object)

    def _see_template(self, change: Change) -> None:
        name = "$Default" if change.field == "DefaultVersionNumber" else "$Latest"
        self._moved[change.object.removeprefix("template/"), name] = change.verb

    def _see_existence(self, change: Change) -> None:
        if change.after:
            self._gone.discard(change.object)
        else:
            self._gone.add(change.object)

    def differences(self) -> list[Restored]:
        """Return every field that we changed on what still exists, restored or not, in the order of first change."""
        fields = [
            self._compare(key, before, self._now[key], self._wanted(*key, before))
            for key, before in self._first.items()
            if not self._goes(key[0]) or key[1] == "exists"
        ]
        return [*fields, *self._unmoved_defaults(), *self._protections()]

    def _goes(self, name: str) -> bool:
        """Tell whether it is gone, or a node whose instance has ended: somebody removes that, sooner or later."""
        instance = self._facts.instance_of(name.removeprefix("node/")) if name.startswith("node/") else None
        return name in self._gone or (instance is not None and not instance.alive)

    def _compare(self, key: tuple[str, str], before: Any, now: Any, wanted: Any) -> Restored:
        will_do = [wanted] + ([self._wanted(*key, self._unseen[key])] if key in self._unseen else [])
        if key[1] == "DefaultVersionNumber":  # moved for a group that somebody deleted after that
            will_do += [self._ours(key[0].removeprefix("template/"), before)] if self._deleted_users(key[0]) else []
        restored = _comparable(now, key[1]) in [_comparable(one, key[1]) for one in will_do]
        other = None if restored else self._not_our_doing(key, now)
        why = "as before" if now == before else "our version, as meant"
        if not restored:
            why = other or f"is {now!r}, should be {wanted!r}"
        return Restored(*key, before, now, restored, other is not None, why)

    def _skipped(self, name: str) -> int:
        """Return how many instances of a group live that had to go, and of which the marker said that they stay."""
        living = self._facts.cloud.groups[name].living if name in self._facts.cloud.groups else []
        return sum(one.id in self._facts.skipped and self._facts.goes(one) for one in living)

    def _not_our_doing(self, key: tuple[str, str], now: Any) -> str | None:
        """Return why the field differs, if a third party changed it or its group has grown by losing an instance.

        Auto Scaling replaces what was lost, and a size below the living count would let it choose whom to end.
        """
        if key in self._third:
            return f"changed by {self._third[key]}"
        if key[1] == "DefaultVersionNumber":
            mover = self._moved.get((key[0].removeprefix("template/"), "$Default"))
            return mover and f"changed by {mover}"
        if key[1] in REFERENCES:
            return self._pinned(self._first[key], now)
        if key[1] == "SuspendedProcesses":
            return self._kept_uneven(key[0].removeprefix("asg/"), set(now) ^ set(self._first[key]))
        name = key[0].removeprefix("asg/")
        if key[1] in SIZES and (more := self._skipped(name)) and now == self._first[key] + more:
            return f"{more} of its old instances stay, as somebody asked"
        if key[1] in SIZES and self._facts.lost[name] and now == len(self._facts.cloud.groups[name].living):
            return "an instance was lost and replaced; not lowered below the living"
        return None

    def _kept_uneven(self, name: str, differing: set[str]) -> str | None:
        """That AZRebalance alone stays suspended, where it would end instances to even out the zones."""
        held = policy.counts(self._facts.cloud.groups[name]).values()
        uneven = max(held) - min(held) > 1
        return (
            "zones differ by more than one: it would end instances" if differing == {"AZRebalance"} and uneven else None
        )

    def _pinned(self, before: Any, now: Any) -> str | None:
        """Return who else moved what the reference means, if it differs only in being pinned to a version of ours."""
        found = list(specifications(before)), list(specifications(now))
        movers = set()
        for was, is_now in zip(*found, strict=False):
            if was == is_now or is_now == self._followed(was):
                continue
            template = was["LaunchTemplateId"]
            mover = self._moved.get((template, was["Version"]))
            ours = str(is_now["Version"]).isdecimal() and self._may_pin(template, int(is_now["Version"]))
            if mover is None or not ours or template != is_now["LaunchTemplateId"]:
                return None
            movers.add(mover)
        same = _without_versions(before) == _without_versions(now)
        return f"stays pinned: moved by {', '.join(sorted(movers))}" if movers and same else None

    def _may_pin(self, template: str, number: int) -> bool:
        """Tell whether we pin groups to a version: to ours, or on the way back to the one before it or its copy."""
        if not self._facts.back:
            return (template, number) in self._facts.versions
        before = {(name, source) for (name, _), source in self._facts.versions.items()}
        return (template, number) in {*before, *self._facts.copies}

    def _wanted(self, name: str, field: str, before: Any) -> Any:
        if field in REFERENCES and before is not None:
            policy = self._first.get((name, "MixedInstancesPolicy")) if field == "LaunchTemplate" else None
            # Somebody took the policy away, and what it launched is the group's own now.
            return self._followed(policy["LaunchTemplate"]["LaunchTemplateSpecification"] if policy else before)
        if field == "DefaultVersionNumber":
            template = name.removeprefix("template/")
            return self._ours(template, before) if template in self._default_users() else before
        return before

    def _followed(self, reference: Any) -> Any:
        """Return the same reference, with our version where it named the number that ours was made of."""
        if isinstance(reference, list):
            return [self._followed(one) for one in reference]
        if not isinstance(reference, dict):
            return reference
        new = {key: self._followed(value) for key, value in reference.items()}
        if str(new.get("Version", "")).isdecimal():
            new["Version"] = str(self._ours(new["LaunchTemplateId"], int(new["Version"])))
        return new

    def _ours(self, template: str, source: int) -> int:
        """Our version made of that one; the source itself if there is none, or if the rollout went back."""
        if self._facts.back:
            return source
        made = (
            number for (name, number), origin in self._facts.versions.items() if (name, origin) == (template, source)
        )
        return next(made, source)

    def _default_users(self) -> set[str]:
        """Return the templates on whose default a group lived before us that nobody has deleted."""
        groups, there = self._facts.cloud.groups, {one.id for one in self._facts.cloud.templates}
        found = (ids for name, ids in self._facts.by_default.items() if not groups[name].deleting)
        return there & set[str]().union(*found)  # of one that was deleted nothing is left to move

    def _deleted_users(self, name: str) -> bool:
        """Tell whether somebody deleted a group that lived on this template's default before us."""
        groups = [one for one in self._facts.scenario.groups if self._facts.cloud.groups[one.name].deleting]
        used = {template for group in groups for template, version in group.references if version == "$Default"}
        return any(f"template/{one.id}" == name and one.name in used for one in self._facts.cloud.templates)

    def _unmoved_defaults(self) -> Iterator[Restored]:
        """Yield the defaults that we should have moved and have not."""
        for template, _number in self._facts.versions:
            key = (f"template/{template}", "DefaultVersionNumber")
            if template in self._default_users() and key not in self._first:
                default = self._facts.cloud.templates[template].default
                yield self._compare(key, default, default, self._ours(template, default))

    def _protections(self) -> Iterator[Restored]:
        """Yield the instances of the groups that we worked on: they must be protected as their group makes new ones.

        Or as somebody else left one: before our first change to it that alone counts, later it will do, too.
        """
        for group in self._facts.cloud.groups.values():
            key = (group.object, INHERIT)
            if key not in self._first:
                continue
            will_do = {self._first[key], self._unseen.get(key, self._first[key])}
            for instance in group.living:
                field = (f"instance/{instance.id}", PROTECTED)
                own = self._own.get(field[0])
                good = {own} if field[0] in self._before else will_do | ({own} - {None})
                before = self._first[key] if own is None else own
                wanted = instance.protected if instance.protected in good else before
                yield self._compare(field, before, instance.protected, wanted)


def _without_versions(reference: Any) -> Any:
    if isinstance(reference, list):
        return [_without_versions(one) for one in reference]
    if isinstance(reference, dict):
        return {key: _without_versions(value) for key, value in reference.items() if key != "Version"}
    return reference


def _comparable(value: Any, field: str) -> Any:
    """Return the value without what the world itself writes into the same field."""
    if field == "spec.taints":
        return [taint for taint in value or [] if not taint["key"].startswith("node.kubernetes.io/")]
    return value
