"""A journal's address: no password gets out of it, however it is written."""

from __future__ import annotations

import shlex

import pytest

from rollout.cli import options
from rollout.errors import UserError
from rollout.journal import address, database
from rollout.redaction import plain, redacted


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://u:s3cret w0rd@db.example/j",
        "postgresql://u:s3cret%20w0rd@db.example:5432/j",
        "postgresql://u:s3cret/w0rd@db.example/j",
        "postgresql://u:s3cret?w0rd#@db.example/j",
        "postgresql://u:s3cret@w0rd@db.example/j",
        "postgresql://u:s3cret%40w0rd@db.example/j",
        "postgresql://u@db.example/j?password=s3cret w0rd&sslmode=require",
        "postgresql://u@db.example/j?sslpassword=s3cret%20w0rd",
        "postgresql://u@db.example/j?options=-cx%3Ds3cret w0rd",
        "postgresql://db.example/dbname=j password=s3cret w0rd",
        "postgresql://u:s3cret w0rd",
        "postgres://u:s3cret w0rd@db.example/j",
        "host=db.example password=s3cret w0rd",
        "mysql://u:s3cret w0rd@db.example/j?password=w0rd",
    ],
)
def test_no_part_of_a_password_is_shown(url: str) -> None:
    """The shown name has no part of it; what cannot be parsed without doubt is refused and not repeated."""
    try:
        said = database.backend_of(url).name
    except UserError as error:
        said = f"{error.problem} {error.hint} {error.__cause__}"
    assert "s3cret" not in said
    assert "w0rd" not in said


def test_what_is_no_secret_is_shown() -> None:
    """User, host, port, database and how the connection is made tell people which journal it is."""
    url = address.of_server("postgresql://u%40x:pass-word-1@db.example:5433/j?sslmode=require&foo=pass-word-1")
    assert address.shown(url) == "postgresql+psycopg://u%40x@db.example:5433/j?sslmode=require"
    assert address.has_secret(url)


def test_a_user_and_a_database_that_are_parameters_are_shown() -> None:
    """Without them the same address leads another user, or the same one somewhere else."""
    text = "postgresql+psycopg:///j?host=%2Frun%2Fpg&user=rollout&dbname=other&password=pass-word-1"
    shown = address.shown(address.of_server(text))
    assert address.of_server(shown).query == {"host": "/run/pg", "user": "rollout", "dbname": "other"}


@pytest.mark.parametrize(
    ("url", "ready", "made"),
    [
        (
            "postgresql+psycopg://u:pass-word-1@db.example:5433/j?sslmode=require",
            "postgresql://u@db.example:5433/j?sslmode=require",
            "--maintenance-db 'postgresql://u@db.example:5433/postgres?sslmode=require' j",
        ),
        (
            "postgresql+psycopg:///j?host=%2Frun%2Fpg&user=u",
            "postgresql:///j?host=%2Frun%2Fpg&user=u",
            "--maintenance-db 'postgresql:///postgres?host=%2Frun%2Fpg&user=u' j",
        ),
        ("postgresql://u@h/x?dbname=j", "postgresql://u@h/j", "--maintenance-db postgresql://u@h/postgres j"),
        ("postgresql://u@h", "postgresql://u@h", "--maintenance-db postgresql://u@h/postgres u"),
        ("postgresql:///?host=h", "postgresql:///?host=h", "--maintenance-db 'postgresql:///postgres?host=h' NAME"),
    ],
)
def test_what_is_typed_at_the_server_names_it(url: str, ready: str, made: str) -> None:
    """Host, port, user and database are the journal's: not those of the person's own environment."""
    asked = address.of_server(url)
    assert shlex.split(address.is_ready(asked)) == ["pg_isready", "--dbname", ready]
    assert address.create(asked) == f"createdb --encoding UTF8 --template template0 {made}"


@pytest.mark.parametrize(
    "said", ['could not parse "blank inside%"', "to u:blank%20inside%25@h failed", "blank inside%"]
)
def test_what_a_driver_quotes_is_hidden(said: str) -> None:
    """Once an address was read, its password is hidden in every text, as it is and as it was written."""
    address.of_server("postgresql://u:blank%20inside%25@h/d")
    assert "inside" not in redacted(said)


@pytest.mark.parametrize("steering", ["\x1b[31m", "\x07", "\x9b2J", "\u202e", "\u2066", "\r", "\ue000"])
def test_text_of_others_steers_no_terminal(steering: str) -> None:
    """Escapes, carriage returns and characters that turn the direction of text are replaced; words stay."""
    assert plain(f"name{steering}x").startswith("name?")
    assert steering not in redacted(f"a{steering}b")


def test_the_journal_of_a_hint_has_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hint repeats the journal's address without what is secret, and knows that it is missing."""
    monkeypatch.setattr(options, "_typed", options._Typed(None, "postgresql://u:top-secret@h/d"))
    told = options.told()
    assert (told.database, told.hidden) == ("postgresql+psycopg://u@h/d", True)
