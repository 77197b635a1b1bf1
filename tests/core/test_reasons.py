"""Each reason is raised somewhere, and docs/halts.md has each of them and no other."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import ModuleType

import pytest

import rollout
from rollout.model.reasons import Reason, tagged
from rollout.preflight.blockers import REASONS
from rollout.preflight.warnings import WARNINGS
from tests.core import tables

HERE = Path(__file__).parent
ROOT = Path(__file__).parents[2]
SOURCE = Path(rollout.__file__).parent


def _page() -> ModuleType:
    spec = importlib.util.spec_from_file_location("halts_page", ROOT / "tools/halts_page.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MEANINGS = _page().MEANINGS


def _raised() -> Iterator[str]:
    """The names of the reasons that the source names, the table of them aside."""
    for module in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Reason":
                yield node.attr


RAISED = set(_raised())


@pytest.mark.parametrize("reason", Reason)
def test_each_reason_is_raised_and_explained_once(reason: Reason) -> None:
    """By a rule of the source; and it stands on the page in its own section, or in one table of preflight."""
    assert reason.name in RAISED
    written = (ROOT / "docs/halts.md").read_text(encoding="utf-8")
    found = written.count(f"### {reason}\n") + written.count(f"\n| `{reason}` |")
    expected = (reason in MEANINGS) + any(rule.reason is reason for rule in REASONS.values())
    assert found == expected + (reason in WARNINGS.values()) + (reason is Reason.CLUSTER_UNIDENTIFIED)
    assert found


def test_the_page_has_no_other_reason() -> None:
    """Nor is there a word for one that nobody raises."""
    written = (ROOT / "docs/halts.md").read_text(encoding="utf-8")
    told = re.findall(r"^### (\w+)$|^\| `(\w+)` \|", written, flags=re.MULTILINE)
    assert {section or row for section, row in told} == set(Reason)


@pytest.mark.parametrize("reason", Reason)
def test_a_reason_is_one_word_in_camel_case(reason: Reason) -> None:
    """As in the conditions of Kubernetes; and its name in the source is the same word."""
    assert re.fullmatch(r"([A-Z][a-z]+)+", reason)
    assert re.sub(r"(?<!^)(?=[A-Z])", "_", reason).upper() == reason.name


TESTS = {path.stem: path.read_text(encoding="utf-8") for path in HERE.glob("test_*.py") if path.stem != "test_reasons"}
#: What no table has: another test asserts it by its name.
ELSEWHERE = (
    Reason.CLUSTER_NOT_STEADY,
    Reason.EVICTION_FAILS,
    Reason.GROUP_DELETED,
    Reason.KUBELET_SILENT,
    Reason.MARKER_GONE,
    Reason.OBSERVATION_DENIED,
    Reason.OBSERVATION_UNCONFIRMED,
    Reason.PAUSED,
    Reason.PLAN_MOVED,
    Reason.POD_COMES_BACK,
    Reason.REPLICAS_NOT_READY,
    Reason.TAKEOVER_DELAY,
    Reason.TURN,
    Reason.WINDOW_CLOSED,
)


def test_each_halt_and_wait_is_raised_by_a_world() -> None:
    """The worlds of the tables raise all reasons but those that another test asserts by their name."""
    for name in (name for name, text in TESTS.items() if "from tests.core.tables import" in text):
        for test in vars(importlib.import_module(f"tests.core.{name}")).values():
            marks = [mark for mark in getattr(test, "pytestmark", ()) if mark.name == "parametrize"]
            names = _names(marks[0]) if len(marks) == 1 else []
            if names and names == [*inspect.signature(test).parameters]:
                for row in marks[0].args[1]:
                    with suppress(AssertionError):  # whether it holds is that test's own to say
                        test(**dict(zip(names, _values(row, len(names)), strict=True)))
    told = {reason for reason in ELSEWHERE if any(f"Reason.{reason.name}" in text for text in TESTS.values())}
    assert set(MEANINGS) - tables.MET.keys() - told == set()


def _values(row: object, count: int) -> tuple[object, ...]:
    if isinstance(row, type(pytest.param())):
        return tuple(row.values)
    return tuple(row) if count > 1 and isinstance(row, tuple) else (row,)


def _names(mark: pytest.Mark) -> list[str]:
    names = mark.args[0]
    return [one.strip() for one in names.split(",")] if isinstance(names, str) else list(names)


def test_whatever_waits_says_why_in_one_word() -> None:
    """Each step of a stage that is made with words for what it waits for is made with a reason, too."""
    bare = [
        f"{module.name}:{node.lineno}"
        for module in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and {"StageDecision", "replace"} & {getattr(node.func, "id", "")}
        if (names := {keyword.arg for keyword in node.keywords}) and "waits_for" in names and "reason" not in names
    ]
    assert bare == []


def test_a_journal_without_reasons_is_shown_as_it_is() -> None:
    """Older versions wrote none; and no words, no reason."""
    assert (tagged("it waits", None), tagged("", Reason.TURN)) == ("it waits", "")
    assert tagged("it waits", Reason.TURN) == "it waits (Turn)"
