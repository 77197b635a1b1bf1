"""`rollout simulator`: what is typed is checked, and then it becomes the process of the simulator."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from eks_simulator import command, scenario
from eks_simulator.handout import Endpoints, configuration
from eks_simulator.scenario import load, names
from rollout import config
from rollout.demo.simulator_process import SimulatorProcess, simulated
from rollout.errors import RESUMABLE
from rollout.journal import sqlite_file
from tests.cli.run import Result, rollout


def process(program: tuple[str, ...], cwd: Path) -> Result:
    """Run a program of this interpreter in a process of its own, which may become another."""
    environment = {"PATH": os.defpath, "HOME": str(cwd)}
    ended = subprocess.run(
        [sys.executable, *program], env=environment, cwd=cwd, capture_output=True, text=True, check=False
    )
    return Result(ended.returncode, ended.stdout, ended.stderr)


def test_every_shipped_scenario_has_a_line_with_its_description(tmp_path: Path) -> None:
    """Name and one line, in order, and nothing is started."""
    shown = process(("-m", "rollout", "simulator", "--list"), tmp_path)
    assert shown.code == 0, shown
    lines = [line.split(maxsplit=1) for line in shown.out.splitlines()]
    assert lines == [[name, load(name).description] for name in names()]


def test_a_list_that_nobody_gets_is_no_success(tmp_path: Path) -> None:
    """A full disk is another exit code than 0, in words; a reader that has seen enough is none."""
    program = [sys.executable, "-m", "eks_simulator", "--list"]
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(program, cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (ended.returncode, "is not whole" in ended.stderr) == (RESUMABLE, True)
    reading, writing = os.pipe()
    os.close(reading)
    assert subprocess.run(program, cwd=tmp_path, stdout=writing, check=False).returncode == 0
    os.close(writing)


def test_without_a_scenario_it_says_how_to_find_one(tmp_path: Path) -> None:
    """Exit 2, with the command that lists them."""
    refused = rollout("simulator", cwd=tmp_path)
    assert refused.code == 2
    assert "rollout simulator --list" in refused.err


def test_what_an_operator_names_is_refused_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A scenario that is no text, a name that no disk takes, and a kubeconfig that is none are exit 2."""
    (tmp_path / "latin.yaml").write_bytes(b"description: caf\xe9\n")
    (tmp_path / "odd.yaml").write_text("base: plain\nseed: 2026-13-45\n")
    monkeypatch.chdir(tmp_path)
    for words, hint in (
        (("--scenario", "latin.yaml"), "rollout simulator --list"),
        (("--scenario", "odd.yaml"), "rollout simulator --list"),
        (("--scenario", "a" * 300), "rollout simulator --list"),
        (("--scenario", "minutes", "--kubernetes", "none"), "name the kubeconfig of another cluster"),
    ):
        assert command.run(words) == 2
        said = capsys.readouterr().err
        assert (said.startswith("rollout: "), "this is a bug" in said, hint in said) == (True, False, True)


def test_a_folder_that_cannot_be_used_is_refused_in_words(tmp_path: Path) -> None:
    """One that is a file, and one in a place that has no folders, are exit 2."""
    (tmp_path / "file").touch()
    for folder in ("file", "/dev/null/x"):
        ended = rollout("simulator", "--scenario", "plain", "--directory", folder, cwd=tmp_path)
        assert (ended.code, "--directory" in ended.err, "bug" in ended.err) == (2, True, False), ended.err


def test_the_folder_of_a_running_simulator_is_refused(tmp_path: Path) -> None:
    """A second one would overwrite the first one's files: exit 2, and the first one is still reached by them."""
    with simulated(tmp_path, "proof-plain") as first:
        found = process(("-m", "rollout", "simulator", "--scenario", "plain", "--directory", "."), tmp_path)
        assert (found.code, "another simulator runs" in found.err, "--directory" in found.err) == (2, True, True), found
        assert SimulatorProcess(tmp_path).get("/time")["now"] == first.get("/time")["now"]
    with simulated(tmp_path, "proof-plain"):
        pass  # it is free again


def test_a_signal_on_the_way_is_heard(tmp_path: Path) -> None:
    """One that arrives while the one process becomes the other ends it at once, with the code of an interruption."""
    asked = "import os, signal; from rollout.cli.commands import simulator\n"
    asked += "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM]); os.kill(os.getpid(), signal.SIGTERM)\n"
    ended = process(("-c", f"{asked}simulator.become(['--list'])"), tmp_path)
    assert (ended.code, ended.out) == (RESUMABLE, "")
    assert ended.err.startswith("rollout: interrupted by SIGTERM\n  next: ")


def test_a_fault_of_the_simulator_is_exit_70(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its traceback is shown, for who tests, and a line that says what it is."""
    monkeypatch.setattr(command, "names", lambda: 1 / 0)
    assert command.run(["--list"]) == 70
    assert "rollout: this is a bug in the simulator: ZeroDivisionError" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["-batch;x", "wor'kers", "a" * 64, ""])
def test_a_group_whose_name_is_no_label(name: str) -> None:
    """The loader refuses it, with its line; nodes could not carry it."""
    group = f"{{name: {json.dumps(name)}, template: eks_worker_lt-demo, min: 1, desired: 2, max: 4}}"
    text = f"base: plain\ngroups: [{group}]\n"
    with pytest.raises(scenario.ScenarioError, match="is no label's value"):
        scenario.parse(text, "x")


def test_a_cluster_and_real_time_belong_together(tmp_path: Path) -> None:
    """One without the other, and a pace, are exit 2, in words."""
    for words, said in (
        (("--real-time",), "belong together"),
        (("--kubernetes", "none"), "belong together"),
        (("--real-time", "--kubernetes", "none", "--pace", "5"), "keeps no pace"),
    ):
        refused = rollout("simulator", "--scenario", "minutes", "--directory", "here", *words, cwd=tmp_path)
        assert refused.code == 2, refused
        assert said in refused.err


def test_what_it_says_can_be_pasted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each export, and each command that starts a rollout, has the folder's name as one word of a shell."""
    folder = tmp_path / "x y's"
    where = Endpoints("http://127.0.0.1:1", "http://127.0.0.1:2", "http://127.0.0.1:3", folder, "eu-west-1", "ami-1")
    command._announce("rollout", where)
    said = capsys.readouterr().out.splitlines()
    exported = dict(shlex.split(line)[1].split("=", 1) for line in said if line.startswith("export "))
    assert exported == where.environment
    begun = [
        line for line in (*said, *configuration(load("proof-plain"), where).splitlines()) if "rollout start" in line
    ]
    assert [shlex.split(line)[1:5] for line in begun] == [
        ["rollout", "start", "--config", str(where.configuration)] for _ in range(2)
    ]


@pytest.mark.parametrize("name", ["50% done", "z%41", "what?x=y", "a#1", "a&b@c:d"])
def test_its_configuration_names_its_own_folder(tmp_path: Path, name: str) -> None:
    """The journal lies beside the kubeconfig, with any characters in the folder's name."""
    folder = tmp_path / name
    folder.mkdir()
    where = Endpoints("http://127.0.0.1:1", "http://127.0.0.1:2", "http://127.0.0.1:3", folder, "eu-west-1", "ami-1")
    where.configuration.write_text(configuration(load("proof-plain"), where))
    read = config.load(where.configuration)
    assert read.access.kubeconfig == folder / "kubeconfig"
    assert sqlite_file.path_of(read.database) == folder / "rollout.db"
