"""What is shipped: the wheel has all that it needs, the Makefile explains itself."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Sequence
from pathlib import Path

import pytest

from rollout import __version__
from tests.e2e.proving import broken
from tests.e2e.simulated import simulator

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command in an environment with the built wheel and the packages around us, but nothing of the checkout."""
    place = tmp_path_factory.mktemp("installed")
    tool = [sys.executable, "-m"]
    _run([*tool, "hatchling", "build", "--target", "wheel", "--directory", str(place)])
    (wheel,) = place.glob("*.whl")
    venv.create(place / "venv", symlinks=True)
    _run(
        [*tool, "uv", "pip", "install", "--offline", "--no-index", "--no-deps", "--no-cache", *_into(place), str(wheel)]
    )
    # A folder named in a .pth file is searched, but .pth files in it are not read: the checkout's has no effect.
    (site,) = (place / "venv").glob("lib/python*/site-packages")
    (site / "around.pth").write_text(sysconfig.get_path("purelib"))
    return place / "venv/bin/rollout"


def _into(place: Path) -> tuple[str, str]:
    return "--python", str(place / "venv/bin/python")


def _run(command: Sequence[str | Path], cwd: Path = ROOT) -> str:
    ended = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_the_wheel_is_all_that_is_installed(installed: Path) -> None:
    """What is no module but needed at work travels in the package; tests and tools do not."""
    (info,) = installed.parent.parent.glob(f"lib/python*/site-packages/eks_rollout-{__version__}.dist-info")
    record = (info / "RECORD").read_text()
    shipped = {Path(line.split(",")[0]) for line in record.splitlines()}
    for checkout, package, kind in (
        ("migrations/versions", "rollout/migrations/versions", "*.py"),
        ("eks_simulator/scenarios", "eks_simulator/scenarios", "*.yaml"),
        ("rollout/cli", "rollout/cli", "template.yaml"),
        ("rollout/cli/report", "rollout/cli/report", "page.*"),
    ):
        assert {Path(package) / path.name for path in (ROOT / checkout).glob(kind)} <= shipped
    assert {path.parts[0] for path in shipped} == {"rollout", "eks_simulator", "..", info.name}


def test_the_wheel_runs_a_scenario(installed: Path, tmp_path: Path) -> None:
    """Configuration, journal and a whole rollout, by the installed command and nothing of the checkout."""
    look = "import rollout, eks_simulator, sys; print(rollout.__file__, eks_simulator.__file__, *sys.path)"
    found = _run([installed.with_name("python"), "-c", look], cwd=tmp_path)
    assert found.startswith(str(installed.parent.parent))
    assert str(ROOT) not in found.replace(sysconfig.get_path("purelib"), "")
    _run([installed, "config", "init"], cwd=tmp_path)
    with simulator("proof-plain", tmp_path / "world", installed) as world:
        ended = world.start()
        assert ended.code == 0, ended
        assert broken(world) == {}


def test_make_help_has_a_line_for_every_verb() -> None:
    """Every phony target explains itself, and help prints it."""
    makefile = (ROOT / "Makefile").read_text()
    (phony,) = re.findall(r"^\.PHONY: (.*)$", makefile, flags=re.MULTILINE)
    command = ["make", "--no-print-directory", "help"]
    plain = {"PATH": os.environ["PATH"]}  # not that of a make around us
    out = subprocess.run(command, cwd=ROOT, env=plain, capture_output=True, text=True, check=True).stdout
    assert [line.split()[1] for line in out.splitlines()] == phony.split()
