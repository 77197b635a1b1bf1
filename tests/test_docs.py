"""What the documentation says is what the program does."""

from __future__ import annotations

import importlib.util
import itertools
import re
import shlex
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from typer.main import get_command

from rollout.cli.app import app
from rollout.config import Config, Section

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "tests/README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def tool(name: str) -> ModuleType:
    """A script of tools/."""
    spec = importlib.util.spec_from_file_location(name, ROOT / f"tools/{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("name", "made_by"),
    [
        ("architecture", "architecture"),
        ("phases", "phases"),
        ("halts", "halts"),
        ("configuration", "configuration"),
        ("commands", "commands"),
        ("rights-kubernetes", "rights"),
    ],
)
def test_a_generated_page_is_up_to_date(name: str, made_by: str) -> None:
    """It is what `make docs` writes."""
    assert (ROOT / f"docs/{name}.md").read_text(encoding="utf-8") == tool(f"{made_by}_page").page()


def test_a_setting_says_the_default_that_it_has() -> None:
    """A default that a setting's docstring names is the model's."""
    stated = list(tool("configuration_page").stated(Config))
    assert [(key, says) for key, is_, says in stated if says not in {is_, ""}] == []
    assert [key for key, _, says in stated if key.startswith("deadlines.") and not says] == []


def anchors(page: Path) -> set[str]:
    """The names by which the headings of a page can be linked to."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link of a page names a file that is there, and a heading in it if it names one."""
    links = re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", page.read_text(encoding="utf-8"))
    assert [link for link, _ in links if not (page.parent / link).exists()] == []
    assert [
        (link, heading)
        for link, heading in links
        if heading and heading not in anchors(page.parent / link if link else page)
    ] == []


def test_every_command_is_in_the_readme() -> None:
    """Each command is shown there with the word `rollout` before it, or as the make verb that runs it."""
    commands = get_command(app).commands  # type: ignore[attr-defined]
    assert [name for name in commands if f"rollout {name}" not in README and f"make {name}" not in README] == []


def typed(page: Path) -> list[list[str]]:
    """The arguments of each `rollout …` that a page shows, in code and inline: without comments, pipes and files."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    shown = [line.removeprefix("$ ") for line in lines] + re.findall(r"`([^`\n]+)`", text)
    ours = [shlex.split(one, comments=True)[1:] for one in shown if re.match(r"rollout(?= [a-z-]|$)", one.strip())]
    return [list(itertools.takewhile(lambda word: word not in {"|", ">"}, words)) for words in ours]


def parse(arguments: list[str]) -> None:
    """Let the command line read the arguments; nothing runs, and what a page leaves out is not asked for."""
    command: Any = get_command(app)
    while True:
        _, rest, _ = command.make_parser(command.context_class(command)).parse_args(list(arguments))
        if not rest or not hasattr(command, "commands"):
            break
        command, arguments = command.commands[rest[0]], rest[1:]
    assert rest == []


@pytest.mark.parametrize("shown", sorted({shlex.join(one) for page in PAGES for one in typed(page)}))
def test_what_the_pages_type_can_be_typed(shown: str) -> None:
    """Every command in every page exists, with all its options."""
    parse(shlex.split(shown))


def test_exit_codes_are_the_same_everywhere() -> None:
    """The README's table and the help name the same codes."""
    table = re.findall(r"^\| (\d+) \|", README, flags=re.MULTILINE)
    assert table == re.findall(r"\d+", (app.info.epilog or "").partition(":")[2])


def test_settings_in_the_readme_exist() -> None:
    """Each `section.key` that the README names is a setting."""
    sections = {
        name: field.default for name, field in Config.model_fields.items() if isinstance(field.default, Section)
    }
    for section, key in re.findall(r"`([a-z]+)\.([a-z_]+)", README):
        if section in sections:
            assert key in type(sections[section]).model_fields, f"{section}.{key}"


TESTS = (ROOT / "tests/README.md").read_text(encoding="utf-8")
GLOSSARY = (ROOT / "docs/glossary.md").read_text(encoding="utf-8")


def test_every_folder_of_tests_says_its_question() -> None:
    """Each folder with files in it has a row in tests/README.md, and each row a folder."""
    told = re.findall(r"^\| `(tests[/\w]*)` \|", TESTS, flags=re.MULTILINE)
    files = [path for path in (ROOT / "tests").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    there = {"/".join(path.parent.relative_to(ROOT).parts) for path in files if path.suffix in {".py", ".yaml"}}
    assert sorted(told) == sorted(there)


def test_every_test_that_the_tests_page_names_exists() -> None:
    """A file of tests that it names is there."""
    named = set(re.findall(r"`(tests/[\w/]+\.py)`", TESTS))
    assert named
    assert [name for name in sorted(named) if not (ROOT / name).is_file()] == []


def test_the_promises_are_those_that_are_judged() -> None:
    """The glossary has the number and the words of each promise, and tests/README.md its number."""
    judging = "eks_simulator/judging"
    sources = [f"{judging}/promises.py", f"{judging}/replicas.py", "rollout/demo/journal_promises.py"]
    text = "".join((ROOT / name).read_text(encoding="utf-8") for name in sources)
    judged = re.findall(r'number = (\d+)\n    text = \(?\s*"(.+)"', text)
    judged += re.findall(r'return Judged\(\s*(\d+), "([^"]+)"', text)
    rows = re.findall(r"^\| (\d+) \| ([^|]+) \| (?:\[|`)", GLOSSARY, flags=re.MULTILINE)
    assert sorted(rows) == sorted(judged)
    assert re.findall(r"^\| (\d+) \|", TESTS, flags=re.MULTILINE) == [number for number, _ in rows]
