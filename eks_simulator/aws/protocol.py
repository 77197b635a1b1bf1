"""The wire protocols of AWS that are spoken here: query (Auto Scaling, STS), ec2, json (KMS) and rest-json (EKS).

A protocol reads an operation's parameters from a request and writes its reply or its refusal, each in the form that
AWS gives it, always with a request id. Source: the Smithy specifications of awsQuery, ec2Query, awsJson1_1 and
restJson1.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import unquote
from xml.sax.saxutils import escape

from aiohttp import web

from eks_simulator.aws.shapes import MalformedError, Reader, from_json, to_json, to_xml, tree
from eks_simulator.cloud.errors import AwsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from botocore.model import OperationModel, ServiceModel


@dataclass(frozen=True, slots=True)
class Message:
    """What of a request the protocols look at; `form` holds query parameters, and the body's where it is a form."""

    method: str
    path: str
    form: Mapping[str, str]
    body: str = ""


class Wire(Protocol):
    """A protocol; one instance serves all operations of one service."""

    def operation(self, message: Message) -> str:
        """Return the name of the operation that is asked for; empty if the message names none."""

    def parameters(self, operation: OperationModel, message: Message) -> dict[str, Any]:
        """Return the typed parameters; `AwsError` in the service's words where they do not fit the model."""

    def reply(self, operation: OperationModel, result: Mapping[str, Any], request_id: str) -> web.Response:
        """The answer to a request that was carried out."""

    def refusal(self, error: AwsError, request_id: str) -> web.Response:
        """The answer to a request that was not."""


class Query:
    """The query protocol, and what the ec2 protocol shares with it."""

    def __init__(self, service: ServiceModel) -> None:
        self._namespace = service.metadata.get("xmlNamespace", "")
        self._reader = Reader(ec2=False)

    def operation(self, message: Message) -> str:
        return message.form.get("Action", "")

    def parameters(self, operation: OperationModel, message: Message) -> dict[str, Any]:
        form = {
            name: text for name, text in message.form.items() if name not in _NO_PARAMETERS and name[:6] != "X-Amz-"
        }
        try:
            if operation.input_shape is None:
                return {}
            return dict(self._reader.read(operation.input_shape, tree(form)))
        except MalformedError as wrong:
            raise self._refused(wrong) from wrong

    def _refused(self, wrong: MalformedError) -> AwsError:
        place = wrong.path[:1].lower() + wrong.path[1:]
        if wrong.kind == "missing":
            text = f"Value null at '{place}' failed to satisfy constraint: Member must not be null"
        elif wrong.kind == "unknown":
            return AwsError("ValidationError", f"The parameter {wrong.path} is not recognized; {wrong}")
        else:
            text = f"Value at '{place}' failed to satisfy constraint: {wrong}"
        return AwsError("ValidationError", f"1 validation error detected: {text}")

    def reply(self, operation: OperationModel, result: Mapping[str, Any], request_id: str) -> web.Response:
        shape, body = operation.output_shape, ""
        if shape is not None:
            body = to_xml(shape, result, shape.serialization.get("resultWrapper", f"{operation.name}Result"))
        name = f"{operation.name}Response"
        metadata = f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>"
        return _xml(f'<{name} xmlns="{self._namespace}">{body}{metadata}</{name}>', request_id)

    def refusal(self, error: AwsError, request_id: str) -> web.Response:
        fault = "Sender" if error.status < 500 else "Receiver"  # noqa: PLR2004 - the border of HTTP's server errors
        text = f"<Error><Type>{fault}</Type><Code>{error.code}</Code><Message>{escape(error.message)}</Message></Error>"
        body = f'<ErrorResponse xmlns="{self._namespace}">{text}<RequestId>{request_id}</RequestId></ErrorResponse>'
        return _xml(body, request_id, error.status)


