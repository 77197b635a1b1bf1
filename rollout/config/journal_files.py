"""Which files a journal in a file consists of: nothing else may ever be written in their place."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_SQLITE = "sqlite:///"
#: Of the names that SQLite gives its files (https://www.sqlite.org/tempfiles.html).
_ENDS = ("", "-wal", "-shm", "-journal")


def journal_file(url: str) -> Path | None:
    """Return the file of a journal's URL, None for a server's."""
    return Path(url.removeprefix(_SQLITE)).absolute() if url.startswith(_SQLITE) else None


def real_path(path: Path) -> Path:
    """Return where all links lead; `Path.resolve` raises for those that lead to themselves."""
    return Path(os.path.realpath(path))


def is_of_journal(path: Path, journal: Path) -> bool:
    """Tell whether a path is the journal's, its log's (-wal, -shm, -journal) or a lock's beside it, by any name."""
    here, real = real_path(path), real_path(journal)
    own = [real.with_name(real.name + end) for end in _ENDS]
    is_lock = here.parent == real.parent and here.name.startswith(f"{real.name}.") and here.suffix == ".lock"
    return here in own or is_lock or any(_same(here, one) for one in own)


def _same(one: Path, other: Path) -> bool:
    """Tell whether two names are those of one file that is there."""
    with suppress(OSError):
        return one.samefile(other)
    return False
