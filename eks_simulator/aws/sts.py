"""STS: who am I, and temporary credentials of a role.

Credentials expire in REAL time, because the SDK that holds them reads the machine's clock. Keys that were never issued
here belong to one IAM user of the account, so any dummy credentials will do.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from eks_simulator.cloud.errors import AwsError, invalid
from eks_simulator.seeded import uid

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from eks_simulator.aws.call import Call

#: Seconds that a session may last; a role that assumes a role gets an hour at most ("role chaining", AssumeRole).
SHORTEST: Final = 900
LONGEST: Final = 12 * 3600
CHAINED: Final = 3600

_ROLE = re.compile(r"arn:aws[\w-]*:iam::(\d{12}):role/(?:[\w+=,.@-]+/)*([\w+=,.@-]+)")


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a request comes from. `expires`: POSIX seconds of the machine's clock, None for a user's lasting key."""

    arn: str
    user_id: str
    account: str
    expires: float | None = None


class Roles:
    """The sessions that were issued, by access key. `wall` tells the real time in POSIX seconds.

    `secrets`: the secret keys, by access key, of the user that everybody without a session is.
    """

    def __init__(
        self,
        account: str,
        seed: int,
        wall: Callable[[], float] = time.time,
        secrets: Mapping[str, str] | None = None,
    ) -> None:
        self._seed = seed
        self._secrets = dict(secrets or {})
        self.wall = wall
        self._user = Identity(f"arn:aws:iam::{account}:user/simulator", "AIDASIMULATORUSER", account)
        self._sessions: dict[str, Identity] = {}

    def who(self, access_key: str) -> Identity:
        """Whose key it is; `AwsError` (ExpiredToken) for a session that is over."""
        identity = self._sessions.get(access_key, self._user)
        if identity.expires is not None and identity.expires <= self.wall():
            raise AwsError("ExpiredToken", "The security token included in the request is expired", 403)
        return identity

    def secret_of(self, access_key: str) -> str | None:
        """Return the secret key that belongs to the access key; None for a key that is not known here."""
        return self._secrets.get(access_key)

    def issue(self, role_arn: str, session: str, seconds: int) -> tuple[Identity, dict[str, Any]]:
        """Return a session of the role and its credentials; `AwsError` for what is no ARN of a role."""
        role = _ROLE.fullmatch(role_arn)
        if role is None:
            raise invalid(f"{role_arn} is invalid")
        account, name = role.groups()
        number = len(self._sessions)
        expires = self.wall() + seconds
        identity = Identity(
            arn=f"arn:aws:sts::{account}:assumed-role/{name}/{session}",
            user_id=f"AROA{self._hex(16, 'role', role_arn)}:{session}",
            account=account,
            expires=expires,
        )
        key = f"ASIA{self._hex(16, 'key', number)}"
        self._sessions[key] = identity
        self._secrets[key] = self._hex(32, "secret", number)
        return identity, {
            "AccessKeyId": key,
            "SecretAccessKey": self._secrets[key],
            "SessionToken": self._hex(32, "token", number),
            "Expiration": expires,
        }

    def _hex(self, length: int, *what: object) -> str:
        return uid(self._seed, "sts", *what).replace("-", "")[:length].upper()


def get_caller_identity(call: Call) -> dict[str, Any]:
    """GetCallerIdentity."""
    return {"Account": call.caller.account, "Arn": call.caller.arn, "UserId": call.caller.user_id}


def assume_role(call: Call) -> dict[str, Any]:
    """AssumeRole: every role exists and trusts everybody."""
    seconds = call.get("DurationSeconds", CHAINED)
    if not SHORTEST <= seconds <= LONGEST:
        raise invalid(f"DurationSeconds must be between {SHORTEST} and {LONGEST}, it is {seconds}.")
    if call.caller.expires is not None and seconds > CHAINED:
        raise invalid(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"
        )
    identity, credentials = call.roles.issue(call["RoleArn"], call["RoleSessionName"], seconds)
    return {
        "Credentials": credentials,
        "AssumedRoleUser": {"AssumedRoleId": identity.user_id, "Arn": identity.arn},
    }


OPERATIONS = {"AssumeRole": assume_role, "GetCallerIdentity": get_caller_identity}
