"""A server that takes no connection, is silent, or is not as it should be: what is waited for, and what is refused."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING

import psycopg
import pytest

from rollout.errors import UserError
from rollout.journal import SqlJournal, lease_acquire, open_journal, schema, wire
from rollout.journal.lease_row import Holder, simulated_time
from rollout.journal.trouble import InDoubt, Trouble
from tests.journal.refusing import refusal, refusing
from tests.journal.samples import ID, NOW, PLAN, fence
from tests.postgres import PASSWORD, Server

if TYPE_CHECKING:
    from sqlalchemy import Connection


@pytest.fixture
def engine() -> str:
    """All tests here are Postgres's own."""
    return "postgres"


@pytest.fixture
def role(empty: SqlJournal, url: str, postgres: Server) -> Iterator[str]:
    """A role that may do all but what a test takes from it, in the journal's database."""
    name = url.rpartition("/")[2]
    role = f"role_{name}"
    postgres.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'")
    postgres.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}", name)
    postgres.execute(f"GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {role}", name)
    yield role
    postgres.execute(f"DROP OWNED BY {role}", name)
    postgres.execute(f"DROP ROLE {role}")


def opened(url: str) -> UserError:
    """Return why a journal cannot be opened."""
    with pytest.raises(UserError) as refused:
        open_journal(url, actor="tester")
    assert PASSWORD not in f"{refused.value.problem}{refused.value.hint}"
    return refused.value


# ---- no connection --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", ["ROLE {role} CONNECTION LIMIT 1", "DATABASE {database} CONNECTION LIMIT 1"])
def test_no_room(url: str, role: str, postgres: Server, monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    """A connection that cannot be had for a moment is waited for; when that has lasted too long it is exit 75."""
    monkeypatch.setattr(wire, "CONNECT_SECONDS", 1)
    database = url.rpartition("/")[2]
    there = postgres.url(database, user=role)
    plain = there.replace("+psycopg", "")
    open_journal(there, actor="tester").close()
    postgres.execute(f"ALTER {limit.format(role=role, database=database)}")
    with psycopg.connect(plain) as other:
        refused = opened(there)
        assert ("takes no connection now (" in refused.problem, refused.exit_code) == (True, 75), refused.problem
        monkeypatch.setattr(wire, "sleep", lambda _: other.close())
        open_journal(there, actor="tester").close()


@pytest.mark.parametrize(
    ("code", "text", "exit_code"),
    [
        ("53300", "sorry, too many clients already", 75),
        ("53300", "remaining connection slots are reserved for roles with the SUPERUSER attribute", 75),
        ("53300", "remaining connection slots are reserved for non-replication superuser connections", 75),
        ("57P03", "the database system is starting up", 75),
        ("57P03", "the database system is not yet accepting connections", 75),
        ("57P03", "the database system is in recovery mode", 75),
        ("57P01", "terminating connection due to administrator command", 75),
        ("53400", "etwas, das niemand kennt", 75),
        ("28P01", 'password authentication failed for user "me"', 2),
        ("28000", 'no pg_hba.conf entry for host "::1", user "me", database "x", no encryption', 2),
        ("28000", 'role "me" is not permitted to log in', 2),
        ("28000", 'role "me" does not exist', 2),
        ("3D000", 'database "x" does not exist', 2),
        ("42501", 'permission denied for database "x"', 2),
    ],
)
def test_refused(monkeypatch: pytest.MonkeyPatch, code: str, text: str, exit_code: int) -> None:
    """After a password was taken too, only what is known to be final is final."""
    monkeypatch.setattr(wire, "CONNECT_SECONDS", 0)
    with refusing(refusal(code, text)) as port:
        refused = opened(f"postgresql://me:{PASSWORD}@127.0.0.1:{port}/x")
    assert (text in refused.problem, refused.exit_code) == (True, exit_code), refused.problem


def test_gone_before_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that took the password and went away may come back."""
    monkeypatch.setattr(wire, "CONNECT_SECONDS", 0)
    with refusing(b"") as port:
        refused = opened(f"postgresql://me:{PASSWORD}@127.0.0.1:{port}/x")
    assert ("cannot be reached" in refused.problem, refused.exit_code) == (True, 75), refused.problem


def test_gone_before_ready_for_a_moment(
    url: str, empty: SqlJournal, postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is waited for as one that has no room is."""
    with refusing(b"") as port:
        there, real = {"port": port}, wire.Connection.connect
        monkeypatch.setattr(wire, "sleep", lambda _: there.update(port=postgres.port))
        monkeypatch.setattr(wire.Connection, "connect", lambda **given: real(**{**given, **there}))
        open_journal(url, actor="tester").close()
    assert there["port"] == postgres.port


def test_all_addresses_together_have_that_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name may have several. An end waits for each silent one; so after one silence, all share the time of one."""
    given = []

    def connect(**parameters: object) -> None:
        given.append(parameters["connect_timeout"])
        raise wire.OperationalError("connection timeout expired")

    monkeypatch.setattr(wire.Connection, "connect", connect)
    line = wire.Line()
    for hosts in ("127.0.0.1,127.0.0.2", "127.0.0.1,127.0.0.2", "127.0.0.1"):
        with pytest.raises(wire.OperationalError):
            line.connect({"host": hosts})
    assert (given, line.silent) == ([2, 1, 2], True)


def test_room_that_is_waited_for_in_vain(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next wait is shorter, until a connection comes about: an end may take several."""
    now, full, line = [0.0], wire.OperationalError("too many clients"), wire.Line()
    monkeypatch.setattr(wire, "monotonic", lambda: now[0])
    monkeypatch.setattr(wire, "sleep", lambda seconds: now.append(now.pop() + seconds))

    def waited(ends: Exception | None = full) -> float:
        def once(*_: object) -> None:
            if ends:
                raise ends

        began = now[0]
        monkeypatch.setattr(line, "_once", once)
        with suppress(wire.OperationalError):
            line.connect({})
        return now[0] - began

    assert [waited(), waited(), waited(None), waited()] == [5, 2, 0, 5]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("sslmode=require", "TLS is not set up"),
        ("sslmode=verify-full&sslrootcert=/nowhere", "TLS is not set up"),
        ("sslmode=perhaps", "cannot be used"),
        ("keepalives=soon", "cannot be used"),
        ("service=nowhere", "cannot be used"),
        ("sslmod=require&autocommit=1", "does not know: autocommit, sslmod"),
    ],
)
def test_wrong_address(url: str, empty: SqlJournal, query: str, words: str) -> None:
    """What the address asks for and nobody can give is told before anything begins, and not tried for ever."""
    refused = opened(f"{url}?{query}")
    assert (words in refused.problem, refused.exit_code, bool(refused.hint)) == (True, 2, True), refused.problem


