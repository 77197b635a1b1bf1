"""The lock: it installs as it is for ever, with an old pip and however many newer releases there are by then.

The index is made up: a wheel for each locked package and one of a newer release, which ask for what the real ones do.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest

from tests.tools import FOLDER

ROOT = Path(__file__).parent.parent
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
#: Every package of the lock: its name, its extras or "", its version, and what stands between that and its hashes.
PINS = re.findall(r"^([a-z0-9-]+)(\[[a-z,-]+\])?==([^ ]+)(.*?) \\$", LOCK, flags=re.MULTILINE)
#: A release that every package has by then.
NEWER = "99999"


@dataclass(frozen=True, slots=True)
class Index:
    """A folder with a folder of wheels for each package, and the lock with their hashes in place of the real ones."""

    wheels: Path
    lock: str


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    """Two releases of each locked package that is installed around us; the others are for other systems."""
    wheels = tmp_path_factory.mktemp("index")
    lock = ""
    for name, extras, version, marker in PINS:
        digest = ""
        for release in (NEWER, version):
            digest = _wheel(wheels, name, release)
        links = "".join(f'<a href="{path.name}">{path.name}</a>' for path in (wheels / name).iterdir())
        (wheels / name / "index.html").write_text(f"<!DOCTYPE html>{links}")
        lock += f"{name}{extras}=={version}{marker} --hash=sha256:{digest}\n"
    return Index(wheels, lock)


def _wheel(wheels: Path, name: str, version: str) -> str:
    """Make a wheel that holds nothing but its metadata; return its hash."""
    stem = f"{name.replace('-', '_')}-{version}"
    info = f"{stem}.dist-info"
    path = wheels / name / f"{stem}-py3-none-any.whl"
    path.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{info}/METADATA", "\n".join(_metadata(name, version)))
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", f"{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _metadata(name: str, version: str) -> Iterator[str]:
    yield from ("Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}")
    try:
        real = distribution(name).metadata
    except PackageNotFoundError:
        return
    for field in ("Requires-Dist", "Provides-Extra"):
        yield from (f"{field}: {value}" for value in real.get_all(field) or ())


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python whose environments have the oldest pip that such a Python comes with."""
    place = tmp_path_factory.mktemp("python")
    (pip,) = FOLDER.parent.glob("pip-*.whl")
    with zipfile.ZipFile(pip) as wheel:
        wheel.extractall(place)
    return _script(
        place / "python",
        f"""case "$*" in "-m venv --clear "*) set -- "$@" --without-pip; esac
        {sys.executable} "$@"
        case "$*" in "-m venv --clear "*)
            for place in "$4"/lib/python*/site-packages; do ln -s {place}/pip {place}/pip-*.dist-info "$place"; done
            cp {_script(place / "run-pip", 'exec "${0%pip}python" -m pip "$@"')} "$4/bin/pip"
        esac""",
    )


def _script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\nset -e\n{text}\n")
    path.chmod(0o755)
    return path


def _outside(index: Index) -> Mapping[str, str]:
    """Return an environment in which pip knows this index and nothing else."""
    paths = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "PIP_CONFIG_FILE": os.devnull}
    return paths | {"PIP_INDEX_URL": index.wheels.as_uri(), "PIP_NO_CACHE_DIR": "1", "PIP_NO_COMPILE": "1"}


def _made(index: Index, folder: Path, python: Path, target: str) -> str:
    """Have the project's own Makefile make a target from this index's lock, in a folder of its own."""
    (folder / "requirements.lock").write_text(index.lock)
    command = ["make", "--no-print-directory", f"--makefile={ROOT / 'Makefile'}", f"PYTHON={python}", target]
    ended = subprocess.run(command, cwd=folder, env=_outside(index), capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def _installed(venv: Path) -> dict[str, str]:
    """Return what is installed in an environment, by name, but for pip."""
    found = (path.name.removesuffix(".dist-info") for path in venv.glob("lib/python*/site-packages/*.dist-info"))
    pairs = (stem.split("-") for stem in found)
    return {name.replace("_", "-"): version for name, version in pairs if name != "pip"}


def _around() -> dict[str, str]:
    """Return what the lock names and this environment has."""
    return {name: version for name, _, version, _ in PINS if _is_here(name)}


def _is_here(name: str) -> bool:
    try:
        return bool(distribution(name))
    except PackageNotFoundError:
        return False


def test_it_names_packages_and_no_place() -> None:
    """Each package is pinned with hashes; where it comes from is the machine's matter."""
    assert "://" not in LOCK
    blocks = re.split(r"^(?=[a-z])", LOCK, flags=re.MULTILINE)[1:]
    assert len(PINS) == len(blocks)
    assert all("--hash=sha256:" in block for block in blocks)


def test_it_has_what_the_project_asks_for() -> None:
    """Each dependency, those of extras and for development too, is in the lock."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    asked = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    asked += [one for extra in project["project"]["optional-dependencies"].values() for one in extra]
    assert {re.split(r"[>=\[]", one)[0].replace(".", "-") for one in asked} <= {name for name, *_ in PINS}


def test_the_site_has_a_lock_of_its_own() -> None:
    """Of what only `make site` needs nothing is in the lock of `make setup`; each package is pinned with hashes."""
    lock = (ROOT / "tools/site.lock").read_text(encoding="utf-8")
    assert "://" not in lock
    blocks = re.split(r"^(?=[a-z])", lock, flags=re.MULTILINE)[1:]
    assert all("==" in block and "--hash=sha256:" in block for block in blocks)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    asked = {re.split(r"[>=]", one)[0] for one in project["dependency-groups"]["site"]}
    assert asked <= {block.partition("==")[0] for block in blocks}
    assert asked.isdisjoint(name for name, *_ in PINS)


@pytest.mark.parametrize("place", ["Makefile", "deploy/kubernetes/Containerfile"])
def test_pip_decides_nothing(place: str) -> None:
    """Wherever pip is given a lock it resolves nothing, builds nothing, and checks every file."""
    text = (ROOT / place).read_text(encoding="utf-8").replace("\\\n", " ")
    reading = [line for line in text.splitlines() if re.search(r"\b(install|download)\b.*\.lock\b", line)]
    assert reading
    for line in reading:
        assert {"--require-hashes", "--no-deps", "--only-binary"} <= set(line.split()), line


def test_an_old_pip_installs_what_is_locked(index: Index, python: Path, tmp_path: Path) -> None:
    """`make setup` installs exactly the locked releases, though each has a newer one, with the oldest pip there is."""
    _made(index, tmp_path, python, ".venv/.packages")
    assert _installed(tmp_path / ".venv") == _around()


@pytest.mark.parametrize("stripped", [False, True], ids=["as it is", "without extras"])
def test_a_pip_that_resolves_finds_every_pin(index: Index, python: Path, tmp_path: Path, *, stripped: bool) -> None:
    """An old pip that is let to resolve the lock gets it too: it keeps extras, without which a pin is passed by."""
    lock, venv = tmp_path / "lock", tmp_path / "venv"
    lock.write_text(re.sub(r"\[.*?\]", "", index.lock) if stripped else index.lock)
    subprocess.run([python, "-m", "venv", "--clear", venv], check=True)
    command = [str(venv / "bin/pip"), "install", "--quiet", "--require-hashes", "--requirement", str(lock)]
    ended = subprocess.run(command, env=_outside(index), capture_output=True, text=True, check=False)
    assert (_installed(venv) == _around()) is not stripped, ended.stderr
    assert ("must have their versions pinned" in ended.stderr) is stripped
