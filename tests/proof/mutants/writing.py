"""Faults in what is written down: transactions, the chain of events, what is final."""

from __future__ import annotations

from tests.proof.mutants.mutant import Mutant

MUTANTS = (
    Mutant(
        name="begin-deferred",
        breaks="On SQLite a transaction does not hold the write lock from its start: what it read may be out of date.",
        file="rollout/journal/sqlite.py",
        old='"BEGIN" if reading else "BEGIN IMMEDIATE"',
        new='"BEGIN"',
        killers=("tests/journal/test_database.py::test_locked",),
    ),
    Mutant(
        name="synchronous-off",
        breaks="SQLite does not wait for the disk: what was answered as committed does not outlive the machine.",
        file="rollout/journal/sqlite.py",
        old="PRAGMA synchronous = FULL",
        new="PRAGMA synchronous = OFF",
        killers=("tests/journal/test_database.py::test_settings",),
    ),
    Mutant(
        name="server-need-not-wait-for-its-disk",
        breaks="A Postgres that is set not to wait for its disk forgets in a crash what it said is committed.",
        file="rollout/journal/postgres.py",
        old="SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off'",
        new="SELECT 1",
        killers=("tests/journal/test_postgres.py::test_settings",),
    ),
    Mutant(
        name="event-outside-the-transaction",
        breaks="Events are written in a transaction of their own, after that of what they tell of.",
        file="rollout/journal/store.py",
        old="""            work(page)
            page.close()
            return page

        try:
            page = self._write(whole)
""",
        new="""            work(page)
            return page

        try:
            page = self._write(whole)
            with self.database.writing() as page.connection:
                page.close()
""",
        killers=("tests/journal/test_transactions.py::test_each_verb_is_one_transaction[sqlite-intend]",),
    ),
    Mutant(
        name="chain-not-verified",
        breaks="An event whose hash does not fit its content goes unnoticed.",
        file="rollout/journal/chain.py",
        old='if row["prev_hash"] != expected or row["hash"] != _hash(chain, expected, row):',
        new='if row["prev_hash"] != expected:',
        killers=("tests/journal/test_chain.py::test_changed_row[sqlite-UPDATE events SET epoch = 9 WHERE seq = 4]",),
    ),
    Mutant(
        name="chain-may-be-cut",
        breaks="Events that are missing at the chain's end go unnoticed.",
        file="rollout/journal/chain.py",
        old="elif ends != len(told):",
        new="elif ends < len(told):",
        killers=("tests/journal/test_chain.py::test_cut_end[sqlite]",),
    ),
    Mutant(
        name="settled-by-the-answer",
        breaks="An effect is done when the other side says yes, before it is seen.",
        file="rollout/journal/effect_rows.py",
        old="_change(page, row, answered_at=receipt.ended, detail=detail)",
        new='_change(page, row, state="done", answered_at=receipt.ended, detail=detail)',
        killers=("tests/journal/test_store.py::test_yes_is_not_done[sqlite]",),
    ),
    Mutant(
        name="unknown-written-as-refused",
        breaks="The journal notes a request without a reply as refused: it may be sent again, unseen.",
        file="rollout/journal/effect_rows.py",
        old="    state = receipt.outcome\n",
        new='    state = "not_sent" if receipt.outcome == "unknown" else receipt.outcome\n',
        killers=("tests/journal/test_store.py::test_no_is_remembered[sqlite-unknown-None-None]",),
    ),
    Mutant(
        name="done-is-not-final",
        breaks="An effect that was done may be intended once more under its key.",
        file="rollout/journal/effect_rows.py",
        old="""    if row.state == "done":
        raise Bug(f"{row.key} of {row.rollout_id} is done: it must not be sent again")
""",
        new="",
        killers=("tests/journal/test_store.py::test_done_is_done[sqlite]",),
    ),
    Mutant(
        name="another-request-under-one-key",
        breaks="While an effect may have been applied, another request goes out under its key.",
        file="rollout/journal/effect_rows.py",
        old='if row.state in {"intended", "unknown"} and row.request != request:',
        new="if not row.request:",
        killers=("tests/journal/test_store.py::test_doubt_keeps_its_request[sqlite]",),
    ),
    Mutant(
        name="drain-deadline-written-twice",
        breaks="A drain deadline that is stored may be stored once more.",
        file="rollout/journal/store.py",
        old="        if getattr(row, name) is not None:\n",
        new="        if not row.id:\n",
        killers=("tests/journal/test_store.py::test_drain_deadline_stays[sqlite]",),
    ),
    Mutant(
        name="deadline-moved-by-a-halt",
        breaks="A halt that is resumed moves the drain deadline.",
        file="rollout/journal/store.py",
        old="halted_at=None, round=count, deadline=deadline)",
        new="halted_at=None, round=count, deadline=deadline, drain_deadline=deadline)",
        killers=("tests/core/test_drain_deadline.py::test_a_halt_does_not_move_it",),
    ),
    Mutant(
        name="more-time-is-not-heard",
        breaks="Somebody asks for more time, and only the next process hears of it.",
        file="rollout/journal/record_cache.py",
        old="drain_deadline=extension.until if extension else fixed,",
        new="drain_deadline=fixed,",
        killers=("tests/core/test_extend.py::test_a_deadline_that_is_past_counts_from_now",),
    ),
    Mutant(
        name="sent-though-somebody-asked",
        breaks="What was decided before somebody asked for more time is sent after it.",
        file="rollout/engine/runner.py",
        old="sent = self._obeying(some, record) or pool.map(lambda effect: self._perform(effect, record), some)",
        new="sent = pool.map(lambda effect: self._perform(effect, record), some)",
        killers=("tests/core/test_extend.py::test_what_is_written_down_already_is_kept_back",),
    ),
    Mutant(
        name="paused-and-not-heard",
        breaks="Somebody pauses the rollout, and its phase goes on.",
        file="rollout/phases/pause.py",
        old="    if record.pause is None:\n",
        new="    if record.pause is None or record.asked:\n",
        killers=("tests/core/test_pause.py::test_no_job_is_ended_though_the_deadline_passes",),
    ),
    Mutant(
        name="pause-lifted-by-a-retry",
        breaks="A command that is typed again by a program lifts a pause that came after its first time.",
        file="rollout/journal/requests.py",
        old="    if once in before.once if once else before.pause is None:\n",
        new="    if before.pause is None:\n",
        killers=("tests/core/test_pause.py::test_a_retry_lifts_no_pause_that_came_after_it",),
    ),
    Mutant(
        name="pause-lifted-by-a-new-process",
        breaks="A process that is started on a halted rollout that somebody paused clears the halt.",
        file="rollout/engine/runner.py",
        old="        if record.halted and record.pause is None:\n",
        new="        if record.halted:\n",
        killers=("tests/core/test_pause.py::test_a_halted_rollout_stays_halted",),
    ),
    Mutant(
        name="skip-not-heard",
        breaks="Somebody skips a node that drains, and it goes on.",
        file="rollout/stages/__init__.py",
        old="    answered = skipped.spared(view) or STAGES[view.row.stage](view)\n",
        new="    answered = STAGES[view.row.stage](view)\n",
        killers=("tests/core/test_skip.py::test_a_terminate_that_was_not_sent_is_none",),
    ),
    Mutant(
        name="skip-kills-at-the-deadline",
        breaks="A node that somebody skipped loses its Jobs at the drain deadline.",
        file="rollout/stages/waiting.py",
        old="    _not_skipped,\n",
        new="",
        killers=("tests/core/test_skip.py::test_a_waiting_node_is_kept_though_a_job_runs",),
    ),
    Mutant(
        name="forces-another-node",
        breaks="A node that somebody forces takes all others with it.",
        file="rollout/model/record.py",
        old="(row.forced_at or self.drain_deadline)",
        new="(max((one.forced_at for one in self.nodes if one.forced_at), default=None) or self.drain_deadline)",
        killers=("tests/core/test_force.py::test_its_deadlines_are_its_own",),
    ),
    Mutant(
        name="force-ends-whole-jobs",
        breaks="A node that somebody forces takes the Job's pods on other nodes with it.",
        file="rollout/stages/node_view.py",
        old="        return self.may_kill and over is not None and self.now >= over\n",
        new="        return self.may_kill and over is not None\n",
        killers=("tests/core/test_force.py::test_its_job_is_waited_for_no_longer[job]",),
    ),
    Mutant(
        name="deadline-moves-earlier",
        breaks="The database lets a drain deadline become earlier.",
        file="rollout/journal/triggers.py",
        old=" OR CHANGED_AGAIN(ended_at) OR EARLIER(drain_deadline, abort_deadline)",
        new=" OR CHANGED_AGAIN(ended_at)",
        killers=("tests/journal/test_triggers.py::test_refused[sqlite-rollouts_stand-30]",),
    ),
    Mutant(
        name="two-rollouts-at-once",
        breaks="The index that keeps a second active rollout from a cluster is gone.",
        file="migrations/versions/0005_abort.py",
        old="""        ["scope"],
        unique=True,
""",
        new="""        ["scope"],
        unique=False,
""",
        killers=("tests/journal/test_store.py::test_one_active_rollout_per_cluster[postgres]",),
    ),
    Mutant(
        name="events-may-be-changed",
        breaks="The database lets an event be rewritten.",
        file="rollout/journal/triggers.py",
        old='    "events_stand": Rule("UPDATE ON events", "an event is never changed"),\n',
        new="",
        killers=("tests/journal/test_triggers.py::test_refused[sqlite-events_stand-3]",),
    ),
    Mutant(
        name="version-ignored",
        breaks="A rollout that was begun in a format that this tool does not know is gone on with.",
        file="rollout/formats/versions.py",
        old="    if readable(version):\n",
        new="    if version:\n",
        killers=("tests/journal/test_versions.py::test_without_a_handler[sqlite-version_1_drain]",),
    ),
    Mutant(
        name="file-without-a-name",
        breaks="A runner goes on writing to a journal file that was deleted, which nobody will ever read.",
        file="rollout/journal/sqlite.py",
        old="if connection.info[_FILE] != _identity(path):",
        new="if not connection.info:",
        killers=("tests/journal/test_lease_session.py::test_a_file_that_is_moved_away",),
    ),
    Mutant(
        name="tables-may-differ-from-events",
        breaks="`rollout audit verify` does not ask whether the tables say what the events say.",
        file="rollout/journal/audit.py",
        old="return count, broken or tuple(",
        new="return count, broken and tuple(",
        killers=("tests/journal/test_verify.py::test_changed_table[sqlite-0]",),
    ),
)
