""".github/: the reusable workflow is whole, and its scripts do what docs/running.md says, with `rollout` played.

GitHub itself is not there: bash runs the scripts as a runner does.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.deploy.test_kubernetes import CONFIG, verdict
from tests.deploy.test_running import blocks
from tests.test_docs import README, ROOT, parse
from tests.tools import tool


def read(text: str) -> dict[str, Any]:
    return dict(YAML(typ="safe").load(text))


CALLED = read((ROOT / ".github/workflows/rollout.yml").read_text("utf-8"))
ACTION = read((ROOT / ".github/actions/rollout/action.yml").read_text("utf-8"))
(CALLER,) = (read(block) for block in blocks("yaml") if "workflow_dispatch" in block)
(FIRST, AGAIN) = CALLED["jobs"].values()
STEPS = {step["name"]: step for step in ACTION["runs"]["steps"]}
RUN, EVIDENCE = STEPS["Roll out"], STEPS["Read the evidence"]


def expressions(value: Any) -> Iterator[str]:
    """Every name of GitHub's contexts that is used in a value, at any depth."""
    if isinstance(value, dict):
        for one in value.values():
            yield from expressions(one)
    elif isinstance(value, list):
        for one in value:
            yield from expressions(one)
    else:
        for expression in re.findall(r"\$\{\{(.*?)\}\}", str(value)):
            yield from re.findall(r"\b(?:inputs|secrets|github|needs|steps|jobs)(?:\.[\w-]+)+", expression)


def named(value: Any, context: str) -> set[str]:
    return {one.split(".")[1] for one in expressions(value) if one.split(".")[0] == context}


# ---- what is handed on


def test_each_name_that_is_used_is_given() -> None:
    """Of inputs and secrets, in the workflow, in its action, and in the page's workflow that calls it."""
    call = CALLED["on"]["workflow_call"]
    assert named(CALLED["jobs"], "inputs") | named(CALLED["concurrency"], "inputs") == set(call["inputs"])
    assert named(CALLED["jobs"], "secrets") == set(call["secrets"])
    assert named(ACTION["runs"], "inputs") == set(ACTION["inputs"])
    assert named(ACTION["runs"], "secrets") == set(), "an action has none: it is given them"
    (job,) = CALLER["jobs"].values()
    assert (ROOT / job["uses"]).is_file()
    required = {name for name, one in call["inputs"].items() if one.get("required")}
    assert required <= set(job["with"]) <= set(call["inputs"])
    assert set(job["secrets"]) == set(call["secrets"])
    assert named(job, "inputs") == set(CALLER["on"]["workflow_dispatch"]["inputs"])


def test_both_jobs_are_one() -> None:
    """They differ in when they run only, and hand the action all that it asks for."""
    assert {**AGAIN, "needs": None, "if": None} == {**FIRST, "needs": None, "if": None}
    (step,) = (step for step in FIRST["steps"] if step.get("uses", "").startswith("./"))
    assert (ROOT / step["uses"] / "action.yml").is_file()
    assert set(step["with"]) == set(ACTION["inputs"])
    assert step["with"]["key"] == "github-${{ github.run_id }}", "another attempt of a run keeps its id"
    assert CALLED["on"]["workflow_call"]["outputs"]["code"]["value"].split() == [
        *("${{", "jobs.again.outputs.code", "||", "jobs.first.outputs.code", "}}")
    ]


@pytest.mark.parametrize(
    ("cancelled", "result", "code", "goes_on"),
    [
        (False, "failure", "", True),
        (False, "cancelled", "", True),
        (False, "failure", "75", True),
        (False, "success", "0", False),
        *((False, "failure", str(code), False) for code in (1, 2, 70, 76, 77, 137)),
        (True, "cancelled", "", False),
        (True, "failure", "75", False),
    ],
)
def test_another_runner_goes_on_where_the_first_was_lost(
    result: str, code: str, *, cancelled: bool, goes_on: bool
) -> None:
    """Its condition, evaluated as GitHub does: no word of the first one, or 75, and nobody cancelled the run."""
    condition = AGAIN["if"].removeprefix("${{").removesuffix("}}").strip()
    assert AGAIN["needs"] == "first"
    python = condition.replace("!cancelled()", "not cancelled").replace("&&", "and").replace("||", "or")
    python = python.replace("needs.first.result", "result").replace("needs.first.outputs.code", "code")
    python = re.sub(r"contains\(fromJSON\('(.*?)'\), (.*)\)", r"(\2) in \1", python)
    assert eval(python, {"cancelled": cancelled, "result": result, "code": code}) is goes_on  # noqa: S307


