"""What the log of changes means for the promises: which changes are ours, which instances are new, who ends one.

"Ours" are the changes of clients: of the tool that is judged. It is kept up to each single change, and holds at that
change's very moment.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from eks_simulator.cloud.update import shown_template

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eks_simulator.cloud.cloud import Cloud
    from eks_simulator.cloud.model import Group, Instance
    from eks_simulator.kube.store import Store
    from eks_simulator.log import Change
    from eks_simulator.scenario import Scenario
    from eks_simulator.world.pods import Object

REFERENCES = ("LaunchTemplate", "MixedInstancesPolicy")
SIZES = ("MinSize", "MaxSize", "DesiredCapacity")


#: Seconds within which what others do may not have been seen: AWS has no conditional write, so it cannot be spared.
UNSEEN = 30.0


@dataclass(frozen=True, slots=True)
class Seen:
    """One change as the promises see it; `ended` is the instance that we end by it, if we do."""

    change: Change
    ours: bool
    ended: Instance | None

    def sets(self, kind: str, field: str) -> bool:
        """Tell whether it is a change of ours to that field of an object of that kind."""
        return self.ours and self.change.field == field and self.change.object.startswith(f"{kind}/")


def ours(change: Change) -> bool:
    """Tell whether a runner made it: other clients, such as kubectl, are somebody else's."""
    return change.actor.startswith("client:") and change.actor != "client:other"


def by_third_party(change: Change) -> bool:
    """Tell whether it is neither ours nor the world following its own rules: somebody's decision."""
    return not ours(change) and bool(change.verb)


