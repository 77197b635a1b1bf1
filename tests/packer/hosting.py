"""A Git host with Git LFS behind an address, as GitHub is one: it asks for a token, and real git serves it.

It looks at every process of the machine at the moments when the token is in use, and notes who shows it.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.packer.serving import served
from tests.tools import search_path


def git(folder: Path, *arguments: str) -> str:
    """Run git in a folder, without anybody's configuration; return what it prints."""
    nobody = {"GIT_AUTHOR_NAME": "n", "GIT_AUTHOR_EMAIL": "n@example.com", "GIT_CONFIG_GLOBAL": os.devnull}
    nobody |= {"GIT_COMMITTER_NAME": "n", "GIT_COMMITTER_EMAIL": "n@example.com", "GIT_CONFIG_NOSYSTEM": "1"}
    environment = {"PATH": search_path(), "HOME": str(folder), **nobody}
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()


@dataclass
class Host:
    """A WSGI application that serves the bare repositories of a folder to who has the token."""

    folder: Path
    token: str
    port: int = 0
    #: What was asked for with the token, and who else could read it at that moment.
    served: list[str] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)
    #: Authorization headers of all requests, accepted or not.
    headers: list[str] = field(default_factory=list)
    #: Called before an answer to Git LFS.
    pause: Callable[[], None] = lambda: None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        header = environ.get("HTTP_AUTHORIZATION", "")
        self.headers += [header] if header else []
        if header != f"Basic {basic(self.token)}":
            start_response("401 Unauthorized", [("WWW-Authenticate", 'Basic realm="GitHub"')])
            return [b""]
        self.served.append(environ["PATH_INFO"])
        self.shown += _who_shows(self.token) + _who_shows(basic(self.token))
        if "/info/lfs/" in environ["PATH_INFO"]:
            self.pause()
            return self._batch(environ, start_response)
        if "/objects/lfs/" in environ["PATH_INFO"]:
            start_response("200 OK", [("Content-Type", "application/octet-stream")])
            return [self._large(environ["PATH_INFO"].rpartition("/")[2]).read_bytes()]
        return self._backend(environ, start_response)

    def _batch(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        """Answer with the address of each object: https://github.com/git-lfs/git-lfs/blob/main/docs/api/batch.md."""
        asked = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))["objects"]
        start_response("200 OK", [("Content-Type", "application/vnd.git-lfs+json")])
        return [json.dumps({"transfer": "basic", "objects": [self._offer(one) for one in asked]}).encode()]

    def _offer(self, one: dict[str, Any]) -> dict[str, Any]:
        if not self._large(one["oid"]).exists():
            return {**one, "error": {"code": 404, "message": "Object does not exist"}}
        return {**one, "actions": {"download": {"href": f"{self.url}/objects/lfs/{one['oid']}"}}}

    def _large(self, oid: str) -> Path:
        return self.folder / "model.git/lfs/objects" / oid[:2] / oid[2:4] / oid

    def _backend(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        """Let git itself answer: https://git-scm.com/docs/git-http-backend."""
        wanted = ("REQUEST_METHOD", "QUERY_STRING", "CONTENT_TYPE", "PATH_INFO", "HTTP_CONTENT_ENCODING")
        passed = {name: environ[name] for name in wanted if name in environ}
        passed |= {"GIT_PROTOCOL": environ.get("HTTP_GIT_PROTOCOL", ""), "GIT_PROJECT_ROOT": str(self.folder)}
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        answer = subprocess.run(
            ["/usr/bin/env", "git", "http-backend"],
            env={"PATH": search_path(), "GIT_HTTP_EXPORT_ALL": "1", **passed},
            input=body,
            capture_output=True,
            check=True,
        ).stdout
        head, _, content = answer.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().splitlines())
        start_response(headers.pop("Status", "200 OK"), list(headers.items()))
        return [content]


def basic(token: str) -> str:
    """Return the token as an Authorization header has it."""
    return base64.b64encode(f"x-access-token:{token}".encode()).decode()


def _who_shows(secret: str) -> list[str]:
    """Return the command lines of the processes that have the secret in their arguments or environment."""
    showing = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            arguments, environment = (process / "cmdline").read_bytes(), (process / "environ").read_bytes()
        except OSError:  # it is gone, or another user's
            continue
        if secret.encode() in arguments + environment:
            showing.append(arguments.replace(b"\0", b" ").decode())
    return showing


@contextmanager
def hosted(folder: Path, token: str) -> Iterator[Host]:
    """Serve the folder's repositories for as long as the block lasts."""
    host = Host(folder, token)
    with served(host):
        yield host
