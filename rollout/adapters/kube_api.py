"""Raw requests to one Kubernetes API server: JSON in, JSON out, every failure as one of our errors.

The typed client validates replies, and can fail on one after the change was applied; here only its configuration and
its connections are used. Reads are sent again by themselves, within seconds; a mutating request is sent once. Both ask
the run's fence in the moment in which they would leave.
"""

from __future__ import annotations

import copy
import json
import ssl
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self
from urllib.parse import unquote

import urllib3
from kubernetes.client.api_client import ApiClient
from kubernetes.client.exceptions import ApiException

from rollout.adapters.silence import Silence
from rollout.adapters.understanding import objects, text, understood
from rollout.adapters.wording import one_line
from rollout.errors import Conflict, Denied, EdgeError, Failed, Retry, Unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rollout.fence import Fence

    Query = Sequence[tuple[str, str]]

Object = dict[str, Any]

# Seconds to connect, and between two bytes. A request is over within ten: the lease counts on it, and so does a person
# who stops us.
_TIMEOUT = (3.0, 7.0)
# API servers send a bookmark about every minute.
_WATCH_TIMEOUT = (3.0, 75.0)
# Objects on one page of a list.
_PAGE = 500
# Connections that are kept: as many as requests can ever leave side by side (`parallel` in the configuration).
_CONNECTIONS = 50
# How often a list begins again because the snapshot that its pages come from has expired.
_LISTS = 3
# Pages of one list, at most: half a million objects. A server that hands out more of them does not come to an end.
_PAGES = 1000
# Bytes of an answer that is no JSON object which are shown.
_SHOWN = 200

MERGE_PATCH = "application/merge-patch+json"

