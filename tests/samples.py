"""One effect of each kind, most on the node o1 or the group g of `tests.core.build`: for all tests that need any."""

from __future__ import annotations

from typing import Any

from rollout.model.effects import (
    Cordon,
    CreateMarker,
    CreateVersion,
    DeleteJob,
    DeleteMarker,
    DeletePod,
    DisableScaleDown,
    Effect,
    Evict,
    Protect,
    Resize,
    RestoreScaleDown,
    Resume,
    SetCapacityRebalance,
    SetDefaultVersion,
    SetReference,
    StartAutoscaler,
    StopAutoscaler,
    Suspend,
    TaintNode,
    Terminate,
    Uncordon,
    UntaintNode,
    UpdateMarker,
)
from rollout.phases.cluster_lock import checkpoint
from tests.core.build import BASE, ID, KEY, MARKER, PROCESSES, SURGED, record, use

WHERE: Any = {"namespace": "kube-system", "name": "cluster-autoscaler", "rollout_id": ID}
ON_O1: Any = {"node": "o1", "uid": "uid-o1", "instance_id": "i-o1"}
POD: Any = {"namespace": "ns", "name": "job-1", "uid": "uid-job-1", "node": "o1"}

MARK, REMARK = (
    CreateMarker(rollout_id=ID, mark=MARKER.checkpoint),
    UpdateMarker(uid="uid-marker", mark=checkpoint(record())),
)
UNMARK = DeleteMarker(uid="uid-marker")
STOP = StopAutoscaler(**WHERE, replicas_before=1)
START = StartAutoscaler(**WHERE, replicas=1)
DISABLE_SCALE_DOWN, RESTORE_SCALE_DOWN = DisableScaleDown(**ON_O1, before=None), RestoreScaleDown(**ON_O1, restore=None)
TAINT = TaintNode(**ON_O1, taint_key=KEY, value=ID, effect="NoSchedule")
UNTAINT = UntaintNode(**ON_O1, taint_key=KEY)
CORDON, UNCORDON = Cordon(**ON_O1), Uncordon(**ON_O1)
EVICT, DELETE, AT_ONCE = Evict(**POD), DeletePod(**POD, grace=None), DeletePod(**POD, grace=0, occasion="now")
END_JOB = DeleteJob(namespace="ns", name="job", pod_uid="uid-job-1", node="o1", kills="ns/job", job_uid="uid-Job-job")
VERSION = CreateVersion(
    template_id="lt", source_version=1, ami="ami-new", description=f"rollout {ID}", token="t"  # noqa: S106 - ClientToken
)  # fmt: skip
DEFAULT = SetDefaultVersion(template_id="lt", before=1, number=2)
REFERENCE = SetReference(group="g", before=(use("$Latest"),), uses=(use("2"),))
RESIZE = Resize(group="g", before=BASE, sizes=SURGED, protect_new=True)
REBALANCE = SetCapacityRebalance(group="g", enabled=False)
SUSPEND, RESUME = Suspend(group="g", processes=PROCESSES), Resume(group="g", processes=PROCESSES)
PROTECT = Protect(group="g", instance_ids=("i-o1", "i-o2"), protected=True)
UNPROTECT = Protect(group="g", instance_ids=("i-o1",), protected=False)
END = Terminate(group="g", instance_id="i-o1", desired_before=4)

ALL: tuple[Effect, ...] = (
    MARK, REMARK, UNMARK, STOP, START, DISABLE_SCALE_DOWN, RESTORE_SCALE_DOWN, TAINT, UNTAINT, CORDON, UNCORDON, EVICT,
    DELETE, AT_ONCE,
    END_JOB, VERSION, DEFAULT, REFERENCE, RESIZE, REBALANCE, SUSPEND, RESUME, PROTECT, UNPROTECT, END,
)  # fmt: skip
