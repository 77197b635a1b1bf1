"""`rollout ami list` and `prune` as they are typed, on a simulated account with images of each kind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli import run, samples
from tests.e2e.simulated import Simulated, simulator

SCENARIO = str(Path(__file__).with_name("pruning.yaml"))
OLD, UNUSED, SHARED, MIDDLE, TARGET, NEWEST = (
    f"ami-00000000000000{end}" for end in ("aaa", "002", "003", "004", "bbb", "006")
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Simulated]:
    """The account, with an empty journal and one shared image."""
    yield from _begun(tmp_path / "world")


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulated]:
    """The same for tests that change nothing in it."""
    yield from _begun(tmp_path_factory.mktemp("untouched") / "world")


def _begun(place: Path) -> Iterator[Simulated]:
    with simulator(SCENARIO, place) as found:
        assert ran(found, "db", "upgrade", "--config", "rollout.yaml").code == 0
        assert ran(found, "ami", "share", SHARED, "--account", "222222222222").code == 0
        yield found


def ran(world: Simulated, *arguments: str) -> run.Result:
    """Run the command line in this process, which spares it the imports."""
    return run.rollout(*arguments, cwd=world.directory, **world.environment)


def prune(world: Simulated, *more: str) -> run.Result:
    return ran(world, "ami", "prune", "--prefix", "eks-model", "--keep", "1", *more)


def listed(world: Simulated) -> dict[str, list[str]]:
    """By image, newest first, what needs it."""
    shown = ran(world, "ami", "list", "--prefix", "eks-model")
    assert shown.code == 0, shown
    found: dict[str, list[str]] = {}
    for line in shown.out.splitlines()[1:]:
        if line.startswith("ami-"):
            found[line.split()[0]] = []
        else:
            found[list(found)[-1]].append(line.strip())
    return found


def fates(result: run.Result) -> dict[str, str]:
    """By image, what was said of it."""
    lines = [line.split(maxsplit=3) for line in result.out.splitlines() if line.startswith("ami-")]
    return {line[0]: line[3] for line in lines if len(line) == 4}


def removed(world: Simulated) -> list[str]:
    """The images and snapshots that are gone, in the order in which they went."""
    gone = [one for one in world.get("/log") if one["after"] in ("deregistered", "deleted")]
    return [one["object"].partition("/")[2] for one in gone if one["object"].startswith(("image/", "snapshot/"))]


def snapshot(ami: str) -> str:
    return ami.replace("ami-", "snap-")


def killed(world: Simulated, operation: str, nth: int) -> None:
    """Start a rollout, and kill it when it has sent that request."""
    world.post("/faults", {"match": {"operation": operation, "nth": nth}, "hang": {"when": "after"}})
    world.kill_at(world.spawn(*world.start_arguments))


def test_what_a_killed_rollout_needs_is_listed_and_stays(world: Simulated) -> None:
    """The image that it brings and the one that its groups had before; what nothing needs has nobody below it."""
    killed(world, "CreateLaunchTemplateVersion", 1)
    needed = listed(world)
    assert list(needed) == [NEWEST, TARGET, MIDDLE, SHARED, UNUSED, OLD]
    assert any(who.startswith("rollout ") for who in needed[TARGET])
    assert any(who.endswith("(what workers had before)") for who in needed[OLD])
    assert needed[UNUSED] == needed[MIDDLE] == needed[SHARED] == needed[NEWEST] == []
    assert prune(world, "--yes").code == 0
    assert list(listed(world)) == [NEWEST, TARGET, SHARED, OLD]


@pytest.mark.exhaustive  # two thirds of a rollout
def test_a_rollout_goes_on_after_a_prune_in_between(world: Simulated) -> None:
    """It was killed in SURGE, everything unneeded was removed, and it ends as if nobody had pruned."""
    killed(world, "UpdateAutoScalingGroup", 4)
    assert prune(world, "--yes").code == 0
    assert removed(world) == [UNUSED, MIDDLE, snapshot(UNUSED), snapshot(MIDDLE)]
    resumed = world.resume()
    assert resumed.code == 0, resumed


def test_a_dry_run_says_what_would_be_done(untouched: Simulated) -> None:
    """Each image is named with its fate and all reasons, and nothing is changed."""
    dry = prune(untouched)
    assert (dry.code, removed(untouched)) == (0, []), dry
    assert fates(dry) == {
        NEWEST: "stays: the newest",
        TARGET: f"goes, with {snapshot(TARGET)}",
        MIDDLE: f"goes, with {snapshot(MIDDLE)}",
        SHARED: "stays: shared with 222222222222, where nobody looked",
        UNUSED: f"goes, with {snapshot(UNUSED)}",
        OLD: "stays: group workers (workers $Latest), group batch (batch $Default), "
        "2 instances of group workers, 2 instances of group batch",
    }
    assert dry.out.endswith(
        "3 of 6 images and 3 snapshots to go\nnothing was changed; next: the same command with --yes\n"
    )


def test_a_prune_that_was_killed_is_finished_by_the_next(world: Simulated) -> None:
    """Killed between an image and its snapshot, the next run finds the snapshot by what EC2 wrote into it."""
    world.post("/faults", {"match": {"operation": "DeleteSnapshot"}, "hang": {"when": "before"}})
    world.kill_at(world.spawn("ami", "prune", "--prefix", "eks-model", "--keep", "3", "--yes"))
    assert removed(world) == [UNUSED]
    again = prune(world, "--keep", "3")
    assert f"{snapshot(UNUSED)}  goes: left behind" in again.out
    assert prune(world, "--keep", "2", "--yes").code == 0
    assert removed(world) == [UNUSED, MIDDLE, snapshot(MIDDLE), snapshot(UNUSED)]
    assert prune(world, "--keep", "2").out.endswith("0 of 4 images and 0 snapshots to go\n")


def test_what_cannot_be_read_is_an_end_before_anything(untouched: Simulated) -> None:
    """A denied read, a journal that is not there, a configuration that is not there or of another region: exit 2."""
    denied = {"code": "UnauthorizedOperation", "status": 403, "message": "You are not authorized."}
    untouched.post("/faults", {"match": {"operation": "DescribeLaunchTemplateVersions"}, "error": denied})
    refused = prune(untouched, "--yes")
    assert (refused.code, refused.out) == (2, "")
    assert "DescribeLaunchTemplateVersions: UnauthorizedOperation" in refused.err
    untouched.release()

    missing = prune(untouched, "--yes", "--config", "rollout.yaml", "--config", "staging.yaml")
    assert (missing.code, missing.out) == (2, "")
    assert "there is no configuration at staging.yaml" in missing.err

    elsewhere = prune(untouched, "--yes", "--region", "us-east-1")
    assert elsewhere.code == 2
    assert "rollout.yaml is for eu-west-1, and the images that are looked at are in us-east-1" in elsewhere.err

    text = (untouched.directory / "rollout.yaml").read_text()
    (untouched.directory / "lost.yaml").write_text(text.replace("/rollout.db", "/lost.db"))
    lost = prune(untouched, "--yes", "--config", "lost.yaml")
    assert (lost.code, lost.out) == (2, "")
    assert "the rollouts of lost.yaml are not known: there is no journal at " in lost.err
    assert f"rollout db upgrade --config {untouched.directory / 'lost.yaml'}" in lost.err
    assert removed(untouched) == []


def test_a_rollout_of_a_cluster_that_was_not_looked_into_is_an_end(untouched: Simulated, tmp_path: Path) -> None:
    """One journal serves several clusters: what an unfinished rollout elsewhere had before is not known, exit 2."""
    samples.draining(tmp_path)
    text = (untouched.directory / "rollout.yaml").read_text()
    (untouched.directory / "shared.yaml").write_text(text.replace(untouched.database, samples.url(tmp_path)))
    refused = prune(untouched, "--yes", "--config", "shared.yaml")
    assert (refused.code, refused.out) == (2, "")
    assert f"rollout {samples.ID} on cluster eks-demo is unfinished" in refused.err
    assert "next: add --config FILE of that cluster" in refused.err
    assert removed(untouched) == []


@pytest.mark.exhaustive  # the same without a world: test_pruning.py, test_a_refusal_is_told_and_the_rest_goes_on
def test_an_image_that_is_protected_stays_and_the_others_go(world: Simulated) -> None:
    """What EC2 refuses is said, exit 1; the rest is done."""
    denied = {"code": "OperationNotPermitted", "status": 400, "message": "The image is protected."}
    world.post("/faults", {"match": {"operation": "DeregisterImage", "nth": 1}, "error": denied})
    pruned = prune(world, "--yes")
    assert pruned.code == 1, pruned
    assert f"{UNUSED} (eks-model-2) stays: DeregisterImage: OperationNotPermitted" in pruned.out
    assert removed(world) == [MIDDLE, TARGET, snapshot(MIDDLE), snapshot(TARGET)]


def test_an_account_that_images_are_lent_to_is_looked_into(untouched: Simulated, tmp_path: Path) -> None:
    """Its groups keep what they run; without its configuration nobody knows, and the image stays for that reason."""
    with simulator(str(Path(SCENARIO).with_name("borrowing.yaml")), tmp_path / "borrower") as borrower:
        assert ran(borrower, "db", "upgrade", "--config", "rollout.yaml").code == 0
        theirs = str(borrower.directory / "rollout.yaml")
        both = prune(untouched, "--config", "rollout.yaml", "--config", theirs)
    assert both.code == 0, both
    assert fates(both)[SHARED].startswith("stays: group workers (workers $Latest) in account 222222222222, ")
    assert fates(both)[OLD].startswith("stays: group workers (workers $Latest) in account 123456789012, ")
    assert fates(both)[UNUSED].startswith("goes")


def test_what_else_refers_to_an_image_or_a_snapshot_keeps_it(tmp_path: Path) -> None:
    """A protected image, a template's old version, the Recycle Bin, a read that is denied: each says so and keeps."""
    denied = {"code": "UnauthorizedOperation", "status": 403, "message": "You are not authorized."}
    with simulator(str(Path(SCENARIO).with_name("claimed.yaml")), tmp_path / "world") as world:
        assert ran(world, "db", "upgrade", "--config", "rollout.yaml").code == 0
        match = {"operation": "DescribeSnapshotAttribute", "target": snapshot(MIDDLE)}
        world.post("/faults", {"match": match, "error": denied})
        pruned = prune(world, "--yes")
        assert pruned.code == 0, pruned
        found = fates(pruned)
        assert found[OLD].endswith("protected from deregistration")
        assert found[UNUSED] == f"stays: {snapshot(UNUSED)}: named by template batch 1"
        assert "AWS does not say with whom it is shared" in found[MIDDLE]
        assert (
            f"{snapshot(SHARED)} (of {SHARED}) stays: {SHARED} is in the Recycle Bin, and may come back" in pruned.out
        )
        assert removed(world) == [SHARED, TARGET, snapshot(TARGET)]


@pytest.mark.parametrize("wrong", [("--prefix", "", "--keep", "1"), ("--prefix", "eks-model", "--keep", "0")])
def test_a_prune_of_everything_is_refused(tmp_path: Path, wrong: tuple[str, ...]) -> None:
    """No prefix would mean every image, and to keep none the one whose rollout is about to begin: exit 2."""
    refused = run.rollout("ami", "prune", *wrong, "--yes", cwd=tmp_path)
    assert (refused.code, refused.out) == (2, "")
