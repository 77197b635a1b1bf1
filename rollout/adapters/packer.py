"""The real Packer, run in its template's folder; its output goes to our standard error as it comes.

Asked to stop, Packer cleans up after itself: it terminates its instance, and deletes key pair and security group. So
when we are told to stop it is told, once, and we wait for its end, however long that takes. It is told by SIGTERM, also
if we got another signal: its outer process hands SIGTERM to the inner one, ignores SIGINT, and dies of SIGHUP. It has a
process group of its own, because Ctrl-C in a terminal would reach its plugins as well. Killed, we cannot tell it
anything; on Linux the kernel does.
"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rollout.errors import FOR_A_PERSON, RESUMABLE, UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

_GET_PACKER = "install Packer 1.7 or newer, so that it is on PATH: https://developer.hashicorp.com/packer/install"
# The first Packer that knows `packer init` and the block `required_plugins`.
_INIT = (1, 7)
_STDERR = 2
# PR_SET_PDEATHSIG of prctl(2): which signal the kernel sends to a process when its parent has ended.
_WHEN_THE_PARENT_ENDS = 1
# An agent's abort, Ctrl-C, a terminal that was closed.
_STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Packer:
    """The Packer on PATH, for the template in one folder."""

    def __init__(self, folder: Path) -> None:
        """Raise `UserError` where there is no template, no Packer, or one too old for the template."""
        if not any(folder.glob("*.pkr.hcl")):
            raise UserError(
                f"there is no Packer template (*.pkr.hcl) in {folder}", hint="name its folder: --packer-dir"
            )
        self._folder = folder
        self._program, version = _found()
        self._plugins = _wants_plugins(folder)
        if self._plugins and version < _INIT:
            named = ".".join(map(str, version))
            raise UserError(f"{self._program} is Packer {named}, which knows no required_plugins", hint=_GET_PACKER)

    def build(self, arguments: Sequence[str]) -> None:
        """Fetch the plugins that the template asks for, and build it with these arguments.

        Raises `UserError`: exit 1 where Packer fails, 75 where somebody asked us to stop.
        """
        if self._plugins:
            self._run("init", ".")
        color = () if os.isatty(_STDERR) else ("-color=false",)
        self._run("build", *color, *arguments, ".")

    def _run(self, verb: str, *arguments: str) -> None:
        with _relay() as relay:
            process = self._begun(verb, *arguments)
            relay.to(process)
            code = process.wait()
        if relay.heard:
            raise UserError(
                f"packer {verb} was stopped by {relay.heard.name}, and has ended ({_ending(code)})",
                hint="run the same command again",
                exit_code=RESUMABLE,
            )
        if code:
            raise UserError(
                f"packer {verb} failed ({_ending(code)}); its own words are above",
                hint="correct what it names, and run the same command again; PACKER_LOG=1 makes it say more",
                exit_code=FOR_A_PERSON,
            )

    def _begun(self, *arguments: str) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(  # noqa: S603  the operator's own Packer, with the operator's arguments
                [self._program, *arguments],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,  # who reads a terminal from another process group is stopped
                stdout=_STDERR,
                process_group=0,
                preexec_fn=_told_by_the_kernel(),  # noqa: PLW1509  we have one thread, and prctl takes no lock
            )
        except OSError as error:  # a folder that nobody may enter, a variable longer than the system takes
            raise UserError(
                f"{self._program} cannot be run in {self._folder}: {error}", hint="packer build, by hand, says more"
            ) from error


def _found() -> tuple[str, tuple[int, ...]]:
    """Return the Packer on PATH and its version. Raises `UserError` where there is none."""
    program = shutil.which("packer")
    if program is None:
        raise UserError("Packer is not on PATH", hint=_GET_PACKER)
    # Without its question for news: a builder may have no way to the internet.
    environment = {**os.environ, "CHECKPOINT_DISABLE": "1"}
    command = [program, "version"]
    try:
        told = subprocess.run(  # noqa: S603  as above
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=30
        ).stdout.decode(errors="replace")
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UserError(f"{program} cannot be run: {error}", hint=_GET_PACKER) from error
    version = re.match(r"Packer v([0-9]{1,9})\.([0-9]{1,9})\.([0-9]{1,9})", told)
    if version is None:
        # Some systems have another program of that name, which packs dictionaries of passwords.
        raise UserError(f"{program} is not HashiCorp's Packer", hint=_GET_PACKER)
    return program, tuple(map(int, version.groups()))


def _wants_plugins(folder: Path) -> bool:
    files = (file for file in folder.glob("*.pkr.hcl") if file.is_file())
    texts = (file.read_text(encoding="utf-8", errors="replace") for file in files)
    return any(re.search(r"^\s*required_plugins\s*{", text, flags=re.MULTILINE) for text in texts)


def _told_by_the_kernel() -> Callable[[], object] | None:
    """Return what a child of ours does first, so that it hears SIGTERM when we are killed; None where nothing does."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(_WHEN_THE_PARENT_ENDS, int(signal.SIGTERM))


def _ending(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    named = {one.value: one.name for one in signal.Signals}
    return f"killed by {named.get(-code, f'signal {-code}')}"


class _Relay:
    """Tells a process to stop at the first signal that we get; further ones change nothing: it is on its way out."""

    def __init__(self) -> None:
        self.heard: signal.Signals | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._passed = False

    def hear(self, number: int, _frame: object) -> None:
        """Handle a signal."""
        self.heard = self.heard or signal.Signals(number)
        self._pass_on()

    def to(self, process: subprocess.Popen[bytes]) -> None:
        """Tell this process from now on, of one that came before too."""
        self._process = process
        self._pass_on()

    def _pass_on(self) -> None:
        if self.heard and self._process and not self._passed:
            self._passed = True
            self._process.terminate()


@contextmanager
def _relay() -> Iterator[_Relay]:
    relay = _Relay()
    # What is ignored already stays so: nohup wants it.
    heard = [number for number in _STOPS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, relay.hear) for number in heard}
    try:
        yield relay
    finally:
        for number, handler in before.items():
            # Who was told to stop says so and ends: another signal then must not end it without a word.
            signal.signal(number, signal.SIG_IGN if relay.heard else handler)
