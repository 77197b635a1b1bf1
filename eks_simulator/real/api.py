"""Requests to a real API server, as the user of a kubeconfig."""

from __future__ import annotations

import json
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import aiohttp
from kubernetes.client.configuration import Configuration
from kubernetes.config import load_kube_config

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from eks_simulator.kube.resources import Resource

Object = dict[str, Any]

MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
#: What a request may come to that has not reached the server, or whose answer was lost.
LOST = (aiohttp.ClientError, TimeoutError, OSError)

_WATCH = 300  # seconds after which the server ends a watch by itself
_LONGEST_LINE = 8 * 1024 * 1024
_PATIENCE = aiohttp.ClientTimeout(total=30)
_STREAM = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=_WATCH + 30)


class KubeconfigError(ValueError):
    """No cluster can be worked with by this kubeconfig; the text says why."""


class Answer(NamedTuple):
    """What the server said; `body` is {} where it said nothing that is JSON."""

    code: int
    body: Object


class RealApi:
    """The cluster and the user of the kubeconfig's current context."""

    def __init__(self, session: aiohttp.ClientSession, configuration: Configuration) -> None:
        self.session = session
        self.host = str(configuration.host).rstrip("/")
        self.server_name: str | None = configuration.tls_server_name  # what its certificate says, if not the host
        self._configuration = configuration

    @property
    def authorization(self) -> str:
        """The Authorization header of that user; "" where a certificate says who it is."""
        settings: Mapping[str, Any] = self._configuration.auth_settings()
        return next((str(one["value"]) for one in settings.values() if one["key"].lower() == "authorization"), "")

    def headers(self, content_type: str = "application/json") -> dict[str, str]:
        """Return the other headers of a request of ours."""
        own = {"Content-Type": content_type, "User-Agent": "rollout-simulator"}
        return own | ({"Authorization": self.authorization} if self.authorization else {})

    async def __call__(
        self, method: str, path: str, body: Any = None, content_type: str = "application/json"
    ) -> Answer:
        """Send one request. Raises one of `LOST` where there is no answer."""
        data = None if body is None else json.dumps(body)
        async with self.session.request(
            method, self.host + path, data=data, headers=self.headers(content_type), server_hostname=self.server_name
        ) as answer:
            return Answer(answer.status, parsed(await answer.read()))

    async def list(self, path: str) -> Object:
        """Return the list at the path. Raises one of `LOST` where there is none now."""
        answer = await self("GET", path)
        if answer.code != 200:  # noqa: PLR2004 - OK
            raise ConnectionError(f"GET {path}: {answer.code} {answer.body.get('message', '')}")
        return answer.body

    async def watch(self, path: str, version: str) -> AsyncIterator[Object]:
        """Yield the events since that version, until the stream ends. Raises one of `LOST` where it breaks."""
        query = f"watch=1&allowWatchBookmarks=true&resourceVersion={version}&timeoutSeconds={_WATCH}"
        separator = "&" if "?" in path else "?"
        url = f"{self.host}{path}{separator}{query}"
        async with self.session.get(
            url, headers=self.headers(), timeout=_STREAM, server_hostname=self.server_name
        ) as stream:
            if stream.status != 200:  # noqa: PLR2004 - OK
                yield {"type": "ERROR", "object": parsed(await stream.read())}
                return
            async for line in stream.content:
                yield json.loads(line)


def path_of(resource: Resource, namespace: str | None = None, name: str = "") -> str:
    """Return the path of an object, or of a collection."""
    parts = [f"/apis/{resource.group_version}" if resource.group else f"/api/{resource.version}"]
    parts += ["namespaces", namespace] if namespace and resource.namespaced else []
    return "/".join([*parts, resource.plural, *([name] if name else [])])


def parsed(text: bytes) -> Object:
    """Return the body as JSON; {} where it is none."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


@asynccontextmanager
async def connected(kubeconfig: Path, needed: Mapping[str, str]) -> AsyncIterator[RealApi]:
    """Be connected inside the block, to a server that serves the API groups `needed`, each with what it is for.

    Raises `KubeconfigError`: the file says nothing usable, or the server does not answer, or lacks a group.
    """
    configuration = _configuration(kubeconfig)
    connector = aiohttp.TCPConnector(ssl=_tls(configuration), limit=0)
    async with aiohttp.ClientSession(
        connector=connector, read_bufsize=_LONGEST_LINE, auto_decompress=True, timeout=_PATIENCE
    ) as session:
        api = RealApi(session, configuration)
        for group, purpose in needed.items():
            await _serves(api, kubeconfig, group, purpose)
        yield api


async def _serves(api: RealApi, kubeconfig: Path, group: str, purpose: str) -> None:
    try:
        found = await api("GET", f"/apis/{group}")
    except LOST as error:
        reason = str(error) or type(error).__name__
        raise KubeconfigError(f"the API server {api.host} of {kubeconfig} does not answer: {reason}") from error
    if found.code != 200:  # noqa: PLR2004 - OK
        said = found.body.get("message") or f"it answered {found.code}"
        raise KubeconfigError(f"the API server {api.host} of {kubeconfig} has no {group}, {purpose}: {said}")


def _configuration(kubeconfig: Path) -> Configuration:
    configuration = Configuration()
    try:
        load_kube_config(str(kubeconfig), client_configuration=configuration)  # type: ignore[no-untyped-call]
    except Exception as error:
        raise KubeconfigError(f"the kubeconfig {kubeconfig} cannot be used: {error}") from error
    return configuration


def _tls(configuration: Configuration) -> ssl.SSLContext | bool:
    if not str(configuration.host).startswith("https"):
        return True
    context = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
    if configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, configuration.key_file)
    if not configuration.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