def test_no_input_is_pasted_into_a_shell() -> None:
    """Inputs and secrets come through the environment: in the shell's text they would be run."""
    assert [step["name"] for step in STEPS.values() if "${{" in step.get("run", "")] == []


def test_the_workflow_cuts_no_drain_short() -> None:
    """It may last longer than all deadlines together, its credentials as long, and a second run cancels nobody."""
    settings = CONFIG.settings()
    deadlines = (settings.in_service_seconds, settings.ready_seconds, settings.drain_seconds, settings.blocked_seconds)
    assert sum(deadlines) < FIRST["timeout-minutes"] * 60 < 6 * 3600
    (credentials,) = (step["with"] for step in FIRST["steps"] if "role-to-assume" in step.get("with", {}))
    assert credentials["role-duration-seconds"] >= FIRST["timeout-minutes"] * 60
    assert CALLED["concurrency"]["cancel-in-progress"] is False
    assert CALLED["permissions"] == CALLER["permissions"] == {"contents": "read", "id-token": "write"}


def test_shellcheck_finds_no_fault_with_the_scripts() -> None:
    """They are bash, as a runner runs them."""
    for step in STEPS.values():
        if "run" in step:
            command = [str(tool("shellcheck")), "--shell=bash", "-"]
            checked = subprocess.run(command, input=step["run"], capture_output=True, text=True, check=False)
            assert checked.returncode == 0, checked.stdout


# ---- what the scripts do

#: Notes its arguments, and ends with the next code of its list; "wait": it says so, and ends with 75 when asked to.
PLAYED = f"""#!{sys.executable}
import pathlib, signal, sys
here = pathlib.Path(__file__).parent
with (here / "calls").open("a") as calls:
    calls.write(repr(sys.argv[1:]) + "\\n")
code, _, rest = (here / "codes").read_text().partition(" ")
(here / "codes").write_text(rest)
if code == "wait":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(75))
    print("waiting", flush=True)
    signal.pause()
print(sys.argv[1])
sys.exit(int(code))
"""


@dataclass(frozen=True)
class Played:
    """A folder with a `rollout` and a `sleep` that take no time, first on the PATH."""

    folder: Path

    def spawn(self, step: dict[str, Any], *codes: object, **given: str) -> subprocess.Popen[str]:
        """Run a step's script as a runner does, while `rollout` ends with these codes, one after the other."""
        for name, text in (("rollout", PLAYED), ("sleep", '#!/bin/sh\necho "$1" >> "$0s"\n')):
            (self.folder / name).write_text(text)
            (self.folder / name).chmod(0o755)
        (self.folder / "codes").write_text(" ".join(map(str, codes)))
        (self.folder / "script").write_text(step["run"])
        around = {"PATH": f"{self.folder}:{os.environ['PATH']}", "GITHUB_OUTPUT": str(self.folder / "output")}
        environment = dict.fromkeys(step["env"], "") | {"CONFIG": "rollout.yaml"} | around | given
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(self.folder / "script")]
        return subprocess.Popen(command, cwd=self.folder, env=environment, stdout=subprocess.PIPE, text=True)

    def ran(self, step: dict[str, Any], *codes: object, **given: str) -> int:
        """Run it to its end."""
        with self.spawn(step, *codes, **given) as process:
            process.communicate()
        return process.returncode

    @property
    def calls(self) -> list[list[str]]:
        """The arguments of each call of `rollout`."""
        return [eval(line) for line in (self.folder / "calls").read_text().splitlines()]  # noqa: S307

    @property
    def code(self) -> str:
        """The output of the step."""
        return (self.folder / "output").read_text()


@pytest.fixture
def played(tmp_path: Path) -> Played:
    return Played(tmp_path)


def test_it_starts_a_rollout_with_what_it_is_given(played: Played) -> None:
    """Its command can be typed, and nothing of an input is run or split."""
    key = "a b; $(touch pwned) `touch pwned` '\""
    assert played.ran(RUN, 0, AMI="ami-0000000b", KEY=key) == 0
    (call,) = played.calls
    assert call == ["start", "--config", "rollout.yaml", "--ami", "ami-0000000b", "--key", key]
    parse(call)
    assert not (played.folder / "pwned").exists()
    assert played.code == "code=0\n"


