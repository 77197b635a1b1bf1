"""What the documentation says is what the program does."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest
from typer.main import get_command

from rollout.cli.app import app
from rollout.config import Config, Section

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_the_page_of_phases_is_up_to_date() -> None:
    """docs/phases.md is what `make docs` writes."""
    spec = importlib.util.spec_from_file_location("phases_page", ROOT / "tools/phases_page.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (ROOT / "docs/phases.md").read_text(encoding="utf-8") == module.page()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link of a page names a file that is there."""
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_command_is_in_the_readme() -> None:
    """Each command is shown there with the word `rollout` before it, or as the make verb that runs it."""
    commands = get_command(app).commands  # type: ignore[attr-defined]
    assert [name for name in commands if f"rollout {name}" not in README and f"make {name}" not in README] == []


def test_commands_in_the_pages_exist() -> None:
    """No page tells anybody to type a command that is not there."""
    commands = get_command(app).commands  # type: ignore[attr-defined]
    for page in PAGES:
        typed = re.findall(r"(?:^|`|then: )rollout ([a-z]+)", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
        assert [name for name in typed if name not in commands] == [], page


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
