"""Services of AWS that let nobody else change the groups and nodes that they made, and how those are known.

EKS' managed node groups are told from their group's own record (`refusals.groups.managed`). Groups of a service have no
sign that is promised for good: each of those that it is known to put there counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rollout.scouted import GroupScouted
from rollout.seen import NodeSeen


@dataclass(frozen=True, slots=True)
class Service:
    """One service. `instead`: what to do in place of a rollout.

    `tags`: keys of its tags on a group; `prefix`: how the names of its groups begin, "" where that says nothing.
    `labels`, each key and value, and `taints`: of its nodes.
    """

    name: str
    instead: str
    tags: frozenset[str] = frozenset()
    prefix: str = ""
    labels: frozenset[tuple[str, str]] = frozenset()
    taints: frozenset[str] = frozenset()

    def signs(self, group: GroupScouted, nodes: Iterable[NodeSeen]) -> Iterator[str]:
        """Yield, in words, by what a group with these nodes is known to be its."""
        yield from (f"tag {key}" for key in sorted(self.tags & group.tags.keys()))
        if self.prefix and group.name.startswith(self.prefix):
            yield f"its name begins with {self.prefix}"
        for node in nodes:
            yield from (
                f"label {key}={value} of {node.name}" for key, value in sorted(self.labels & node.labels.items())
            )
            yield from (f"taint {taint.key} of {node.name}" for taint in node.taints if taint.key in self.taints)


_NOT_OURS = "take it out of `groups`: it is no group of nodes of Kubernetes"

#: Sources: the managed policies BatchServiceRolePolicy and AmazonECS_FullAccess; AWS Batch user guide, "Amazon EKS
#: compute environments"; SageMaker developer guide, "Orchestrating HyperPod clusters with Amazon EKS"; developer guide
#: of Elastic Beanstalk, "Tagging resources". Whoever labels nodes of his own for an unmanaged compute environment of
#: Batch (batch.amazonaws.com/compute-environment-uuid) may still change them.
SERVICES = (
    Service(
        "AWS Batch",
        "give the image to its compute environment: aws batch update-compute-environment",
        tags=frozenset({"AWSBatchServiceTag"}),
        prefix="AWSBatch",
        taints=frozenset({"batch.amazonaws.com/batch-node"}),
    ),
    Service(
        "SageMaker HyperPod",
        "let SageMaker do it: aws sagemaker update-cluster-software",
        labels=frozenset({("sagemaker.amazonaws.com/compute-type", "hyperpod")}),
    ),
    Service("Amazon ECS", _NOT_OURS, tags=frozenset({"AmazonECSManaged"})),
    Service("Elastic Beanstalk", _NOT_OURS, tags=frozenset({"elasticbeanstalk:environment-id"})),
)
