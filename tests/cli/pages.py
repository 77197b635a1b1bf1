"""Reads a page of HTML as strictly as a browser does not: every element closed, and nothing that loads or runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

#: Elements that have no end.
_VOID = frozenset({"meta", "br"})
#: What runs, or fetches something.
_ACTIVE = frozenset(
    {"a", "applet", "audio", "base", "button", "embed", "form", "frame", "iframe", "image", "img", "input", "link"}
    | {"object", "script", "source", "use", "video"}
)


@dataclass
class Seen:
    """What a page holds. `text`: all that a person reads, each piece by itself; `drawn`: how many bars there are."""

    tags: list[str] = field(default_factory=list)
    attributes: set[str] = field(default_factory=set)
    pieces: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All that a person reads, in one line."""
        return " ".join(" ".join(self.pieces).split())


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen = Seen()
        self.open: list[str] = []

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._note(tag, attrs)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._note(tag, attrs)
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.seen.faults.append(f"</{tag}> at {self.getpos()} closes something else")

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.seen.pieces.append(data)

    def _note(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.tags.append(tag)
        self.seen.attributes |= {name for name, _ in attrs}
        if tag in _ACTIVE:
            self.seen.faults.append(f"<{tag}> at {self.getpos()} runs or loads")


def read(page: str) -> Seen:
    """Return what a page holds, with what is wrong with it."""
    parser = _Parser()
    parser.feed(page)
    parser.close()
    if parser.open:
        parser.seen.faults.append(f"never closed: {parser.open}")
    forbidden = {name for name in parser.seen.attributes if name.startswith("on") or name in {"href", "src", "style"}}
    parser.seen.faults += [f"attribute {name}" for name in sorted(forbidden)]
    parser.seen.faults += [f"{word} in it" for word in ("url(", "@import", "javascript:") if word in page]
    return parser.seen
