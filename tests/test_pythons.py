"""The Pythons that the project names: each is tried where it is found, and told where it is not."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from tests.test_docs import tool

ROOT = Path(__file__).parent.parent
pythons = tool("pythons")


def test_they_are_named_alike_everywhere() -> None:
    """From the oldest that the metadata asks for on there is no gap, and for each an old pip is locked."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = pythons.named()
    assert project["requires-python"] == f">={named[0]}"
    assert named == [f"3.{minor}" for minor in range(11, 11 + len(named))]
    locked = (ROOT / "tools/oldest-pip.lock").read_text(encoding="utf-8")
    assert re.findall(r'^pip==\S+ ; python_version == "(.*?)" --hash=sha256:', locked, flags=re.MULTILINE) == named


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of programs that is all of PATH, beside versions that pyenv has."""
    monkeypatch.setenv("PATH", str(tmp_path / "shims"))
    (tmp_path / "shims").mkdir()
    return tmp_path


def python(place: Path, says: str) -> Path:
    """A program that answers like a Python of a version."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(f"#!/bin/sh\n{says}\n")
    place.chmod(0o755)
    return place


def test_a_stand_in_is_no_python(folder: Path) -> None:
    """What pyenv puts in PATH for a version that is switched off does not count; the version itself does."""
    python(folder / "shims/python3.12", "exit 127")
    assert pythons.found("3.12") is None
    real = python(folder / "versions/3.12.1/bin/python3.12", "echo 3.12")
    assert pythons.found("3.12") == str(real)


def test_what_is_missing_is_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One that is not found is no failure, but the last line names it; one that fails is a failure, and shows why."""
    monkeypatch.setattr(pythons, "named", lambda: ["3.12", "3.99"])
    python(folder / "shims/python3.12", "echo 3.12")
    monkeypatch.setattr(pythons, "_wrong", lambda _: "")
    monkeypatch.setattr(pythons.sys, "version_info", (3, 11))
    assert pythons.main(folder) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "NOT TRIED, since not found here: Python 3.99"
    monkeypatch.setattr(pythons, "_wrong", lambda _: "it broke")
    assert pythons.main(folder) == 1
    assert "it broke" in capsys.readouterr().out
