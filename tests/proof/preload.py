"""What the forkserver of whole rollouts loads before it forks children."""

from __future__ import annotations

import importlib

from eks_simulator import server as simulator
from rollout.adapters.access import simulated_account
from rollout.fence import Fence

#: What children need; each takes long to import, or loads more when it is first used.
_WARM = (
    "tests.proof.child",
    "rollout.adapters",
    "rollout.cli.commands.ami.build",
    "rollout.cli.app",
    "rollout.cli.commands.audit",
    "rollout.cli.commands.doctor",
    "rollout.cli.commands.events",
    "rollout.cli.commands.listing",
    "rollout.cli.commands.resume",
    "rollout.cli.commands.start",
    "rollout.cli.commands.status",
    "rollout.cli.select_rollout",
    "rollout.cli.follow",
    "rollout.cli.session",
    "rollout.config",
    "rollout.journal",
    "rollout.journal.lease_acquire",
    "rollout.preflight",
    "rollout.engine.runner",
    "eks_simulator.server",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.dialects.sqlite.pysqlite",
    "transitions",
    "typer._adapters",
)


def rollouts() -> None:
    """Import it, and let it read what it reads once."""
    for module in _WARM:
        importlib.import_module(module)
    # Each service's model is megabytes of JSON; the children find them read. A client connects when it is used.
    account = simulated_account("eu-west-1", "nobody", "http://127.0.0.1:1", Fence(tuple))
    for service, listing in (("autoscaling", "describe_auto_scaling_groups"), ("ec2", "describe_images")):
        account.reading(service).get_paginator(listing)
    account.reading("sts")
    simulator.warm_up()
