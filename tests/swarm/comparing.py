"""Start and end of a rollout that is done, compared field by field, with no word of the simulator's promises.

A field must be as it was, or as somebody else left it last, or the rollout says in its report that it is not. What a
person did because a halt told so puts a field back into our hands: it must be as it was.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

State = Mapping[str, Any]
Change = Mapping[str, Any]

_SIZES = ("MinSize", "MaxSize", "DesiredCapacity")
_FLAGS = ("NewInstancesProtectedFromScaleIn", "CapacityRebalance")
_REFERENCES = ("LaunchTemplate", "MixedInstancesPolicy")
#: Seconds within which a rollout may not have seen what others did before it wrote to the same thing.
_UNSEEN = 30.0
_TAINT, _NOTE = "eks-rollout/", "eks-rollout/"
_MARKER = "kube-system/eks-rollout"
#: How a report names a field, where not by the field's own name.
_WORDS = {
    "LaunchTemplate": ("launches", "stays at", "stays pinned"),
    "MixedInstancesPolicy": ("launches", "stays at", "stays pinned"),
    "DefaultVersionNumber": ("$Default",),
    "spec.replicas": ("replicas", "is scaled to 0 by"),
}


@dataclass(frozen=True)
class Compared:
    """Two moments, the changes between them, what the rollout reported, and what a person did at its word.

    `image`: what the nodes are to run; `back`: it was aborted, and they are to run what they ran before.
    """

    before: State
    after: State
    changes: Sequence[Change]
    report: Sequence[str]
    amended: Collection[tuple[str, str]]
    image: str
    back: bool = False

    def differences(self) -> Iterator[tuple[str, str]]:
        """Yield what is not as it must be: the kind of thing, and what is wrong with it."""
        for name, group in self.after["groups"].items():
            yield from self._group(name, self.before["groups"][name], group)
        for name, template in self.after["templates"].items():
            yield from self._template(name, self.before["templates"][name], template)
        for name, node in self.after["nodes"].items():
            if name in self._leaving():
                continue
            yield from self._node(name, self.before["nodes"].get(name), node)
        for name, deployment in self.after["deployments"].items():
            yield from self._deployment(name, self.before["deployments"].get(name, deployment), deployment)
        if _MARKER in self.after["configmaps"]:
            yield "marker", "the marker is still there"

    def _leaving(self) -> set[str]:
        """Return the nodes whose instances are on their way out: with them goes what is on them."""
        instances = (one for group in self.after["groups"].values() for one in group["Instances"].values())
        return {one["Node"] for one in instances if one["LifecycleState"].startswith("Terminating")}

    # ---- groups

    def _group(self, name: str, before: State, after: State) -> Iterator[tuple[str, str]]:
        for field in (*_SIZES, *_FLAGS):
            yield from self._field(f"asg/{name}", field, before[field], after[field], name)
        yield from self._processes(name, before["SuspendedProcesses"], after["SuspendedProcesses"])
        for field in _REFERENCES:
            wanted = self._follows(before[field])
            if field == "LaunchTemplate" and after[field] and after[field] == self._follows(_own(before)):
                continue  # somebody took the policy away, and what it launched is the group's own now
            yield from self._field(f"asg/{name}", field, wanted, after[field], name)
        if before["DesiredCapacity"]:
            yield from self._instances(name, before, after)

    def _processes(self, name: str, before: Collection[str], after: Collection[str]) -> Iterator[tuple[str, str]]:
        """Each process is as it was, or as somebody else left it: who suspends one says nothing of the others."""
        thing, field = f"asg/{name}", "SuspendedProcesses"
        others = [one for one in self.changes if _at(one, thing, field) and not _by_us(one)]
        for process in sorted({*before, *after, *(each for one in others for each in one["after"])}):
            toggled = [one for one in others if (process in one["before"]) != (process in one["after"])]
            theirs = bool(toggled) and (thing, field) not in self.amended
            wanted = process in toggled[-1]["after"] if theirs else process in before
            if (process in after) != wanted and not self._reported(name, process):
                state = "suspended" if process in after else "not suspended"
                yield field, f"{process} of {name} is {state}, and should not be so"

    def _instances(self, name: str, before: State, after: State) -> Iterator[tuple[str, str]]:
        kept = before["Instances"] if self.back else ()
        for instance, now in after["Instances"].items():
            if not now["LifecycleState"].startswith(("InService", "Pending")):
                continue
            wrong = now["ImageId"] == self.image if self.back else now["ImageId"] != self.image
            if wrong and instance not in kept and not self._reported(instance) and not self._younger(instance):
                told = "as before" if self.back else self.image
                yield "old instance", f"{instance} of {name} runs {now['ImageId']}, not {told}"
            touched = self._touched(f"instance/{instance}", "ProtectedFromScaleIn")
            was = before["Instances"].get(instance, {}).get("ProtectedFromScaleIn", after[_FLAGS[0]])
            protected = now["ProtectedFromScaleIn"]
            if touched == "us" and protected and not was and not self._reported(instance):
                yield "protection", f"{instance} of {name} is protected from scale-in, and was not"

    def _follows(self, reference: Any) -> Any:
        """Return the reference that must be there at the end: one by number names our version, without a way back."""
        if self.back:
            return reference
        if isinstance(reference, list):
            return [self._follows(one) for one in reference]
        if not isinstance(reference, dict):
            return reference
        follows = {key: self._follows(value) for key, value in reference.items()}
        if str(follows.get("Version", "")).isdecimal():
            follows["Version"] = self._ours(follows["LaunchTemplateId"]) or follows["Version"]
        return follows

    def _ours(self, template: str) -> str:
        """Return the number of the version that we made of a template, "" for none."""
        made = [
            one["field"].partition(".")[2]
            for one in self.changes
            if one["object"] == f"template/{template}" and one["field"].startswith("versions.") and _by_us(one)
        ]
        return str(made[-1]) if made else ""

    # ---- templates, nodes, the autoscaler and other services

    def _template(self, name: str, before: State, after: State) -> Iterator[tuple[str, str]]:
        field = "DefaultVersionNumber"
        followed = f"'LaunchTemplateId': '{name}'" in str(self._by_default())
        ours = self._ours(name)
        wanted = int(ours) if followed and ours and not self.back else before[field]
        yield from self._field(f"template/{name}", field, wanted, after[field], before["Name"])

    def _by_default(self) -> list[Any]:
        """Return every specification by $Default that a group had."""
        groups = self.before["groups"].values()
        return [
            one
            for group in groups
            for field in _REFERENCES
            for one in _specifications(group[field])
            if one["Version"] == "$Default"
        ]

    def _node(self, name: str, before: State | None, after: State) -> Iterator[tuple[str, str]]:
        taints = [taint["key"] for taint in after["spec"].get("taints", ())]
        annotations = after["metadata"].get("annotations", {})
        if any(key.startswith(_TAINT) for key in taints) and not self._reported(name):
            yield "our taint", f"{name} has {taints}"
        if any(key.startswith(_NOTE) for key in annotations) and not self._reported(name):
            yield "our annotation", f"{name} has {annotations}"
        was_closed = bool(before and before["spec"].get("unschedulable"))
        closed = bool(after["spec"].get("unschedulable"))
        ours = closed and not was_closed and self._touched(f"node/{name}", "spec.unschedulable") == "us"
        if ours and not self._reported(name):
            yield "cordon", f"{name} is closed to pods, and was not"

    def _deployment(self, name: str, before: State, after: State) -> Iterator[tuple[str, str]]:
        was, now = (one["spec"].get("replicas") for one in (before, after))
        ours = self._touched(f"deployment/{name}", "spec.replicas") == "us"
        yield from self._field(f"deployment/{name}", "spec.replicas", was, now, "nothing" if ours else name)
        annotations = after["metadata"].get("annotations", {})
        if any(key.startswith(_NOTE) for key in annotations) and not self._reported(name):
            yield "our annotation", f"{name} has {annotations}"

    # ---- who changed what

    def _field(self, thing: str, field: str, was: Any, now: Any, called: str) -> Iterator[tuple[str, str]]:
        found = [one for one in self.changes if _at(one, thing, field)]
        others = [one for one in found if not _by_us(one)]
        wanted = others[-1]["after"] if others else was
        if (thing, field) in self.amended:  # as it was before we wrote it first
            wanted = next((one["before"] for one in found if _by_us(one)), was)
        words = _WORDS.get(field, (field,))
        unseen = [one["before"] for one in others if self._may_be_unseen(one)]
        if others and any(_by_us(one) and one["after"] == wanted for one in found):
            unseen.append(was)  # they set it to what we had written: nobody can tell that from ours
        if now in (wanted, self._follows(wanted), *unseen) or any(self._reported(called, word) for word in words):
            return
        told = f" as {others[-1]['verb'] or 'the world'} left it" if others else ""
        yield field, f"{thing} {field} is {now!r}, and should be {wanted!r}{told}; it was {was!r}"

    def _may_be_unseen(self, other: Change) -> bool:
        """Tell whether we wrote to the same thing just after somebody else: AWS has no conditional write."""
        ours = (one["at"] - other["at"] for one in self.changes if one["object"] == other["object"] and _by_us(one))
        return any(0 <= later <= _UNSEEN for later in ours)

    def _touched(self, thing: str, field: str) -> str:
        """Return who changed it last: "us", "others", or nobody."""
        found = [one for one in self.changes if _at(one, thing, field)]
        return "" if not found else "us" if _by_us(found[-1]) else "others"

    def _younger(self, instance: str) -> bool:
        """Tell whether it was launched when the rollout had let go of its group."""
        made = [one["at"] for one in self.changes if one["object"] == f"instance/{instance}"]
        ours = [one["at"] for one in self.changes if one["object"].startswith(("asg/", "template/")) and _by_us(one)]
        return bool(made) and min(made) >= max(ours, default=0)

    def _reported(self, name: str, word: str = "") -> bool:
        """Tell whether a line of the report is about this thing and, if given, has this word."""
        thing = re.compile(rf"(?<![\w./-]){re.escape(name)}(?![\w/-])")
        return any(thing.search(line) and word in line for line in self.report)


def _own(group: State) -> Any:
    """Return what a group's policy launches where no override says otherwise, None without a policy."""
    policy = group["MixedInstancesPolicy"]
    return policy["LaunchTemplate"]["LaunchTemplateSpecification"] if policy else None


def _at(change: Change, thing: str, field: str) -> bool:
    return bool(change["object"] == thing and change["field"] == field)


def _by_us(change: Change) -> bool:
    return str(change["actor"]).startswith("client:") and change["actor"] != "client:other"


def _specifications(reference: Any) -> Iterator[dict[str, Any]]:
    """Yield each launch template specification in a reference."""
    if isinstance(reference, list):
        for one in reference:
            yield from _specifications(one)
    elif isinstance(reference, dict):
        if "LaunchTemplateId" in reference:
            yield reference
        for one in reference.values():
            yield from _specifications(one)
