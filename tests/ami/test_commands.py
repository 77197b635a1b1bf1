from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollout.ami.images import Permissions
from rollout.cli.commands.ami import options
from tests.adapters.living import Living, living
from tests.ami.shelves import OTHER, OURS, SCENARIO, Shelf, shelf_of
from tests.cli.run import Result, rollout
from tests.packer.recorded import REGION

THIRD = "333333333333"


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for what AWS does not show yet."""
    monkeypatch.setattr(options, "pause", lambda: None)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Living]:
    """A simulator with images under both kinds of keys, which moto has not."""
    with living(tmp_path_factory.mktemp("world"), SCENARIO) as found:
        yield found


@pytest.fixture
def world(running: Living) -> Iterator[Living]:
    """The module's simulator; what is shared and granted does not outlive a test, nor does a fault."""
    yield running
    cloud = running.simulator.world.cloud
    running.do(cloud.shelf.permits.clear)
    running.do(cloud.keys.grants.clear)
    running.mend()


@pytest.fixture
def simulated(world: Living) -> Shelf:
    return shelf_of(world)


def ami(shelf: Shelf, *arguments: str, cwd: Path, **environment: str) -> Result:
    """Run `rollout ami` on an account."""
    return rollout("ami", *arguments, cwd=cwd, **{**shelf.environment, **environment})


def manifest(folder: Path, ami: str, region: str = REGION) -> str:
    """Write what Packer writes; return where."""
    build = {"packer_run_uuid": "run", "artifact_id": f"{region}:{ami}"}
    (folder / "manifest.json").write_text(json.dumps({"builds": [build], "last_run_uuid": "run"}))
    return "manifest.json"


def asked_for(world: Living) -> int:
    """How many changes somebody asked for; the world goes on by itself."""
    return sum(change.actor != "world" for change in world.simulator.world.log.changes)


# ---- verify


def test_an_image_is_verified(shelf: Shelf, tmp_path: Path) -> None:
    """By its id, or by what Packer wrote; one line says what it is."""
    expected = ["--min-root-size", "5", "--unencrypted", "--tag", "branch=main", "--tag", "branch"]
    if shelf.kind != "moto":  # whose image of an instance of a registered image has no architecture
        expected += ["--architecture", "x86_64"]
    ended = ami(shelf, "verify", shelf.old, *expected, cwd=tmp_path)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith(f"{shelf.old} (eks-model-1) is as expected: available, ")
    written = manifest(tmp_path, shelf.old)
    assert ami(shelf, "verify", "--from", written, cwd=tmp_path).out == ended.out


def test_all_that_is_wrong_is_said_at_once(shelf: Shelf, tmp_path: Path) -> None:
    """With exit code 1: a person must act."""
    wanted = ("--architecture", "arm64", "--min-root-size", "999", "--encrypted", "--tag", "model", "--max-age", "0s")
    ended = ami(shelf, "verify", shelf.old, *wanted, cwd=tmp_path)
    assert (ended.code, ended.out) == (1, "")
    first, *complaints, advice = ended.err.splitlines()
    assert advice == "  next: ask for less, or build one that is: rollout ami build"
    assert first == f"rollout: {shelf.old} (eks-model-1) is not as expected:"
    assert len(complaints) == 5


def test_tags_of_an_image_of_another_account_are_not_asked_for_in_vain(simulated: Shelf, tmp_path: Path) -> None:
    """EC2 shows tags to their owner alone: the cluster's account looks as if the AMI had none."""
    theirs = ("--assume-role", f"arn:aws:iam::{OTHER}:role/cluster")
    assert ami(simulated, "share", simulated.old, "--account", OTHER, cwd=tmp_path).code == 0
    ended = ami(simulated, "verify", simulated.old, "--tag", "nothing", *theirs, cwd=tmp_path)
    assert (ended.code, ended.out) == (1, "")
    assert f"AWS shows tags to the owner alone: ask for them with credentials of account {OURS}" in ended.err


def test_without_credentials_it_is_said_where_to_look(simulated: Shelf, tmp_path: Path) -> None:
    """The reason may be that nobody logged in, not that a right is missing."""
    nobody = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_EC2_METADATA_DISABLED": "true"}
    ended = ami(simulated, "verify", simulated.old, cwd=tmp_path, HOME=str(tmp_path), **nobody)
    assert (ended.code, ended.out) == (2, "")
    assert "NoCredentialsError" in ended.err
    assert "next: check credentials, profile and region (aws sts get-caller-identity)" in ended.err


