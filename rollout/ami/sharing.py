"""An AMI shared with other accounts: what that takes, what is there already, and how it is taken back.

An instance in another account needs the launch permission and, where snapshots are encrypted, the use of their key; the
snapshots themselves need not be shared, but to copy the image. AWS shares no key that it manages itself, so that images
under aws/ebs cannot be shared at all. Source: EC2 user guide, "Share an AMI with specific AWS accounts" and "Copy an
AMI"; EBS user guide, "Share an Amazon EBS snapshot"; Auto Scaling user guide, "Required AWS KMS key policy for use with
encrypted volumes".

What is given is given before the image can be launched and taken after it no longer can: keys, snapshots, the image,
and back. Every step is absolute; which of them hold is looked up again each time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rollout.ami.images import Grant, Image, Images, Key, Permissions, Snapshot
from rollout.commands import aws
from rollout.errors import Blocker, Refused

#: What EC2 and Auto Scaling need of a key to launch from encrypted snapshots (the page named last above). CreateGrant,
#: because both go on by grants of their own.
OPERATIONS = (
    "CreateGrant",
    "Decrypt",
    "DescribeKey",
    "Encrypt",
    "GenerateDataKey",
    "GenerateDataKeyWithoutPlaintext",
    "ReEncryptFrom",
    "ReEncryptTo",
)


@dataclass(frozen=True, slots=True)
class Looked:
    """What was seen of an image. `permissions`: of the image and its snapshots; `keys`, `grants`: by the key's ARN.

    `sharing_images`: the other images that are made of its snapshots, each with who may launch it (None: not known).
    """

    image: Image
    snapshots: tuple[Snapshot, ...]
    permissions: Mapping[str, Permissions]
    keys: Mapping[str, Key]
    grants: Mapping[str, tuple[Grant, ...]]
    sharing_images: tuple[tuple[Image, Permissions | None], ...] = ()

    @property
    def lendable(self) -> tuple[Key, ...]:
        """Return the keys of its snapshots that are not AWS's own."""
        return tuple(key for key in self.keys.values() if not key.managed)

    def otherwise_shared(self, snapshot: str, account: str) -> str:
        """Return the id of another image that has a snapshot and is shared with an account, or may be; "" for none."""
        return next(
            (image.id for image, who in self.sharing_images if snapshot in image.snapshots and _may(who, account)), ""
        )


@dataclass(frozen=True, slots=True)
class Permit:
    """An account may use an image or snapshot, or no longer."""

    thing: str
    account: str
    allowed: bool

    def holds(self, looked: Looked) -> bool:
        """Tell whether that is so already."""
        return (self.account in looked.permissions[self.thing].accounts) is self.allowed

    def send(self, images: Images, _looked: Looked) -> None:
        """Make it so."""
        images.permit(self.thing, self.account, allowed=self.allowed)

    def __str__(self) -> str:
        return f"{self.thing}: {'shared' if self.allowed else 'not shared'} with {self.account}"


@dataclass(frozen=True, slots=True)
class KeyGrant:
    """An account has our grant of a key for an image, or no longer. One grant for each image: each ends by itself."""

    key: str
    ami: str
    account: str
    allowed: bool

    @property
    def name(self) -> str:
        """Return what the grant is called; by it we know which grants are ours."""
        return f"eks-rollout/{self.ami}/{self.account}"

    def holds(self, looked: Looked) -> bool:
        """Tell whether that is so already."""
        return any(one.name == self.name for one in looked.grants[self.key]) is self.allowed

    def send(self, images: Images, looked: Looked) -> None:
        """Make it so."""
        if self.allowed:
            images.grant(self.key, self.name, f"arn:{_partition(self.key)}:iam::{self.account}:root", OPERATIONS)
            return
        for grant in looked.grants[self.key]:
            if grant.name == self.name:
                images.revoke(self.key, grant.id)

    def __str__(self) -> str:
        return f"{self.key}: {'grant' if self.allowed else 'no grant'} {self.name}"


ShareAction = Permit | KeyGrant


def look(images: Images, image: Image, *, keys: bool = True, grants: bool) -> Looked:
    """Return what there is to know of an image before it is shared or taken back.

    `keys`, `grants`: those of its snapshots too, and the grants of these keys.
    """
    snapshots = images.snapshots(image.snapshots)
    things = (image.id, *(one.id for one in snapshots))
    found = {one.key: images.key(one.key) for one in snapshots if keys and one.key}
    lendable = [arn for arn, key in found.items() if grants and not key.managed]
    closed = {} if image.available else {image.id: Permissions()}
    return Looked(
        image,
        snapshots,
        {thing: images.permissions(thing) for thing in things if thing not in closed} | closed,
        found,
        {arn: images.grants(arn) for arn in lendable},
    )


def sharing_images(images: Images, image: Image) -> tuple[tuple[Image, Permissions | None], ...]:
    """Return the other images of this account that are made of the same snapshots, and who may launch each."""
    shared = [one for one in images.named("") if one.id != image.id and set(one.snapshots) & set(image.snapshots)]
    return tuple((one, _launchers(images, one)) for one in shared if one.available)


def _launchers(images: Images, image: Image) -> Permissions | None:
    try:
        return images.permissions(image.id)
    except Refused:
        return None


def _may(who: Permissions | None, account: str) -> bool:
    return who is None or account in who.accounts or bool(who.others)


def to_share(looked: Looked, accounts: Sequence[str], *, grants: bool, snapshots: bool) -> tuple[ShareAction, ...]:
    """Return the steps after which the accounts can launch the image, in the order in which they are sent.

    `snapshots`: they can copy it, too.
    """
    keys = looked.keys if grants else ()
    parts = looked.snapshots if snapshots else ()
    return (
        *(KeyGrant(key, looked.image.id, account, allowed=True) for key in keys for account in accounts),
        *(Permit(one.id, account, allowed=True) for one in parts for account in accounts),
        *(Permit(looked.image.id, account, allowed=True) for account in accounts),
    )


