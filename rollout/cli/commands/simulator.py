"""`rollout simulator`: the embedded EKS, to learn on and to try a configuration without a cluster."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rollout.cli import stopping
from rollout.cli.screen.format import runnable
from rollout.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn


def simulator(
    scenario: Annotated[
        str | None, typer.Option(metavar="NAME|FILE", help="A scenario that is shipped, or a file of your own.")
    ] = None,
    directory: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", readable=False, help="Where kubeconfig and rollout.yaml go; default: a new temporary folder."
        ),
    ] = None,
    pace: Annotated[
        float | None,
        typer.Option(metavar="N", min=0.001, help="Simulated seconds in a real one at most; default: no limit."),
    ] = None,
    *,
    real_time: Annotated[
        bool, typer.Option("--real-time", help="As fast as real time passes, with the API server of --kubernetes.")
    ] = False,
    kubernetes: Annotated[
        Path | None,
        typer.Option(
            metavar="KUBECONFIG",
            readable=False,
            help="With --real-time: only AWS is simulated, and its instances become nodes of this real, empty cluster.",
        ),
    ] = None,
    listing: Annotated[bool, typer.Option("--list", help="Name the shipped scenarios, a line each, and end.")] = False,
    exit_with_stdin: Annotated[bool, typer.Option("--exit-with-stdin", hidden=True)] = False,
) -> None:
    """Run a simulated AWS and EKS cluster here until Ctrl-C.

    It says how to reach it, and writes a kubeconfig and a configuration for this tool.
    """
    if listing:
        become(["--list"])
    if scenario is None:
        raise UserError("no scenario is given", hint="name one with --scenario, of: rollout simulator --list")
    if real_time != (kubernetes is not None):
        hint = "give both: --real-time --kubernetes KUBECONFIG; or neither"
        raise UserError("--real-time and --kubernetes belong together", hint=hint)
    if pace and real_time:
        raise UserError("a real API server keeps no pace", hint="leave out --pace")
    words = [f"--scenario={scenario}", f"--directory={_folder(directory)}"]
    words += [f"--pace={pace}"] if pace else []
    words += [f"--kubernetes={kubernetes}"] if kubernetes else []
    words += ["--exit-with-stdin"] if exit_with_stdin else []
    become(words)


def _folder(directory: Path | None) -> Path:
    folder = directory or Path(tempfile.mkdtemp(prefix="rollout-simulator-"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        problem = f"the folder {folder} cannot be made: {error.strerror}"
        raise UserError(problem, hint="name another with --directory") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UserError(f"you may not write into the folder {folder}", hint="name another with --directory")
    return folder


def become(words: Sequence[str]) -> NoReturn:
    """Become the simulator's process, which shares no code with us: the same pid, streams and ignored signals."""
    sys.stdout.flush()
    for descriptor in (0, 1, 2):
        os.set_inheritable(descriptor, True)  # noqa: FBT003  the language has it so
    signal.pthread_sigmask(signal.SIG_BLOCK, stopping.ASKED)  # it hears them, once it can
    program = [sys.executable, "-P", "-m", "eks_simulator", f"--tool={runnable('rollout')}", *words]
    os.execv(sys.executable, program)  # noqa: S606  our own interpreter
