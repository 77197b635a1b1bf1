"""Instance refreshes: one by one, every instance that is older than the refresh is ended and replaced.

Held back by suspending InstanceRefresh, Launch or Terminate. The protected are waited for, which is the default of
ScaleInProtectedInstances. Source: Amazon EC2 Auto Scaling user guide, "How an instance refresh works"; API reference,
RefreshPreferences. Not simulated: batches by healthy percentage, warm-up, skip matching, rollback, failing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eks_simulator.cloud import activities as words
from eks_simulator.cloud.errors import AwsError
from eks_simulator.cloud.model import Refresh
from eks_simulator.seeded import uid

if TYPE_CHECKING:
    from eks_simulator.cloud.account import Account
    from eks_simulator.cloud.instances import Lives
    from eks_simulator.cloud.model import Group, Instance

HELD_BY = frozenset({"InstanceRefresh", "Launch", "Terminate"})


class Refreshes:
    """Begins, steps and cancels the refreshes of all groups."""

    def __init__(self, account: Account, lives: Lives) -> None:
        self._account = account
        self._lives = lives

    def start(self, group: Group) -> Refresh:
        """StartInstanceRefresh; `AwsError` (InstanceRefreshInProgress) while one is under way."""
        if active(group):
            raise AwsError("InstanceRefreshInProgress", "An Instance Refresh is already in progress and blocks this.")
        now = self._account.clock.now
        refresh = Refresh(uid(self._account.seed, "refresh", group.name, len(group.refreshes)), now, len(group.living))
        group.refreshes.append(refresh)
        self._log(group, None, "InProgress")
        self._account.looks.wake(group)
        return refresh

    def cancel(self, group: Group) -> Refresh:
        """CancelInstanceRefresh; `AwsError` (ActiveInstanceRefreshNotFound) where none is under way."""
        refresh = active(group)
        if refresh is None:
            raise AwsError("ActiveInstanceRefreshNotFound", "No in progress or pending Instance Refresh found.")
        self._finish(group, refresh, "Cancelled")
        return refresh

    def step(self, group: Group) -> bool:
        """Go on with the group's refresh, if it has one and its instances are settled; True if one is ended by it."""
        refresh = active(group)
        settled = all(one.lifecycle == "InService" for one in group.living)
        if refresh is None or not settled or group.suspended.keys() & HELD_BY:
            return False
        outdated = [one for one in group.living if one.launched <= refresh.started]
        total = max(len(group.living), 1)
        refresh.left, refresh.percentage = len(outdated), 100 * (total - len(outdated)) // total
        if not outdated:
            self._finish(group, refresh, "Successful")
        return self._replace_one(outdated)

    def _replace_one(self, outdated: list[Instance]) -> bool:
        victim = next((one for one in outdated if not one.spared), None)
        if victim is None:
            return False
        self._lives.terminate(victim, words.refreshed(self._account.clock.now))
        return True

    def _finish(self, group: Group, refresh: Refresh, status: str) -> None:
        refresh.status = "Successful" if status == "Successful" else "Cancelled"
        refresh.ended = self._account.clock.now
        self._log(group, "InProgress", status)

    def _log(self, group: Group, before: str | None, after: str) -> None:
        self._account.log.applied(group.object, "InstanceRefresh", before, after)


def active(group: Group) -> Refresh | None:
    """Return the group's refresh that is under way."""
    return next((one for one in group.refreshes if one.status == "InProgress"), None)
