"""A simulator in a process of its own, and our own command line in others: what the demo is made of."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rollout.errors import UserError

# No proxy of the environment stands before loopback.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class World:
    """A running simulator, reached through its control listener; its files lie in `place`."""

    def __init__(self, place: Path) -> None:
        endpoints = json.loads((place / "endpoints.json").read_text(encoding="utf-8"))
        self._control = str(endpoints["control"])
        self.place = place
        self.ami = str(endpoints["target_ami"])

    @property
    def database(self) -> str:
        """The journal that the simulator's configuration names."""
        return f"sqlite:///{self.place / 'rollout.db'}"

    def start(self, ami: str, *more: str) -> list[str]:
        """Return the arguments of `rollout start` on this world."""
        return ["start", "--config", str(self.place / "rollout.yaml"), "--ami", ami, *more]

    def get(self, path: str) -> Any:
        """Return what the control listener answers."""
        return self._ask(path, "GET", None)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """Post JSON to the control listener."""
        return self._ask(path, "POST", body)

    def delete(self, path: str) -> Any:
        """Delete what the path names."""
        return self._ask(path, "DELETE", None)

    def _ask(self, path: str, method: str, body: dict[str, Any] | None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._control + path, data, method=method)  # noqa: S310  loopback
        with _OPENER.open(request) as answer:
            return json.load(answer)


@contextmanager
def simulated(place: Path, scenario: str, pace: float | None = None) -> Iterator[World]:
    """Run a scenario inside the block, with its files in `place`; `pace`: simulated seconds in a real one at most.

    Raises `UserError` if the simulator does not come up.
    """
    arguments = ["simulator", "--scenario", scenario, "--directory", str(place), "--exit-with-stdin"]
    if pace:
        arguments += ["--pace", str(pace)]
    ours, pipe = command(arguments), subprocess.PIPE
    with subprocess.Popen(ours, stdin=pipe, stdout=pipe, text=True) as process:  # noqa: S603  our own command line
        try:
            if not any(line.startswith("#") for line in process.stdout or ()):  # the last line of its announcement
                raise UserError("the simulator did not come up: what it said stands above", exit_code=1)
            yield World(place)
        finally:
            if process.stdin:
                process.stdin.close()


def command(arguments: list[str]) -> list[str]:
    """Return the command that runs `rollout` with the interpreter and the code that run us."""
    return [sys.executable, "-m", "rollout", *arguments]
