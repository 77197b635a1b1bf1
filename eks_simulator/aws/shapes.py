"""Requests and replies by botocore's own service models, so that no field name here can drift from AWS's.

A form becomes a tree by its dotted names, and the tree typed values by the operation's input shape. Replies are written
from the output shape; a handler that answers with a field which AWS does not have is a bug and raises.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from botocore.model import ListShape, Shape, StructureShape

Tree = dict[str, Any]


class MalformedError(ValueError):
    """A parameter that does not fit its shape. `kind`: missing, unknown or invalid; `path`: the wire's name."""

    def __init__(self, kind: str, path: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind
        self.path = path


def tree(form: Mapping[str, str]) -> Tree:
    """`{"Filters.member.1.Name": "x"}` → `{"Filters": {"member": {"1": {"Name": "x"}}}}`."""
    root: Tree = {}
    for key, value in form.items():
        *above, last = key.split(".")
        node = root
        for part in above:
            node = _branch(node.setdefault(part, {}), key)
        if last in node:
            raise MalformedError("invalid", key, f"{key} is a structure or list, not a value")
        node[last] = value
    return root


class Reader:
    """Typed values from a tree of texts. `ec2`: names and lists as the ec2 protocol writes them."""

    def __init__(self, *, ec2: bool) -> None:
        self._ec2 = ec2

    def read(self, shape: Shape, node: Any, path: str = "") -> Any:
        """Return the value of that shape; `MalformedError` if the node does not fit it."""
        if shape.type_name == "structure":
            return self._structure(shape, _branch(node, path), path)
        if shape.type_name == "list":
            return self._list(shape, node, path)
        if isinstance(node, dict):
            raise MalformedError("unknown", f"{path}.{next(iter(node))}", f"{path} has no parts")
        return _scalar(shape, node, path)

    def _structure(self, shape: StructureShape, node: Tree, path: str) -> dict[str, Any]:
        names = {self._wire_name(member, name): name for name, member in shape.members.items()}
        for wire in node:
            if wire not in names:
                raise MalformedError("unknown", f"{path}{wire}", f"known here: {', '.join(sorted(names))}")
        for required in shape.required_members:
            if self._wire_name(shape.members[required], required) not in node:
                raise MalformedError("missing", f"{path}{required}", f"{path}{required} must be given")
        return {
            name: self.read(shape.members[name], node[wire], _below(path, wire, shape.members[name]))
            for wire, name in names.items()
            if wire in node
        }

    def _list(self, shape: ListShape, node: Any, path: str) -> list[Any]:
        if node == "":  # how the query protocol writes an empty list
            return []
        items = _branch(node, path)
        if not self._ec2:
            items = _branch(items.get(shape.member.serialization.get("name", "member"), {}), path)
        if not items or not all(index.isdecimal() for index in items):
            raise MalformedError("unknown", f"{path}.{next(iter(node))}", f"{path} is a list")
        return [
            self.read(
                shape.member, items[index], f"{path}.{index}{'.' if shape.member.type_name == 'structure' else ''}"
            )
            for index in sorted(items, key=int)
        ]

    def _wire_name(self, member: Shape, name: str) -> str:
        written = member.serialization
        if not self._ec2:
            return str(written.get("name", name))
        name = str(written.get("queryName") or written.get("name", name))
        return name[0].upper() + name[1:]


def _below(path: str, wire: str, member: Shape) -> str:
    return f"{path}{wire}." if member.type_name == "structure" else f"{path}{wire}"


def _branch(node: Any, path: str) -> Tree:
    if not isinstance(node, dict):
        raise MalformedError("invalid", path.rstrip("."), f"{path.rstrip('.')} is a structure or list, not a value")
    return node


def _boolean(text: str) -> bool:
    return {"true": True, "false": False}[text.lower()]


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


#: How each type that a request can hold is read; both errors mean that the text is no such thing.
_SCALARS: dict[str, Callable[[str], Any]] = {
    "string": str,
    "boolean": _boolean,
    "integer": int,
    "double": float,
    "timestamp": _moment,
}


def _scalar(shape: Shape, text: str, path: str) -> Any:
    try:
        value = _SCALARS[shape.type_name](text)
    except (KeyError, ValueError):
        raise MalformedError("invalid", path, f"{text!r} is no {shape.type_name}") from None
    _check(shape, value, path)
    return value


def _check(shape: Shape, value: Any, path: str) -> None:
    """The model's bounds: length of a text, size of a number, the values of an enumeration."""
    rules = shape.metadata
    size, word = (len(value), "length") if isinstance(value, str) else (value, "value")
    if "enum" in rules and value not in rules["enum"]:
        raise MalformedError("invalid", path, f"Member must satisfy enum value set: [{', '.join(rules['enum'])}]")
    if "min" in rules and size < rules["min"]:
        raise MalformedError("invalid", path, f"Member must have {word} greater than or equal to {rules['min']}")
    if "max" in rules and size > rules["max"]:
        raise MalformedError("invalid", path, f"Member must have {word} less than or equal to {rules['max']}")


def to_xml(shape: Shape, value: Any, name: str) -> str:
    """Return the element `name` of that shape."""
    if shape.type_name == "structure":
        return f"<{name}>{_members_xml(shape, value)}</{name}>"
    if shape.type_name == "list":
        return _list_xml(shape, value, name)
    return f"<{name}>{escape(_text(shape, value))}</{name}>"


def _members_xml(shape: StructureShape, value: Mapping[str, Any]) -> str:
    return "".join(
        to_xml(member, value[name], member.serialization.get("name", name))
        for name, member in _members_of(shape, value)
    )


def _list_xml(shape: ListShape, values: Sequence[Any], name: str) -> str:
    item = shape.member.serialization.get("name", "member")
    return f"<{name}>{''.join(to_xml(shape.member, value, item) for value in values)}</{name}>"


def _text(shape: Shape, value: Any) -> str:
    if shape.type_name == "boolean":
        return "true" if value else "false"
    if shape.type_name == "timestamp":
        return datetime.fromtimestamp(value, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return str(value)


def _members_of(shape: StructureShape, value: Mapping[str, Any]) -> list[tuple[str, Shape]]:
    """Return the members that the reply has, in the model's order; None counts as absent."""
    if strange := value.keys() - shape.members.keys():
        raise KeyError(f"{shape.name} has no {', '.join(sorted(strange))}")
    return [(name, member) for name, member in shape.members.items() if value.get(name) is not None]


def from_json(shape: Shape, value: Any, path: str = "") -> Any:
    """Return the value of that shape from JSON; `MalformedError` if it does not fit."""
    if shape.type_name == "structure":
        return _members_from_json(shape, _branch(value, path), path)
    if shape.type_name == "list" and isinstance(value, list):
        return [from_json(shape.member, one, f"{path}.{number}") for number, one in enumerate(value, 1)]
    if isinstance(value, dict | list) or value is None:
        raise MalformedError("invalid", path, f"{value!r} is no {shape.type_name}")
    _check(shape, value, path)
    return value


def _members_from_json(shape: StructureShape, given: Tree, path: str) -> dict[str, Any]:
    if strange := given.keys() - shape.members.keys():
        raise MalformedError("unknown", f"{path}{min(strange)}", f"known here: {', '.join(sorted(shape.members))}")
    for required in shape.required_members:
        if required not in given:
            raise MalformedError("missing", f"{path}{required}", f"{path}{required} must be given")
    return {name: from_json(shape.members[name], value, f"{path}{name}") for name, value in given.items()}


def to_json(shape: Shape, value: Any) -> Any:
    """Return the JSON value of that shape; moments as numbers of seconds."""
    if shape.type_name == "structure":
        return {
            member.serialization.get("name", name): to_json(member, value[name])
            for name, member in _members_of(shape, value)
        }
    if shape.type_name == "list":
        return [to_json(shape.member, item) for item in value]
    return value
