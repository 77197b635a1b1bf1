"""What went wrong with a call to AWS, as one of our errors: decided by error code and HTTP status, never by a text.

A mutating call that AWS may have carried out all the same is `Unknown`; `Retry` and `Denied` are certain. A no is
certain only in AWS's own words: what stands in between knows nothing of what AWS did.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from botocore import exceptions as b
from botocore.parsers import ResponseParserError

from rollout.adapters.wording import one_line
from rollout.errors import Bug, Conflict, Denied, EdgeError, Retry, Unknown, UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

# The codes by which AWS throttles (botocore's retry handlers know the same). EC2 sends some with status 503: the code
# is looked at before the status.
THROTTLED = frozenset(
    {
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "PriorRequestNotComplete",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
# Another change of the group is under way; AWS refuses ours for now. ResourceContention comes with status 500.
CONTENDED = frozenset({"ResourceContention", "ScalingActivityInProgress"})
# The signature was too old when it arrived: this process stood still in between. The next one is fresh.
# ExpiredToken is not among them: sessions that can be renewed are, minutes before they end. One that was handed to this
# process and has ended does not come back by waiting.
DELAYED = frozenset({"RequestExpired"})

# STS could not reach the identity provider of a service account (API reference, AssumeRoleWithWebIdentity).
UNREACHED = frozenset({"IDPCommunicationError"})
# Credentials are renewed inside of a call: what these answer says that the call itself never left.
_RENEWING = frozenset({"AssumeRole", "AssumeRoleWithWebIdentity"})

# Nothing had left yet.
_NOT_SENT = (
    b.EndpointConnectionError,
    b.ConnectTimeoutError,
    b.ProxyConnectionError,
    b.CredentialRetrievalError,
    b.MetadataRetrievalError,
)
_NO_IDENTITY = (b.NoCredentialsError, b.PartialCredentialsError, b.NoAuthTokenError, b.TokenRetrievalError, b.SSOError)
# Of a read: the network, or a reply that was cut off. What else botocore raises is wrong on our side.
_PASSING = (b.HTTPClientError, b.ConnectionError, b.IncompleteReadError, ResponseParserError)

_SERVER_ERROR = 500


def code_of(error: b.ClientError) -> str:
    """Return AWS's error code."""
    return str(error.response.get("Error", {}).get("Code", ""))


@contextmanager
def translated(*, mutating: bool) -> Iterator[None]:
    """Raise one of our errors in place of botocore's, and of what a reply of another shape leads to.

    After any error of a mutating call, a reply without a field included, its request may have been carried out.
    """
    try:
        yield
    except (b.BotoCoreError, b.ClientError, ResponseParserError) as error:
        raise translate(error, mutating=mutating) from error
    except (EdgeError, UserError):
        raise
    except Exception as error:
        kind = Unknown if mutating else Retry
        raise kind(one_line(f"the answer makes no sense ({type(error).__name__}: {error})")) from error


def translate(error: Exception, *, mutating: bool) -> EdgeError:
    """Return what `error` means for the call that raised it."""
    if isinstance(error, b.ClientError):
        return _answered(error, mutating=mutating and error.operation_name not in _RENEWING)
    detail = one_line(f"{type(error).__name__}: {error}")
    if isinstance(error, _NOT_SENT):
        return Retry(detail)
    if isinstance(error, _NO_IDENTITY):
        return Denied(detail)
    if isinstance(error, b.ParamValidationError):
        return Bug(detail)
    if mutating:
        return Unknown(detail)
    return Retry(detail) if isinstance(error, _PASSING) else Denied(detail)


def _answered(error: b.ClientError, *, mutating: bool) -> EdgeError:
    metadata = error.response.get("ResponseMetadata", {})
    code, request_id = code_of(error), metadata.get("RequestId")
    message = error.response.get("Error", {}).get("Message", "")
    detail = one_line(f"{error.operation_name}: {code}: {message}")
    if code in CONTENDED:
        return Conflict(detail, request_id=request_id)
    if code in THROTTLED | DELAYED | UNREACHED:
        return Retry(detail, request_id=request_id)
    # Where AWS itself says no it gives a code; botocore puts the status there where it finds none: a proxy's page.
    by_aws = code[:1].isalpha()
    if metadata.get("HTTPStatusCode", _SERVER_ERROR) >= _SERVER_ERROR or not by_aws:
        kind = Unknown if mutating else Retry
        return kind(detail, request_id=request_id)
    return Denied(detail, request_id=request_id)
