"""What the proof's runs brought: for each test a file of JSON lines, of which docs/durability.md is made.

The files of one state of the code lie in a folder of their own, `build/proof/CODE`; `build/proof/last` is the newest. A
test's file is written when the test has ended, so what was interrupted left none, and is run again.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "build/proof"
#: What the runs depend upon: everything in these folders, and the packages.
CODE = ("rollout", "eks_simulator", "migrations", "tests", "specs", "requirements.lock")

_lines: list[str] = []


def record(kind: str, *, passed: bool, **facts: Any) -> None:
    """Note one run of this kind, for the test that is under way."""
    _lines.append(json.dumps({"kind": kind, "passed": passed, **facts}) + "\n")


@contextmanager
def kept(test: str) -> Iterator[None]:
    """Write what is recorded inside the block into the test's file; a test that fails must have recorded that."""
    _lines.clear()
    before = code()
    yield
    if code() == before:  # after an edit in between, the result says nothing of either state
        _write(FOLDER / before, test)


def passed() -> set[str]:
    """Return the names of the files of those tests that have passed on the code as it is."""
    files = (FOLDER / code()).glob("*.jsonl")
    return {file.name for file in files if all(run["passed"] for run in recorded(file))}


def recorded(file: Path) -> Iterator[dict[str, Any]]:
    """Yield what a test recorded."""
    yield from map(json.loads, file.read_text(encoding="utf-8").splitlines())


def name(test: str) -> str:
    """Return the name of a test's file."""
    readable = re.sub(r"[^\w.-]+", "-", test.removeprefix("tests/proof/"))[:120].strip("-")
    return f"{readable}-{hashlib.sha256(test.encode()).hexdigest()[:6]}.jsonl"


def _write(place: Path, test: str) -> None:
    place.mkdir(parents=True, exist_ok=True)
    new, last = place / f"{name(test)}.new", FOLDER / f"last.{os.getpid()}"
    new.write_text("".join(_lines), encoding="utf-8")
    new.replace(place / name(test))
    last.symlink_to(place.name)
    last.replace(FOLDER / "last")


def code() -> str:
    """Return what this state of the code is called: the same for the same files, wherever they lie."""
    digest = hashlib.sha256()
    for path in sorted(path for name in CODE for path in _files(ROOT / name)):
        digest.update(f"{path.relative_to(ROOT)}\0{path.stat().st_size}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def _files(place: Path) -> Iterator[Path]:
    if place.is_file():
        yield place
    yield from (path for path in place.rglob("*") if path.is_file() and path.suffix != ".pyc")
