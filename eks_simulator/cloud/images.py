"""The account's images and snapshots as their owner changes them: shared with other accounts, deregistered, deleted.

Source: EC2 API reference, ModifyImageAttribute, ModifySnapshotAttribute, DeregisterImage, DeleteSnapshot; EBS user
guide, "Share an Amazon EBS snapshot".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eks_simulator.cloud.errors import AwsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eks_simulator.cloud.account import Account
    from eks_simulator.cloud.model import Image, Snapshot


class Images:
    """Who may use what is the account's own; `permits`: account ids by the id of an image or snapshot.

    `binned`: the images in the Recycle Bin.
    """

    def __init__(self, account: Account) -> None:
        self._account = account
        self.permits: dict[str, tuple[str, ...]] = {}
        self.binned: dict[str, Image] = {}

    def copied(self, account: Account) -> Images:
        """Return the same permissions, for a copy of the account."""
        copied = Images(account)
        copied.permits = dict(self.permits)
        copied.binned = dict(self.binned)
        return copied

    def image(self, image_id: str) -> Image:
        """Return an image of the account's own; `AwsError` where there is none."""
        image = self._account.images.get(image_id)
        if image is None:
            raise AwsError("InvalidAMIID.NotFound", f"The image id '[{image_id}]' does not exist")
        if image.owner:
            raise AwsError("AuthFailure", f"Not authorized for image: {image_id}", 403)
        return image

    def snapshot(self, snapshot_id: str) -> Snapshot:
        """Return a snapshot of the account's own; `AwsError` where there is none."""
        snapshot = self._account.snapshots.get(snapshot_id)
        if snapshot is None or snapshot.owner:
            raise AwsError("InvalidSnapshot.NotFound", f"The snapshot '{snapshot_id}' does not exist.")
        return snapshot

    def permit_image(self, image: Image, accounts: Sequence[str], *, allowed: bool) -> None:
        """Let accounts launch the image, or no longer."""
        if image.state != "available":
            raise AwsError("InvalidAMIID.Unavailable", f"The image ID '{image.id}' is no longer available")
        snapshot = self._account.snapshots.get(image.snapshot)
        if snapshot and allowed:
            self._lendable(snapshot)
        self._permit(image.id, accounts, allowed=allowed)

    def permit_snapshot(self, snapshot: Snapshot, accounts: Sequence[str], *, allowed: bool) -> None:
        """Let accounts make volumes of the snapshot, or no longer."""
        if allowed:
            self._lendable(snapshot)
        self._permit(snapshot.id, accounts, allowed=allowed)

    def _lendable(self, snapshot: Snapshot) -> None:
        if snapshot.key and self._account.keys[snapshot.key].managed:
            raise AwsError(
                "InvalidParameter", f"Snapshot {snapshot.id}, encrypted with EBS default key, can't be shared"
            )

    def _permit(self, thing: str, accounts: Sequence[str], *, allowed: bool) -> None:
        before = self.permits.get(thing, ())
        kept = tuple(one for one in before if one not in accounts)
        self.permits[thing] = (*kept, *accounts) if allowed else kept
        self._account.log.applied(f"permission/{thing}", "accounts", sorted(before), sorted(self.permits[thing]))

    def deregister(self, image: Image) -> None:
        """Take the image away; its snapshot stays, and what was launched from it runs on."""
        if image.protected:
            raise AwsError("OperationNotPermitted", f"The image {image.id} has deregistration protection enabled.")
        if image.retained:
            self.binned[image.id] = image
        del self._account.images[image.id]
        self._account.log.applied(f"image/{image.id}", "state", image.state, "deregistered")

    def delete_snapshot(self, snapshot: Snapshot) -> None:
        """Take the snapshot away; `AwsError` while an image is made of it."""
        for image in self._account.images.values():
            if image.snapshot == snapshot.id:
                text = f"The snapshot {snapshot.id} is currently in use by {image.id}"
                raise AwsError("InvalidSnapshot.InUse", text)
        del self._account.snapshots[snapshot.id]
        self._account.log.applied(f"snapshot/{snapshot.id}", "state", snapshot.state, "deleted")