class Facts:
    """The state behind the judgement; tell it every change, in order, once."""

    def __init__(self, scenario: Scenario, store: Store, cloud: Cloud) -> None:
        self.scenario = scenario
        self.store = store
        self.cloud = cloud
        self.first: float | None = None  # when we first changed anything
        self.last: float | None = None
        self.versions: dict[tuple[str, int], int | None] = {}  # with another image: (template, number) → source
        self.copies: dict[tuple[str, int], int | None] = {}  # with the same image, as a way back makes them
        self.given: set[tuple[str, int]] = set()  # that others made with our image, or gave a group in place of ours
        self.by_default: dict[str, set[str]] = {}  # by group, the templates by whose default it launched before us
        self.back = False  # our marker says that the rollout was aborted: what is new has to go
        self.replaced = 0  # old instances that have gone since we began, for any reason
        self.lost: Counter[str] = Counter()  # instances of each group that went or stood by since, not by us
        self.ready_ended: float | None = None  # when the last node that must go got a NoSchedule taint of ours
        self.promised: float | None = None  # until when, by our marker, no Job is killed; None while it does not say
        self.paused = False  # our marker says that somebody has paused the rollout
        self.forced: dict[str, float] = {}  # instances of which our marker says that somebody let them go, and when
        self.skipped: set[str] = set()  # instances of which our marker says that somebody lets them stay
        self._images: set[str] = set()  # of our versions
        self._sizes: dict[str, int] = {}  # desired capacity by group, until we first change a size
        self._resized: set[str] = set()
        self._owed: Counter[str] = Counter()  # instances that each group will end because we lowered its desired
        self._pods: dict[str, Object] = {}  # the last state of each pod before the change at hand
        for pod in store.list("pods"):
            self._keep_pod("ADDED", pod, None)
        store.on("pods", self._keep_pod)

    def see(self, change: Change) -> Seen:
        """Take the change in."""
        mine = ours(change)
        if mine:
            self._begin(change)
            self.last = change.at
        if change.object.startswith("asg/"):
            self._see_group(change, mine=mine)
        if mine and change.object.startswith("template/") and change.field.startswith("versions."):
            number = int(change.field.removeprefix("versions."))
            template, source = change.object.removeprefix("template/"), change.after["SourceVersion"]
            made = self.copies if self._is_copy(template, number, source) else self.versions
            made[template, number] = source
            if made is self.versions:
                self._images.add(change.after["ImageId"])
        if by_third_party(change) and change.object.startswith("template/") and change.field.startswith("versions."):
            self._see_given(change)
        if by_third_party(change) and change.field in REFERENCES and self._deleted():
            self.given |= {pair for pair in _numbered(change.after) if self._same_image(*pair)}
        if mine and change.field == "data.record":
            self.promised = self._promised(change)
            self.paused = '"pause":{' in str(change.after)
            self.forced = {name: datetime.fromisoformat(at).timestamp() for name, at in self._asked(change, "forced")}
            self.skipped = {name for name, _ in self._asked(change, "skipped")}
        if mine and not self.back and self._says_back(change):
            self.back, self.ready_ended = True, None
        if mine and change.field == "spec.taints" and self.ready_ended is None and self._all_closed():
            self.ready_ended = change.at
        return Seen(change, mine, self._ended(change, mine=mine))

    def _begin(self, change: Change) -> None:
        """Remember when we changed something first, and what groups follow then."""
        if self.first is None:
            self.first = change.at
            shown = {name: shown_template(self.cloud, group) for name, group in self.cloud.groups.items()}
            self.by_default = {
                name: {one["LaunchTemplateId"] for one in specifications(reference) if one["Version"] == "$Default"}
                for name, reference in shown.items()
            }

    def _deleted(self) -> bool:
        """Tell whether a version of ours is there no more."""
        there = {one.id: one for one in self.cloud.templates}
        return any(name not in there or number not in there[name].numbers for name, number in self.versions)

    def _same_image(self, name: str, number: int) -> bool:
        """Tell whether a version launches what ours launch."""
        image = self.cloud.templates[name].version(number).image
        return any(self.cloud.templates[of].version(one).image == image for of, one in self.versions)

    def _keep_pod(self, event: str, pod: Object, _previous: Object | None) -> None:
        name = f"pod/{pod['metadata']['namespace']}/{pod['metadata']['name']}"
        if event == "DELETED":
            self._pods.pop(name, None)
        else:
            self._pods[name] = pod

    def _see_group(self, change: Change, *, mine: bool) -> None:
        name = change.object.removeprefix("asg/")
        group = self.cloud.groups[name]
        if mine and change.field in SIZES and name not in self._resized:
            self._resized.add(name)
            self._sizes.setdefault(name, change.before if change.field == "DesiredCapacity" else group.desired)
        if mine and change.field == "DesiredCapacity":
            self._owed[name] = max(len(group.living) - change.after, 0)

    def _ended(self, change: Change, *, mine: bool) -> Instance | None:
        if change.field == "LifecycleState" and change.after == "EnteringStandby" and by_third_party(change):
            self.lost[self.cloud.instances[change.object.removeprefix("instance/")].group] += self.first is not None
        if change.field != "LifecycleState" or change.after != "Terminating":
            return None  # the states of its hooks come after that one
        instance = self.cloud.instances[change.object.removeprefix("instance/")]
        self.replaced += self.first is not None and not self.is_new(instance)
        owed = self._owed[instance.group] > 0 and instance.healthy and not by_third_party(change)
        if owed:
            self._owed[instance.group] -= 1
        by_us = mine or owed
        self.lost[instance.group] += self.first is not None and not by_us
        return instance if by_us else None

    def _see_given(self, change: Change) -> None:
        """Take in a version that somebody else made since; what they delete launches nothing more, and stays known."""
        made = change.object.removeprefix("template/"), int(change.field.removeprefix("versions."))
        if change.after and change.after.get("ImageId") in self._images:
            self.given.add(made)

    def _is_copy(self, name: str, number: int, source: int | None) -> bool:
        """Tell whether a version launches what the one launches that it was made of, of which we had made another."""
        template, known = self.cloud.templates[name], {(of, one) for (of, _), one in self.versions.items()}
        same = source is not None and template.version(number).image == template.version(source).image
        return same and (name, source) in known

    @staticmethod
    def _says_back(change: Change) -> bool:
        """Tell whether the marker says from this change on that the rollout goes back."""
        return change.field == "data.record" and '"direction":"back"' in str(change.after)

    @staticmethod
    def _promised(change: Change) -> float | None:
        told = re.search(r'"drain_deadline":"([^"]+)"', str(change.after))
        return datetime.fromisoformat(told[1]).timestamp() if told else None

    @staticmethod
    def _asked(change: Change, what: str) -> list[tuple[str, str]]:
        """Return the instances about which somebody has asked for this, and when."""
        told = json.loads(str(change.after or "{}")).get(what) or ()
        return [(one["instance_id"], one["at"]) for one in told]

    def _all_closed(self) -> bool:
        nodes = [node for group in self.cloud.groups.values() for node in self.nodes(group, new=self.back)]
        return bool(nodes) and all(map(_closed_by_us, nodes))

    def pod(self, name: str) -> Object | None:
        """Return the pod as it was before the change at hand; `name` as in the log."""
        return self._pods.get(name)

    def pod_node(self, name: str) -> Object | None:
        """Return the node on which the pod was before the change at hand."""
        return self.store.get("nodes", None, ((self.pod(name) or {}).get("spec") or {}).get("nodeName") or "")

    def is_new(self, instance: Instance) -> bool:
        """Tell whether it was launched from a version of ours, or from one of others that stands for it."""
        return (instance.template, instance.version) in {*self.versions, *self.given}

    def goes(self, instance: Instance) -> bool:
        """Tell whether the rollout is there to take it away: it is old, or new where the rollout goes back."""
        return self.is_new(instance) == self.back

    def size(self, group: Group) -> int:
        """Return its desired capacity before we first changed a size: N."""
        return self._sizes.get(group.name, group.desired)

    def node(self, instance: Instance) -> Object | None:
        """Return the node that runs on the instance."""
        node = self.store.get("nodes", None, instance.dns)
        return node if node is not None and node["spec"].get("providerID") == instance.provider_id else None

    def carried(self, instance: Instance) -> list[Object]:
        """Return the pods on the instance's node, of all kinds and phases."""
        return self.store.pods_on(instance.dns) if self.node(instance) else []

    def nodes(self, group: Group, *, new: bool) -> list[Object]:
        """Return the nodes of the group's living instances, new or old."""
        found = (self.node(one) for one in group.living if one.alive and self.is_new(one) == new)
        return [node for node in found if node is not None]

    def instance_of(self, node_name: str) -> Instance | None:
        """Return the instance that runs the node."""
        node = self.store.get("nodes", None, node_name) or {"spec": {}}
        name = str(node["spec"].get("providerID", "")).rpartition("/")[2]
        return self.cloud.instances.get(name)


def specifications(reference: Any) -> Iterator[dict[str, Any]]:
    """Yield every launch template specification in a reference, the policy's own first."""
    if isinstance(reference, list):
        for one in reference:
            yield from specifications(one)
    elif isinstance(reference, dict):
        if "LaunchTemplateId" in reference:
            yield reference
        for one in reference.values():
            yield from specifications(one)


def _numbered(reference: Any) -> Iterator[tuple[str, int]]:
    for one in specifications(reference):
        if str(one["Version"]).isdecimal():
            yield one["LaunchTemplateId"], int(one["Version"])


def is_ready(node: Object) -> bool:
    """Tell whether its Ready condition is true; a Node that a person made has none."""
    conditions = (node.get("status") or {}).get("conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def takes_new_pods(node: Object) -> bool:
    """Tell whether a pod without tolerations finds a place there."""
    spec = node["spec"]
    hard = any(taint["effect"] != "PreferNoSchedule" for taint in spec.get("taints", ()))
    return is_ready(node) and not spec.get("unschedulable") and not hard


def _closed_by_us(node: Object) -> bool:
    taints = node["spec"].get("taints", ())
    return any(taint["effect"] == "NoSchedule" and "kubernetes.io/" not in taint["key"] for taint in taints)
