"""An API server that has no policy/v1 yet (Kubernetes before 1.21), with one: a door that translates on the way.

Evictions and budgets of v1 become those of v1beta1 and come back as v1. Everything else passes as it is, the caller's
token too. What v1 means and v1beta1 cannot say is put in other words: an empty selector selects all.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import aiohttp
from aiohttp import web

from eks_simulator.listener import listening

OLD, NEW = "policy/v1beta1", "policy/v1"
HOP = ("connection", "host", "transfer-encoding", "content-length", "accept-encoding")
#: What no object has: v1beta1 selects nothing by an empty selector.
EVERYTHING = {"matchExpressions": [{"key": "no.such/label", "operator": "DoesNotExist"}]}
NO_LIMIT = aiohttp.ClientTimeout(total=None)
NO_ANSWER = (aiohttp.ClientError, OSError)


def to_old(path: str, body: bytes) -> tuple[str, bytes]:
    """A request of v1 as v1beta1 knows it."""
    path = path.replace(f"/apis/{NEW}", f"/apis/{OLD}", 1) if path.startswith(f"/apis/{NEW}") else path
    try:
        sent = json.loads(body)
    except ValueError:
        return path, body
    if not isinstance(sent, dict) or not (OLD in path or path.partition("?")[0].endswith("/eviction")):
        return path, body
    if sent.get("apiVersion") == NEW:
        sent["apiVersion"] = OLD
    if isinstance(sent.get("spec"), dict) and sent["spec"].get("selector") == {}:
        sent["spec"]["selector"] = EVERYTHING
    return path, json.dumps(sent).encode()


def to_new(path: str, body: bytes) -> bytes:
    """An answer of v1beta1 as v1 knows it; discovery names both versions apart from each other."""
    body = body.replace(OLD.encode(), NEW.encode())
    if path.partition("?")[0] not in ("/apis", "/apis/policy", "/api/v1"):
        return body
    found = json.loads(body)
    for group in found.get("groups", [found]):
        if group.get("name") == "policy":
            for version in (*group["versions"], group["preferredVersion"]):
                version["version"] = "v1"
    for resource in found.get("resources", ()):
        if resource.get("group") == "policy":
            resource["version"] = "v1"
    return json.dumps(found).encode()


class Door:
    """The one handler of all paths."""

    def __init__(self, server: str, tls: ssl.SSLContext | None) -> None:
        self.server = server
        self.tls = tls
        self.session: aiohttp.ClientSession | None = None

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Pass the request on, and its answer back."""
        assert self.session is not None
        path, body = to_old(request.raw_path, await request.read())
        headers = passed(request.headers)
        try:
            async with self.session.request(
                request.method, self.server + path, data=body, headers=headers, timeout=NO_LIMIT, ssl=self.tls or True
            ) as answer:
                if request.query.get("watch") in ("1", "true"):
                    return await stream(request, answer)
                text = to_new(request.raw_path, await answer.read())
                return web.Response(status=answer.status, body=text, headers=passed(answer.headers))
        except NO_ANSWER:
            if request.transport is not None:
                request.transport.abort()
            return web.Response()

    async def serve(self, up: threading.Event, urls: list[str], done: asyncio.Event) -> None:
        """Listen until it is done."""
        app = web.Application(client_max_size=3 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self.handle)
        async with aiohttp.ClientSession(read_bufsize=2**23) as self.session, listening(app) as url:
            urls.append(url)
            up.set()
            await done.wait()


async def stream(request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    """Pass a watch on, line by line."""
    response = web.StreamResponse(status=answer.status, headers=passed(answer.headers))
    await response.prepare(request)
    async for line in answer.content:
        await response.write(to_new("", line))
    return response


def passed(headers: Mapping[str, str]) -> dict[str, Any]:
    return {name: value for name, value in headers.items() if name.lower() not in HOP}


@contextmanager
def translating(server: str, tls: ssl.SSLContext | None) -> Iterator[str]:
    """The URL of such a door before that server, inside the block."""
    loop, up, urls, done = asyncio.new_event_loop(), threading.Event(), list[str](), asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(Door(server, tls).serve(up, urls, done)))
    thread.start()
    assert up.wait(10)
    try:
        yield urls[0]
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join(10)
        loop.close()
