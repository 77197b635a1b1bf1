"""What the database itself refuses to everybody: triggers, as literal SQL.

They keep an accident, or a second tool, from changing what was written. A role that may drop a trigger is not kept
out by it: against intent there is the chain of events (see `audit`).

`migrations/env.py` drops them before the first migration and creates them after the last one, in the same transaction:
a migration that rebuilds a table on SQLite would drop them without a word.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rollout.journal.ends import ended, going_on
from rollout.journal.macros import expanded
from rollout.model.machine import ENDS, STAGE_ENDS

if TYPE_CHECKING:
    from sqlalchemy import Connection


@dataclass(frozen=True, slots=True)
class Rule:
    """`what` is refused when `when` holds, and `says` is the error's text. `when` empty: always."""

    what: str
    says: str
    when: str = ""


def _follow(table: str, owner: str, one: str) -> Rule:
    return Rule(
        f"INSERT ON {table}",
        f"{one} has the number after the newest one and names the hash of that",
        f"""
        NEW.seq <> 1 + (SELECT COALESCE(MAX(e.seq), 0) FROM {table} e WHERE e.{owner} = NEW.{owner})
        OR NEW.prev_hash <> COALESCE(
            (SELECT e.hash FROM {table} e WHERE e.{owner} = NEW.{owner} AND e.seq = NEW.seq - 1),
            '0000000000000000000000000000000000000000000000000000000000000000')
        """,  # noqa: S608  the names are ours
    )


RULES: dict[str, Rule] = {
    "events_follow": _follow("events", "rollout_id", "an event"),
    "events_stand": Rule("UPDATE ON events", "an event is never changed"),
    "events_stay": Rule("DELETE ON events", "an event is never removed"),
    "attempts_stand": Rule("UPDATE ON attempts", "an attempt is never changed"),
    "attempts_stay": Rule("DELETE ON attempts", "an attempt is never removed"),
    "killed_jobs_stand": Rule("UPDATE ON killed_jobs", "an entry of the ledger of killed Jobs is never changed"),
    "killed_jobs_stay": Rule("DELETE ON killed_jobs", "an entry of the ledger of killed Jobs is never removed"),
    "leases_count": Rule(
        "INSERT ON leases",
        "the epochs of a cluster count up",
        "NEW.epoch <= (SELECT MAX(l.epoch) FROM leases l WHERE l.cluster = NEW.cluster)",
    ),
    "leases_stand": Rule(
        "UPDATE ON leases",
        "who held a cluster, since when and until when is never changed",
        "CHANGED(cluster, epoch, host, pid, run_id, build_url, acquired_at) OR CHANGED_AGAIN(released_at, taken_at)",
    ),
    "leases_stay": Rule("DELETE ON leases", "a lease is never removed"),
    "effects_stand": Rule(
        "UPDATE ON effects",
        "what an effect is, and when it was first intended, is never changed",
        "CHANGED(id, rollout_id, key, kind, target, epoch, intended_at) OR NEW.sent < OLD.sent",
    ),
    "effects_keep_requests": Rule(
        "UPDATE ON effects",
        "the request of an effect that may have been applied is never changed",
        "OLD.state IN ('intended', 'unknown', 'done') AND (CHANGED(request))",
    ),
    "effects_end": Rule("UPDATE ON effects", "an effect that is done is never changed", "OLD.state = 'done'"),
    "effects_stay": Rule("DELETE ON effects", "an effect is never removed"),
    "nodes_stand": Rule(
        "UPDATE ON nodes",
        "which instance a node is is never changed",
        "CHANGED(id, rollout_id, instance_id, node_group, role)",
    ),
    "nodes_end": Rule(
        "UPDATE ON nodes",
        "no move leads out of this stage",
        f"{ended('OLD.stage', STAGE_ENDS)} AND (CHANGED(stage))",
    ),
    "nodes_stay": Rule("DELETE ON nodes", "a node that must go is never removed"),
    "node_groups_stand": Rule(
        "UPDATE ON node_groups",
        "a group as it was found is never changed",
        "CHANGED(rollout_id, position, name, template_id, template_name, reference, source_version)"
        " OR CHANGED_AGAIN(new_version, baseline_minimum, baseline_desired, baseline_maximum)",
    ),
    "node_groups_stay": Rule("DELETE ON node_groups", "a group is never removed"),
    "rollouts_stand": Rule(
        "UPDATE ON rollouts",
        "what a rollout is is never changed, and its drain deadline moves to later only",
        "CHANGED(id, caller_key, cluster, ami, created_at, journal_version, begun_by)"
        " OR CHANGED_AGAIN(ended_at) OR EARLIER(drain_deadline, abort_deadline)"
        " OR (OLD.scope <> OLD.cluster AND (CHANGED(scope))) OR (OLD.direction = 'back' AND (CHANGED(direction)))",
    ),
    "rollouts_count": Rule(
        "UPDATE ON rollouts",
        "last_seq is the number of the newest event",
        "NEW.last_seq <> (SELECT COALESCE(MAX(e.seq), 0) FROM events e WHERE e.rollout_id = OLD.id)"
        " AND (CHANGED(last_seq))",
    ),
    "rollouts_end": Rule(
        "UPDATE ON rollouts", "no move leads out of this phase", f"{ended('OLD.phase', ENDS)} AND (CHANGED(phase))"
    ),
    "requests_stand": Rule("UPDATE ON requests", "what somebody asked for is never changed"),
    "requests_stay": Rule("DELETE ON requests", "what somebody asked for is never removed"),
    "rollouts_stay": Rule("DELETE ON rollouts", "a rollout is never removed"),
    "fleet_events_follow": _follow("fleet_events", "fleet_id", "an event of a fleet"),
    "fleet_events_stand": Rule("UPDATE ON fleet_events", "an event of a fleet is never changed"),
    "fleet_events_stay": Rule("DELETE ON fleet_events", "an event of a fleet is never removed"),
    "fleets_stand": Rule(
        "UPDATE ON fleets",
        "what a fleet is is never changed",
        "CHANGED(id, plan, journal_version, begun_by, created_at) OR CHANGED_AGAIN(ended_at)",
    ),
    "fleets_count": Rule(
        "UPDATE ON fleets",
        "last_seq is the number of the newest event of the fleet",
        "NEW.last_seq <> (SELECT COALESCE(MAX(e.seq), 0) FROM fleet_events e WHERE e.fleet_id = OLD.id)"
        " AND (CHANGED(last_seq))",
    ),
    "fleets_end": Rule(
        "UPDATE ON fleets", "a fleet that is over never goes on", "OLD.ended_at IS NOT NULL AND (CHANGED(state))"
    ),
    "fleets_stay": Rule("DELETE ON fleets", "a fleet is never removed"),
    "fleet_members_stand": Rule(
        "UPDATE ON fleet_members", "which member of a fleet it is is never changed", "CHANGED(fleet_id, name, position)"
    ),
    "fleet_members_stay": Rule("DELETE ON fleet_members", "a member of a fleet is never removed"),
    "fleet_requests_stand": Rule("UPDATE ON fleet_requests", "what somebody asked a fleet for is never changed"),
    "fleet_requests_stay": Rule("DELETE ON fleet_requests", "what somebody asked a fleet for is never removed"),
}

