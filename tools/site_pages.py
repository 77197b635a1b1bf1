"""Lays out the pages of the documentation site, for mkdocs to build: `make site`.

The pages in the repository link to each other, and to files that are no pages. On the site the README is the first
page, docs/ is the top, and such a file is copied as a text. A folder that is linked to gets a page with its files.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parent.parent

#: A relative link, as tests/test_docs.py reads it: its target without the heading.
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")
_FENCED = re.compile(r"^(```.*?^```$)", re.MULTILINE | re.DOTALL)


def pages(root: Path) -> dict[str, str]:
    """Return every page by its path in the repository, with its path on the site."""
    docs = {path.relative_to(root).as_posix() for path in (root / "docs").rglob("*.md")}
    fixed = {"README.md": "index.md", "CHANGELOG.md": "changelog.md", "tests/README.md": "tests.md"}
    return fixed | {path: path.removeprefix("docs/") for path in sorted(docs)}


class Site:
    """What the site is made of: `texts` of pages and `files` to copy, by their paths on the site; `faults`."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._pages = pages(root)
        self.texts: dict[str, str] = {}
        self.files: dict[str, Path] = {}
        self.faults: list[str] = []
        for source, place in self._pages.items():
            self.texts[place] = self._linked(source, place, (root / source).read_text(encoding="utf-8"))

    def write(self, target: Path) -> None:
        """Write all of it into an empty folder."""
        for place, text in self.texts.items():
            path = target / place
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        for place, file in self.files.items():
            path = target / place
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, path)

    def _linked(self, source: str, place: str, text: str) -> str:
        """Return the page with links that lead to the same things on the site; code stays as it is."""
        parts = _FENCED.split(text)
        for number in range(0, len(parts), 2):
            parts[number] = LINK.sub(lambda link: f"]({self._link(source, place, link[1])}", parts[number])
        return "".join(parts)

    def _link(self, source: str, place: str, target: str) -> str:
        meant = os.path.normpath(PurePosixPath(source).parent / target)
        path = self._root / meant
        if meant in self._pages:
            there = self._pages[meant]
        elif path.is_file():
            there = self._copied(meant)
        elif path.is_dir() and not meant.startswith(".."):
            there = self._listed(meant)
        else:
            self.faults.append(f"{source} links to {target}, which is not there")
            return target
        return os.path.relpath(there, PurePosixPath(place).parent)

    def _copied(self, meant: str) -> str:
        # As a text, also where it is a script: a browser shows it, and does not keep or run it.
        place = "files/" + re.sub(r"(^|/)\.", r"\1", meant) + ".txt"  # what begins with a dot is left out by mkdocs
        self.files[place] = self._root / meant
        return place

    def _listed(self, folder: str) -> str:
        """Return the page with a folder's files, which are pages or are copied."""
        place = f"{folder.removeprefix('docs/')}/index.md" if folder.startswith("docs/") else f"files/{folder}/index.md"
        if place not in self.texts:
            self.texts[place] = ""  # while it is made
            self.texts[place] = f"# {folder}/\n\n" + "\n".join(self._items(folder, place)) + "\n"
        return place

    def _items(self, folder: str, place: str) -> Iterator[str]:
        for path in sorted((self._root / folder).rglob("*")):
            meant = path.relative_to(self._root).as_posix()
            if path.is_file() and not any(part.startswith((".", "__")) for part in PurePosixPath(meant).parts):
                page = self._pages.get(meant)
                label = _title(path) if page else f"`{path.relative_to(self._root / folder)}`"
                yield f"- [{label}]({os.path.relpath(page or self._copied(meant), PurePosixPath(place).parent)})"


def _title(page: Path) -> str:
    """Return the first heading of a page."""
    return page.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")


def main() -> None:
    """Write the pages into the folder that the command line names, in place of what was there."""
    target = Path(sys.argv[1])
    site = Site(ROOT)
    if site.faults:
        sys.exit("\n".join(site.faults))
    shutil.rmtree(target, ignore_errors=True)
    site.write(target)


if __name__ == "__main__":
    main()