class Ec2(Query):
    """The ec2 protocol: a dialect of query with other names, flat lists and no result wrapper."""

    def __init__(self, service: ServiceModel) -> None:
        super().__init__(service)
        self._reader = Reader(ec2=True)

    def _refused(self, wrong: MalformedError) -> AwsError:
        if wrong.kind == "missing":
            return AwsError("MissingParameter", f"The request must contain the parameter {wrong.path}")
        if wrong.kind == "unknown":
            return AwsError("UnknownParameter", f"The parameter {wrong.path} is not recognized")
        return AwsError("InvalidParameterValue", f"Value for parameter {wrong.path} is invalid. {wrong}")

    def reply(self, operation: OperationModel, result: Mapping[str, Any], request_id: str) -> web.Response:
        shape, name = operation.output_shape, f"{operation.name}Response"
        body = to_xml(shape, result, name) if shape is not None else f"<{name}><return>true</return></{name}>"
        opening = f'<{name} xmlns="{self._namespace}"><requestId>{request_id}</requestId>'
        return _xml(body.replace(f"<{name}>", opening, 1), request_id)

    def refusal(self, error: AwsError, request_id: str) -> web.Response:
        text = f"<Error><Code>{error.code}</Code><Message>{escape(error.message)}</Message></Error>"
        body = f"<Response><Errors>{text}</Errors><RequestID>{request_id}</RequestID></Response>"
        return _xml(body, request_id, error.status)


class RestJson:
    """The rest-json protocol, for operations whose parameters are in path and query only."""

    def __init__(self, service: ServiceModel) -> None:
        self._routes = [
            (model.http["method"], _pattern(model.http["requestUri"]), name)
            for name in service.operation_names
            for model in (service.operation_model(name),)
        ]

    def operation(self, message: Message) -> str:
        for method, pattern, name in self._routes:
            if method == message.method and pattern.fullmatch(message.path):
                return str(name)
        return ""

    def parameters(self, operation: OperationModel, message: Message) -> dict[str, Any]:
        found = _pattern(operation.http["requestUri"]).fullmatch(message.path)
        given = {**message.form, **{key: unquote(text) for key, text in (found.groupdict() if found else {}).items()}}
        members = operation.input_shape.members if operation.input_shape else {}
        names = {member.serialization.get("name", name): name for name, member in members.items()}
        try:
            return {names[key]: Reader(ec2=False).read(members[names[key]], text, key) for key, text in given.items()}
        except (MalformedError, KeyError) as wrong:
            raise AwsError(
                "InvalidParameterException", f"The request does not fit {operation.name}: {wrong}"
            ) from wrong

    def reply(self, operation: OperationModel, result: Mapping[str, Any], request_id: str) -> web.Response:
        shape = operation.output_shape
        return _json({} if shape is None else to_json(shape, result), request_id)

    def refusal(self, error: AwsError, request_id: str) -> web.Response:
        response = _json({"__type": error.code, "message": error.message}, request_id, error.status)
        response.headers["x-amzn-ErrorType"] = error.code
        return response


class Json(RestJson):
    """The json protocol: parameters as one JSON object in the body; a header names the operation."""

    def __init__(self, service: ServiceModel) -> None:
        del service  # it has no routes

    def operation(self, message: Message) -> str:
        del message
        return ""

    def parameters(self, operation: OperationModel, message: Message) -> dict[str, Any]:
        try:
            given = json.loads(message.body or "{}")
            return dict(from_json(operation.input_shape, given)) if operation.input_shape else {}
        except MalformedError as wrong:
            raise AwsError("ValidationException", f"1 validation error detected: {wrong.path}: {wrong}") from wrong
        except ValueError as wrong:
            raise AwsError("SerializationException", f"The body is no JSON: {wrong}") from wrong


_NO_PARAMETERS = frozenset({"Action", "Version"})
_BINDING = re.compile(r"\\{(\w+)((?:\\\+)?)\\}")


def _pattern(uri: str) -> re.Pattern[str]:
    """`/clusters/{name}/node-groups` as a regular expression with a group for each binding."""
    path = re.escape(uri.partition("?")[0])
    return re.compile(_BINDING.sub(lambda found: f"(?P<{found[1]}>{'.+' if found[2] else '[^/]+'})", path))


def _xml(body: str, request_id: str, status: int = 200) -> web.Response:
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n{body}'
    headers = {"x-amzn-RequestId": request_id}
    return web.Response(text=text, status=status, headers=headers, content_type="text/xml")


def _json(body: Any, request_id: str, status: int = 200) -> web.Response:
    headers = {"x-amzn-RequestId": request_id}
    return web.Response(text=json.dumps(body), status=status, headers=headers, content_type="application/json")


WIRES: dict[str, type[Query | RestJson]] = {"query": Query, "ec2": Ec2, "json": Json, "rest-json": RestJson}
