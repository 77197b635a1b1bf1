"""Who we are by a kubeconfig: read again, its exec plugin and files too, when we are not accepted, or it has expired.

The client's own reader says nothing where a plugin fails, and goes on without credentials: as system:anonymous.
"""

# mypy: disable-error-code="no-untyped-call"
from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from kubernetes.config import ConfigException
from kubernetes.config.dateutil import parse_rfc3339
from kubernetes.config.exec_provider import ExecProvider
from kubernetes.config.kube_config import (
    EXPIRY_SKEW_PREVENTION_DELAY,
    KUBE_CONFIG_DEFAULT_LOCATION,
    FileOrData,
    KubeConfigLoader,
    KubeConfigMerger,
)

from rollout.adapters.wording import one_line
from rollout.config import is_loopback
from rollout.errors import Refused, Retry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

#: Seconds that a plugin may take: who asks us to stop waits for it, and so does the lease.
PLUGIN_SECONDS = 10.0
# Seconds between two looks whether somebody asked us to stop, while a plugin runs.
_LOOK = 0.2

# What of a user in a kubeconfig is meant to say who we are.
_CERTIFICATES = ("client-certificate", "client-certificate-data")
_CREDENTIALS = ("auth-provider", "exec", "token", "tokenFile", "username", *_CERTIFICATES)
# By what it acts as somebody else; the client would not say so, and act as this user.
_POSING = ("as", "as-uid", "as-groups", "as-user-extra")
# The extension of a cluster that is a plugin's own.
_EXTENSION = "client.authentication.k8s.io/exec"


class Kubeconfig:
    """One context of a kubeconfig; thread-safe. `stopping`: whether somebody asked this process to stop."""

    def __init__(self, file: Path | None, context: str | None, stopping: Callable[[], bool]) -> None:
        self._file = str(file) if file else KUBE_CONFIG_DEFAULT_LOCATION
        self._context = context
        self._stopping = stopping
        self._lock = threading.Lock()
        self._outdated = False
        self._failed: tuple[float, str] = (0.0, "")
        self._refresh: Callable[[Any], None] = _as_it_is
        self._expires: datetime | None = None

    def install(self, configuration: Any) -> None:
        """Read the file, and have every request carry what it says. Raises `Refused` where it cannot be used."""
        try:
            self._load(configuration)
        except Exception as error:  # what a file can have wrong is without end, and the client says it in as many ways
            raise Refused(one_line(f"kubeconfig {self._file}: {error}")) from error
        configuration.refresh_api_key_hook = self._renewed

    def drop(self) -> None:
        """Forget a token or certificate that was not accepted: before the next request the file is read again."""
        self._outdated = True

    def _load(self, configuration: Any) -> None:
        loader = _Loader(self._file, self._context, self._stopping)
        configuration.refresh_api_key_hook = None
        loader.load_and_set(configuration)
        self._context = str(loader.current_context["name"])  # kept: the current one may become another cluster's
        self._expires = loader.expires
        if "proxy" not in vars(loader) and is_loopback(configuration.host):
            # A proxy of the environment cannot reach this machine's loopback.
            configuration.proxy = None
        # It set itself as the hook; ours asks it whether what it knows has expired.
        self._refresh = configuration.refresh_api_key_hook or _as_it_is
        configuration.refresh_api_key_hook = self._renewed

    def _renewed(self, configuration: Any) -> None:
        began = time.monotonic()
        with self._lock:
            failed, why = self._failed
            if failed > began:  # while we waited: who waits does not try once more
                raise Retry(why)
            try:
                if self._outdated or self._expired():
                    self._load(configuration)
                    self._outdated = False
                else:
                    self._refresh(configuration)
            except Exception as error:
                # What stood there before is not used: it has expired, or was not accepted. The next process may
                # have more luck, so this is for another try, not for a person.
                self._outdated = True
                self._failed = time.monotonic(), one_line(f"kubeconfig {self._file}: {error}")
                raise Retry(self._failed[1]) from error
            finally:
                configuration.refresh_api_key_hook = self._renewed

    def _expired(self) -> bool:
        return self._expires is not None and datetime.now(tz=UTC) >= self._expires - EXPIRY_SKEW_PREVENTION_DELAY


def _as_it_is(_configuration: Any) -> None:
    """The client has nothing to renew of a certificate; `Kubeconfig` reads it again."""


