"""docs/running.md: what it shows for systemd and cron is whole, and does what the page says of it."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from configparser import RawConfigParser
from pathlib import Path

import pytest

from tests.deploy.manifests import FOLDER
from tests.deploy.test_kubernetes import verdict
from tests.test_docs import ROOT, parse

PAGE = (ROOT / "docs/running.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    """The page's code blocks in this language."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)


def rollouts(text: str) -> list[list[str]]:
    """The arguments of each `rollout` that is called in a text by its path or behind `exec` or `--`."""
    lines = [shlex.split(line, comments=True) for line in text.replace("\\\n", " ").splitlines() if "rollout " in line]
    found = [(line, index) for line in lines for index, word in enumerate(line) if word.rpartition("/")[2] == "rollout"]
    return [line[index + 1 :] for line, index in found if line[index] != "rollout" or line[index - 1] == "--"]


# ---- a host


def unit(kind: str) -> RawConfigParser:
    """One of the page's systemd units."""
    (text,) = (block for block in blocks("ini") if f"rollout.{kind}\n" in block)
    parser = RawConfigParser(delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(text)
    return parser


def test_systemd_leaves_to_people_what_kubernetes_does() -> None:
    """The exit codes after which it does not try again are those after which a Job fails."""
    service = unit("service")["Service"]
    for_people = {int(code) for code in service["RestartPreventExitStatus"].split()}
    assert for_people == {code for code in range(1, 128) if verdict(code) == "FailJob"}
    assert service["Restart"] == "on-failure"
    assert int(service["TimeoutStopSec"]) > 15


@pytest.mark.parametrize("text", [*blocks("ini"), *blocks("cron"), *blocks("console")])
def test_its_other_commands_can_be_typed(text: str) -> None:
    """Every call of `rollout`, by a path or in a container, has arguments that it takes."""
    for arguments in rollouts(text.replace("ExecStart=", "")):
        parse(arguments)


def test_the_host_calls_it_the_same_way_everywhere() -> None:
    """The service and both lines of cron run one command, so that each goes on with what another began."""
    (service,) = rollouts(unit("service")["Service"]["ExecStart"])
    (crontab,) = blocks("cron")
    assert [re.sub(r"\$(\w+)", r"${\1}", shlex.join(one)).replace("'", "") for one in rollouts(crontab)] == [
        shlex.join(service).replace("'", "")
    ] * 2


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_finds_nothing_wrong(tmp_path: Path) -> None:
    """Both units are read by systemd itself, without a word."""
    for kind in ("service", "timer"):
        (text,) = (block for block in blocks("ini") if f"rollout.{kind}\n" in block)
        # Here nothing is installed at that path.
        (tmp_path / f"rollout.{kind}").write_text(text.replace("/usr/local/bin/rollout", shutil.which("true") or ""))
    units = [str(tmp_path / f"rollout.{kind}") for kind in ("service", "timer")]
    ended = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
    )
    ours = [line for line in ended.stderr.splitlines() if "rollout." in line]
    assert (ended.returncode, ours) == (0, [])


def test_the_page_names_the_files_that_are_there() -> None:
    """Each file that it says to put something into is in deploy/kubernetes/."""
    section = PAGE.partition("## Kubernetes")[2].partition("\n## ")[0]
    named = set(re.findall(r"`([\w-]+\.yaml)`", section)) | set(re.findall(r"deploy/kubernetes/([\w.-]+)", section))
    assert named - {path.name for path in FOLDER.iterdir()} == set()
