"""What is shipped: the wheel has all that it needs, the lock names no place, the Makefile explains itself."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built wheel, unpacked where nothing of the checkout lies."""
    place = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(place)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = place.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(place / "site")
    return place / "site"


def run(site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    look = f"import sys; sys.path.insert(0, {str(site)!r}); from rollout.cli.app import main; main()"
    return subprocess.run(
        [sys.executable, "-c", look, *arguments], cwd=site, capture_output=True, text=True, check=False
    )


def test_the_wheel_has_migrations_and_scenarios(unpacked: Path) -> None:
    """Everything that is no module but needed at work travels in the package; tests and tools do not."""
    shipped = {path.relative_to(unpacked).as_posix() for path in unpacked.rglob("*") if path.is_file()}
    assert {path.name for path in (ROOT / "migrations/versions").glob("*.py")} <= {
        Path(name).name for name in shipped if name.startswith("rollout/migrations/versions/")
    }
    assert {path.name for path in (ROOT / "rollout/simulator/scenarios").glob("*.yaml")} == {
        Path(name).name for name in shipped if name.startswith("rollout/simulator/scenarios/")
    }
    assert {name.split("/")[0] for name in shipped} == {"rollout", f"eks_rollout-{_version()}.dist-info"}
    assert "rollout/cli/template.yaml" in shipped


def test_the_wheel_makes_a_journal(unpacked: Path, tmp_path: Path) -> None:
    """The migrations are found in the package, not in a checkout."""
    ended = run(unpacked, "db", "upgrade", "--database", f"sqlite:///{tmp_path / 'journal.db'}")
    assert ended.returncode == 0, ended.stderr


def test_the_wheel_writes_a_configuration(unpacked: Path, tmp_path: Path) -> None:
    """The template is found in the package."""
    ended = run(unpacked, "config", "init", "--output", str(tmp_path / "rollout.yaml"))
    assert ended.returncode == 0, ended.stderr


def test_the_lock_names_packages_and_no_place() -> None:
    """Each package is pinned with hashes; where it comes from is the machine's matter."""
    lock = (ROOT / "requirements.lock").read_text()
    assert "://" not in lock
    pins = re.findall(r"^([a-z0-9-]+)==", lock, flags=re.MULTILINE)
    blocks = re.split(r"^(?=[a-z])", lock, flags=re.MULTILINE)[1:]
    assert len(pins) == len(blocks)
    assert all("--hash=sha256:" in block for block in blocks)


def test_the_lock_has_what_the_project_asks_for() -> None:
    """Each dependency, those for development too, is in the lock."""
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    asked = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    names = {re.split(r"[>=\[]", one)[0].replace(".", "-") for one in asked}
    locked = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements.lock").read_text(), flags=re.MULTILINE))
    assert names <= locked


def test_make_help_has_a_line_for_every_verb() -> None:
    """Every phony target explains itself, and help prints it."""
    makefile = (ROOT / "Makefile").read_text()
    (phony,) = re.findall(r"^\.PHONY: (.*)$", makefile, flags=re.MULTILINE)
    command = ["make", "--no-print-directory", "help"]
    plain = {"PATH": os.environ["PATH"]}  # not that of a make around us
    out = subprocess.run(command, cwd=ROOT, env=plain, capture_output=True, text=True, check=True).stdout
    assert [line.split()[1] for line in out.splitlines()] == phony.split()


def _version() -> str:
    from rollout import __version__

    return __version__
