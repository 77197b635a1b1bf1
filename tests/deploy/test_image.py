"""deploy/kubernetes/Containerfile: no engine builds it here; its steps are read, and its commands run for real."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tomllib
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from rollout import __version__
from tests.deploy.manifests import FOLDER, objects
from tests.test_docs import ROOT


class Step(NamedTuple):
    """One instruction, its lines joined."""

    instruction: str
    text: str


def steps() -> Iterator[Step]:
    """The Containerfile's instructions, without comments."""
    text = (FOLDER / "Containerfile").read_text("utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        if line.strip():
            instruction, _, rest = line.partition(" ")
            yield Step(instruction, re.sub(r"\s+", " ", rest))


STEPS = list(steps())
SECOND = [number for number, step in enumerate(STEPS) if step.instruction == "FROM"][1]


def copied() -> list[str]:
    """What is copied from the folder that the image is built in."""
    texts = [step.text for step in STEPS if step.instruction == "COPY" and "--from" not in step.text]
    return [source for text in texts for source in text.split()[:-1]]


def test_it_names_no_registry() -> None:
    """The base comes from wherever the engine looks: a short name, and a Python that the tool takes."""
    bases = [step.text.split()[0] for step in STEPS if step.instruction == "FROM"]
    assert {base.partition(":")[0] for base in bases} == {"python"}
    (version,) = {tuple(map(int, re.findall(r"\d+", base))) for base in bases}
    assert version >= (3, 11)


def test_it_is_built_from_what_is_there() -> None:
    """Each file that it copies exists, and nothing but those is sent to the builder."""
    assert [source for source in copied() if not (ROOT / source).exists()] == []
    ignored = [line for line in (FOLDER / "Containerfile.dockerignore").read_text("utf-8").splitlines() if line]
    assert {line[1:] for line in ignored if line.startswith("!")} == set(copied())
    assert "*" in ignored


def test_it_copies_all_that_the_wheel_is_made_of() -> None:
    """Packages, readme and licence, as pyproject.toml has them."""
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]["include"]
    needed = {one.strip("/") for one in wheel}
    needed |= {"pyproject.toml", project["project"]["readme"], *project["project"]["license-files"]}
    assert needed <= set(copied())


def test_nothing_is_installed_unchecked() -> None:
    """What comes from outside is checked against the lock's hashes; what is installed comes from there alone."""
    runs = [step.text for step in STEPS if step.instruction == "RUN"]
    calls = [call.strip() for run in runs for call in run.split("&&") if re.search(r"\bpip (install|download)", call)]
    assert len(calls) == 3
    for call in calls:
        checked = "--require-hashes" in call and "requirements.lock" in call
        assert checked or "--no-index --find-links wheels" in call, call


def test_it_runs_as_nobody() -> None:
    """By number, as Kubernetes asks for that checks runAsNonRoot; the same number as in the Jobs' pods."""
    last = {step.instruction: step.text for step in STEPS[SECOND:]}
    for (job,) in (objects("job.yaml"), objects("database.yaml")):
        asked = job["spec"]["template"]["spec"]["securityContext"]
        assert last["USER"] == f"{asked['runAsUser']}:{asked['runAsGroup']}"


def test_it_is_the_process_that_is_signalled() -> None:
    """The entry point is a list, so that no shell stands before it; of the first stage only the environment is kept."""
    last = [(step.instruction, step.text) for step in STEPS[SECOND:]]
    assert ("ENTRYPOINT", '["rollout"]') in last
    assert [text for instruction, text in last if instruction == "COPY"] == ["--from=build /venv /venv"]
    assert ("ENV", "PATH=/venv/bin:$PATH") in last
    assert "RUN" not in dict(last)


def test_its_name_is_the_same_everywhere() -> None:
    """Containerfile, Jobs and the page speak of the image of this version."""
    pages = (*sorted(one for one in FOLDER.rglob("*") if one.is_file()), ROOT / "docs/running.md")
    named = [tag for page in pages for tag in re.findall(r"\brollout:(\d[\w.-]*)", page.read_text("utf-8"))]
    assert len(named) >= 4
    assert set(named) == {__version__}


@pytest.mark.exhaustive
@pytest.mark.timeout(900)
def test_its_commands_make_a_tool_that_needs_no_home(tmp_path: Path) -> None:
    """The commands are run as they stand, on this Python: what they make holds no test tools, and works without a home.

    It is started as the image starts it: by its entry point, found on its PATH, where it works. They ask for packages
    where `make setup` asks.
    """
    build, made = tmp_path / "build", tmp_path / "venv"
    build.mkdir()
    for source in copied():
        copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copy2
        copy(ROOT / source, build / source)
    venv.create(tmp_path / "python", with_pip=True)
    path = {**os.environ, "PATH": f"{tmp_path / 'python/bin'}:{os.environ['PATH']}"}
    for command in (step.text.replace("/venv", str(made)) for step in STEPS if step.instruction == "RUN"):
        assert ran(["/bin/sh", "-c", command], build, path)[0] == 0
    last = {step.instruction: step.text for step in STEPS[SECOND:]}
    name, _, value = last["ENV"].partition("=")
    around = {"HOME": "/dev/null", name: value.replace("/venv", str(made)).replace(f"${name}", os.defpath)}

    def image(*arguments: str) -> tuple[int, str]:
        return ran([*json.loads(last["ENTRYPOINT"]), *arguments], Path(last["WORKDIR"]), around)

    assert shutil.which("rollout", path=around["PATH"]) == str(made / "bin/rollout")
    assert image("--version") == (0, f"rollout {__version__}\n")
    assert image("list", "--database", f"sqlite:///{tmp_path}/rollout.db")[0] == 2
    filled = tmp_path / "rollout.yaml"
    filled.write_text((FOLDER / "rollout.yaml").read_text(encoding="utf-8").replace("REPLACE_ME", "eks-prod"))
    assert image("config", "check", "--config", str(filled))[0] == 0
    assert not {"pytest", "pip"} & {program.name for program in (made / "bin").iterdir()}


def ran(command: list[str], cwd: Path, environment: dict[str, str]) -> tuple[int, str]:
    """Exit code and output of a program, which shows nobody a traceback."""
    ended = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert "Traceback" not in ended.stderr, ended.stderr
    return ended.returncode, ended.stdout
