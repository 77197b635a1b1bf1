"""`rollout ami`: an AMI's way to the nodes."""

from __future__ import annotations

import typer

from rollout.cli.commands.ami import build, estimate, listing, prune, share, verify

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="Build, look at and share AMIs.")

app.command("build")(build.build)
app.command("verify")(verify.verify)
app.command("share")(share.share)
app.command("list")(listing.list_)
app.command("prune")(prune.prune)
app.command("estimate")(estimate.estimate)