def to_take_back(looked: Looked, accounts: Sequence[str]) -> tuple[ShareAction, ...]:
    """Return the steps after which the accounts can launch the image no longer, the image first."""
    pairs = [(one.id, account) for one in looked.snapshots for account in accounts]
    return (
        *(Permit(looked.image.id, account, allowed=False) for account in accounts),
        *(Permit(one, account, allowed=False) for one, account in pairs if not looked.otherwise_shared(one, account)),
    )


def still_lent(looked: Looked, accounts: Sequence[str]) -> tuple[str, ...]:
    """Return which snapshots stay shared, because another image is made of them and shared as well."""
    return tuple(
        f"{one.id}: stays shared with {account}, which may launch {other} by it"
        for one in looked.snapshots
        for account in accounts
        if account in looked.permissions[one.id].accounts and (other := looked.otherwise_shared(one.id, account))
    )


def to_revoke(looked: Looked, accounts: Sequence[str]) -> tuple[ShareAction, ...]:
    """Return the steps after which no grant of ours for the image is left to the accounts."""
    return tuple(
        KeyGrant(key, looked.image.id, account, allowed=False) for key in looked.grants for account in accounts
    )


def blockers(looked: Looked, accounts: Sequence[str], ours: str) -> tuple[Blocker, ...]:
    """Return all reasons why an image cannot be shared; `ours`: the account that we are in."""
    return (*not_ours(looked.image, accounts, ours), *_unfit(looked.image), *_missing(looked), *_keys(looked))


def not_ours(image: Image, accounts: Sequence[str], ours: str) -> tuple[Blocker, ...]:
    """Return why it is not for us to share an image, or to take it back."""
    found = []
    if image.owner != ours:
        problem = f"{image.id} belongs to account {image.owner}, these credentials to {ours}"
        found.append(Blocker(problem, f"set AWS_PROFILE or --assume-role to an identity of {image.owner}"))
    if image.owner in accounts:
        found.append(Blocker(f"account {image.owner} owns {image.id}: it has it already", "name another --account"))
    return tuple(found)


def _unfit(image: Image) -> tuple[Blocker, ...]:
    if image.available:
        return ()
    return (Blocker(f"{image.id} is {image.state}, not available", f"rollout ami verify {image.id}"),)


def _missing(looked: Looked) -> tuple[Blocker, ...]:
    there = {one.id for one in looked.snapshots}
    return tuple(
        Blocker(f"{looked.image.id} is made of {one}, which is not in this account", "build the image again")
        for one in looked.image.snapshots
        if one not in there
    )


def _keys(looked: Looked) -> tuple[Blocker, ...]:
    managed = [one for one in looked.snapshots if one.key and looked.keys[one.key].managed]
    unusable = [key for key in looked.lendable if key.state != "Enabled"]
    return (
        *(_managed(looked.image, one) for one in managed),
        *(Blocker(f"{key.arn} is {key.state}", aws("kms", "enable-key", "--key-id", key.arn)) for key in unusable),
    )


def _managed(image: Image, snapshot: Snapshot) -> Blocker:
    region = (snapshot.key or "").split(":")[3]
    copy = ("--region", region, "--source-region", region, "--source-image-id", image.id, "--name", "NAME")
    command = aws("ec2", "copy-image", *copy, "--encrypted", "--kms-key-id", "KEY")
    return Blocker(
        f"{snapshot.id} is encrypted under a key that AWS manages ({snapshot.key}, usually aws/ebs), "
        "whose use cannot be given to another account",
        f"encrypt it under a key of your own: rollout ami build --var kms_key_id=KEY, or share a copy: {command}",
    )


def advice(looked: Looked, accounts: Sequence[str], *, grants: bool) -> tuple[str, ...]:
    """Return what others have to do before instances launch from a shared image under keys of ours."""
    pairs = [(key.arn, account) for key in looked.lendable for account in accounts]
    policies = (
        f"the snapshots are encrypted: account {account} can launch only if the policy of {key} lets it "
        f"{', '.join(f'kms:{one}' for one in OPERATIONS)}, or with --kms-grant"
        for key, account in pairs
        if not grants
    )
    return (*policies, *(_for_scaling(key, account) for key, account in pairs))


def _for_scaling(key: str, account: str) -> str:
    whose = ("--region", key.split(":")[3], "--key-id", key, "--grantee-principal", _scaling(key, account))
    command = aws("kms", "create-grant", *whose, "--operations", *OPERATIONS)
    return f"next, with credentials of account {account}, so that its Auto Scaling groups may use the key:\n  {command}"


def left_behind(looked: Looked, accounts: Sequence[str]) -> tuple[str, ...]:
    """Return what else lets the accounts use the keys: grants that are not ours stay."""
    ours = {
        KeyGrant(key, looked.image.id, account, allowed=False).name for key in looked.grants for account in accounts
    }
    return tuple(
        f'grant {one.id} ("{one.name}") of {key} to {one.grantee} was not made by `rollout ami share` for this '
        "image and is left in place. "
        f"If nobody needs it: {aws('kms', 'revoke-grant', '--key-id', key, '--grant-id', one.id)}"
        for key, found in looked.grants.items()
        for one in found
        if one.name not in ours and any(f"::{account}:" in one.grantee for account in accounts)
    )


def _scaling(key: str, account: str) -> str:
    """Return the service-linked role in which Auto Scaling launches instances, in that account."""
    role = "aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"
    return f"arn:{_partition(key)}:iam::{account}:role/{role}"


def _partition(arn: str) -> str:
    return arn.split(":")[1]
