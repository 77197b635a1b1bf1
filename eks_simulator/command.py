"""What the process is asked to do, what it says, and how it ends. `rollout simulator` checks what an operator typed."""

from __future__ import annotations

import argparse
import asyncio
import errno
import os
import shlex
import sys
import traceback
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eks_simulator import server
from eks_simulator.handout import InUseError
from eks_simulator.judging import summary
from eks_simulator.real import server as real
from eks_simulator.real.api import KubeconfigError
from eks_simulator.real.server import NotUpError
from eks_simulator.scenario import ScenarioError, load, names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eks_simulator.handout import Endpoints

# Exit codes, the same as the tool's.
_FAILED, _USAGE, _BUG, _AGAIN = 1, 2, 70, 75


def run(words: Sequence[str]) -> int:
    """Do what the words ask for; return the exit code."""
    asked = _parser().parse_args(words)
    try:
        if asked.list:
            return _list()
        asyncio.run(_served(asked))
    except ScenarioError as error:
        return _refused(error, "the shipped scenarios: rollout simulator --list")
    except InUseError as error:
        return _refused(error, "end that one, or name another with --directory")
    except KubeconfigError as error:
        return _refused(error, "name the kubeconfig of another cluster with --kubernetes")
    except NotUpError as error:
        return _refused(error, "look at its nodes and controllers", _FAILED)
    except Exception as error:  # noqa: BLE001  any error: who tests reads where
        _say(traceback.format_exc(), err=True)
        return _refused(f"this is a bug in the simulator: {type(error).__name__}", "report what stands above", _BUG)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m eks_simulator", description="Run a simulated AWS and EKS cluster here.")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--scenario", metavar="NAME|FILE", help="a scenario that is shipped, or a file of your own")
    what.add_argument("--list", action="store_true", help="name the shipped scenarios, and end")
    parser.add_argument("--directory", type=Path, default=Path(), help="where kubeconfig and rollout.yaml go")
    parser.add_argument("--pace", type=float, help="simulated seconds in a real one at most")
    parser.add_argument("--kubernetes", type=Path, metavar="KUBECONFIG", help="a real, empty cluster, in real time")
    parser.add_argument("--exit-with-stdin", action="store_true", help="end when standard input is closed")
    parser.add_argument("--tool", default="rollout", help="how a shell here starts rollout")
    return parser


async def _served(asked: argparse.Namespace) -> None:
    announce, ends = partial(_announce, asked.tool), asked.exit_with_stdin
    if asked.kubernetes is None:
        await server.serve(asked.scenario, asked.directory, announce, asked.pace, exit_with_stdin=ends)
        return

    def ready(endpoints: Endpoints, left_out: list[str]) -> None:
        for one in left_out:
            _say(f"# not as the scenario says: {one}")
        announce(endpoints)

    await real.serve(asked.scenario, asked.directory, asked.kubernetes, ready, _judge, exit_with_stdin=ends)


def _list() -> int:
    width = max(map(len, names()))
    lost = _say("\n".join(f"{name:<{width}}  {load(name).description}" for name in names()))
    if lost is None or lost.errno == errno.EPIPE:  # its reader has seen enough
        return 0
    return _refused(f"what was printed is not whole: {lost.strerror}", "run the same command again", _AGAIN)


def _announce(tool: str, endpoints: Endpoints) -> None:
    for name, value in endpoints.environment.items():
        _say(f"export {name}={shlex.quote(value)}")
    words = ("start", "--config", str(endpoints.configuration), "--ami", endpoints.target_ami)
    _say(f"# {tool} {shlex.join(words)}")


def _judge(promises: list[dict[str, Any]], report: dict[str, Any]) -> None:
    for line in summary.of_a_cluster(promises, report):
        _say(line)


def _refused(problem: object, hint: str, code: int = _USAGE) -> int:
    _say(f"rollout: {problem}\n  next: {hint}", err=True)
    return code


def _say(line: str, *, err: bool = False) -> OSError | None:
    """Print a line; a reader that has left, or a full disk, ends no simulator. Return what was in the way."""
    stream = sys.stderr if err else sys.stdout
    encoding = stream.encoding or "utf-8"
    try:
        print(line.encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=True)
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return error
    return None
