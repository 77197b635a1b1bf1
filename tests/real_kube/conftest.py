"""One real cluster for all, and what is to be said of it at the end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.real_kube.servers import Server, served
from tests.real_kube.worlds import access

WORDS = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    """Nothing has been said yet."""
    config.stash[WORDS] = []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how the server was reached, and what came of each rollout."""
    for line in terminalreporter.config.stash[WORDS]:
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def words(request: pytest.FixtureRequest) -> list[str]:
    """Lines to be printed at the end."""
    return request.config.stash[WORDS]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, words: list[str]) -> Iterator[Server]:
    """The real API server."""
    with served(tmp_path_factory.mktemp("server")) as one:
        words.append(one.words)
        yield one


@pytest.fixture(scope="session")
def token(server: Server) -> Iterator[str]:
    """The token of the ServiceAccount of deploy/kubernetes/access.yaml, which is applied."""
    with access(server.api) as one:
        yield one
