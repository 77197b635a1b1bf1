"""KMS: keys shown, grants made, shown and revoked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eks_simulator.seeded import uid

if TYPE_CHECKING:
    from collections.abc import Callable

    from eks_simulator.aws.call import Call
    from eks_simulator.cloud.keys import Grant


def describe_key(call: Call) -> dict[str, Any]:
    """DescribeKey."""
    key = call.cloud.keys.find(call["KeyId"])
    shown = {
        "AWSAccountId": call.cloud.account,
        "KeyId": key.arn.rpartition("/")[2],
        "Arn": key.arn,
        "CreationDate": key.created,
        "Enabled": key.state == "Enabled",
        "KeyUsage": "ENCRYPT_DECRYPT",
        "KeyState": key.state,
        "Origin": "AWS_KMS",
        "KeyManager": "AWS" if key.managed else "CUSTOMER",
    }
    return {"KeyMetadata": shown}


def create_grant(call: Call) -> dict[str, Any]:
    """CreateGrant."""
    key = call.cloud.keys.find(call["KeyId"])
    grant = call.cloud.keys.grant(key, call.get("Name", ""), call["GranteePrincipal"], tuple(call["Operations"]))
    return {"GrantId": grant.id, "GrantToken": uid(call.cloud.seed, "grant-token", grant.id)}


def list_grants(call: Call) -> dict[str, Any]:
    """ListGrants, all in one page."""
    key = call.cloud.keys.find(call["KeyId"])
    return {"Grants": [_grant(call, one) for one in call.cloud.keys.of(key)], "Truncated": False}


def _grant(call: Call, grant: Grant) -> dict[str, Any]:
    return {
        "KeyId": grant.key,
        "GrantId": grant.id,
        "Name": grant.name or None,
        "CreationDate": grant.created,
        "GranteePrincipal": grant.grantee,
        "IssuingAccount": f"arn:aws:iam::{call.cloud.account}:root",
        "Operations": list(grant.operations),
    }


def revoke_grant(call: Call) -> dict[str, Any]:
    """RevokeGrant."""
    call.cloud.keys.revoke(call.cloud.keys.find(call["KeyId"]), call["GrantId"])
    return {}


OPERATIONS: dict[str, Callable[[Call], dict[str, Any]]] = {
    "CreateGrant": create_grant,
    "DescribeKey": describe_key,
    "ListGrants": list_grants,
    "RevokeGrant": revoke_grant,
}
