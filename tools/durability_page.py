"""Writes the tables of docs/durability.md from what the proof's runs brought.

Usage: python tools/durability_page.py RESULTS PAGE. What stands above the mark in the page is left as it is.
"""

from __future__ import annotations

import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

MARK = "<!-- Written by `make durability` from here on. -->\n"

Run = dict[str, Any]

#: How runs in which the tool is killed at points are called here, by what the results call them.
KILLS = {
    "single": "killed once",
    "pair": "killed, and again in the recovery",
    "pool": "killed once, effects side by side",
    "request": "the installed command, killed in a request",
}
#: Facts that are figures, or say where to find a run again.
_ASIDE = {"kind", "passed", "seconds", "points", "sent_again"}


def tables(runs: Sequence[Run]) -> str:
    """Return all tables, below headings of their own."""
    kills = [run for run in runs if run["kind"] in KILLS]
    sections = [_section("Runs", _by_run(kills)), _section("Where they were killed", _by_step(kills))]
    others = sorted({run["kind"] for run in runs} - KILLS.keys())
    sections += [_section(kind.capitalize(), _by_facts(run for run in runs if run["kind"] == kind)) for kind in others]
    return "\n".join(sections)


def _section(title: str, rows: Iterable[Sequence[object]]) -> str:
    head, *body = ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    return "\n".join(["", f"## {title}", "", head, "|---" * head.count(" | ") + "|---|", *body, ""])


def _by_run(runs: Sequence[Run]) -> Iterator[Sequence[object]]:
    yield "run", "world", "journal", "runs", "kills", "as if undisturbed", "effects sent again"
    groups: dict[tuple[int, str, str, str], list[Run]] = defaultdict(list)
    for run in runs:
        groups[list(KILLS).index(run["kind"]), run["kind"], run["case"], run["engine"]].append(run)
    for (_, kind, case, engine), found in sorted(groups.items()):
        again = sum(run["sent_again"] for run in found)
        yield KILLS[kind], case, engine, len(found), sum(len(run["points"]) for run in found), _passed(found), again


def _by_step(runs: Sequence[Run]) -> Iterator[Sequence[object]]:
    """Count the kills at each kind of step; what is wrong with a run is counted at all points of it."""
    yield "step", "kind", "killed before it", "killed after it", "as if undisturbed"
    counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for run in runs:
        for point in run["points"]:
            counts[point["what"], point["kind"]].update([point["when"], "passed" if run["passed"] else "failed"])
    for (what, kind), count in sorted(counts.items()):
        killed = count["before"] + count["after"]
        yield what, kind, count["before"], count["after"], _all(count["passed"], killed)


def _by_facts(runs: Iterable[Run]) -> Iterator[Sequence[object]]:
    """One row for each combination of what was recorded of runs of a kind, in words or yes and no."""
    found = list(runs)
    names = sorted({key for run in found for key, value in run.items() if isinstance(value, str | bool)} - _ASIDE)
    groups: dict[tuple[str, ...], list[Run]] = defaultdict(list)
    for run in found:
        groups[tuple(_word(run.get(name, "")) for name in names)].append(run)
    yield *names, "runs", "as promised"
    for row, same in sorted(groups.items()):
        yield *row, len(same), _passed(same)


def _word(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value).replace("|", "\\|")


def _passed(runs: Sequence[Run]) -> str:
    return _all(sum(run["passed"] for run in runs), len(runs))


def _all(some: int, number: int) -> str:
    return "all" if some == number else f"**{some} of {number}**"


def main(results: Path, page: Path) -> None:
    """Replace what stands below the mark."""
    runs = [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()]
    prose, mark, _ = page.read_text(encoding="utf-8").partition(MARK)
    page.write_text(prose + mark + tables(runs), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
