"""What is refused before the first effect, through the real command line."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import Worlds

#: What the scenario has wrong, in the order in which it is told.
REASONS = (
    "AWS would not let us: ModifyLaunchTemplate: UnauthorizedOperation",
    "AWS would not let us: RunInstances: UnauthorizedOperation: You may not pass the role of the instances.",
    "Kubernetes would not let us: patch nodes",
    "Kubernetes would not let us: create pods/eviction",
    "the cluster-autoscaler Deployment kube-system/autoscaler-gone does not exist",
    "the selector role=worker and the groups disagree on ",
    "Auto Scaling group eks_gone-demo does not exist in eu-west-1",
    "eks_managed-demo belongs to the EKS managed node group managed",
    "an instance refresh is active on eks_worker-demo (",
    "eks_worker-demo has a warm pool",
    "eks_batch-demo gives its instance types weights",
    "eks_batch-demo counts its sizes in vcpu",
    "eks_batch-demo has OnDemandBaseCapacity 1 and 50 % on demand above it",
    "overrides of eks_batch-demo launch ami-00000000000000aaa",
    "eks_night-demo has instances in Standby: i-",
    "the groups launch several versions of eks_worker_lt-demo: 1 (eks_night-demo), 2 (eks_worker-demo)",
    "somebody-elses, which is not to be replaced, launches $Latest of eks_worker_lt-demo",
    "ami-00000000000000bbb is pending, not available",
    "ami-00000000000000bbb is built for arm64, but eks_",
    "gives the root volume /dev/xvda 30 GiB, the snapshot of ami-00000000000000bbb needs 40 GiB",
)


def test_every_reason_is_told_at_once_and_nothing_is_changed(world: Worlds) -> None:
    """Exit 2, each reason with its next step, in order; nothing was applied, and no rollout is in the journal."""
    simulated = world("refused")
    refused = simulated.start()
    assert refused.code == 2, refused
    assert refused.out == ""
    lines = refused.err.splitlines()
    assert lines[0] == "rollout: nothing was begun, because"
    problems, steps = lines[1::2], lines[2::2]
    assert all(step.startswith("    next: ") for step in steps), refused
    told = [next((index for index, line in enumerate(problems) if reason in line), -1) for reason in REASONS]
    assert -1 not in told, (REASONS[told.index(-1)], refused)
    assert told == sorted(told), refused
    assert [line for line in problems if not any(reason in line for reason in REASONS)] == []
    assert [one for one in simulated.get("/log") if one["actor"].startswith("client:")] == []
    assert simulated.rollout("list", "--config", "rollout.yaml").out.splitlines()[1:] == []


def test_a_group_that_is_being_deleted_is_refused(world: Worlds) -> None:
    """AWS lists it until its last instance is gone; nothing is begun on it, and nothing else is asked of it."""
    simulated = world("proof-plain")
    simulated.post("/world", {"do": "delete_group", "group": "batch"})
    refused = simulated.start()
    told = "Auto Scaling group batch is being deleted (Delete in progress), with its instances"
    assert (refused.code, refused.err.count("    next: "), told in refused.err) == (2, 1, True), refused
    assert "take batch out of `groups` in the configuration" in refused.err


@pytest.mark.exhaustive
@pytest.mark.parametrize("operation", ["DescribeInstanceRefreshes", "DescribeImages", "DescribeLaunchTemplates"])
def test_a_read_that_is_refused_is_a_reason_and_hides_no_other(world: Worlds, operation: str) -> None:
    """Exit 2 with the refused operation, and with the reasons that can be seen all the same."""
    simulated = world("refused")
    fault = {"match": {"operation": operation}, "error": {"status": 403, "code": "UnauthorizedOperation"}}
    simulated.post("/faults", fault)
    refused = simulated.start()
    assert refused.code == 2, refused
    assert f"we may not read what a rollout must know: {operation}: UnauthorizedOperation" in refused.err, refused
    assert "Kubernetes would not let us: patch nodes" in refused.err, refused
    assert "eks_gone-demo does not exist" in refused.err, refused
