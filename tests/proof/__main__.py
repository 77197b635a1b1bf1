"""Repeats one run of the proof: python -m tests.proof ENGINE CASE [POINT ... | NUMBER before | NUMBER after].

Without a point the undisturbed run's are printed; of two, the second is one of the run after the first kill.
With a word, the number is that of the mutating request in which the installed command is killed.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tests.postgres import running
from tests.proof.cases import CASES
from tests.proof.engines import Engine, Postgres, Sqlite
from tests.proof.forkserver import Forkserver
from tests.proof.outcome import Outcome, Reference
from tests.proof.runs import Site, killed, killed_in_request, undisturbed


def main(engine: str, case: str, *how: str) -> int:
    """Run it, say what came of it, and return 1 if something is wrong."""
    folder = Path(tempfile.mkdtemp(prefix="rollout-proof-"))
    folder.chmod(0o755)  # a server's user passes through it
    with closing(Forkserver()) as forkserver, _engine(engine, folder) as where:
        site = Site(where, forkserver, folder)
        reference = undisturbed(site, CASES[case])
        if not how:
            _print("".join(f"{point.at:>6} {point}\n" for point in reference.points))
            return 0
        outcome = _run(site, reference, *how)
        _print(f"{outcome}    files: {folder}\n" if outcome.problems else f"{outcome}")
        if not outcome.problems:
            shutil.rmtree(folder)
        return bool(outcome.problems)


def _run(site: Site, reference: Reference, *how: str) -> Outcome:
    if how[-1] in {"before", "after"}:
        return killed_in_request(site, reference, int(how[0]), how[1])
    return killed(site, reference, *how)


@contextmanager
def _engine(name: str, folder: Path) -> Iterator[Engine]:
    if name == "sqlite":
        yield Sqlite(folder)
        return
    place = folder / "server"
    place.mkdir(mode=0o755)
    with running(place) as server:
        yield Postgres(server)


def _print(text: str) -> None:
    sys.stdout.write(text)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
