"""Pages, messages, docstrings and comments are in plain English: short sentences, no word that makes a reader stop."""

from __future__ import annotations

import re
import tokenize
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "tests/README.md", *sorted((ROOT / "docs").rglob("*.md"))]
#: The most words of a sentence.
LONGEST = 25
#: Words that a reader has to look up, or that hide who does something.
BANNED = re.compile(
    r"\b(whoever|whomever|whatever|whichever|meanwhile|anew|mend|mends|mended|mending|befalls?|befell|hitherto|thereof"
    r"|lent|lend|lends|bears?|brings? about|brought about|is worked by|worked by|by the journal|see to it|in vain"
    r"|awaits?|nevertheless|besides)\b",
    re.IGNORECASE,
)
#: Names that may be one of them: an action of the simulator, and mutants that docs/durability.md has counted by name.
NAMES = {'"mend"', '"deadline-computed-anew"', '"begun-anew-beside-a-marker"', '"epoch-counted-anew"'}
#: Where words stand in Python: since 3.12 the parts of an f-string are tokens of their own.
TEXTS = {tokenize.STRING, tokenize.COMMENT, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}
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


def strings(module: Path) -> Iterator[str]:
    """All texts of a module: what a user may meet, docstrings, and comments; names in code spans are left out."""
    for token in tokenize.generate_tokens(StringIO(module.read_text(encoding="utf-8")).readline):
        if token.type in TEXTS:
            yield re.sub(r"`[^`\n]*`", "", token.string)


@pytest.mark.parametrize("package", ["rollout", "eks_simulator", "tools", "migrations", "tests"])
def test_no_text_of_the_code_makes_a_reader_stop(package: str) -> None:
    """None of the banned words stands in a message, a docstring or a comment, but for names."""
    found = {
        (one.relative_to(ROOT).as_posix(), text)
        for one in (ROOT / package).rglob("*.py")
        for text in strings(one)
        if BANNED.search(text) and text not in NAMES and one != Path(__file__)  # here the words are listed
    }
    assert found == set()


def test_a_text_is_found(tmp_path: Path) -> None:
    """Strings of code, docstrings and comments are texts; names, also in a code span, are none."""
    module = tmp_path / "module.py"
    module.write_text('"""Whoever `mend`s."""\ndef mend(x):\n    return f"anew {x}"  # in vain\n', encoding="utf-8")
    assert [BANNED.findall(text) for text in strings(module)] == [["Whoever"], ["anew"], ["in vain"]]


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
