"""Who we are by a kubeconfig: read again when a token is not accepted, and never nobody."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from kubernetes.client.configuration import Configuration

from rollout.adapters import kubeconfig
from rollout.adapters.kubeconfig import Kubeconfig
from rollout.errors import Refused, Retry


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
