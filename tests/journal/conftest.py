"""A journal of its own for each test, on each engine: in a file, and in a database on a server."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import pytest

from rollout.journal import SqlJournal, open_journal, schema, sqlite_file
from tests.journal.lossy import Lossy, lossy
from tests.journal.samples import ID, NOW, PLAN
from tests.postgres import Server

Engine = Literal["sqlite", "postgres"]

_BLANK = "blank_journal"


@pytest.fixture(params=["sqlite", "postgres"])
def engine(request: pytest.FixtureRequest) -> Engine:
    """The engine; a test of what only one of them does is marked with one of `samples`'."""
    name: Engine = request.param
    return name


@pytest.fixture
def databases(request: pytest.FixtureRequest) -> Iterator[Callable[[str], str]]:
    """Make databases that are copies of another one, until the test ends; what is left of hundreds is gigabytes."""
    made: list[str] = []

    def make(template: str) -> str:
        server: Server = request.getfixturevalue("postgres")
        made.append(f"journal_{secrets.token_hex(6)}")
        server.execute(f"CREATE DATABASE {made[-1]} TEMPLATE {template} STRATEGY file_copy")
        return server.url(made[-1])

    yield make
    for name in made:
        request.getfixturevalue("postgres").execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture
def urls(engine: Engine, tmp_path: Path, databases: Callable[[str], str]) -> Callable[[], str]:
    """Places where no journal is yet, as many as a test asks for: no file, or an empty database."""

    def another() -> str:
        if engine == "sqlite":
            return f"sqlite:///{tmp_path}/journal_{secrets.token_hex(6)}/rollout.db"
        return databases("template0")

    return another


@pytest.fixture
def url(
    engine: Engine, urls: Callable[[], str], databases: Callable[[str], str], request: pytest.FixtureRequest
) -> str:
    """A place where no journal is yet; the place of `empty` where a test asks for that too."""
    if engine == "postgres" and "empty" in request.fixturenames:
        return databases(request.getfixturevalue("template"))
    return urls()


@pytest.fixture(scope="session")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a journal without a rollout: migrated once, copied for each test."""
    path = tmp_path_factory.mktemp("blank") / "rollout.db"
    open_journal(f"sqlite:///{path}", actor="tester").close()
    return path


@pytest.fixture(scope="session")
def template(postgres: Server) -> str:
    """The database of a journal without a rollout: migrated once, copied for each test."""
    postgres.execute(f"CREATE DATABASE {_BLANK} TEMPLATE template0")
    schema.upgrade(postgres.url(_BLANK))
    return _BLANK


@pytest.fixture
def empty(engine: Engine, url: str, request: pytest.FixtureRequest) -> Iterator[SqlJournal]:
    """A journal without a rollout."""
    if engine == "sqlite":
        path = sqlite_file.path_of(url)
        sqlite_file.create(path)
        path.write_bytes(request.getfixturevalue("blank").read_bytes())
    journal = open_journal(url, actor="tester")
    yield journal
    journal.close()


@pytest.fixture
def journal(empty: SqlJournal) -> SqlJournal:
    """A journal with one rollout that has just begun."""
    empty.begin(ID, "build-17", PLAN, NOW)
    return empty


@pytest.fixture
def proxy(postgres: Server) -> Iterator[Lossy]:
    """A way to the server that can lose a COMMIT or its answer."""
    with lossy(postgres.port) as proxy:
        yield proxy
