"""A service that takes messages over HTTP, in a thread of the test's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

VARIABLE = "TEST_NOTIFY_URLS"
SECRET = "s3cr3tT0kenOfThisChannel"  # noqa: S105  made up


@dataclass
class Channel:
    """A service that takes messages over HTTP; `answers`: its status, `open`: clear, it does not answer."""

    port: int = 0
    answers: int = 200
    taken: list[dict[str, Any]] = field(default_factory=list)
    open: Event = field(default_factory=Event)

    @property
    def url(self) -> str:
        """As Apprise has it."""
        return f"json://127.0.0.1:{self.port}/{SECRET}"

    @property
    def titles(self) -> list[str]:
        """What the messages were about, after the rollout's name."""
        return [one["title"].partition("eks-demo ")[2] for one in self.taken]


@contextmanager
def listening() -> Iterator[Channel]:
    """Listen on a port inside the block."""
    made = Channel()
    made.open.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            made.open.wait(60)
            made.taken.append(body)
            self.send_response(made.answers)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        made.port = server.server_port
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield made
        finally:
            made.open.set()
            server.shutdown()
