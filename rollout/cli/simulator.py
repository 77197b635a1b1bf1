"""`rollout simulator`: the embedded EKS, to learn on and to try a configuration without a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rollout.simulator.server import Endpoints


def simulator(
    scenario: Annotated[
        str | None, typer.Option(metavar="NAME|FILE", help="A scenario that is shipped, or a file of your own.")
    ] = None,
    directory: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where kubeconfig and rollout.yaml go; default: a new temporary folder."),
    ] = None,
    pace: Annotated[
        float | None,
        typer.Option(metavar="N", min=0.001, help="Simulated seconds in a real one at most; default: no limit."),
    ] = None,
    *,
    listing: Annotated[bool, typer.Option("--list", help="Name the shipped scenarios, a line each, and end.")] = False,
    exit_with_stdin: Annotated[bool, typer.Option("--exit-with-stdin", hidden=True)] = False,
) -> None:
    """Run a simulated AWS and EKS cluster here until Ctrl-C.

    It says how to reach it, and writes a kubeconfig and a configuration for this tool.
    """
    import asyncio
    import os
    import tempfile

    from rollout.errors import UserError
    from rollout.simulator.scenario import ScenarioError
    from rollout.simulator.server import serve

    if listing:
        _list()
        return
    if scenario is None:
        raise UserError("no scenario is given", hint="name one with --scenario; rollout simulator --list shows them")
    place = directory or Path(tempfile.mkdtemp(prefix="rollout-simulator-"))
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        problem = f"the folder {place} cannot be made: {error.strerror}"
        raise UserError(problem, hint="name another with --directory") from error
    if not os.access(place, os.W_OK | os.X_OK):
        raise UserError(f"you may not write into the folder {place}", hint="name another with --directory")
    try:
        asyncio.run(serve(scenario, place, _announce, pace, exit_with_stdin=exit_with_stdin))
    except ScenarioError as error:
        raise UserError(str(error), hint="the shipped scenarios: rollout simulator --list") from error


def _list() -> None:
    from rollout.simulator.scenario import load, names

    width = max(map(len, names()))
    for name in names():
        typer.echo(f"{name:<{width}}  {load(name).description}")


def _announce(endpoints: Endpoints) -> None:
    from rollout.cli import text
    from rollout.commands import rollout

    for name, value in endpoints.environment.items():
        typer.echo(f"export {name}={value}")
    command = rollout("start", "--config", str(endpoints.configuration), "--ami", endpoints.target_ami)
    typer.echo(f"# {text.runnable(command)}")
