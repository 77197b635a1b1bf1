from __future__ import annotations

import errno
import os
import pwd
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import pytest

from rollout.errors import UserError
from rollout.journal import SqlJournal, open_journal, read_journal, sqlite_file
from rollout.journal.database import Database
from tests.journal.samples import NOW, PLAN, on_sqlite

MOUNTS = """\
22 1 259:1 / / rw,relatime shared:1 - ext4 /dev/root rw
40 22 0:40 / /home rw shared:9 - nfs4 filer:/home rw
41 40 0:41 / /home/ci/my\\040disk rw - ext4 /dev/sdb rw
"""


@on_sqlite
def test_modes(journal: SqlJournal, url: str) -> None:
    """Only their owner may read the journal, what SQLite writes beside it, and the folder that was made for them."""
    path = sqlite_file.path_of(url)
    assert path.parent.stat().st_mode & 0o777 == 0o700
    files = list(path.parent.iterdir())
    assert {file.name for file in files} == {"rollout.db", "rollout.db-wal", "rollout.db-shm"}
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}


@on_sqlite
def test_made_narrow(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is created with its final mode: SQLite, which would widen it, only ever finds it."""
    monkeypatch.setattr("rollout.journal.sqlite.create_engine", lambda *_, **__: pytest.fail("not yet"))
    with pytest.raises(pytest.fail.Exception):
        open_journal(url, actor="tester")
    assert sqlite_file.path_of(url).stat().st_mode & 0o777 == 0o600


@on_sqlite
def test_nothing_to_read(url: str) -> None:
    """Looking at a journal that does not exist, or is empty, says where it was looked for and creates nothing."""
    path = sqlite_file.path_of(url)
    with pytest.raises(UserError, match=f"there is no journal at {path}"):
        read_journal(url)
    assert not path.parent.exists()
    sqlite_file.create(path)
    with pytest.raises(UserError, match=f"{path} is empty, no journal: no rollout was started with it, or it is lost"):
        read_journal(url)


def test_other_than_a_file(tmp_path: Path) -> None:
    """A folder or a device as the journal is named as such, to readers and runners: nobody tries it again for ever."""
    for place_, says in ((tmp_path, f"{tmp_path} is a folder, name a file"), (Path(os.devnull), "is no file")):
        for opened in (read_journal, partial(open_journal, actor="tester")):
            with pytest.raises(UserError, match=says) as refusal:
                opened(f"sqlite:///{place_}")
            assert refusal.value.exit_code == 2


@pytest.mark.parametrize("url", ["rollout.db", "sqlite://", "postgresql://me:secret@db/x", "sqlite:///:memory:", ""])
def test_no_file(url: str) -> None:
    """A URL that names no SQLite file is refused, and a password in it is not repeated."""
    with pytest.raises(UserError, match="must be an SQLite file") as refusal:
        sqlite_file.path_of(url)
    assert "secret" not in refusal.value.problem


@pytest.mark.parametrize("name", ["z%41b.db", "z?x=y.db", "?", "z#1.db", "a b.db", "50%.db", "a&b@c:d;e.db"])
def test_a_name_is_taken_as_it_is_written(tmp_path: Path, name: str) -> None:
    """No character of a path stands for anything else: the file that is written has the name that was typed."""
    open_journal(f"sqlite:///{tmp_path}/{name}", actor="tester").close()
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/lib/r.db", "ext4"),
        ("/home/ci/r.db", "nfs4"),
        ("/home/ci/my disk/r.db", "ext4"),
        ("/homework/r.db", "ext4"),
    ],
)
def test_kind_of_disk(path: str, kind: str) -> None:
    """The innermost mount decides what a file lies on."""
    assert sqlite_file.kind_of_disk(Path(path), MOUNTS) == kind


@pytest.mark.parametrize(
    ("kind", "refused"),
    [
        *((network, True) for network in ("nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "fuse.glusterfs")),
        *((local, False) for local in ("fuse.fuse-overlayfs", "fuseblk", "xfs", "overlay", "tmpfs")),
    ],
)
def test_network_disks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, refused: bool) -> None:  # noqa: FBT001  parametrised
    """A journal on a network file system is refused, in words, before anything is written there."""
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"22 1 0:1 / / rw - {kind} disk rw\n")
    monkeypatch.setattr(sqlite_file, "_MOUNTS", mounts)
    path = tmp_path / "folder" / "rollout.db"
    if refused:
        with pytest.raises(UserError, match=f"would lie on {kind}"):
            sqlite_file.create(path)
    else:
        sqlite_file.create(path)
    assert path.parent.exists() is not refused


def test_no_place(tmp_path: Path) -> None:
    """A place where no file can be made is refused in words."""
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written: Not a directory"):
        sqlite_file.create(tmp_path / "file" / "rollout.db")


@contextmanager
def as_nobody() -> Iterator[None]:
    """Do the block with the rights of a user who owns nothing, where we are one who may do everything."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(pwd.getpwnam("nobody").pw_uid)
    try:
        yield
    finally:
        os.seteuid(before)


@pytest.fixture
def read_only() -> Iterator[Path]:
    """A folder that everybody may reach; `chmod(0o555)` keeps everybody from writing in it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        yield folder
        folder.chmod(0o700)


def test_a_folder_that_may_not_be_written(read_only: Path) -> None:
    """Who starts where they may not write is told so at once (exit 2), and where to say another place."""
    read_only.chmod(0o555)
    with pytest.raises(UserError, match="cannot be written: Permission denied") as refusal, as_nobody():
        open_journal(f"sqlite:///{read_only}/rollout.db", actor="tester")
    assert (refusal.value.exit_code, "under `database`" in refusal.value.hint) == (2, True)


def test_a_journal_that_may_not_be_written(read_only: Path) -> None:
    """Who may read it and not write it is told so when they start (exit 2)."""
    url = f"sqlite:///{read_only}/rollout.db"
    open_journal(url, actor="tester").close()
    (read_only / "rollout.db").chmod(0o444)
    read_only.chmod(0o555)
    with (
        as_nobody(),
        closing(SqlJournal(Database(url, create=False), "guest")) as guest,
        pytest.raises(UserError, match=r"written|opened") as refusal,
    ):
        guest.begin("r1", None, PLAN, NOW)
    assert (refusal.value.exit_code, "the right to write" in refusal.value.hint) == (2, True)


def test_a_full_disk_at_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once there is room, the same command may be run again: exit 75."""

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("rollout.journal.sqlite_file.os.open", full)
    with pytest.raises(UserError, match="No space left on device") as trouble:
        sqlite_file.create(tmp_path / "rollout.db")
    assert (trouble.value.exit_code, "df " in trouble.value.hint) == (75, True)


def test_a_suspended_process_is_woken_or_killed_but_not_asked() -> None:
    """A process that was stopped hears no SIGTERM: the hint says what works, on this host, where the kernel says so."""
    host = socket.gethostname()
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        try:
            assert sqlite_file.to_wake(host, process.pid) == ""
            process.send_signal(signal.SIGSTOP)
            os.waitpid(process.pid, os.WUNTRACED)
            assert f"kill -CONT {process.pid}" in sqlite_file.to_wake(host, process.pid)
            assert sqlite_file.to_wake("another", process.pid) == ""
        finally:
            process.kill()
    assert sqlite_file.to_wake(host, process.pid) == ""