#: INSERT OR REPLACE removes the row that is there without a word to its triggers, unless the connection asks for it.
NEW_ON_SQLITE: dict[str, Rule] = {
    f"{table}_are_new": Rule(f"INSERT ON {table}", "a row is never replaced", f"EXISTS ({same})")
    for table, same in {
        "rollouts": f"""
            SELECT 1 FROM rollouts r WHERE r.id = NEW.id OR r.caller_key = NEW.caller_key
            OR (r.scope = NEW.scope AND {going_on("r.phase", ENDS)} AND {going_on("NEW.phase", ENDS)})
            """,  # noqa: S608 - names of phases, out of the machine's table
        "node_groups": """
            SELECT 1 FROM node_groups g
            WHERE g.rollout_id = NEW.rollout_id AND (g.position = NEW.position OR g.name = NEW.name)
            """,
        "nodes": """
            SELECT 1 FROM nodes n
            WHERE n.id = NEW.id OR (n.rollout_id = NEW.rollout_id AND n.instance_id = NEW.instance_id)
            """,
        "effects": """
            SELECT 1 FROM effects f
            WHERE f.id = NEW.id OR (f.rollout_id = NEW.rollout_id AND f.key = NEW.key)
            """,
        "attempts": """
            SELECT 1 FROM attempts a
            WHERE a.id = NEW.id OR (a.effect_id = NEW.effect_id AND a.number = NEW.number)
            """,
        "requests": "SELECT 1 FROM requests q WHERE q.id = NEW.id",
        "fleets": "SELECT 1 FROM fleets f WHERE f.id = NEW.id",
        "fleet_members": "SELECT 1 FROM fleet_members m WHERE m.fleet_id = NEW.fleet_id AND m.name = NEW.name",
        "fleet_requests": "SELECT 1 FROM fleet_requests q WHERE q.id = NEW.id",
        "killed_jobs": """
            SELECT 1 FROM killed_jobs k
            WHERE k.id = NEW.id OR (k.rollout_id = NEW.rollout_id AND k.pod_uid = NEW.pod_uid)
            """,
    }.items()
}

_WAYS = {"sqlite": "OLD.{0} IS NOT NEW.{0}", "postgresql": "OLD.{0} IS DISTINCT FROM NEW.{0}"}

