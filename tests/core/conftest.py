"""A journal in a file of its own, and a toy world beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rollout.journal import SqlJournal, open_journal
from tests.core.running import Ran
from tests.core.toy import Toy

_HERE = Path(__file__).parent


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Count the branches of what decides by the tests of its rules: to watch whole rollouts costs half of their time.

    They are those with a journal. Where all that is tested is measured (make coverage), they count.
    """
    if config.getoption("cov_fail_under", None) is None:
        return
    for item in items:
        if item.path.is_relative_to(_HERE) and "fresh_journal" in getattr(item, "fixturenames", ()):
            item.add_marker("no_cover")


@pytest.fixture(scope="session")
def fresh_journal(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], SqlJournal]:
    """Make journals without a rollout: migrated once, copied for each."""
    first = tmp_path_factory.mktemp("journal") / "rollout.db"
    open_journal(f"sqlite:///{first}", actor="tester").close()

    def make() -> SqlJournal:
        path: Path = tmp_path_factory.mktemp("journal") / "rollout.db"
        path.write_bytes(first.read_bytes())
        path.chmod(0o600)
        return open_journal(f"sqlite:///{path}", actor="tester")

    return make


@pytest.fixture
def journal(fresh_journal: Callable[[], SqlJournal]) -> Iterator[SqlJournal]:
    """A journal without a rollout."""
    opened = fresh_journal()
    yield opened
    opened.close()


@pytest.fixture
def toy() -> Toy:
    """One group of two old nodes: on one a Job that runs for a minute, on the other a pod that may be evicted."""
    return Toy.in_use()


@pytest.fixture(scope="session")
def ran(fresh_journal: Callable[[], SqlJournal]) -> Iterator[Ran]:
    """A rollout that nothing disturbed."""
    journal = fresh_journal()
    yield Ran(journal).run()
    journal.close()