def test_an_image_that_is_not_there_is_exit_1(shelf: Shelf, tmp_path: Path) -> None:
    """The message names region and account, which are usually what is wrong."""
    ended = ami(shelf, "verify", "ami-0123456789abcdef0", cwd=tmp_path)
    assert ended.code == 1
    assert f"does not exist in {REGION}, or account {OURS} may not see it" in ended.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "no AMI is given"),
        (("ami-00000001", "--from", "manifest.json"), "an AMI is given twice: ami-00000001, and --from manifest.json"),
        (("--from", "nowhere.json"), "there is no manifest of Packer's at nowhere.json"),
        (("--from", "."), ". cannot be read"),
        (("ami-00000001", "--tag", "=main"), '--tag: "=main" names no tag'),
        (("ami-00000001", "--assume-role", "sharing"), "--assume-role: "),
        (("ami-00000001", "--max-age", "30"), '--max-age: "30" is no duration'),
    ],
)
def test_wrong_usage_is_exit_2(simulated: Shelf, tmp_path: Path, arguments: tuple[str, ...], told: str) -> None:
    """With what to type instead."""
    ended = ami(simulated, "verify", *arguments, cwd=tmp_path)
    assert (ended.code, ended.out) == (2, "")
    assert told in ended.err
    assert "\n  next: " in ended.err


def test_a_region_is_needed_and_found_where_aws_finds_it(simulated: Shelf, tmp_path: Path) -> None:
    """An option, AWS_REGION, AWS_DEFAULT_REGION or the profile's."""
    nowhere = {"AWS_REGION": ""}
    ended = ami(simulated, "verify", simulated.old, cwd=tmp_path, **nowhere)
    assert (ended.code, ended.err.splitlines()[0]) == (2, "rollout: no AWS region is given")
    assert ami(simulated, "verify", simulated.old, "--region", REGION, cwd=tmp_path, **nowhere).code == 0
    (tmp_path / "config").write_text(f"[default]\nregion = {REGION}\n")
    assert ami(simulated, "verify", simulated.old, cwd=tmp_path, **nowhere, AWS_CONFIG_FILE="config").code == 0


def test_a_role_of_another_account_is_assumed(simulated: Shelf, tmp_path: Path) -> None:
    """The images' owner is then judged by that account."""
    role = f"arn:aws:iam::{OTHER}:role/sharing"
    ended = ami(simulated, "share", simulated.old, "--account", THIRD, "--assume-role", role, cwd=tmp_path)
    assert ended.code == 2
    assert f"{simulated.old} belongs to account {OURS}, these credentials to {OTHER}" in ended.err


# ---- share


def permissions(shelf: Shelf, ami: str) -> set[Permissions]:
    """Who may use an image and its snapshots."""
    image = shelf.images.image(ami)
    assert image is not None
    return {shelf.images.permissions(thing) for thing in (ami, *image.snapshots)}


def test_an_image_is_shared_once_and_taken_back(shelf: Shelf, tmp_path: Path) -> None:
    """Again, both change nothing and say so; an account that was not asked for keeps what it has."""
    ended = ami(shelf, "share", shelf.old, "--account", OTHER, "--account", THIRD, "--snapshots", cwd=tmp_path)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.count(": asked") == 4
    assert ended.out.endswith("all of it is seen on AWS\n")
    written = manifest(tmp_path, shelf.old)
    again = ami(shelf, "share", "--from", written, "--account", OTHER, "--snapshots", cwd=tmp_path)
    assert (again.code, again.out.count(" already"), again.out.count("asked")) == (0, 2, 0)
    assert permissions(shelf, shelf.old) == {Permissions(frozenset({OTHER, THIRD}))}
    assert ami(shelf, "share", shelf.old, "--account", OTHER, "--undo", cwd=tmp_path).code == 0
    assert permissions(shelf, shelf.old) == {Permissions(frozenset({THIRD}))}
    assert ami(shelf, "share", shelf.old, "--account", THIRD, "--undo", cwd=tmp_path).code == 0
    assert permissions(shelf, shelf.old) == {Permissions()}


def test_a_customers_key_is_named_or_granted(simulated: Shelf, tmp_path: Path) -> None:
    """Without --kms-grant it is said who must let the account use the key; with it a grant is made, once."""
    plain = ami(simulated, "share", simulated.new, "--account", OTHER, cwd=tmp_path)
    assert (plain.code, simulated.images.grants(simulated.key)) == (0, ())
    assert f"only if the policy of {simulated.key} lets it kms:CreateGrant" in plain.out
    for _ in range(2):
        granted = ami(simulated, "share", simulated.new, "--account", OTHER, "--kms-grant", cwd=tmp_path)
        assert granted.code == 0
        assert f"aws kms create-grant --region {REGION} --key-id {simulated.key}" in granted.out
    (made,) = simulated.images.grants(simulated.key)
    assert (made.name, made.grantee) == (f"eks-rollout/{simulated.new}/{OTHER}", f"arn:aws:iam::{OTHER}:root")


