"""What the proof's runs brought: a line of JSON each in build/proof/results.jsonl, of which docs/durability.md is made.

`make proof` begins the file anew; runs that are repeated by hand are added to it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.proof.nursery import ROOT

RESULTS = ROOT / "build/proof/results.jsonl"


def record(kind: str, *, passed: bool, **facts: Any) -> None:
    """Append one run of this kind; several processes may do so at once."""
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps({"kind": kind, "passed": passed, **facts}) + "\n"
    file = os.open(RESULTS, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.write(file, line.encode())
    os.close(file)


def recorded(path: Path = RESULTS) -> Iterator[dict[str, Any]]:
    """Yield what was recorded."""
    with path.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)
