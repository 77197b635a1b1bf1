"""Wires the commands and turns every way to end into words and an exit code.

A command's module is loaded when it is asked for, with all that is heavy, so that `rollout --help` and shell completion
answer at once.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, NoReturn

import typer

from rollout import __version__
from rollout.cli import log, output, screen, stopping, typed
from rollout.cli.lazy import LazyGroup
from rollout.errors import ANOTHER_ACTIVE, BUG, RESUMABLE, USAGE, Lost, Refused, Retry, Unknown, UserError

if TYPE_CHECKING:
    from typer._click import Command, Context

# What the other side said while nothing of ours was under way, or nothing may be any more.
_CODES = {Refused: USAGE, Retry: RESUMABLE, Unknown: RESUMABLE, Lost: ANOTHER_ACTIVE}


class Commands(LazyGroup):
    """All commands, in the order in which help lists them."""

    #: What people type who want a rollout to stop or to go back.
    none_such = frozenset({"cancel", "kill", "revert", "rollback", "stop", "undo"})

    table: ClassVar[Mapping[str, tuple[str, str]]] = {
        "plan": ("rollout.cli.commands.plan", "Say what `rollout start` would do, and change nothing."),
        "start": ("rollout.cli.commands.start", "Begin a rollout and run it to its end."),
        "resume": ("rollout.cli.commands.resume", "Continue a rollout; default: the only unfinished one."),
        "abort": (
            "rollout.cli.commands.abort",
            "Go back to what was there before a rollout; default: the only unfinished one.",
        ),
        "extend": (
            "rollout.cli.commands.extend",
            "Give Jobs more time before their nodes go; default: the only unfinished rollout.",
        ),
        "pause": (
            "rollout.cli.commands.pause",
            "Change nothing until somebody types `rollout resume`; default: the only unfinished rollout.",
        ),
        "skip": (
            "rollout.cli.commands.skip",
            "Let one node stay that must go; default: of the only unfinished rollout.",
        ),
        "force": (
            "rollout.cli.commands.force",
            "Let one node go now, and end its Jobs; default: of the only unfinished rollout.",
        ),
        "status": ("rollout.cli.commands.status", "Say where a rollout stands; default: the newest unfinished."),
        "list": ("rollout.cli.commands.listing", "List all rollouts, newest first, and who runs each."),
        "why": ("rollout.cli.commands.why", "Say what keeps each old node that is not gone."),
        "events": ("rollout.cli.commands.events", "Print a rollout's events; default: the newest unfinished."),
        "report": ("rollout.cli.commands.report", "Tell all of a rollout on one page; default: the newest unfinished."),
        "doctor": ("rollout.cli.commands.doctor", "Say what differs between journal and cluster, and what to do."),
        "config": ("rollout.cli.commands.config", "Write or check the configuration file; print its schema."),
        "db": ("rollout.cli.commands.db", "Upgrade or check the journal's database."),
        "audit": ("rollout.cli.commands.audit", "Verify a journal's history, or export it."),
        "fleet": ("rollout.cli.commands.fleet", "Move many clusters to a new AMI, in waves (docs/fleet.md)."),
        "ami": ("rollout.cli.commands.ami", "Build, look at and share AMIs."),
        "simulator": ("rollout.cli.commands.simulator", "Run a simulated AWS and EKS cluster here until Ctrl-C."),
        "demo": ("rollout.cli.commands.demo", "Show a whole rollout on a simulated EKS."),
    }

    def resolve_command(self, ctx: Context, args: list[str]) -> tuple[str | None, Command | None, list[str]]:
        """Say what there is in place of a command that stops a rollout: "start" would be offered for "stop"."""
        if args and args[0] in self.none_such:
            ctx.fail(
                f"No such command '{args[0]}'. To go back to what was there before: rollout abort. To let it stand "
                "still: rollout pause. To stop a rollout, end its process with Ctrl-C or SIGTERM: that undoes nothing, "
                "and rollout resume continues. "
                "rollout status says which one runs it."
            )
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=Commands,
    rich_markup_mode=None,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Move a self-managed EKS node group to a new AMI without killing the Jobs that run on it.",
    epilog="Exit codes: 0 done, 1 a person must act, 2 usage or configuration, "
    "3 a rollout would change something (plan --detailed-exitcode), 70 a fault of this tool, "
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
    """Move a self-managed EKS node group to a new AMI without killing the Jobs that run on it."""
    typed.none_empty(sys.argv[1:])


def main() -> NoReturn:
    """Run the command line; the only place that decides how a process of ours ends."""
    output.prepare()
    log.choose(log.Format.TEXT)
    try:
        stopping.hear()
        code = output.ended(_ended())
        stopping.ignore()  # the work is done, and its code stays what it is
    except stopping.Stopped as stopped:
        stopping.ignore()
        screen.say(stopping.told(stopped.number), err=True, kind="error", exit_code=RESUMABLE)
        code = output.ended(RESUMABLE)
    sys.exit(code)


def _ended() -> int:
    try:
        app(prog_name="rollout")
    except SystemExit as left:  # by Typer, at the end of a command and after help
        return left.code if isinstance(left.code, int) else 0
    except UserError as error:
        screen.error(error.problem, error.hint, error.exit_code)
        return error.exit_code
    except (Lost, Refused, Retry, Unknown) as error:
        code = next(code for kind, code in _CODES.items() if isinstance(error, kind))
        screen.error(error.detail, "try again: the same command" if code == RESUMABLE else "", code)
        return code
    except Exception as error:  # noqa: BLE001  any error: the operator gets a line, we get the traceback
        from rollout.cli import crash

        screen.say(crash.told(error), err=True, kind="error", exit_code=BUG)
        return BUG
    return 0
