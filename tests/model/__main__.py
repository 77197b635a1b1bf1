"""Explores the small world: python -m tests.model FAULTS ACTS [SECONDS]. Prints what was found, and the way to it."""

from __future__ import annotations

import sys

from tests.model.explorer import Explorer, Found


def main(faults: int, acts: int, seconds: float = 7200.0) -> int:
    """Walk, and print; 1 where a promise is broken or nothing leads to an end."""
    found = Explorer(faults, acts).walk(seconds)
    sys.stdout.write(f"{faults} faults, {acts} acts of somebody else: {found}\n")
    for what, way in _problems(found):
        sys.stdout.write("\n".join([what, *(f"    {step}" for step in way), ""]))
    return 1 if found.broken or found.stuck else 0


def _problems(found: Found) -> list[tuple[str, list[str]]]:
    return [*found.broken, *(("nothing leads to an end:", way) for way in found.stuck)]


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
