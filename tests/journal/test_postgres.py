"""What only a journal on a server has to cope with: the network, roles, passwords, poolers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.exc import DBAPIError

from rollout.errors import Lost, UserError
from rollout.journal import SqlJournal, audit, export, open_journal, postgres, read_journal, schema
from rollout.journal.database import Database
from rollout.journal.lease_row import Holder
from rollout.journal.postgres import PostgresBackend
from rollout.journal.trouble import InDoubt, Trouble
from tests.journal.lossy import Lossy
from tests.journal.samples import ID, NOW, PLAN, RESIZE, acquire, intend, later, receipt, seize, story
from tests.postgres import PASSWORD, Server

SECRET = "pa55:w/ord"  # noqa: S105  nobody's
RIGHTS = (Path(__file__).parents[2] / "docs/rights.md").read_text(encoding="utf-8")
OPENERS: tuple[Callable[[str], object], ...] = (
    read_journal,
    schema.check,
    schema.upgrade,
    lambda where: open_journal(where, actor="tester"),
)


@pytest.fixture
def engine() -> str:
    """All tests here are Postgres's own."""
    return "postgres"


def refusals(url: str) -> Iterator[UserError]:
    """Open the journal in each way; each must fail in words, without a password."""
    for opener in OPENERS:
        with pytest.raises(UserError) as refusal:
            opener(url)
        assert not re.search(f"{PASSWORD}|{SECRET}|ord@", f"{refusal.value.problem}{refusal.value.hint}")
        yield refusal.value


def test_wrong_password(empty: SqlJournal, url: str) -> None:
    """A password that the server does not take: the hint says what to correct, and nobody tries it for ever."""
    for refusal in refusals(url.replace(PASSWORD, "pa55%3Aw%2Ford")):
        assert "password authentication failed" in refusal.problem
        assert ("PGPASSWORD" in refusal.hint, refusal.exit_code) == (True, 2)


