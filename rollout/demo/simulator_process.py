"""A simulator in a process of its own, and our own command line in others: the demo, the figures, whole tests."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rollout.commands import OURS
from rollout.errors import UserError

# No proxy of the environment stands before loopback.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class SimulatorProcess:
    """A running simulator, reached through its control listener; its files lie in `directory`."""

    #: Seconds of real time to wait for an answer of the control listener; None: as long as it takes.
    patience: float | None = None

    def __init__(self, directory: Path) -> None:
        endpoints = json.loads((directory / "endpoints.json").read_text(encoding="utf-8"))
        self._control = str(endpoints["control"])
        self.directory = directory
        self.ami = str(endpoints["target_ami"])
        self.environment: Mapping[str, str] = endpoints["environment"]

    @property
    def database(self) -> str:
        """The journal that the simulator's configuration names."""
        return f"sqlite:///{self.directory.absolute() / 'rollout.db'}"

    def to_start(self, ami: str, *more: str) -> list[str]:
        """Return the arguments of `rollout start` on this world."""
        return ["start", "--config", str(self.directory.absolute() / "rollout.yaml"), "--ami", ami, *more]

    def get(self, path: str) -> Any:
        """Return what the control listener answers."""
        return self._ask(path, "GET", None)

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Post JSON to the control listener."""
        return self._ask(path, "POST", body or {})

    def delete(self, path: str) -> Any:
        """Delete what the path names."""
        return self._ask(path, "DELETE", None)

    def _ask(self, path: str, method: str, body: Mapping[str, Any] | None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._control + path, data, method=method)  # noqa: S310  loopback
        with _OPENER.open(request, timeout=self.patience) as answer:
            return json.loads(answer.read() or b"null")


@contextmanager
def simulated(
    directory: Path,
    scenario: str,
    pace: float | None = None,
    program: Sequence[str | Path] = OURS,
    environment: Mapping[str, str] | None = None,
) -> Iterator[SimulatorProcess]:
    """Run a scenario inside the block, with its files in `directory`; `pace`: simulated seconds in a real one at most.

    `environment`: the process's, default ours. It cannot outlive us: its stdin is our pipe. Ctrl-C is not for it.
    Raises `UserError` if the simulator does not come up.
    """
    arguments = ["simulator", "--scenario", scenario, "--directory", str(directory), "--exit-with-stdin"]
    if pace:
        arguments += ["--pace", str(pace)]
    pipe = subprocess.PIPE
    with subprocess.Popen(  # noqa: S603  our own command line
        [*program, *arguments], env=environment, stdin=pipe, stdout=pipe, text=True, start_new_session=True
    ) as process:
        try:
            if not any(line.startswith("#") for line in process.stdout or ()):  # the last line of its announcement
                raise UserError("the simulator did not come up: what it said stands above", exit_code=1)
            yield SimulatorProcess(directory)
        finally:
            if process.stdin:
                process.stdin.close()
