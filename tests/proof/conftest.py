"""Where the proof's runs take place, and the undisturbed runs that they are measured by; made once for each worker."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from tests import swift
from tests.postgres import Server
from tests.proof.cases import CASES
from tests.proof.engines import Postgres, Sqlite
from tests.proof.forkserver import Forkserver
from tests.proof.outcome import Reference
from tests.proof.runs import Site, undisturbed

#: The engines of journals.
ENGINES = (Sqlite.name, Postgres.name)

References = Callable[[str, str], tuple[Site, Reference]]


@pytest.fixture(scope="session")
def forkserver() -> Iterator[Forkserver]:
    """The warm process that all children of this worker come from."""
    forkserver = Forkserver()
    yield forkserver
    forkserver.close()


@pytest.fixture(scope="session")
def sites(forkserver: Forkserver, request: pytest.FixtureRequest) -> Iterator[Callable[[str], Site]]:
    """Where runs with their journal on an engine take place, by the engine's name."""
    with tempfile.TemporaryDirectory(prefix="rollout-proof-", dir=swift.folder()) as name:

        @cache
        def site(engine: str) -> Site:
            folder = Path(name)
            if engine == "sqlite":
                return Site(Sqlite(folder), forkserver, folder)
            server: Server = request.getfixturevalue("postgres")
            return Site(Postgres(server), forkserver, folder)

        yield site


@pytest.fixture(scope="session")
def references(sites: Callable[[str], Site]) -> References:
    """The undisturbed run of a case on an engine, by their names, and where it took place."""

    @cache
    def reference(engine: str, case: str) -> tuple[Site, Reference]:
        site = sites(engine)
        return site, undisturbed(site, CASES[case])

    return reference