@pytest.mark.parametrize(
    ("right", "words"),
    [
        ("ALL ON SEQUENCE effects_id_seq", "this role may not use the sequence effects_id_seq"),
        ("INSERT ON events", "this role may not read and insert into events"),
        ("UPDATE ON leases", "this role may not update leases"),
    ],
)
def test_missing_rights(url: str, role: str, postgres: Server, right: str, words: str) -> None:
    """A right that a rollout needs is asked for before one begins, on sequences too."""
    name = url.rpartition("/")[2]
    postgres.execute(f"REVOKE {right} FROM {role}", name)
    refused = opened(postgres.url(name, user=role))
    assert (words in refused.problem, refused.exit_code) == (True, 2), refused.problem


@pytest.mark.parametrize("setter", ["ROLE {role}", "DATABASE {database}", "the address"])
def test_read_only_by_a_setting(url: str, role: str, postgres: Server, setter: str) -> None:
    """A person's setting does not pass by itself: it is named before anything begins, and no machine tries again."""
    database = url.rpartition("/")[2]
    there = postgres.url(database, user=role)
    if setter == "the address":
        there = f"{there}?options=-c%20default_transaction_read_only%3Don"
    else:
        postgres.execute(
            f"ALTER {setter.format(role=role, database=database)} SET default_transaction_read_only = 'on'"
        )
    refused = opened(there)
    postgres.execute(f"ALTER DATABASE {database} RESET default_transaction_read_only")
    assert ("default_transaction_read_only" in refused.problem, refused.exit_code) == (True, 2), refused.problem


# ---- silence --------------------------------------------------------------------------------------------------------


