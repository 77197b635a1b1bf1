"""EKS: where the cluster's API is, and that it is active."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eks_simulator.cloud.errors import AwsError

if TYPE_CHECKING:
    from eks_simulator.aws.call import Call
    from eks_simulator.cloud.model import Cluster


def _cluster(call: Call, name: str) -> Cluster:
    if name not in call.cloud.clusters:
        raise AwsError("ResourceNotFoundException", f"No cluster found for name: {name}.", 404)
    return call.cloud.clusters[name]


def describe_cluster(call: Call) -> dict[str, Any]:
    """DescribeCluster."""
    cluster, cloud = _cluster(call, call["name"]), call.cloud
    shown = {
        "name": cluster.name,
        "arn": f"arn:aws:eks:{cloud.region}:{cloud.account}:cluster/{cluster.name}",
        "createdAt": cluster.created,
        "version": cluster.version,
        "endpoint": cluster.endpoint,
        "status": "ACTIVE",
        "certificateAuthority": {"data": cluster.authority},
        "roleArn": f"arn:aws:iam::{cloud.account}:role/{cluster.name}-cluster",
    }
    return {"cluster": shown}


def list_nodegroups(call: Call) -> dict[str, Any]:
    """ListNodegroups: the managed ones, which a rollout of ours leaves alone."""
    return {"nodegroups": list(_cluster(call, call["clusterName"]).nodegroups)}


OPERATIONS = {"DescribeCluster": describe_cluster, "ListNodegroups": list_nodegroups}
