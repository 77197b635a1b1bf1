"""A WSGI application behind an address of this machine."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from werkzeug.serving import make_server


class Application(Protocol):
    """What is served; `port`: where it was found."""

    port: int

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any: ...


@contextmanager
def served(application: Application) -> Iterator[None]:
    """Answer for the application, in threads, for as long as the block lasts."""
    server = make_server("127.0.0.1", 0, application, threaded=True)
    application.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
