"""`rollout simulator`: the embedded EKS, to learn on and to try a configuration without a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rollout.cli import output

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
    real_time: Annotated[
        bool, typer.Option("--real-time", help="As fast as real time passes, with the API server of --kubernetes.")
    ] = False,
    kubernetes: Annotated[
        Path | None,
        typer.Option(
            metavar="KUBECONFIG",
            help="With --real-time: only AWS is simulated, and its instances become nodes of this real, empty cluster.",
        ),
    ] = None,
    listing: Annotated[bool, typer.Option("--list", help="Name the shipped scenarios, a line each, and end.")] = False,
    exit_with_stdin: Annotated[bool, typer.Option("--exit-with-stdin", hidden=True)] = False,
) -> None:
    """Run a simulated AWS and EKS cluster here until Ctrl-C.

    It says how to reach it, and writes a kubeconfig and a configuration for this tool.
    """
    from rollout.errors import UserError

    if listing:
        _list()
        return
    if scenario is None:
        raise UserError("no scenario is given", hint="name one with --scenario; rollout simulator --list shows them")
    if real_time != (kubernetes is not None):
        hint = "give both: --real-time --kubernetes KUBECONFIG; or neither"
        raise UserError("--real-time and --kubernetes belong together", hint=hint)
    if pace and real_time:
        raise UserError("a real API server keeps no pace", hint="leave out --pace")
    output.works()
    place = _place(directory)
    if kubernetes is None:
        _simulate(scenario, place, pace, exit_with_stdin=exit_with_stdin)
    else:
        _with_a_cluster(scenario, place, kubernetes, exit_with_stdin=exit_with_stdin)


def _place(directory: Path | None) -> Path:
    import os
    import tempfile

    from rollout.errors import UserError

    place = directory or Path(tempfile.mkdtemp(prefix="rollout-simulator-"))
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        problem = f"the folder {place} cannot be made: {error.strerror}"
        raise UserError(problem, hint="name another with --directory") from error
    if not os.access(place, os.W_OK | os.X_OK):
        raise UserError(f"you may not write into the folder {place}", hint="name another with --directory")
    return place


def _simulate(scenario: str, place: Path, pace: float | None, *, exit_with_stdin: bool) -> None:
    import asyncio

    from rollout.errors import UserError
    from rollout.simulator.scenario import ScenarioError
    from rollout.simulator.server import serve

    try:
        asyncio.run(serve(scenario, place, _announce, pace, exit_with_stdin=exit_with_stdin))
    except ScenarioError as error:
        raise UserError(str(error), hint="the shipped scenarios: rollout simulator --list") from error


def _with_a_cluster(scenario: str, place: Path, kubeconfig: Path, *, exit_with_stdin: bool) -> None:
    import asyncio

    from rollout.cli import verdict
    from rollout.errors import UserError
    from rollout.simulator.real.api import KubeconfigError
    from rollout.simulator.real.server import NotUpError, serve
    from rollout.simulator.scenario import ScenarioError

    def ready(endpoints: Endpoints, left_out: list[str]) -> None:
        for one in left_out:
            typer.echo(f"# not as the scenario says: {one}")
        _announce(endpoints)

    def done(promises: list[dict[str, Any]], report: dict[str, Any]) -> None:
        for line in verdict.of_a_cluster(promises, report):
            typer.echo(line)

    try:
        asyncio.run(serve(scenario, place, kubeconfig, ready, done, exit_with_stdin=exit_with_stdin))
    except ScenarioError as error:
        raise UserError(str(error), hint="the shipped scenarios: rollout simulator --list") from error
    except KubeconfigError as error:
        raise UserError(str(error), hint="name the kubeconfig of another cluster with --kubernetes") from error
    except NotUpError as error:
        raise UserError(str(error), hint="look at its nodes and controllers", exit_code=1) from error


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
