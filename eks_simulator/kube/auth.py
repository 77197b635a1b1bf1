"""Who may talk to the simulated API server: the bearer of an EKS token for this cluster, or of the kubeconfig's token.

An EKS token is a presigned STS GetCallerIdentity URL: `k8s-aws-v1.` + base64url. Its age is judged in real time, as
everything is that AWS signs. The cluster's name is a signed header, so it is judged by the signature; for that the
simulator must know the secret key that belongs to the access key. Source: aws-iam-authenticator `pkg/token`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, parse_qsl, quote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

_PREFIX = "k8s-aws-v1."
_CLUSTER_HEADER = "x-k8s-aws-id"
_LIFETIME = timedelta(minutes=15)
_LONGEST_EXPIRY = 900  # seconds; more is refused, less is ignored: STS itself accepts such a URL for 15 minutes
_ALGORITHM = "AWS4-HMAC-SHA256"
_PARAMETERS = {
    "Action",
    "Version",
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-Security-Token",
    "X-Amz-Signature",
    "X-Amz-SignedHeaders",
}


def _no_secrets(_access_key: str) -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class Authentication:
    """Tells the bearers of good tokens from others.

    `secret_of` gives the secret key that belongs to an access key; where it gives None the signature is not judged,
    and with it the cluster's name. `now` is POSIX seconds of the real clock.
    """

    cluster: str
    admin_token: str
    secret_of: Callable[[str], str | None] = _no_secrets
    now: Callable[[], float] = time.time

    def accepts(self, authorization: str | None) -> bool:
        """Tell whether the Authorization header lets its sender in."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            return False
        if token.startswith(_PREFIX):
            return self._accepts_signed(token.removeprefix(_PREFIX))
        return hmac.compare_digest(token.encode(), self.admin_token.encode())

    def _accepts_signed(self, encoded: str) -> bool:
        if encoded.endswith("="):
            return False  # the authenticator decodes without padding
        try:
            url = urlsplit(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode())
            query = dict(parse_qsl(url.query, keep_blank_values=True, strict_parsing=True))
            return _well_formed(query) and self._fresh(query) and self._signed(url, query)
        except (binascii.Error, ValueError, KeyError):
            return False

    def _fresh(self, query: dict[str, str]) -> bool:
        signed = datetime.strptime(query["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        now = datetime.fromtimestamp(self.now(), UTC)
        return signed - _LIFETIME < now < signed + _LIFETIME

    def _signed(self, url: SplitResult, query: dict[str, str]) -> bool:
        secret = self.secret_of(query["X-Amz-Credential"].partition("/")[0])
        if secret is None:
            return True
        wanted = _signature(url, query, {"host": url.netloc, _CLUSTER_HEADER: self.cluster}, secret)
        return hmac.compare_digest(wanted, query["X-Amz-Signature"])


def _well_formed(query: dict[str, str]) -> bool:
    return (
        query["Action"] == "GetCallerIdentity"
        and query["Version"] == "2011-06-15"
        and query["X-Amz-Algorithm"] == _ALGORITHM
        and 0 <= int(query["X-Amz-Expires"]) <= _LONGEST_EXPIRY
        and query.keys() <= _PARAMETERS
        and set(query["X-Amz-SignedHeaders"].split(";")) == {"host", _CLUSTER_HEADER}
    )


def _signature(url: SplitResult, query: dict[str, str], headers: dict[str, str], secret: str) -> str:
    """Signature Version 4 of the presigned GET, as AWS works it out from what it received."""
    signed = sorted((name, value) for name, value in query.items() if name != "X-Amz-Signature")
    canonical = "\n".join(
        (
            "GET",
            url.path or "/",
            "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in signed),
            *(f"{name}:{headers[name]}" for name in sorted(headers)),
            "",
            ";".join(sorted(headers)),
            hashlib.sha256(b"").hexdigest(),
        )
    )
    scope = query["X-Amz-Credential"].partition("/")[2]
    text = "\n".join((_ALGORITHM, query["X-Amz-Date"], scope, hashlib.sha256(canonical.encode()).hexdigest()))
    key = f"AWS4{secret}".encode()
    for part in (*scope.split("/"), text):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key.hex()
