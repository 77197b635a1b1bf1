"""Whether it is known which pods run on an instance: "no pods seen" does not say that there are none.

The kubelet goes on with its containers when somebody deletes its Node object, and Kubernetes then removes their pods
from the API without asking it. So an instance counts as empty only by a Node object that is its own: the one that its
row knows, or one by which its kubelet reports now. One for which no Node was ever seen has no kubelet that was given
pods, once its time to become Ready is over; but only where every Node says on which instance it runs, and that one is
known to live: a Node object that outlived its machine is used again by the next machine of that name.
What runs on an instance that EC2 terminates ends with it, though its group may list it as InService until somebody
takes it out: one whose health checks or replacements are suspended.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from rollout.errors import Refused
from rollout.model.machine import Stage
from rollout.model.observation import NodeSeen, Observation
from rollout.model.plan import Node, duration
from rollout.model.record import Record
from rollout.ports import AutoScaling

#: States of an instance whose end has begun.
_ENDING = {"shutting-down", "terminated"}


def names(row: Node, nodes: tuple[NodeSeen, ...]) -> tuple[str, ...]:
    """Return the names under which pods of this instance may be listed."""
    # A Node object may be deleted under a running instance: its pods are still listed by its name.
    known = (row.name,) if row.name else ()
    return tuple(dict.fromkeys((*(node.name for node in nodes), *known)))


def unknown(row: Node, seen: Observation, record: Record, now: datetime) -> str:
    """Say why it is not known which pods run on an instance; "" where it is."""
    nodes = seen.nodes_on(row.instance_id)
    if row.instance_id in seen.ended and not nodes:
        return ""
    doubtful = next((node for node in nodes if node.doubt), None)
    if doubtful:
        return f"it to be clear on which instance {doubtful.name} runs: {doubtful.doubt}"
    if row.name is None and not nodes:
        return _never_joined(row, seen, record, now)
    if row.uid is not None and not any(node.uid == row.uid or node.ready for node in nodes):
        return f"its kubelet to register again: Node {row.name} was deleted, its containers may still run"
    return ""


def stray(row: Node, seen: Observation) -> tuple[str, str]:
    """Return the node that may be that of an instance which never had one, and why; "" where none may."""
    if row.name is not None or seen.nodes_on(row.instance_id):
        return "", ""
    return next(((node.name, why) for node, why in seen.strays()), ("", ""))


def whereabouts(seen: Observation, autoscaling: AutoScaling) -> Observation:
    """Return what was seen with `elsewhere` and `ended`; asked only where one of ours is alone, without a node.

    The right to ask is optional: without it nothing is known to live, nor to have ended.
    """
    try:
        states = autoscaling.states(seen.alone | seen.unlisted) if seen.alone else {}
    except Refused:
        return seen
    ending = {instance_id for instance_id, state in states.items() if state in _ENDING}
    return replace(seen, elsewhere=seen.unlisted & states.keys() - ending, ended=seen.alone & ending)


def joined(row: Node, seen: Observation) -> Node | None:
    """Return a row with the Node by which its kubelet reports now, None where the row says so already."""
    living = seen.node_of(row.instance_id)
    if living is None or living.doubt or living.uid == row.uid or not (living.ready or row.uid is None):
        return None
    return replace(row, name=living.name, uid=living.uid)


def _never_joined(row: Node, seen: Observation, record: Record, now: datetime) -> str:
    other, why = stray(row, seen)
    if other:
        return f"its node, and it may be {other}, which {why}"
    settings = record.plan.settings
    if record.drain_deadline is None:
        return "its node"
    begun = record.drain_deadline - duration(settings.drain_seconds)
    since = max(begun, row.since) if row.stage is Stage.WAITING else begun
    until = since + duration(settings.ready_seconds)
    return "" if now >= until else f"its node until {until:%H:%M:%S} UTC: none has joined yet"
