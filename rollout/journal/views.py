"""The auditors' views, as literal SQL. docs/audit.md explains them.

`migrations/env.py` drops them before the first migration and creates them after the last one, in the same transaction:
a migration that rebuilds a table on SQLite would trip over a view that reads it.
"""

from __future__ import annotations

from sqlalchemy import Connection, inspect

VIEWS: dict[str, str] = {}


def create(connection: Connection) -> None:
    """Create all views."""
    for name, query in VIEWS.items():
        connection.exec_driver_sql(f"CREATE VIEW {name} AS {query}")


def drop(connection: Connection) -> None:
    """Drop all views there are, those of another version too."""
    for name in inspect(connection).get_view_names():
        connection.exec_driver_sql(f"DROP VIEW {name}")
