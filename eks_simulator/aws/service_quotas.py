"""Service Quotas: how many vCPUs of a kind the account may run. They are shown, and no launch is refused for one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from eks_simulator.cloud.errors import AwsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from eks_simulator.aws.call import Call

#: The quotas of EC2 that are known, by code (Amazon EC2 user guide, "Amazon EC2 service quotas").
NAMES: Final = {
    "L-1216C47A": "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances",
    "L-34B43A08": "All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests",
}


def get_service_quota(call: Call) -> dict[str, Any]:
    """GetServiceQuota, of EC2's vCPUs."""
    code = call["QuotaCode"]
    value = call.cloud.vcpus.get(code)
    if call["ServiceCode"] != "ec2" or value is None:
        raise AwsError(
            "NoSuchResourceException", "The request failed because the specified service quota does not exist."
        )
    return {
        "Quota": {
            "ServiceCode": "ec2",
            "ServiceName": "Amazon Elastic Compute Cloud (Amazon EC2)",
            "QuotaArn": f"arn:aws:servicequotas:{call.cloud.region}:{call.cloud.account}:ec2/{code}",
            "QuotaCode": code,
            "QuotaName": NAMES.get(code, code),
            "Value": value,
            "Unit": "None",
            "Adjustable": True,
            "GlobalQuota": False,
        }
    }


OPERATIONS: dict[str, Callable[[Call], dict[str, Any]]] = {"GetServiceQuota": get_service_quota}
