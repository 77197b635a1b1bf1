"""Writes docs/refusals.md from the tables of reasons and warnings, and from what the function of each says of itself.

Usage: python tools/refusals_page.py FILE. A test holds that the page in the repository is what this writes.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

from rollout.preflight.cautions import CAUTIONS
from rollout.preflight.refusals import REASONS

HEAD = """\
# What is refused before the first effect

<!-- Written by `make docs` from rollout/preflight/refusals/ and cautions/. Change those, not this page. -->

`rollout start` looks once at AWS, Kubernetes and itself. What speaks against the rollout is told, all of it at once and
each with the next step; the exit code is 2, and nothing was changed. A read that is refused to us is a reason itself,
and nothing is concluded from what it would have shown.

Nobody can ask Auto Scaling whether a call would be allowed: a right that is missing there shows at the first call,
which halts the rollout and says so. What EC2 can be asked is asked by DryRun, a launch too, with the role and the tags
that the template gives to instances; there only a missing right is a reason, whatever else EC2 answers.
"""

WARNED = """\
# What is warned of

It keeps no rollout from its start. Each line is written to standard error, and to the rollout's events. One that says
what is not checked names the right that is missing ([rights-kubernetes.md](rights-kubernetes.md)).
"""


def page() -> str:
    """Return the whole page."""
    return "\n".join([HEAD, *_sections(REASONS), WARNED, *_sections(CAUTIONS)])


def _sections(table: Iterable[object]) -> Iterator[str]:
    for module, rules in groupby(table, key=inspect.getmodule):
        lines = "\n".join(f"- {' '.join(_words(rule).split())}" for rule in rules)
        title = _words(module).splitlines()[0].rstrip(".")
        yield f"## {title}\n\n{lines}\n"


def _words(thing: object) -> str:
    return inspect.getdoc(thing) or ""


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
