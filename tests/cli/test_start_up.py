"""What every command line owes its users: help at once, completion, a version, honest exit codes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from rollout import __version__
from rollout.cli import app
from rollout.errors import RESUMABLE, Blocked, Conflict, Denied, EdgeError, Lost
from tests.cli.run import broken, rollout

HEAVY = (
    "aiohttp",
    "alembic",
    "apprise",
    "boto3",
    "botocore",
    "jinja2",
    "kubernetes",
    "prometheus_client",
    "pydantic",
    "rich",
    "ruamel",
    "sqlalchemy",
    "transitions",
)


def test_help_imports_nothing_heavy() -> None:
    """All commands are wired, and none of the libraries that they need is imported by that."""
    look = (
        "import sys\n"
        "from typer.main import get_command\n"
        "from rollout.cli.app import app\n"
        "get_command(app).get_help(__import__('click').Context(get_command(app)))\n"
        "print(*sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True).stdout.split()
    assert [name for name in HEAVY if name in loaded] == []


#: Counts all calls from the first import to the last word: the same number on every day, also on a busy machine.
COUNTED = """
import sys
calls = 0
def count(frame, event, argument):
    global calls
    calls += event in {"call", "c_call"}
sys.setprofile(count)
try:
    from rollout.__main__ import main
    main()
finally:
    sys.setprofile(None)
    print(calls, file=sys.stderr)
"""


def test_help_is_there_at_once() -> None:
    """Help costs at most 100 000 calls; to import all commands' modules alone costs more."""
    counted = subprocess.run(
        [sys.executable, "-c", COUNTED, "--help"], capture_output=True, text=True, check=True
    ).stderr.split()
    assert int(counted[-1]) <= 100_000


def test_each_line_of_help_is_the_commands_own_first_sentence() -> None:
    """Help is written from a table, and loads no command; what it says, the command itself says."""
    commands = get_command(app.app).commands  # type: ignore[attr-defined]
    assert list(commands) == list(app.Commands.table)
    own = {name: " ".join(command.help.split()).partition(". ")[0].rstrip(".") for name, command in commands.items()}
    assert {name: f"{sentence}." for name, sentence in own.items()} == {
        name: line for name, (_, line) in app.Commands.table.items()
    }


def test_every_command_explains_itself(tmp_path: Path) -> None:
    """Help names all commands with a whole first sentence, and each has help of its own."""
    out = rollout("--help", cwd=tmp_path).out
    for command in (
        "plan",
        "start",
        "resume",
        "status",
        "why",
        "list",
        "events",
        "report",
        "doctor",
        "simulator",
        "demo",
        "config",
        "db",
    ):
        assert f"\n  {command} " in out
        assert rollout(command, "--help", cwd=tmp_path).code == 0
    assert "..." not in out.partition("Commands:")[2]


@pytest.mark.parametrize("group", ["config", "db", "audit", "ami"])
def test_every_line_of_a_groups_help_is_whole(tmp_path: Path, group: str) -> None:
    """In 80 columns a command's first sentence is not cut, so that a person can choose by it."""
    out = rollout(group, "--help", cwd=tmp_path, COLUMNS="80").out
    assert "..." not in out.partition("Commands:")[2], out


