"""The journal's tables. `migrations/` builds them; a test holds that it builds exactly these.

Instants are ISO-8601 text in UTC with microseconds, so that auditors can read, compare and sort them in any SQL shell;
plans, requests and event data are JSON text, kept as it was written. No column ever holds a credential.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Column,
    Dialect,
    Enum,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)

from rollout.journal.ends import going_on
from rollout.model.machine import ENDS, Phase, Stage
from rollout.redaction import redacted


class Instant(TypeDecorator[datetime]):
    """An aware datetime as `2026-01-05T08:00:03.123456Z`: its order as text is its order in time."""

    impl = String(27)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:  # noqa: ARG002  SQLAlchemy's signature
        return None if value is None else stored(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002  as above
        return None if value is None else datetime.fromisoformat(value)


def deadline_column(direction: str) -> str:
    """Return the column of `rollouts` that has the drain deadline of a rollout which goes in this direction."""
    return "abort_deadline" if direction == "back" else "drain_deadline"


def stored(instant: datetime) -> str:
    """Return an instant as the journal stores it; `ValueError` for a naive one, which names no instant."""
    if instant.tzinfo is None:
        raise ValueError(f"{instant} has no time zone")
    return instant.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def one_line(text: str) -> str:
    """Return a text without line breaks and secrets: what others answered may span many lines, a journal's never does.

    Nor does it hold control characters, such as NUL, which Postgres does not store.
    """
    return redacted(text.replace("\0", " "))


def _state(kind: type[Phase | Stage]) -> Enum:
    # The value, not the name, which SQLAlchemy would store; and no native type, which cannot grow in a transaction.
    return Enum(kind, values_callable=lambda members: [m.value for m in members], native_enum=False, length=16)


def _of_rollout(**options: Any) -> Column[str]:
    return Column("rollout_id", String(40), ForeignKey("rollouts.id"), nullable=False, **options)


def _of_fleet(**options: Any) -> Column[str]:
    return Column("fleet_id", String(64), ForeignKey("fleets.id"), nullable=False, **options)


def _chained() -> tuple[Column[Any], ...]:
    """Return the columns of a history whose lines are hashed one after the other, beside whose history it is."""
    return (
        Column("seq", Integer, primary_key=True, autoincrement=False),
        Column("at", Instant, nullable=False),
        Column("kind", String(20), nullable=False),
        Column("actor", String(200), nullable=False),
        Column("epoch", Integer),
        Column("text", Text, nullable=False),
        Column("data", Text, nullable=False),
        Column("prev_hash", String(64), nullable=False),
        Column("hash", String(64), nullable=False),
    )


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

#: `journal_version`: of the format in which the rollout was begun (see `rollout.formats.versions`); `begun_by`: version
#: of the tool that began it, NULL if that was before it was noted.
#: `last_seq`: of the newest event; a chain of events that was cut short at its end is found by it.
#: `cluster`: its name. `scope`: its ARN, by which leases know it too; the name until an older rollout is gone on with.
#: `halted`: why a person must act, NULL when nobody must. `round`: how many halts were resumed, and an abort.
#: `paused_at`: when the pause was asked for that stands by the events, NULL while none does.
#: `direction`: forward, or back once it was aborted; `abort_deadline`: the drain deadline of the way back.
rollouts = Table(
    "rollouts",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("caller_key", String(200), unique=True),
    Column("cluster", String(100), nullable=False),
    Column("scope", String(255), nullable=False, server_default=""),
    Column("ami", String(40), nullable=False),
    Column("phase", _state(Phase), nullable=False),
    Column("since", Instant, nullable=False),
    Column("deadline", Instant),
    Column("drain_deadline", Instant),
    Column("direction", String(8), nullable=False, server_default="forward"),
    Column("abort_deadline", Instant),
    Column("halted", Text),
    Column("hint", Text),
    Column("halted_at", Instant),
    Column("paused_at", Instant),
    Column("round", Integer, nullable=False),
    Column("plan", Text, nullable=False),
    Column("journal_version", Integer, nullable=False),
    Column("begun_by", String(40)),
    Column("last_seq", Integer, nullable=False, server_default="0"),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Index(
        "one_active_rollout_per_cluster",
        "scope",
        unique=True,
        sqlite_where=text(going_on("phase", ENDS)),
        postgresql_where=text(going_on("phase", ENDS)),
    ),
)

#: What auditors ask of a group, out of the plan: `baseline_*` are NULL until sizes were committed, `new_version` too.
#: Template columns: its own launch template; those that overrides name stand in the plan and in set-reference effects.
node_groups = Table(
    "node_groups",
    metadata,
    _of_rollout(primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("name", String(255), nullable=False),
    Column("template_id", String(40), nullable=False),
    Column("template_name", String(128), nullable=False),
    Column("reference", String(20), nullable=False),
    Column("source_version", Integer, nullable=False),
    Column("new_version", Integer),
    Column("baseline_minimum", Integer),
    Column("baseline_desired", Integer),
    Column("baseline_maximum", Integer),
    UniqueConstraint("rollout_id", "name"),
)

#: Instances that must go. `since`: of the stage. `forced_at`, `forced_by`: when somebody asked that it goes now, who.
nodes = Table(
    "nodes",
    metadata,
    Column("id", Integer, primary_key=True),
    _of_rollout(),
    Column("instance_id", String(40), nullable=False),
    Column("node_group", String(255), key="group", nullable=False),  # GROUP is a word of SQL
    Column("role", String(10), nullable=False),
    Column("stage", _state(Stage), nullable=False),
    Column("since", Instant, nullable=False),
    Column("name", String(255)),
    Column("uid", String(40)),
    Column("waits_for", Text, nullable=False),
    Column("round", Integer, key="drain_attempt", nullable=False),
    Column("reason", Text, nullable=False),
    Column("forced_at", Instant),
    Column("forced_by", Text, nullable=False, server_default=""),
    UniqueConstraint("rollout_id", "instance_id"),
)

#: `request`: the effect as JSON, saved before it is sent. `sent`: how many times it was saved in order to be sent, the
#: first time at `intended_at`, the last time at `sent_at`.
#: `answered_at`: when the other side said yes; `settled_at`: when it was seen. `epoch`: of the lease it was first saved
#: under. `blocked_since`: when the API server first said no for now.
effects = Table(
    "effects",
    metadata,
    Column("id", Integer, primary_key=True),
    _of_rollout(),
    Column("key", String(1000), nullable=False),
    Column("kind", String(40), nullable=False),
    Column("target", String(800), nullable=False),
    Column("request", Text, nullable=False),
    Column("state", String(12), nullable=False),
    Column("sent", Integer, nullable=False),
    Column("detail", Text, nullable=False),
    Column("epoch", Integer),
    Column("intended_at", Instant, nullable=False),
    Column("sent_at", Instant, nullable=False),
    Column("answered_at", Instant),
    Column("retry_at", Instant),
    Column("settled_at", Instant),
    Column("blocked_since", Instant),
    UniqueConstraint("rollout_id", "key"),
    CheckConstraint(
        "state IN ('intended', 'unknown', 'not_sent', 'not_applied', 'blocked', 'rejected', 'done')", name="state"
    ),
    Index("ix_effects_rollout_id_state", "rollout_id", "state", "key"),
)

#: One row for each request whose end was seen; `request_id` is AWS's own, by which CloudTrail names it.
attempts = Table(
    "attempts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("effect_id", Integer, ForeignKey("effects.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("outcome", String(12), nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("ended_at", Instant, nullable=False),
    Column("request_id", String(100)),
    Column("detail", Text, nullable=False),
    Column("epoch", Integer),
    UniqueConstraint("effect_id", "number"),
)

#: Append-only, chained: `hash` covers `prev_hash` and the row's stored text (see `chain`).
events = Table(
    "events",
    metadata,
    _of_rollout(primary_key=True),
    *_chained(),
)

#: Every lease of a cluster; `cluster`: its ARN, and its name in leases that ended before format 3.
#: `released_at` is NULL while it lasts, and for ever if the runner was killed.
#: `expires_at`: until when it lasts unless it is renewed, `taken_at`: when the next runner took it for ended, both by
#: the database's clock. `renewals`: number of its newest transaction (see `term`).
#: `assumed_dead`: who said that the holder was dead, so that nobody waits for requests that it may have signed.
leases = Table(
    "leases",
    metadata,
    Column("cluster", String(255), primary_key=True),
    Column("epoch", Integer, primary_key=True, autoincrement=False),
    Column("host", String(255), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("run_id", String(40), nullable=False),
    Column("build_url", Text),
    Column("acquired_at", Instant, nullable=False),
    Column("released_at", Instant),
    Column("expires_at", Instant),
    Column("taken_at", Instant),
    Column("renewals", Integer, nullable=False, server_default="0"),
    Column("assumed_dead", Text),
)

#: The ledger of Jobs (or other protected controllers) that lost a pod to us: each pod once, however often we asked.
#: `forced_by`: who had asked that its node goes now.
killed_jobs = Table(
    "killed_jobs",
    metadata,
    Column("id", Integer, primary_key=True),
    _of_rollout(),
    Column("effect_id", Integer, ForeignKey("effects.id"), nullable=False),
    Column("job", String(520), nullable=False),
    Column("pod", String(520), nullable=False),
    Column("pod_uid", String(40), nullable=False),
    Column("node", String(255), nullable=False),
    Column("at", Instant, nullable=False),
    Column("forced_by", Text, nullable=False, server_default=""),
    UniqueConstraint("rollout_id", "pod_uid"),
)

#: What people ask a rollout for while it runs, such as an abort: `data` is JSON. An event tells when it is obeyed.
requests = Table(
    "requests",
    metadata,
    Column("id", Integer, primary_key=True),
    _of_rollout(),
    Column("kind", String(20), nullable=False),
    Column("at", Instant, nullable=False),
    Column("requester", String(200), nullable=False),
    Column("data", Text, nullable=False),
    Index("ix_requests_rollout_id_kind", "rollout_id", "kind"),
)

#: A fleet: one image for many clusters, in waves. `plan`: JSON of what is fixed when it begins: waves, limits, members.
#: `state`: running, paused, stopping, done or stopped; `why`: who or what paused it. `wave`: number of the open one, 0
#: before the first; `wave_ended_at`: when all its members were over. `approved`: the newest wave a person let begin.
#: `accepted_killed`: killed Jobs of the open wave that a person has accepted; `obeyed`: the newest request obeyed.
fleets = Table(
    "fleets",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("plan", Text, nullable=False),
    Column("journal_version", Integer, nullable=False),
    Column("begun_by", String(40), nullable=False),
    Column("state", String(10), nullable=False),
    Column("why", Text, nullable=False),
    Column("wave", Integer, nullable=False),
    Column("wave_ended_at", Instant),
    Column("approved", Integer, nullable=False),
    Column("accepted_killed", Integer, nullable=False),
    Column("obeyed", Integer, nullable=False),
    Column("last_seq", Integer, nullable=False, server_default="0"),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("ended_at", Instant),
)

#: Its members: what is fixed of each stands in the plan. Progress and killed Jobs stand in the rollout that has the key
#: `fleet/FLEET/MEMBER`. `exit_code`, `said`: how the member's last `rollout start` ended; `tries`: how often it was to
#: be run again since it last came to an end; `forgiven`: the round whose halt is retried; `accepted`: a person went on
#: though it failed. `worker`, `claimed_until`: who runs it, and until when that is believed.
fleet_members = Table(
    "fleet_members",
    metadata,
    _of_fleet(primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("position", Integer, nullable=False),
    Column("state", String(10), nullable=False),
    Column("exit_code", Integer),
    Column("said", Text, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("not_before", Instant),
    Column("forgiven", Integer),
    Column("accepted", Integer, nullable=False),
    Column("worker", String(300)),
    Column("claimed_until", Instant),
)

#: The history of a fleet, chained as `events` are.
fleet_events = Table(
    "fleet_events",
    metadata,
    _of_fleet(primary_key=True),
    *_chained(),
)

#: What people ask a fleet for, such as a pause: `data` is JSON. An event tells when it is obeyed.
fleet_requests = Table(
    "fleet_requests",
    metadata,
    Column("id", Integer, primary_key=True),
    _of_fleet(),
    Column("kind", String(20), nullable=False),
    Column("at", Instant, nullable=False),
    Column("requester", String(200), nullable=False),
    Column("data", Text, nullable=False),
)
