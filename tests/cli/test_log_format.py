"""`--log-format json`: one JSON object a line on both streams, and nothing else."""

from __future__ import annotations

import json
import logging
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rollout.cli import log, options, screen
from rollout.cli.screen.lines import Lines
from rollout.model.decision import Halt, NodeWait
from rollout.model.reasons import Reason
from tests.cli import samples
from tests.cli.run import rollout

PAGE = (Path(__file__).parents[2] / "docs/json.md").read_text(encoding="utf-8")
SECTION = PAGE.partition("--log-format json\n")[2].partition("\n## ")[0]
DOCUMENTED = re.findall(r"^\| `([^`]+)` \|", SECTION, flags=re.MULTILINE)


@pytest.fixture
def as_json() -> Iterator[None]:
    log.choose(log.Format.JSON)
    yield
    log.choose(log.Format.TEXT)
    logging.captureWarnings(capture=False)


def objects(text: str) -> list[dict[str, Any]]:
    """Each line read by itself; its keys are those of the page."""
    found = [json.loads(line) for line in text.splitlines()]
    assert all(set(one) == set(DOCUMENTED) for one in found)
    return found


@pytest.mark.parametrize("command", ["start", "resume"])
def test_why_a_command_ends(tmp_path: Path, command: str) -> None:
    """The problem, what to do next and the exit code are one object on stderr."""
    ended = rollout(command, "--log-format", "json", cwd=tmp_path)
    (told,) = objects(ended.err)
    assert (ended.code, ended.out) == (2, "")
    assert (told["level"], told["kind"], told["exit_code"], told["rollout"]) == ("error", "error", 2, None)
    assert told["message"].startswith("there is no configuration at rollout.yaml")
    assert told["next"].startswith("rollout config init")


def test_the_next_command_prints_text(tmp_path: Path) -> None:
    """The form is that of one command."""
    rollout("resume", "--log-format", "json", cwd=tmp_path)
    assert rollout("resume", cwd=tmp_path).err.startswith("rollout: there is no configuration")


@pytest.mark.usefixtures("as_json")
def test_events_say_what_they_are_about(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Phase, node and reason are keys; a halt is an error and says what to do next, with the whole command."""
    monkeypatch.setattr(options, "_typed", options._Typed(tmp_path / "rollout.yaml"))
    journal = samples.draining(tmp_path)
    lines = Lines(journal, samples.ID)
    log.about(samples.ID)
    waits = NodeWait("i-1", "pod demo/other of Job other", Reason.JOBS_RUNNING)
    journal.intend(samples.ID, (), (), [waits], (), samples.after(9))
    journal.halt(samples.ID, Halt(Reason.NODES_NOT_READY, "node x is stuck", "rollout resume"), samples.after(10))
    lines.show()
    lines.show()
    printed = capsys.readouterr()
    wait, halted = objects(printed.out)
    assert printed.err == ""
    assert {one["rollout"] for one in (wait, halted)} == {samples.ID}
    assert (wait["kind"], wait["level"], wait["phase"], wait["reason"]) == ("wait", "info", "DRAIN", "JobsRunning")
    assert wait["node"] == samples.node(1).name
    assert (halted["kind"], halted["level"], halted["reason"]) == ("halted", "error", "NodesNotReady")
    assert halted["next"] == f"rollout resume --config {tmp_path}/rollout.yaml"
    assert halted["message"].endswith(f"; next: {halted['next']}")
    assert halted["hash"] == journal.events(samples.ID)[-1].hash


@pytest.mark.usefixtures("as_json")
def test_each_line_goes_to_its_stream(capsys: pytest.CaptureFixture[str]) -> None:
    """As in text; a library's warning, and Python's, follow on stderr."""
    screen.say("two\nlines")
    screen.say("warning: beware", err=True)
    logging.getLogger("sqlalchemy").warning("retrying %s", "it")  # not urllib3: who connects to AWS keeps it silent
    warnings.showwarning("old", DeprecationWarning, "file.py", 1)
    printed = capsys.readouterr()
    assert [(one["level"], one["message"]) for one in objects(printed.out)] == [("info", "two\nlines")]
    beware, retrying, old = objects(printed.err)
    assert (beware["level"], beware["kind"], beware["message"]) == ("warning", "note", "warning: beware")
    assert (retrying["kind"], retrying["message"]) == ("library", "retrying it")
    assert "DeprecationWarning" in old["message"]
