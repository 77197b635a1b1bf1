"""One Postgres server for all tests of a run that want one; each of them gets databases of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres import Server, running


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A running server. It is never skipped: a journal on Postgres that was not tried is not known to work."""
    with tempfile.TemporaryDirectory(prefix="rollout-postgres-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # the server's user passes through it
        with running(folder) as server:
            yield server
