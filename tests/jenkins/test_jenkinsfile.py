"""The Jenkinsfile is Groovy that its own parser accepts, and says what keeps a rollout whole when agents vanish."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from rollout.config import Deadlines
from tests.jenkins.groovy import JENKINSFILE, ROOT, Call, Parsed, parse
from tests.tools import tool

#: What breaks the Jenkinsfile: a place in its text, and what stands there instead.
BROKEN = {
    "a brace is missing": ("agent none", "agent { none"),
    "a brace too many": ("agent none", "agent none }"),
    "a quote is missing": ("'rollout-journal'", "'rollout-journal"),
    "a comma is missing": ("numToKeepStr: '100'", "numToKeepStr: '100' daysToKeepStr: '9'"),
    "a list is open": ("[agent(), nonresumable()]", "[agent(), nonresumable()"),
    "an operator is missing": ("int i = 0;", "int i 0;"),
}
#: What Jenkins sets for a build, and the Jenkinsfile once it knows.
SET = {"BUILD_TAG", "ROLLOUT"}
#: The commands that wait for the world.
LONG = r"rollout (start|resume|ami build)\b"


@pytest.fixture(scope="module")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Parsed]:
    """What Groovy makes, in one process, of the Jenkinsfile, under "", and of each broken one, by what breaks it."""
    files = {"": JENKINSFILE}
    folder = tmp_path_factory.mktemp("broken")
    text = JENKINSFILE.read_text(encoding="utf-8")
    for number, (why, (right, wrong)) in enumerate(BROKEN.items()):
        assert right in text
        files[why] = folder / f"{number}"
        files[why].write_text(text.replace(right, wrong, 1), encoding="utf-8")
    return dict(zip(files, parse(*files.values()), strict=True))


@pytest.fixture
def jenkinsfile(parsed: dict[str, Parsed]) -> Parsed:
    """The Jenkinsfile, parsed."""
    return parsed[""]


def scripts(parsed: Parsed) -> list[str]:
    """The shell scripts, as Groovy hands them to the shell."""
    given = [call.named.get("script", call.arguments[0]) for call in parsed.of("sh")]
    assert all(isinstance(one, str) for one in given), "a script is interpolated by Groovy, not by the shell"
    return given


def test_groovy_accepts_it_and_nothing_that_is_broken(parsed: dict[str, Parsed]) -> None:
    """The parser finds no fault with it, and one with each that was made less than Groovy."""
    assert [why for why, found in parsed.items() if not found.error] == [""]
    assert len(parsed) == 1 + len(BROKEN)


def test_the_retry_stands_around_the_rollouts_agent(jenkinsfile: Parsed) -> None:
    """Of all stages, in the options of the one that asks for an agent and calls the rollout, on loss alone."""
    (retry,) = jenkinsfile.of("retry")
    assert retry.inside == ("pipeline", "stages", "stage Rollout", "options")
    conditions = [one["code"] for one in retry.named["conditions"]]
    assert conditions == ["this.agent()", "this.nonresumable()"]
    assert retry.named["count"] > 1
    inside = [call.name for call in jenkinsfile.calls if call.inside[:3] == retry.inside[:3]]
    assert {"agent", "rollOut"} <= {*inside}


def test_what_is_read_from_a_workspace_was_put_there_in_the_same_agent(jenkinsfile: Parsed) -> None:
    """A stage that gets an agent empties its folder and takes what it needs from a stash, before it runs any script."""
    for block in (("stage Checkout",), ("stage Image",), ("stage Rollout",), ("def keepEvidence",)):
        steps = [call.name for call in jenkinsfile.calls if {*block} <= {*call.inside}]
        ran = [
            name for name in steps if name in {"deleteDir", "checkout", "unstash", "sh", "rollOut", "archiveArtifacts"}
        ]
        assert ran[0] == "deleteDir", block
        assert ran[1] in {"checkout", "unstash"}, block
        assert ran.count("deleteDir") == 1, block


def test_no_secret_and_no_journal_is_in_a_command(jenkinsfile: Parsed) -> None:
    """The shell reads all values from its environment: parameters, and what Jenkins sets; the password, nowhere."""
    parameters = {call.named["name"] for call in jenkinsfile.of("string") if "name" in call.named}
    used = {name for script in scripts(jenkinsfile) for name in re.findall(r"\$\{?([A-Z_]+)", script)}
    assert used <= parameters | SET
    assert not [script for script in scripts(jenkinsfile) if "--database" in script]
    assert [call.named["variable"] for call in jenkinsfile.of("string") if "variable" in call.named] == ["PGPASSWORD"]


def test_a_parameter_is_never_an_option() -> None:
    """Each value of a command is one word, and stands after an option of ours, or after `--`: RESUME was an option."""
    lines = [
        line for line in JENKINSFILE.read_text(encoding="utf-8").splitlines() if re.search(r"rollout |--ami ", line)
    ]
    values = [found for line in lines for found in re.finditer(r"(\S+)? ?(.)\$([A-Z_]+)\b", line)]
    assert {found[3] for found in values} >= {"RESUME", "ROLLOUT", "CONFIG", "AMI", "ACCOUNT"}
    for found in values:
        if found[3] not in {"REGION", "BUILD_TAG"}:  # behind `name=` inside of a word
            assert found[2] == '"', found.string
            assert (found[1] or "").startswith("-"), found.string


def test_a_signal_reaches_what_works(jenkinsfile: Parsed) -> None:
    """What runs for long takes the shell's place, and the rollout is named by what a retry does not change."""
    long = [line.strip() for script in scripts(jenkinsfile) for line in script.splitlines() if re.search(LONG, line)]
    assert len(long) == 3
    assert [line for line in long if "exec rollout" not in line] == []
    assert any('--key "$ROLLOUT"' in line for line in long)