@pytest.mark.parametrize("typed", ["stop", "rollback"])
def test_who_wants_to_stop_a_rollout_is_not_sent_to_start_one(tmp_path: Path, typed: str) -> None:
    """It is said that there is no such command, how a rollout goes back, and how it is stopped."""
    ended = rollout(typed, cwd=tmp_path)
    assert (ended.code, ended.out) == (2, "")
    assert f"No such command '{typed}'. To go back to what was there before: rollout abort." in ended.err
    assert "Did you mean" not in ended.err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete_commands(tmp_path: Path, shell: str) -> None:
    """The shell's question for what may follow `rollout st` is answered with start and status."""
    asked = {
        "COMP_WORDS": "rollout st",
        "COMP_CWORD": "1",
        "_TYPER_COMPLETE_ARGS": "rollout st",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    found = rollout(cwd=tmp_path, _ROLLOUT_COMPLETE=f"complete_{shell}", **asked).out
    assert "start" in found
    assert "status" in found


INSTALL_AND_ASK = """
rollout --install-completion >&2
source ~/.bashrc
COMP_WORDS=(rollout st) COMP_CWORD=1
_rollout_completion rollout
echo "${COMPREPLY[@]}"
rollout --show-completion
true # a command that comes last takes the shell's place, and then there is none to see
"""


def test_completion_is_installed_in_bash(tmp_path: Path) -> None:
    """What `--install-completion` writes completes in the next bash, and `--show-completion` prints the same."""
    path = f"{Path(sys.executable).parent}:{os.defpath}"
    command = ["bash", "--norc", "-c", INSTALL_AND_ASK]
    environment = {"PATH": path, "HOME": str(tmp_path)}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    answer, _, shown = ended.stdout.partition("\n")
    assert answer.split() == ["start", "status"], ended.stderr
    assert shown.strip() == (tmp_path / ".bash_completions/rollout.sh").read_text().strip()


def test_the_version_is_told(tmp_path: Path) -> None:
    """The version is the package's."""
    assert rollout("--version", cwd=tmp_path).out == f"rollout {__version__}\n"


def test_wrong_usage_is_exit_code_2(tmp_path: Path) -> None:
    """An unknown option, a missing one and a missing configuration are all usage or configuration."""
    assert rollout("start", cwd=tmp_path).code == 2
    assert rollout("start", "--nonsense", cwd=tmp_path).code == 2
    ended = rollout("start", "--ami", "ami-00000001", cwd=tmp_path)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("rollout: there is no configuration at rollout.yaml\n  next: rollout config init")


def options(command: Any, words: str = "rollout") -> Iterator[tuple[str, Any]]:
    """Every option of every command, by what is typed."""
    for one in command.params:
        yield f"{words} {one.opts[0]}", one.type_descriptor
    for name, inner in getattr(command, "commands", {}).items():
        yield from options(inner, f"{words} {name}")


def test_a_file_that_may_not_be_read_is_told_by_the_command() -> None:
    """The parser would refuse it without a next step, so it is not to look."""
    looks = {typed: of.parameter_info.readable for typed, of in options(get_command(app.app)) if of.annotation is Path}
    assert len(looks) > 10
    assert [typed for typed, readable in looks.items() if readable] == []


@pytest.mark.parametrize("command", [("status",), ("list",), ("events",), ("why",), ("report", "--json")])
def test_looking_before_any_start_says_where_it_looked(tmp_path: Path, command: tuple[str, ...]) -> None:
    """Without a journal the place is named, and none is made."""
    ended = rollout(*command, cwd=tmp_path)
    assert ended.code == 2
    assert f"{tmp_path}/.local/state/eks-rollout/rollout.db" in ended.err
    assert list(tmp_path.iterdir()) == []


def test_a_fault_of_ours_is_one_line_and_a_file(tmp_path: Path) -> None:
    """The traceback goes to a file that only its owner reads, without secrets; the screen says where, exit 70."""
    stderr, file = broken(tmp_path, "Bearer abc.def")
    assert str(file) in stderr
    assert "Traceback" not in stderr
    assert file.stat().st_mode & 0o777 == 0o600
    assert "RuntimeError" in file.read_text()
    assert "abc.def" not in file.read_text() + stderr


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("start", "--ami", "i-0123456789abcdef0"), "is not the id of an image"),
        (("start", "--ami", "ami-٠١٢٣٤٥٦٧"), "is not the id of an image"),
        (("start", "--ami", "ami-00000001", "--key", "--database=x"), "begins with a dash"),
        (("start", "--ami", "ami-00000001", "--key", ""), "is empty"),
        (("start", "--ami", "ami-00000001", "--key", "/"), "no letter and no digit"),
        (("start", "--ami", ""), "follows --ami is empty"),
        (("start", "--ami-from="), "follows --ami-from is empty"),
        (("list", "--database", ""), "follows --database is empty"),
        (("list", "--database="), "follows --database is empty"),
        (("audit", "verify", "--config", ""), "follows --config is empty"),
        (("config", "init", "--output", ""), "follows --output is empty"),
        (("simulator", "--scenario", "plain", "--directory", ""), "follows --directory is empty"),
        (("ami", "list", "--prefix", ""), "follows --prefix is empty"),
        (("start", "--ami", "ami-00000001", "--key", "x" * 201), "more than 200 characters"),
        (("resume", "a\nb"), "control characters"),
        (("status", ""), "is empty"),
        (("events", " "), "is empty"),
        (("audit", "export", "\x1b[2J"), "control characters"),
        (("ami", "verify", "snap-00000001"), "is not the id of an image"),
        (("ami", "share", "ami-1", "--account", "123456789012"), "is not the id of an image"),
        (("ami", "list", "--prefix", "x", "--region", "Frankfurt"), "is not an AWS region"),
    ],
)
def test_what_can_be_no_id_no_key_and_no_region_is_refused_before_anything_is_read(
    tmp_path: Path, command: tuple[str, ...], words: str
) -> None:
    """Exit 2 with what it should be; neither configuration nor journal were looked for."""
    ended = rollout(*command, cwd=tmp_path)
    assert (ended.code, ended.out, words in ended.err) == (2, "", True), ended
    assert "\x1b" not in ended.err
    assert "next: " in ended.err


@pytest.mark.parametrize(("kind", "code"), [(Denied, 2), (Conflict, 75), (Blocked, 75), (Lost, 76)])
def test_every_kind_of_answer_has_its_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kind: type[EdgeError], code: int
) -> None:
    """A no of the other side that nobody expected is a line and the code of its kind, no traceback."""

    def fails(**_: object) -> None:
        raise kind("AccessDenied: no")

    monkeypatch.setattr(app, "app", fails)
    with pytest.raises(SystemExit) as ended:
        app.main()
    assert ended.value.code == code
    again = "  next: try again: the same command\n" if code == RESUMABLE else ""
    assert capsys.readouterr().err == f"rollout: AccessDenied: no\n{again}"
