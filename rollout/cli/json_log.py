"""Our lines and those of libraries, as JSON, through one handler of the standard library's logging."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from rollout.cli import output

#: What each line has beside its time, level, kind and message; null where it does not apply.
_FIELDS = ("rollout", "phase", "node", "reason", "hash", "next", "exit_code")
_OURS = logging.getLogger("rollout.screen")
_LEVELS = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def listen() -> None:
    """Print what we and libraries log; Python's warnings are among it."""
    _OURS.setLevel(logging.INFO)
    if _HANDLER not in logging.root.handlers:
        logging.root.addHandler(_HANDLER)
    logging.captureWarnings(capture=True)


def tell(level: str, message: str, fields: Mapping[str, object]) -> None:
    """Log one line of ours."""
    _OURS.log(_LEVELS[level], "%s", message, extra={"fields": fields})


class _Handler(logging.Handler):
    """Writes each line to the stream that it would go to as text; a library's to standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        if output.is_json():
            fields: Mapping[str, Any] = vars(record).get("fields", {"kind": "library", "err": True})
            print(_json(record, fields), file=sys.stderr if fields["err"] else sys.stdout, flush=True)


_HANDLER = _Handler()


def _json(record: logging.LogRecord, fields: Mapping[str, Any]) -> str:
    at = fields.get("at") or datetime.fromtimestamp(record.created, UTC)
    head = {"time": f"{at:%Y-%m-%dT%H:%M:%SZ}", "level": record.levelname.lower(), "kind": fields["kind"]}
    text = logging.Formatter("%(message)s").format(record)  # with the traceback, if there is one
    return output.as_json(head | {name: fields.get(name) for name in _FIELDS} | {"message": text})
