"""The tables of docs/durability.md say what the runs brought, and hide none that failed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.test_docs import tool

POINT = {"number": 1, "when": "before", "what": "commit", "kind": "intent", "name": "intended: cordon"}
KILLED = {"kind": "single", "engine": "sqlite", "case": "plain", "points": [POINT], "sent_again": 1, "seconds": 2.0}
FAULT = {"kind": "effect", "engine": "sqlite", "fault": "throttled", "crash": True, "effects": {"evict": 3}}


def tables(*runs: dict[str, Any]) -> str:
    text: str = tool("durability_page").tables(runs)
    return text


def test_runs_are_counted_by_world_journal_and_step() -> None:
    """Kills are counted with what was sent again, and at each kind of step before and after it."""
    text = tables(KILLED | {"passed": True}, KILLED | {"passed": True})
    assert "| killed once | plain | sqlite | 2 | 2 | all | 2 |" in text
    assert "| commit | intent | 2 | 0 | all |" in text


def test_a_failed_run_is_seen() -> None:
    """Where a run failed no row says that all went well."""
    text = tables(KILLED | {"passed": True}, KILLED | {"passed": False}, FAULT | {"passed": False})
    assert "| killed once | plain | sqlite | 2 | 2 | **1 of 2** | 2 |" in text
    assert "| commit | intent | 2 | 0 | **1 of 2** |" in text
    assert "| all |" not in text


def test_any_kind_of_run_has_a_table() -> None:
    """A kind that nobody foresaw has a row for each combination of its facts; faults have a table of effects too."""
    text = tables(FAULT | {"passed": True}, {"kind": "odd", "passed": True, "name": "a|b"})
    assert "## Odd\n\n| name | runs | as promised |\n|---|---|---|\n| a\\|b | 1 | all |\n" in text
    assert "| effect | throttled |\n|---|---|\n| evict | 3 |\n" in text


def test_prose_is_left_alone(tmp_path: Path) -> None:
    """What stands above the mark stays; what stood below it is replaced."""
    module = tool("durability_page")
    page = tmp_path / "page.md"
    for name in ("one", "another"):
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(KILLED | {"passed": True}) + "\n")
    page.write_text(f"prose\n{module.MARK}old\n")
    module.main(tmp_path, page)
    assert page.read_text().startswith(f"prose\n{module.MARK}\n## Runs\n")
    assert "| killed once | plain | sqlite | 2 |" in page.read_text()
    assert "old" not in page.read_text()
