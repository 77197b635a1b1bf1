"""Programs that tests run are taken from apt, or from PATH where apt does not have them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.test_docs import tool

fetch_tools = tool("fetch_tools")


def program(path: Path, does: str) -> Path:
    """Make a program of a line of shell."""
    path.write_text(f"#!/bin/sh\n{does}\n")
    path.chmod(0o755)
    return path


def test_what_apt_does_not_have_is_looked_for_in_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If a system has dropped a package, an installed program serves; without one, apt's own words are told."""
    there, folder = tmp_path / "there", tmp_path / "tools"
    there.mkdir()
    program(there / "apt-get", "echo 'E: no packer' >&2; exit 100")
    program(there / "dpkg-deb", "exit 1")
    monkeypatch.setenv("PATH", str(there))
    monkeypatch.setattr(sys, "argv", ["fetch_tools.py", str(folder)])
    with pytest.raises(SystemExit, match=r"(?s)E: no packer.*PATH either: packer, git-lfs, shellcheck, pgbouncer"):
        fetch_tools.main()
    for name in fetch_tools.PROGRAMS:
        program(there / name, "exit 0")
    fetch_tools.main()
    assert {path.name: path.readlink() for path in folder.iterdir()} == {
        name: there / name for name in fetch_tools.PROGRAMS
    }
