"""Wires the commands and turns every way to end into words and an exit code.

Only typer is imported here and in the commands' modules; what is heavy comes when a command runs, so that
`rollout --help` and shell completion answer at once.
"""

from __future__ import annotations

import sys
from typing import Annotated, NoReturn

import typer

from rollout import __version__
from rollout.cli import (
    ami,
    audit,
    config,
    db,
    demo,
    doctor,
    events,
    listing,
    output,
    resume,
    screen,
    simulator,
    start,
    status,
    stopping,
    typed,
)
from rollout.errors import ANOTHER_ACTIVE, BUG, RESUMABLE, USAGE, Lost, Refused, Retry, Unknown, UserError

# What the other side said while nothing of ours was under way, or nothing may be any more.
_CODES = {Refused: USAGE, Retry: RESUMABLE, Unknown: RESUMABLE, Lost: ANOTHER_ACTIVE}

app = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Put a new AMI under a self-managed EKS node group without killing the Jobs that run on it.",
    epilog="Exit codes: 0 done, 1 halted, 2 usage or configuration, 70 a fault of this tool, "
    "75 interrupted and resumable, 76 another rollout is active, "
    "77 begun by another version of this tool.",
)


def _version(wanted: bool) -> None:  # noqa: FBT001  typer calls it with the option's value
    if wanted:
        typer.echo(f"rollout {__version__}")
        raise typer.Exit


@app.callback()
def rollout(
    *,
    version: Annotated[  # noqa: ARG001  its callback has it
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Put a new AMI under a self-managed EKS node group without killing the Jobs that run on it."""
    typed.none_empty(sys.argv[1:])


app.command("start")(start.start)
app.command("resume")(resume.resume)
app.command("status")(status.status)
app.command("list")(listing.list_)
app.command("events")(events.events)
app.command("doctor")(doctor.doctor)
app.add_typer(config.app, name="config")
app.add_typer(db.app, name="db")
app.add_typer(audit.app, name="audit")
app.add_typer(ami.app, name="ami")
app.command("simulator")(simulator.simulator)
app.command("demo")(demo.demo)


def main() -> NoReturn:
    """Run the command line; the only place that decides how a process of ours ends."""
    output.prepare()
    try:
        stopping.hear()
        code = output.ended(_ended())
        stopping.ignore()  # the work is done, and its code stays what it is
    except stopping.Stopped as stopped:
        stopping.ignore()
        screen.say(stopping.told(stopped.number), err=True)
        code = output.ended(RESUMABLE)
    sys.exit(code)


def _ended() -> int:
    try:
        app(prog_name="rollout")
    except SystemExit as left:  # by Typer, at the end of a command and after help
        return left.code if isinstance(left.code, int) else 0
    except UserError as error:
        screen.say(f"rollout: {error.problem}", err=True)
        if error.hint:
            screen.say(f"  next: {error.hint}", err=True)
        return error.exit_code
    except (Lost, Refused, Retry, Unknown) as error:
        screen.say(f"rollout: {error.detail}", err=True)
        return next(code for kind, code in _CODES.items() if isinstance(error, kind))
    except Exception as error:  # noqa: BLE001  whatever it is, the operator gets a line, we get the traceback
        from rollout.cli import crash

        screen.say(crash.told(error), err=True)
        return BUG
    return 0
