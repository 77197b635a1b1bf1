"""Checks a value against a JSON schema, as ECMAScript reads patterns: the keywords of the configuration, no other."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

Schema = Mapping[str, Any]

_TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}


def fits(value: Any, schema: Schema, root: Schema | None = None) -> bool:
    """Tell whether a schema accepts a value."""
    root = root or schema
    return all(_KEYWORDS[name](value, schema, root) for name in schema)


def _matches(pattern: str, text: str) -> bool:
    return re.search(pattern, text, re.ASCII) is not None


def _type(value: Any, schema: Schema, _root: Schema) -> bool:
    named = schema["type"]
    return isinstance(value, _TYPES[named]) and (named not in {"integer", "number"} or not isinstance(value, bool))


def _properties(value: Any, schema: Schema, root: Schema) -> bool:
    known = schema["properties"]
    return not isinstance(value, dict) or all(fits(value[key], known[key], root) for key in value.keys() & known.keys())


def _patterns(value: Any, schema: Schema, root: Schema) -> bool:
    patterns = schema["patternProperties"].items()
    return not isinstance(value, dict) or all(
        fits(one, inner, root) for key, one in value.items() for pattern, inner in patterns if _matches(pattern, key)
    )


def _no_other(value: Any, schema: Schema, _root: Schema) -> bool:
    assert schema["additionalProperties"] is False
    known, patterns = schema.get("properties", ()), schema.get("patternProperties", ())
    return not isinstance(value, dict) or all(
        key in known or any(_matches(one, str(key)) for one in patterns) for key in value
    )


def _reference(value: Any, schema: Schema, root: Schema) -> bool:
    return fits(value, root["$defs"][schema["$ref"].removeprefix("#/$defs/")], root)


_KEYWORDS: Mapping[str, Callable[[Any, Schema, Schema], bool]] = {
    "$ref": _reference,
    "type": _type,
    "properties": _properties,
    "patternProperties": _patterns,
    "additionalProperties": _no_other,
    "anyOf": lambda value, schema, root: any(fits(value, one, root) for one in schema["anyOf"]),
    "items": lambda value, schema, root: (
        not isinstance(value, list) or all(fits(one, schema["items"], root) for one in value)
    ),
    "required": lambda value, schema, _: not isinstance(value, dict) or value.keys() >= set(schema["required"]),
    "enum": lambda value, schema, _: value in schema["enum"],
    "const": lambda value, schema, _: value == schema["const"],
    "pattern": lambda value, schema, _: not isinstance(value, str) or _matches(schema["pattern"], value),
    "minimum": lambda value, schema, _: not isinstance(value, int | float) or value >= schema["minimum"],
    "maximum": lambda value, schema, _: not isinstance(value, int | float) or value <= schema["maximum"],
    "minItems": lambda value, schema, _: not isinstance(value, list) or len(value) >= schema["minItems"],
    "uniqueItems": lambda value, _schema, _root: not isinstance(value, list) or len(set(value)) == len(value),
    **{name: lambda *_: True for name in ("$schema", "$defs", "title", "description", "default", "format")},
}
