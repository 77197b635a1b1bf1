"""The door to the real API server: it passes on what comes, as it comes, and notes whose write it was.

Who brings the token that was handed out acts as the user of the kubeconfig; everybody else as who they say they are.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import aiohttp
from aiohttp import web

from eks_simulator.kube import app as kube
from eks_simulator.kube.paths import is_watch, locate
from eks_simulator.real.api import LOST, parsed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp.typedefs import Middleware

    from eks_simulator.kube.paths import Location
    from eks_simulator.real.api import RealApi
    from eks_simulator.real.authors import Authors

# What concerns one connection only, and what is said again on the next.
_HOP = frozenset(
    ("connection", "host", "keep-alive", "te", "trailers", "transfer-encoding", "upgrade", "content-length")
)
_WRITES = ("POST", "PUT", "PATCH", "DELETE")
_NO_LIMIT = aiohttp.ClientTimeout(total=None, sock_connect=10)


def proxy_app(api: RealApi, authors: Authors, token: str, middleware: Middleware) -> web.Application:
    """Return the application of the Kubernetes listener; `middleware`: what happens to requests on their way."""
    app = web.Application(middlewares=[middleware], client_max_size=kube.LARGEST_BODY)
    app.router.add_route("*", "/{path:.*}", Proxy(api, authors, token).handle)
    return app


class Proxy:
    """The one handler of all paths."""

    def __init__(self, api: RealApi, authors: Authors, token: str) -> None:
        self._api = api
        self._authors = authors
        self._token = f"Bearer {token}"

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Pass the request on and its answer back. A write goes on where its client dies: it has been sent."""
        try:
            if is_watch(request):
                return await self._stream(request)
            if request.method in _WRITES:
                return await asyncio.shield(asyncio.ensure_future(self._write(request)))
            return await self._answer(request)
        except LOST:
            if request.transport is not None:
                request.transport.abort()
            return web.Response()  # has nowhere to go any more

    async def _write(self, request: web.Request) -> web.Response:
        location = locate(request.path)
        name = _object(location, await request.read()) if location else ""
        if not name:
            return await self._answer(request)
        ends = request.method == "DELETE" or request.path.endswith("/eviction")
        async with self._authors.writing(name, ends=ends) as write:
            answer = await self._answer(request)
            write.answered(answer.status, parsed(answer.body if isinstance(answer.body, bytes) else b""))
            return answer

    async def _answer(self, request: web.Request) -> web.Response:
        async with self._api.session.request(
            request.method,
            self._api.host + request.raw_path,
            data=await request.read(),
            headers=self._headers(request),
            timeout=_NO_LIMIT,
            allow_redirects=False,
            server_hostname=self._api.server_name,
        ) as answer:
            body = await answer.read()
            return web.Response(status=answer.status, body=body, headers=_passed(answer.headers))

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        async with self._api.session.get(
            self._api.host + request.raw_path,
            headers=self._headers(request),
            timeout=_NO_LIMIT,
            server_hostname=self._api.server_name,
        ) as answer:
            response = web.StreamResponse(status=answer.status, headers=_passed(answer.headers))
            await response.prepare(request)
            async for piece in answer.content.iter_any():
                await response.write(piece)
            return response

    def _headers(self, request: web.Request) -> dict[str, str]:
        headers = _passed(request.headers) | {"Accept-Encoding": "identity"}
        if headers.get("Authorization") == self._token:
            del headers["Authorization"]
            headers |= {"Authorization": self._api.authorization} if self._api.authorization else {}
        return headers


def _passed(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in _HOP}


def _object(location: Location, body: bytes) -> str:
    """Return the object that is written, as the log of changes names it; "" where the request names none."""
    name = location.name
    if not name:
        try:
            name = json.loads(body or b"{}").get("metadata", {}).get("name", "")
        except (ValueError, AttributeError):
            name = ""
    return location.resource.path(location.namespace, name) if name else ""
