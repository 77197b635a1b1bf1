"""What people ask a rollout for, from any host that reaches the journal.

Who asks holds no lease, and writes one row. The runner finds it at its next tick, and tells of it in an event when it
obeys: so the history stays the work of one process at a time.
"""

from __future__ import annotations

import json

from sqlalchemy import Connection, bindparam, select

from rollout.journal.models import one_line, requests
from rollout.model.record import Abort

# Built once: it is asked at every tick.
_FIRST = (
    select(requests.c.at, requests.c.requester, requests.c.data)
    .where(requests.c.rollout_id == bindparam("of"), requests.c.kind == bindparam("kind"))
    .order_by(requests.c.id)
    .limit(1)
)


def abort(connection: Connection, rollout_id: str) -> Abort | None:
    """Return the abort that was asked for, the first one if it was several times; None where nobody did."""
    row = connection.execute(_FIRST, {"of": rollout_id, "kind": "abort"}).first()
    if row is None:
        return None
    data = json.loads(row.data)
    return Abort(row.at, row.requester, data["drain_seconds"], data["keep_jobs"])


def ask(connection: Connection, rollout_id: str, asked: Abort) -> Abort:
    """Write down that an abort is asked for; return the one that counts, which is the first."""
    if before := abort(connection, rollout_id):
        return before
    data = json.dumps({"drain_seconds": asked.drain_seconds, "keep_jobs": asked.keep_jobs})
    values = {"rollout_id": rollout_id, "kind": "abort", "at": asked.at, "requester": one_line(asked.by), "data": data}
    connection.execute(requests.insert(), values)
    return asked
