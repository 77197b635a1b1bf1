"""The account's KMS keys, as far as snapshots need them: what they are, and to whom their use is granted.

Key policies are not simulated: the account may do everything with its own keys. Source: KMS API reference, CreateGrant.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

from eks_simulator.cloud.errors import AwsError
from eks_simulator.seeded import uid

if TYPE_CHECKING:
    from eks_simulator.clock import VirtualClock
    from eks_simulator.log import ChangeLog

#: The key that EBS makes for itself in each account, and that nobody else can use.
EBS = "aws/ebs"


@dataclass(frozen=True, slots=True)
class Key:
    """A key by its ARN. `alias`: what people call it."""

    arn: str
    alias: str
    state: str = "Enabled"
    created: float = 0.0

    @property
    def managed(self) -> bool:
        """Whether AWS made it and keeps it."""
        return self.alias.startswith("aws/")


@dataclass(frozen=True, slots=True)
class Grant:
    """The use of a key, given to a principal."""

    id: str
    key: str
    name: str
    grantee: str
    operations: tuple[str, ...]
    created: float


class Keys:
    """All keys by ARN, and their grants by id."""

    def __init__(self, clock: VirtualClock, log: ChangeLog, seed: int, place: str) -> None:
        """`place`: region and account, as an ARN has them."""
        self._clock, self._log, self._seed, self._place = clock, log, seed, place
        self._all: dict[str, Key] = {}
        self._made = 0
        self.grants: dict[str, Grant] = {}

    def copied(self) -> Keys:
        """Return the same keys, with a copy of what can change."""
        copied = copy.copy(self)
        copied.grants = dict(self.grants)
        return copied

    def __getitem__(self, arn: str) -> Key:
        return self._all[arn]

    def called(self, alias: str, state: str = "Enabled") -> Key:
        """Return the key of that alias, made if there is none."""
        arn = f"arn:aws:kms:{self._place}:key/{uid(self._seed, 'key', alias)}"
        return self._all.setdefault(arn, Key(arn, alias, state, self._clock.now))

    def find(self, name: str) -> Key:
        """Return the key of that ARN or id; `AwsError` where there is none."""
        for key in self._all.values():
            if name in {key.arn, key.arn.rpartition("/")[2]}:
                return key
        raise AwsError("NotFoundException", f"Key '{name}' does not exist")

    def grant(self, key: Key, name: str, grantee: str, operations: tuple[str, ...]) -> Grant:
        """Give the use of a key away; the same again, by the same name, is the same grant."""
        if key.managed:
            raise AwsError("AccessDeniedException", f"{key.arn} is managed by AWS: no grant of it can be made")
        wanted = (key.arn, name, grantee, operations)
        for known in self.grants.values():
            if name and wanted == (known.key, known.name, known.grantee, known.operations):
                return known
        self._made += 1
        made = Grant(uid(self._seed, "grant", self._made).replace("-", ""), *wanted, created=self._clock.now)
        self.grants[made.id] = made
        self._log.applied(f"grant/{made.id}", "grantee", None, grantee)
        return made

    def of(self, key: Key) -> list[Grant]:
        """Return the grants of a key."""
        return [one for one in self.grants.values() if one.key == key.arn]

    def revoke(self, key: Key, grant_id: str) -> None:
        """Take a grant back; `AwsError` where there is none."""
        if grant_id not in {one.id for one in self.of(key)}:
            raise AwsError("NotFoundException", f"Grant ID {grant_id} not found")
        gone = self.grants.pop(grant_id)
        self._log.applied(f"grant/{gone.id}", "grantee", gone.grantee, None)
