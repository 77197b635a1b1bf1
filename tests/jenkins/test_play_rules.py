"""The play of Jenkins is as strict as Jenkins: what is proved on it would not be proved by a play that forgives."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.jenkins.groovy import command

#: Each starts a Java of its own.
pytestmark = pytest.mark.exhaustive

STAGE = (
    "agent {{ label 'rollout' }}\n options {{ retry(count: 3, conditions: [{conditions}]) }}\n steps {{ sh 'work' }}"
)
LOST: dict[str, Any] = {"failure": "agent", "text": "lost"}
RESTARTED: dict[str, Any] = {"failure": "nonresumable", "text": "restarted"}
ABORTED: dict[str, Any] = {"failure": "interrupted", "text": "aborted"}
WELL: dict[str, Any] = {"value": 0}
BADLY: dict[str, Any] = {"value": 1}


def played(folder: Path, stage: str, answers: Sequence[dict[str, Any]]) -> tuple[int, str]:
    """Play one stage, whose scripts end like this; return how many agents it took, and the result or the complaint."""
    file = folder / "Jenkinsfile"
    file.write_text(
        f"pipeline {{ agent none\n options {{ timestamps() }}\n parameters {{ }}\n environment {{ }}\n"
        f"stages {{ stage('One') {{ {stage} }} }}\n post {{ always {{ script {{ }} }} }} }}"
    )
    left = iter(answers)
    asked: list[str] = []
    result = ""
    with subprocess.Popen(
        command("play.groovy", str(file), json.dumps({"env": {}, "params": {}})),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as groovy:
        assert groovy.stdin
        assert groovy.stderr
        for line in groovy.stdout or ():
            question = json.loads(line)
            asked.append(question["step"])
            result = question.get("result", "")
            groovy.stdin.write(json.dumps(next(left) if question["step"] == "sh" else WELL) + "\n")
            groovy.stdin.flush()
        return asked.count("node"), result or groovy.stderr.read()


@pytest.mark.parametrize(
    ("conditions", "answers", "agents", "result"),
    [
        ("agent(), nonresumable()", [LOST, RESTARTED, WELL], 3, "SUCCESS"),
        ("agent(), nonresumable()", [LOST, LOST, LOST], 3, "FAILURE"),
        ("agent(), nonresumable()", [BADLY], 1, "FAILURE"),
        ("agent(), nonresumable()", [ABORTED], 1, "ABORTED"),
        ("nonresumable()", [LOST], 1, "FAILURE"),
    ],
)
def test_a_retry_is_for_what_it_names(
    tmp_path: Path, conditions: str, answers: Sequence[dict[str, Any]], agents: int, result: str
) -> None:
    """Each try gets an agent of its own, as often as the count says; what is no condition of it ends the build."""
    assert played(tmp_path, STAGE.format(conditions=conditions), answers) == (agents, result)


@pytest.mark.parametrize(
    ("stage", "complaint"),
    [
        ("agnet { label 'rollout' }\n steps { sh 'work' }", "agnet is not known in stage"),
        ("agent { label 'rollout' }\n sh 'work'", "sh is not known in stage"),
        (
            "agent { label 'rollout' }\n options { retrry(count: 3) }\n steps { sh 'work' }",
            "retrry is not known in options",
        ),
        ("agent { label 'rollout' }\n steps { shh 'work' }", "shh"),
    ],
)
def test_what_jenkins_does_not_know_is_refused(tmp_path: Path, stage: str, complaint: str) -> None:
    """A directive or step that is misspelt, or stands in the wrong place, ends the play."""
    assert complaint in played(tmp_path, stage, [WELL])[1]
