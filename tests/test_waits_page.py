"""docs/waits.md names every place of the code that waits, with its end."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
PLACES = (
    *sorted((ROOT / "rollout/phases").glob("*.py")),
    *sorted((ROOT / "rollout/stages").glob("*.py")),
    *sorted((ROOT / "rollout/engine").glob("*.py")),
    *(ROOT / f"rollout/{name}.py" for name in ("adapters/connecting", "cli/session")),
)
#: What a function that waits calls: a decision to wait, a step that does, or the clock.
WAITS = {"Wait", "wait", "pause", "until_aws", "until_ended", "short"}


def waiting(node: ast.AST) -> bool:
    """Whether this is a call that waits."""
    if not isinstance(node, ast.Call):
        return False
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    return name in WAITS or (
        name in {"StageDecision", "replace", "Part"} and any(one.arg == "waits_for" for one in node.keywords)
    )


def places() -> Iterator[str]:
    """Every function that waits, as module.function."""
    for file in PLACES:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and any(map(waiting, ast.walk(node))):
                yield f"{file.stem}.{node.name}"


def test_every_wait_is_in_the_table_with_its_end() -> None:
    """A function that waits and is not listed, or one that is listed and waits no more, fails; no row lacks its end."""
    rows = [line for line in (ROOT / "docs/waits.md").read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[1:]]
    assert all(len(row) == 4 and all(row) for row in cells)
    assert {name for row in cells for name in re.findall(r"`([a-z_]+\.[a-z_]+)`", row[3])} == set(places())
