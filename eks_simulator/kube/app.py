"""The Kubernetes API over HTTP: which request means what, done to the store, and answered as the real server does.

JSON only, but for what kubectl sends as `protobuf`. What is not simulated is refused with a clear message (dry runs,
server-side apply, the deletion of whole collections and of namespaces), never half done.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from aiohttp import web

from eks_simulator.kube import discovery as kube_discovery
from eks_simulator.kube import errors as kube_errors
from eks_simulator.kube import eviction as kube_eviction
from eks_simulator.kube import protobuf
from eks_simulator.kube.errors import ApiError
from eks_simulator.kube.jsons import dumped
from eks_simulator.kube.lists import Lists, Page
from eks_simulator.kube.paths import Location, describe, is_watch, locate
from eks_simulator.kube.selectors import select
from eks_simulator.kube.tables import table, wants_table
from eks_simulator.kube.watch import Watch
from eks_simulator.kube.writes import Reply, Writes
from eks_simulator.requests import STRIPPED, client_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from aiohttp.typedefs import Handler, Middleware

    from eks_simulator.faults import RequestInfo
    from eks_simulator.kube.selectors import Selection
    from eks_simulator.kube.store import Revision, Store
    from eks_simulator.kube.watch import Watches

__all__ = ["describe", "is_watch", "kube_app", "render_error"]

Object = dict[str, Any]

LARGEST_BODY = 3 * 1024 * 1024  # bytes, the real API server's limit
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


def kube_app(
    store: Store,
    watches: Watches,
    middlewares: Iterable[Middleware] = (),
    *,
    accepts: Callable[[str | None], bool] = lambda _authorization: True,
    allows: Callable[[Object], bool] = lambda _attributes: True,
    definitions: Sequence[str] = (),
) -> web.Application:
    """Return the API server.

    `accepts` judges the Authorization header before anything else happens; `allows` answers access reviews.
    `definitions` are kinds that others have brought, each KIND.GROUP.
    """

    @web.middleware
    async def authenticate(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not accepts(request.headers.get("Authorization")):
            return _refusal(kube_errors.unauthorized())
        return await handler(request)

    app = web.Application(middlewares=[authenticate, *middlewares], client_max_size=LARGEST_BODY)
    app.router.add_route("*", "/{path:.*}", Api(store, watches, allows, definitions).handle)
    app.on_shutdown.append(lambda _app: _end(watches))
    return app


async def _end(watches: Watches) -> None:
    watches.end_all()


def render_error(_info: RequestInfo, status: int, code: str, message: str) -> web.Response:
    """An injected error as the API server words one: `code` is the Status' reason."""
    return _refusal(ApiError(status, code, message))


def _refusal(error: ApiError) -> web.Response:
    wait = (error.details or {}).get("retryAfterSeconds")
    headers = {"Retry-After": str(wait)} if wait else {}
    return web.Response(
        status=error.code, body=dumped(error.status()), headers=headers, content_type="application/json"
    )


