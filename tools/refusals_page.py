"""Writes docs/refusals.md from the tables of reasons and warnings, and from what the function of each says of itself.

Usage: python tools/refusals_page.py FILE. A test holds that the page in the repository is what this writes.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

from rollout.preflight.blockers import REASONS
from rollout.preflight.warnings import WARNINGS

HEAD = """\
# What blocks a rollout before its first effect

<!-- Written by `make docs` from rollout/preflight/blockers/ and warnings/. Change those, not this page. -->

`rollout start` reads AWS, Kubernetes and its own environment once. If something blocks the rollout, it prints all
blockers at once, each with the next step. The exit code is 2, and nothing was changed. A read that is refused is a
blocker itself. Nothing is concluded from what it would have shown.

Auto Scaling cannot be asked whether it would allow a call. A right that is missing there shows at the first call, which
halts the rollout and says so. EC2 can be asked by DryRun, also about a launch with the role and the tags that the
template gives to instances. From its answer only a missing right counts as a blocker.
"""

WARNED = """\
# What a start warns of

A warning does not block a rollout. Each line is written to standard error and to the rollout's events. A line that says
what is not checked names the missing right ([rights-kubernetes.md](rights-kubernetes.md)).
"""


def page() -> str:
    """Return the whole page."""
    return "\n".join([HEAD, *_sections(REASONS), WARNED, *_sections(WARNINGS)])


def _sections(table: Iterable[object]) -> Iterator[str]:
    for module, rules in groupby(table, key=inspect.getmodule):
        lines = "\n".join(f"- {' '.join(_words(rule).split())}" for rule in rules)
        title = _words(module).splitlines()[0].rstrip(".")
        yield f"## {title}\n\n{lines}\n"


def _words(thing: object) -> str:
    return inspect.getdoc(thing) or ""


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
