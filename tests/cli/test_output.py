"""No character, no full disk and no reader that has left ends a command, and no exit code lies about it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rollout.errors import RESUMABLE

#: Prints as a command does: three lines and an arrow, as one that works a rollout or one that only shows something.
PROGRAM = """
import sys, typer
from rollout.cli import app, output, screen
def show(working: bool):
    working and output.is_journalled()
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


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "ascii:strict", "cp1252"])
def test_characters_that_do_not_fit_are_escaped(encoding: str) -> None:
    """The command goes on to its end, and a person sees which character it was."""
    process = printed(stdout=subprocess.PIPE, PYTHONIOENCODING=encoding)
    out, err = process.communicate()
    assert (process.returncode, err) == (0, "all was done\n")
    assert out.splitlines()[0] == "PLANNED \\u2192 SURGE 0"
    assert len(out.splitlines()) == 3001


@pytest.mark.parametrize("working", [True, False])
@pytest.mark.parametrize("code", [0, 1])
def test_a_reader_that_leaves_ends_nothing(code: int, *, working: bool) -> None:
    """The command comes to its end with its own exit code and without a word about it."""
    with printed(working=working, code=code, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == "all was done\n"
        assert process.wait() == code


@pytest.mark.parametrize(
    ("working", "code", "ends"), [(True, 0, 0), (True, 1, 1), (False, 0, RESUMABLE), (False, 2, 2)]
)
def test_what_cannot_be_written_is_told(code: int, ends: int, *, working: bool) -> None:
    """On a full disk a rollout that is done is done; a list that is not whole is no success."""
    with Path("/dev/full").open("w") as full:
        process = printed(working=working, code=code, stdout=full.fileno())
    _, err = process.communicate()
    assert err == "all was done\nrollout: what was printed is not whole: No space left on device\n"
    assert process.returncode == ends


def test_no_output_at_all_is_no_fault() -> None:
    """Standard output was closed before the command began."""
    closed = [sys.executable, "-c", PROGRAM.replace("WORKING", "True").replace("CODE", "0")]
    ended = subprocess.run(["/bin/sh", "-c", '"$@" >&-', "sh", *closed], stderr=subprocess.PIPE, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "all was done\n")


def test_a_pipe_that_somebody_set_not_to_block_is_waited_for() -> None:
    """Whoever shares a pipe with us may set it so; every line arrives all the same."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with printed(working=True, stdout=writing) as process, os.fdopen(reading, encoding="utf-8") as stream:
        os.close(writing)
        assert len(stream.readlines()) == 3001
        assert process.wait() == 0
