"""`rollout demo`: a whole rollout on the embedded simulated EKS, killed with SIGKILL in the middle, then resumed.

What it says at the end is read from the simulator's own log and from the journal; the exit status is 0 only if every
promise was put to the test and held, no Job was killed and every baseline field is back.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

from rollout.errors import UserError

#: Simulated seconds that pass in a real one at most: two hours take half a minute, slow enough to watch.
PACE = 400.0
#: The runner is killed while the answer to this terminate is under way: applied on AWS, not yet known to us.
KILLED_AT_TERMINATE = 3
SHOW_CURSOR = "\x1b[?25h"


def demo() -> None:
    """Show a whole rollout on a simulated EKS.

    It is killed in the middle of the drain, started again, and judged at the end.
    """
    from rollout.cli import verdict

    place = Path(tempfile.mkdtemp(prefix="rollout-demo-"))
    with simulated(place) as world:
        start = ["start", "--config", str(place / "rollout.yaml"), "--ami", world.ami, "--key", "demo"]
        _say("a rollout on a simulated EKS: two node groups, Jobs of up to two hours; the clock is the simulator's")
        killed = _killed_in_drain(world, start)
        other = _quiet(["start", "--config", str(place / "rollout.yaml"), "--ami", "ami-00000000000000000"])
        _say("the same command again")
        ended = _run(start).wait()
        refused = other.returncode == verdict.ANOTHER_ACTIVE
        good = verdict.say(world, f"sqlite:///{place / 'rollout.db'}", refused=refused)
    _say(f"its journal stays: rollout events --database sqlite:///{place / 'rollout.db'}")
    raise typer.Exit(0 if good and killed and ended == 0 else 1)


class World:
    """A running simulator, reached through its control listener."""

    def __init__(self, endpoints: dict[str, Any]) -> None:
        self._control = str(endpoints["control"])
        self.ami = str(endpoints["target_ami"])

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
        request = urllib.request.Request(self._control + path, data, method=method)  # noqa: S310  loopback, from our own child
        with urllib.request.urlopen(request) as answer:  # noqa: S310  as above
            return json.load(answer)


@contextmanager
def simulated(place: Path, scenario: str = "demo", pace: float | None = PACE) -> Iterator[World]:
    """Run a scenario in a process of its own inside the block; its files lie in `place`."""
    arguments = ["simulator", "--scenario", scenario, "--directory", str(place), "--exit-with-stdin"]
    if pace:
        arguments += ["--pace", str(pace)]
    with subprocess.Popen(  # noqa: S603  our own command line
        _command(arguments), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            if not any(line.startswith("#") for line in process.stdout or ()):  # the last line of its announcement
                raise UserError("the simulator did not come up: what it said stands above", exit_code=1)
            yield World(json.loads((place / "endpoints.json").read_text(encoding="utf-8")))
        finally:
            if process.stdin:
                process.stdin.close()


def _killed_in_drain(world: World, start: list[str]) -> bool:
    """Start the runner and kill it once its terminate hangs; return whether that is how it ended."""
    terminate = {
        "service": "autoscaling",
        "operation": "TerminateInstanceInAutoScalingGroup",
        "nth": KILLED_AT_TERMINATE,
    }
    world.post("/faults", {"match": terminate, "hang": {"when": "after"}})
    runner = _run(start)

    def kill() -> None:
        world.get("/hung")
        runner.kill()

    threading.Thread(target=kill, daemon=True).start()
    killed = runner.wait() < 0
    world.delete("/faults")
    if sys.stdout.isatty():
        typer.echo(SHOW_CURSOR, nl=False)
    if killed:
        _say("killed with SIGKILL: AWS has ended an instance, and the answer never reached the runner")
    else:
        _say("the runner ended before it could be killed")
    return killed


def _run(arguments: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(_command(arguments))  # noqa: S603  our own command line


def _quiet(arguments: list[str]) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(_command(arguments), capture_output=True, check=False)  # noqa: S603  as above


def _command(arguments: list[str]) -> list[str]:
    return [sys.executable, "-m", "rollout", *arguments]


def _say(what: str) -> None:
    typer.echo(f"\n── {what} {'─' * max(3, 100 - len(what))}\n")
