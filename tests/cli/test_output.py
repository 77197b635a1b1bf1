"""No character, no full disk and no reader that has left ends a command, and no exit code lies about it."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from rollout.cli import output
from rollout.errors import RESUMABLE
from rollout.journal import schema
from tests.cli import samples

#: Prints as a command does: three lines and an arrow, as one that works a rollout or one that only shows something.
PROGRAM = """
import sys, typer
from rollout.cli import app, output, screen
def show(working: bool):
    working and output.works()
    for number in range(3000):
        screen.say(f"PLANNED \\N{RIGHTWARDS ARROW} SURGE {number}")
    typer.echo("\\N{RIGHTWARDS ARROW} {}")
    screen.say("all was done", err=True)
    raise typer.Exit(CODE)
app.app.command("show")(show)
sys.argv = ["rollout", "show", "WORKING"]
app.main()
"""


def printed(*, working: bool = False, code: int = 0, stdout: int, **environment: str) -> subprocess.Popen[str]:
    program = PROGRAM.replace("WORKING", str(working)).replace("CODE", str(code))
    return subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )


@pytest.mark.parametrize("encoding", ["latin-1", "ascii:strict"])
def test_characters_that_do_not_fit_are_escaped(encoding: str) -> None:
    """The command goes on to its end, and a person sees which character it was."""
    process = printed(stdout=subprocess.PIPE, PYTHONIOENCODING=encoding)
    out, err = process.communicate()
    assert (process.returncode, err) == (0, "all was done\n")
    assert out.splitlines()[0] == "PLANNED \\u2192 SURGE 0"
    assert len(out.splitlines()) == 3001


ALL = [f"PLANNED \N{RIGHTWARDS ARROW} SURGE {number}" for number in range(3000)] + ["\N{RIGHTWARDS ARROW} {}"]


@pytest.mark.parametrize("code", [0, 1])
def test_a_reader_that_leaves_ends_who_only_shows_in_peace(code: int) -> None:
    """As under `| head -1`: the command's own exit code, without a word about it."""
    with printed(code=code, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == "all was done\n"
        assert process.wait() == code


def test_the_words_of_who_works_follow_on_the_other_stream() -> None:
    """The reader left: every line from there on is on stderr, and the exit code is that of the work."""
    with printed(working=True, code=1, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.readline()
        process.stdout.close()
        notice, *words, last = process.stderr.read().splitlines()
        assert notice == "rollout: standard output is lost (Broken pipe); its words follow here"
        assert words == ALL[-len(words) :]
        assert (last, process.wait()) == ("all was done", 1)


@pytest.mark.parametrize(("working", "code", "ends"), [(True, 0, 0), (False, 0, RESUMABLE), (False, 2, 2)])
def test_what_cannot_be_written_is_told(code: int, ends: int, *, working: bool) -> None:
    """On a full disk a rollout that is done is done, in words too; a list that is not whole is no success."""
    with Path("/dev/full").open("w") as full:
        process = printed(working=working, code=code, stdout=full.fileno())
    _, err = process.communicate()
    if working:
        lost = "rollout: standard output is lost (No space left on device); its words follow here"
        assert err.splitlines() == [lost, *ALL, "all was done"]
    else:
        assert err == "all was done\nrollout: what was printed is not whole: No space left on device\n"
    assert process.returncode == ends


#: A shell's redirections, and what `db check`, which only shows, does with each: exit code, stdout, stderr.
CLOSED = [
    ("<&- >&- 2>&-", RESUMABLE, "", ""),
    (">&-", RESUMABLE, "", "rollout: what was printed is not whole: it was closed\n"),
    ("2>/dev/full", 0, "rollout.db is in order\n", ""),
]


@pytest.mark.parametrize(("how", "code", "out", "err"), CLOSED)
def test_streams_that_are_closed_or_full_lie_about_nothing(
    tmp_path: Path, how: str, code: int, out: str, err: str
) -> None:
    """The journal, which would get the number of a closed stream, is not written to as one."""
    samples.draining(tmp_path)
    command = [sys.executable, "-m", "rollout", "db", "check", "--database", samples.url(tmp_path)]
    ended = subprocess.run(
        ["/bin/sh", "-c", f'"$@" {how}', "sh", *command], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout.replace(f"{tmp_path}/", ""), ended.stderr) == (code, out, err)
    assert schema.check(samples.url(tmp_path)) == []


def test_an_error_is_told_on_stdout_where_stderr_is_lost(tmp_path: Path) -> None:
    """A user who lost stderr still sees why the command failed."""
    command = [sys.executable, "-m", "rollout", "status", "--database", samples.url(tmp_path)]
    ended = subprocess.run(
        ["/bin/sh", "-c", '"$@" 2>/dev/full', "sh", *command], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, "no rollout was started with it, or it is lost" in ended.stdout) == (2, True)


def test_a_pipe_that_somebody_set_not_to_block_is_waited_for() -> None:
    """Another process that shares the pipe may set it so; every line arrives all the same."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with printed(working=True, stdout=writing) as process, os.fdopen(reading, encoding="utf-8") as stream:
        os.close(writing)
        assert stream.read().splitlines() == ALL
        assert process.wait() == 0


@pytest.mark.parametrize("stream", ["pipe", "terminal"])
def test_who_works_waits_for_no_reader_that_does_not_read(monkeypatch: pytest.MonkeyPatch, stream: str) -> None:
    """A pager that is not scrolled, a terminal under Ctrl-S: words are left out, and once it reads on it is told so."""
    reading, writing = os.pipe() if stream == "pipe" else pty.openpty()
    monkeypatch.setattr(output, "STALL_SECONDS", 0.01)
    monkeypatch.setattr(output._Printed, "works", True)
    descriptor = output._Descriptor(writing, "standard output", closed=False)
    descriptor.never_block()
    for _ in range(200):
        assert descriptor.write(b"x" * 1000) > 0
    got = b""
    while b"and on" not in got:  # a terminal hands on what was written when the system comes to it
        got += os.read(reading, 1 << 20)
        descriptor.write(b"and on\n")
    assert b"lines are missing here" in got[: got.index(b"and on")]
    os.close(reading)
    os.close(writing)


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1"])
def test_json_stays_json_on_any_output(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    """What an encoding cannot hold is escaped as JSON has it, not as Python has it."""
    told = {"text": "é \N{RIGHTWARDS ARROW} \U0001f600"}
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding, "backslashreplace"))
    sys.stdout.write(output.as_json(told))
    sys.stdout.flush()
    assert json.loads(written.getvalue().decode(encoding)) == {"version": 1} | told