def test_no_password(empty: SqlJournal, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that wants a password where none is given: where it may stand."""
    monkeypatch.setenv("PGPASSFILE", "/nowhere")
    for refusal in refusals(url.replace(f":{PASSWORD}", "")):
        assert ("it asks for a password" in refusal.problem, refusal.exit_code) == (True, 2)


def test_password_of_the_environment(empty: SqlJournal, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """PGPASSWORD serves where the URL has no password."""
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    read_journal(url.replace(f":{PASSWORD}", "")).close()


def test_no_database(postgres: Server) -> None:
    """A database that does not exist is named."""
    for refusal in refusals(postgres.url("nowhere")):
        assert ('database "nowhere" does not exist' in refusal.problem, refusal.exit_code) == (True, 2)


def test_server_away() -> None:
    """A server that does not answer may answer later: exit 75."""
    for refusal in refusals(f"postgresql+psycopg://me:{SECRET}@127.0.0.1:1/x"):
        assert "postgresql+psycopg://me@127.0.0.1:1/x: the server cannot be reached" in refusal.problem
        assert ("run the same command again" in refusal.hint, refusal.exit_code) == (True, 75)


@pytest.mark.parametrize("url", [f"postgresql://me:{SECRET}@db:port/x", f"postgresql+psycopg://db:{SECRET}"])
def test_no_address(url: str) -> None:
    """What cannot be read as an address is refused without repeating what may be half of a password."""
    for refusal in refusals(url):
        assert refusal.exit_code in {2, 75}


def test_read_only(journal: SqlJournal, url: str, postgres: Server) -> None:
    """A server that may not be written, such as a replica, may be another one soon: 75; looking at it goes on."""
    name = url.rpartition("/")[2]
    postgres.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    journal.close()
    with pytest.raises(UserError, match="it may not be written") as refusal:
        journal.note(ID, "note", "text", NOW)
    assert refusal.value.exit_code == 75
    assert journal.load(ID).key == "build-17"


def test_no_rights(empty: SqlJournal, url: str, postgres: Server) -> None:
    """A role that may not read or change the journal is told so."""
    name = url.rpartition("/")[2]
    role = f"guest_{name}"
    postgres.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'")
    guest = postgres.url(name, user=role)
    with closing(Database(guest, create=False)) as there, pytest.raises(UserError, match="may not do that"):
        SqlJournal(there, "guest").begin(ID, None, PLAN, NOW)
    postgres.execute(f"DROP ROLE {role}")


def test_locked(journal: SqlJournal, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that another process keeps locked is told as a trouble that passes."""
    monkeypatch.setattr(postgres, "_BEGIN", "SET LOCAL lock_timeout = '20ms'")
    other = open_journal(url, actor="other")
    with journal.database.writing() as connection:
        connection.exec_driver_sql("UPDATE rollouts SET halted = 'no'")
        with pytest.raises(UserError, match="kept it locked") as trouble:
            other.note(ID, "note", "text", NOW)
    assert trouble.value.exit_code == 75
    other.note(ID, "note", "now it is free", NOW)
    other.close()


def test_a_process_that_stopped_in_mid_transaction(journal: SqlJournal, url: str) -> None:
    """The server ends its transaction before a process that waits for its locks gives up: a takeover gets through."""
    assert postgres.IDLE_SECONDS < postgres.LOCK_SECONDS
    seize(journal, Holder("agent", 7, "run"), 0)

    def stops() -> None:
        with closing(open_journal(url, actor="other")) as other, journal.database.writing() as connection:
            connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = '50ms'")
            connection.exec_driver_sql("UPDATE leases SET renewals = renewals")
            assert seize(other, Holder("agent-8", 8, "next"), 61).epoch == 2

    with pytest.raises(Trouble) as trouble:
        stops()
    assert trouble.value.exit_code == 75
    with pytest.raises(Lost, match="process 8 on agent-8"):
        journal.note(ID, "note", "text", NOW)


def test_broken_connection(journal: SqlJournal, postgres: Server, url: str) -> None:
    """A connection that broke between two verbs is opened again; one that breaks inside is a trouble that passes."""
    name = url.rpartition("/")[2]
    end = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"  # noqa: S608  our own name
    postgres.execute(end)
    journal.note(ID, "note", "as if nothing had been", NOW)

    def broken_inside() -> None:
        with journal.database.writing() as connection:
            postgres.execute(end)
            connection.exec_driver_sql("UPDATE rollouts SET halted = 'no'")

    with pytest.raises(UserError) as trouble:
        broken_inside()
    assert trouble.value.exit_code == 75
    assert journal.load(ID).halted is None


def test_settings(journal: SqlJournal, postgres: Server, url: str) -> None:
    """A commit waits for the server's disk, with any setting of the server; nothing waits for ever, nothing is kept."""
    name = url.rpartition("/")[2]
    postgres.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    journal.close()
    query = "SELECT name, setting FROM pg_settings WHERE name IN ('synchronous_commit', 'lock_timeout')"
    with journal.database.writing() as connection:
        assert {row[0]: row[1] for row in connection.exec_driver_sql(query)} == {
            "synchronous_commit": "on",
            "lock_timeout": "5000",
        }
        assert connection.exec_driver_sql("SELECT count(*) FROM pg_prepared_statements").scalar() == 0
    assert postgres.execute(query, name) == [("lock_timeout", "0"), ("synchronous_commit", "off")]


# ---- an answer that was lost ----------------------------------------------------------------------------------------


@pytest.fixture
def far(empty: SqlJournal, url: str, proxy: Lossy, postgres: Server) -> Iterator[SqlJournal]:
    """The journal, reached over that way."""
    journal = open_journal(url.replace(f":{postgres.port}/", f":{proxy.port}/"), actor="far")
    yield journal
    journal.close()


def test_lost_answer(far: SqlJournal, proxy: Lossy) -> None:
    """A verb whose COMMIT was carried out and whose answer was lost has done its work, once; the runner goes on."""
    far.begin(ID, "build-17", PLAN, NOW)
    with acquire(far, Holder("agent", 7, "run")):
        proxy.lose = "after"
        intend(far, RESIZE)
        proxy.lose = "after"
        far.receive(ID, [receipt(RESIZE)])  # tells no event
        proxy.lose = "after"
        far.note(ID, "note", "text", NOW)
        assert proxy.lose is None
        [row] = far.load(ID).unsettled
        assert (row.sent, row.answered) == (1, later(2))
        assert [one.text for one in far.events(ID)].count("text") == 1


def test_lost_commit(far: SqlJournal, proxy: Lossy) -> None:
    """A verb whose COMMIT never arrived has done nothing, and says so: nothing is sent on the strength of it."""
    far.begin(ID, "build-17", PLAN, NOW)
    with acquire(far, Holder("agent", 7, "run")):
        proxy.lose = "before"
        with pytest.raises(Trouble) as trouble:
            intend(far, RESIZE)
        assert (trouble.type, trouble.value.exit_code) == (Trouble, 75)
        assert far.load(ID).unsettled == ()
        intend(far, RESIZE)
        assert len(far.load(ID).unsettled) == 1


@pytest.mark.parametrize(("lose", "count"), [("before", 0), ("after", 1)])
def test_lost_begin(far: SqlJournal, proxy: Lossy, lose: str, count: int) -> None:
    """Whether a rollout has begun is read by its id."""
    proxy.lose = lose  # type: ignore[assignment]
    try:
        far.begin(ID, "build-17", PLAN, NOW)
    except InDoubt:
        assert count == 0
    assert len(far.summaries()) == count


@pytest.mark.parametrize(
    ("state", "open_"),
    [("XX000", True), ("08P01", True), ("40001", False), ("53100", False), ("P0001", False)],
)
def test_a_commit_that_failed_for_reasons_that_nobody_knows(journal: SqlJournal, state: str, *, open_: bool) -> None:
    """A pooler's failure at COMMIT leaves open whether it stands: it is in doubt; the server's own no is one."""
    with journal.database.writing() as connection:
        raises = f"BEGIN RAISE 'is away' USING ERRCODE = '{state}'; END"
        connection.exec_driver_sql(f"CREATE FUNCTION away() RETURNS trigger LANGUAGE plpgsql AS $${raises}$$")
        connection.exec_driver_sql(
            "CREATE CONSTRAINT TRIGGER away AFTER UPDATE ON rollouts DEFERRABLE INITIALLY DEFERRED "
            "FOR EACH ROW EXECUTE FUNCTION away()"
        )

    def commits() -> None:
        with journal.database.writing() as connection:
            connection.exec_driver_sql("UPDATE rollouts SET halted = 'no'")

    with pytest.raises(Trouble, match="is away") as trouble:
        commits()
    assert (trouble.type is InDoubt, trouble.value.exit_code) == (open_, 75)


def test_a_trigger_of_somebody_elses_that_refuses(journal: SqlJournal) -> None:
    """Its own words are told, nothing of the transaction stands, and another try may find it gone: exit 75."""
    with journal.database.writing() as connection:
        raises = "BEGIN RAISE EXCEPTION 'frozen for the audit'; END"
        connection.exec_driver_sql(f"CREATE FUNCTION frozen() RETURNS trigger LANGUAGE plpgsql AS $${raises}$$")
        connection.exec_driver_sql(
            "CREATE TRIGGER frozen BEFORE INSERT ON effects FOR EACH ROW EXECUTE FUNCTION frozen()"
        )
    with acquire(journal, Holder("agent", 7, "run")), pytest.raises(Trouble, match="frozen for the audit") as trouble:
        intend(journal, RESIZE)
    assert (trouble.type, trouble.value.exit_code) == (Trouble, 75)
    assert "pg_trigger" in trouble.value.hint
    assert journal.load(ID).unsettled == ()


@pytest.mark.parametrize("state", ["25006", "0A000"])
def test_a_server_in_recovery_is_for_another_try(state: str) -> None:
    """A standby becomes the primary within moments: exit 75, and the primary is named should it stay one."""
    origin = psycopg.errors.lookup(state)("cannot execute INSERT in a read-only transaction")
    trouble = PostgresBackend("postgresql+psycopg://me@there/db").in_words(DBAPIError("INSERT", {}, origin))
    assert trouble is not None
    assert (trouble.exit_code, "name the primary" in trouble.hint) == (75, True)


@pytest.mark.parametrize("state", ["XX000", "55000", "54001", "F0000", "ZZ123"])
def test_what_a_server_says_of_itself_is_no_fault_of_ours(state: str) -> None:
    """Its own failures, and codes of poolers that nobody knows, are for another try; what we asked wrongly is not."""
    error = psycopg.DatabaseError("tenant is away") if state == "ZZ123" else psycopg.errors.lookup(state)("is away")
    error.sqlstate = state
    backend = PostgresBackend("postgresql+psycopg://me@there/db")
    trouble = backend.in_words(DBAPIError("INSERT", {}, error))
    assert trouble is not None
    assert ("is away" in trouble.problem, trouble.exit_code) == (True, 75)
    assert backend.in_words(DBAPIError("INSERT", {}, psycopg.errors.lookup("42601")("syntax error"))) is None


def granted(postgres: Server, url: str, who: str) -> str:
    """Make a role with the rights that docs/rights.md gives to a runner or an auditor; return its URL."""
    name = url.rpartition("/")[2]
    role = f"{who}_{name}"
    [block] = [one for one in re.findall(r"```sql\n(.*?)```", RIGHTS, flags=re.DOTALL) if f"rollout_{who}" in one]
    postgres.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'")
    for statement in block.replace(f"rollout_{who}", role).split(";\n")[:-1]:
        postgres.execute(statement, name)
    return postgres.url(name, user=role)


#: What neither runner nor auditor may do.
FORBIDDEN = (
    "DROP TRIGGER events_stand ON events",
    "ALTER TABLE events DISABLE TRIGGER ALL",
    "SET session_replication_role = replica",
    "CREATE OR REPLACE VIEW timeline AS SELECT 1",
    "DELETE FROM events",
    "TRUNCATE events",
    "UPDATE events SET text = ''",
    "UPDATE attempts SET detail = ''",
    "UPDATE killed_jobs SET job = ''",
    "UPDATE alembic_version SET version_num = '0001'",
)
#: And an auditor not either.
READ_ONLY = (
    "UPDATE rollouts SET halted = NULL",
    "INSERT INTO attempts (id) VALUES (1)",
    "SELECT nextval('nodes_id_seq')",
)


def forbidden(url: str, statements: tuple[str, ...]) -> list[str]:
    """Return which of these a role may do."""
    done = []
    for statement in statements:
        with psycopg.connect(url.replace("+psycopg", "")) as connection:
            try:
                connection.execute(statement.encode())
                done.append(statement)
            except psycopg.errors.InsufficientPrivilege:
                connection.rollback()
    return done


def test_lesser_rights(empty: SqlJournal, url: str, postgres: Server) -> None:
    """With exactly the documented rights a runner writes a history, an auditor reads it, and neither does more."""
    runner, auditor = (granted(postgres, url, who) for who in ("runner", "auditor"))
    with closing(open_journal(runner, actor="runner")) as journal:
        story(journal)
        with pytest.raises(UserError, match=f"there is no rollout {ID}x"):
            journal.load(f"{ID}x")
    assert forbidden(runner, FORBIDDEN) == []
    assert schema.check(auditor) == []
    with closing(read_journal(auditor)) as journal:
        assert (journal.verify(ID)[1], audit.guards(journal.database)) == ((), ())
        assert [one.id for one in journal.summaries()] == [ID]
        assert journal.load(ID).id == ID
        assert journal.worker(PLAN.scope) is not None
        assert any(row["type"] == "killed_job" for row in export.records(journal.database))
    assert forbidden(auditor, FORBIDDEN + READ_ONLY) == []
    with pytest.raises(UserError, match="this role may not read and insert into attempts, "):
        open_journal(auditor, actor="auditor")
