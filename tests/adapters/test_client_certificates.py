"""A client certificate is renewed as a token is: when it was not accepted, and when it has expired."""

from __future__ import annotations

import json
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from kubernetes.client.configuration import Configuration

from rollout.adapters.kube_api import KubeApi
from rollout.adapters.kubeconfig import Kubeconfig
from rollout.errors import Denied, Retry
from tests.adapters.living import open_fence

VERSION = "client.authentication.k8s.io/v1"


class Strict(BaseHTTPRequestHandler):
    """Knows one person, by the name in the client's certificate."""

    protocol_version = "HTTP/1.1"
    known = "first"

    def do_GET(self) -> None:
        """Any object, or a 401."""
        subject = self.connection.getpeercert()["subject"]
        welcome = dict(part[0] for part in subject)["commonName"] == Strict.known
        one = {"metadata": {"name": "one", "uid": "u", "resourceVersion": "1"}}
        said: dict[str, Any] = one if welcome else {"kind": "Status", "reason": "Unauthorized"}
        body = json.dumps(said).encode()
        self.send_response(200 if welcome else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815  the handler's own naming

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate with its key; it serves for the server, and for a client of that name."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    files = folder / f"{name}.crt", folder / f"{name}.key"
    what = ["-x509", "-nodes", "-days", "2", "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1"]
    how = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", str(files[0]), "-keyout", str(files[1])]
    subprocess.run([openssl, "req", *what, *how], check=True, capture_output=True)
    return files


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """It asks for certificates, and takes those of `first` and `second` for real."""
    Strict.known = "first"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate(tmp_path, "server"))
    context.verify_mode = ssl.CERT_REQUIRED
    for name in ("first", "second"):
        context.load_verify_locations(certificate(tmp_path, name)[0])
    with ThreadingHTTPServer(("127.0.0.1", 0), Strict) as listening:
        listening.socket = context.wrap_socket(listening.socket, server_side=True)
        threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.02}).start()
        yield f"https://127.0.0.1:{listening.server_port}"
        listening.shutdown()


def plugin(folder: Path, name: str, expires: str | None = None) -> dict[str, Any]:
    """A user whose plugin gives this certificate, and counts how often it was asked."""
    cert, key = (folder / f"{name}.{end}" for end in ("crt", "key"))
    status: dict[str, Any] = {"clientCertificateData": cert.read_text(), "clientKeyData": key.read_text()}
    if expires:
        status["expirationTimestamp"] = expires
    answer = folder / "answer"
    answer.write_text(json.dumps({"apiVersion": VERSION, "kind": "ExecCredential", "status": status}))
    script = folder / "plugin"
    script.write_text(f"#!/bin/sh\necho >> {folder}/asked\ncat {answer}\n")
    script.chmod(0o755)
    return {"exec": {"apiVersion": VERSION, "command": str(script), "interactiveMode": "Never"}}


def data(folder: Path, name: str) -> dict[str, Any]:
    """A user whose certificate's files the kubeconfig names."""
    return {"client-certificate": str(folder / f"{name}.crt"), "client-key": str(folder / f"{name}.key")}


def write(folder: Path, server: str, user: dict[str, Any], current: str = "c") -> Path:
    file = folder / "config"
    cluster = {"server": server, "certificate-authority": str(folder / "server.crt")}
    contexts = [
        {"name": "c", "context": {"cluster": "k", "user": "u"}},
        {"name": "other", "context": {"cluster": "elsewhere", "user": "nobody"}},
    ]
    clusters = [{"name": "k", "cluster": cluster}, {"name": "elsewhere", "cluster": {"server": "https://127.0.0.1:1"}}]
    users = [{"name": "u", "user": user}, {"name": "nobody", "user": {"token": "other"}}]
    what = {"current-context": current, "contexts": contexts, "clusters": clusters, "users": users}
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "Config", **what}))
    return file


def api(file: Path) -> KubeApi:
    configuration, kubeconfig = Configuration(), Kubeconfig(file, None, lambda: False)
    kubeconfig.install(configuration)
    return KubeApi(configuration, "test", open_fence(), kubeconfig.drop)


def asked(folder: Path) -> int:
    return len((folder / "asked").read_text().splitlines())


@pytest.mark.parametrize("user", [plugin, data], ids=["plugin", "files"])
def test_a_certificate_that_is_not_accepted_is_read_again(tmp_path: Path, server: str, user: Any) -> None:
    """Reads and writes continue with the new one, at the same server, even if the current context has changed."""
    it = api(write(tmp_path, server, user(tmp_path, "first")))
    assert it.get("/things/one")
    Strict.known = "second"
    write(tmp_path, server, user(tmp_path, "second"), current="other")
    with pytest.raises(Denied, match="401"):
        it.get("/things/one")
    assert it.get("/things/one")
    assert it.send("POST", "/things/one", {}).ok
    it.close()


def test_a_plugins_certificate_that_has_expired_is_renewed_before_it_is_sent(tmp_path: Path, server: str) -> None:
    """No 401 is needed for it; one that has not expired is asked for once."""
    it = api(write(tmp_path, server, plugin(tmp_path, "second", "2020-01-01T00:00:00Z")))
    plugin(tmp_path, "first", "2999-01-01T00:00:00Z")
    for _ in range(3):
        assert it.get("/things/one")
    assert asked(tmp_path) == 2
    it.close()


def test_a_certificate_that_cannot_be_renewed_is_for_another_try(tmp_path: Path, server: str) -> None:
    """The request does not leave, and no person is called: nobody said no but the plugin."""
    it = api(write(tmp_path, server, plugin(tmp_path, "second")))
    with pytest.raises(Denied, match="401"):
        it.get("/things/one")
    (tmp_path / "answer").write_text("no answer")
    for _ in range(2):
        with pytest.raises(Retry, match="kubeconfig"):
            it.get("/things/one")
    plugin(tmp_path, "first")
    assert it.get("/things/one")
    it.close()
