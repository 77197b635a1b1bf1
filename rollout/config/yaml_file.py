"""Reads a YAML file into a pydantic model and words every problem with its file and line.

All problems are found before anything is said. What is refused: duplicate keys, unknown keys, a reference to an
environment variable that is not set, a placeholder that was left, and everything that the model refuses.
"""

from __future__ import annotations

import difflib
import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from rollout.commands import rollout
from rollout.errors import UserError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

Model = TypeVar("Model", bound=BaseModel)
Keys = tuple[int | str, ...]

_REFERENCE = re.compile(r"\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}")

#: What stands for a value of yours in each file that we hand out.
PLACEHOLDER = "REPLACE_ME"

#: How much of a file is read, and how much of what is wrong with it is told, at most.
_MOST_VALUES = 10_000
_MOST_PROBLEMS = 30
_LONGEST = 1000


class Problem(NamedTuple):
    """What is wrong, and the line where it stands (from 1)."""

    line: int
    text: str


def read(path: Path, model: type[Model], environment: Mapping[str, str] | None = None) -> Model:
    """Return the file as a `model`; `environment` (default: the process's) gives what `${NAME}` refers to.

    Raises `UserError` that lists all problems. Validators of the model get the file's path as `file` in their context.
    """
    tree = _parse(path)
    problems: list[Problem] = []
    known = os.environ if environment is None else environment
    data = _plain(tree, known, 1, problems)
    lines = {problem.line for problem in problems}
    try:
        read_ = model.model_validate(data, context={"file": path.absolute()})
    except ValidationError as error:
        worded = (_worded(details, tree, model) for details in error.errors())
        # What could not be filled in is said once, not again for the text that stands there instead.
        problems += [problem for problem in worded if problem.line not in lines]
    if problems:
        raise _refusal(path, problems)
    return read_


