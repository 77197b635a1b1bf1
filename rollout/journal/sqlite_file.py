"""The file of a journal: 0600 in a folder of its own, on a disk of this host. The locks beside it.

SQLite's write-ahead log needs memory that all its processes share, so it does not work on network file systems
(https://www.sqlite.org/wal.html, "Disadvantages"), and neither do the locks that keep two runners apart.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from rollout.errors import RESUMABLE, UserError
from rollout.journal.trouble import Trouble

_SCHEME = "sqlite:///"
_NETWORK = {
    *("9p", "afs", "beegfs", "ceph", "cifs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "smb2", "smb3", "smbfs"),
    *("vboxsf", "virtiofs"),
}
# In user space, but local: the root of a container without root.
_LOCAL = {"fuse.fuse-overlayfs"}
_MOUNTS = Path("/proc/self/mountinfo")


def path_of(url: str) -> Path:
    """Return the file that `sqlite:////path` names, each character for itself; `UserError` for any other URL."""
    name = url.removeprefix(_SCHEME)
    if name in {url, "", ":memory:"}:
        # Not repeated: there may be a password in it.
        raise UserError(
            "the journal's database must be an SQLite file, or postgresql+psycopg://USER@HOST/DATABASE",
            hint="write --database sqlite:////absolute/path/rollout.db",
        )
    return Path(name).absolute()


def create(path: Path) -> None:
    """Create what is missing, folders 0700 and the file 0600; SQLite gives its -wal and -shm the file's mode."""
    try:
        _refuse_other_than_file(path)
        _refuse_network(path)
        for folder in reversed([folder for folder in path.parents if not folder.exists()]):
            folder.mkdir(mode=0o700, exist_ok=True)
        _touch(path)
    except OSError as error:
        raise cannot_write(f"the journal {path}", path.parent, error) from error


def _touch(path: Path) -> None:
    # Never opened once it exists: closing it would drop the locks of all this process's connections to it, and another
    # process would take the log away from under them (https://www.sqlite.org/howtocorrupt.html, 2.2).
    if path.exists():
        return
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def cannot_write(what: str, folder: Path, error: OSError) -> Trouble:
    """Return the error for a file of ours that the disk does not take."""
    problem = f"{what} cannot be written: {error.strerror}"
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return Trouble(problem, hint=f"make room (df {folder}), then run the same command again", exit_code=RESUMABLE)
    return Trouble(problem, hint="name a place that this user may write under `database` in the configuration")


def lock_of(path: Path, scope: str) -> Path:
    """Return the file that the runner of a cluster locks; one journal has one, also when it has several names."""
    real = path.resolve()
    return real.with_name(f"{real.name}.{quote(scope, safe='')}.lock")


def is_locked(path: Path) -> bool:
    """Tell whether a living process holds the lock on this file."""
    try:
        lock = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    except PermissionError:
        return True  # another user's: nobody can tell, so the lock counts as held
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)  # two who look are not in each other's way
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def same_file(opened: int, path: Path) -> bool:
    """Tell whether a file that is open still has its name: one that was deleted, or made again, keeps nobody out."""
    try:
        return os.path.samestat(os.fstat(opened), path.stat())
    except OSError:
        return False


def find(path: Path) -> None:
    """Raise `UserError` if there is no journal."""
    try:
        _refuse_other_than_file(path)
        if not path.exists() or path.stat().st_size == 0:  # SQLite would write into it
            raise no_journal(path)
        _refuse_network(path)
    except OSError as error:
        raise Trouble(
            f"the journal {path} cannot be looked at: {error.strerror}", hint=f"give this user the right to read {path}"
        ) from error


def no_journal(path: Path) -> UserError:
    """Return the error for a file that holds no journal, or is not there: whether there ever was one, nobody knows."""
    if not path.exists():
        found = f"there is no journal at {path}"
    elif path.stat().st_size == 0:
        found = f"{path} is empty, no journal"
    else:
        found = f"the database {path} has no journal in it"
    return UserError(
        f"{found}: no rollout was started with it, or it is lost",
        hint="name another with --database, or see whether the cluster knows of a rollout: rollout doctor",
    )


def _refuse_other_than_file(path: Path) -> None:
    if path.is_dir():
        raise UserError(f"{path} is a folder, name a file", hint=f"for example sqlite:///{path / 'rollout.db'}")
    if path.exists() and not path.is_file():
        raise UserError(f"{path} is no file, but a device, a pipe or a socket", hint="name a file as the journal")


def kind_of_disk(path: Path, mounts: str) -> str:
    """Return the type of the file system that `path` lies on, "" if that is not told (proc(5), mountinfo)."""
    kinds = dict(_mounted(mounts))
    return next((kinds[folder] for folder in (path, *path.parents) if folder in kinds), "")


def _mounted(mounts: str) -> Iterator[tuple[Path, str]]:
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        # Blanks in a path are written in octal.
        yield Path(before.split()[4].encode().decode("unicode_escape")), after.split()[0]


def _refuse_network(path: Path) -> None:
    if not _MOUNTS.exists():  # only Linux tells
        return
    kind = kind_of_disk(path.resolve(), _MOUNTS.read_text())
    if kind in _NETWORK or (kind.startswith("fuse.") and kind not in _LOCAL):
        raise UserError(
            f"the journal {path} would lie on {kind}: SQLite loses data on network file systems",
            hint="name a place on a disk of this host, or a Postgres database, under `database` in the configuration",
        )


def to_wake(host: str, pid: int) -> str:
    """Return what to do about a process of this host that was stopped (Ctrl-Z, SIGSTOP) and hears nothing; else ""."""
    if host != socket.gethostname() or _state(pid) not in {"T", "t"}:
        return ""
    return f"it is suspended: to continue it: kill -CONT {pid}; to end it: kill -KILL {pid}"


def _state(pid: int) -> str:
    """Return the letter by which Linux tells a process's state, "" where nobody knows."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return stat.rpartition(")")[2].split()[0]
