"""Where messages go: the URLs of Apprise, which are secrets, and the services that they name.

A URL is neither printed nor logged nor stored: who has it can write there, and some read. Messages say which one is
meant by its number.
"""

from __future__ import annotations

import logging
import os
import re
import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rollout.errors import UserError
from rollout.redaction import learn

if TYPE_CHECKING:
    from apprise import Apprise

    from rollout.config import Notify

_TOKEN = re.compile(r"(?=.*[0-9])(?=.*[A-Za-z])\w{20,}", re.ASCII)
_AGAIN = "correct it, or take `notify` out of the configuration; then: the same command"


@dataclass(frozen=True, slots=True)
class Service:
    """One of Apprise's services; `name` says which in words, without its URL."""

    name: str
    apprise: Apprise

    def send(self, title: str, body: str, kind: str) -> bool:
        """Send a message; tell whether the service took it. It may take as long as the service's timeouts allow."""
        return bool(self.apprise.notify(body=body, title=title, notify_type=kind, body_format="text"))


def services(settings: Notify) -> tuple[Service, ...]:
    """Return all services that the settings name, made without asking any of them.

    Raises `UserError` (exit 2) if a URL is not there or makes no sense, or if Apprise is not installed.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of code that is not ours, about its future
        return tuple(_service(name, url) for name, url in _urls(settings))


def _service(name: str, url: str) -> Service:
    learn(url, *_parts(url))
    try:
        import apprise  # noqa: PLC0415  an extra, and only who wants messages loads it
    except ImportError as error:
        install = "pip install 'apprise>=2.3'"
        raise UserError(f"`notify` is set, and its library is missing: {error}", hint=install) from None
    # What it logs may quote a URL; that a message was not sent is told by its answer.
    log = logging.getLogger("apprise")
    log.propagate = False
    log.addHandler(logging.NullHandler())
    # Without a limit of its own it works in the thread that calls it, and not in some that keep a process from its end.
    asset = apprise.AppriseAsset(app_id="rollout", app_desc="rollout", service_timeout=0, storage_mode="memory")
    with suppress(Exception):  # its words may quote the URL
        if plugin := apprise.Apprise.instantiate(url, asset=asset):
            service = apprise.Apprise(asset=asset)
            service.add(plugin)
            return Service(name, service)
    problem = f"{name} is none that Apprise {apprise.__version__} knows, or it is not whole (it is not shown)"
    raise UserError(problem, hint=_AGAIN)


def _urls(settings: Notify) -> Iterator[tuple[str, str]]:
    """Yield each URL after its name in words. Raises `UserError` where there is none."""
    if settings.variable:
        found = os.environ.get(settings.variable, "").split()
        if not found:
            problem = f"the environment variable {settings.variable}, which `notify` names, has no URL in it"
            raise UserError(problem, hint=_AGAIN)
        for number, url in enumerate(found, start=1):
            yield f"URL {number} of the environment variable {settings.variable}", url
    if settings.file:
        found = _lines(settings.file)
        if not found:
            raise UserError(f"the file {settings.file}, which `notify` names, has no URL in it", hint=_AGAIN)
        for number, url in enumerate(found, start=1):
            yield f"URL {number} of the file {settings.file}", url


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise UserError(f"the file {path}, which `notify` names, cannot be read: {why}", hint=_AGAIN) from None
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _parts(url: str) -> Iterator[str]:
    """Yield what of a URL is a secret by itself: a password and tokens. Names, which other texts have too, are none."""
    yield from re.findall(r"://[^/@:]*:([^/@]+)@", url)
    yield from (part for part in re.split(r"[^A-Za-z0-9_]+", url) if _TOKEN.fullmatch(part))
