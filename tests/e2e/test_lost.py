"""The journal is lost, put back from an old copy, or another rollout's: never taken for a fresh beginning."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rollout.journal import open_journal
from tests.e2e.conftest import Worlds
from tests.e2e.proving import broken, end_state
from tests.e2e.simulated import Result, Simulated, simulator
from tests.journal.samples import tamper

#: What takes long: make exhaustive runs it, and CI a sixth.
exhaustive = pytest.mark.exhaustive

#: Two groups of two nodes, and Jobs of minutes.
SMALL = "proof-plain"

#: By the phase in which the runner is killed: the request that hangs then, before or after it was applied.
POINTS = {
    "AUTOSCALER_OFF": ("PATCH deployments", 1, "after"),
    "SURGE": ("UpdateAutoScalingGroup", 4, "after"),
    "DRAIN": ("TerminateInstanceInAutoScalingGroup", 2, "after"),
    "RESTORE": ("PATCH deployments", 2, "after"),
}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    """The end of the same rollout, when nothing is lost."""
    with simulator(SMALL, tmp_path_factory.mktemp("undisturbed") / "world") as world:
        result = world.start()
        assert result.code == 0, result
        yield end_state(world, result.rollout_id)


def journal(world: Simulated) -> Path:
    return Path(world.database.removeprefix("sqlite:///"))


def lose(world: Simulated) -> None:
    """Delete the journal with everything beside it."""
    for file in journal(world).parent.glob(f"{journal(world).name}*"):
        file.unlink()


def killed(world: Simulated, operation: str, nth: int, when: str) -> None:
    world.post("/faults", {"match": {"operation": operation, "nth": nth}, "hang": {"when": when}})
    world.kill_at(world.spawn(*world.start_arguments))


def doctor(world: Simulated, *more: str) -> Result:
    return world.rollout("doctor", "--config", "rollout.yaml", *more)


def status(world: Simulated) -> Any:
    return json.loads(world.rollout("status", "--config", "rollout.yaml", "--json").out)


def changes(world: Simulated) -> int:
    """The number of the newest change that was made by us."""
    return max((one["seq"] for one in world.get("/log?actor=client:")), default=0)


@exhaustive
def test_a_lost_journal_is_noticed(world: Worlds) -> None:
    """`start` and `resume` refuse before any effect, and say whose marker it is; doctor says how to go on."""
    simulated = world(SMALL)
    killed(simulated, *POINTS["DRAIN"])
    lost = status(simulated)["id"]
    another = doctor(simulated, "--rebuild", "--database", f"sqlite:///{simulated.directory / 'another.db'}")
    assert another.code == 2, another
    assert f"is not lost: {journal(simulated)}" in another.err
    lose(simulated)
    before = changes(simulated)
    begun_anew = simulated.start()
    for refused in (begun_anew, simulated.resume()):
        assert refused.code == 2, refused
        assert "(in DRAIN, journal " in refused.err
        assert "rollout doctor --rebuild" in refused.err
    assert f"eks-proof is marked by ConfigMap kube-system/eks-rollout as that of rollout {lost}" in begun_anew.err
    assert f"kube-system/cluster-autoscaler is still scaled to 0 by rollout {lost}" in begun_anew.err
    assert f"with its own journal, on the host that has this file: rollout resume {lost} --config " in begun_anew.err
    told = doctor(simulated)
    assert told.code == 1, told
    assert "does not know that rollout" in told.out
    assert changes(simulated) == before


def test_who_goes_on_without_a_journal_is_told_of_the_marker(world: Worlds) -> None:
    """Resume and abort name the command that was typed, and make no empty journal; all others claim nothing either."""
    simulated = world(SMALL)
    killed(simulated, *POINTS["AUTOSCALER_OFF"])
    lost = status(simulated)["id"]
    kept = simulated.directory / "kept.db"
    copy(journal(simulated), kept)
    lose(simulated)
    for typed in (("resume", "--assume-dead"), ("abort", "--keep-jobs"), ("abort", lost)):
        refused = simulated.rollout(typed[0], "--config", "rollout.yaml", *typed[1:])
        assert refused.code == 2, refused
        assert f"the marker is that of rollout {lost}" in refused.err
        (again,) = re.findall(rf"rollout {typed[0]} .* --database \S+", refused.err)
        assert {*typed, lost, "--config"} <= {*again.split()}, refused
        assert "rollout doctor --rebuild" in refused.err
    assert not journal(simulated).exists()
    for looking in ("status", "list", "why", "events"):
        nothing = simulated.rollout(looking, "--config", "rollout.yaml")
        assert (nothing.code, "rollout doctor --config " in nothing.err) == (2, True), nothing
        assert "ever started" not in nothing.err
    told = doctor(simulated)
    assert told.code == 1, told
    settled = [line for line in told.out.splitlines() if f"rollout resume {lost}" in line]
    assert all("--database" in line or "once the journal is back" in line for line in settled), told


def test_a_configuration_of_another_cluster_makes_no_journal_old(world: Worlds) -> None:
    """The marker's cluster is not the configuration's: that is what doctor says, and not to move the journal away."""
    simulated = world(SMALL)
    killed(simulated, *POINTS["AUTOSCALER_OFF"])
    text = (simulated.directory / "rollout.yaml").read_text()
    (simulated.directory / "other.yaml").write_text(text.replace("cluster: eks-proof", "cluster: eks-other"))
    for more in ((), ("--rebuild",)):
        refused = simulated.rollout("doctor", "--config", "other.yaml", *more)
        assert refused.code == 2, refused
        assert "the marker is that of a rollout on eks-proof in eu-west-1" in refused.err
        assert "the configuration is for eks-other" in refused.err
        assert "older copy" not in refused.err
        assert "does not know" not in refused.out + refused.err


@exhaustive
def test_a_journal_that_cannot_be_read_is_not_lost(world: Worlds) -> None:
    """Damaged, away, or of another version: doctor says what to do about that, and speaks of no rebuilding."""
    simulated = world(SMALL)
    killed(simulated, *POINTS["DRAIN"])
    damaged = simulated.directory / "damaged.db"
    damaged.write_bytes(b"no journal" * 1000)
    for url in (f"sqlite:///{damaged}", "postgresql+psycopg://nobody@127.0.0.1:1/away"):
        told = doctor(simulated, "--database", url)
        assert told.code == 1, told
        assert "! the journal cannot be read" in told.out
        assert "--rebuild" not in told.out
        assert told.out.endswith("1 of 1 difference for a person\n")
    later = open_journal(simulated.database, actor="later")
    tamper(later, "UPDATE rollouts SET journal_version = 9, begun_by = '7.0.0'")
    later.close()
    another = f"sqlite:///{simulated.directory / 'another.db'}"
    for more in ((), ("--rebuild",), ("--rebuild", "--database", another)):
        told = doctor(simulated, *more)
        assert told.code == (77 if more else 1), told
        assert "pip install eks-rollout==7.0.0" in told.out + told.err


@exhaustive
@pytest.mark.parametrize("phase", POINTS)
def test_a_lost_journal_is_rebuilt_and_gone_on_with(phase: str, world: Worlds, undisturbed: object) -> None:
    """Killed in that phase, its journal deleted and rebuilt, it keeps all promises and ends as if undisturbed."""
    simulated = world(SMALL)
    killed(simulated, *POINTS[phase])
    lose(simulated)
    before = changes(simulated)
    rebuilt = doctor(simulated, "--rebuild")
    assert rebuilt.code == 0, rebuilt
    assert f"in {phase}" in rebuilt.out
    if phase == "DRAIN":
        stages = [node["stage"] for node in status(simulated)["nodes"]]
        assert "TERMINATING" in stages  # the one whose terminate had just been applied
    assert changes(simulated) == before
    assert doctor(simulated, "--rebuild").code == 2
    assert doctor(simulated).code == 0
    resumed = simulated.resume()
    assert resumed.code == 0, resumed
    assert end_state(simulated, resumed.rollout_id) == undisturbed
    assert broken(simulated, since=before) == {}
    told = doctor(simulated)
    assert (told.code, told.out.splitlines()[-1]) == (0, "nothing differs"), told


@exhaustive
def test_an_old_copy_of_the_journal_is_not_worked_with(world: Worlds, tmp_path: Path) -> None:
    """One from before the drain: refused before any effect, by `start` and `resume`; with the right one it ends."""
    simulated = world(SMALL)
    killed(simulated, *POINTS["SURGE"])
    old, new = tmp_path / "old", tmp_path / "new"
    copy(journal(simulated), old)
    killed(simulated, *POINTS["DRAIN"])
    copy(journal(simulated), new)
    copy_back(old, journal(simulated))
    before = changes(simulated)
    for refused in (simulated.start(), simulated.resume(), doctor(simulated)):
        assert refused.code in {1, 2}, refused
        assert "this journal is older than the marker" in refused.out + refused.err
        assert "phase DRAIN" in refused.out + refused.err
    rebuilt = doctor(simulated, "--rebuild")
    assert rebuilt.code == 2, rebuilt
    assert "is an older copy" in rebuilt.err
    assert "move this one away" in rebuilt.err
    assert "put the right one back" in refused.out  # no resume, which is refused for ever
    assert "no person is needed" not in refused.out
    assert refused.out.count("next: ") == 1
    assert changes(simulated) == before
    copy_back(new, journal(simulated))
    assert simulated.resume().code == 0
    assert broken(simulated) == {}


@exhaustive
def test_a_journal_of_another_rollout_is_noticed(world: Worlds) -> None:
    """Where the marker is another rollout's, the one at hand halts and changes nothing."""
    simulated = world(SMALL)
    killed(simulated, "POST configmaps", 1, "before")
    elsewhere = f"sqlite:///{simulated.directory / 'elsewhere.db'}"
    simulated.post("/faults", {"match": {"operation": "UpdateAutoScalingGroup", "nth": 1}, "hang": {"when": "before"}})
    simulated.kill_at(simulated.spawn(*simulated.start_arguments, "--database", elsewhere))
    before = changes(simulated)
    halted = simulated.resume()
    assert halted.code == 1, halted
    assert "the marker on cluster" in halted.out
    assert changes(simulated) == before
    assert doctor(simulated).code == 1
    assert simulated.resume("--database", elsewhere).code == 0


def copy(file: Path, to: Path) -> None:
    to.mkdir()
    for one in file.parent.glob(f"{file.name}*"):
        shutil.copy(one, to)


def copy_back(kept: Path, file: Path) -> None:
    for one in file.parent.glob(f"{file.name}*"):
        one.unlink()
    for one in kept.iterdir():
        shutil.copy(one, file.parent)
