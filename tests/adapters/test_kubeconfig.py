"""Who we are by a kubeconfig: read again when a token is not accepted, and never nobody."""

from __future__ import annotations

import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from kubernetes.client.configuration import Configuration

from rollout.adapters import kube_access, kubeconfig
from rollout.adapters.kube_access import kube_api
from rollout.adapters.kube_api import KubeApi
from rollout.adapters.kubeconfig import Kubeconfig
from rollout.config import Access
from rollout.errors import Refused, Retry
from tests.adapters.living import open_fence


def written(folder: Path, user: dict[str, Any]) -> Path:
    file = folder / "config"
    context = {"name": "c", "context": {"cluster": "k", "user": "u"}}
    cluster = {"name": "k", "cluster": {"server": "http://127.0.0.1:1"}}
    users = [{"name": "u", "user": user}]
    what = {"current-context": "c", "contexts": [context], "clusters": [cluster], "users": users}
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "Config", **what}))
    return file


def plugin(folder: Path, script: str) -> dict[str, Any]:
    file = folder / "plugin"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(file), "interactiveMode": "Never"}}


def saying(token: str) -> str:
    answer = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": token},
    }
    return f"echo '{json.dumps(answer)}'"


def carried(configuration: Any) -> str:
    """What the next request carries."""
    configuration.refresh_api_key_hook(configuration)
    return str(configuration.api_key["BearerToken"])


def test_a_plugin_and_a_tokens_file_are_asked_again(tmp_path: Path) -> None:
    """Not before a token was not accepted, and then once, whether it said when it would expire or not."""
    token = tmp_path / "token"
    for user, renew in (
        (plugin(tmp_path, saying("one")), lambda: plugin(tmp_path, saying("two"))),
        ({"tokenFile": str(token)}, lambda: token.write_text("two")),
    ):
        token.write_text("one")
        configuration, read = Configuration(), Kubeconfig(written(tmp_path, user), None, lambda: False)
        read.install(configuration)
        renew()
        assert carried(configuration) == "Bearer one"
        read.drop()
        assert carried(configuration) == "Bearer two"


@pytest.mark.parametrize("script", ["exit 1", "echo '{}'", "echo no JSON", saying("")])
def test_a_plugin_that_fails_never_makes_us_nobody(tmp_path: Path, script: str) -> None:
    """It is refused at the start; later the request does not leave, and the plugin is asked again for the next one."""
    broken = written(tmp_path, plugin(tmp_path, script))
    with pytest.raises(Refused, match="kubeconfig"):
        Kubeconfig(broken, None, lambda: False).install(Configuration())
    configuration, read = Configuration(), Kubeconfig(broken, None, lambda: False)
    plugin(tmp_path, saying("one"))
    read.install(configuration)
    plugin(tmp_path, script)
    read.drop()
    with pytest.raises(Retry):
        carried(configuration)
    plugin(tmp_path, saying("two"))
    assert carried(configuration) == "Bearer two"


@pytest.mark.parametrize("stopping", [True, False])
def test_a_plugin_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, stopping: bool) -> None:
    """When its time is over, or at once when somebody asks us to stop."""
    monkeypatch.setattr(kubeconfig, "PLUGIN_SECONDS", 60.0 if stopping else 0.3)
    began = time.monotonic()
    with pytest.raises(Refused, match="did not answer"):
        Kubeconfig(written(tmp_path, plugin(tmp_path, "sleep 60")), None, lambda: stopping).install(Configuration())
    assert time.monotonic() - began < 20


class Proxy(BaseHTTPRequestHandler):
    """Answers in the server's place, and says what it was asked."""

    def do_GET(self) -> None:
        """Any object."""
        body = json.dumps(
            {"metadata": {"name": "one", "uid": "u", "resourceVersion": "1"}, "asked": self.path}
        ).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


def reached(folder: Path, proxy: str) -> KubeApi:
    file = written(folder, {"token": "t"})
    content = json.loads(file.read_text())
    content["clusters"][0]["cluster"] = {"server": "http://cluster.example", "proxy-url": proxy}
    file.write_text(json.dumps(content))
    account: Any = SimpleNamespace(fence=open_fence(), run_id="run")
    return kube_api(Access(kubernetes="kubeconfig", kubeconfig=file), "c", account)


@pytest.mark.parametrize("posing", [{"as": "deployer"}, {"as-groups": ["system:masters"]}, {"as-uid": "7"}])
def test_who_acts_as_somebody_else_is_refused(tmp_path: Path, posing: dict[str, Any]) -> None:
    """Kubernetes' client reads nothing of it: we would act as the user who only may act as the other."""
    kubeconfig = Kubeconfig(written(tmp_path, {"token": "t", **posing}), None, lambda: False)
    with pytest.raises(Refused, match=rf"acts as somebody else \({next(iter(posing))}\)"):
        kubeconfig.install(Configuration())


def test_a_proxy_of_the_kubeconfig_is_used(tmp_path: Path) -> None:
    """Requests reach the server through it."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as listening:
        threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.02}).start()
        api = reached(tmp_path, f"http://127.0.0.1:{listening.server_port}")
        found = api.get("/things/one")
        listening.shutdown()
    api.close()
    assert found is not None
    assert found["asked"] == "http://cluster.example/things/one"


@pytest.mark.filterwarnings("ignore::urllib3.exceptions.DependencyWarning")
@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1", "socks5h://127.0.0.1:1", "ftp://127.0.0.1:1"])
def test_a_proxy_that_cannot_be_used_is_refused_with_words(
    tmp_path: Path, proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SOCKS needs a package of its own, which is named; what is no proxy is said to be none."""
    monkeypatch.setitem(sys.modules, "socks", None)
    with pytest.raises(Refused, match=f"the proxy {proxy} cannot be used") as error:
        reached(tmp_path, proxy)
    assert ("PySocks" in error.value.detail) is proxy.startswith("socks")


def test_the_token_of_a_pod_is_read_again_when_it_was_not_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kubelet has written a new one, which is not waited for until the minute is over."""
    token, authority = tmp_path / "token", tmp_path / "ca.crt"
    token.write_text("one")
    authority.write_text("any")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "1")
    monkeypatch.setattr(kube_access, "SERVICE_TOKEN_FILENAME", str(token))
    monkeypatch.setattr(kube_access, "SERVICE_CERT_FILENAME", str(authority))
    configuration = Configuration()
    drop = kube_access._in_cluster(configuration)
    token.write_text("two")
    assert carried(configuration) == "bearer one"
    drop()
    assert carried(configuration) == "bearer two"
