"""The journal as it began: rollouts, their nodes, effects and events, leases, and the ledger of killed Jobs.

The house rules for a migration are in `script.py.mako`.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "leases",
        sa.Column("cluster", sa.String(100), nullable=False),
        sa.Column("epoch", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.String(40), nullable=False),
        sa.Column("build_url", sa.Text(), nullable=True),
        sa.Column("acquired_at", sa.String(27), nullable=False),
        sa.Column("released_at", sa.String(27), nullable=True),
        sa.PrimaryKeyConstraint("cluster", "epoch", name=op.f("pk_leases")),
    )
    op.create_table(
        "rollouts",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("caller_key", sa.String(200), nullable=True),
        sa.Column("cluster", sa.String(100), nullable=False),
        sa.Column("ami", sa.String(40), nullable=False),
        sa.Column("phase", sa.String(16), nullable=False),
        sa.Column("since", sa.String(27), nullable=False),
        sa.Column("deadline", sa.String(27), nullable=True),
        sa.Column("drain_deadline", sa.String(27), nullable=True),
        sa.Column("halted", sa.Text(), nullable=True),
        sa.Column("hint", sa.Text(), nullable=True),
        sa.Column("halted_at", sa.String(27), nullable=True),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("plan_version", sa.Integer(), nullable=False),
        sa.Column("journal_version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.Column("updated_at", sa.String(27), nullable=False),
        sa.Column("ended_at", sa.String(27), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rollouts")),
        sa.UniqueConstraint("caller_key", name=op.f("uq_rollouts_caller_key")),
    )
    op.create_index(
        "one_active_rollout_per_cluster",
        "rollouts",
        ["cluster"],
        unique=True,
        sqlite_where=sa.text("phase <> 'DONE'"),
        postgresql_where=sa.text("phase <> 'DONE'"),
    )
    op.create_table(
        "effects",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("rollout_id", sa.String(40), nullable=False),
        sa.Column("key", sa.String(1000), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("target", sa.String(800), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("sent", sa.Integer(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=True),
        sa.Column("intended_at", sa.String(27), nullable=False),
        sa.Column("sent_at", sa.String(27), nullable=False),
        sa.Column("answered_at", sa.String(27), nullable=True),
        sa.Column("retry_at", sa.String(27), nullable=True),
        sa.Column("settled_at", sa.String(27), nullable=True),
        sa.CheckConstraint("state IN ('intended', 'done', 'refused', 'unknown')", name=op.f("ck_effects_state")),
        sa.ForeignKeyConstraint(["rollout_id"], ["rollouts.id"], name=op.f("fk_effects_rollout_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_effects")),
        sa.UniqueConstraint("rollout_id", "key", name=op.f("uq_effects_rollout_id_key")),
    )
    op.create_index("ix_effects_rollout_id_state", "effects", ["rollout_id", "state", "key"], unique=False)
    op.create_table(
        "events",
        sa.Column("rollout_id", sa.String(40), nullable=False),
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("prev_hash", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.ForeignKeyConstraint(["rollout_id"], ["rollouts.id"], name=op.f("fk_events_rollout_id")),
        sa.PrimaryKeyConstraint("rollout_id", "seq", name=op.f("pk_events")),
    )
    op.create_table(
        "node_groups",
        sa.Column("rollout_id", sa.String(40), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("template_id", sa.String(40), nullable=False),
        sa.Column("template_name", sa.String(128), nullable=False),
        sa.Column("reference", sa.String(20), nullable=False),
        sa.Column("source_version", sa.Integer(), nullable=False),
        sa.Column("new_version", sa.Integer(), nullable=True),
        sa.Column("baseline_minimum", sa.Integer(), nullable=True),
        sa.Column("baseline_desired", sa.Integer(), nullable=True),
        sa.Column("baseline_maximum", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["rollout_id"], ["rollouts.id"], name=op.f("fk_node_groups_rollout_id")),
        sa.PrimaryKeyConstraint("rollout_id", "position", name=op.f("pk_node_groups")),
        sa.UniqueConstraint("rollout_id", "name", name=op.f("uq_node_groups_rollout_id_name")),
    )
    op.create_table(
        "nodes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("rollout_id", sa.String(40), nullable=False),
        sa.Column("instance_id", sa.String(40), nullable=False),
        sa.Column("node_group", sa.String(255), nullable=False),
        sa.Column("role", sa.String(10), nullable=False),
        sa.Column("stage", sa.String(16), nullable=False),
        sa.Column("since", sa.String(27), nullable=False),
        sa.Column("name", sa.String(255), nullable=True),
        sa.Column("uid", sa.String(40), nullable=True),
        sa.Column("waits_for", sa.Text(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["rollout_id"], ["rollouts.id"], name=op.f("fk_nodes_rollout_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_nodes")),
        sa.UniqueConstraint("rollout_id", "instance_id", name=op.f("uq_nodes_rollout_id_instance_id")),
    )
    op.create_table(
        "attempts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("effect_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.String(10), nullable=False),
        sa.Column("started_at", sa.String(27), nullable=False),
        sa.Column("ended_at", sa.String(27), nullable=False),
        sa.Column("request_id", sa.String(100), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["effect_id"], ["effects.id"], name=op.f("fk_attempts_effect_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempts")),
        sa.UniqueConstraint("effect_id", "number", name=op.f("uq_attempts_effect_id_number")),
    )
    op.create_table(
        "killed_jobs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("rollout_id", sa.String(40), nullable=False),
        sa.Column("effect_id", sa.Integer(), nullable=False),
        sa.Column("job", sa.String(520), nullable=False),
        sa.Column("pod", sa.String(520), nullable=False),
        sa.Column("pod_uid", sa.String(40), nullable=False),
        sa.Column("node", sa.String(255), nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.ForeignKeyConstraint(["effect_id"], ["effects.id"], name=op.f("fk_killed_jobs_effect_id")),
        sa.ForeignKeyConstraint(["rollout_id"], ["rollouts.id"], name=op.f("fk_killed_jobs_rollout_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_killed_jobs")),
        sa.UniqueConstraint("rollout_id", "pod_uid", name=op.f("uq_killed_jobs_rollout_id_pod_uid")),
    )
