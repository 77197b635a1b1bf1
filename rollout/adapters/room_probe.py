"""For what AWS has room: free addresses of subnets, and vCPUs that EC2's quotas allow. Only `rollout plan` asks."""

from __future__ import annotations

from collections import Counter
from functools import cached_property
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from rollout.adapters.aws_errors import code_of, translated
from rollout.adapters.paging import entries

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rollout.adapters.access import Account

# Values that one filter of EC2 takes (user guide, "List and filter").
_VALUES = 200
# What Service Quotas answers where an account has no value of its own (API reference, GetServiceQuota).
_NO_QUOTA = "NoSuchResourceException"


class EdgeRoom:
    """Asks EC2 and Service Quotas of one account and region; its clients are made when they are first used."""

    def __init__(self, account: Account) -> None:
        self._account = account

    @cached_property
    def _ec2(self) -> Any:
        return self._account.reading("ec2")

    @cached_property
    def _quotas(self) -> Any:
        return self._account.reading("service-quotas")

    def addresses(self, subnets: Sequence[str]) -> Mapping[str, int]:
        found = self._filtered("describe_subnets", "Subnets", "subnet-id", subnets)
        return {raw["SubnetId"]: int(raw["AvailableIpAddressCount"]) for raw in found}

    def vcpus(self, types: Sequence[str]) -> Mapping[str, int]:
        found = self._filtered("describe_instance_types", "InstanceTypes", "instance-type", types)
        return {raw["InstanceType"]: int(raw["VCpuInfo"]["DefaultVCpus"]) for raw in found}

    def running(self) -> Mapping[tuple[str, bool], int]:
        states = [{"Name": "instance-state-name", "Values": ["pending", "running"]}]
        with translated(mutating=False):
            found = entries(self._ec2, "describe_instances", "Reservations", Filters=states)
            one_by_one = (one for raw in found for one in raw["Instances"])
            return Counter((one["InstanceType"], one.get("InstanceLifecycle") == "spot") for one in one_by_one)

    def quota(self, code: str) -> float | None:
        with translated(mutating=False):
            try:
                return float(self._quotas.get_service_quota(ServiceCode="ec2", QuotaCode=code)["Quota"]["Value"])
            except ClientError as error:
                if code_of(error) != _NO_QUOTA:
                    raise
                return None

    def _filtered(self, operation: str, key: str, name: str, values: Sequence[str]) -> list[Mapping[str, Any]]:
        """List by a filter: one thing that does not exist fails a call that names it for all."""
        batches = (list(values[start : start + _VALUES]) for start in range(0, len(values), _VALUES))
        with translated(mutating=False):
            return [
                raw
                for batch in batches
                for raw in entries(self._ec2, operation, key, Filters=[{"Name": name, "Values": batch}])
            ]
