"""What a trial is: a process that has loaded the packages of others, nothing of ours, and becomes a pytest on a shadow.

To load them is half of the time of a trial.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

#: The packages that killers load, and what those load when they are first used.
_PACKAGES = (
    "_pytest.pytester",
    "aiohttp.web",
    "alembic.command",
    "alembic.context",
    "boto3",
    "hypothesis.strategies",
    "kubernetes.client",
    "kubernetes.config",
    "psycopg",
    "pydantic.json_schema",
    "pytest",
    "rich.console",
    "ruamel.yaml",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.dialects.sqlite.pysqlite",
    "transitions",
    "typer",
)
#: Ours: what stands in the shadow is to be imported, not what was imported to get here.
_OURS = ("eks_simulator", "migrations", "rollout", "tests")


def packages() -> None:
    """Import those of others."""
    for module in _PACKAGES:
        importlib.import_module(module)


def trial(arguments: list[str]) -> None:
    """Be a pytest on the project in this folder."""
    import pytest  # noqa: PLC0415  in the child, whose own it is

    for name in [name for name in sys.modules if name.partition(".")[0] in _OURS]:
        del sys.modules[name]
    sys.path.insert(0, str(Path.cwd()))
    sys.dont_write_bytecode = True  # behind the shadow's links lies the project
    sys.exit(pytest.main(arguments))