def test_nothing_ends_a_rollout_before_its_deadlines(jenkinsfile: Parsed) -> None:
    """The timeout is twice what a rollout may take; no build aborts another one; a build survives Jenkins itself."""
    options = {call.name: call for call in jenkinsfile.calls if call.inside == ("pipeline", "options")}
    deadlines = Deadlines()
    longest = deadlines.in_service + deadlines.ready + deadlines.drain + deadlines.blocked
    assert _seconds(options["timeout"]) > 2 * longest
    assert options["disableConcurrentBuilds"].arguments == ()
    assert options["durabilityHint"].arguments == ("MAX_SURVIVABILITY",)


def _seconds(timeout: Call) -> float:
    assert timeout.named["unit"] == "HOURS"
    return float(timeout.named["time"]) * 3600


@pytest.mark.parametrize(
    ("status", "listed", "whole"),
    [(0, 0, True), (2, 0, True), (2, 2, False), (2, 75, False), (75, 75, False), (77, 0, False), (1, 0, False)],
)
def test_evidence_that_cannot_be_read_is_told(
    jenkinsfile: Parsed, tmp_path: Path, status: int, listed: int, *, whole: bool
) -> None:
    """A rollout that a journal which answers does not know was never begun, and has none; a 2 alone says no such thing.

    It is also the answer to a refused password, and to a journal that is lost.
    """
    (script,) = (one for one in scripts(jenkinsfile) if "mkdir evidence" in one)
    stub = tmp_path / "rollout"
    stub.write_text(
        f"#!/bin/sh\ncase $1 in status) exit {status} ;; list) exit {listed} ;; esac\n",
        encoding="utf-8",
    )
    stub.chmod(0o755)
    given = {"PATH": f"{tmp_path}:{os.defpath}", "ROLLOUT": "job/7", "CONFIG": "rollout.yaml"}
    ran = subprocess.run(["/bin/sh", "-xec", script], cwd=tmp_path, env=given, capture_output=True, check=False)
    assert (ran.returncode == 0) is whole, ran.stderr
    assert (tmp_path / "evidence/rollout.jsonl").exists() is (status == 0)


def test_shellcheck_finds_no_fault_with_the_scripts(jenkinsfile: Parsed) -> None:
    """They are plain sh, as Jenkins runs them."""
    for script in scripts(jenkinsfile):
        checked = subprocess.run(
            [tool("shellcheck"), "--shell=sh", "-"], input=script, capture_output=True, text=True, check=False
        )
        assert checked.returncode == 0, checked.stdout


def test_the_page_names_what_a_build_is_given(jenkinsfile: Parsed) -> None:
    """Each parameter, the agents' label and the credential stand in docs/running.md."""
    page = (ROOT / "docs/running.md").read_text(encoding="utf-8")
    given = [call.named["name"] for call in jenkinsfile.of("string") if "name" in call.named]
    given += [str(call.arguments[0]) for call in (*jenkinsfile.of("label"), *jenkinsfile.of("node"))]
    assert [name for name in (*given, "JOURNAL_CREDENTIAL", "rollout-journal") if f"`{name}`" not in page] == []


def test_the_page_shows_variables_that_the_template_has() -> None:
    """Each that its example of packer/site.auto.pkrvars.hcl sets is the template's; so is each `--var` of the build."""
    (example,) = re.findall(
        r"^```hcl\n(.*?)^```", (ROOT / "docs/running.md").read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    set_ = re.findall(r"^(\w+) +=", example, flags=re.MULTILINE)
    set_ += re.findall(r'--var "(\w+)=', JENKINSFILE.read_text("utf-8"))
    known = re.findall(r'^variable "(\w+)"', (ROOT / "packer/variables.pkr.hcl").read_text("utf-8"), flags=re.MULTILINE)
    assert len(set_) > len(example.splitlines())
    assert {*set_} <= {*known}
