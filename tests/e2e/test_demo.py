"""The first command of the README, as a newcomer types it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

from rollout.errors import RESUMABLE
from tests.e2e.simulated import PATIENCE, ROLLOUT, environment


def test_the_demo_is_killed_resumed_and_proves_itself(tmp_path: Path) -> None:
    """It says that it was killed, goes on with the same rollout, and ends every promise held: exit 0, no warning."""
    command = [str(ROLLOUT), "demo"]
    ended = subprocess.run(
        command, env=environment(tmp_path, {"TMPDIR": str(tmp_path)}), capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "warning:" not in ended.stdout + ended.stderr
    before, killed, after = ended.stdout.partition("killed with SIGKILL")
    assert killed
    ids = [re.findall(r"^\d{8}-\d{6}-[0-9a-f]{4}$", half, flags=re.MULTILINE) for half in (before, after)]
    assert ids[0] == ids[1] != []
    assert "Jobs killed: 0" in after
    assert "done: 4 nodes replaced" in after
    assert {int(number) for number in re.findall(r"^  held .*?(\d+)\. ", after, flags=re.MULTILINE)} >= set(
        range(1, 11)
    ) - {7}
    assert "BROKEN" not in after
    assert "DIFFERS" not in after
    page = Path(re.findall(r"^report: (.*)$", after, flags=re.MULTILINE)[-1])
    assert ids[0][0] in page.read_text(encoding="utf-8")


def test_ctrl_c_ends_all_of_the_demo_in_two_lines(tmp_path: Path) -> None:
    """Before its kill: exit 75, no traceback, nothing to resume, and none of its processes lives on."""
    around = environment(tmp_path, {"TMPDIR": str(tmp_path)})
    demo = subprocess.Popen(
        [str(ROLLOUT), "demo"],
        env=around,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    for line in demo.stdout or ():
        if "SURGE" in line:
            break
    os.killpg(demo.pid, signal.SIGINT)
    _, told = demo.communicate(timeout=PATIENCE)  # until the last of them has closed its streams
    assert (demo.returncode, told) == (
        RESUMABLE,
        "rollout: interrupted by SIGINT\n  next: run the same command again\n",
    )
