"""A cluster to put facts to: the simulated API server on a loopback port, or the real one of a kubeconfig."""

from __future__ import annotations

import asyncio
import base64
import binascii
import http.client
import itertools
import json
import os
import socket
import ssl
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

from ruamel.yaml import YAML

from eks_simulator.clock import VirtualClock
from eks_simulator.kube.app import kube_app
from eks_simulator.kube.store import Store
from eks_simulator.kube.watch import Watches
from eks_simulator.listener import listening
from eks_simulator.log import ChangeLog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

T = TypeVar("T")
Object = dict[str, Any]

START = 1767600000.0
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"
CONTAINERS = [{"name": "main", "image": "example.com/main:1"}]


def eventually(holds: Callable[[], object]) -> bool:
    """Whether it comes to hold; real controllers take a moment."""
    for _ in range(100):
        if holds():
            return True
        time.sleep(0.1)
    return False


class Reply(NamedTuple):
    """An answer, its body parsed where it is JSON; of a watch, the list of its events."""

    code: int
    body: Any
    headers: http.client.HTTPMessage

    @property
    def refusal(self) -> tuple[int, str, str]:
        """Status code, reason and message of a `Status`."""
        return self.code, self.body.get("reason", ""), self.body["message"]


class Api:
    """Raw requests to one API server, in a namespace of their own; objects made here are removed with `clean`."""

    def __init__(
        self, url: str, token: str = "", tls: ssl.SSLContext | None = None, server_name: str | None = None
    ) -> None:
        self.url = url
        self._parts = urlsplit(url)
        self._token = token
        self.tls = tls
        self._server_name = server_name
        self._made: list[str] = []
        self.namespace = f"facts-{binascii.hexlify(os.urandom(4)).decode()}"
        self.node = f"node-{self.namespace}"

    @property
    def pods(self) -> str:
        """The path of the namespace's pods."""
        return f"/api/v1/namespaces/{self.namespace}/pods"

    @property
    def configmaps(self) -> str:
        """The path of the namespace's ConfigMaps."""
        return f"/api/v1/namespaces/{self.namespace}/configmaps"

    def of(self, group_version: str, plural: str) -> str:
        """The path of some other kind in the namespace."""
        return f"/apis/{group_version}/namespaces/{self.namespace}/{plural}"

    @contextmanager
    def connected(self) -> Iterator[http.client.HTTPConnection]:
        """A connection to the server."""
        host, port = self._parts.hostname or "", self._parts.port
        connection = http.client.HTTPConnection(host, port, timeout=60)
        if self.tls:
            connection.sock = self.tls.wrap_socket(
                socket.create_connection((host, port or 443), 20), server_hostname=self._server_name or host
            )
        try:
            yield connection
        finally:
            connection.close()

    def __call__(
        self, method: str, path: str, body: Any = None, content_type: str = "application/json", **headers: str
    ) -> Reply:
        """Send one request; names of further headers have ``_`` for ``-``."""
        sent = {"Content-Type": content_type} | {name.replace("_", "-"): value for name, value in headers.items()}
        if self._token:
            sent["Authorization"] = f"Bearer {self._token}"
        with self.connected() as connection:
            connection.request(method, path, None if body is None else json.dumps(body), sent)
            answer = connection.getresponse()
            text = answer.read()
            if method == "POST" and answer.status == 201 and "/eviction" not in path:
                self._made.append(f"{path.partition('?')[0]}/{json.loads(text).get('metadata', {}).get('name')}")
            return Reply(answer.status, _parsed(text, stream="watch=" in path and answer.status == 200), answer.headers)

    def watch(self, path: str, count: int) -> list[Object]:
        """The first so many events of a watch, bookmarks left out."""
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        with self.connected() as connection:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            assert answer.status == 200
            events = (json.loads(line) for line in answer)
            found = list(itertools.islice((one for one in events if one["type"] != "BOOKMARK"), count))
            answer.close()
        return found

    def begin(self) -> None:
        """Make the namespace and a node for it."""
        assert self("POST", "/api/v1/namespaces", {"metadata": {"name": self.namespace}}).code == 201
        node = {"metadata": {"name": self.node, "labels": {"a": "b"}}, "spec": {"providerID": "aws:///z/i-1"}}
        assert self("POST", "/api/v1/nodes", node | {"status": {"conditions": READY}}).code == 201

    def clean(self) -> None:
        """Remove everything that was made."""
        for path in reversed(self._made):
            self("PATCH", path, {"metadata": {"finalizers": None}}, MERGE)
            self("DELETE", path, {"gracePeriodSeconds": 0, "propagationPolicy": "Background"})

    def pod(self, name: str, *, phase: str = "Pending", bound: bool = True, **meta: Any) -> Object:
        """Make a pod in that phase; a Running one is Ready. Returns it."""
        spec: Object = {"containers": CONTAINERS, "terminationGracePeriodSeconds": 30}
        spec |= {"nodeName": self.node} if bound else {"nodeSelector": {"no": "where"}}
        made = self("POST", self.pods, {"metadata": {"name": name, **meta}, "spec": spec})
        assert made.code == 201, made.body
        if phase == "Pending":
            return dict(made.body)
        status = {"phase": phase, "conditions": READY if phase == "Running" else []}
        return dict(self("PATCH", f"{self.pods}/{name}/status", {"status": status}, MERGE).body)

    def names(self, path: str) -> list[str]:
        """The names in a list."""
        reply = self("GET", path)
        assert reply.code == 200, reply.body
        return [item["metadata"]["name"] for item in reply.body["items"]]


