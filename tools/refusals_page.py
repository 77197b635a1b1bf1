"""Writes docs/refusals.md from the table of reasons and from what each reason's function says of itself.

Usage: python tools/refusals_page.py FILE. A test holds that the page in the repository is what this writes.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from rollout.preflight.refusals import REASONS

HEAD = """\
# What is refused before the first effect

<!-- Written by `make docs` from rollout/preflight/refusals/. Change that, not this page. -->

`rollout start` looks once at AWS, Kubernetes and itself. What speaks against the rollout is told, all of it at once and
each with the next step; the exit code is 2, and nothing was changed. A read that is refused to us is a reason itself,
and nothing is concluded from what it would have shown.

Nobody can ask Auto Scaling whether a call would be allowed: a right that is missing there shows at the first call,
which halts the rollout and says so. What EC2 can be asked is asked by DryRun, a launch too, with the role and the tags
that the template gives to instances; there only a missing right is a reason, whatever else EC2 answers.
"""


def page() -> str:
    """Return the whole page."""
    return "\n".join([HEAD, *_sections()])


def _sections() -> Iterator[str]:
    for module, reasons in groupby(REASONS, key=inspect.getmodule):
        lines = "\n".join(f"- {' '.join(_words(reason).split())}" for reason in reasons)
        yield f"## {_words(module).rstrip('.')}\n\n{lines}\n"


def _words(thing: object) -> str:
    return inspect.getdoc(thing) or ""


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
