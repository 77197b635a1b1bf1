"""The command line and a journal on Postgres: what is said, and that a password never is."""

from __future__ import annotations

import re
import secrets
from pathlib import Path

import pytest

from tests.cli.run import Result, broken, rollout
from tests.postgres import PASSWORD, Server

SECRET = "hu%2Fsh-9133"  # noqa: S105  nobody's
CONFIG = "cluster: eks-demo\nregion: eu-west-1\ngroups: [workers]\ndatabase: {}\n"
COMMANDS = (
    ("config", "check"),
    ("db", "check"),
    ("db", "upgrade"),
    ("status",),
    ("list",),
    ("events",),
    ("resume",),
    ("start", "--ami", "ami-00000001"),
)


def silent(result: Result) -> Result:
    assert not re.search(f"{PASSWORD}|hu.{{0,3}}sh-9133", result.out + result.err), result
    return result


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_password_of_the_configuration_is_never_shown(command: tuple[str, ...], tmp_path: Path) -> None:
    """While the server is away, no command shows the password that the environment put into the URL."""
    url = "postgresql+psycopg://me:${DB_PASSWORD}@127.0.0.1:1/journal"
    (tmp_path / "rollout.yaml").write_text(CONFIG.format(url))
    ended = silent(rollout(*command, cwd=tmp_path, DB_PASSWORD=SECRET))
    if command == ("config", "check"):
        assert "journal:    postgresql+psycopg://me@127.0.0.1:1/journal\n" in ended.out
    else:
        assert (ended.code, "the server cannot be reached" in ended.err) == (75, True), ended


@pytest.mark.parametrize("command", [one for one in COMMANDS if one[0] != "config"], ids=" ".join)
def test_a_password_of_the_command_line_is_never_shown(
    command: tuple[str, ...], tmp_path: Path, postgres: Server
) -> None:
    """A wrong password in `--database` is exit 2 with the server's words, which do not repeat it."""
    (tmp_path / "rollout.yaml").write_text(CONFIG.format("sqlite:////nowhere/rollout.db"))
    ended = silent(rollout(*command, "--database", postgres.url("postgres", SECRET), cwd=tmp_path))
    assert (ended.code, "password authentication failed" in ended.err) == (2, True), ended


@pytest.mark.parametrize("url", [f"postgres://me:{SECRET}@db/x", f"mysql://me:{SECRET}@db/x"])
def test_another_database_is_refused_without_its_password(url: str, tmp_path: Path) -> None:
    """A URL that no engine of ours serves is refused with those that are, in the configuration and in the option."""
    (tmp_path / "rollout.yaml").write_text(CONFIG.format(url))
    for ended in (rollout("config", "check", cwd=tmp_path), rollout("list", "--database", url, cwd=tmp_path)):
        silent(ended)
        assert (ended.code, "postgresql+psycopg://USER@HOST" in ended.err) == (2, True), ended
    assert "next: write --database sqlite:////absolute/path/rollout.db" in ended.err
    assert "configuration" not in ended.err


def test_a_server_is_upgraded_and_checked(tmp_path: Path, postgres: Server) -> None:
    """Without a journal each command says what to type; after that, `db check` finds it in order and `list` works."""
    name = f"cli_{secrets.token_hex(4)}"
    postgres.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    url = postgres.url(name, password=None)

    def ask(*command: str) -> Result:
        return silent(rollout(*command, "--database", url, cwd=tmp_path, PGPASSWORD=PASSWORD))

    for command in (("list",), ("db", "check")):
        refused = ask(*command)
        assert (refused.code, f"rollout db upgrade --database {url}" in refused.err) == (2, True), refused
    assert ask("db", "upgrade").out == f"{url} has schema 0009\n"
    assert ask("db", "check").out == f"{url} is in order\n"
    assert ask("list").code == 0


def test_a_crash_file_holds_no_password(tmp_path: Path) -> None:
    """Where a fault of ours quotes the URL, the file that is to be reported does not."""
    stderr, file = broken(tmp_path, f"postgresql+psycopg://me:{SECRET}@db/x")
    assert SECRET not in file.read_text() + stderr
