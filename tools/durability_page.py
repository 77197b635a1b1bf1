"""Writes the tables of docs/durability.md from what the proof's runs brought.

Usage: python tools/durability_page.py FOLDER PAGE. The folder holds a file of JSON lines for each test. What stands
above the mark in the page is left as it is.
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
#: Headings of other kinds of runs; a kind that is not here is its own.
TITLES = {
    "effect": "Faults of requests",
    "mutant": "Faults made in the code",
    "state machine": "Orders by chance",
    "model checked": "Models",
}
#: Facts that no table counts.
_ASIDE = {"kind", "passed", "seconds", "said"}
#: Facts that are added up.
_SUMS = {"sent_again", "examples"}


def tables(runs: Sequence[Run]) -> str:
    """Return all tables, below headings of their own."""
    kills = [run for run in runs if run["kind"] in KILLS]
    sections = [_section("Runs", _by_run(kills)), _section("Where they were killed", _by_step(kills))]
    for kind in sorted({run["kind"] for run in runs} - KILLS.keys()):
        found = [run for run in runs if run["kind"] == kind]
        sections.append(_section(TITLES.get(kind, kind.capitalize()), _by_facts(found)))
        if all("effects" in run for run in found):
            sections.append(_section("Each kind of effect, disturbed so often by each fault", _by_effect(found)))
    return "".join(sections)


def _section(title: str, rows: Iterable[Sequence[object]]) -> str:
    head, *body = ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    return "\n".join([f"\n## {title}\n", head, "|---" * head.count(" | ") + "|---|", *body, ""])


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


def _by_facts(runs: Sequence[Run]) -> Iterator[Sequence[object]]:
    """One row for each combination of what was recorded of these runs, but for what is added up."""
    facts = {key: value for run in runs for key, value in run.items() if key not in _ASIDE}
    numbers = [key for key in facts if key in _SUMS]
    words = [key for key, value in facts.items() if isinstance(value, str | int) and key not in _SUMS]
    groups: dict[tuple[str, ...], list[Run]] = defaultdict(list)
    for run in runs:
        groups[tuple(_word(run.get(name, "")) for name in words)].append(run)
    yield *words, *numbers, "runs", "as promised"
    for row, same in sorted(groups.items()):
        yield *row, *(sum(run.get(number, 0) for run in same) for number in numbers), len(same), _passed(same)


def _by_effect(runs: Sequence[Run]) -> Iterator[Sequence[object]]:
    """Count how often a fault struck each kind of effect, over all runs with that fault."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for run in runs:
        counts[run["fault"]].update(run["effects"])
    yield "effect", *counts
    for effect in sorted({effect for count in counts.values() for effect in count}):
        yield effect, *(count[effect] for count in counts.values())


def _word(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value).replace("|", "\\|")


def _passed(runs: Sequence[Run]) -> str:
    return _all(sum(run["passed"] for run in runs), len(runs))


def _all(some: int, number: int) -> str:
    return "all" if some == number else f"**{some} of {number}**"


def main(results: Path, page: Path) -> None:
    """Replace what stands below the mark."""
    files = sorted(results.glob("*.jsonl"))
    runs = [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    prose, mark, _ = page.read_text(encoding="utf-8").partition(MARK)
    page.write_text(prose + mark + tables(runs), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
