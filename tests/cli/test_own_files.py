"""What a person names for us to write: it replaces only what we wrote ourselves, of that kind, and as a whole."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rollout.cli import plan_file
from rollout.cli.monitoring import metrics
from rollout.cli.report import keeping
from rollout.config import Metrics
from rollout.errors import UserError
from rollout.journal import SqlJournal
from tests.cli import samples
from tests.cli.run import rollout
from tests.cli.test_plan_file import PLAN

CONFIG = "cluster: c\nregion: eu-west-1\ngroups: [workers]\n"
AMI = "ami-0123456789abcdef0"


def a_plan(_: SqlJournal, path: Path) -> None:
    plan_file.write(PLAN, path, path.parent / "rollout.db")


def a_page(journal: SqlJournal, path: Path) -> None:
    keeping.keep(journal, samples.ID, path)


def metrics_file(journal: SqlJournal, path: Path) -> None:
    settings = Metrics.model_construct(textfile=str(path), listen=None)  # of any name
    with metrics.published(settings, journal, lambda: samples.after(60)) as publish:
        publish(journal.load(samples.ID))


WRITERS = [a_plan, a_page, metrics_file]
Writer = Callable[[SqlJournal, Path], None]


def tried(write: Writer, journal: SqlJournal, path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """What is said of a file that is not written: by an error, or by a line of a run that goes on."""
    capsys.readouterr()
    try:
        write(journal, path)
    except UserError as error:
        return error.problem
    return capsys.readouterr().err


@pytest.mark.parametrize("write", WRITERS)
def test_each_replaces_its_own_kind_alone(tmp_path: Path, write: Writer, capsys: pytest.CaptureFixture[str]) -> None:
    """An older one of it; the other kinds, a configuration, notes, an empty file and a binary one are left alone."""
    journal = samples.draining(tmp_path)
    mine = tmp_path / "mine"
    for _ in range(2):
        assert tried(write, journal, mine, capsys) == ""
    others = [CONFIG.encode(), b"notes\n", b"", b"\xff\x00", b'{"kind": "rollout"}', b"<!DOCTYPE html><title>x</title>"]
    for other in WRITERS:
        if other is not write:
            other(journal, tmp_path / "other")
            others.append((tmp_path / "other").read_bytes())
            (tmp_path / "other").unlink()
    there = tmp_path / "there"
    for content in others:
        there.write_bytes(content)
        assert f"{there} is there already, is no " in tried(write, journal, there, capsys)
        assert there.read_bytes() == content
    assert {one.name for one in tmp_path.iterdir()} <= {
        "mine",
        "there",
        "rollout.db",
        "rollout.db-wal",
        "rollout.db-shm",
    }


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("ends", ["", "-wal", "-shm", "-journal", ".scope.lock"])
def test_none_takes_the_journals_place(
    tmp_path: Path, write: Writer, ends: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nor that of a file of its own, by a link too, there or not yet: and the journal can be read afterwards."""
    journal = samples.draining(tmp_path)
    before = sorted(tmp_path.iterdir())
    link = tmp_path / "link"
    link.symlink_to(tmp_path / f"rollout.db{ends}")
    for path in (link, tmp_path / f"rollout.db{ends}"):
        assert "belongs to the journal" in tried(write, journal, path, capsys)
    link.unlink()
    assert sorted(tmp_path.iterdir()) == before
    assert journal.load(samples.ID).id == samples.ID


@pytest.mark.parametrize("write", WRITERS)
def test_a_second_name_of_the_journals_file_keeps_its_locks(
    tmp_path: Path, write: Writer, capsys: pytest.CaptureFixture[str]
) -> None:
    """To open it, only to see what it is, and close it would let another process write into an open transaction."""
    journal = samples.draining(tmp_path)
    second = tmp_path / "second.prom"
    second.hardlink_to(tmp_path / "rollout.db")
    with journal.database.writing():
        assert "belongs to the journal" in tried(write, journal, second, capsys)
        other = subprocess.run([sys.executable, "-c", _WRITES, tmp_path / "rollout.db"], check=False)
    assert other.returncode == 0, "another process got the lock"


_WRITES = """
import sqlite3, sys
try:
    sqlite3.connect(sys.argv[1], timeout=0).execute("BEGIN IMMEDIATE")
except sqlite3.OperationalError:
    sys.exit(0)
sys.exit(1)
"""


@pytest.mark.parametrize("write", WRITERS)
def test_what_is_no_file_is_left_alone(tmp_path: Path, write: Writer, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder, a pipe that nobody writes to, a folder that is not there, a name too long: nothing is waited for."""
    journal = samples.draining(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    assert "is a folder" in tried(write, journal, tmp_path / "folder", capsys)
    assert "is no file, but a device, a pipe or a socket" in tried(write, journal, tmp_path / "pipe", capsys)
    assert f"there is no folder {tmp_path}/typo" in tried(write, journal, tmp_path / "typo/mine", capsys)
    assert not (tmp_path / "typo").exists()
    assert "cannot be looked at: File name too long" in tried(write, journal, tmp_path / ("x" * 300), capsys)


def test_a_file_that_is_replaced_keeps_its_mode_and_its_links(tmp_path: Path) -> None:
    """A new one has what the umask says; a link stays one; a reader keeps what it has open; nothing else stays."""
    journal, file, link = samples.draining(tmp_path), tmp_path / "plan.json", tmp_path / "link"
    before = os.umask(0o027)
    try:
        a_plan(journal, file)
        assert file.stat().st_mode & 0o777 == 0o640
        file.chmod(0o604)
        link.symlink_to(file)
        old = file.read_text()
        with file.open() as reader:
            plan_file.write(PLAN, link, None)
            assert reader.read() == old
        assert file.stat().st_mode & 0o777 == 0o604
    finally:
        os.umask(before)
    assert link.is_symlink()
    assert not [one for one in tmp_path.iterdir() if one.name.startswith(".")]


def test_a_disk_that_is_full_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file of before is whole, and nothing lies beside it."""
    file = tmp_path / "plan.json"
    plan_file.write(PLAN, file, None)
    before = file.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fchmod", full)
    with pytest.raises(UserError, match="cannot be written: No space left on device"):
        plan_file.write(PLAN, file, None)
    assert (file.read_bytes(), list(tmp_path.iterdir())) == (before, [file])


@pytest.mark.parametrize("name", ["rollout.db", "rollout.yaml", "notes.txt", "-", "typo/file"])
def test_a_command_says_so_before_anybody_is_asked(tmp_path: Path, name: str) -> None:
    """Of a page and of a plan, exit 2, and everything is as it was."""
    samples.done(tmp_path).close()
    (tmp_path / "rollout.yaml").write_text(f"{CONFIG}database: {samples.url(tmp_path)}\n")
    (tmp_path / "notes.txt").write_text("notes\n")
    before = {one.name: one.read_bytes() for one in tmp_path.iterdir()}
    for command in (("report", "--html", name), ("plan", "--ami", AMI, "--out", name)):
        ended = rollout(*command, cwd=tmp_path)
        assert (ended.code, ended.out) == (2, ""), ended
        assert f"  next: name {'a' if name == '-' else 'another'} file with {command[-2]}" in ended.err
    after = {one.name: one.read_bytes() for one in tmp_path.iterdir() if not one.name.startswith("rollout.db-")}
    assert after == before
    with sqlite3.connect(tmp_path / "rollout.db") as journal:
        assert journal.execute("PRAGMA quick_check").fetchone() == ("ok",)