def test_it_resumes_where_it_is_told_to(played: Played) -> None:
    """Also a rollout whose key begins like an option."""
    assert played.ran(RUN, 0, AMI="ami-0000000b", KEY="k", RESUME="-build 7") == 0
    assert played.calls == [["resume", "--config", "rollout.yaml", "--", "-build 7"]]


JENKINSFILE = (ROOT / "Jenkinsfile").read_text("utf-8")
TABLE = [int(code) for code in re.findall(r"^\| (\d+) \|", README, flags=re.MULTILINE)]


@pytest.mark.parametrize("code", [*TABLE, 126, 127, 128, 129, 137, 143])
def test_exit_codes_mean_what_they_mean_to_jenkins(code: int, played: Played) -> None:
    """The same ones ask for the same command again, a minute later, and as often; all else is for a person."""
    times, again = re.findall(r"i < (\d) && \(code in \[([\d, ]+)\] \|\| code > 128 ", JENKINSFILE)[0]
    runs_again = code in {int(one) for one in again.split(",")} or code > 128
    assert runs_again == (verdict(code) == "Count") or code in {0, 126, 127, 128}
    assert played.ran(RUN, *[code] * 9, KEY="k") == code
    assert len(played.calls) == (int(times) if runs_again else 1)
    assert len({str(call) for call in played.calls}) == 1
    slept = (played.folder / "sleeps").read_text().split() if runs_again else []
    assert slept == ["60"] * (len(played.calls) - 1)
    assert played.code == f"code={code}\n"


def test_it_goes_on_until_it_is_done(played: Played) -> None:
    """What was interrupted, killed, and done then, is done."""
    assert played.ran(RUN, 75, 137, 70, 0, KEY="k") == 0
    assert (len(played.calls), played.code) == (4, "code=0\n")


@pytest.mark.parametrize("sent", [(signal.SIGINT,), (signal.SIGTERM,), (signal.SIGINT, signal.SIGTERM)])
def test_a_cancelled_run_stops_rollout_and_runs_nothing_again(sent: Sequence[signal.Signals], played: Played) -> None:
    """GitHub signals the shell alone; the process behind it ends by itself, and the step with 75."""
    with played.spawn(RUN, "wait", 0, KEY="k") as process:
        assert process.stdout
        assert process.stdout.readline() == "waiting\n"
        for number in sent:
            process.send_signal(number)
        assert process.wait(60) == 75
    assert (len(played.calls), played.code) == (1, "code=75\n")


# ---- the evidence


def test_the_evidence_is_what_jenkins_keeps(played: Played) -> None:
    """The same commands, in the same order, for the rollout that was worked."""
    assert played.ran(EVIDENCE, 0, 0, 0, 0, ROLLOUT="k") == 0
    commands = [" ".join(one for one in call if not one.startswith("-")).split()[0] for call in played.calls]
    kept = re.findall(r"^ +(?:2\) exec )?rollout (\w+)", JENKINSFILE.partition("def keepEvidence")[2], re.MULTILINE)
    assert commands == [name for name in kept if name != "list"]
    for call in played.calls:
        parse(call)
        assert call[-2:] == ["--", "k"]
    files = {path.name for path in (played.folder / "evidence").iterdir()}
    assert files == {"status.txt", "events.txt", "rollout.jsonl"}, "the report is written by the command itself"


@pytest.mark.parametrize(("codes", "ends"), [((2, 0), 0), ((2, 2), 2), ((1,), 1), ((0, 75), 75)])
def test_what_was_never_begun_needs_no_evidence(codes: tuple[int, ...], ends: int, played: Played) -> None:
    """Only where the journal answers; evidence that cannot be read fails the step."""
    assert played.ran(EVIDENCE, *codes, ROLLOUT="k") == ends
    assert played.calls[-1][0] == {0: "events", 1: "status", 2: "list"}[codes[0]]


def test_the_evidence_is_kept_however_it_ended() -> None:
    """Both steps run after a failure too."""
    assert {STEPS[name]["if"] for name in ("Read the evidence", "Keep the evidence")} == {"always()"}
