"""`rollout demo`: a whole rollout on the embedded simulated EKS, killed with SIGKILL in the middle, then resumed.

What it says at the end is read from the simulator's own log and from the journal; the exit status is 0 only if every
promise was put to the test and held, no Job was killed and every baseline field is back.
"""

from __future__ import annotations

import contextlib
import http.client
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from rollout import commands
from rollout.cli import screen
from rollout.cli.report import keeping
from rollout.cli.screen.format import runnable
from rollout.demo import report
from rollout.demo.simulator_process import simulated
from rollout.errors import ANOTHER_ACTIVE
from rollout.journal import read_journal

if TYPE_CHECKING:
    from rollout.demo.simulator_process import SimulatorProcess

#: Simulated seconds that pass in a real one at most: two hours take half a minute, slow enough to watch.
PACE = 400.0
#: The runner is killed while the answer to this terminate is under way: applied on AWS, not yet known to us.
KILLED_AT_TERMINATE = 3
#: An image that is not the demo's: a start with it means another rollout.
OTHER_AMI = "ami-00000000000000000"
_SHOW_CURSOR = "\x1b[?25h"


def demo() -> None:
    """Show a whole rollout on a simulated EKS.

    It is killed in the middle of the drain, started again, and judged at the end.
    """
    with simulated(Path(tempfile.mkdtemp(prefix="rollout-demo-")), "demo", PACE) as world:
        good = _story(world)
    _keep_report(world)
    _say(f"its journal stays: {runnable(commands.rollout('events', '--database', world.database))}")
    raise typer.Exit(0 if good else 1)


def _story(world: SimulatorProcess) -> bool:
    """Tell it all; return whether it went as promised."""
    start = [*commands.OURS, *world.to_start(world.ami, "--key", "demo")]
    _say("a rollout on a simulated EKS: two node groups, Jobs of up to two hours; the clock is the simulator's")
    killed = _killed_in_drain(world, start)
    other = subprocess.run(  # noqa: S603  our own command line
        [*commands.OURS, *world.to_start(OTHER_AMI)], capture_output=True, check=False, start_new_session=True
    )
    _say("the same command again")
    ended = subprocess.run(start, check=False, start_new_session=True)  # noqa: S603  as above
    lines, held = report.judged(world, refused=other.returncode == ANOTHER_ACTIVE)
    for line in lines:
        screen.say(line)
    return killed and ended.returncode == 0 and held


def _keep_report(world: SimulatorProcess) -> None:
    """Write the page about the rollout beside its journal, and say where it is."""
    with contextlib.closing(read_journal(world.database)) as journal:
        for one in journal.summaries():
            keeping.keep(journal, one.id, world.directory.absolute() / "report.html")


def _killed_in_drain(world: SimulatorProcess, start: list[str]) -> bool:
    """Start the runner and kill it once its terminate hangs; return whether that is how it ended.

    Ctrl-C is for us alone: the world ends with us, so that no runner has a next command to tell.
    """
    terminate = {"operation": "TerminateInstanceInAutoScalingGroup", "nth": KILLED_AT_TERMINATE}
    world.post("/faults", {"match": terminate, "hang": {"when": "after"}})
    with subprocess.Popen(start, start_new_session=True) as runner:  # noqa: S603  our own command line

        def kill() -> None:
            with contextlib.suppress(OSError, http.client.HTTPException):  # the world ends, and nothing has hung
                world.get("/hung")
                runner.kill()

        threading.Thread(target=kill, daemon=True).start()
        try:
            killed = runner.wait() < 0
        finally:
            runner.kill()
            if sys.stdout.isatty():
                typer.echo(_SHOW_CURSOR, nl=False)
    world.delete("/faults")
    if killed:
        _say("killed with SIGKILL: AWS has ended an instance, and the answer never reached the runner")
    else:
        _say("the runner ended before it could be killed")
    return killed


def _say(what: str) -> None:
    screen.say(f"\n── {what} {'─' * max(3, 100 - len(what))}\n")
