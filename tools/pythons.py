"""Tries the project on each Python that it names and that is found here: `make pythons`.

Usage: python tools/pythons.py FOLDER. Each gets an environment in the folder, by `make setup` with its own pip, and
runs a part of the tests there, the built wheel's among them. The Python that runs this is left to all other verbs.
Which ones were not found is the last thing that is said.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parent.parent
#: Seconds after which a Python is given up, on a machine that is busy with other work too.
LIMIT = 1200
#: What is run under each: the built wheel works a whole rollout, and every setting is read.
TESTS = ("tests/test_packaging.py", "tests/test_config.py")
_NAMED = "Programming Language :: Python :: 3."
#: What is imported is compiled then: pip would compile all that it installs, for a third of its time.
_LATER = {"PIP_COMPILE": "0"}
_LOOK = "import ensurepip, sys, venv; print('%d.%d' % sys.version_info[:2])"


def named() -> list[str]:
    """Return the Pythons that the project names, such as 3.12."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [f"3.{one.removeprefix(_NAMED)}" for one in project["classifiers"] if one.startswith(_NAMED)]


def found(version: str) -> str | None:
    """Return where such a Python is, if there is one that can make environments."""
    return next((place for place in _places(version) if _is(place, version)), None)


def _places(version: str) -> Iterator[str]:
    for folder in os.get_exec_path():
        yield f"{folder}/python{version}"
        if folder.endswith("/shims"):  # pyenv's stand for those that are switched on only
            yield from map(str, sorted(Path(folder).parent.glob(f"versions/{version}.*/bin/python{version}")))


def _is(place: str, version: str) -> bool:
    try:
        told = subprocess.run([place, "-c", _LOOK], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return told.stdout.strip() == version


def tried(version: str, python: str, folder: Path) -> str:
    """Try one; return what went wrong, "" if nothing did."""
    began = time.monotonic()
    place = folder / version
    for command in (
        ["make", "--no-print-directory", f"PYTHON={python}", f"VENV={place}", "setup"],
        [f"{place}/bin/pytest", "-p", "no:cacheprovider", "--numprocesses=0", *TESTS],
    ):
        wrong = _wrong(command)
        if wrong:
            return f"Python {version} failed: {' '.join(command)}\n{wrong}\n"
    print(f"Python {version}: passed in {time.monotonic() - began:.0f} s ({python})", flush=True)
    return ""


def _wrong(command: list[str]) -> str:
    """Run a command; return what it said if it failed."""
    try:
        ended = subprocess.run(
            command, cwd=ROOT, env=os.environ | _LATER, capture_output=True, text=True, timeout=LIMIT, check=False
        )
    except subprocess.TimeoutExpired:
        return f"no end after {LIMIT} seconds"
    return ended.stdout + ended.stderr if ended.returncode else ""


def main(folder: Path) -> int:
    """Try all that are found, side by side, and say what came of it."""
    ours = "{}.{}".format(*sys.version_info)
    places = {version: found(version) for version in named() if version != ours}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        trials = [pool.submit(tried, version, place, folder) for version, place in places.items() if place]
        wrong = "".join(trial.result() for trial in trials)
    print(wrong, end="")
    missing = [version for version, place in places.items() if not place]
    if missing:
        print(f"NOT TRIED, since not found here: Python {', '.join(missing)}")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).absolute()))
