"""Files that a person names for us to write: each replaces only one of its own kind, as a whole, and never the journal.

A file says by its own beginning what it is. So a slip in a name costs nobody a configuration, notes or a journal.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from rollout.config.journal_files import is_of_journal, real_path
from rollout.errors import UserError

#: So much of a file is read to see what it is.
_BEGINNING = 4096


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of file: `name` in words, `begins` as every one of it does, and the `option` or setting that names it.

    `mode`: what each has; None: that of the file before it, and of a new file what the umask says.
    """

    name: str
    begins: re.Pattern[bytes]
    option: str
    mode: int | None = None


def require(path: Path, kind: Kind, journal: Path | None) -> None:
    """Raise `UserError` unless a file of this kind may be written there. `journal`: its file, None on a server."""
    _replaced(path, kind, journal)


def write(text: str, path: Path, kind: Kind, journal: Path | None) -> None:
    """Write a file as a whole: who reads it sees what was before, or all of the new one.

    Raises `UserError` where something else is there, or the disk does not take it: then nothing has changed.
    """
    before = _replaced(path, kind, journal)
    mode = kind.mode if kind.mode is not None or before is None else stat.S_IMODE(before.st_mode)
    real = real_path(path)  # where a link leads: the link stays
    beside = real.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        try:
            with os.fdopen(os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666), "wb") as file:
                if mode is not None:
                    os.fchmod(file.fileno(), mode)
                file.write(text.encode())
            beside.replace(real)
        except BaseException:
            with suppress(OSError):
                beside.unlink()
            raise
    except OSError as error:
        raise _not_written(path, kind, f"cannot be written: {error.strerror}") from error


def _replaced(path: Path, kind: Kind, journal: Path | None) -> os.stat_result | None:
    """Return what is known of the file that would be replaced, None for none. Raises `UserError` if it may not be."""
    if str(path) == "-":
        hint = f"name a file with {kind.option}, such as ./-"
        raise UserError(f'a {kind.name} goes to a file, not to standard output, so "-" is refused', hint=hint)
    try:
        # Before anything is opened: closing the journal's file would drop this process's locks of it.
        if journal and is_of_journal(path, journal):
            raise _not_written(path, kind, f"belongs to the journal {journal}, and was left alone")
        if not path.parent.is_dir():
            raise _not_written(path, kind, f"cannot be written: there is no folder {path.parent.absolute()}")
        if not path.exists():
            return None
        if path.is_dir():
            raise UserError(f"{path.absolute()} is a folder", hint=f"name a file in it with {kind.option}")
        if not path.is_file():
            raise _not_written(path, kind, "is no file, but a device, a pipe or a socket")
        with path.open("rb") as file:
            if kind.begins.match(file.read(_BEGINNING)):
                return os.fstat(file.fileno())
    except OSError as error:
        raise _not_written(path, kind, f"cannot be looked at: {error.strerror}") from error
    raise _not_written(path, kind, f"is there already, is no {kind.name}, and was left alone")


def _not_written(path: Path, kind: Kind, why: str) -> UserError:
    return UserError(f"{path.absolute()} {why}", hint=f"name another file with {kind.option}")
