"""AUTOSCALER_OFF: ends when cluster-autoscaler has no pod, and all nodes of the groups have scale-down-disabled.

At its end the groups' values are committed as the baseline, because only the rollout changes sizes from here on. The
autoscaler's replicas are committed too, as they were in the tick that stopped it. A rollout that was started with a
plan halts where one of these is not as the plan said.

RESTORE undoes both. An annotation beside scale-down-disabled and one on the Deployment say what was there before.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from rollout.commands import kubectl
from rollout.model.decision import Act, Decision, Halt
from rollout.model.effects import DisableScaleDown, Effect, OnNode, StopAutoscaler, occasions
from rollout.model.observation import GroupSeen, NodeSeen, Observation, PodSeen
from rollout.model.plan import Autoscaler, Baseline, duration, spelled
from rollout.model.reasons import Reason
from rollout.model.record import Record
from rollout.phases.as_planned import not_as_planned
from rollout.phases.shared import advance, typed, wait

#: The share of `max_autoscaler_off` after which it is said that it comes to its end.
NEARLY = 0.8


def decide(seen: Observation, record: Record, now: datetime) -> Decision:
    """Hold the nodes, stop the autoscaler, wait for its pod to go until the deadline."""
    effects: list[Effect] = list(disable_scale_down(seen, occasions.once(record.resume_count)))
    if not _stopped(seen, record):
        effects.append(stop_autoscaler(record, replicas=seen.autoscaler.replicas if seen.autoscaler else None))
    if effects:
        return Act("disable scale-down of the nodes and stop cluster-autoscaler", tuple(effects))
    pods = _pods(seen, record)
    if not pods:
        if moved := not_as_planned(seen, record, _given_back(seen, record)):
            return moved
        baselines = tuple(_baseline(group) for group in seen.groups if not group.gone)
        plan = replace(record.plan, baselines=baselines, autoscaler_replicas=_given_back(seen, record), planned=())
        report = _stopped_by_others(seen, record)
        return advance(record, "cluster-autoscaler is off, sizes are committed", now, plan=plan, report=report)
    names = ", ".join(pod.label for pod in pods)
    if record.deadline and now >= record.deadline:
        why = f"cluster-autoscaler is scaled to 0, but its pod does not end in time: {names}"
        commands = (kubectl("describe", "pod", pod.name, "-n", pod.namespace) for pod in pods)
        hint = typed("see why it does not end, perhaps because its node is not Ready; delete it", *commands)
        return Halt(Reason.AUTOSCALER_PODS_RUNNING, why, hint)
    return wait(record, now, Reason.AUTOSCALER_PODS_RUNNING, f"cluster-autoscaler to end: {names}")


def scale_down_enabled(seen: Observation) -> tuple[NodeSeen, ...]:
    """Return the groups' nodes from which an autoscaler would not keep away."""
    return tuple(node for group in seen.groups for node in seen.nodes_of(group) if node.scale_down_disabled != "true")


def disable_scale_down(seen: Observation, occasion: str) -> tuple[DisableScaleDown, ...]:
    """Disable scale-down of each node of the groups where it is not yet disabled, also if somebody else launched it."""
    return tuple(
        DisableScaleDown(**OnNode.of(node), before=node.scale_down_disabled, occasion=occasion)
        for node in scale_down_enabled(seen)
    )


def stop_autoscaler(record: Record, occasion: str | None = None, replicas: int | None = None) -> StopAutoscaler:
    """Scale the autoscaler to 0, with `replicas`, None for those of the plan, as what is to be given back."""
    where = _where(record)
    return StopAutoscaler(
        namespace=where.namespace,
        name=where.name,
        rollout_id=record.id,
        replicas_before=replicas or record.plan.autoscaler_replicas or 0,
        occasion=occasion or occasions.once(record.resume_count),
    )


def off_too_long(record: Record, now: datetime) -> str:
    """Say that cluster-autoscaler is off for longer than the settings want it, or nearly so; "" if it is not."""
    since, limit = record.autoscaler_off, record.plan.settings.max_autoscaler_off_seconds
    if since is None or now < since + duration(limit * NEARLY):
        return ""
    until = since + duration(limit)
    what = f"cluster-autoscaler is off since {since:%Y-%m-%dT%H:%M:%SZ}: nobody scales the cluster's groups"
    passed = "that is longer than" if now >= until else f"{until:%Y-%m-%dT%H:%M:%SZ} makes it"
    return f"warning: {what}; {passed} max_autoscaler_off ({spelled(limit)})"


def _where(record: Record) -> Autoscaler:
    where = record.plan.settings.autoscaler
    if where is None:
        raise ValueError("this rollout has no autoscaler to stop")
    return where


def _stopped(seen: Observation, record: Record) -> bool:
    # Found at 0 replicas when the rollout began: not ours to stop, and not ours to start.
    if record.plan.settings.autoscaler is None or not record.plan.autoscaler_replicas:
        return True
    ours = seen.autoscaler is not None and seen.autoscaler.replicas == 0 and seen.autoscaler.rollout_id == record.id
    return ours or _off_by_others(seen, record)


def _off_by_others(seen: Observation, record: Record) -> bool:
    """Tell whether somebody else scaled it to 0 before we did, while no request of ours may still do so."""
    if not record.plan.autoscaler_replicas or seen.autoscaler is None:
        return False
    stop = stop_autoscaler(record).key
    untouched = stop not in record.done and record.row(stop) is None
    return untouched and seen.autoscaler.replicas == 0 and seen.autoscaler.rollout_id is None


def _given_back(seen: Observation, record: Record) -> int | None:
    """Return the replicas that RESTORE gives back: those that our request found, 0 where somebody else stopped it."""
    if _off_by_others(seen, record):
        return 0
    noted = seen.autoscaler.replicas_before if seen.autoscaler and seen.autoscaler.rollout_id == record.id else None
    return noted or record.plan.autoscaler_replicas


def _stopped_by_others(seen: Observation, record: Record) -> tuple[str, ...]:
    where = record.plan.settings.autoscaler
    if where is None or not _off_by_others(seen, record):
        return ()
    before = record.plan.autoscaler_replicas
    return (f"{where.namespace}/{where.name} was scaled to {before}, now to 0: changed by somebody else, left at 0",)


def _pods(seen: Observation, record: Record) -> tuple[PodSeen, ...]:
    where = record.plan.settings.autoscaler
    if where is None:
        return ()
    return tuple(
        pod
        for pod in seen.pods
        if pod.namespace == where.namespace
        and pod.owner is not None
        and pod.owner.kind == "ReplicaSet"
        # A ReplicaSet is named after its Deployment and a hash; a longer name is another Deployment's.
        and pod.owner.name.rpartition("-")[0] == where.name
        and not pod.finished
    )


def _baseline(group: GroupSeen) -> Baseline:
    return Baseline(
        group=group.name,
        sizes=group.sizes,
        protect_new=group.protect_new,
        capacity_rebalance=group.capacity_rebalance,
        suspended=tuple(sorted(group.suspended)),
    )
