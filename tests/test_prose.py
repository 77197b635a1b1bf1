"""The pages are written in plain English: short sentences, and none of the words that make a reader stop."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "tests/README.md", *sorted((ROOT / "docs").rglob("*.md"))]
#: The most words of a sentence.
LONGEST = 25
#: Words that a reader has to look up, or that hide who does something.
BANNED = re.compile(
    r"\b(whoever|whomever|whatever|whichever|meanwhile|anew|mend|mends|mended|mending|befalls?|befell|hitherto|thereof"
    r"|lent|lend|lends|is worked by|worked by|by the journal|see to it|in vain|awaits?|nevertheless|besides)\b",
    re.IGNORECASE,
)
#: Below this line of docs/durability.md stand tables of names and of mutants' own words.
GENERATED = "<!-- Written by `make durability` from here on. -->"


def prose(text: str) -> Iterator[str]:
    """The paragraphs and list items of a page, without code blocks, comments, tables and headings."""
    text = re.sub(r"^( *)```.*?^\1```$", "", text.partition(GENERATED)[0], flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r"^> ?", "", text, flags=re.MULTILINE)
    for block in re.split(r"\n\s*\n|\n(?=\s*(?:[-*]|\d+\.) )|\n(?=\|)", text):
        if block.strip() and not re.match(r"\s*(\||#)|    (?![-*] )", block.strip("\n")):
            yield " ".join(re.sub(r"^\s*([-*]|\d+\.) ", "", block).split())


def sentences(text: str) -> Iterator[str]:
    """The sentences of a page; a code span counts as one word, a link as the words of its text."""
    for block in prose(text):
        plain = re.sub(r"\]\([^)]*\)", "]", re.sub(r"`[^`]*`", "CODE", block))
        yield from re.split(r"(?<=[.!?])[*)\]\"]*\s+(?=[\"(*\[]*[A-Z0-9a-z$])", plain)


def words(sentence: str) -> int:
    """How many words it has."""
    return len([word for word in sentence.split() if re.search(r"\w", word)])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_sentence_is_short(page: Path) -> None:
    """No sentence of a page is longer than a reader takes in at once."""
    found = list(sentences(page.read_text(encoding="utf-8")))
    assert [(words(one), one) for one in found if words(one) > LONGEST] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_word_makes_a_reader_stop(page: Path) -> None:
    """None of the banned words stands in a page, its tables included; a name in a code span may be one."""
    written = page.read_text(encoding="utf-8").partition(GENERATED)[0]
    text = re.sub(r"^```.*?^```$|`[^`\n]*`", "", written, flags=re.MULTILINE | re.DOTALL)
    assert BANNED.findall(text) == []


def messages(module: Path) -> Iterator[str]:
    """The texts of a module that a user may meet: all of its strings but docstrings."""
    tree = ast.parse(module.read_text(encoding="utf-8"))
    bodies = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    firsts = [node.body[0] for node in ast.walk(tree) if isinstance(node, bodies) and node.body]
    told = {id(first.value) for first in firsts if isinstance(first, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told:
            yield node.value


def test_no_message_makes_a_reader_stop() -> None:
    """None of the banned words stands in what the tool says; the simulator's texts are read by who tests."""
    modules = list((ROOT / "rollout").rglob("*.py"))
    found = {(one.name, text) for one in modules for text in messages(one) if BANNED.search(text)}
    assert (found, len(modules) > 100) == (set(), True)


def test_a_message_is_found(tmp_path: Path) -> None:
    """Strings of code are, docstrings are not."""
    module = tmp_path / "module.py"
    module.write_text('"""A docstring."""\ndef f(x):\n    """Another."""\n    return f"mend {x}"\n', encoding="utf-8")
    assert list(messages(module)) == ["mend "]


LONG = "word " * (LONGEST + 1)


@pytest.mark.parametrize("text", [f"{LONG}.", f"Short. {LONG}.", f"- {LONG}\n- b", f"- a\n    - {LONG}", f"1. {LONG}"])
def test_a_long_sentence_is_found(text: str) -> None:
    """In a paragraph and in a list, nested ones too."""
    assert max(map(words, sentences(f"# Title\n\n{text}\n"))) == LONGEST + 1


@pytest.mark.parametrize(
    "text", [f"```\n{LONG}\n```", f"    {LONG}", f"| {LONG} |", f"## {LONG}", f"`{LONG}`", "a b. " * LONGEST]
)
def test_what_is_no_long_sentence_is_none(text: str) -> None:
    """Code, tables, headings, and many short sentences."""
    assert max(map(words, sentences(f"Short.\n\n{text}\n"))) <= LONGEST