READY = [{"type": "Ready", "status": "True"}]


def _parsed(text: bytes, *, stream: bool) -> Any:
    try:
        return [json.loads(line) for line in text.splitlines()] if stream else json.loads(text)
    except ValueError:
        return text.decode()


class Simulated:
    """A simulated API server in a thread of its own; what a test does to its parts is done on its loop."""

    def __init__(self, accepts: Callable[[str | None], bool]) -> None:
        self.clock = VirtualClock(START)
        self.log = ChangeLog(self.clock)
        self.store = Store(self.clock, self.log)
        self.events: list[str] = []
        self.watches = Watches(self.store, self.events.append)
        self.url = ""
        self._accepts = accepts
        self._loop = asyncio.new_event_loop()
        self._up = threading.Event()
        self._done = asyncio.Event()

    def do(self, work: Callable[[], T]) -> T:
        """Run something on the server's loop."""

        async def run() -> T:
            return work()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(10)

    def pass_by(self, seconds: float) -> None:
        """Let virtual time pass."""
        self.do(lambda: self.clock.run_until(self.clock.now + seconds))

    async def _serve(self) -> None:
        async with listening(kube_app(self.store, self.watches, accepts=self._accepts)) as self.url:
            self._up.set()
            await self._done.wait()

    @contextmanager
    def running(self) -> Iterator[Simulated]:
        """Serve inside the block."""
        thread = threading.Thread(target=lambda: self._loop.run_until_complete(self._serve()))
        thread.start()
        assert self._up.wait(60)
        try:
            yield self
        finally:
            self.do(self._done.set)
            thread.join(60)
            self._loop.close()


@contextmanager
def simulated(accepts: Callable[[str | None], bool] = lambda _authorization: True) -> Iterator[Simulated]:
    """A simulated API server, inside the block."""
    with Simulated(accepts).running() as server:
        yield server


def real(kubeconfig: Path) -> Api:
    """The API server of the kubeconfig's first cluster, as its first user; the user has a token."""
    read = YAML(typ="safe").load(kubeconfig.read_text("utf-8"))
    cluster, user = read["clusters"][0]["cluster"], read["users"][0]["user"]
    if not cluster["server"].startswith("https"):
        return Api(cluster["server"], user["token"])
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    tls = ssl.create_default_context(cadata=authority)
    return Api(cluster["server"], user["token"], tls, cluster.get("tls-server-name"))