class _Loader(KubeConfigLoader):
    """The client's reader, but for what it does where there are no credentials: that is an error here."""

    def __init__(self, file: str, context: str | None, stopping: Callable[[], bool]) -> None:
        super().__init__(KubeConfigMerger(file).config, context, config_base_path=None)
        self._stopping = stopping
        #: When what a plugin gave ends, None where it does not say.
        self.expires: datetime | None = None

    def _load_authentication(self) -> None:
        user = self._user.value if self._user else {}
        if posing := [name for name in _POSING if user.get(name)]:
            raise ConfigException(
                f"its user acts as somebody else ({', '.join(posing)}), which we cannot: name the other"
            )
        super()._load_authentication()
        named = [name for name in _CREDENTIALS if user.get(name)]
        known = vars(self).keys() & {"token", "cert_file"} or user.keys() & {*_CERTIFICATES}
        if named and not known:
            raise ConfigException(f"{', '.join(named)} of its user gives no credentials")

    def _load_from_exec_plugin(self) -> bool:
        if not self._user or not self._cluster or "exec" not in self._user:
            return False
        base = self._get_base_path(self._cluster.path)
        status = _ask(ExecProvider(self._user["exec"], base, self._cluster), self._stopping)
        if status.get("token"):
            self.token = f"Bearer {status['token']}"
        elif status.get("clientCertificateData") and status.get("clientKeyData"):
            self.cert_file = _as_file(status, "clientCertificateData", base)
            self.key_file = _as_file(status, "clientKeyData", base)
        else:
            raise ConfigException("exec: the plugin gives neither a token nor a certificate with its key")
        if "expirationTimestamp" in status:
            self.expires = self.expiry = parse_rfc3339(status["expirationTimestamp"])
        return True


def _as_file(status: Mapping[str, Any], key: str, base: str) -> str:
    name: str = FileOrData(status, None, data_key_name=key, file_base_path=base, base64_file_content=False).as_file()
    return name


def _ask(provider: ExecProvider, stopping: Callable[[], bool]) -> dict[str, Any]:
    """Run a plugin, without a terminal to ask questions on, and return the status that it answers."""
    question = {"apiVersion": provider.api_version, "kind": "ExecCredential", "spec": {"interactive": False}}
    if provider.cluster:
        question["spec"]["cluster"] = _cluster(provider.cluster.value)
    said = _output(provider, provider.env | {"KUBERNETES_EXEC_INFO": json.dumps(question)}, stopping)
    try:
        answer = json.loads(said)
        status = answer["status"]
        version = answer["apiVersion"]
    except (ValueError, LookupError, TypeError) as error:
        raise ConfigException(f"exec: what {provider.args[0]} says is no ExecCredential with a status") from error
    if version != provider.api_version or not isinstance(status, dict):
        raise ConfigException(f"exec: {provider.args[0]} answers with {version}, not with {provider.api_version}")
    return status


def _cluster(known: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a plugin is told of the cluster (client-go credential plugins, `provideClusterInfo`)."""
    own = [one["extension"] for one in known.get("extensions") or () if one["name"] == _EXTENSION]
    return {**known, "config": own[0]} if own else dict(known)


def _output(provider: ExecProvider, environment: Mapping[str, str], stopping: Callable[[], bool]) -> str:
    """Run a plugin to its end; killed when its time is over, or when somebody asks us to stop."""
    name, end, pipe = provider.args[0], time.monotonic() + PLUGIN_SECONDS, subprocess.PIPE
    with subprocess.Popen(  # noqa: S603  the kubeconfig's own command, as kubectl runs it
        provider.args,
        stdin=subprocess.DEVNULL,
        stdout=pipe,
        stderr=pipe,
        cwd=provider.cwd,
        env=environment,
        text=True,
        start_new_session=True,
    ) as plugin:
        while True:
            try:
                said, complained = plugin.communicate(timeout=_LOOK)
                break
            except subprocess.TimeoutExpired:
                if stopping() or time.monotonic() > end:
                    _kill(plugin)
                    raise ConfigException(f"exec: {name} did not answer within {PLUGIN_SECONDS:.0f} s") from None
    if plugin.returncode:
        raise ConfigException(f"exec: {name} ended with {plugin.returncode}: {complained.strip()}")
    return said


def _kill(plugin: subprocess.Popen[str]) -> None:
    """Kill a plugin with all that it started, which would keep its output open."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(plugin.pid, signal.SIGKILL)