# Those that stand and fire for everybody, with what they do and when, as `_stands` and `_does` write it.
_FOUND = {
    "sqlite": "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'",
    "postgresql": """
        SELECT t.tgname, CASE WHEN t.tgqual IS NULL AND t.tgattr::text = '' AND p.proconfig IS NULL
            THEN c.relname || ' ' || t.tgtype || ' ' || p.prosrc ELSE '' END
        FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_class c ON c.oid = t.tgrelid
        WHERE c.relnamespace = current_schema()::regnamespace AND t.tgenabled IN ('O', 'A')
          AND starts_with(p.proname, 'eks_rollout_')
        """,
}
# Bits of pg_trigger.tgtype (pg_trigger.h): before, for each row, and which statement.
_BEFORE = 2
_FIRES = {"INSERT": 1 | 4, "DELETE": 1 | 8, "UPDATE": 1 | 16, "TRUNCATE": 32}
_FUNCTIONS = """
    SELECT proname FROM pg_proc
    WHERE pronamespace = current_schema()::regnamespace AND starts_with(proname, 'eks_rollout_')
    """


def create(connection: Connection) -> None:
    """Create all triggers."""
    engine = connection.dialect.name
    for name, rule in _rules(engine).items():
        does = _does(name, rule, engine)
        if engine == "sqlite":
            connection.exec_driver_sql(does)
            continue
        function, each = f"eks_rollout_{name}()", "STATEMENT" if rule.what.startswith("TRUNCATE") else "ROW"
        connection.exec_driver_sql(f"CREATE FUNCTION {function} RETURNS trigger LANGUAGE plpgsql AS $${does}$$")
        connection.exec_driver_sql(
            f"CREATE TRIGGER {name} BEFORE {rule.what} FOR EACH {each} EXECUTE FUNCTION {function}"
        )


def drop(connection: Connection) -> None:
    """Drop all triggers of a file, those of another version too; on a server only ours: others may stand beside."""
    if connection.dialect.name == "sqlite":
        for name in _found(connection):
            connection.exec_driver_sql(f"DROP TRIGGER {name}")
    else:
        for name in connection.exec_driver_sql(_FUNCTIONS).scalars().all():
            connection.exec_driver_sql(f"DROP FUNCTION {name}() CASCADE")  # with the triggers that call it


def differences(connection: Connection) -> list[str]:
    """Return what is missing of the triggers, disabled or changed, one sentence each."""
    engine, found = connection.dialect.name, _found(connection)
    wanted = {name: _stands(rule, engine) + _does(name, rule, engine) for name, rule in _rules(engine).items()}
    missing, others = sorted(wanted.keys() - found.keys()), sorted(wanted.keys() & found.keys())
    return [f"the trigger {name} is missing" for name in missing] + [
        f"the trigger {name} was changed" for name in others if found[name] != wanted[name]
    ]


def _found(connection: Connection) -> Mapping[str, str]:
    rows = connection.exec_driver_sql(_FOUND[connection.dialect.name])
    return {row[0]: row[1] for row in rows}


def _rules(engine: str) -> dict[str, Rule]:
    if engine == "sqlite":
        return RULES | NEW_ON_SQLITE
    tables = sorted({rule.what.rpartition(" ")[2] for rule in RULES.values()})
    return RULES | {
        f"{table}_stay_full": Rule(f"TRUNCATE ON {table}", "a journal is never emptied") for table in tables
    }


def _stands(rule: Rule, engine: str) -> str:
    """Return on which table a trigger stands, and when it fires, as Postgres keeps it apart from what it does."""
    if engine == "sqlite":
        return ""
    verb, _, table = rule.what.partition(" ON ")
    return f"{table} {_BEFORE | _FIRES[verb]} "


def _does(name: str, rule: Rule, engine: str) -> str:
    """Return what a trigger consists of: on SQLite the whole of it, on Postgres its function's body."""
    when = _written(rule.when, engine)
    if engine == "sqlite":
        condition = f" WHEN {when}" if when else ""
        return f"CREATE TRIGGER {name} BEFORE {rule.what}{condition} BEGIN SELECT RAISE(ABORT, '{rule.says}'); END"
    refuse = f"RAISE EXCEPTION USING MESSAGE = '{rule.says}', ERRCODE = 'integrity_constraint_violation';"
    return f" BEGIN IF {when or 'TRUE'} THEN {refuse} END IF; RETURN COALESCE(NEW, OLD); END "


def _written(when: str, engine: str) -> str:
    def changed(also: str) -> Callable[[re.Match[str]], str]:
        one = _WAYS[engine] + also
        return lambda found: " OR ".join(one.format(column) for column in found[1].split(", "))

    again = changed(" AND OLD.{0} IS NOT NULL")
    earlier = changed(" AND OLD.{0} IS NOT NULL AND (NEW.{0} IS NULL OR NEW.{0} < OLD.{0})")
    macros = {
        r"EARLIER\(([^)]*)\)": earlier,
        r"CHANGED_AGAIN\(([^)]*)\)": again,
        r"CHANGED\(([^)]*)\)": changed(""),
    }
    return " ".join(expanded(when, macros).split())