OK = 200
REDIRECT = 300
BAD_REQUEST = 400
UNAUTHORIZED = 401
FORBIDDEN = 403
NOT_FOUND = 404
CONFLICT = 409
GONE = 410
UNPROCESSABLE = 422
TOO_MANY = 429
SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API server answered. `body` is None where it is no JSON object: `text` then shows how it begins.

    `retry_after`: seconds, from the header.
    """

    code: int
    body: Object | None
    retry_after: float | None = None
    text: str = ""

    @property
    def ok(self) -> bool:
        """It said yes, in words that can be read."""
        return OK <= self.code < REDIRECT and self.body is not None

    @property
    def is_status(self) -> bool:
        """The API server itself speaks, not a proxy before it."""
        return self.body is not None and self.body.get("kind") == "Status"

    @property
    def absent(self) -> bool:
        """The API server itself says that this object is not there; a 404 of anything else says nothing of it."""
        return (
            self.code == NOT_FOUND and self.is_status and self.reason == "NotFound" and bool(self._details.get("name"))
        )

    @property
    def not_now(self) -> bool:
        """It says no for now to this object: a disruption budget does, or a webhook of admission.

        Who throttles us asks us to wait (Retry-After), and Priority and Fairness answers with no Status. A budget asks
        so too, and is named, while it is not worked out: for a moment when it is new, and for ever where it never can
        be (of pods whose controller has no scale, say). The headers of Priority and Fairness tell nothing: every answer
        carries them.
        """
        by_a_budget = any(cause.get("reason") == "DisruptionBudget" for cause in self._causes)
        return self.code == TOO_MANY and self.is_status and (self.retry_after is None or by_a_budget)

    @property
    def in_a_namespace_that_ends(self) -> bool:
        """The namespace is being deleted: its pods go by that, and nothing more is made for them."""
        return any(cause.get("reason") == "NamespaceTerminating" for cause in self._causes)

    @property
    def reason(self) -> str:
        """The machine-readable reason of a `Status`, "" if it has none."""
        return str((self.body or {}).get("reason") or "")

    @property
    def detail(self) -> str:
        """The answer in one line, with the causes that a `Status` gives (the budgets that block, for one)."""
        if self.body is None:
            return one_line(f"HTTP {self.code}: {self.text or 'an empty answer'}")
        said = [str(self.body.get("message") or ""), *(str(cause.get("message") or "") for cause in self._causes)]
        return one_line(f"{f'HTTP {self.code} {self.reason}'.rstrip()}: {' '.join(said)}")

    @property
    def _details(self) -> Object:
        details = (self.body or {}).get("details")
        return details if isinstance(details, dict) else {}

    @property
    def _causes(self) -> list[Object]:
        causes = self._details.get("causes")
        return [cause for cause in causes if isinstance(cause, dict)] if isinstance(causes, list) else []


class KubeApi:
    """One API server.

    `configuration`: its hook says who we are before each request, and renews that. `renew` is called when it is not
    accepted: the next request asks for a new token or certificate.
    """

    def __init__(
        self, configuration: Any, user_agent: str, fence: Fence, renew: Callable[[], object] = lambda: None
    ) -> None:
        self.host = str(configuration.host)
        self.authority = _authority(configuration)
        self.silence = Silence(lambda: next(iter(fence.clocks()), 0.0))
        self._renew = renew
        patient = _client(configuration, user_agent, _Attempts(fence.check_read))
        self._reader = _Line(configuration, patient, _TIMEOUT, fence.check_read, self.silence, mutating=False)
        once, watching = (_client(configuration, user_agent, retries=False) for _ in range(2))
        self._writer = _Line(configuration, once, _TIMEOUT, fence.check_write, self.silence, mutating=True)
        self._watcher = _Line(configuration, watching, _WATCH_TIMEOUT, fence.check_read, self.silence, mutating=False)

    def close(self) -> None:
        """Close all connections that are not in use."""
        for line in (self._reader, self._writer, self._watcher):
            line.client.close()

    def get(self, path: str) -> Object | None:
        """Read an object, which has a uid and a resourceVersion; None if there is none of that name.

        Raises `Retry` where it may succeed later, `Refused` where a person must act.
        """
        answer = self._reader.ask("GET", path)
        if answer.absent:
            return None
        body = self._body(answer)
        with self._understood(f"GET {path}"):
            metadata = body["metadata"]
            if metadata["name"] != unquote(path.rpartition("/")[2]):
                raise ValueError(f"it is about {metadata['name']}")
            # A request that changes the object names these.
            text(metadata["uid"]), text(metadata["resourceVersion"])
            return body

    def document(self, path: str) -> Object:
        """Read what is about no object, such as what the API server serves. Raises as `get` does."""
        return self._body(self._reader.ask("GET", path))

    def ask(self, path: str, question: Object) -> Object:
        """Post a question, which changes nothing, and return the answer. Raises as `get` does."""
        return self._body(self._reader.ask("POST", path, body=question))

    def _body(self, answer: Answer) -> Object:
        """Return what a read brought. Raises as `get` does."""
        if not answer.ok or answer.body is None:
            raise self.failure(answer, mutating=False)
        return answer.body

    def collect(self, path: str, query: Query = ()) -> tuple[list[Object], str]:
        """Read all pages of a list; return the objects and the resourceVersion at which they were so."""
        for _ in range(_LISTS):
            listed = self._pages(path, query)
            if listed is not None:
                return listed
        raise Retry(f"GET {path}: the list expired while it was read, {_LISTS} times")

    def _pages(self, path: str, query: Query) -> tuple[list[Object], str] | None:
        items: list[Object] = []
        page: Query = [("limit", str(_PAGE))]
        for _ in range(_PAGES):
            answer = self._reader.ask("GET", path, [*query, *page])
            if answer.code == GONE:
                return None
            body = self._body(answer)
            with self._understood(f"GET {path}"):
                items += _listed(body)
                metadata = body["metadata"]
                version, more = text(metadata["resourceVersion"]), metadata.get("continue")
                if not more:
                    return items, version
                if more == page[-1][1]:
                    raise ValueError("it goes on for ever with the same page")
                page = [("limit", str(_PAGE)), ("continue", text(more))]
        self.drop()
        raise Retry(f"GET {path}: more than {_PAGES} pages")

    def send(self, verb: str, path: str, body: Object, content_type: str = "application/json") -> Answer:
        """Send one mutating request, once, and return what was answered; it may be a refusal.

        Raises `Retry` where it certainly did not leave, `Unknown` where no answer came that can be read.
        """
        answer = self._writer.ask(verb, path, body=body, content_type=content_type)
        if answer.code < REDIRECT and not answer.ok:
            raise Unknown(f"{verb} {path}: {answer.detail}")
        return answer

    def failure(self, answer: Answer, *, mutating: bool) -> EdgeError:
        """Return what an answer means that is no success and nothing that the caller expected."""
        if answer.code in {UNAUTHORIZED, FORBIDDEN} or not answer.is_status:
            # A server that is stopping or has just started, or a proxy: a new connection may lead to another one.
            self.drop()
        if answer.code == UNAUTHORIZED:
            self._renew()
        if answer.code == TOO_MANY:
            return Retry(answer.detail, after=answer.retry_after)
        if not answer.is_status or (answer.code == NOT_FOUND and not answer.absent):
            # A proxy's, which knows nothing of what was applied, or that of an API server that has just begun.
            return Unknown(answer.detail) if mutating else Retry(answer.detail, after=answer.retry_after)
        if answer.code == CONFLICT:
            return Conflict(answer.detail, after=answer.retry_after)
        if answer.code >= SERVER_ERROR and mutating:
            return Failed(answer.detail)
        if answer.code >= SERVER_ERROR or answer.code < REDIRECT:
            return Retry(answer.detail, after=answer.retry_after)
        return Denied(answer.detail)

    def drop(self) -> None:
        """Close the connections that stand: the next requests make new ones. A watch that listens goes on."""
        for line in (self._reader, self._writer, self._watcher):
            line.client.rest_client.pool_manager.clear()  # those in use are not among them

    @contextmanager
    def _understood(self, what: str) -> Iterator[None]:
        """Take an answer that says yes and makes no sense for one of a moment: `Retry`, on a new connection."""
        try:
            with understood(what):
                yield
        except Retry:
            self.drop()
            raise

    @contextmanager
    def watch(self, path: str, query: Query) -> Iterator[Any]:
        """Open a watch; in the block its stream gives lines of bytes, and `Retry` where it breaks or falls silent."""
        with _translated(mutating=False):
            response = self._watcher.open("GET", path, query)
            try:
                if response.status != OK:
                    raise self.failure(_read(response), mutating=False)
                yield response.response
            finally:
                response.response.close()


@dataclass(slots=True)
class _Line:
    """A client and how long it waits: seconds to connect, seconds between two bytes. `fence`: lets requests leave.

    `known`: the configuration that says who we are now. `silence`: is told of each answer.
    """

    known: Any
    client: Any
    timeout: tuple[float, float]
    fence: Callable[[], None]
    silence: Silence
    mutating: bool

    def ask(
        self,
        verb: str,
        path: str,
        query: Query = (),
        body: Object | None = None,
        content_type: str = "application/json",
    ) -> Answer:
        with _translated(mutating=self.mutating):
            answer = _read(self.open(verb, path, query, body, content_type))
        if answer.code < SERVER_ERROR and answer.body is not None:
            self.silence.heard()
        return answer

    def open(
        self,
        verb: str,
        path: str,
        query: Query = (),
        body: Object | None = None,
        content_type: str = "application/json",
    ) -> Any:
        headers = {"Accept": "application/json", "Content-Type": content_type}
        with _signing():
            client = self._signed()
            request = client.param_serialize(
                verb, path, query_params=list(query), header_params=headers, body=body, auth_settings=["BearerToken"]
            )
        self.fence()
        return client.call_api(*request, _request_timeout=self.timeout)

    def _signed(self) -> Any:
        """Return the client, made again where our certificate is not the one with which its connections begin.

        The server stays the same, also when the kubeconfig names another one by now.
        """
        if self.known.refresh_api_key_hook is not None:
            self.known.refresh_api_key_hook(self.known)
        own, certificate = self.client.configuration, (self.known.cert_file, self.known.key_file)
        if (own.cert_file, own.key_file) != certificate:
            renewed = copy.copy(own)
            renewed.cert_file, renewed.key_file = certificate
            former, self.client = self.client, _made(renewed, self.client.user_agent)
            former.rest_client.pool_manager.clear()
        return self.client


class _Attempts(urllib3.Retry):
    """Of a read, posted questions too: two more at once, if the fence lets them leave.

    Retry-After is not slept out here: the runner waits, on its clock.
    """

    _SETTINGS: ClassVar[dict[str, Any]] = {
        "total": 2,
        "backoff_factor": 0.2,
        "status_forcelist": (TOO_MANY, 500, 502, 503, 504),
        "allowed_methods": ("GET", "POST"),
        "raise_on_status": False,
        "respect_retry_after_header": False,
    }

    def __init__(self, fence: Callable[[], None], **left: Any) -> None:
        super().__init__(**(self._SETTINGS | left))
        self._fence = fence

    def new(self, **changes: Any) -> Self:
        return super().new(fence=self._fence, **changes)

    def increment(self, *what: Any, **happened: Any) -> Self:
        self._fence()
        return super().increment(*what, **happened)


def _authority(configuration: Any) -> bytes:
    """Return the certificates that the API server's must be signed by, empty where there is no TLS."""
    if data := configuration.ca_cert_data:
        return data.encode() if isinstance(data, str) else bytes(data)
    return Path(configuration.ssl_ca_cert).read_bytes() if configuration.ssl_ca_cert else b""


