"""A fleet of simulated clusters, with workers and members' rollouts that are real processes."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.simulated import PATIENCE, ROLLOUT, Result, Simulated, environment, simulator

WORLDS = Path(__file__).parent / "worlds"
SCENARIOS = {name: str(WORLDS / f"fleet-{name}.yaml") for name in ("a", "b", "bad")}
CANARY = """
  - name: canary
    take: {labels: {stage: canary}}"""
FLEET = """
fleet: january
ami: {ami}
members:
{members}
waves:{canary}
  - name: rest
    gate: person
limits: {{at_once: 2}}
database: sqlite:///{folder}/fleet.db
"""


class Fleet:
    """Three clusters and the file of a fleet of them; commands run in its folder."""

    def __init__(self, folder: Path, worlds: dict[str, Simulated]) -> None:
        self.folder = folder
        self.worlds = worlds
        members = []
        for name, world in worlds.items():
            text = (world.directory / "rollout.yaml").read_text("utf-8")
            lines = [line for line in text.splitlines() if not line.startswith("database:")]
            file = folder / f"{name}.yaml"
            file.write_text("\n".join([*lines, f"database: sqlite:///{folder}/fleet.db"]) + "\n", "utf-8")
            stage = "canary" if name == "a" else "rest"
            members.append(f"  - {{config: {name}.yaml, labels: {{stage: {stage}}}}}")
        ami = worlds["a"].ami
        canary = CANARY if len(worlds) > 1 else ""  # who is alone waits for a person at once
        text = FLEET.format(ami=ami, members="\n".join(members), canary=canary, folder=folder)
        (folder / "fleet.yaml").write_text(text, "utf-8")

    def spawn(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [ROLLOUT, "fleet", *arguments],
            env=environment(self.folder, self.worlds["a"].environment),
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *arguments: str) -> Result:
        with self.spawn(*arguments) as process:
            out, err = process.communicate(timeout=PATIENCE)
        return Result(process.returncode, out, err)


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    """Three simulated clusters, one of which never gets a Ready node with the new image."""
    with ExitStack() as stack:
        worlds = {}
        for name, scenario in SCENARIOS.items():
            worlds[name] = stack.enter_context(simulator(scenario, tmp_path / f"world-{name}"))
        yield Fleet(tmp_path, worlds)


@pytest.mark.exhaustive
def test_a_bad_image_stops_the_wave_and_a_person_goes_on(fleet: Fleet) -> None:
    """A wave waits for its approval, pauses at a halted member, and the fleet ends when that one is left out."""
    begun = fleet("start")
    assert (begun.code, begun.out.splitlines()[0]) == (0, "january"), begun
    with fleet.spawn("work", "--slots", "2") as worker:
        printed(worker, "wave canary has ended: 1 done")
        assert "a person lets wave rest begin" in fleet("why").out
        assert fleet("approve").code == 0
        printed(worker, "b  done: 4 nodes replaced", "paused: 1 of its members need a person (bad)")
        told = fleet("status")
        assert told.code == 1, told
        assert "bad: halted: rollout " in told.out
        assert "new nodes did not become Ready" in told.out
        assert (fleet("skip", "bad").code, fleet("resume").code) == (0, 0)
        printed(worker, "fleet january is over: done")
        assert worker.wait(PATIENCE) == 0
    over = fleet("status")  # left out, and its rollout still stands halted: somebody has to see to that cluster
    assert (over.code, "bad: " in over.out, "rollout status" in over.out) == (1, True, True), over
    audited = subprocess.run(
        [ROLLOUT, "audit", "verify", "--database", f"sqlite:///{fleet.folder}/fleet.db"],
        env=environment(fleet.folder, {}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert audited.returncode == 0, audited
    assert "fleet january: " in audited.stdout
    for name in ("a", "b"):  # the third one stands where it halted
        assert [one for one in fleet.worlds[name].get("/promises") if one["violations"]] == [], name


def test_a_fleet_of_one(tmp_path: Path) -> None:
    """Real processes bring a member to its end, and the fleet with it, once a person has approved its wave."""
    with simulator(SCENARIOS["a"], tmp_path / "world-a") as world:
        fleet = Fleet(tmp_path, {"a": world})
        assert fleet("start").code == 0
        assert fleet("approve").code == 0
        ended = fleet("work")
        assert (ended.code, "fleet january is over: done" in ended.out) == (0, True), ended
        assert "a  done: 4 nodes replaced" in ended.out
        assert [one for one in world.get("/promises") if one["violations"]] == []


def printed(worker: subprocess.Popen[str], *texts: str) -> None:
    """Wait until a worker has printed a line with each of these, in any order."""
    left, read = set(texts), []
    for line in worker.stdout or ():
        read.append(line)
        left -= {text for text in left if text in line}
        if not left:
            return
    raise AssertionError(f"it never said {left}\n{''.join(read)}\n{worker.stderr and worker.stderr.read()}")


@pytest.mark.exhaustive
def test_a_killed_worker_is_taken_over_from(fleet: Fleet) -> None:
    """Its rollout lives on; another worker takes the claim when it ends, follows that rollout, and ends the fleet."""
    assert fleet("start").code == 0
    with fleet.spawn("work") as first:
        printed(first, "READY → DRAIN")
        first.kill()
    with fleet.spawn("work", "--slots", "2") as second:
        printed(second, "wave canary has ended: 1 done")
        assert (fleet("skip", "bad").code, fleet("approve").code) == (0, 0)
        printed(second, "fleet january is over: done")
        assert second.wait(PATIENCE) == 0
    events = fleet("events").out.splitlines()
    assert [line.split()[2] for line in events if " begins, by" in line] == ["a", "b"]
    for name in ("a", "b"):
        assert [one for one in fleet.worlds[name].get("/promises") if one["violations"]] == [], name


@pytest.mark.exhaustive
def test_a_worker_that_is_told_to_stop_goes_on_later(fleet: Fleet) -> None:
    """SIGTERM ends its rollouts within seconds, exit 75; the same command again brings the fleet to its end."""
    assert fleet("start").code == 0
    with fleet.spawn("work") as first:
        printed(first, "TAINT → SURGE")
        first.terminate()
        assert first.wait(30) == 75
    assert "a: ready: rollout " in fleet("why").out
    with fleet.spawn("work", "--slots", "2") as second:
        printed(second, "wave canary has ended: 1 done")
        assert fleet("stop").code == 0
        assert second.wait(PATIENCE) == 0
    assert "fleet january: stopped" in fleet("status").out
    assert [one for one in fleet.worlds["a"].get("/promises") if one["violations"]] == []
