"""Services of AWS that let nobody else change the groups and nodes that they made, and how those are known.

EKS' managed node groups are told from their group's own record (`blockers.groups.managed`). Groups of a service have no
sign that is promised for good: each of those that it is known to put there counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rollout.commands import aws, quoted
from rollout.model.observation import NodeSeen
from rollout.model.preflight_observation import GroupProbed


@dataclass(frozen=True, slots=True)
class Service:
    """One service. `command`: what gives its nodes an image in place of a rollout; none: its groups are no nodes.

    In it NAME stands for what the service knows the group's owner by, and AMI for the image; `lists` lists the names.
    `named`: how the group's name contains it, `name_label`: the label of its nodes that has it.
    `tags`: keys of its tags on a group; `prefix`: how the names of its groups begin, "" where that says nothing.
    `labels`, each key and value, and `taints`: of its nodes.
    """

    name: str
    command: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    named: str = r"(?!)"
    name_label: str = ""
    tags: frozenset[str] = frozenset()
    prefix: str = ""
    labels: frozenset[tuple[str, str]] = frozenset()
    taints: frozenset[str] = frozenset()

    def signs(self, group: GroupProbed, nodes: Iterable[NodeSeen]) -> Iterator[str]:
        """Yield, in words, by what a group with these nodes is known to be its."""
        yield from (f"tag {key}" for key in sorted(self.tags & group.tags.keys()))
        if self.prefix and group.name.startswith(self.prefix):
            yield f"its name begins with {self.prefix}"
        for node in nodes:
            yield from (
                f"label {key}={value} of {node.name}" for key, value in sorted(self.labels & node.labels.items())
            )
            yield from (f"taint {taint.key} of {node.name}" for taint in node.taints if taint.key in self.taints)

    def instead(self, group: str, nodes: Iterable[NodeSeen], ami: str) -> str:
        """Return what to do in place of a rollout, with the names filled in that are known."""
        if not self.command:
            return f"take {quoted(group)} out of `groups` in the configuration: it is no group of nodes of Kubernetes"
        labelled = next((node.labels[self.name_label] for node in nodes if self.name_label in node.labels), None)
        found = re.fullmatch(self.named, group)
        name = labelled or (found[1] if found else None)
        known = {"AMI": f"imageId={ami}"} | ({"NAME": name} if name else {})
        told = f"let the service do it: {aws(*(known.get(word, word) for word in self.command))}"
        return told if name else f"{told}, with the NAME that it has in: {aws(*self.lists)}"


#: Sources: the managed policies BatchServiceRolePolicy and AmazonECS_FullAccess; AWS Batch user guide, "Amazon EKS
#: compute environments"; SageMaker developer guide, "Orchestrating HyperPod clusters with Amazon EKS"; developer guide
#: of Elastic Beanstalk, "Tagging resources". Nodes that a person has labelled for an unmanaged compute environment of
#: Batch (batch.amazonaws.com/compute-environment-uuid) may still be changed.
SERVICES = (
    Service(
        "AWS Batch",
        ("batch", "update-compute-environment", "--compute-environment", "NAME", "--compute-resources", "AMI"),
        ("batch", "describe-compute-environments"),
        named=r"AWSBatch-(.+)-asg-[0-9a-f-]+",
        tags=frozenset({"AWSBatchServiceTag"}),
        prefix="AWSBatch",
        taints=frozenset({"batch.amazonaws.com/batch-node"}),
    ),
    Service(
        "SageMaker HyperPod",
        ("sagemaker", "update-cluster-software", "--cluster-name", "NAME"),
        ("sagemaker", "list-clusters"),
        name_label="sagemaker.amazonaws.com/cluster-name",
        labels=frozenset({("sagemaker.amazonaws.com/compute-type", "hyperpod")}),
    ),
    Service("Amazon ECS", tags=frozenset({"AmazonECSManaged"})),
    Service("Elastic Beanstalk", tags=frozenset({"elasticbeanstalk:environment-id"})),
)