class Api:
    """The one handler of all paths."""

    def __init__(
        self, store: Store, watches: Watches, allows: Callable[[Object], bool], definitions: Sequence[str]
    ) -> None:
        self._store = store
        self._watches = watches
        self._lists = Lists(store)
        self._writes = Writes(store, allows)
        self._definitions = definitions

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer any request."""
        location = locate(request.path)
        if location is None:
            return _other(request, self._definitions)
        try:
            _check_verb(request, location)
            if is_watch(request) and not location.name:
                return await self._watch(request, location)
            reply = self._answer(request, location, await _body(request))
        except ApiError as error:
            return _refusal(error)
        return web.Response(status=reply.code, body=reply.body, content_type="application/json")

    def _answer(self, request: web.Request, location: Location, body: Any) -> Reply:
        if location.resource.plural == "poddisruptionbudgets":
            kube_eviction.refresh_status(self._store, location.namespace)
        match request.method:
            case "POST":
                return self._writes.create(location, body)
            case "PUT":
                return self._writes.update(location, body, request.get(STRIPPED, ""))
            case "PATCH":
                return self._writes.patch(location, request.content_type, body, request.get(STRIPPED, ""))
            case "DELETE":
                return self._writes.delete(location, body, request.query)
        if not location.name:
            return Reply(200, self._list(request, location))
        if location.subresource == "scale":
            return self._writes.scale(location)
        return Reply(200, self._get(request, location))

    def _get(self, request: web.Request, location: Location) -> bytes:
        revision = self._store.revision(location.resource.plural, location.namespace, location.name)
        if revision is None:
            raise kube_errors.not_found(location.resource, location.name)
        return self._render(request, location)(revision)

    def _list(self, request: web.Request, location: Location) -> bytes:
        selection = _selection(request, location)
        page = self._lists.page(selection, request.query)
        if wants_table(request.headers.get("Accept", "")):
            return self._table(request, location, page)
        return page.render(selection)

    def _render(self, request: web.Request, location: Location) -> Callable[[Revision], bytes]:
        """Return how single objects are answered to this request."""
        if not wants_table(request.headers.get("Accept", "")):
            return lambda revision: revision.whole
        return lambda one: self._table(request, location, Page([one], {"resourceVersion": str(one.version)}))

    def _table(self, request: web.Request, location: Location, page: Page) -> bytes:
        include = request.query.get("includeObject", "Metadata")
        return table(location.resource, page.revisions, page.meta, include, self._store.clock.now)

    async def _watch(self, request: web.Request, location: Location) -> web.StreamResponse:
        """Stream events until the client goes or its time is over.

        `timeoutSeconds` are virtual, but real ones end the watch too: a client that waits for that end need not move
        the clock.
        """
        query = request.query
        if query.get("sendInitialEvents"):
            raise _no_initial_events()
        selection, client = _selection(request, location), client_of(request)
        bookmarks = query.get("allowWatchBookmarks") in ("1", "true")
        watch = Watch(client, selection, self._render(request, location), bookmarks=bookmarks)
        since = _number(query.get("resourceVersion", ""))
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        self._watches.open(watch, since)
        try:
            with self._time_limit(watch, _number(query.get("timeoutSeconds", ""))):
                await response.prepare(request)
                while (lines := await watch.next()) is not None:
                    await response.write(lines)
        except ConnectionError:
            pass  # the client is gone, as clients of watches go
        finally:
            self._watches.close(watch)
        return response

    @contextmanager
    def _time_limit(self, watch: Watch, seconds: int) -> Iterator[None]:
        if not seconds:
            yield
            return
        virtual = self._store.clock.after(seconds, lambda: self._watches.close(watch))
        real = asyncio.get_running_loop().call_later(seconds, self._watches.close, watch)
        try:
            yield
        finally:
            virtual.cancel()
            real.cancel()


def _other(request: web.Request, definitions: Sequence[str]) -> web.Response:
    """What is not about objects."""
    if request.path in kube_discovery.HEALTH:
        return web.Response(text="ok")
    found = kube_discovery.document(request.path, definitions)
    if found is None and kube_discovery.knows_group(request.path):
        return _refusal(kube_errors.no_such_resource())
    if found is None:
        return web.Response(status=404, text="404 page not found\n")
    return web.Response(body=dumped(found), content_type="application/json")


def _check_verb(request: web.Request, location: Location) -> None:
    reading = ("watch" if is_watch(request) else "get") if location.name else "list"
    verb = _VERBS.get(request.method, reading)
    subresource = location.resource.subresource(location.subresource)
    allowed = subresource.verbs if subresource else location.resource.verbs
    collective = verb in ("create", "list")
    if verb not in allowed or (not subresource and verb != "watch" and collective == bool(location.name)):
        raise kube_errors.method_not_allowed()
    if request.query.get("dryRun"):
        raise kube_errors.bad_request("dryRun is not simulated: leave it out, or ask a real cluster")


async def _body(request: web.Request) -> Any:
    raw = await request.read()
    if raw and request.method == "POST" and request.content_type == protobuf.MEDIA_TYPE:
        return protobuf.decoded(raw)
    if raw and request.method in ("POST", "PUT") and "json" not in request.headers.get("Content-Type", "json"):
        raise kube_errors.unsupported_media_type(("application/json",))
    try:
        return json.loads(raw) if raw else {}
    except ValueError as error:
        raise kube_errors.bad_request(f"the body is not JSON: {error}") from error


def _number(text: str) -> int:
    if text and not text.isdecimal():
        raise kube_errors.bad_request(f'invalid number "{text}"')
    return int(text or 0)


def _selection(request: web.Request, location: Location) -> Selection:
    return select(location.resource, location.namespace, request.query)


def _no_initial_events() -> ApiError:
    """Return the answer of a server without this feature, at which clients list and watch as ever."""
    text = "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled"
    return kube_errors.invalid_kind(
        "ListOptions", "meta.k8s.io", "", [kube_errors.forbidden("sendInitialEvents", text)]
    )
