"""Fetches the programs that the tests run and that no Python package has, into one folder: `make tools`.

From Debian's or Ubuntu's packages, unpacked and not installed: nobody has to be root for it, and apt's own lists are
not touched. Elsewhere, and for what apt does not have, the programs of PATH are taken.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

#: Programs, each named like its package. Debian's Packer, 1.6.6, has the Amazon builder inside and needs no plugin.
PROGRAMS = ("packer", "git-lfs", "shellcheck", "pgbouncer")
#: What PgBouncer loads and not every system has, by the names of several releases: put into `lib` beside the folder.
LIBRARIES = ("libc-ares2", "libcares2", "libevent-2.1-7", "libevent-2.1-7t64")


def main() -> None:
    """Fill the folder that the command line names."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    said = "There is no apt-get here."
    if shutil.which("apt-get") and shutil.which("dpkg-deb"):
        with tempfile.TemporaryDirectory(prefix="rollout-tools-") as place:
            said = _from_packages(Path(place), folder)
    _from_path([program for program in PROGRAMS if not (folder / program).is_file()], folder, said)


def _from_packages(place: Path, folder: Path) -> str:
    """Fetch each program that apt has; return what apt said of the others."""
    (place / "lists/partial").mkdir(parents=True)
    (place / "cache/archives/partial").mkdir(parents=True)
    # As root, apt would download as the user _apt, who may not write here.
    state = [f"Dir::State::Lists={place}/lists", f"Dir::Cache={place}/cache", "APT::Sandbox::User=root"]
    apt = ["apt-get", "--quiet", "--quiet", *(f"--option={option}" for option in state)]
    said = _run([*apt, "update"], place) + "".join(_run([*apt, "download", program], place) for program in PROGRAMS)
    for library in LIBRARIES:
        _run([*apt, "download", library], place)  # no release has all of these names
    for package in place.glob("*.deb"):
        said += _run(["dpkg-deb", "--extract", str(package), str(place)], place)
    for program in PROGRAMS:
        for found in place.glob(f"usr/*bin/{program}"):
            (folder / program).unlink(missing_ok=True)
            shutil.copy(found, folder)
    libraries = folder.with_name("lib")
    libraries.mkdir(exist_ok=True)
    for found in place.glob("usr/lib/*/lib*.so.*"):
        shutil.copy(found, libraries)
    return said


def _run(command: Sequence[str], place: Path) -> str:
    """Run a command; return what it said if it failed."""
    ended = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
    return f"{command[0]} failed:\n{ended.stderr}" if ended.returncode else ""


def _from_path(programs: Sequence[str], folder: Path, said: str) -> None:
    found = {program: shutil.which(program) for program in programs}
    missing = [program for program, path in found.items() if not path]
    if missing:
        sys.exit(f"{said}\nNot in PATH either: {', '.join(missing)}.\n{_by_hand()}")
    for program, path in found.items():
        (folder / program).unlink(missing_ok=True)
        (folder / program).symlink_to(path or "")


def _by_hand() -> str:
    programs = "Packer 1.6.6, git-lfs, shellcheck and PgBouncer"
    return f"On other systems install {programs}, put them into PATH, and run: make tools"


if __name__ == "__main__":
    main()
