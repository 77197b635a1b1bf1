"""Agents and what runs on them, as Jenkins does it: the `durable-task` plugin's way to run a shell script.

The script is detached from the agent that starts it; its output and its exit code go to files beside the workspace. Who
waits for it looks at those files, and may be another process than the one that started it. What is to be stopped is
found by a cookie in its environment, and gets SIGTERM.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import Event

#: Seconds of real time between two looks at a script's files.
LOOK = 0.05

#: The exit code of a script that was found gone.
GONE = -1

#: Detached; the exit code's file is whole as soon as it is there.
_WRAPPER = """
JENKINS_SERVER_COOKIE="$2" sh -xe "$1/script.sh" >"$1/log" 2>&1
echo $? >"$1/result.tmp"
mv "$1/result.tmp" "$1/result"
"""


class Agent:
    """A machine with a workspace; nothing of it is left when it is removed."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.workspace = folder / "workspace"
        self.workspace.mkdir(parents=True)
        self._control = folder / "workspace@tmp"
        self._cookie = secrets.token_hex(8)
        self._environment = {**environment, "HOME": str(folder), "JENKINS_NODE_COOKIE": self._cookie}
        self._wrappers: list[subprocess.Popen[bytes]] = []
        #: Jenkins has given this agent up.
        self.lost = Event()
        self.reachable = True
        self.tasks: list[Task] = []

    def run(self, script: str, environment: Mapping[str, str]) -> Task:
        """Start a script in the workspace and return at once."""
        task = Task(self._control / f"durable-{secrets.token_hex(4)}")
        task.control.mkdir(parents=True)
        (task.control / "script.sh").write_text(script, encoding="utf-8")
        wrapper = subprocess.Popen(
            ["/bin/sh", "-c", _WRAPPER, "sh", str(task.control), task.cookie],
            env={**self._environment, **environment, "JENKINS_SERVER_COOKIE": "please-do-not-kill-me"},
            cwd=self.workspace,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._wrappers.append(wrapper)
        self.tasks.append(task)
        return task

    def lose(self) -> None:
        """Let Jenkins give it up, though what runs there goes on."""
        self.reachable = False
        self.lost.set()

    def remove(self) -> None:
        """End the machine: its processes and its disk are gone."""
        self.end()
        shutil.rmtree(self.workspace.parent)
        self.lose()

    def reboot(self) -> None:
        """End all that runs here; Jenkins notes of a script that nobody keeps alive any more that it is gone."""
        self.end()
        for task in self.tasks:
            if task.status is None:
                (task.control / "result").write_text(str(GONE), encoding="utf-8")

    def end(self) -> None:
        """Kill what runs here, in any state."""
        _signal(f"JENKINS_NODE_COOKIE={self._cookie}", signal.SIGKILL)
        for wrapper in self._wrappers:
            wrapper.wait()


class Task:
    """A script that runs, or ran, on an agent; anybody who knows its folder can wait for it."""

    def __init__(self, control: Path) -> None:
        self.control = control
        self.cookie = control.name

    @property
    def status(self) -> int | None:
        """Its exit code; None while it runs."""
        with contextlib.suppress(FileNotFoundError):
            return int((self.control / "result").read_text(encoding="utf-8"))
        return None

    def ended(self) -> int:
        """Wait for its exit code."""
        while (status := self.status) is None:
            time.sleep(LOOK)
        return status

    @property
    def log(self) -> str:
        """What it has printed so far."""
        with contextlib.suppress(FileNotFoundError):
            return (self.control / "log").read_text(encoding="utf-8")
        return ""

    def signal(self, number: signal.Signals) -> None:
        """Signal every process of it."""
        _signal(f"JENKINS_SERVER_COOKIE={self.cookie}", number)


def _signal(cookie: str, number: signal.Signals) -> None:
    for pid in _carrying(cookie.encode()):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _carrying(cookie: bytes) -> Iterator[int]:
    """Yield the processes that have this in their environment."""
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if folder.name.isdigit() and cookie in (folder / "environ").read_bytes().split(b"\0"):
                yield int(folder.name)
