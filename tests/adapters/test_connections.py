"""Connections that fail in ways that no server would report: silence, and a server that is not who it should be."""

from __future__ import annotations

import json
import queue
import shutil
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from kubernetes.client.configuration import Configuration

from rollout.adapters import Edge, access, connect, kube_api
from rollout.adapters.kube_api import KubeApi
from rollout.errors import Denied, Refused, Retry, Unknown
from tests.adapters.living import RUN, Living, open_fence, trusting

# ---- silence


@pytest.fixture
def impatient(world: Living, monkeypatch: pytest.MonkeyPatch) -> Iterator[Edge]:
    """An edge that gives up on replies much sooner."""
    monkeypatch.setitem(access._WRITE, "read_timeout", 0.1)
    monkeypatch.setattr(kube_api, "_TIMEOUT", (3.0, 0.1))
    with connect(world.config(), RUN) as edge:
        yield trusting(edge)


def test_a_request_is_over_within_ten_seconds() -> None:
    """Connecting and the reply together, on both sides, whether it reads or changes something."""
    for settings in (access._READ, access._WRITE):
        assert settings["connect_timeout"] + settings["read_timeout"] <= 10
    assert sum(kube_api._TIMEOUT) <= 10


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    "send",
    [
        lambda edge: edge.autoscaling.suspend("workers", ["AZRebalance"]),
        lambda edge: edge.kubernetes.delete_job("demo", "long-0", "x"),
    ],
    ids=["aws", "kubernetes"],
)
def test_a_reply_that_does_not_come_is_unknown(
    impatient: Edge, world: Living, send: Callable[[Edge], object], when: str
) -> None:
    """Whether it was applied cannot be known: it was sent once, and is not sent again."""
    world.fault({"hang": {"when": when}}, mutating=True)
    before = world.arrived()
    with pytest.raises(Unknown, match=r"(?i)timed? ?out"):
        send(impatient)
    assert world.arrived() == before + 1


# ---- certificates


OBJECT = b'{"metadata": {"name": "one", "uid": "u", "resourceVersion": "1"}}'


class Echo(BaseHTTPRequestHandler):
    """Answers every GET with an object."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(OBJECT)))
        self.end_headers()
        self.wfile.write(OBJECT)

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for loopback, signed by itself, in one file with its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    key, file = tmp_path / "key.pem", tmp_path / "certificate.pem"
    what = ["-x509", "-nodes", "-days", "2", "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1"]
    how = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-keyout", str(key), "-out", str(file)]
    subprocess.run([openssl, "req", *what, *how], check=True, capture_output=True)
    file.write_text(file.read_text() + key.read_text())
    return file


@pytest.fixture
def server(certificate: Path) -> Iterator[str]:
    """A server that speaks TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as listening:
        listening.socket = context.wrap_socket(listening.socket, server_side=True)
        threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.02}).start()
        yield f"https://127.0.0.1:{listening.server_port}"
        listening.shutdown()


def api(server: str, authority: str | None) -> KubeApi:
    configuration = Configuration()
    configuration.host, configuration.ca_cert_data, configuration.proxy = server, authority, None
    return KubeApi(configuration, "test", open_fence())


def test_a_server_is_known_by_its_authority(server: str, certificate: Path) -> None:
    """The authority as EKS hands it out, PEM without a file, is enough."""
    trusting = api(server, certificate.read_text().partition("-----BEGIN PRIVATE")[0])
    assert trusting.get("/things/one") == json.loads(OBJECT)
    trusting.close()


def test_a_server_that_is_not_trusted_gets_no_request(server: str) -> None:
    """It is neither read nor written: certainly not applied, and a person must act."""
    doubting = api(server, None)
    with pytest.raises(Refused, match="certificate verify failed"):
        doubting.get("/")
    with pytest.raises(Refused, match="certificate verify failed"):
        doubting.send("DELETE", "/", {})
    doubting.close()


def test_without_a_token_nothing_is_sent(server: str) -> None:
    """If fetching a token fails in any way, the request has not left, and the error's text has no secret."""

    def fail(_configuration: object) -> None:
        raise KeyError("token Bearer s3cret")

    configuration: Any = Configuration()
    configuration.host, configuration.api_key = server, {"BearerToken": "old"}
    configuration.refresh_api_key_hook = fail
    helpless = KubeApi(configuration, "test", open_fence())
    with pytest.raises(Retry, match="credentials") as caught:
        helpless.send("DELETE", "/", {})
    assert "s3cret" not in caught.value.detail
    helpless.close()


def test_a_token_that_is_not_accepted_is_renewed(world: Living) -> None:
    """The next request asks for a new one, on a new connection; whether that helps, the next answer tells."""
    configuration, asked = Configuration(), []
    configuration.host, configuration.api_key = world.endpoints.kubernetes, {"BearerToken": "Bearer nonsense"}
    stranger = KubeApi(configuration, "test", open_fence(), lambda: asked.append("renew"))
    for _ in range(2):
        with pytest.raises(Denied, match="401"):
            stranger.get("/api/v1/nodes/any")
    assert asked == ["renew", "renew"]
    stranger.close()


def test_nobody_listens_means_that_nothing_was_sent() -> None:
    """A refused connection is `Retry`, for reads and for mutating calls."""
    nowhere = api("http://127.0.0.1:1", None)
    with pytest.raises(Retry):
        nowhere.get("/")
    with pytest.raises(Retry):
        nowhere.send("POST", "/", {})
    nowhere.close()


class Leaving(BaseHTTPRequestHandler):
    """An API server that goes: each connection is good for one watch, and answers 401 from then on."""

    protocol_version = "HTTP/1.1"
    served = False

    def do_GET(self) -> None:
        refusal = json.dumps({"kind": "Status", "code": 401, "reason": "Unauthorized"}).encode()
        body = refusal if self.served else b"{}\n"
        self.send_response(401 if self.served else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.served = True

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


def test_a_watch_that_was_not_accepted_begins_on_a_new_connection() -> None:
    """One 401 on a connection that stands is enough: the next watch does not meet it again."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Leaving) as listening:
        listening.daemon_threads = True
        threading.Thread(target=listening.serve_forever).start()
        leaving = api(f"http://127.0.0.1:{listening.server_port}", None)
        answers = []
        for _ in range(4):
            try:
                with leaving.watch("/things", []) as stream:
                    answers.append(b"".join(stream))
            except Denied as error:
                answers.append(error.detail[:8].encode())
        leaving.close()
        listening.shutdown()
    assert answers == [b"{}\n", b"HTTP 401", b"{}\n", b"HTTP 401"]


class Talking(BaseHTTPRequestHandler):
    """Says a line each time that a test lets it."""

    protocol_version = "HTTP/1.1"
    may: queue.Queue[bytes] = queue.Queue()

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while line := self.may.get(timeout=60):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


def test_a_watch_that_listens_goes_on_when_connections_are_dropped() -> None:
    """Another thread was not accepted, and drops what stands: what is being read is read to its end."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Talking) as listening:
        threading.Thread(target=listening.serve_forever).start()
        hearing = api(f"http://127.0.0.1:{listening.server_port}", None)
        Talking.may.put(b"one\n")
        with hearing.watch("/things", []) as stream:
            lines = iter(stream)
            assert next(lines) == b"one\n"
            hearing.drop()
            for line in (b"two\n", b""):
                Talking.may.put(line)
            assert b"".join(lines) == b"two\n"
        hearing.close()
        listening.shutdown()
