"""The documentation site, as far as it can be judged without mkdocs: `make site` builds it, and checks the result."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.test_docs import ROOT, tool

PAGES = tool("site_pages")
CHECK = tool("site_check")


def nav(entry: Any) -> list[str]:
    """Every page of the navigation."""
    if isinstance(entry, str):
        return [entry]
    return [page for one in (entry if isinstance(entry, list) else entry.values()) for page in nav(one)]


@pytest.fixture(scope="module")
def settings() -> dict[str, Any]:
    """mkdocs.yml, without the names of Python objects in it."""
    text = re.sub(r"!!python/\S+", "", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    return dict(YAML(typ="safe").load(text))


def repository(folder: Path, **pages: str) -> Path:
    """A repository with a README, a changelog, a page of tests, and these pages of docs/."""
    for name in ("README.md", "CHANGELOG.md", "tests/README.md"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"# {name}\n")
    for name, text in pages.items():
        (folder / "docs").mkdir(exist_ok=True)
        (folder / f"docs/{name}.md").write_text(text)
    return folder


def test_every_page_has_its_place() -> None:
    """No link of a page of the repository leads nowhere; on the site, each leads to a page or to a copied file."""
    site = PAGES.Site(ROOT)
    assert site.faults == []
    places = {*site.texts, *site.files}
    for place, text in site.texts.items():
        for target in PAGES.LINK.findall(re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)):
            assert str((Path("/") / place).parent.joinpath(target).resolve().relative_to("/")) in places, (
                place,
                target,
            )


def test_every_page_is_in_the_navigation(settings: dict[str, Any]) -> None:
    """But for decisions, which have a page that lists them; and each page is named once."""
    named = nav(settings["nav"])
    pages = {place for place in PAGES.pages(ROOT).values() if not place.startswith("decisions/")}
    assert sorted(named) == sorted({*pages, "decisions/index.md"})


def test_a_page_is_linked_on_the_site_as_in_the_repository(tmp_path: Path) -> None:
    """To pages, to files that are no pages, to folders, and within itself; what stands in code stays."""
    text = "[a](b.md#x) [b](../README.md) [c](../deploy/.x/y.json) [d](../deploy/) [e](#z) [f](https://e.example)\n"
    code = "```yaml\n[a](b.md)\n```\n"
    root = repository(tmp_path, a=text + code, b="# B\n")
    (root / "deploy/.x").mkdir(parents=True)
    for name in (".x/y.json", "job.yaml"):
        (root / "deploy" / name).write_text("{}")
    site = PAGES.Site(root)
    linked = "[a](b.md#x) [b](index.md) [c](files/deploy/x/y.json.txt) [d](files/deploy/index.md) [e](#z) "
    assert site.texts["a.md"] == linked + "[f](https://e.example)\n" + code
    assert site.texts["files/deploy/index.md"] == "# deploy/\n\n- [`job.yaml`](job.yaml.txt)\n"
    assert site.files.keys() == {"files/deploy/x/y.json.txt", "files/deploy/job.yaml.txt"}
    site.write(tmp_path / "made")
    made = {path.relative_to(tmp_path / "made").as_posix() for path in (tmp_path / "made").rglob("*") if path.is_file()}
    assert made == {*site.texts, *site.files}


@pytest.mark.parametrize("target", ["absent.md", "../absent/", "../../"])
def test_a_link_that_leads_nowhere_is_found(target: str, tmp_path: Path) -> None:
    """With the page that has it."""
    site = PAGES.Site(repository(tmp_path, a=f"[x]({target})\n"))
    assert site.faults == [f"docs/a.md links to {target}, which is not there"]


GOOD = '<link rel="stylesheet" href="a.css"><h1 id="top">x</h1><a href="b.html#here">b</a><a href="#top">t</a>'


@pytest.mark.parametrize(
    ("page", "fault"),
    [
        (GOOD, ""),
        ('<a href="https://example.com/x">out</a><link rel="prev" href="b.html">', ""),
        ('<a href="absent.html">x</a>', "a.html links to absent.html, which is not there"),
        ('<a href="b.html#there">x</a>', "a.html links to b.html#there, which has no such anchor"),
        ('<a href="#there">x</a>', "a.html links to #there, which has no such anchor"),
        (
            '<script src="https://c.example/x.js"></script>',
            "a.html loads https://c.example/x.js from another server",
        ),
        ('<link rel="stylesheet" href="//f.example/x.css">', "a.html loads //f.example/x.css from another server"),
        ('<img src="absent.png">', "a.html links to absent.png, which is not there"),
    ],
)
def test_what_is_wrong_with_a_built_site_is_found(page: str, fault: str, tmp_path: Path) -> None:
    """Links and anchors that are not there, and all that another server would have to give."""
    (tmp_path / "a.html").write_text(page)
    (tmp_path / "b.html").write_text('<p id="here">x</p>')
    (tmp_path / "a.css").touch()
    assert list(CHECK.faults(tmp_path)) == ([fault] if fault else [])


def test_a_site_without_a_page_is_wrong(tmp_path: Path) -> None:
    """Nothing that was built is no site in order."""
    assert list(CHECK.faults(tmp_path)) == [f"{tmp_path} has no page"]


def test_nothing_of_the_site_comes_from_another_server(settings: dict[str, Any]) -> None:
    """No fonts; the script that draws diagrams is a file of the site; a warning ends the build."""
    assert settings["theme"]["font"] is False
    assert settings["extra_javascript"] == ["mermaid.min.js"]
    assert settings["strict"] is True
    assert set(settings["validation"]["links"].values()) == {"warn"}
