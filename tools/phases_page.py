"""Writes docs/phases.md from the machine's two tables and from what each phase's and stage's module says of itself.

Usage: python tools/phases_page.py FILE. A test holds that the page in the repository is what this writes.
"""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from rollout.model.machine import PHASE_MOVES, STAGE_MOVES, Phase, Stage, terminal

HEAD = """\
# Phases and stages

<!-- Written by `make docs` from rollout/model/machine.py and the modules it names. Change those, not this page. -->

A rollout is in one **phase** at a time. Each node that must go is in one **stage**. Two tables in
`rollout/model/machine.py` have all moves between them. A phase ends when the world shows the result that it is for,
also if somebody else brought that about. *Halted* is not a phase: a halted rollout stays in its phase until `rollout
resume`.
[glossary.md](glossary.md) explains the terms.
"""


def page() -> str:
    """Return the whole page."""
    parts = [
        HEAD,
        "## Phases\n",
        _diagram(PHASE_MOVES),
        *_described("phases", list(Phase)),
        "## Stages of a node that must go\n",
        _diagram(STAGE_MOVES),
        *_described("stages", list(Stage)),
    ]
    return "\n".join(parts)


def _diagram(moves: Mapping[Phase, Mapping[str, Phase]] | Mapping[Stage, Mapping[str, Stage]]) -> str:
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {next(iter(moves)).value}"]
    for state, row in moves.items():
        lines += [f"    {state.value} --> {target.value}: {trigger}" for trigger, target in row.items()]
        if not row:
            lines.append(f"    {state.value} --> [*]")
    return "\n".join([*lines, "```\n"])


def _described(package: str, states: list[Phase] | list[Stage]) -> Iterator[str]:
    for state in states:
        text = _own_words(f"rollout.{package}.{state.value.lower()}", state.value)
        if text:
            yield f"### {state.value}\n\n{text}\n"


def _own_words(module: str, name: str) -> str:
    """Return a module's docstring without the state's name in front; a terminal phase has no module, and no words."""
    if importlib.util.find_spec(module) is None and terminal(Phase(name)):
        return ""
    text = inspect.getdoc(importlib.import_module(module)) or ""
    head, colon, rest = text.partition(": ")
    if not colon or head != name:
        raise SystemExit(f'{module}: its docstring must begin with "{name}: "')
    return rest[0].upper() + rest[1:]


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
