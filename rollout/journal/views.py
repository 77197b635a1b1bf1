"""The auditors' views, as literal SQL; docs/audit.md shows what to ask of them.

`migrations/env.py` drops them before the first migration and creates them after the last one, in the same transaction:
a migration that rebuilds a table on SQLite would trip over a view that reads it.
"""

from __future__ import annotations

from sqlalchemy import Connection, inspect

from rollout.journal.macros import Macros, expanded

# What the engines write differently: the seconds between two instants, and a field of an event's data.
_WAYS: dict[str, Macros] = {
    "sqlite": {
        r"SECONDS\((\S+), (\S+)\)": r"ROUND((julianday(\2) - julianday(\1)) * 86400, 3)",
        r"FIELD\((\w+)\)": r"json_extract(e.data, '$.\1')",
    },
    "postgresql": {
        r"SECONDS\((\S+), (\S+)\)": (
            r"CAST(ROUND(EXTRACT(EPOCH FROM CAST(\2 AS timestamptz) - CAST(\1 AS timestamptz)), 3) AS double precision)"
        ),
        r"FIELD\((\w+)\)": r"(CAST(e.data AS json) ->> '\1')",
    },
}

VIEWS: dict[str, str] = {
    "timeline": """
        SELECT e.rollout_id, e.seq, e.at, SECONDS(r.created_at, e.at) AS seconds, e.kind, e.text
        FROM events e JOIN rollouts r ON r.id = e.rollout_id
        """,
    "who_did_what": """
        SELECT e.rollout_id, e.seq, e.at, e.actor, l.host, l.pid, l.run_id, l.build_url, e.epoch, e.kind, e.text
        FROM events e JOIN rollouts r ON r.id = e.rollout_id
        LEFT JOIN leases l ON l.cluster IN (r.scope, r.cluster) AND l.epoch = e.epoch
        """,
    "phase_durations": """
        SELECT p.rollout_id, p.phase, p.entered_at, p.left_at, SECONDS(p.entered_at, p.left_at) AS seconds
        FROM (
            SELECT e.rollout_id, e.seq, FIELD(to) AS phase, e.at AS entered_at,
                   LEAD(e.at) OVER (PARTITION BY e.rollout_id ORDER BY e.seq) AS left_at
            FROM events e WHERE e.kind IN ('begun', 'phase')
        ) p
        """,
    "node_waits": """
        SELECT w.rollout_id, n.name AS node, w.instance_id, w.waits_for, w.began_at, w.ended_at,
               SECONDS(w.began_at, w.ended_at) AS seconds
        FROM (
            SELECT e.rollout_id, e.kind, FIELD(instance) AS instance_id, FIELD(waits_for) AS waits_for,
                   e.at AS began_at,
                   LEAD(e.at) OVER (PARTITION BY e.rollout_id, FIELD(instance) ORDER BY e.seq) AS ended_at
            FROM events e WHERE e.kind IN ('wait', 'node')
        ) w
        JOIN nodes n ON n.rollout_id = w.rollout_id AND n.instance_id = w.instance_id
        WHERE w.kind = 'wait' AND w.waits_for <> ''
        """,
    "unsettled_effects": """
        SELECT f.rollout_id, f.key, f.state, f.sent,
               (SELECT COUNT(*) FROM attempts a WHERE a.effect_id = f.id) AS receipts,
               f.intended_at, f.sent_at, f.answered_at,
               f.retry_at, f.detail
        FROM effects f WHERE f.state <> 'done'
        """,
    "effects_sent_more_than_once": """
        SELECT f.rollout_id, f.key, f.state, f.sent,
               (SELECT COUNT(*) FROM attempts a WHERE a.effect_id = f.id) AS receipts,
               f.intended_at, f.sent_at, f.settled_at,
               f.detail
        FROM effects f WHERE f.sent > 1
        """,
    # A request that was under way when its runner died: it may have been applied, and what was seen later tells.
    "effects_without_receipt": """
        SELECT f.rollout_id, f.key, f.state, f.sent,
               (SELECT COUNT(*) FROM attempts a WHERE a.effect_id = f.id) AS receipts,
               f.intended_at, f.sent_at, f.settled_at
        FROM effects f WHERE f.sent > (SELECT COUNT(*) FROM attempts a WHERE a.effect_id = f.id)
        """,
    "terminations": """
        SELECT n.rollout_id, n.name AS node, n.instance_id, n.node_group, n.role,
               (SELECT MAX(e.at) FROM events e
                WHERE e.rollout_id = n.rollout_id AND e.kind = 'node' AND FIELD(instance) = n.instance_id
                  AND FIELD(to) = 'RELEASED') AS drained_at,
               (SELECT COUNT(*) FROM killed_jobs k
                WHERE k.rollout_id = n.rollout_id AND k.node = n.name) AS jobs_killed,
               t.sent_at, t.answered_at, n.since AS gone_at, n.reason
        FROM nodes n
        LEFT JOIN effects t ON t.rollout_id = n.rollout_id AND t.kind = 'terminate' AND t.state = 'done'
                           AND t.target = n.node_group || '/' || n.instance_id
        WHERE n.stage = 'GONE'
        """,
    "forced_kills": """
        SELECT d.rollout_id, d.job, d.pod, d.node, d.at, d.drain_deadline,
               SECONDS(d.drain_deadline, d.at) AS seconds_after_deadline, f.kind AS how, f.key
        FROM (
            SELECT k.rollout_id, k.job, k.pod, k.node, k.at, k.effect_id,
                   COALESCE(
                     (SELECT COALESCE(FIELD(abort_deadline), FIELD(drain_deadline)) FROM events e
                      WHERE e.rollout_id = k.rollout_id AND e.kind IN ('begun', 'phase', 'extended') AND e.at <= k.at
                        AND COALESCE(FIELD(abort_deadline), FIELD(drain_deadline)) IS NOT NULL
                      ORDER BY e.seq DESC LIMIT 1),
                     CASE WHEN r.abort_deadline <= k.at THEN r.abort_deadline ELSE r.drain_deadline END
                   ) AS drain_deadline
            FROM killed_jobs k JOIN rollouts r ON r.id = k.rollout_id
        ) d
        JOIN effects f ON f.id = d.effect_id
        """,
    "restore_differences": """
        SELECT e.rollout_id, e.at, e.text AS difference FROM events e WHERE e.kind = 'report'
        """,
    "lease_history": """
        SELECT l.cluster, l.epoch, l.host, l.pid, l.run_id, l.build_url, l.acquired_at, l.released_at,
               SECONDS(l.acquired_at, l.released_at) AS seconds,
               CASE WHEN l.released_at IS NOT NULL THEN 'released'
                    WHEN l.epoch < MAX(l.epoch) OVER (PARTITION BY l.cluster) THEN 'killed'
                    ELSE 'held, or killed since' END AS ended, l.expires_at, l.taken_at, l.assumed_dead
        FROM leases l
        """,
}


