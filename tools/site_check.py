"""Reads the site that mkdocs has built: every link leads somewhere on it, and nothing is loaded from another server."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

#: Elements that load what they name, and by which attribute; of `link` only what is no address of a page.
_LOADS = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href"}
_PAGES = {"prev", "next", "canonical"}


class _Page(HTMLParser):
    """What a page names. `ids`: its anchors; `links`: where they lead; `loads`: what a browser fetches with it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given: Mapping[str, str] = {name: value or "" for name, value in attrs}
        self.ids |= {given[name] for name in ("id", "name") if name in given}
        named = given.get(_LOADS.get(tag, ""))
        if named and not (tag == "link" and given.get("rel") in _PAGES):
            self.loads.append(named)
        if "href" in given:
            self.links.append(given["href"])


def faults(site: Path) -> Iterator[str]:
    """Yield what is wrong with a site, a line for each."""
    pages = {path: _Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    if not pages:
        yield f"{site} has no page"
    for path, page in pages.items():
        where = path.relative_to(site)
        yield from (f"{where} loads {one} from another server" for one in page.loads if urlsplit(one).netloc)
        # The page for what is not found names everything from the server's top.
        for link in () if where.name == "404.html" else (*page.links, *page.loads):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            if not target.exists():
                yield f"{where} links to {link}, which is not there"
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].ids:
                yield f"{where} links to {link}, which has no such anchor"


def main() -> None:
    """Print what is wrong with the site that the command line names, and end with 1 if anything is."""
    found = list(faults(Path(sys.argv[1]).resolve()))
    if found:
        sys.exit("\n".join(found))


if __name__ == "__main__":
    main()
