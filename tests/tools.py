"""The programs that tests run and no Python package has: Packer, git-lfs, shellcheck, PgBouncer.

`make tools` fetches them.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

#: Where `make tools` puts them.
FOLDER = Path(__file__).parent.parent / ".venv/tools/bin"


def tool(name: str) -> Path:
    """Return where a program is; one that was not tried is not known to work, so there is no way around it."""
    path = FOLDER / name
    if not path.exists():
        raise FileNotFoundError(f"{name} is not in {FOLDER}; fetch it: make tools")
    return path


def search_path() -> str:
    """Return a PATH on which a program under test finds these, the AWS CLI of this environment, and the system's."""
    aws = shutil.which("aws", path=Path(sys.executable).parent)
    if aws is None:
        raise FileNotFoundError("the AWS CLI is not beside this Python; install it: make setup")
    return os.pathsep.join([str(FOLDER), str(Path(aws).parent), "/usr/local/bin", "/usr/bin", "/bin"])