def create(connection: Connection) -> None:
    """Create all views."""
    for name, query in VIEWS.items():
        connection.exec_driver_sql(f"CREATE VIEW {name} AS {_written(query, connection.dialect.name)}")


def drop(connection: Connection) -> None:
    """Drop all views of a file, those of another version too; on a server only ours: others may stand beside them."""
    there = inspect(connection).get_view_names()
    for name in there if connection.dialect.name == "sqlite" else VIEWS.keys() & set(there):
        connection.exec_driver_sql(f"DROP VIEW {name}")


def differences(connection: Connection) -> list[str]:
    """Return which views are missing, or say something else than this version's, one sentence each."""
    there = set(inspect(connection).get_view_names())
    same = {"sqlite": _same_text, "postgresql": _same_plan}[connection.dialect.name]
    return [f"the view {name} is missing" for name in sorted(VIEWS.keys() - there)] + [
        f"the view {name} was changed" for name in sorted(VIEWS.keys() & there) if not same(connection, name)
    ]


def _same_text(connection: Connection, name: str) -> bool:
    stands = connection.exec_driver_sql("SELECT sql FROM sqlite_master WHERE type = 'view' AND name = ?", (name,))
    return bool(stands.scalar() == f"CREATE VIEW {name} AS {_written(VIEWS[name], 'sqlite')}")


def _same_plan(connection: Connection, name: str) -> bool:
    """Compare what the server would do for the view and for its query: it keeps no text of a view."""
    ours = f"({_written(VIEWS[name], 'postgresql')}) AS {name}"
    plans = [
        connection.exec_driver_sql(f"EXPLAIN (VERBOSE, COSTS OFF) SELECT * FROM {what}").scalars().all()  # noqa: S608  our own query
        for what in (name, ours)
    ]
    return plans[0] == plans[1]


def _written(query: str, engine: str) -> str:
    return expanded(query, _WAYS[engine]).strip()