def _parse(path: Path) -> CommentedMap:
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            raise _refusal_of_pipe(path)
        tree = YAML(typ="rt").load(path)
    except FileNotFoundError:
        raise UserError(
            f"there is no configuration at {path}",
            hint=f"{_command('init', '--output', path)}   (or name another file with --config)",
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        problem = f"{path} cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8'}"
        right = "let this user read it, or " if isinstance(error, PermissionError) else ""
        raise UserError(problem, hint=f"{right}name another file with --config") from error
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise _refusal(path, [Problem(line, _syntax(error))]) from error
    except YAMLError as error:
        raise _refusal(path, [Problem(1, str(error).splitlines()[0])]) from error
    except (ValueError, RecursionError) as error:
        raise _refusal(path, [Problem(1, f"a value in it cannot be read: {str(error).splitlines()[0]}")]) from error
    if not isinstance(tree, CommentedMap):
        raise _refusal(path, [Problem(1, "this is no configuration: it must begin with keys such as cluster:")])
    if _size(tree, {}) > _MOST_VALUES:
        problem = f"it has more than {_MOST_VALUES} values, with its aliases (*NAME) written out: write fewer"
        raise _refusal(path, [Problem(1, problem)])
    return tree


def _size(value: Any, known: dict[int, float]) -> float:
    """Return how many values stand here with all aliases written out: endlessly many in one that holds itself."""
    if not isinstance(value, CommentedMap | CommentedSeq):
        return 1
    if id(value) not in known:
        known[id(value)] = math.inf  # as long as it is counted
        items = value.values() if isinstance(value, CommentedMap) else value
        known[id(value)] = 1 + sum(_size(item, known) for item in items)
    return known[id(value)]


def _refusal_of_pipe(path: Path) -> UserError:
    """Return the error for a pipe or a device: reading it may never end, and every later command reads the file too."""
    return UserError(f"{path} is a pipe or a device, no file", hint="write it to a file, and name that with --config")


def _syntax(error: MarkedYAMLError) -> str:
    found = re.match(r'found duplicate key "(?P<key>[^"]*)"', error.problem or "")
    if found:
        return f'the key "{found["key"]}" is here a second time: keep one of them'
    return f"not YAML: {error.problem or error.context}"


def _refusal(path: Path, problems: list[Problem]) -> UserError:
    found = sorted(set(problems))
    lines = [f"{path}:{problem.line}: {_shortened(problem.text)}" for problem in found[:_MOST_PROBLEMS]]
    if len(found) > 1:
        lines.insert(0, f"{path} has {len(found)} problems")
    if len(found) > _MOST_PROBLEMS:
        lines.append(f"… and {len(found) - _MOST_PROBLEMS} more")
    return UserError("\n  ".join(lines), hint=f"correct it, then: {_command('check', '--config', path)}")


def _shortened(text: str) -> str:
    """Return a text with its middle left out where a value in it is endless: what it is about stands at its ends."""
    if len(text) <= _LONGEST:
        return text
    return f"{text[: _LONGEST * 3 // 4]} … {text[-_LONGEST // 4 :]}"


def _command(verb: str, option: str, path: Path) -> str:
    return rollout("config", verb, option, str(path.absolute()))


# ---- from ruamel's tree to plain values -----------------------------------------------------------------------------


def _plain(value: Any, environment: Mapping[str, str], line: int, problems: list[Problem]) -> Any:
    """Copy `value` without ruamel's types, with references filled in; what cannot be filled in joins `problems`."""
    if isinstance(value, CommentedMap):
        problems += [Problem(_line_of(value, key, line), _no_text(key)) for key in value if not isinstance(key, str)]
        keys = [key for key in value if isinstance(key, str)]
        return {key: _plain(value[key], environment, _line_of(value, key, line), problems) for key in keys}
    if isinstance(value, CommentedSeq):
        return [_plain(item, environment, _line_of(value, n, line), problems) for n, item in enumerate(value)]
    if isinstance(value, str):
        return _filled_in(value, environment, line, problems)
    return value


def _no_text(key: object) -> str:
    """Say what is wrong with a key that YAML does not read as text."""
    if key is None:
        return "there is no key before this colon: write one, or remove the line"
    if isinstance(key, bool | int | float):
        return f"the key {key!r}: write it in quotes, if it is meant as text"
    return "a key must be a text, no list and no keys with values: is a quote, or a bracket, missing or too many?"


def _filled_in(text: str, environment: Mapping[str, str], line: int, problems: list[Problem]) -> str:
    def value_of(found: re.Match[str]) -> str:
        value = environment.get(found["name"]) or found["default"]
        if value is None:
            reason = f"the environment variable {found['name']} is not set; ${{{found['name']}:-VALUE}} gives a default"
            problems.append(Problem(line, reason))
        return value or found[0]

    filled = _REFERENCE.sub(value_of, text)
    if PLACEHOLDER in filled:
        problems.append(Problem(line, f"{PLACEHOLDER} is still here: replace it by your own value"))
    return filled


def _line_of(node: CommentedMap | CommentedSeq, part: int | str, otherwise: int) -> int:
    """Return the line (from 1) of a key or an item; `otherwise` where it came in through a YAML merge."""
    try:
        return int(node.lc.data[part][0]) + 1
    except (KeyError, TypeError):
        return otherwise


def _line(tree: CommentedMap, path: Sequence[int | str]) -> int:
    """Return the line of the innermost part of `path` that the file has."""
    line, node = 1, tree
    for part in path:
        if not isinstance(node, CommentedMap | CommentedSeq):
            break
        line = _line_of(node, part, line)
        try:
            node = node[part]
        except (KeyError, IndexError, TypeError):
            break
    return line


# ---- what pydantic found, in words ----------------------------------------------------------------------------------


_KINDS = {"int": "a whole number", "float": "a number", "bool": "true or false"}


def _worded(details: ErrorDetails, tree: CommentedMap, model: type[BaseModel]) -> Problem:
    path = details["loc"]
    return Problem(_line(tree, path), _sentence(details, path, model))


def _sentence(details: ErrorDetails, path: Keys, model: type[BaseModel]) -> str:
    name, value = _dotted(path), details["input"]
    if path[:1] == ("database",) and details["type"] != "value_error":
        return f"{name}: write an address in quotes here; the value is not shown, because it may be secret"
    match details["type"]:
        case "extra_forbidden":
            key, place = path[-1], _dotted(path[:-1])
            where = f" in {place}" if place else ""
            return f'unknown key "{key}"{where}{_did_you_mean(str(key), _keys(model, path[:-1]))}'
        case "missing":
            return f'the key "{name}" is missing'
        case "literal_error":
            expected = re.findall(r"'([^']*)'", details["msg"])
            return f'{name}: "{value}" is not one of {", ".join(expected)}{_near(str(value), expected)}'
        case "string_type" if isinstance(value, bool | int | float):
            return f"{name}: write it in quotes: YAML reads it as {value!r}, which may not be what you typed"
        case "value_error":
            return f"{name}: {details['ctx']['error']}" if name else str(details["ctx"]["error"])
        case "model_type" | "dict_type" | "mapping_type" if value is not None:
            return f"{name}: write keys with values here, not {value!r}"
        case "tuple_type" if value is not None:
            return f"{name}: write a list here, such as [{value}]"
    if value is None:
        return f"{name} is empty: give it a value, or remove the line"
    return f"{name}: {_other(details)}"


def _other(details: ErrorDetails) -> str:
    if kind := _KINDS.get(details["type"].partition("_")[0]):
        return f"write {kind} here, not {details['input']!r}"
    return f"{details['msg'].removeprefix('Input ')}, but it is {details['input']!r}"


def _dotted(path: Keys) -> str:
    """Write a path as operators do: `drain.max_draining`, `groups[0]`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")


def _keys(model: type[BaseModel], path: Keys) -> list[str]:
    """Return the keys that a section knows."""
    for part in path:
        if not isinstance(part, int):  # an item of a list is what the list is of
            model = next(_models(model.model_fields[part].annotation))
    return list(model.model_fields)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in getattr(annotation, "__args__", ()):
        yield from _models(argument)


def _did_you_mean(typed: str, known: Sequence[str]) -> str:
    return _near(typed, known) or f"; known: {', '.join(known)}"


def _near(typed: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(typed, known, n=1)
    return f': did you mean "{near[0]}"?' if near else ""
