"""`rollout config`: writes a commented configuration, says what one means, and prints its schema."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rollout import commands
from rollout import config as configuration
from rollout.cli import options, screen, template
from rollout.cli.output import works
from rollout.cli.screen.format import count, span
from rollout.config.schema import schema as schema_of
from rollout.errors import UserError
from rollout.journal import database

if TYPE_CHECKING:
    from rollout.config import Config

app = typer.Typer(
    rich_markup_mode=None, no_args_is_help=True, help="Write or check the configuration file; print its schema."
)

_UNPROTECTED = {
    "protect": "hold their node too",
    "evict": "are evicted",
    "refuse": "are a reason against a rollout",
}
_AT_DEADLINE = {
    "pod": "their pods are evicted or deleted; the Job objects stay",
    "job": "they are deleted",
    "halt": "the rollout halts",
}


@app.command()
def init(
    output: Annotated[
        Path, typer.Option(metavar="FILE", readable=False, help="Where it goes; a file that is there is left alone.")
    ] = options.CONFIG,
    seed_names: Annotated[
        tuple[str, str] | None,
        typer.Option(metavar="ENV ACCOUNT", help="Fill in the names that the original script derived from these two."),
    ] = None,
) -> None:
    """Write a configuration file to fill in.

    Every setting stands in it, with its default and the reason for it.
    """
    works()
    text = template.for_seed(*seed_names) if seed_names else template.example()
    try:
        with output.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        if output.is_dir():
            raise UserError(f"{output} is a folder", hint="name a file in it with --output") from None
        raise UserError(
            f"{output} is there already and was left alone", hint="name another file with --output"
        ) from None
    except OSError as error:
        raise UserError(
            f"{output} cannot be written: {error.strerror}", hint="name another place with --output"
        ) from error
    output.chmod(0o644)
    then = commands.rollout("config", "check", "--config", str(output.absolute()))
    screen.say(f"{output} is written; fill it in, then: {then}")


@app.command()
def check(config: options.ConfigFile = options.CONFIG) -> None:
    """Check a configuration, and say in a few lines what it means.

    AWS is not asked.
    """
    for line in _meaning(configuration.load(config)):
        screen.say(line)


@app.command()
def schema() -> None:
    """Print the configuration's JSON schema, for editors."""
    typer.echo(json.dumps(schema_of(configuration.Config), indent=2))


def _meaning(config: Config) -> Iterator[str]:
    groups, drain, times = ", ".join(config.groups), config.drain, config.deadlines
    yield f"cluster {config.cluster} in {config.region}" + (f", account {config.account}" if config.account else "")
    yield f"  replaced:   the nodes of {groups}"
    yield f"  protected:  {_protected(config)}"
    yield f"              other pods that nobody replaces or that run to their end {_UNPROTECTED[config.unprotected]}"
    yield f"  autoscaler: {_autoscaler(config)}"
    yield f"  surge:      {_surge(config)}"
    yield f"  drain:      {count(drain.max_draining, 'node')} of a group at a time"
    yield f"  Jobs have:  {_span(times.drain)}, then {_AT_DEADLINE[drain.on_deadline]}"
    waits = f"InService {_span(times.in_service)}, Ready {_span(times.ready)}, blocked pods {_span(times.blocked)}"
    yield f"  deadlines:  {waits}"
    yield f"  journal:    {database.backend_of(config.database).name}"


def _protected(config: Config) -> str:
    rule = config.protected
    named = "named " + " or ".join(f"{prefix}*" for prefix in rule.prefixes) if rule.prefixes else "of any name"
    where = f"namespace {' or '.join(rule.namespaces)}" if rule.namespaces else "any namespace"
    labels = "".join(f", labelled {key}={value}" for key, value in rule.labels.items())
    presets = f", and those of {', '.join(rule.presets)}" if rule.presets else ""
    return f"pods of a {' or '.join(rule.kinds)} {named} in {where}{labels}{presets}"


def _surge(config: Config) -> str:
    surge = config.surge
    more = f"{surge.amount}% more instances" if surge.percent else f"at most {count(surge.amount, 'more instance')}"
    return f"{more} in each group at a time, paid for until the old ones are gone"


def _autoscaler(config: Config) -> str:
    return (
        f"Deployment {config.autoscaler.namespace}/{config.autoscaler.name}, scaled to 0"
        if config.autoscaler
        else "none"
    )


def _span(seconds: float) -> str:
    return span(timedelta(seconds=seconds))
