"""The errors of the Kubernetes API: each a `Status` object, worded as the real API server words it.

The texts are those of k8s.io/apimachinery `pkg/api/errors`; clients show them to people, so they are kept as they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eks_simulator.kube.resources import Resource

MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


class ApiError(Exception):
    """A refused request; `status` is what the API server answers, with HTTP status `code`."""

    def __init__(self, code: int, reason: str, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details

    def status(self) -> dict[str, Any]:
        """Return the `Status` object."""
        status: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            status["reason"] = self.reason
        if self.details is not None:
            status["details"] = self.details
        return status | {"code": self.code}


class Cause(NamedTuple):
    """One field that is wrong, of a 422: where, how (the API's word), and the text that says so."""

    field: str
    reason: str
    message: str


def required(field: str, detail: str = "") -> Cause:
    """Return that the field is missing."""
    return Cause(field, "FieldValueRequired", f"Required value{': ' if detail else ''}{detail}")


def wrong(field: str, value: Any, detail: str) -> Cause:
    """Return the field has a value that it cannot have."""
    return Cause(field, "FieldValueInvalid", f"Invalid value: {_go(value)}: {detail}")


def forbidden(field: str, detail: str) -> Cause:
    """Return that the field may not be set, or not be changed."""
    return Cause(field, "FieldValueForbidden", f"Forbidden: {detail}")


def unsupported(field: str, value: str, known: Sequence[str]) -> Cause:
    """Return the field has a value that is none of the known ones."""
    names = ", ".join(f'"{name}"' for name in known)
    return Cause(field, "FieldValueNotSupported", f'Unsupported value: "{value}": supported values: {names}')


def duplicate(field: str, value: str, detail: str) -> Cause:
    """Return the list holds the value, given as JSON, twice."""
    return Cause(field, "FieldValueDuplicate", f"Duplicate value: {value}: {detail}")


def not_found(resource: Resource, name: str, subresource: str = "") -> ApiError:
    """404: no such object; a scale is missed by a name of its own."""
    details = resource.details(name)
    if subresource == "scale":
        details["kind"] += "/scale"
    qualified = ".".join(filter(None, (details["kind"], resource.group)))
    return ApiError(404, "NotFound", f'{qualified} "{name}" not found', details)


def already_exists(resource: Resource, name: str) -> ApiError:
    """409: an object of that name is there."""
    return ApiError(409, "AlreadyExists", f'{resource.qualified} "{name}" already exists', resource.details(name))


def conflict(resource: Resource, name: str, why: str = MODIFIED) -> ApiError:
    """409: the write is based on something that is no longer so."""
    message = f'Operation cannot be fulfilled on {resource.qualified} "{name}": {why}'
    return ApiError(409, "Conflict", message, resource.details(name))


def precondition_failed(resource: Resource, name: str, what: str, wanted: str, found: str) -> ApiError:
    """409 of a DELETE or an eviction: the object is another (`UID`) or in another state (`ResourceVersion`)."""
    happened = "deleted and then recreated" if what == "UID" else "modified"
    why = (
        f"the {what} in the precondition ({wanted}) does not match the {what} in record ({found}). "
        f"The object might have been {happened}"
    )
    # The real server puts the kind where the resource belongs: `rest.BeforeDelete`.
    message = f'Operation cannot be fulfilled on {resource.kind} "{name}": {why}'
    return ApiError(409, "Conflict", message, resource.details(name) | {"kind": resource.kind})


def invalid(resource: Resource, name: str, causes: Sequence[Cause]) -> ApiError:
    """422: the object is not valid, with every field that is wrong."""
    return invalid_kind(resource.kind, resource.group, name, causes)


def invalid_kind(kind: str, group: str, name: str, causes: Sequence[Cause]) -> ApiError:
    """422 for what is no resource of its own: a scale, the options of a DELETE."""
    texts = [f"{cause.field}: {cause.message}" for cause in causes]
    text = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    details = {
        **({"name": name} if name else {}),
        **({"group": group} if group else {}),
        "kind": kind,
        "causes": [{"reason": cause.reason, "message": cause.message, "field": cause.field} for cause in causes],
    }
    qualified = f"{kind}.{group}" if group else kind
    return ApiError(422, "Invalid", f'{qualified} "{name}" is invalid: {text}', details)


def unprocessable() -> ApiError:
    """422 without a word of why: what the real server says of a JSON patch that cannot be applied."""
    return ApiError(422, "Invalid", "the server rejected our request due to an error in our request", {})


def bad_request(message: str) -> ApiError:
    """400."""
    return ApiError(400, "BadRequest", message)


def unauthorized() -> ApiError:
    """401: no token, or one that is not accepted; the real server never says which."""
    return ApiError(401, "Unauthorized", "Unauthorized")


def method_not_allowed() -> ApiError:
    """405: the simulator, or Kubernetes, does not do that there."""
    return ApiError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource", {})


def no_such_resource() -> ApiError:
    """404: the group is known, the resource or subresource is not."""
    return ApiError(404, "NotFound", "the server could not find the requested resource", {})


def unsupported_media_type(accepted: Sequence[str]) -> ApiError:
    """415: the body is of a type that is not read here."""
    message = f"the body of the request was in an unknown format - accepted media types include: {', '.join(accepted)}"
    return ApiError(415, "UnsupportedMediaType", message)


def expired(wanted: int, oldest: int) -> ApiError:
    """410: a watch wants to begin before the oldest event that is remembered."""
    return ApiError(410, "Expired", f"too old resource version: {wanted} ({oldest})")


def expired_continue() -> ApiError:
    """410: the snapshot that a paginated list is read from is gone."""
    return ApiError(
        410,
        "Expired",
        "The provided continue parameter is too old to display a consistent list result. You can start a new list "
        "without the continue parameter.",
    )


def too_large_version(wanted: int, current: int) -> ApiError:
    """504: a list wants a state that has not come to pass."""
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    message = f"Timeout: Too large resource version: {wanted}, current: {current}"
    return ApiError(504, "Timeout", message, {"causes": [cause], "retryAfterSeconds": 1})


def _go(value: Any) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    return str(value) if isinstance(value, (int, float)) else "value"