def _client(configuration: Any, user_agent: str, retries: urllib3.Retry | Literal[False]) -> Any:
    # A shallow copy: the copies share one set of tokens. The hook renews them in the configuration that all know.
    own = copy.copy(configuration)
    own.refresh_api_key_hook = None
    own.retries = retries
    own.keep_alive = True
    own.connection_pool_maxsize = _CONNECTIONS
    return _made(own, user_agent)


def _made(configuration: Any, user_agent: str) -> Any:
    client: Any = ApiClient(configuration)
    client.user_agent = user_agent
    return client


def _read(response: Any) -> Answer:
    data = response.read()
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        body = None
    header = response.headers.get("Retry-After", "")
    return Answer(
        code=response.status,
        body=body if isinstance(body, dict) else None,
        retry_after=float(header) if header.isdecimal() else None,
        text="" if isinstance(body, dict) else data[:_SHOWN].decode(errors="replace"),
    )


@contextmanager
def _signing() -> Iterator[None]:
    """Any failure to fetch the token: the request has not left."""
    try:
        yield
    except EdgeError:
        raise
    except Exception as error:
        raise Retry(one_line(f"credentials for Kubernetes: {type(error).__name__}: {error}")) from error


# A pool is closed under a request where another thread drops the connections.
_NOT_SENT = (
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
    urllib3.exceptions.ProxyError,
    urllib3.exceptions.ClosedPoolError,
)


