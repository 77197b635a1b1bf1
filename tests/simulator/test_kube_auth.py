from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from eks_simulator.kube.auth import Authentication
from tests.simulator.clusters import Api, simulated

if TYPE_CHECKING:
    from collections.abc import Callable

CLUSTER = "eks-test"
SECRETS = {"AKIDKNOWN": "s3cret"}
STS = "https://sts.eu-west-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15"


def signed(
    cluster: str = CLUSTER,
    *,
    key: str = "AKIDKNOWN",
    secret: str = SECRETS["AKIDKNOWN"],
    session: str = "",
    **more: Any,
) -> str:
    """A presigned URL as `aws eks get-token` makes it."""
    request = AWSRequest("GET", more.get("url", STS), headers={"x-k8s-aws-id": cluster})
    credentials = Credentials(key, secret, session or None)
    SigV4QueryAuth(credentials, "sts", "eu-west-1", expires=more.get("expires", 60)).add_auth(request)
    return str(request.url)


def token(url: str) -> str:
    return "Bearer k8s-aws-v1." + base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")


def authentication(age: float = 0) -> Authentication:
    """What judges a token that is ``age`` seconds old when it is sent."""
    return Authentication(CLUSTER, "letmein", SECRETS.get, now=lambda: datetime.now(UTC).timestamp() + age)


def test_token_of_the_cluster() -> None:
    """A fresh token for the cluster is accepted, with or without a session's token in it."""
    assert authentication().accepts(token(signed()))
    assert authentication().accepts(token(signed(session="FwoGZXIvYXdzE+/=")))
    assert authentication().accepts(
        token(signed(url=STS.replace("https://sts.eu-west-1.amazonaws.com", "http://127.0.0.1:1")))
    )


def test_static_token() -> None:
    """The kubeconfig's token is accepted, another is not."""
    assert authentication().accepts("Bearer letmein")
    assert not authentication().accepts("Bearer letmeout")


@pytest.mark.parametrize(("age", "good"), [(0, True), (14 * 60, True), (16 * 60, False), (-16 * 60, False)])
def test_tokens_grow_old(age: float, good: bool) -> None:  # noqa: FBT001
    """A token lives for 15 minutes of real time, no matter what it says itself."""
    assert authentication(age).accepts(token(signed())) is good


@pytest.mark.parametrize(
    "url",
    [
        lambda: signed("eks-other"),
        lambda: signed(secret="guessed"),  # noqa: S106 - nobody's
        lambda: signed(expires=3600),
        lambda: signed(url=STS.replace("GetCallerIdentity", "GetSessionToken")),
        lambda: signed(url=f"{STS}&Foo=bar"),
        lambda: STS,
        lambda: "no url",
    ],
)
def test_bad_tokens(url: Callable[[], str]) -> None:
    """A token for another cluster, by another key, for another action, or of another form is refused."""
    assert not authentication().accepts(token(url()))


def test_cluster_name_must_be_signed() -> None:
    """A URL that does not sign the cluster's name is no token for any cluster."""
    parts = urlsplit(signed())
    query = dict(parse_qsl(parts.query)) | {"X-Amz-SignedHeaders": "host"}
    assert not authentication().accepts(token(parts._replace(query=urlencode(query)).geturl()))


def test_unknown_keys_are_judged_by_form() -> None:
    """Where the secret key is not known, form and age decide."""
    url = signed(key="AKIDUNKNOWN")
    assert authentication().accepts(token(url))
    assert not authentication(16 * 60).accepts(token(url))


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer k8s-aws-v1.", "Bearer k8s-aws-v1.%%%", "Basic letmein"])
def test_no_token_at_all(header: str | None) -> None:
    """What is no bearer token is refused."""
    assert not authentication().accepts(header)


def test_padding_is_refused() -> None:
    """The authenticator decodes without padding; a token with it is refused."""
    assert not authentication().accepts(f"{token(signed())}=")


def test_unauthorized() -> None:
    """A client that is not let in is answered 401, to every request."""
    with simulated(Authentication(CLUSTER, "letmein").accepts) as server:
        for path in ("/api/v1/nodes", "/version", "/api/v1/nodes?watch=1"):
            assert Api(server.url, "wrong")("GET", path).refusal == (401, "Unauthorized", "Unauthorized")
        assert Api(server.url, "letmein")("GET", "/api/v1/nodes").code == 200
