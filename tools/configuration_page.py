"""Writes docs/configuration.md from the models of rollout/config/ and from the template of `rollout config init`.

A setting's docstring says what it means; from the word "Default" on it says why its default is what it is.

Usage: python tools/configuration_page.py FILE. A test holds that the page in the repository is what this writes.
"""

from __future__ import annotations

import inspect
import re
import sys
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic_core import PydanticUndefined

from rollout.cli import template
from rollout.config import Config, Section, seconds
from rollout.model.plan import Surge

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

HEAD = """\
# Configuration

<!-- Written by `make docs` from rollout/config/ and rollout/cli/template.yaml. Change those, not this page. -->

`rollout config init` writes a file that has every setting with its default. `rollout config check` says what a file
means. A key that is not listed here is refused, with its line and the key that was probably meant. A rollout fixes its
settings in its plan when it begins. A later edit counts for the next rollout.

A *duration* has a unit, s, m, h or d: `90s`, `15m`, `2h`, `1h30m`. The longest is 365d. For a *whole number*, the
first word of the meaning says what it counts. Any text may refer to the environment: `${NAME}`, or `${NAME:-default}`.
A relative *path* counts from the configuration's folder, from wherever a command is typed. What a rollout writes is
never the journal or the configuration: `rollout config check` refuses such a path.

`rollout config schema` prints the file's JSON schema. With it an editor completes keys, shows what they mean and marks
what is wrong. For an editor that uses yaml-language-server, save what the command prints as `rollout.schema.json`.
Then name it in the first line of the configuration:

```yaml
# yaml-language-server: $schema=rollout.schema.json
```

The schema checks keys, types and forms. `rollout config check` also checks what depends on several keys or on your
environment.
"""

TABLE = "| key | type | default | meaning | why this default |\n|---|---|---|---|---|"

SIMPLE = {str: "text", bool: "true or false", int: "whole number", float: "number", Path: "path", Surge: "nodes, or %"}
SPANS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


class Told(NamedTuple):
    """A setting's docstring in its parts; `default`: empty where it says "Default:" without a value."""

    meaning: str
    default: str
    why: str


def page() -> str:
    """Return the whole page."""
    return "\n".join([HEAD, "\n".join(_table(Config, "")), "", *_sections(), _template()])


def told(field: FieldInfo) -> Told:
    """Take a setting's docstring apart."""
    text = " ".join((field.description or "").split())
    meaning, *rest = re.split(r"\bDefault(?=:| \S+:)", text, maxsplit=1)
    value, _, why = "".join(rest).partition(":")
    return Told(meaning.strip(), value.strip(), re.sub("^none[,;] ", "", why.strip()))


def default(field: FieldInfo) -> str:
    """Return a default as it is typed in the file; empty where only the machine knows it."""
    if field.default_factory is not None:
        factory: Any = field.default_factory
        return _typed(factory()) if factory is dict else ""
    if field.default is PydanticUndefined:
        return ""
    if _is_duration(field):
        return _span(field.default)
    return _typed(field.default)


def stated(section: type[Section], prefix: str = "") -> Iterator[tuple[str, str, str]]:
    """Yield each key with its default, as the model has it and as its docstring says it (empty where it does not)."""
    for name, field in section.model_fields.items():
        if isinstance(field.default, Section):
            yield from stated(type(field.default), f"{prefix}{name}.")
        else:
            yield prefix + name, default(field), told(field).default


def _table(section: type[Section], prefix: str) -> Iterator[str]:
    yield TABLE
    for name, field in section.model_fields.items():
        if not isinstance(field.default, Section):
            yield "| " + " | ".join(_cells(prefix + name, field)) + " |"


def _cells(name: str, field: FieldInfo) -> Iterator[str]:
    yield f"`{name}`"
    yield _type(field)
    yield "**must be given**" if field.is_required() else _code(default(field))
    words = told(field)
    yield words.meaning
    yield words.why


def _sections() -> Iterator[str]:
    for name, field in Config.model_fields.items():
        if isinstance(field.default, Section):
            section = type(field.default)
            none = f" Without one, write `{name}: none`." if type(None) in get_args(field.annotation) else ""
            yield f"## {name}\n\n{inspect.getdoc(section)}{none}\n"
            yield "\n".join(_table(section, f"{name}.")) + "\n"


def _template() -> str:
    return f"## The whole file, as `rollout config init` writes it\n\n```yaml\n{template.example()}```\n"


# ---- values ---------------------------------------------------------------------------------------------------------


def _typed(value: Any) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return str(value).lower()
        case tuple():
            return f"[{', '.join(value)}]"
        case Mapping():
            return "{}"
        case Surge():
            return f"{value.amount}%" if value.percent else str(value.amount)
    return str(value)


def _span(value: float) -> str:
    """Return seconds in their largest units: 5400 is 1h30m."""
    text = ""
    for unit, length in SPANS:
        count, value = divmod(value, length)
        text += f"{count:.0f}{unit}" if count else ""
    return text


# ---- types ----------------------------------------------------------------------------------------------------------


def _type(field: FieldInfo) -> str:
    if _is_duration(field):
        return "duration" + _bounds(field)
    return _named(field.annotation) + _bounds(field)


def _is_duration(field: FieldInfo) -> bool:
    return any(getattr(one, "func", None) is seconds for one in field.metadata)


def _named(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if hasattr(annotation, "__metadata__"):
        return _named(annotation.__origin__)
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin in {Union, types.UnionType}:
        return " or ".join(_named(one) for one in arguments if one is not type(None))
    if origin is tuple:
        return "list of " + _named(arguments[0]).replace("text", "texts")
    if origin is Mapping:
        return f"keys with {_named(arguments[1])}s"
    return SIMPLE[annotation]


def _bounds(field: FieldInfo) -> str:
    words = [
        f"{word} {getattr(one, name)}"
        for one in field.metadata
        for name, word in (("ge", "at least"), ("le", "at most"))
        if hasattr(one, name)
    ]
    return f", {', '.join(words)}" if words else ""


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