@contextmanager
def stopped(connection: Connection) -> Iterator[Callable[[], None]]:
    """Stop the server's process behind a connection; what is yielded lets it go on."""
    pid = int(connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())

    def goes_on() -> None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)

    os.kill(pid, signal.SIGSTOP)
    try:
        yield goes_on
    finally:
        goes_on()


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds that the tests need not wait."""
    monkeypatch.setattr(wire, "ANSWER_SECONDS", 0.5)


def test_an_end_in_time() -> None:
    """A statement that is not answered, a look at what stands and a release of the lease take less than 15 s."""
    assert wire.ANSWER_SECONDS + 3 * wire.SILENT_SECONDS < 15


def test_silent_statement(journal: SqlJournal, hasty: None) -> None:
    """A statement whose answer does not come, over a connection that stands, is a trouble that says so."""

    def asks() -> None:
        with journal.database.writing() as connection, stopped(connection):
            connection.exec_driver_sql("UPDATE rollouts SET halted = 'no'")

    with pytest.raises(Trouble, match="the server is silent") as trouble:
        asks()
    assert (type(trouble.value), trouble.value.exit_code) == (Trouble, 75)
    journal.note(ID, "note", "over another connection", NOW)
    assert journal.load(ID).halted is None


def test_silent_commit(journal: SqlJournal, hasty: None) -> None:
    """A COMMIT whose answer does not come is in doubt."""

    def commits() -> None:
        with journal.database.writing() as connection:
            connection.exec_driver_sql("UPDATE rollouts SET halted = 'no'")
            pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
            pids.append(int(pid))
            os.kill(int(pid), signal.SIGSTOP)

    pids: list[int] = []
    with pytest.raises(InDoubt, match=r"no answer for 0.5 s") as trouble:
        commits()
    os.kill(pids[0], signal.SIGCONT)
    assert trouble.value.exit_code == 75


def test_silent_commit_under_a_lease(journal: SqlJournal, hasty: None) -> None:
    """What was committed in silence is read when the server is back: it is done once, and the runner goes on."""
    pids: list[int] = []

    def back() -> bool:
        os.kill(pids[0], signal.SIGCONT)
        return True

    def work(connection: Connection) -> None:
        pids.append(int(connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()))
        connection.exec_driver_sql("UPDATE rollouts SET hint = coalesce(hint, '') || 'once'")
        os.kill(pids[-1], signal.SIGSTOP)

    holder, time = Holder("agent", 7, "run"), simulated_time(lambda: NOW)
    with lease_acquire.acquire(journal, PLAN.cluster, holder, lambda: NOW, fence(), back, time) as lease:
        lease.write(work)
        assert len(pids) == 1
        with journal.database.reading() as connection:
            assert connection.exec_driver_sql("SELECT hint FROM rollouts").scalar() == "once"


def test_silence_makes_hasty(journal: SqlJournal, hasty: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a server is silent less is waited for, and it is told once, until a transaction has come to its end."""
    monkeypatch.setattr(wire, "SILENT_SECONDS", 0.3)

    def asks() -> None:
        with journal.database.reading() as connection, stopped(connection):
            connection.exec_driver_sql("SELECT 1")

    for said, told in (("0.5 s", True), ("0.3 s", False)):
        with pytest.raises(Trouble, match=said):
            asks()
        assert (journal.database.news() is not None) == told
    journal.load(ID)
    with pytest.raises(Trouble, match=r"0.5 s"):
        asks()


# ---- text and settings ----------------------------------------------------------------------------------------------


def test_text(journal: SqlJournal, url: str, postgres: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Text is UTF-8, no matter what the database is set to and the environment says."""
    postgres.execute(f"ALTER DATABASE {url.rpartition('/')[2]} SET client_encoding = 'SQL_ASCII'")
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    text = "gültig → “ja” 節"
    with closing(open_journal(f"{url}?client_encoding=latin1", actor="tester")) as there:
        there.note(ID, "note", text, NOW)
        assert there.events(ID)[-1].text == text


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_encoding(postgres: Server, encoding: str) -> None:
    """A database that cannot hold every text is refused by the upgrade, and nothing is made in it."""
    name = f"narrow_{encoding.lower()}_{os.getpid()}"
    postgres.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C'")
    with pytest.raises(UserError, match=f"has the encoding {encoding}") as refused:
        schema.upgrade(postgres.url(name))
    assert (refused.value.exit_code, "createdb --encoding UTF8" in refused.value.hint) == (2, True)
    assert postgres.execute("SELECT * FROM pg_tables WHERE schemaname = 'public'", name) == []


def test_limits_of_the_role(journal: SqlJournal, url: str, postgres: Server) -> None:
    """What the database sets for whole transactions and pauses in them counts for nothing; ours do."""
    name = url.rpartition("/")[2]
    for setting in ("transaction_timeout", "idle_in_transaction_session_timeout"):
        postgres.execute(f"ALTER DATABASE {name} SET {setting} = '1min'")
    journal.close()
    query = "SELECT current_setting('transaction_timeout'), current_setting('idle_in_transaction_session_timeout')"
    with journal.database.writing() as connection:
        assert tuple(connection.exec_driver_sql(query).one()) == ("0", "4s")


def test_transaction_timeout(journal: SqlJournal) -> None:
    """A transaction that the server's limit ended is a trouble that passes."""

    def lasts() -> None:
        with journal.database.writing() as connection:
            connection.exec_driver_sql("SET LOCAL transaction_timeout = '50ms'")
            connection.exec_driver_sql("SELECT pg_sleep(2)")

    with pytest.raises(Trouble, match="transaction_timeout ended") as trouble:
        lasts()
    assert trouble.value.exit_code == 75


def test_a_pooler_per_statement(journal: SqlJournal) -> None:
    """A pooler that gives a connection to each statement cannot serve: the hint says what to set."""

    def begins() -> None:
        with journal.database.writing() as connection:
            said = "transaction blocks not allowed in statement pooling mode"
            connection.exec_driver_sql(f"DO $$BEGIN RAISE '{said}' USING ERRCODE = '08P01'; END$$")

    with pytest.raises(Trouble, match="per statement") as trouble:
        begins()
    assert (trouble.value.exit_code, "pool_mode" in trouble.value.hint) == (2, True)