def test_undo_revokes_our_grants_only(simulated: Shelf, tmp_path: Path) -> None:
    """What the account made of it for itself is named, with the command that ends it."""
    theirs = f"arn:aws:iam::{OTHER}:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"
    ami(simulated, "share", simulated.new, "--account", OTHER, "--kms-grant", cwd=tmp_path)
    simulated.images.grant(simulated.key, "scaling", theirs, ["Decrypt"])
    undone = ami(simulated, "share", simulated.new, "--account", OTHER, "--undo", cwd=tmp_path)
    assert undone.code == 0
    assert [one.grantee for one in simulated.images.grants(simulated.key)] == [theirs]
    assert "aws kms revoke-grant" in undone.out
    assert permissions(simulated, simulated.new) == {Permissions()}


@pytest.mark.parametrize("operation", ["DescribeKey", "ListGrants"])
def test_undo_closes_the_image_whatever_its_key_says(
    simulated: Shelf, world: Living, tmp_path: Path, operation: str
) -> None:
    """A key that is gone, or that we may not look at, is told of, after nobody can launch the image any more."""
    ami(simulated, "share", simulated.new, "--account", OTHER, "--kms-grant", cwd=tmp_path)
    world.fault({"error": {"status": 400, "code": "AccessDeniedException"}}, operation=operation)
    undone = ami(simulated, "share", simulated.new, "--account", OTHER, "--undo", cwd=tmp_path)
    assert (undone.code, f"{operation}: AccessDeniedException" in undone.err) == (2, True)
    world.mend()
    assert permissions(simulated, simulated.new) == {Permissions()}
    assert ami(simulated, "share", simulated.new, "--account", OTHER, "--undo", cwd=tmp_path).code == 0
    assert simulated.images.grants(simulated.key) == ()


def test_aws_own_key_is_refused_with_the_way_out(simulated: Shelf, world: Living, tmp_path: Path) -> None:
    """Nothing is sent: AWS would refuse the snapshot after the image was shared already."""
    changes = asked_for(world)
    default = world.simulator.scenario.images[3].id
    ended = ami(simulated, "share", default, "--account", OTHER, "--kms-grant", cwd=tmp_path)
    assert ended.code == 2
    assert f"snap-{default[4:]} is encrypted under a key that AWS manages ({simulated.managed}" in ended.err
    assert f"aws ec2 copy-image --region {REGION} --source-region {REGION} --source-image-id {default}" in ended.err
    assert asked_for(world) == changes


@pytest.mark.parametrize("account", ["1234", "12345678901a"])
def test_an_account_has_twelve_digits(simulated: Shelf, tmp_path: Path, account: str) -> None:
    """Anything else is refused before AWS is asked."""
    ended = ami(simulated, "share", simulated.old, "--account", account, cwd=tmp_path)
    assert (ended.code, "twelve digits" in ended.err) == (2, True)


def test_a_lost_answer_is_exit_75_and_the_same_command_goes_on(simulated: Shelf, world: Living, tmp_path: Path) -> None:
    """It may have been applied; the next run looks first, and sends only what is missing."""
    world.fault({"drop": {"when": "after"}}, operation="ModifySnapshotAttribute")
    ended = ami(simulated, "share", simulated.old, "--account", OTHER, "--snapshots", cwd=tmp_path)
    assert ended.code == 75
    assert "which may have been made" in ended.err
    world.mend()
    again = ami(simulated, "share", simulated.old, "--account", OTHER, "--snapshots", cwd=tmp_path)
    assert (again.code, again.out.count(" already"), again.out.count(": asked")) == (0, 1, 1)


def test_what_aws_does_not_show_in_time_is_exit_75(simulated: Shelf, world: Living, tmp_path: Path) -> None:
    """Done means seen."""
    world.do(lambda: world.simulator.past.keep(3600))
    world.fault({"stale": {"seconds": 3600}}, service="ec2", operation="DescribeImageAttribute")
    ended = ami(simulated, "share", simulated.old, "--account", OTHER, cwd=tmp_path)
    assert ended.code == 75
    assert ended.err.splitlines()[1] == f"  {simulated.old}: shared with {OTHER}"
    world.mend()
    assert " already" in ami(simulated, "share", simulated.old, "--account", OTHER, cwd=tmp_path).out


def test_a_denied_right_is_exit_2(simulated: Shelf, world: Living, tmp_path: Path) -> None:
    """The message says what AWS said, and which page lists the rights."""
    world.fault({"error": {"status": 403, "code": "UnauthorizedOperation"}}, operation="ModifyImageAttribute")
    ended = ami(simulated, "share", simulated.old, "--account", OTHER, cwd=tmp_path)
    assert ended.code == 2
    assert "ModifyImageAttribute: UnauthorizedOperation" in ended.err
