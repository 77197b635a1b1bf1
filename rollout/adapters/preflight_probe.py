"""What only a survey asks, through the port `PreflightProbe`: nothing is changed, so every request may be sent again.

Of Auto Scaling nobody can ask whether a call would be allowed: its API has no DryRun, and to have IAM simulate our
policies is a right of its own that hardly anybody grants. What is missing there shows at the first call. Only what it
asks EC2 of us, when a group is given another template version, can be tried: to launch from it.
"""

from __future__ import annotations

import os
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from botocore.exceptions import ClientError

from rollout.adapters import discovery, kube_records
from rollout.adapters import probe_records as records
from rollout.adapters.aws_errors import THROTTLED, code_of, translated
from rollout.adapters.paging import entries
from rollout.adapters.understanding import each, flag, text, understood
from rollout.model.plan import Autoscaler

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping, Sequence

    from rollout.adapters.access import Account
    from rollout.adapters.clock import SimulatedClock, SystemClock
    from rollout.adapters.kube_api import KubeApi
    from rollout.model.preflight_observation import GroupProbed, Kinds, Right

#: Where a pod finds who it is (Kubernetes documentation, "Accessing the Kubernetes API from a Pod").
SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")

# Before it is asked again what Kubernetes serves.
_PAUSE = timedelta(seconds=5)
# Largest page of DescribeAutoScalingGroups; values that one filter of EC2 takes (user guide, "List and filter").
_PAGE, _VALUES = 100, 200
# What EC2 answers to a DryRun that would have succeeded, and to one for which a right is missing (API reference).
_WOULD_SUCCEED, _DENIED = "DryRunOperation", "UnauthorizedOperation"


class EdgeProbe:
    """Probes one account and region, one cluster and this process."""

    def __init__(self, account: Account, api: KubeApi, clock: SystemClock | SimulatedClock) -> None:
        self._groups = account.reading("autoscaling")
        self._ec2 = account.reading("ec2")
        self._api = api
        self._clock = clock

    def groups(self) -> tuple[GroupProbed, ...]:
        asked = {"PaginationConfig": {"PageSize": _PAGE}}
        with translated(mutating=False):
            found = entries(self._groups, "describe_auto_scaling_groups", "AutoScalingGroups", **asked)
            return tuple(each("Auto Scaling groups", found, records.group))

    def architectures(self, types: Sequence[str]) -> Mapping[str, frozenset[str]]:
        batches = [list(types[start : start + _VALUES]) for start in range(0, len(types), _VALUES)]
        return {name: runs for batch in batches for name, runs in self._architectures(batch).items()}

    def _architectures(self, types: list[str]) -> dict[str, frozenset[str]]:
        # As a filter, because one type that the region has not would fail the call for all.
        asked = {"Filters": [{"Name": "instance-type", "Values": types}]}
        with translated(mutating=False):
            found = entries(self._ec2, "describe_instance_types", "InstanceTypes", **asked)
            return {raw["InstanceType"]: frozenset(raw["ProcessorInfo"]["SupportedArchitectures"]) for raw in found}

    def try_version(self, template_id: str, source: int, ami: str) -> None:
        version = {"SourceVersion": str(source), "LaunchTemplateData": {"ImageId": ami}}
        _try(partial(self._ec2.create_launch_template_version, LaunchTemplateId=template_id, **version))

    def try_default(self, template_id: str, number: int) -> None:
        _try(partial(self._ec2.modify_launch_template, LaunchTemplateId=template_id, DefaultVersion=str(number)))

    def try_launch(
        self, template_id: str, version: int, ami: str, instance_type: str | None, subnet: str | None
    ) -> None:
        template = {"LaunchTemplateId": template_id, "Version": str(version)}
        of_group = {"InstanceType": instance_type, "SubnetId": subnet}
        launch = partial(
            self._ec2.run_instances,
            LaunchTemplate=template,
            ImageId=ami,
            MinCount=1,
            MaxCount=1,
            **{name: value for name, value in of_group.items() if value},
        )
        # One request cannot say all that a group may (a subnet beside a template's network interfaces, requirements in
        # place of a type), and EC2 may be short of capacity just now: none of that keeps the group from launching.
        _try(launch, {_DENIED} | THROTTLED)

    def allows(self, right: Right) -> bool:
        answer = self._api.ask(kube_records.REVIEWS, kube_records.review(right))
        with understood("our rights"):
            return flag(answer["status"]["allowed"])

    def kinds(self, wanted: Sequence[str]) -> Kinds:
        return discovery.kinds(self._api, wanted, lambda: self._clock.pause(self._clock.now() + _PAUSE))

    def absent(self, namespaces: Sequence[str]) -> tuple[str, ...]:
        return tuple(name for name in namespaces if self._api.get(f"/api/v1/namespaces/{quote(name)}") is None)

    def autoscalers(self) -> tuple[Autoscaler, ...]:
        found, _ = self._api.collect("/apis/apps/v1/deployments")
        return tuple(filter(None, each("Deployments", found, _lookalike)))

    def own_pod(self) -> tuple[str, str] | None:
        return own_pod(SERVICE_ACCOUNT, os.environ, self._api.authority)


def _lookalike(raw: Mapping[str, Any]) -> Autoscaler | None:
    one = raw["metadata"]
    return Autoscaler(text(one["namespace"]), text(one["name"])) if kube_records.is_autoscaler(raw) else None


def _try(operation: Callable[..., Any], told: Container[str] | None = None) -> None:
    """Send a DryRun; raise the answer if its code is among `told`, by default any answer but success."""
    with translated(mutating=False):
        try:
            operation(DryRun=True)
        except ClientError as error:
            code = code_of(error)
            if code != _WOULD_SUCCEED and (told is None or code in told):
                raise


def own_pod(folder: Path, environment: Mapping[str, str], authority: bytes) -> tuple[str, str] | None:
    """Return namespace and name of our pod, None where we are in none of the cluster with this authority.

    Namesakes in other clusters are told by who signs for the API server: each cluster has an authority of its own.
    """
    try:
        namespace = (folder / "namespace").read_text(encoding="utf-8").strip()
        ours = (folder / "ca.crt").read_bytes()
    except OSError:
        return None
    name = environment.get("HOSTNAME", "")
    return (namespace, name) if name and ours.strip() == authority.strip() else None
