"""A worker that is killed at any of its transactions: the next one brings the fleet to the same end."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from rollout.fleet.model import State
from rollout.journal import audit, open_journal
from tests.fleet.virtual import begin, look, plan, ran, script, told
from tests.proof.forkserver import Forkserver

#: Seconds after which a worker is taken for stuck.
PATIENCE = 60.0
NAMES = ("a", "b")


@pytest.fixture(scope="module")
def forkserver() -> Iterator[Forkserver]:
    """A process that has loaded what a worker needs."""
    server = Forkserver("tests.fleet.child:warm")
    yield server
    server.close()


@pytest.fixture(scope="module")
def blank(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The file of a journal with a fleet that has begun: two waves, and a member whose first run is interrupted."""
    path = tmp_path_factory.mktemp("blank") / "fleet.db"
    with closing(open_journal(f"sqlite:///{path}", actor="tester")) as journal:
        begin(journal, plan(*NAMES, waves=2))
    return path.read_bytes()


def work(forkserver: Forkserver, folder: Path, name: str, minutes: int, kill: list[object]) -> int:
    """Let a worker work; return how it ended."""
    url = f"sqlite:///{folder}/fleet.db"
    arguments = {"url": url, "name": name, "minutes": minutes, "kill": kill, "folder": str(folder)}
    environment = {"PATH": os.defpath}
    pid = forkserver.fork("tests.fleet.child:run", folder, name, environment, of=arguments)
    code = forkserver.wait(pid, PATIENCE)
    assert code is not None, "stuck"
    return code


@pytest.mark.parametrize(
    "point",
    ["commit", *(pytest.param(one, marks=pytest.mark.exhaustive) for one in ("begin", "checkin"))],
)
def test_killed_at_each_transaction(forkserver: Forkserver, blank: bytes, tmp_path: Path, point: str) -> None:
    """Before it, before its end and after its end: each member begins once, and the fleet ends as if undisturbed."""
    for number in itertools.count(1):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "fleet.db").write_bytes(blank)
        script(folder, a=[75, 0])
        first = work(forkserver, folder, "first", 0, [point, number])
        assert first in {0, -9}, (folder / "first.err").read_text()
        if first == -9:
            assert work(forkserver, folder, "second", 10, []) == 0, (folder / "second.err").read_text()
        _as_undisturbed(folder)
        if first == 0:
            break
    assert number > 20


def _as_undisturbed(folder: Path) -> None:
    with closing(open_journal(f"sqlite:///{folder}/fleet.db", actor="tester")) as journal:
        fleet, members = look(journal)
        assert (fleet.state, [one.stands for one in members.values()]) == (State.DONE, ["done", "done"])
        begun = [text.partition(",")[0] for text in told(journal, "member") if " begins" in text]
        assert begun == ["a begins", "b begins"]
        assert set(ran(folder)) == set(NAMES)
        [verdict] = audit.verify(journal.database)
        assert verdict.problems == ()
