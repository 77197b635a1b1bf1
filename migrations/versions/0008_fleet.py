"""A fleet is one image for many clusters, in waves: its rows, its members, its history, and what people ask it for.

The house rules for a migration are in `script.py.mako`.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "fleets",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("journal_version", sa.Integer(), nullable=False),
        sa.Column("begun_by", sa.String(40), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("wave", sa.Integer(), nullable=False),
        sa.Column("wave_ended_at", sa.String(27), nullable=True),
        sa.Column("approved", sa.Integer(), nullable=False),
        sa.Column("accepted_killed", sa.Integer(), nullable=False),
        sa.Column("obeyed", sa.Integer(), nullable=False),
        sa.Column("last_seq", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.Column("updated_at", sa.String(27), nullable=False),
        sa.Column("ended_at", sa.String(27), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fleets")),
    )
    op.create_table(
        "fleet_members",
        sa.Column("fleet_id", sa.String(64), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("exit_code", sa.Integer(), nullable=True),
        sa.Column("said", sa.Text(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("not_before", sa.String(27), nullable=True),
        sa.Column("forgiven", sa.Integer(), nullable=True),
        sa.Column("accepted", sa.Integer(), nullable=False),
        sa.Column("worker", sa.String(300), nullable=True),
        sa.Column("claimed_until", sa.String(27), nullable=True),
        sa.ForeignKeyConstraint(["fleet_id"], ["fleets.id"], name=op.f("fk_fleet_members_fleet_id")),
        sa.PrimaryKeyConstraint("fleet_id", "name", name=op.f("pk_fleet_members")),
    )
    op.create_table(
        "fleet_events",
        sa.Column("fleet_id", sa.String(64), nullable=False),
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("prev_hash", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.ForeignKeyConstraint(["fleet_id"], ["fleets.id"], name=op.f("fk_fleet_events_fleet_id")),
        sa.PrimaryKeyConstraint("fleet_id", "seq", name=op.f("pk_fleet_events")),
    )
    op.create_table(
        "fleet_requests",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("fleet_id", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.Column("requester", sa.String(200), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["fleet_id"], ["fleets.id"], name=op.f("fk_fleet_requests_fleet_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fleet_requests")),
    )
