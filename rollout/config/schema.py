"""The configuration as a JSON schema, for editors: it refuses unknown keys, wrong types and texts of a wrong form.

Any text may refer to the environment (`${NAME}`), so wherever a value has a form a text with a reference may stand too.
What depends on several keys, or on the length of a time, only the loader checks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from rollout.model.plan import Surge, spelled

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_REFERENCE = r"\$\{[A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?\}"
_HEAD = ("title", "description", "default")


@dataclass(frozen=True)
class Matches:
    """A text of this form, for the model and for the schema; `what`: what it is, in words."""

    pattern: str
    what: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        compiled = re.compile(self.pattern, re.ASCII)

        def check(text: str) -> str:
            if not compiled.fullmatch(text):
                raise ValueError(f'"{text}" is not {self.what}')
            return text

        return core_schema.no_info_after_validator_function(check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(schema) | {"pattern": f"^(?:{self.pattern})$"}


@dataclass(frozen=True, eq=False)
class Shown:
    """What a schema says of a field beside what pydantic knows of it."""

    keywords: Mapping[str, Any]

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(schema) | dict(self.keywords)


class OrNone:
    """A field that is switched off by the word none, and may not be empty."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        shown = handler(schema)
        some = [one for one in shown["anyOf"] if one != {"type": "null"}]
        return shown | {"anyOf": [*some, {"const": "none"}]}


class _Generator(GenerateJsonSchema):
    """Writes defaults as they are typed in the file."""

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        if isinstance(schema.get("default"), BaseModel):  # what its keys have by themselves
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)

    def encode_default(self, dft: Any) -> Any:
        if isinstance(dft, float):
            return spelled(dft)
        if isinstance(dft, Surge):
            return f"{dft.amount}%" if dft.percent else dft.amount
        return super().encode_default(dft)


def schema(model: type[BaseModel]) -> JsonSchemaValue:
    """Return the JSON schema of a configuration."""
    return {"$schema": _DIALECT} | _open_to_references(model.model_json_schema(schema_generator=_Generator))


def _open_to_references(node: JsonSchemaValue) -> JsonSchemaValue:
    """Return a schema in which every value may be a reference; keys may not."""
    node = dict(node)
    for name in ("properties", "patternProperties", "$defs"):
        if name in node:
            node[name] = {key: _open_to_references(one) for key, one in node[name].items()}
    if "patternProperties" in node:
        node["additionalProperties"] = False
    if "anyOf" in node:
        node["anyOf"] = [_open_to_references(one) for one in node["anyOf"]]
    if "items" in node:
        node["items"] = _open_to_references(node["items"])
    if "pattern" in node:
        node["pattern"] += f"|{_REFERENCE}"
    if "enum" in node or node.get("type") in {"boolean", "integer"}:
        head = {name: node.pop(name) for name in _HEAD if name in node}
        return {"anyOf": [node, {"type": "string", "pattern": _REFERENCE}]} | head
    return node
