"""A plan in a file: `rollout plan --out` writes it, `rollout start --plan` reads it and compares."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from rollout import __version__, commands
from rollout.ami.images import AMI
from rollout.cli import own_files
from rollout.errors import UserError
from rollout.formats import codec
from rollout.preflight.saved import SavedPlan

if TYPE_CHECKING:
    from pydantic import TypeAdapter

#: What the file says that it is, and in which version. The version counts up with any change of a record in it.
KIND, VERSION = "rollout plan", 1
FILE = own_files.Kind("plan", re.compile(rb'\s*\{\s*"kind":\s*"rollout plan"'), "--out")
#: What to do about a file that is no plan of this version.
_AGAIN = f"make a plan, look at it, then start with it: {commands.rollout('plan', '--ami', 'AMI', '--out', 'FILE')}"


class Unread(UserError):
    """There is no plan in a file, or not one that this version can read whole."""


def write(saved: SavedPlan, path: Path, journal: Path | None) -> None:
    """Write a plan, in place of an older one; `journal`: its file. Raises `UserError` if that is not possible."""
    own_files.write(json.dumps(fields(saved), indent=2, ensure_ascii=False) + "\n", path, FILE, journal)


def fields(saved: SavedPlan) -> dict[str, Any]:
    """Return what stands in the file; docs/json.md has it."""
    kept: dict[str, Any] = _adapter().dump_python(saved, mode="json")
    return {"kind": KIND, "version": VERSION, "tool": __version__} | kept


def read(path: Path) -> SavedPlan:
    """Read a plan. Raises `Unread` (exit 2) for what is none, or what this version cannot read whole."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise Unread(f"nothing was begun: there is no plan at {path.absolute()}", hint=_AGAIN) from None
    except OSError as error:
        raise _not_read(path, error.strerror or "it cannot be read") from error
    except UnicodeDecodeError as error:
        raise _not_read(path, "it is not text") from error
    return _understood(path, _object(path, text))


def _object(path: Path, text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _not_read(path, f"it is not JSON ({error})") from error
    if not isinstance(found, dict) or found.pop("kind", None) != KIND:
        raise _not_read(path, "this tool wrote no such plan")
    return found


def _understood(path: Path, found: dict[str, Any]) -> SavedPlan:
    version, tool = found.pop("version", None), found.pop("tool", None)
    if version != VERSION or isinstance(version, bool):
        made = f"rollout {tool}" if isinstance(tool, str) else "another version of rollout"
        raise _not_read(path, f"{made} wrote it in version {version}, and rollout {__version__} reads {VERSION}")
    try:
        saved = _adapter().validate_python(found)
    except ValidationError as error:
        wrong = min(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        cause = f"it has fields that are not known, lacks some, or has wrong ones ({wrong})"
        raise _not_read(path, cause) from error
    if not AMI.fullmatch(saved.ami):
        raise _not_read(path, f'"{saved.ami}" is not the id of an image')
    return saved


def _adapter() -> TypeAdapter[SavedPlan]:
    return codec.strict(SavedPlan)


def _not_read(path: Path, cause: str) -> Unread:
    return Unread(f"nothing was begun: {path.absolute()} is no plan to start with: {cause}", hint=_AGAIN)
