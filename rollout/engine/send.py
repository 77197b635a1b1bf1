"""An effect becomes one port call, and what came of it becomes a receipt. Nothing is decided here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, assert_never

from rollout.errors import Blocked, Bug, Conflict, Denied, Failed, Gone, Refused, Retry, Unknown
from rollout.model import effects as e
from rollout.model.checkpoint import Checkpoint
from rollout.model.observation import REPLICAS_BEFORE, ROLLOUT_ID, SCALE_DOWN_BEFORE_KEY, SCALE_DOWN_KEY, Taint
from rollout.model.plan import Autoscaler, duration
from rollout.patience import Noes
from rollout.ports import AutoScaling, GroupChange, Kubernetes, NodeChange, Receipt

#: Longest pause, in seconds, before a throttled or blocked request is sent again.
LONGEST_BACKOFF = 30.0
#: Longest pause, in seconds, that the other side may ask for: a Retry-After of a day is a fault.
LONGEST_ASKED = 120.0


@dataclass(frozen=True)
class Patience:
    """For how many seconds the other side's no is asked for again before it is believed, and since when it is told."""

    seconds: float
    noes: Noes = field(default_factory=Noes)

    def is_over(self, key: str, now: datetime) -> bool:
        """Note one more no to an effect, and tell whether it has lasted."""
        return self.noes.lasts(key, now) >= duration(self.seconds)


def perform(
    effect: e.Effect,
    kubernetes: Kubernetes,
    autoscaling: AutoScaling,
    now: Callable[[], datetime],
    sent: int,
    patience: Patience,
) -> Receipt:
    """Send an effect once and return what came of it; `sent`: how often it was sent before.

    Raises only what is no answer about the effect (`Lost`, `Bug`).
    """
    started = now()
    try:
        request_id = call(effect, kubernetes, autoscaling)
    except Denied as error:
        ended = now()
        if patience.is_over(effect.key, ended):
            return Receipt(effect, "rejected", started, ended, error.detail, error.request_id)
        retry_at = ended + timedelta(seconds=_pause(sent))
        return Receipt(effect, "not_applied", started, ended, error.detail, error.request_id, retry_at)
    except Retry as error:
        ended = now()
        retry_at = ended + timedelta(seconds=_pause(sent, error.after))
        return Receipt(effect, _not_now(error), started, ended, error.detail, error.request_id, retry_at)
    except Gone as error:
        return Receipt(effect, "gone", started, now(), error.detail, error.request_id)
    except Refused as error:
        return Receipt(effect, "rejected", started, now(), error.detail, error.request_id)
    except Unknown as error:
        failed = isinstance(error, Failed)
        return Receipt(effect, "unknown", started, now(), error.detail, error.request_id, failed=failed)
    patience.noes.end(effect.key)
    return Receipt(effect, "ok", started, now(), request_id=request_id)


def _pause(sent: int, asked: float | None = None) -> float:
    """Return for how long to wait, in seconds; what the other side asks for counts as far as it is sensible."""
    return min(LONGEST_BACKOFF, 2.0 ** min(sent, 10)) if asked is None else min(asked, LONGEST_ASKED)


def _not_now(error: Retry) -> Literal["not_sent", "not_applied", "blocked"]:
    match error:
        case Blocked():
            return "blocked"
        case Conflict():
            return "not_applied"
        case _:
            return "not_sent"


def call(effect: e.Effect, kubernetes: Kubernetes, autoscaling: AutoScaling) -> str | None:  # noqa: C901, PLR0912 - one arm for each kind of effect, in one match
    """Make the port call that stands for this effect; return the request id if the other side gives one."""
    match effect:
        case e.CreateVersion():
            return autoscaling.create_version(
                effect.template_id, effect.source_version, effect.ami, effect.description, effect.token
            )
        case e.SetDefaultVersion():
            return autoscaling.set_default_version(effect.template_id, effect.number)
        case e.SetReference():
            return autoscaling.update_group(effect.group, GroupChange(uses=effect.uses))
        case e.Resize():
            return autoscaling.update_group(effect.group, _group_change(effect))
        case e.SetCapacityRebalance():
            return autoscaling.update_group(effect.group, GroupChange(capacity_rebalance=effect.enabled))
        case e.Suspend():
            return autoscaling.suspend(effect.group, effect.processes)
        case e.Resume():
            return autoscaling.resume(effect.group, effect.processes)
        case e.Protect():
            return autoscaling.protect(effect.group, effect.instance_ids, protected=effect.protected)
        case e.Terminate():
            return autoscaling.terminate(effect.instance_id)
        case e.CreateMarker():
            kubernetes.write_marker(_of_today(effect), None)
        case e.UpdateMarker():
            kubernetes.write_marker(effect.mark, effect.uid)
        case e.DeleteMarker():
            kubernetes.delete_marker(effect.uid)
        case e.StopAutoscaler():
            notes = {REPLICAS_BEFORE: str(effect.replicas_before), ROLLOUT_ID: effect.rollout_id}
            kubernetes.scale(Autoscaler(effect.namespace, effect.name), 0, notes)
        case e.StartAutoscaler():
            notes_gone = {REPLICAS_BEFORE: None, ROLLOUT_ID: None}
            kubernetes.scale(Autoscaler(effect.namespace, effect.name), effect.replicas, notes_gone)
        case e.Evict():
            kubernetes.evict(effect.namespace, effect.name, effect.uid)
        case e.DeletePod():
            kubernetes.delete_pod(effect.namespace, effect.name, effect.uid, effect.grace)
        case e.DeleteJob():
            kubernetes.delete_job(effect.namespace, effect.name, effect.job_uid)
        case e.DisableScaleDown() | e.RestoreScaleDown() | e.TaintNode() | e.UntaintNode() | e.Cordon() | e.Uncordon():
            kubernetes.change_node(effect.node, effect.uid, effect.instance_id, _node_change(effect))
        case _:
            assert_never(effect)
    return None


def _of_today(effect: e.CreateMarker) -> Checkpoint:
    if effect.mark is None:
        raise Bug(f"{effect.key} was saved by an earlier version, and is about to be sent as it was")
    return effect.mark


def _group_change(effect: e.Resize) -> GroupChange:
    return GroupChange(
        minimum=effect.changed("minimum"),
        desired=effect.changed("desired"),
        maximum=effect.changed("maximum"),
        protect_new=effect.protect_new,
    )


def _node_change(
    effect: e.DisableScaleDown | e.RestoreScaleDown | e.TaintNode | e.UntaintNode | e.Cordon | e.Uncordon,
) -> NodeChange:
    match effect:
        case e.DisableScaleDown():
            return NodeChange(annotations={SCALE_DOWN_KEY: "true", SCALE_DOWN_BEFORE_KEY: effect.before or ""})
        case e.RestoreScaleDown():
            return NodeChange(annotations={SCALE_DOWN_KEY: effect.restore, SCALE_DOWN_BEFORE_KEY: None})
        case e.TaintNode():
            return NodeChange(taint=Taint(effect.taint_key, effect.value, effect.effect))
        case e.UntaintNode():
            return NodeChange(untaint=effect.taint_key)
        case e.Cordon():
            return NodeChange(unschedulable=True)
        case e.Uncordon():
            return NodeChange(unschedulable=False)
