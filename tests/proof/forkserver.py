"""A warm process that forks others: all is imported once, and no thread and no connection exists before a fork.

`Forkserver` is its other end, in the process that tests. A child is a real process: it has its own working folder,
environment and output, it dies of a real SIGKILL, and with the forkserver all of its children end.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

ROOT = Path(__file__).parents[2]

Request = dict[str, Any]


class Forkserver:
    """Our end of a forkserver. Not to be shared by threads."""

    def __init__(self, warm: str = "tests.proof.preload:rollouts") -> None:
        """`warm`: the function, written as module:function, that loads what children need."""
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.proof.forkserver", warm], cwd=ROOT, stdin=pipe, stdout=pipe, text=True
        )

    def fork(
        self,
        call: str,
        folder: Path,
        output: str | tuple[str, str],
        environment: Mapping[str, str],
        *,
        ready: bool = False,
        **arguments: Any,
    ) -> int:
        """Start a child that calls `call`, written as module:function, and return its process id.

        Its output goes to the files `output`.out and `output`.err in `folder`, which it works in, or to the two files
        that `output` names: they are open when this returns. `ready`: return when
        it has closed the file descriptor that it gets as the argument of that name.
        """
        outputs: Sequence[str] = output
        if isinstance(output, str):
            outputs = [str(folder / f"{output}.{suffix}") for suffix in ("out", "err")]
        child = {"call": call, "folder": str(folder), "outputs": outputs, "environment": dict(environment)}
        return int(self._ask({"do": "fork", **child, "arguments": arguments, "ready": ready})["pid"])

    def wait(self, pid: int, seconds: float) -> int | None:
        """Wait until a child has ended, and return its exit code, negative for a signal; None: it still lives."""
        code: int | None = self._ask({"do": "wait", "pid": pid, "seconds": seconds})["code"]
        return code

    @property
    def closed(self) -> bool:
        """Whether it forks no more children."""
        return bool(self._process.stdin and self._process.stdin.closed)

    def close(self) -> None:
        """End the forkserver, and with it all children that still live."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def _ask(self, request: Request) -> dict[str, Any]:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        try:
            line = self._process.stdout.readline()
        except BaseException:  # a test's time is out: the answer would be taken for that to the next question
            self._process.stdin.close()
            raise
        assert line, "the forkserver has ended: what it said stands above"
        answer: dict[str, Any] = json.loads(line)
        return answer


# ---- the other end -------------------------------------------------------------------------------------------------


def main() -> None:
    """Fork children as we are told, until our stdin is closed."""
    function(sys.argv[1])()
    gc.collect()
    gc.freeze()  # what is never collected is never copied
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    living: set[int] = set()
    try:
        for line in sys.stdin:
            answer = _answer(json.loads(line), living)
            print(json.dumps(answer), flush=True)  # noqa: T201  our side of the conversation
    finally:  # the client may be gone in the middle of an answer
        for pid in living:
            os.kill(pid, signal.SIGKILL)


def _answer(request: Request, living: set[int]) -> dict[str, Any]:
    if request.pop("do") == "wait":
        code = _ended(request["pid"], time.monotonic() + request["seconds"])
        if code is not None:
            living.discard(request["pid"])
        return {"code": code}
    pid = _awaited(request) if request.pop("ready") else _fork(request)
    living.add(pid)
    return {"pid": pid}


def _awaited(request: Request) -> int:
    reading, writing = os.pipe()
    pid = _fork(request | {"arguments": request["arguments"] | {"ready": writing}})
    os.close(writing)
    os.read(reading, 1)
    os.close(reading)
    return pid


def _ended(pid: int, until: float) -> int | None:
    while True:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        left = until - time.monotonic()
        if left <= 0:
            return None
        signal.sigtimedwait({signal.SIGCHLD}, left)


def _fork(request: Request) -> int:
    outputs = [_opened(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC) for path in request.pop("outputs")]
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            code = _live(outputs, **request)
        except BaseException:  # noqa: BLE001  nothing may return into the forkserver's own loop
            traceback.print_exc()
        finally:
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            os._exit(code)
    for one in outputs:
        os.close(one)
    return pid


def _live(
    outputs: list[int], call: str, folder: str, environment: Mapping[str, str], arguments: Mapping[str, Any]
) -> int:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    _redirect(sys.stdin, _opened(os.devnull, os.O_RDONLY))
    for stream, file in zip((sys.stdout, sys.stderr), outputs, strict=True):
        _redirect(stream, file)
    try:
        function(call)(**arguments)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def _opened(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _redirect(stream: TextIO, file: int) -> None:
    os.dup2(file, stream.fileno())
    os.close(file)


def function(name: str) -> Callable[..., Any]:
    """Return what a name such as `package.module:function` means."""
    module, _, attribute = name.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), attribute)
    return found


if __name__ == "__main__":
    main()