@contextmanager
def _translated(*, mutating: bool) -> Iterator[None]:
    """Raise one of our errors in place of the connection's."""
    try:
        yield
    except (urllib3.exceptions.HTTPError, ApiException, OSError) as error:
        raise _broken(error, mutating=mutating) from error


def _broken(error: Exception, *, mutating: bool) -> EdgeError:
    cause = _cause(error)
    detail = one_line(f"{type(cause).__name__}: {cause}")
    if isinstance(cause, urllib3.exceptions.SSLError) and isinstance(cause.args[0], ssl.SSLCertVerificationError):
        # The server is not who we think: found out before a request leaves, and mostly found out again next time.
        return Denied(detail)
    if isinstance(cause, _NOT_SENT):
        return Retry(detail)
    return Unknown(detail) if mutating else Retry(detail)


def _cause(error: Exception) -> BaseException:
    """What broke: where it retries, urllib3 wraps the last failure; ApiException stands for one of TLS."""
    if isinstance(error, urllib3.exceptions.MaxRetryError):
        return error.reason or error
    if isinstance(error, ApiException):
        return error.__context__ or error
    return error


def _listed(body: Object) -> list[Object]:
    """Return what one page lists. Of nothing an API server makes an empty list; null is somebody else's answer."""
    if not text(body["kind"]).endswith("List") or body["items"] is None:
        raise ValueError(f"a {body['kind']} with the items {body['items']} is no list")
    return objects(body["items"])
