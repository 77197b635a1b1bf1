"""Simulated AWS (moto) behind an address, with every request that reached it."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch
from urllib.parse import parse_qsl

import boto3
from moto.moto_api._internal.models import moto_api_backend
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from tests.packer.serving import served

REGION = "eu-central-1"

#: What AWS_REGION and the credentials' variables say to those who talk to it.
ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": REGION}


@dataclass
class Recorded:
    """A WSGI application that notes what it is asked and passes it on to moto."""

    requests: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    port: int = 0
    inner: DomainDispatcherApplication = field(default_factory=lambda: DomainDispatcherApplication(create_backend_app))

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        self.requests.append(_read(environ.get("HTTP_X_AMZ_TARGET", ""), body))
        answered: Iterable[bytes] = self.inner({**environ, "wsgi.input": io.BytesIO(body)}, start_response)
        return answered

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def client(self, service: str) -> Any:
        """A client for one of its services."""
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        return boto3.client(service, endpoint_url=self.url, region_name=REGION, **keys)

    def asked(self, action: str) -> list[Mapping[str, Any]]:
        """Return the parameters of each request for an action, in the order in which they came."""
        return [parameters for name, parameters in self.requests if name == action]


def _read(target: str, body: bytes) -> tuple[str, Mapping[str, Any]]:
    """Name an action and its parameters, which each protocol of AWS says in its own way."""
    if target:
        return target.rpartition(".")[2], json.loads(body)
    parameters = dict(parse_qsl(body.decode(errors="replace")))
    return parameters.get("Action", ""), parameters


@contextmanager
def recorded() -> Iterator[Recorded]:
    """Serve it for as long as the block lasts; it knows no image but those that the test registers."""
    with patch.dict(os.environ, {"MOTO_EC2_LOAD_DEFAULT_AMIS": "false"}):
        application = Recorded()
        try:
            with served(application):
                yield application
        finally:
            moto_api_backend.reset()  # moto keeps its state beside the application, for all of this process
