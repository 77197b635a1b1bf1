"""Every command of ours in every text that the tool can print: the command line takes it, and it is completed."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer

import rollout
from rollout.cli.app import app
from rollout.commands import Options, complete

SOURCE = Path(rollout.__file__).parent
TOLD = Options("/here/rollout.yaml", "sqlite:////here/rollout.db")
#: What stands in a text for a value that is known only when it is printed.
VALUE = "x1"
#: Programs whose commands are pasted into a shell: each value in one is quoted, or of a form that needs it not.
PASTED = re.compile(r"(?<![\w./'\"-])(?:aws|kubectl|rollout) [a-z][^,;()\n]*$")
#: Values that no shell reads otherwise: ids and names of Kubernetes' and AWS's own grammars, paths made by `quoted`.
HARMLESS = re.compile(
    r"quoted\(|_named\(|_names\(|resume\(|\brecord\.id$|rollout_id$|\b\w+\.id$|instance_id$|node\.name$|request\.ami$"
    r"|taint_key$|^key$|^len\(|^processes$|join\(waiting\)$|SCALE_DOWN_BEFORE_KEY$|SCALE_DOWN_KEY$|^name$|^named$|^region$|^taken$|^ami$|^AMI$"
)


@dataclass(frozen=True)
class Text:
    """One literal of the source: where it stands, and what it says with `VALUE` for what is filled in."""

    where: str
    said: str


def texts() -> Iterator[Text]:
    """Every literal that is no docstring, with the pieces of a formatted one put together."""
    for module in sorted(SOURCE.rglob("*.py")):
        for node in _outermost(ast.parse(module.read_text(encoding="utf-8"))):
            yield Text(f"{module.relative_to(SOURCE)}:{node.lineno}", _said(node))


def _outermost(tree: ast.Module) -> Iterator[ast.JoinedStr | ast.Constant]:
    pieces = {piece for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for piece in node.values}
    statements = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr | ast.Constant) and node not in pieces | statements:
            yield node


def _said(node: ast.JoinedStr | ast.Constant) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    return "".join(str(one.value) if isinstance(one, ast.Constant) else VALUE for one in node.values)


def _paths(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    found = getattr(command, "commands", None)
    if found is None:
        yield " ".join(path), command
    for name, inner in (found or {}).items():
        yield from _paths(inner, (*path, name))


COMMANDS = dict(_paths(typer.main.get_command(app)))
_NAMED = re.compile(rf"(?<![\w/.'\"-])rollout ({'|'.join(sorted(COMMANDS, key=len, reverse=True))})\b([^,;()\n]*)")
TEXTS = tuple(texts())
TOLD_COMMANDS = tuple((one, found[1], found[2]) for one in TEXTS for found in _NAMED.finditer(one.said))


def options(path: str) -> set[str]:
    """What a command takes."""
    return {option for parameter in COMMANDS[path].params for option in parameter.opts} | {"--help"}


def test_the_source_tells_commands() -> None:
    """The search finds what it is to judge."""
    assert {"resume", "doctor", "db upgrade", "ami build"} <= {path for _, path, _ in TOLD_COMMANDS}
    assert len(TOLD_COMMANDS) > 40


@pytest.mark.parametrize(("text", "path", "rest"), TOLD_COMMANDS, ids=lambda one: getattr(one, "where", ""))
def test_each_command_is_one_that_the_command_line_takes(text: Text, path: str, rest: str) -> None:
    """Name and options; and where it takes a configuration and a journal, both are repeated where it is shown."""
    given = re.findall(r"(?<!\S)--[a-z-]+", rest)
    assert set(given) <= options(path), text
    if {"--config", "--database"} <= options(path) and not text.said.startswith("--"):
        shown = complete(text.said, TOLD)
        said = [one[2] for one in _NAMED.finditer(shown) if one[1] == path]
        assert all("--config" in one and "--database" in one for one in said), text


def _filled_in() -> Iterator[tuple[str, str]]:
    """Every value that stands in a pasted command: where, and how it is written in the source."""
    for module in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                yield from ((f"{module.relative_to(SOURCE)}:{node.lineno}", one) for one in _values(node))


def _values(node: ast.JoinedStr) -> Iterator[str]:
    said = ""
    for piece in node.values:
        if isinstance(piece, ast.Constant):
            said += str(piece.value)
        elif isinstance(piece, ast.FormattedValue):
            before = PASTED.search(said)
            if before and " --" in before[0]:
                yield ast.unparse(piece.value)
            said += VALUE


@pytest.mark.parametrize(("where", "value"), sorted(set(_filled_in())))
def test_what_stands_in_a_pasted_command_is_quoted(where: str, value: str) -> None:
    """A name that others chose is one word of the shell: quoted by `commands`, or of a harmless grammar."""
    assert HARMLESS.search(value), f"{where}: {value}: build the command with rollout.commands, or quote the value"
